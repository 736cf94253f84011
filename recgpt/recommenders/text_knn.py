"""Text-kNN: recommend what reads like the history. The controls that show what the text alone is worth.

`text_knn` looks at the last item only, `text_knn_white` at the whole history in a whitened space.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.text_similarity import cosines, pooled, unit_rows, whitened_unit_rows
from recgpt.ranking import Exclude, Ranking, Request, rank_by_scores
from recgpt.recommenders.base import Knows, item_embeddings
from recgpt.recommenders.store import read_state, write_state


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

    Whitened as `recgpt.features.whitening` states, over the catalogue that it is fitted on. Otherwise as `TextKNN`.
    """

    name = "text_knn_white"

    def fit(self, dataset: Dataset) -> Self:
        """Whiten and index the embeddings; no interaction is read. Raises as `TextKNN.fit`."""
        self._unit_NE = whitened_unit_rows(item_embeddings(dataset, self._embeddings_NE))
        return self

    def _queries(self, histories: Ragged) -> np.ndarray:
        return pooled(histories, self._unit_NE)
