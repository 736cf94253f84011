"""Text-kNN: recommends items with texts similar to the history; content-based baselines.

`text_knn` compares with the last item only, `text_knn_white` with the whole history in a whitened space.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.features.text_similarity import cosines, pooled, unit_rows, whitened_unit_rows
from recgpt.recommenders.base import RecommenderBase, Supervision, item_embeddings


class TextKNN(RecommenderBase):
    """Items by the cosine of their text embedding to that of the history's last item.

    Nothing is ranked after an empty history (ids -1). A zero embedding has cosine 0 to every item. `observe` ignores
    events.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any norm; None takes the `embeddings.npy` of the data-set folder.
    """

    name = "text_knn"
    supervision: Supervision = "zero-shot"
    needs_embeddings = True

    def __init__(self, embeddings: np.ndarray | None = None) -> None:
        self._embeddings_NE = embeddings

    def _fit(self, dataset: Dataset) -> None:
        self._unit_NE = unit_rows(item_embeddings(dataset, self._embeddings_NE))

    def _scores(self, histories: Ragged) -> np.ndarray:
        return cosines(self._queries(histories), self._unit_NE)

    def _queries(self, histories: Ragged) -> np.ndarray:
        return self._unit_NE[histories.values[histories.offsets[1:] - 1]]

    def _arrays(self) -> dict[str, Any]:
        return {"unit_NE": self._unit_NE}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._unit_NE = arrays["unit_NE"]


class TextKNNWhite(TextKNN):
    """Items by the cosine of their whitened text embedding to the history's, pooled with weights .5^age.

    Whitening (`recgpt.features.whitening`) is fitted on the catalogue. Otherwise as `TextKNN`.
    """

    name = "text_knn_white"

    def _fit(self, dataset: Dataset) -> None:
        self._unit_NE = whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE))

    def _queries(self, histories: Ragged) -> np.ndarray:
        return pooled(histories, self._unit_NE)
