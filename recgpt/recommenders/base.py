"""Protocol of recommenders, and the base class that implements `rank`, `observe`, `save` and `load`.

    class MyRecommender(RecommenderBase):
        name, supervision = "mine", "in-context"

        def _fit(self, dataset): ...                    # learn or index
        def _scores(self, histories): ...               # (B, N) float32; or override `_rank(request)`

Item ids are dense catalogue rows here; outside ids live in `recgpt.data`.
Suffixes: B histories, N items in the catalogue, E text-embedding width.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, cast, get_args, runtime_checkable

import numpy as np

from recgpt.arguments import check_type
from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.fingerprint import check_embeddings_given
from recgpt.data.provenance import training_past
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, NotFittedError
from recgpt.ranking import Exclude, Ranking, Request, first_unknown, rank_by_scores
from recgpt.recommenders.store import read_state, write_state

if TYPE_CHECKING:  # the baselines need no torch
    from recgpt.catalogue import Model

Supervision = Literal["zero-shot", "in-context", "trained", "outside"]
"""Use of the data set's interactions, by which tables of results are grouped.

`zero-shot`: the texts of the catalogue and the user's own history. `in-context`: also the past interactions of all
users, without a gradient step. `trained`: gradient steps on those interactions. `outside`: lists of another tool, from
a file.
"""

_EARLIER_NAMES = {"text": "zero-shot", "context": "in-context"}


@runtime_checkable
class Recommender(Protocol):
    """Ranks the catalogue after histories of dense item ids, oldest first.

    A ranking depends on its own history only, not on other histories of the batch or the batch size.
    """

    name: str
    supervision: Supervision

    def fit(self, dataset: Dataset) -> Self:
        """Train on, or index, all interactions and items of `dataset`. Returns itself."""
        ...

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history.

        Parameters
        ----------
        histories
            B sequences of dense item ids, oldest first; may be empty.
        k
            Number of items to return, at least 1; cut at the size of the catalogue.
        exclude
            "history" leaves out the items of the history, "nothing" ranks them too.
        candidates
            (C,) integer ids of the items that may be recommended; None for all.

        Returns
        -------
        Ranking
            ids (B, k) int64 and scores (B, k) float32, ties by item id; padded with id -1 and score -inf if fewer
            than k items can be ranked.

        Raises
        ------
        DataError
            For an id outside the catalogue, naming it and its history, and for a `k` smaller than 1.
        """
        ...

    def observe(self, events: Interactions) -> None:
        """Update with new interactions; each recommender documents whether it appends, refits or ignores them."""
        ...


class RecommenderBase(ABC):
    """Base class of registered recommenders; a subclass implements `_fit`, and `_scores` or `_rank`.

    Attributes
    ----------
    needs_embeddings
        Whether the constructor takes `embeddings`, the text embeddings of the catalogue.
    model_kind
        The kind of model (see `recgpt.models`) that the constructor takes as `model`; None for no model.
    is_seeded
        Whether the constructor takes `seed`, of all random numbers.
    earlier_names
        Former registry names, still read in stored reports and folders.
    """

    name: str
    supervision: Supervision
    needs_embeddings: ClassVar[bool] = False
    model_kind: ClassVar[Literal["foundation", "generative"] | None] = None
    is_seeded: ClassVar[bool] = False
    earlier_names: ClassVar[tuple[str, ...]] = ()

    _n_items: int | None = None  # None until fitted
    _fitted_on: Dataset | None = None
    _stored_pasts: Sequence[Mapping[str, Any]] = ()
    _options: Mapping[str, Any] = {}  # JSON-serialisable arguments of the constructor, stored by `save`

    def fit(self, dataset: Dataset) -> Self:
        """Train on, or index, the interactions and items of `dataset`. Returns itself."""
        check_type(dataset, Dataset, "dataset", "load one with Dataset.load(FOLDER)")
        self._n_items = None
        self._fit(dataset)
        self._n_items = dataset.n_items
        self._fitted_on = dataset
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history. See `Recommender.rank`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            For an id outside the catalogue, naming it and its history, and for a `k` smaller than 1.
        """
        return self._rank(Request.checked(histories, k, exclude, candidates, n_items=self.n_items))

    def observe(self, events: Interactions) -> None:
        """Update with new interactions, as the class documents.

        Raises
        ------
        NotFittedError
            Before `fit`.
        DataError
            An item outside the catalogue.
        """
        check_events(events, self.n_items)
        self._observe(events)

    def save(self, path: str | Path) -> None:
        """Write the fitted state into the folder `path` (see `recgpt.recommenders.store`).

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        about = {"n_items": self.n_items, "supervision": self.supervision, "trained_on": self.training_pasts}
        self._save_models(Path(path))
        write_state(path, self.name, self._arrays(), {**self._options, **about, **self._facts()})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a recommender from the folder of `save`; it ranks and observes exactly as the saved one.

        Raises
        ------
        DataError
            The folder holds no recommender, one of another class, or damaged files.
        """
        arrays, facts = read_state(path, cls.name, earlier_names=cls.earlier_names)
        known = option_names(cls)
        recommender = cls._from_options(Path(path), {name: facts[name] for name in facts if name in known})
        recommender.supervision = supervision_named(facts.get("supervision", facts.get("knows", cls.supervision)))
        recommender._restore(arrays, facts)
        recommender._stored_pasts = facts.get("trained_on", [])
        recommender._n_items = facts["n_items"] if "n_items" in facts else _stored_n_items(arrays)
        return recommender

    @property
    def training_pasts(self) -> list[dict[str, Any]]:
        """Training pasts (`recgpt.data.provenance`) of the data that it was fitted on; empty where not recorded."""
        if self._fitted_on is None:
            return [dict(past) for past in self._stored_pasts]
        return [training_past(self._fitted_on)]

    @property
    def pretrained_model(self) -> "Model | None":
        """Pre-trained model that it ranks with, or starts its training from; None without one."""
        return None

    @property
    def n_items(self) -> int:
        """N, the number of items of the data set that it was fitted on.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self._n_items is None:
            raise NotFittedError(
                f"{self.name} is not fitted: call fit(dataset) first, or read a fitted one with "
                "recgpt.recommenders.load(folder)"
            )
        return self._n_items

    # --- to be implemented or overridden by a subclass ---

    @abstractmethod
    def _fit(self, dataset: Dataset) -> None:
        """Train on, or index, `dataset`."""

    def _scores(self, histories: Ragged) -> np.ndarray:
        """(B, N) float32 scores after B non-empty histories, in a new array; -inf for items that cannot be ranked."""
        raise NotImplementedError(f"{type(self).__name__} has neither _scores nor _rank: implement one of them")

    def _scores_if_empty(self) -> np.ndarray | None:
        """(N,) scores after an empty history; None ranks nothing (ids -1)."""
        return None

    def _rank(self, request: Request) -> Ranking:
        """Rank by decreasing `_scores`."""
        return rank_by_scores(request, self.n_items, self._scores, if_empty_N=self._scores_if_empty())

    def _observe(self, events: Interactions) -> None:  # noqa: B027
        """Ignore `events`; overridden by recommenders that count or train on them."""

    def _arrays(self) -> dict[str, Any]:
        """Fitted arrays, dense or sparse, by name; the argument of `_restore`."""
        return {}

    def _facts(self) -> dict[str, Any]:
        """Fitted JSON values beside the arrays."""
        return {}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:  # noqa: B027
        """Set the fitted state from `_arrays` and `_facts`."""

    def _save_models(self, path: Path) -> None:  # noqa: B027
        """Write checkpoints of models into folders under `path`."""

    @classmethod
    def _from_options(cls, path: Path, options: Mapping[str, Any]) -> Self:
        """Make an unfitted recommender with the stored options, and the checkpoints of `_save_models`."""
        return cls(**options)


class PopularityIfEmpty(RecommenderBase):
    """Base of recommenders that rank by popularity, the number of interactions, after an empty history.

    `observe` adds events to these counts.
    """

    _count_N: np.ndarray

    def fit(self, dataset: Dataset) -> Self:
        """Count the interactions of each item, then train on, or index, `dataset`. Returns itself."""
        check_type(dataset, Dataset, "dataset", "load one with Dataset.load(FOLDER)")
        self._count_N = np.bincount(dataset.interactions.item, minlength=dataset.n_items)
        return super().fit(dataset)

    def _scores_if_empty(self) -> np.ndarray:
        return self._count_N

    def _observe(self, events: Interactions) -> None:
        self._count_N = self._count_N + np.bincount(events.item, minlength=len(self._count_N))

    def _arrays(self) -> dict[str, Any]:
        return {"count_N": self._count_N}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self._count_N = arrays["count_N"]


def option_names(recommender: type[RecommenderBase]) -> list[str]:
    """Names of the options that a recommender's constructor takes."""
    return list(inspect.signature(recommender).parameters)


def supervision_named(name: str) -> Supervision:
    """Supervision by its name, or by its name before version 0.2 (text, context).

    Raises
    ------
    DataError
        Unknown name.
    """
    name = _EARLIER_NAMES.get(name, name)
    if name not in get_args(Supervision):
        raise DataError(f"unknown supervision {name!r}: it is one of {', '.join(get_args(Supervision))}")
    return cast(Supervision, name)


def model_supervision(training_record: Mapping[str, Any], dataset: Dataset, otherwise: Supervision) -> Supervision:
    """Supervision of a pre-trained model: "trained" if its training data held this catalogue, else `otherwise`."""
    return "trained" if dataset.items_sha256 in training_record.get("catalogues", ()) else otherwise


def check_events(events: Interactions, n_items: int) -> None:
    """Raise DataError for feedback on an item outside the catalogue."""
    unknown = first_unknown(events.item, n_items)
    if unknown is not None:
        raise DataError(
            f"event {unknown} is on the item id {events.item[unknown]}, but the catalogue has the ids 0 to "
            f"{n_items - 1}: fit again on the larger catalogue"
        )


def item_embeddings(dataset: Dataset, given_NE: np.ndarray | None) -> np.ndarray:
    """(N, E) text embeddings of the catalogue: `given_NE`, else the `embeddings.npy` of the data-set folder.

    Raises
    ------
    DataError
        The number of rows is not N, or the folder has no matching embeddings.
    """
    embeddings_NE = dataset.embeddings() if given_NE is None else given_NE
    if embeddings_NE.ndim != 2 or len(embeddings_NE) != dataset.n_items:
        raise DataError(
            f"embeddings of shape {embeddings_NE.shape} do not fit the {dataset.n_items} items of {dataset.name}: "
            "encode the texts of these items"
        )
    check_embeddings_given(embeddings_NE, dataset.name, zeros_allowed=True)  # the baselines define their cosine: 0
    return embeddings_NE


def _stored_n_items(arrays: Mapping[str, Any]) -> int:
    """N, from the arrays of a folder of an earlier version, which did not store it."""
    by_item = ("count_N", "unit_NE", "embeddings_NE", "rough_NE")
    return next(len(arrays[name]) for name in by_item if name in arrays)
