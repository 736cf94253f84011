"""Recommend from a catalogue, rank whole data sets, explain a score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recgpt.tables import print_tables
from recgpt.terminal import plain, print_json, say

if TYPE_CHECKING:
    import polars as pl

    from recgpt.models import Catalogue

from recgpt.cli.options import (
    DatasetDir,
    History,
    InteractionsFile,
    ItemsFile,
    OptionalModel,
    Overwrite,
    TimeFormat,
    Workers,
)


def recommend(
    items: ItemsFile,
    history: History,
    model: OptionalModel = None,
    interactions: InteractionsFile = None,
    time_format: TimeFormat = None,
    k: Annotated[int, typer.Option("-k", min=1, help="number of recommendations, at most all items")] = 10,
    keep_history: Annotated[
        bool, typer.Option("--keep-history", help="Allow items of the history to be recommended.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Recommend items of a new catalogue from their texts and, with --interactions, from past interactions.

    Example: recgpt recommend --items items.csv --history "Toy Story (1995); Heat (1995)"

    Example: recgpt recommend --items items.csv --interactions past.csv --history "Toy Story (1995); Heat (1995)"

    Example: recgpt recommend --model runs/demo/model/best --items items.csv --history "Toy Story (1995); Heat (1995)"
    """
    from rich.table import Table
    from rich.text import Text

    from recgpt.errors import DataError
    from recgpt.titles import find_titles

    catalogue_table = _read_catalogue(items)
    titles = catalogue_table["title"].to_list()
    rows = find_titles(titles, [title for title in history.split(";") if title.strip()])
    catalogue = _indexed(model, catalogue_table, interactions, time_format)
    score_name = catalogue.score_name
    ranking = catalogue.recommend([rows], min(k, len(titles)), exclude="nothing" if keep_history else "history")
    best = [
        {"rank": place + 1, "row": int(item), "title": titles[item], score_name: float(score)}
        for place, (item, score) in enumerate(zip(ranking.ids[0], ranking.scores[0], strict=True))
        if item >= 0
    ]
    if not rows and not best:
        raise DataError(
            "the history is empty and there are no interactions: name a title in --history, or pass --interactions"
        )
    if as_json:
        print_json({"history": [titles[row] for row in rows], "recommendations": best}, indent=None)
        return
    shown = Table("", "title", score_name.replace("_", "-"), box=None)
    for each in best:
        shown.add_row(str(each["rank"]), Text(plain(str(each["title"]))), f"{each[score_name]:.2f}")
    after = " -> ".join(plain(titles[row]) for row in rows) or "an empty history"
    print_tables(Text(f"After {after}:"), shown)


def rank(
    dataset: DatasetDir,
    out: Annotated[Path, typer.Option(help="folder for rankings.parquet", file_okay=False)],
    model: OptionalModel = None,
    k: Annotated[int, typer.Option("-k", min=1, help="number of recommendations per user, at most all items")] = 100,
    keep_history: Annotated[
        bool, typer.Option("--keep-history", help="Allow items of the history to be recommended.")
    ] = False,
    repeats: Annotated[
        Literal["keep", "drop-consecutive", "drop"],
        typer.Option(help="repeated items in a user's sequence: keep, drop consecutive ones, or drop all"),
    ] = "drop",
    batch_size: Annotated[int, typer.Option(min=1, help="users ranked per batch")] = 64,
    workers: Workers = 1,
    overwrite: Overwrite = False,
) -> None:
    """Rank the catalogue for every user of a data set, after the whole history; a killed run resumes.

    Example: recgpt rank data/demo --out runs/demo-ranked -k 20

    Example: recgpt rank data/demo --model runs/demo/model/best --out runs/demo-ranked -k 20 --workers 2
    """
    from recgpt.cli.checks import check_dataset, check_model, check_workers
    from recgpt.data.dataset import Dataset
    from recgpt.files import require_writable

    check_dataset(dataset)
    check_workers(workers)
    require_writable(out)
    check_model(model)
    data = Dataset.load(dataset, repeats=repeats)

    from recgpt.bulk.rank import rank_dataset
    from recgpt.foundation.model import SHIPPED

    path = rank_dataset(
        data,
        model or SHIPPED,
        out,
        k=k,
        exclude="nothing" if keep_history else "history",
        batch_size=batch_size,
        overwrite=overwrite,
        workers=workers,
    )
    say(f"{path}: {data.n_users:,} users, the top {min(k, data.n_items)} of {data.n_items:,} items for each")


def _indexed(
    model: str | None, catalogue_table: "pl.DataFrame", interactions: str | None, time_format: str | None
) -> "Catalogue":
    """Index the catalogue with the named model, by default the shipped one."""
    from recgpt.cli.checks import check_model

    check_model(model)

    from recgpt.models import load_model

    loaded = load_model(model)
    if interactions is None:
        return loaded.index(catalogue_table)
    from recgpt.data.past import item_ids, read_past

    past = read_past(interactions, item_ids(catalogue_table), time_format=time_format)
    return loaded.index(catalogue_table, interactions=past)


def _read_catalogue(path: Path) -> "pl.DataFrame":
    """Read a table of items with text columns as strings: a title may be the number 1984."""
    import polars as pl

    from recgpt.data.readers.tables import read_items
    from recgpt.data.text import ALL_TEXT_COLUMNS

    table = read_items(path)
    texts = [column for column in ALL_TEXT_COLUMNS if column in table.columns]
    return table.with_columns(pl.col(texts).cast(pl.String).fill_null(""))


def explain(
    items: ItemsFile,
    history: History,
    item: Annotated[str, typer.Option(help="title of the item to explain, or a part that only one title contains")],
    model: OptionalModel = None,
    interactions: InteractionsFile = None,
    time_format: TimeFormat = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Explain an item's score after a history: the contribution of each kind of evidence and of each history item.

    Example: recgpt explain --items items.csv --history "Heat (1995)" --item "Casino"

    Example: recgpt explain --items items.csv --interactions past.csv --history "Heat (1995)" --item "Casino"

    Example: recgpt explain --model runs/demo/model/best --items items.csv --history "Heat (1995)" --item "Casino"
    """
    from recgpt.titles import find_titles

    catalogue_table = _read_catalogue(items)
    titles = catalogue_table["title"].to_list()
    rows = find_titles(titles, [title for title in history.split(";") if title.strip()])
    wanted = find_titles(titles, [item])[0]
    found = _indexed(model, catalogue_table, interactions, time_format).explain(rows, wanted, titles)
    if as_json:
        print_json(found.to_dict(), indent=None)
    else:
        print_tables(found.render())
