"""RecGPT, the foundation model, at its three levels of knowledge: a row each in every table.

`recgpt_text` reads the catalogue's texts and the user's own history, `recgpt` also what is known of everybody's past,
without a gradient step, and `recgpt_finetuned` learns from that past.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.ranking import Exclude, Ranking
from recgpt.recommenders.base import Knows, check_events, item_embeddings
from recgpt.recommenders.store import read_state, write_state

if TYPE_CHECKING:  # the baselines need no encoder
    from recgpt.foundation.model import FoundationCatalogue, FoundationModel

_MODEL = "model"
_WEIGHTS, _OFFSETS = "local_weight_I", "local_offsets"


class RecGPTContext:
    """Items by the foundation model, after reading the catalogue's texts and past. No gradient step is made.

    After an empty history items are ranked by their number of interactions.

    Parameters
    ----------
    foundation
        The model; None takes the one that comes with the project.
    embeddings
        (N, E) floats from the encoder that the model was trained with, row i for dense item i; None takes the
        `embeddings.npy` of the data-set folder.
    """

    name = "recgpt"
    knows: Knows = "context"  # "trained" once fitted on a catalogue that the model was trained on

    def __init__(self, foundation: "FoundationModel | None" = None, embeddings: np.ndarray | None = None) -> None:
        self._given = foundation
        self._embeddings_NE = embeddings

    def fit(self, dataset: Dataset) -> Self:
        """Index texts and interactions: seconds for hundreds of thousands of them."""
        model, embeddings_NE = self._model(), item_embeddings(dataset, self._embeddings_NE)
        self._index(model, dataset, embeddings_NE, dataset.interactions)
        self._mark(dataset, model)
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank by the model's logits. See `Recommender.rank` and `FoundationCatalogue.recommend`."""
        return self._catalogue.recommend(histories, k, exclude=exclude, candidates=candidates)

    def observe(self, events: Interactions) -> None:
        """Append `events` to the sequences of their users; they count at once, see `FoundationCatalogue.observe`."""
        self._catalogue.observe(events)

    def save(self, path: str | Path) -> None:
        """Write the model and what the catalogue was read from. See `StoredRecommender.save`."""
        model, reading = self._catalogue.model, self._catalogue.reading
        model.save_pretrained(Path(path) / _MODEL)
        arrays = reading.to_arrays()
        if (local := self._catalogue.local) is not None:
            arrays |= {_WEIGHTS: local.weight_I.numpy(), _OFFSETS: np.array([local.bias, local.new])}
        write_state(path, self.name, arrays, {"knows": self.knows})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. See `StoredRecommender.load`."""
        import torch

        from recgpt.foundation.catalogue_features import Reading
        from recgpt.foundation.model import FoundationCatalogue, FoundationModel
        from recgpt.foundation.network import LocalWeights

        arrays, options = read_state(path, cls.name)
        recommender = cls(FoundationModel.from_pretrained(Path(path) / _MODEL))
        local = None
        if _WEIGHTS in arrays:
            local = LocalWeights(torch.from_numpy(arrays[_WEIGHTS]), *arrays[_OFFSETS].tolist())
        recommender._catalogue = FoundationCatalogue(recommender._model(), Reading.from_arrays(arrays), local)
        recommender.knows = options["knows"]
        return recommender

    _catalogue: "FoundationCatalogue"

    def _model(self) -> "FoundationModel":
        if self._given is None:
            from recgpt.foundation.model import shipped

            self._given = shipped()
        return self._given

    def _index(
        self, model: "FoundationModel", dataset: Dataset, embeddings_NE: np.ndarray, past: Interactions | None
    ) -> None:
        texts = dataset.texts(model.template)
        self._catalogue = model.index(texts, interactions=past, embeddings=embeddings_NE)

    def _mark(self, dataset: Dataset, model: "FoundationModel") -> None:
        if dataset.items_sha256 in model.settings.training.get("catalogues", ()):
            self.knows = "trained"


class RecGPTText(RecGPTContext):
    """Items by the foundation model, after reading the catalogue's texts alone. Otherwise as `RecGPTContext`.

    Nothing is ranked after an empty history (ids -1).
    """

    name = "recgpt_text"
    knows: Knows = "text"

    def fit(self, dataset: Dataset) -> Self:
        """Index the embeddings; no interaction is read (zero-shot)."""
        model = self._model()
        self._index(model, dataset, item_embeddings(dataset, self._embeddings_NE), None)
        self._mark(dataset, model)
        return self

    def observe(self, events: Interactions) -> None:
        """Ignore `events`: only the catalogue's text and the histories count."""
        check_events(events, len(self._catalogue))


class RecGPTFineTuned(RecGPTContext):
    """As `RecGPTContext`, its network trained on what is known of this catalogue: minutes on two cores.

    Parameters
    ----------
    seed
        Of the users held out and the batches drawn.
    steps
        Of the optimizer; the weights of the best evaluation on held-out users are kept.
    """

    name = "recgpt_finetuned"
    knows: Knows = "trained"

    def __init__(
        self,
        foundation: "FoundationModel | None" = None,
        embeddings: np.ndarray | None = None,
        *,
        seed: int = 0,
        steps: int = 800,
    ) -> None:
        super().__init__(foundation, embeddings)
        self._seed = seed
        self._steps = steps

    def fit(self, dataset: Dataset) -> Self:
        """Fine-tune, then index texts and interactions."""
        from recgpt.foundation.finetune import finetune

        embeddings_NE = item_embeddings(dataset, self._embeddings_NE)
        model = finetune(self._model(), dataset, embeddings_NE, seed=self._seed, steps=self._steps)
        self._index(model, dataset, embeddings_NE, dataset.interactions)
        return self
