"""Item-kNN: recommends items that co-occur with the items of the history, at most 5 places apart in users' sequences.

Co-visitation is directional: an item that came after counts twice as much as one that came before.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import CoVisitation, recent_items, row_rates
from recgpt.recommenders.base import PopularityIfEmpty, Supervision


class ItemKNN(PopularityIfEmpty):
    """Items by their co-visitation with the history's last 30 items, each with weight .7^age.

    Co-visitation counts (`CoVisitation`) are normalised: each row is divided by (its sum + 5). Items without
    co-visitation have score 0 and come last, by id. After an empty history items are ranked by their number of
    interactions. Fitting takes seconds for hundreds of thousands of interactions. `observe` appends events to the
    sequences of their users and equals fitting on the longer sequences.
    """

    name = "item_knn"
    supervision: Supervision = "in-context"

    def _fit(self, dataset: Dataset) -> None:
        self._visits = CoVisitation(dataset.n_items)
        self._append(dataset.interactions)

    def _observe(self, events: Interactions) -> None:
        super()._observe(events)
        self._append(events)

    def _append(self, events: Interactions) -> None:
        self._visits.append(events)
        self._rates_NN = row_rates(self._visits.counts())

    def _scores(self, histories: Ragged) -> np.ndarray:
        return (recent_items(histories, len(self._count_N)) @ self._rates_NN).astype(np.float32).toarray()

    def _arrays(self) -> dict[str, Any]:
        visits = {"units_NN": self._visits.units_NN, "recent_UW": self._visits.recent_UW}
        return {**super()._arrays(), **visits}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        super()._restore(arrays, facts)
        self._visits = CoVisitation(len(self._count_N))
        self._visits.units_NN, self._visits.recent_UW = arrays["units_NN"], arrays["recent_UW"]
        self._rates_NN = row_rates(self._visits.counts())
