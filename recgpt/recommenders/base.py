"""The protocol that every recommender keeps, and the base that ours share: `rank`, `observe`, `save`, `load` once.

    class MyRecommender(RecommenderBase):
        name, supervision = "mine", "in-context"

        def _fit(self, dataset): ...                    # learn or index
        def _scores(self, histories): ...               # (B, N) float32; or `_rank(request)`, to rank in another way

Item ids are dense catalogue rows here; outside ids live in `recgpt.data`.
Suffixes: B histories, N items in the catalogue, E text-embedding width.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, cast, get_args, runtime_checkable

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, NotFittedError
from recgpt.ranking import Exclude, Ranking, Request, first_unknown, rank_by_scores
from recgpt.recommenders.store import read_state, write_state

Supervision = Literal["zero-shot", "in-context", "trained"]
"""What a recommender uses of the data set that it ranks, by which tables are grouped.

`zero-shot`: the texts of the catalogue and the user's own history. `in-context`: also the past interactions of all
users, without a gradient step. `trained`: gradient steps on those interactions.
"""

_EARLIER_NAMES = {"text": "zero-shot", "context": "in-context"}


@runtime_checkable
class Recommender(Protocol):
    """Ranks the catalogue for histories of dense item ids, oldest first.

    A ranking depends on its own history only: never on the other histories of the batch, nor on the batch size.
    """

    name: str
    supervision: Supervision

    def fit(self, dataset: Dataset) -> Self:
        """Learn from, or index, the interactions and items of `dataset`, all of which may be used. Returns itself."""
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
            How many items to return, between 1 and the size of the catalogue.
        exclude
            "history" leaves out the items of the history, "nothing" ranks them too.
        candidates
            (C,) integer array of the only items that may be recommended; None for all.

        Returns
        -------
        Ranking
            ids (B, k) int64 and scores (B, k) float32, ties by item id; where fewer than k items can be ranked,
            the rest is id -1 with score -inf.

        Raises
        ------
        DataError
            For an id outside the catalogue, naming it and its history, and for a `k` that does not fit.
        """
        ...

    def observe(self, events: Interactions) -> None:
        """Take in new feedback; each recommender states whether it appends, refits or ignores it."""
        ...


class RecommenderBase(ABC):
    """A registered recommender; a subclass gives `_fit`, and `_scores` or `_rank`.

    Attributes
    ----------
    needs_embeddings
        Whether the constructor takes `embeddings`, the text embeddings of the catalogue.
    model_kind
        The kind of model (see `recgpt.models`) that the constructor takes as `model`; None for no model.
    is_seeded
        Whether the constructor takes `seed`, so that another seed gives other figures.
    earlier_names
        Names under which it was registered before: still read in stored reports and folders.
    """

    name: str
    supervision: Supervision
    needs_embeddings: ClassVar[bool] = False
    model_kind: ClassVar[Literal["foundation", "generative"] | None] = None
    is_seeded: ClassVar[bool] = False
    earlier_names: ClassVar[tuple[str, ...]] = ()

    _n_items: int | None = None  # None until fitted
    _options: Mapping[str, Any] = {}  # arguments of the constructor that JSON can hold, stored by `save`

    def fit(self, dataset: Dataset) -> Self:
        """Learn from, or index, the interactions and items of `dataset`. Returns itself."""
        self._n_items = None
        self._fit(dataset)
        self._n_items = dataset.n_items
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
            For an id outside the catalogue, naming it and its history, and for a `k` that does not fit.
        """
        return self._rank(Request.checked(histories, k, exclude, candidates, n_items=self.n_items))

    def observe(self, events: Interactions) -> None:
        """Take in new feedback, as the class states.

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
        about = {"n_items": self.n_items, "supervision": self.supervision}
        self._save_models(Path(path))
        write_state(path, self.name, self._arrays(), {**self._options, **about, **self._facts()})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote: the result ranks, and observes, exactly as the one that was saved.

        Raises
        ------
        DataError
            The folder holds no recommender, another one, or damaged files.
        """
        arrays, facts = read_state(path, cls.name, earlier_names=cls.earlier_names)
        known = option_names(cls)
        recommender = cls._made_again(Path(path), {name: facts[name] for name in facts if name in known})
        recommender.supervision = supervision_named(facts.get("supervision", facts.get("knows", cls.supervision)))
        recommender._restore(arrays, facts)
        recommender._n_items = facts["n_items"] if "n_items" in facts else _n_items_of(arrays)
        return recommender

    @property
    def n_items(self) -> int:
        """N, the size of the catalogue it was fitted on.

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

    # --- what a subclass gives ---

    @abstractmethod
    def _fit(self, dataset: Dataset) -> None:
        """Learn from, or index, `dataset`."""

    def _scores(self, histories: Ragged) -> np.ndarray:
        """Fresh (B, N) float32 scores after B histories, none empty; -inf for items that cannot be ranked."""
        raise NotImplementedError(f"{type(self).__name__} gives neither _scores nor _rank: write one of them")

    def _scores_if_empty(self) -> np.ndarray | None:
        """(N,) scores after an empty history; None ranks nothing after one."""
        return None

    def _rank(self, request: Request) -> Ranking:
        """Rank by `_scores`."""
        return rank_by_scores(request, self.n_items, self._scores, if_empty_N=self._scores_if_empty())

    def _observe(self, events: Interactions) -> None:  # noqa: B027
        """Ignore `events`; to be overridden by a recommender that counts or learns."""

    def _arrays(self) -> dict[str, Any]:
        """Fitted arrays, dense or sparse, by the names under which `_restore` gets them."""
        return {}

    def _facts(self) -> dict[str, Any]:
        """Fitted values that JSON holds, beside the arrays."""
        return {}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:  # noqa: B027
        """Take in what `_arrays` and `_facts` gave."""

    def _save_models(self, path: Path) -> None:  # noqa: B027
        """Write models that are not arrays into folders under `path`."""

    @classmethod
    def _made_again(cls, path: Path, options: Mapping[str, Any]) -> Self:
        """An unfitted recommender with the stored options, and the models that `_save_models` wrote."""
        return cls(**options)


class PopularityIfEmpty(RecommenderBase):
    """A recommender that ranks by popularity, the number of interactions, after an empty history.

    `observe` adds events to these counts.
    """

    _count_N: np.ndarray

    def fit(self, dataset: Dataset) -> Self:
        """Learn from, or index, `dataset`, and count the interactions of each item. Returns itself."""
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
    """A supervision by its name, also by the names in reports and folders of before version 0.2 (text, context).

    Raises
    ------
    DataError
        There is no such supervision.
    """
    name = _EARLIER_NAMES.get(name, name)
    if name not in get_args(Supervision):
        raise DataError(f"unknown supervision {name!r}: it is one of {', '.join(get_args(Supervision))}")
    return cast(Supervision, name)


def model_supervision(training_record: Mapping[str, Any], dataset: Dataset, otherwise: Supervision) -> Supervision:
    """Supervision of a recommender with a model: "trained" where the model was trained on the data set's catalogue."""
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
    """(N, E) text embeddings of the catalogue: those given, else the `embeddings.npy` of the data-set folder.

    Raises
    ------
    DataError
        If they are not one row an item, or the folder has none that fit.
    """
    embeddings_NE = dataset.embeddings() if given_NE is None else given_NE
    if embeddings_NE.ndim != 2 or len(embeddings_NE) != dataset.n_items:
        raise DataError(
            f"embeddings of shape {embeddings_NE.shape} do not fit the {dataset.n_items} items of {dataset.name}: "
            "encode the texts of these items"
        )
    return embeddings_NE


def _n_items_of(arrays: Mapping[str, Any]) -> int:
    """N of a folder that was stored before the number of items was."""
    by_item = ("count_N", "unit_NE", "embeddings_NE", "rough_NE")
    return next(len(arrays[name]) for name in by_item if name in arrays)
