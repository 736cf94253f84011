"""Mind that repeats stored ratings: of a stored run, of a study's dump, or of the published files.

    mind = ReplayMind.from_source("emosim/llm_ratings.parquet", items, users, scale)
    mind = ReplayMind.from_source("emosim/study_dumps.parquet:CONFIGURATION:high", items, users, scale)
    mind = ReplayMind.from_source("my-run", items, users, scale)

| source | users | items |
|-|-|-|
| run of the world gym | rows | rows |
| Parquet file with `user_id, item_id, rating`, such as the dump of a study | outside ids | outside ids |
| Parquet file with `user, item, rating`, such as llm_ratings.parquet | rows | rows |
| study_dumps.parquet, with a configuration and a study | `user_index`, or by name | by title |

Ratings are those before any perturbator, where the source has them. The n-th time that a user meets an item, the n-th
stored rating of the two answers. A pair without one is a failure.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from recgpt.data.schema import collect, scan_parquet
from recgpt.errors import DataError, SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

_DUMP = ("configuration", "study", "user_index", "user_name", "title")


class ReplayMind:
    """Repeats stored ratings.

    Parameters
    ----------
    user_R, item_R
        (R,) rows of users and items; equal pairs in the order of the meetings.
    rating_R
        (R,) ratings; NaN for a stored failure.
    n_items
        Size of the catalogue.
    source
        Name of the source, for messages.
    """

    name = "replay"

    def __init__(
        self, user_R: np.ndarray, item_R: np.ndarray, rating_R: np.ndarray, n_items: int, source: str = "the record"
    ) -> None:
        code_R = user_R.astype(np.int64) * n_items + item_R
        order_R = np.argsort(code_R, kind="stable")
        self._code_R, self._rating_R = code_R[order_R], np.asarray(rating_R, dtype=np.float64)[order_R]
        self._n_items, self._source = n_items, source

    @classmethod
    def from_source(cls, source: str | None, items: Items, users: Users, scale: Scale) -> Self:
        """Read a run or a Parquet file, see the module.

        Raises
        ------
        SimulationError
            No source is named; a dump needs a configuration; a rating is not on the scale; nothing fits the users and
            items.
        DataError
            The file is missing or damaged, or lacks columns.
        StoreError
            There is no such run.
        """
        if source is None:
            raise SimulationError("the mind replay repeats stored ratings: name a run or a Parquet file (--replayed)")
        path, _, choice = source.partition(".parquet")
        if path == source:
            rows = _of_run(source)
        else:
            rows = _of_file(Path(path + ".parquet"), choice.removeprefix(":"), items, users)
        known = (pl.col("user") >= 0) & (pl.col("user") < len(users)) & (pl.col("item") >= 0)
        rows = rows.filter(known & (pl.col("item") < len(items)))
        if rows.is_empty():
            raise SimulationError(
                f"{source}: no stored rating is of these users and items: replay with those of the record"
            )
        rating_R = rows["rating"].to_numpy()
        wrong_R = rating_R[np.isfinite(rating_R) & ~np.isin(rating_R, scale.values)]
        if len(wrong_R):
            raise SimulationError(
                f"{source}: the rating {wrong_R[0]:g} is not on the scale from {scale.lowest:g} to {scale.highest:g}:"
                " replay in the domain of the record"
            )
        return cls(rows["user"].to_numpy(), rows["item"].to_numpy(), rating_R, len(items), source)

    def rate(self, questions: Questions) -> Ratings:
        """The stored ratings; NaN, with the reason, for a pair that has none. See `Mind`."""
        code_E = questions.user_E * self._n_items + questions.item_E
        place_E = np.searchsorted(self._code_R, code_E) + questions.times_met_E - 1
        stored_E = place_E < np.searchsorted(self._code_R, code_E, side="right")
        rating_E = np.full(len(questions), np.nan)
        rating_E[stored_E] = self._rating_R[place_E[stored_E]]
        failures: list[str | None] = [None] * len(questions)
        for row in np.flatnonzero(np.isnan(rating_E)).tolist():
            user, item = questions.user_E[row], questions.item_E[row]
            failures[row] = (
                f"the rating of user {user} for item {item} failed in {self._source}"
                if stored_E[row]
                else f"{self._source} has no rating {questions.times_met_E[row]} of user {user} for item {item}"
            )
        return Ratings(rating_E, failures=failures)

    def estimate(self, n_questions: int) -> None:
        """No calls. See `Mind`."""


def _of_run(run_id: str) -> pl.DataFrame:
    """`user, item, rating` of a run of the world gym: what the users meant, before any perturbator."""
    with Run.open(run_id) as run:
        if run.manifest.world != "gym":
            raise SimulationError(f"run {run_id} is of the world {run.manifest.world}: name a run of the world gym")
        events = run.events()
    rated, meant = (events.filter(pl.col("kind") == kind) for kind in ("rated", "unperturbed"))
    meant = meant.select("step", "agent", "item", pl.col("value").alias("meant"))
    joined = rated.join(meant, on=["step", "agent", "item"], how="left", maintain_order="left")
    return joined.sort("step", maintain_order=True).select(
        pl.col("agent").alias("user"), "item", pl.coalesce("meant", "value").alias("rating")
    )


def _of_file(path: Path, choice: str, items: Items, users: Users) -> pl.DataFrame:
    """`user, item, rating` of a Parquet file."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: name a Parquet file with ratings, or a run")
    table = collect(scan_parquet(path), str(path))
    columns = set(table.columns)
    number = pl.col("llm_rating" if "llm_rating" in columns else "rating").cast(pl.Float64)
    if {"user_id", "item_id", "rating"} <= columns:
        user_R = _rows(table["user_id"].cast(pl.String), users.ids)
        return table.select(user=user_R, item=_rows(table["item_id"].cast(pl.String), items.ids), rating=number)
    if {"user", "item", "rating"} <= columns:
        return table.select(pl.col("user", "item").cast(pl.Int64), number)
    if {*_DUMP, "rating"} <= columns:
        dump = _chosen(table, choice, path)
        index_R = dump["user_index"].to_numpy()
        names = np.array([*users.names, ""], dtype=object)
        own_R = names[np.where(index_R < len(users), index_R, len(users))] == dump["user_name"].to_numpy()
        rows_R = np.where(own_R, index_R, _rows(dump["user_name"], users.names).to_numpy())
        return dump.select(user=pl.Series(rows_R), item=_rows(dump["title"], items.titles), rating=number)
    raise DataError(
        f"{path} has the columns {', '.join(table.columns)}: replay needs user, item, rating or user_id,"
        " item_id, rating"
    )


def _chosen(table: pl.DataFrame, choice: str, path: Path) -> pl.DataFrame:
    """Rows of the configuration and study in `CONFIGURATION:STUDY`."""
    configuration, _, study = choice.partition(":")
    for column, wanted in (("configuration", configuration), ("study", study)):
        known = sorted(table[column].unique().to_list())
        if wanted not in known:
            raise SimulationError(
                f"{path}: no {column} {wanted!r}: name {path}:CONFIGURATION:STUDY with one of {', '.join(known)}"
            )
        table = table.filter(pl.col(column) == wanted)
    return table


def _rows(values: pl.Series, known: Sequence[str]) -> pl.Series:
    """Place of each text in `known`, the first one where it occurs there more than once; -1 where it does not."""
    place: dict[str, int] = {}
    for row, text in enumerate(known):
        place.setdefault(text, row)
    return pl.Series([place.get(text, -1) for text in values.to_list()], dtype=pl.Int64)
