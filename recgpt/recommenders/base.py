"""The one protocol that every recommender keeps, and what several of them share.

Item ids are dense catalogue rows here; outside ids live in `recgpt.data`.
Suffixes: B histories, N items in the catalogue, E text-embedding width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol, Self, runtime_checkable

import numpy as np

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.ranking import Exclude, Ranking, first_unknown

Knows = Literal["text", "context", "trained"]
"""What a recommender has seen, which is what tables group by.

`text`: of this data set nothing but the catalogue's texts and the history it is asked about. `context`: also the
interactions it was fitted on, without a gradient step. `trained`: gradient steps on them.
"""


@runtime_checkable
class Recommender(Protocol):
    """Ranks the catalogue for histories of dense item ids, oldest first.

    A ranking depends on its own history only: never on who else is in the batch, nor on the batch size.
    """

    name: str
    knows: Knows

    def fit(self, dataset: Dataset) -> Self:
        """Learn from, or index, what `dataset` holds; every interaction in it may be known. Returns itself."""
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
            "history" leaves out what the history holds, "nothing" ranks it too.
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


@runtime_checkable
class StoredRecommender(Recommender, Protocol):
    """A recommender whose fitted state can be kept in a folder, as that of every registered one can."""

    def save(self, path: str | Path) -> None:
        """Write what `fit` and `observe` made into the folder `path` (see `recgpt.recommenders.store`)."""
        ...

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote: the result ranks, and observes, exactly as the one that was saved."""
        ...


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
