"""Recommenders in Cornac: `fit`, `score` and `rank` on its `Dataset`, in its experiments.

    model = RecGPTModel("recgpt", items=texts)
    cornac.Experiment(eval_method, [model, cornac.models.MostPop()], metrics).run()

`items` is a table with `item_id` (as in the data set) and `title`. Data with times (`UIRT`) are sorted by them; without
times the order of the triples counts.
"""

from typing import Any, Self

import numpy as np
import polars as pl
from cornac.data import Dataset
from cornac.exception import ScoreException
from cornac.models.recommender import Recommender as CornacRecommender

from recgpt.adaptors.fitted import Fitted
from recgpt.recommenders.base import Recommender


class RecGPTModel(CornacRecommender):
    """A recommender of this package as a Cornac model.

    Parameters
    ----------
    recommender
        A registered name, or a recommender that is not yet fitted.
    items
        Table with `item_id`, `title` and further text columns; None where no text is known.
    model
        Folder or hub repository of the model of recommenders that use one; None for the shipped one.
    name
        Name in the results of Cornac; None for that of the recommender.
    """

    def __init__(
        self,
        recommender: str | Recommender = "recgpt",
        *,
        items: Any = None,
        model: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name or (recommender if isinstance(recommender, str) else recommender.name))
        self.recommender = recommender
        self.items = items
        self.model = model

    def fit(self, train_set: Dataset, val_set: Dataset | None = None) -> Self:
        """Fit the recommender on the interactions of `train_set`; `val_set` is not read."""
        super().fit(train_set, val_set)
        users, items, _ratings = train_set.uir_tuple
        columns = {"user": users.astype(np.int64), "item": items.astype(np.int64)}
        if getattr(train_set, "timestamps", None) is not None:
            columns["time"] = np.asarray(train_set.timestamps)
        self.fitted = Fitted.on(
            self.recommender,
            pl.DataFrame(columns),
            item_ids=list(train_set.iid_map),
            items=self.items,
            model=self.model,
        )
        return self

    def score(self, user_idx: int, item_idx: int | None = None) -> Any:
        """Scores of all known items for a user, or of one of them; see Cornac."""
        if self.is_unknown_user(user_idx):
            raise ScoreException(f"no interaction of user {user_idx} is known")
        scores_N = self.fitted.scores(self.fitted.histories.get(int(user_idx), []))
        known = np.isfinite(scores_N)
        least = scores_N[known].min(initial=0.0) - 1
        scores_N = np.where(known, scores_N, least)[: self.num_items]
        return scores_N if item_idx is None else scores_N[item_idx]
