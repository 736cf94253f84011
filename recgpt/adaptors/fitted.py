"""What all adaptors share: a recommender fitted on the numbered interactions of another library's data set.

fitted = Fitted.on("item_knn", events, item_ids=["a", "b"], items=table)
fitted.rank([[0]], k=1)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.ids import some
from recgpt.errors import DataError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import load_model
from recgpt.ranking import Exclude, Ranking
from recgpt.recommenders import REGISTRY, registered_name
from recgpt.recommenders.base import Recommender


@dataclass(frozen=True)
class Fitted:
    """A fitted recommender and the histories that it was fitted on.

    Attributes
    ----------
    recommender
        The recommender; its rows are the item numbers of the other library.
    histories
        User number -> item numbers, oldest first.
    item_ids
        (N,) outside ids of the items.
    """

    recommender: Recommender
    histories: dict[int, list[int]]
    item_ids: Sequence[Any]

    @classmethod
    def on(
        cls,
        recommender: str | Recommender,
        events: pl.DataFrame,
        *,
        item_ids: Sequence[Any],
        items: Any = None,
        model: str | None = None,
    ) -> Self:
        """Fit a recommender.

        Parameters
        ----------
        recommender
            A registered name, or a recommender that is not yet fitted.
        events
            `user` and `item`, whole numbers, and if known `time`, by which the rows of a user are sorted.
        item_ids
            (N,) outside ids of the items, in the order of their numbers.
        items
            Table (polars or pandas) with `item_id` and `title`, and further text columns; None where no text is known:
            then a title is the id.
        model
            Folder or hub repository of the model of recommenders that use one; None for the shipped one.

        Raises
        ------
        DataError
            There is no interaction, or an item has no row in `items`.
        """
        if not len(events):
            raise DataError("the data set has no interactions: there is nothing to fit on")
        if "time" in events.columns:
            events = events.sort("time", maintain_order=True)
        numbered = events.with_columns(pl.int_range(pl.len()).over("user").alias("position"))
        table = numbered.select(pl.col("user").alias("user_id"), pl.col("item").alias("item_id"), "position")
        if "time" in events.columns and events["time"].dtype.is_temporal():
            table = table.with_columns(timestamp=numbered["time"])
        dataset = Dataset.from_frames("outside", table, _catalogue(item_ids, items))
        made = _made(recommender, dataset, model) if isinstance(recommender, str) else recommender
        by_user = numbered.group_by("user", maintain_order=True).agg("item")
        histories = dict(zip(by_user["user"].to_list(), by_user["item"].to_list(), strict=True))
        return cls(made.fit(dataset), histories, item_ids)

    def rank(
        self, histories: Sequence[Sequence[int]], k: int, *, without_history: bool, among: np.ndarray | None = None
    ) -> Ranking:
        """Rank item numbers after histories of item numbers.

        Parameters
        ----------
        without_history
            Whether items of the history are left out.
        among
            Item numbers that may be recommended; None for all.
        """
        exclude: Exclude = "history" if without_history else "nothing"
        return self.recommender.rank(histories, k, exclude=exclude, candidates=among)

    def scores(self, history: Sequence[int]) -> np.ndarray:
        """(N,) float32 scores after a history, -inf for items that cannot be ranked."""
        ranking = self.rank([history], len(self.item_ids), without_history=False)
        scores_N = np.full(len(self.item_ids), -np.inf, dtype=np.float32)
        ranked = ranking.ids[0] >= 0
        scores_N[ranking.ids[0][ranked]] = ranking.scores[0][ranked]
        return scores_N


def _catalogue(item_ids: Sequence[Any], items: Any) -> pl.DataFrame:
    """Texts of the items, in the order of their numbers."""
    numbers = pl.DataFrame({"item_id": np.arange(len(item_ids))})
    if items is None:
        return numbers.with_columns(title=pl.Series([str(each) for each in item_ids], dtype=pl.String))
    table = items if isinstance(items, pl.DataFrame) else pl.from_pandas(items)
    if missing := {"item_id", "title"} - set(table.columns):
        raise DataError(
            f"items has no column {min(missing)!r} (it has {', '.join(table.columns)}): add it, or rename the right one"
        )
    wanted = pl.Series("key", [str(each) for each in item_ids], dtype=pl.String)
    texts = table.with_columns(key=pl.col("item_id").cast(pl.String)).drop("item_id").unique("key", keep="first")
    lacking = wanted.filter(~wanted.is_in(texts["key"].implode()))
    if len(lacking):
        raise DataError(f"{len(lacking):,} items of the data set have no row in items: {some(lacking, 3)}; add them")
    joined = numbers.with_columns(key=wanted).join(texts, on="key", how="left", maintain_order="left")
    return joined.drop("key")


def _made(name: str, dataset: Dataset, model: str | None) -> Recommender:
    registered = REGISTRY[registered_name(name)]
    loaded = load_model(model) if registered.model_kind is not None else None
    needs_texts = registered.needs_embeddings or loaded is not None
    embeddings_NE = model_embeddings(dataset, loaded) if needs_texts else np.empty((dataset.n_items, 0), np.float16)
    return recommenders_for([name], embeddings_NE=embeddings_NE, model=loaded)[0]
