"""Steam as collected at UCSD: reviews (Kang & McAuley 2018) or the libraries of Australian users (Pathak et al. 2017).

recgpt data import steam steam_files --out data/steam
recgpt data import steam-libraries steam_files --out data/steam_au

The files hold one Python dict a line, not JSON; lines are parsed as literals, never executed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recgpt.data.process import PUBLISHED_MIN_RECORDS, workspace, write_dataset
from recgpt.data.readers.lines import Schema, find, literal_lines
from recgpt.data.times import read_times

REVIEW: Schema = {"user_id": pl.String, "item_id": pl.String, "date": pl.String}
OWNED: Schema = {"user_id": pl.String, "item_id": pl.String, "title": pl.String}
GAME: Schema = {"item_id": pl.String, "title": pl.String, "categories": pl.String, "brand": pl.String}


def read_reviews(source: Path, out: Path, *, min_records: int = PUBLISHED_MIN_RECORDS, overwrite: bool = False) -> None:
    """Write a data set folder from `steam_reviews.json` and `steam_games.json` (or `.gz`) in `source`.

    Users are identified by user name, as most reviews carry no other id; times are days.
    """
    with workspace(out, overwrite=overwrite) as work:
        reviews = literal_lines(find(source, "steam_reviews.json"), _review, REVIEW, work / "reviews.parquet")
        games = literal_lines(find(source, "steam_games.json"), _game, GAME, work / "games.parquet")
        times = read_times(reviews, "date", "steam_reviews.json", "%Y-%m-%d")
        write_dataset(
            out,
            work,
            interactions=times.in_order(reviews).select("user_id", "item_id", "timestamp", "position"),
            items=games,
            source="Steam reviews, UCSD",
            min_records=min_records,
            keep_cold_items=False,
            about={"times": times.summary()},
        )


def read_libraries(
    source: Path, out: Path, *, min_records: int = PUBLISHED_MIN_RECORDS, overwrite: bool = False
) -> None:
    """Write a data set folder from `australian_users_items.json` and `steam_games.json` (or `.gz`) in `source`.

    Libraries carry no times: events are in the order of the file. Games missing in `steam_games` have a title only.
    """
    with workspace(out, overwrite=overwrite) as work:
        owned = literal_lines(find(source, "australian_users_items.json"), _owned, OWNED, work / "owned.parquet")
        games = literal_lines(find(source, "steam_games.json"), _game, GAME, work / "games.parquet")
        write_dataset(
            out,
            work,
            interactions=owned.select("user_id", "item_id"),
            items=pl.concat([games, owned.select("item_id", "title")], how="diagonal"),
            source="libraries of Australian Steam users, UCSD; order as in the file",
            min_records=min_records,
            keep_cold_items=False,
        )


def _review(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield record["username"], record["product_id"], record["date"]


def _owned(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for game in record["items"]:
        yield record["user_id"], game["item_id"], game["item_name"]


def _game(record: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    if "id" in record:
        categories = dict.fromkeys([*record.get("genres", []), *record.get("tags", [])])
        title = record.get("title") or record.get("app_name") or ""
        yield record["id"], title, ", ".join(categories), record.get("developer", "")
