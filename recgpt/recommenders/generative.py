"""Generative model, a decoder over item tokens, as a recommender."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.ranking import Ranking, Request
from recgpt.recommenders.base import RecommenderBase, Supervision, item_embeddings, model_supervision

if TYPE_CHECKING:  # the baselines need neither transformers nor an encoder
    from recgpt.generative.model import GenerativeModel
    from recgpt.generative.tokenizer import FSQTokenizer

_MODEL, _TOKENIZER = "model", "tokenizer"


class RecGPTGenerative(RecommenderBase):
    """Items by their log-probability under the model; ties of equal codes as in `recgpt.generative.catalogue`.

    Nothing is ranked after an empty history (ids -1). Fitting indexes the catalogue's embeddings and trains nothing;
    where the model was trained on this catalogue, `supervision` is "trained" from then on. `observe` ignores events:
    new feedback of a user reaches the ranking through the history.

    Parameters
    ----------
    model
        A trained model; its weights are not changed.
    embeddings
        (N, E) floats from the encoder that the model was trained on, row i for dense item i; None takes the
        `embeddings.npy` of the data-set folder.
    tokenizer
        By default the one saved with the model.

    Raises
    ------
    DataError
        No model is given.
    """

    name = "recgpt_generative"
    supervision: Supervision = "zero-shot"
    needs_embeddings = True
    model_kind = "generative"
    earlier_names = ("recgpt_tokens",)

    def __init__(
        self,
        model: "GenerativeModel | None" = None,
        embeddings: np.ndarray | None = None,
        tokenizer: "FSQTokenizer | None" = None,
    ) -> None:
        if model is None:
            raise DataError(f"{self.name} needs a generative model: pass model=recgpt.load_model(folder)")
        self._model = model
        self._embeddings_NE = embeddings
        self._tokenizer = tokenizer

    def _fit(self, dataset: Dataset) -> None:
        self._index(item_embeddings(dataset, self._embeddings_NE))
        self.supervision = model_supervision(self._model.training_record, dataset, self.supervision)

    def _rank(self, request: Request) -> Ranking:
        ranking = request.unranked()
        rows = np.flatnonzero(request.histories.lengths)
        if len(rows):
            part = self._catalogue.recommend(
                request.histories[rows], request.k, exclude=request.exclude, candidates=request.candidates
            )
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        return ranking

    @property
    def pretrained_model(self) -> "GenerativeModel":
        """The model that was given."""
        return self._model

    def _arrays(self) -> dict[str, Any]:
        return {"embeddings_NE": np.asarray(self._catalogue.embeddings_NE)}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._index(arrays["embeddings_NE"])

    def _save_models(self, path: Path) -> None:
        self._model.save_pretrained(path / _MODEL)
        self._catalogue.tokenizer.save_pretrained(path / _TOKENIZER)

    @classmethod
    def _from_options(cls, path: Path, options: Mapping[str, Any]) -> Self:
        from recgpt.generative.model import GenerativeModel
        from recgpt.generative.tokenizer import FSQTokenizer

        tokenizer = FSQTokenizer.from_pretrained(path / _TOKENIZER)
        return cls(GenerativeModel.from_pretrained(path / _MODEL), tokenizer=tokenizer, **options)

    def _index(self, embeddings_NE: np.ndarray) -> None:
        self._catalogue = self._model.index(embeddings_NE, tokenizer=self._tokenizer)
