"""The generative decoder over item tokens as a recommender, behind the same protocol as its baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.ranking import Exclude, Ranking, Request
from recgpt.recommenders.base import Knows, item_embeddings
from recgpt.recommenders.store import read_state, write_state

if TYPE_CHECKING:  # the baselines need neither transformers nor an encoder
    from recgpt.generative.catalogue import RecGPT
    from recgpt.generative.tokenizer import FSQTokenizer

_MODEL, _TOKENIZER = "model", "tokenizer"


class RecGPTTokens:
    """Items by their log-probability under the model; equal codes are ordered as `recgpt.generative.catalogue` states.

    Nothing is ranked after an empty history (ids -1).

    Parameters
    ----------
    model
        A trained model; it is not trained further.
    embeddings
        (N, E) floats from the encoder that the model was trained on, row i for dense item i; None takes the
        `embeddings.npy` of the data-set folder.
    tokenizer
        By default the one saved with the model.
    """

    name = "recgpt_tokens"
    knows: Knows = "text"  # "trained" once fitted on a data set that the model was trained on

    def __init__(
        self, model: "RecGPT", embeddings: np.ndarray | None = None, tokenizer: "FSQTokenizer | None" = None
    ) -> None:
        self._model = model
        self._embeddings_NE = embeddings
        self._tokenizer = tokenizer

    def fit(self, dataset: Dataset) -> Self:
        """Index the catalogue's embeddings; no interaction is read (zero-shot)."""
        self._index(item_embeddings(dataset, self._embeddings_NE))
        if dataset.items_sha256 in self._model.config.training.get("catalogues", ()):
            self.knows = "trained"
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by log-probability after the history. See `Recommender.rank`."""
        request = Request.checked(histories, k, exclude, candidates, n_items=len(self._catalogue))
        ranking = request.unranked()
        told = np.flatnonzero(request.histories.lengths)
        if len(told):
            part = self._catalogue.recommend(request.histories[told], k, exclude=exclude, candidates=candidates)
            ranking.ids[told], ranking.scores[told] = part.ids, part.scores
        return ranking

    def observe(self, events: Interactions) -> None:
        """Ignore `events`: the model is not trained here, and what users do comes with their histories."""

    def save(self, path: str | Path) -> None:
        """Write the model, its tokenizer and the catalogue's embeddings. See `StoredRecommender.save`."""
        self._model.save_pretrained(Path(path) / _MODEL)
        self._catalogue.tokenizer.save_pretrained(Path(path) / _TOKENIZER)
        arrays = {"embeddings_NE": np.asarray(self._catalogue.embeddings_NE)}
        write_state(path, self.name, arrays, {"knows": self.knows})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        from recgpt.generative.catalogue import RecGPT
        from recgpt.generative.tokenizer import FSQTokenizer

        arrays, options = read_state(path, cls.name)
        tokenizer = FSQTokenizer.from_pretrained(Path(path) / _TOKENIZER)
        recommender = cls(RecGPT.from_pretrained(Path(path) / _MODEL), tokenizer=tokenizer)
        recommender._index(arrays["embeddings_NE"])
        recommender.knows = options["knows"]
        return recommender

    def _index(self, embeddings_NE: np.ndarray) -> None:
        self._catalogue = self._model.index(embeddings_NE, tokenizer=self._tokenizer)
