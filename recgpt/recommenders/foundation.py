"""Foundation model as a recommender, at three levels of supervision.

`recgpt_text` uses the catalogue's texts and the user's own history, `recgpt` also the past interactions of all users,
without a gradient step, and `recgpt_finetuned` is trained on those interactions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.ranking import Ranking, Request
from recgpt.recommenders.base import RecommenderBase, Supervision, item_embeddings, model_supervision

if TYPE_CHECKING:  # the baselines need no encoder
    from recgpt.foundation.catalogue import FoundationCatalogue
    from recgpt.foundation.model import FoundationModel

_MODEL = "model"


class RecGPTContext(RecommenderBase):
    """Items ranked by the foundation model, given the catalogue's texts and past interactions; no gradient step.

    After an empty history items are ranked by their number of interactions. Fitting takes seconds for hundreds of
    thousands of interactions; where the model was trained on this catalogue, `supervision` is "trained" from then on.
    `observe` appends events to the sequences of their users; they count from the next ranking on.

    Parameters
    ----------
    model
        The model; None takes the one shipped with the package.
    embeddings
        (N, E) floats from the encoder that the model was trained with, row i for dense item i; None takes the
        `embeddings.npy` of the data-set folder.
    """

    name = "recgpt"
    supervision: Supervision = "in-context"
    needs_embeddings = True
    model_kind = "foundation"
    ranks_for_now: ClassVar[bool] = False

    _catalogue: "FoundationCatalogue"

    def __init__(self, model: "FoundationModel | None" = None, embeddings: np.ndarray | None = None) -> None:
        self._pretrained = model
        self._embeddings_NE = embeddings

    def _fit(self, dataset: Dataset) -> None:
        self._index(self._model(), dataset, dataset.interactions)
        self.supervision = model_supervision(self._model().training_record, dataset, self.supervision)

    def _rank(self, request: Request) -> Ranking:
        return self._catalogue.recommend(
            request.histories, request.k, exclude=request.exclude, candidates=request.candidates
        )

    def _observe(self, events: Interactions) -> None:
        self._catalogue.observe(events)

    def _arrays(self) -> dict[str, Any]:
        return self._catalogue.to_arrays()

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        from recgpt.foundation.catalogue import FoundationCatalogue

        model = self._model()
        self._catalogue = FoundationCatalogue.from_arrays(arrays, model.network, shortlist=model.config.shortlist)

    def _save_models(self, path: Path) -> None:
        self._model().save_pretrained(path / _MODEL)

    @classmethod
    def _from_options(cls, path: Path, options: Mapping[str, Any]) -> Self:
        from recgpt.foundation.model import FoundationModel

        return cls(FoundationModel.from_pretrained(path / _MODEL), **options)

    @property
    def pretrained_model(self) -> "FoundationModel":
        """The model that was given, or the one shipped with the package."""
        return self._model()

    def _model(self) -> "FoundationModel":
        if self._pretrained is None:
            from recgpt.foundation.model import shipped

            self._pretrained = shipped()
        return self._pretrained

    def _index(self, model: "FoundationModel", dataset: Dataset, interactions: Interactions | None) -> None:
        embeddings_NE = item_embeddings(dataset, self._embeddings_NE)
        texts = dataset.texts(model.template)
        self._catalogue = model.index(
            texts, interactions=interactions, embeddings=embeddings_NE, now=self.ranks_for_now
        )


class RecGPTNow(RecGPTContext):
    """As `RecGPTContext`, for histories that go on after the whole past, as in use and under `global_time`.

    Where times are known, the calibration holds out only the latest tenth of the time.
    """

    name = "recgpt_now"
    ranks_for_now = True


class RecGPTText(RecGPTContext):
    """Items ranked by the foundation model, given the catalogue's texts alone. Otherwise as `RecGPTContext`.

    Nothing is ranked after an empty history (ids -1). `observe` ignores events.
    """

    name = "recgpt_text"
    supervision: Supervision = "zero-shot"

    def _fit(self, dataset: Dataset) -> None:
        self._index(self._model(), dataset, None)
        self.supervision = model_supervision(self._model().training_record, dataset, self.supervision)

    def _observe(self, events: Interactions) -> None:
        """Ignore `events`."""


class RecGPTFineTuned(RecGPTContext):
    """As `RecGPTContext`, with the network fine-tuned on the interactions of this catalogue; minutes on two cores.

    Parameters
    ----------
    seed
        Seed of the held-out users and of the batches.
    steps
        Number of optimiser steps; the weights with the best NDCG@10 on held-out users are kept.
    """

    name = "recgpt_finetuned"
    supervision: Supervision = "trained"
    is_seeded = True

    def __init__(
        self,
        model: "FoundationModel | None" = None,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 0,
        steps: int = 800,
    ) -> None:
        super().__init__(model, embeddings)
        self._seed = seed
        self._steps = steps
        self._options = {"seed": seed, "steps": steps}

    def _fit(self, dataset: Dataset) -> None:
        from recgpt.foundation.finetune import finetune

        embeddings_NE = item_embeddings(dataset, self._embeddings_NE)
        self._tuned = finetune(self._model(), dataset, embeddings_NE, seed=self._seed, steps=self._steps)
        self._index(self._tuned, dataset, dataset.interactions)

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        super()._restore(arrays, facts)
        self._tuned = self._model()

    def _save_models(self, path: Path) -> None:
        self._tuned.save_pretrained(path / _MODEL)
