"""Recommenders in LensKit: a scorer for its pipelines, trained on its `Dataset`.

    pipeline = topn_pipeline(RecGPTScorer(recommender="recgpt", items=texts), n=10)
    pipeline.train(dataset)
    recommend(pipeline, user)                 # ItemList

`items` is a table with `item_id` (as in the data set) and `title`. A query is scored after its history items, or, if it
has none, after the user's items in the training data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from lenskit.data import Dataset, ItemList, QueryInput, RecQuery, Vocabulary
from lenskit.pipeline import Component
from lenskit.training import Trainable, TrainingOptions

from recgpt.adaptors.fitted import Fitted


@dataclass
class RecGPTScorerConfig:
    """Settings of the scorer.

    Attributes
    ----------
    recommender
        A registered name.
    model
        Folder or hub repository of the model of recommenders that use one; None for the shipped one.
    """

    recommender: str = "recgpt"
    model: str | None = None


class RecGPTScorer(Component[ItemList], Trainable):
    """A recommender of this package as a LensKit scorer.

    Parameters
    ----------
    config, settings
        `RecGPTScorerConfig`, or its fields by name.
    items
        Table with `item_id`, `title` and further text columns; None where no text is known.
    """

    config: RecGPTScorerConfig

    def __init__(self, config: Any = None, *, items: Any = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.items = items

    def train(self, data: Dataset, options: TrainingOptions = TrainingOptions()) -> None:  # noqa: B008 - frozen
        """Fit the recommender on the interactions of a data set; a fitted one stays unless retraining is wanted."""
        if hasattr(self, "fitted") and not options.retrain:
            return
        self.vocabulary: Vocabulary = data.items
        self.users: Vocabulary = data.users
        table = data.interaction_table(format="pandas")
        columns = {name: table[f"{name}_num"].to_numpy().astype(np.int64) for name in ("user", "item")}
        if "timestamp" in table:
            columns["time"] = table["timestamp"].to_numpy()
        events, settings = pl.DataFrame(columns), self.config
        self.fitted = Fitted.on(
            settings.recommender, events, item_ids=data.items.ids(), items=self.items, model=settings.model
        )

    def __call__(self, query: QueryInput, items: ItemList) -> ItemList:
        """Score items; NaN for those that are unknown or cannot be ranked."""
        query = RecQuery.create(query)
        scores_N = self.fitted.scores(self._history(query))
        numbers = items.numbers(vocabulary=self.vocabulary, missing="negative")
        scores = np.where(numbers >= 0, scores_N[numbers], np.nan)
        return ItemList(items, scores=np.where(np.isfinite(scores), scores, np.nan))

    def _history(self, query: RecQuery) -> list[int]:
        user = None if query.user_id is None else self.users.number(query.user_id, missing="none")
        if user is not None and int(user) in self.fitted.histories:
            return self.fitted.histories[int(user)]  # in order of time, which a query's items have lost
        if query.history_items is None:
            return []
        numbers = query.history_items.numbers(vocabulary=self.vocabulary, missing="negative")
        return [int(number) for number in numbers if number >= 0]
