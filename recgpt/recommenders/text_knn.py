"""Text-kNN: recommend what reads most like the last item. The control that shows what the text alone is worth."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.recommenders.base import item_embeddings, rank_by_scores
from recgpt.topk import Exclude, Ranking, Request

_ITEMS = 4096
_GRID = 2.0**24


class TextKNN:
    """Items by the cosine of their text embedding to that of the history's last item.

    Nothing is ranked after an empty history (ids -1). A zero embedding has cosine 0 to every item.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any length; None takes the `embeddings.npy` of the data-set folder.
    """

    name = "text_knn"

    def __init__(self, embeddings: np.ndarray | None = None) -> None:
        self._embeddings_NE = embeddings

    def fit(self, dataset: Dataset) -> Self:
        """Index the embeddings; no interaction is read.

        Raises
        ------
        DataError
            If the embeddings are not one finite row an item.
        """
        self._unit_NE = _unit_rows(item_embeddings(dataset, self._embeddings_NE))
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by cosine to the last item. See `Recommender.rank`."""
        n_items = len(self._unit_NE)
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores)

    def observe(self, events: Interactions) -> None:
        """Ignore `events`: only the catalogue's text and the histories count."""

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.full((len(histories), len(self._unit_NE)), -np.inf, dtype=np.float32)
        told = np.flatnonzero(histories.lengths)
        last = histories.values[histories.offsets[1:][told] - 1]
        query_QE = self._unit_NE[last].astype(np.float64)
        for start in range(0, len(self._unit_NE), _ITEMS):
            block = slice(start, start + _ITEMS)
            scores_BN[told, block] = query_QE @ self._unit_NE[block].astype(np.float64).T
        return scores_BN


def _unit_rows(embeddings_NE: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, as float32 multiples of 2^-24 (what float32 resolves just below 1).

    Products of such numbers are multiples of 2^-48, and no partial sum of a cosine exceeds 1: float64 holds every step
    exactly. So a cosine is the same to the last bit whatever the batch size, the thread count and the BLAS; a plain
    float32 matrix product is not, and near-ties then change places.
    """
    unit_NE = np.empty(embeddings_NE.shape, dtype=np.float32)
    for start in range(0, len(embeddings_NE), _ITEMS):
        rows = np.asarray(embeddings_NE[start : start + _ITEMS], dtype=np.float64)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(norms).all():
            item = start + int(np.flatnonzero(~np.isfinite(norms))[0])
            raise DataError(f"text_knn: the embedding of item {item} holds NaN or infinity: encode the items again")
        unit_NE[start : start + _ITEMS] = np.round(rows / np.where(norms > 0, norms, 1) * _GRID) / _GRID
    return unit_NE
