"""Recommenders in RecTools: `fit` and `recommend` on its `Dataset`, with its metrics and cross-validation.

    model = RecGPTModel("recgpt", items=texts).fit(dataset)
    model.recommend(users, dataset, k=10, filter_viewed=True)   # user_id, item_id, score, rank

`items` is a table with `item_id` (as in the data set) and `title`. Histories are those of the data set that is given to
`recommend`, so that newer interactions count without fitting again.
"""

from typing import Any

import numpy as np
import polars as pl
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models.base import ModelBase, ModelConfig

from recgpt.adaptors.fitted import Fitted
from recgpt.errors import DataError
from recgpt.recommenders.base import Recommender

USERS_AT_ONCE = 256


class RecGPTModel(ModelBase[ModelConfig]):
    """A recommender of this package as a RecTools model.

    Parameters
    ----------
    recommender
        A registered name, or a recommender that is not yet fitted.
    items
        Table with `item_id`, `title` and further text columns; None where no text is known.
    model
        Folder or hub repository of the model of recommenders that use one; None for the shipped one.
    verbose
        As in RecTools.
    """

    config_class = ModelConfig

    def __init__(
        self,
        recommender: str | Recommender = "recgpt",
        *,
        items: Any = None,
        model: str | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(verbose=verbose)
        self.recommender = recommender
        self.items = items
        self.model = model
        self._fitted: Fitted | None = None

    def _fit(self, dataset: Dataset, *_args: Any, **_options: Any) -> None:
        ids = dataset.item_id_map.external_ids
        self._fitted = Fitted.on(self.recommender, _events(dataset), item_ids=ids, items=self.items, model=self.model)

    def _recommend_u2i(
        self,
        user_ids: np.ndarray,
        dataset: Dataset,
        k: int,
        filter_viewed: bool,
        sorted_item_ids_to_recommend: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        fitted = self._fitted
        if fitted is None or list(fitted.item_ids) != list(dataset.item_id_map.external_ids):
            raise DataError("the data set has other items than the one that the model was fitted on: fit again")
        histories = dict(_events(dataset).group_by("user", maintain_order=True).agg("item").iter_rows())
        users, items, scores = [], [], []
        for start in range(0, len(user_ids), USERS_AT_ONCE):
            part = user_ids[start : start + USERS_AT_ONCE]
            ranking = fitted.rank(
                [histories.get(user, []) for user in part.tolist()],
                k,
                without_history=filter_viewed,
                among=sorted_item_ids_to_recommend,
            )
            row, column = np.nonzero(ranking.ids >= 0)
            users.append(part[row])
            items.append(ranking.ids[row, column])
            scores.append(ranking.scores[row, column])
        return np.concatenate(users), np.concatenate(items), np.concatenate(scores)


def _events(dataset: Dataset) -> pl.DataFrame:
    """Interactions of a data set, by internal numbers, in order of time."""
    table = dataset.interactions.df
    columns = {"user": table[Columns.User], "item": table[Columns.Item], "time": table[Columns.Datetime]}
    return pl.DataFrame({name: column.to_numpy() for name, column in columns.items()}).sort("time", maintain_order=True)
