"""Text-kNN: recommend what reads like the history. The controls that show what the text alone is worth.

`text_knn` looks at the last item only, `text_knn_white` at the whole history in a whitened space.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.recommenders.base import Knows, decayed, item_embeddings, rank_by_scores
from recgpt.recommenders.store import read_state, write_state
from recgpt.recommenders.whitening import whiten
from recgpt.topk import Exclude, Ranking, Request

_ITEMS = 4096
_GRID = 2.0**24
_DECAY = 0.5
_MAX_POOLED = 32  # .5^32 is below what float32 resolves


class TextKNN:
    """Items by the cosine of their text embedding to that of the history's last item.

    Nothing is ranked after an empty history (ids -1). A zero embedding has cosine 0 to every item.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any length; None takes the `embeddings.npy` of the data-set folder.
    """

    name = "text_knn"
    knows: Knows = "text"

    def __init__(self, embeddings: np.ndarray | None = None) -> None:
        self._embeddings_NE = embeddings

    def fit(self, dataset: Dataset) -> Self:
        """Index the embeddings; no interaction is read.

        Raises
        ------
        DataError
            If the embeddings are not one finite row an item.
        """
        self._unit_NE = unit_rows(item_embeddings(dataset, self._embeddings_NE))
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by cosine. See `Recommender.rank`."""
        n_items = len(self._unit_NE)
        request = Request.checked(histories, k, exclude, candidates, n_items=n_items)
        return rank_by_scores(request, n_items, self._scores)

    def observe(self, events: Interactions) -> None:
        """Ignore `events`: only the catalogue's text and the histories count."""

    def save(self, path: str | Path) -> None:
        """Write the indexed embeddings. See `StoredRecommender.save`."""
        write_state(path, self.name, {"unit_NE": self._unit_NE}, {})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        recommender = cls()
        recommender._unit_NE = read_state(path, cls.name)[0]["unit_NE"]
        return recommender

    def _scores(self, histories: Ragged) -> np.ndarray:
        return cosines(self._queries(histories), self._unit_NE)

    def _queries(self, histories: Ragged) -> np.ndarray:
        return self._unit_NE[histories.values[histories.offsets[1:] - 1]]


class TextKNNWhite(TextKNN):
    """Items by the cosine of their whitened text embedding to the history's, pooled with weights .5^age.

    Whitened as `recgpt.recommenders.whitening` states, over the catalogue that it is fitted on. Otherwise as `TextKNN`.
    """

    name = "text_knn_white"

    def fit(self, dataset: Dataset) -> Self:
        """Whiten and index the embeddings; no interaction is read. Raises as `TextKNN.fit`."""
        self._unit_NE = whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE))
        return self

    def _queries(self, histories: Ragged) -> np.ndarray:
        return pooled(histories, self._unit_NE)


def unit_rows(embeddings_NE: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, as float32 multiples of 2^-24 (what float32 resolves just below 1).

    Products of such numbers are multiples of 2^-48, and no partial sum of a cosine exceeds 1: float64 holds every step
    exactly. So a cosine is the same to the last bit whatever the batch size, the thread count and the BLAS; a plain
    float32 matrix product is not, and near-ties then change places.

    Raises
    ------
    DataError
        If a row holds NaN or infinity.
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


def whitened_unit_rows(embeddings_NE: np.ndarray) -> np.ndarray:
    """`unit_rows` of the whitened embeddings; raises as it does."""
    return unit_rows(whiten(unit_rows(embeddings_NE)))


def pooled(histories: Ragged, unit_NE: np.ndarray) -> np.ndarray:
    """(B, E) unit rows: the mean of each history's item rows with weights .5^age (age 0 for the last item)."""
    weights_BN = decayed(histories, _DECAY, _MAX_POOLED, len(unit_NE)).astype(np.float32)
    return unit_rows(weights_BN @ unit_NE)


def cosines(query_BE: np.ndarray, unit_NE: np.ndarray) -> np.ndarray:
    """(B, N) float32, the cosines of `unit_rows` with each other, exact before the last rounding."""
    cosines_BN = np.empty((len(query_BE), len(unit_NE)), dtype=np.float32)
    query_BE = query_BE.astype(np.float64)
    for start in range(0, len(unit_NE), _ITEMS):
        block = slice(start, start + _ITEMS)
        cosines_BN[:, block] = query_BE @ unit_NE[block].astype(np.float64).T
    return cosines_BN
