"""TGH: items one to three transitions from the last item, ordered by text; a training-free rival of sequence models.

The Transition-Graph Heuristic of Han et al. 2026 (arXiv 2605.07125), from its formulas. It differs from the paper in
two points: where a list is not full the paper adds random items, here items follow by their text; and items of the
history take no places.
Shapes: B histories, N items.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.text_similarity import cosines, unit_rows
from recgpt.features.transitions import Transitions, rings
from recgpt.recommenders.base import PopularityIfEmpty, Supervision, item_embeddings

PLACES = {1: ((0, 1, 7), (0, 2, 2), (0, 3, 1)), 2: ((0, 1, 5), (0, 2, 1), (1, 1, 3), (1, 2, 1))}
"""Number of last items -> the parts of a list: age of the item, number of hops, places."""

COUNT_WEIGHT = 0.5
_ROWS = 256


def bonus(count_NN: sparse.csr_array) -> sparse.csr_array:
    """(N, N) .5 log(1 + count) of each transition over the largest such value of its row."""
    log_NN = count_NN.log1p()
    largest_N = log_NN.max(axis=1).toarray()
    bonus_NN = (sparse.diags_array(COUNT_WEIGHT / np.where(largest_N > 0, largest_N, 1)) @ log_NN).tocsr()
    bonus_NN.sort_indices()
    return bonus_NN


def in_order(parts: Iterable[tuple[np.ndarray, int]], is_new_N: np.ndarray) -> list[int]:
    """Order of a list made of parts with places; known items take none.

    A part gives its first new items to its places; what it cannot fill is filled first with the items that earlier
    parts have left. The items that remain follow, part by part.

    Parameters
    ----------
    parts
        Items of each part, best first, and the number of its places; an item counts in the first part that places it.
    is_new_N
        (N,) bool, whether an item is new to the user.
    """
    order: dict[int, None] = {}
    left = np.empty(0, dtype=np.int64)
    for items, places in parts:
        items = items[~np.isin(items, list(order))]
        left = left[~np.isin(left, list(order))]
        n_left = _length(left, is_new_N, places - int(is_new_N[items].sum()))
        n_own = _length(items, is_new_N, places - int(is_new_N[left[:n_left]].sum()))
        order.update(dict.fromkeys([*left[:n_left].tolist(), *items[:n_own].tolist()]))
        left = np.concatenate([left[n_left:], items[n_own:]])
    return list(order | dict.fromkeys(left.tolist()))


def _length(items: np.ndarray, is_new_N: np.ndarray, places: int) -> int:
    """Length of the shortest beginning with `places` new items; of all if there are fewer, 0 for no place."""
    if places <= 0:
        return 0
    return min(len(items), int(np.searchsorted(np.cumsum(is_new_N[items]), places)) + 1)


class TGH(PopularityIfEmpty):
    """Items a few transitions away from the last one or two, in rings with fixed places, by text and transition count.

    The rings of a history item hold the items that are one, two or three transitions of other users away. An item of
    a ring has the score cos(text of the history item, its text), and in the first ring besides .5 log(1 + count) over
    the largest such value of the history item. The list begins with the best 5 and 1 of the first two rings of the last
    item, then the best 3 and 1 of the second-last item's; with `last_items=1` with the best 7, 2 and 1 of the last
    item's three rings (`in_order` says how places of small rings are filled). All other items follow by the text of the
    last item.

    After an empty history items are ranked by their number of interactions. `observe` appends events to the
    sequences of their users and equals fitting on the longer sequences.

    Parameters
    ----------
    embeddings
        (N, E) floats, row i for dense item i, of any norm; None takes the `embeddings.npy` of the data-set folder.
    last_items
        Number of history items with rings, 1 or 2.
    """

    name = "tgh"
    supervision: Supervision = "in-context"
    needs_embeddings = True

    def __init__(self, embeddings: np.ndarray | None = None, *, last_items: Literal[1, 2] = 2) -> None:
        self._embeddings_NE = embeddings
        self._places = PLACES[last_items]
        self._options = {"last_items": last_items}

    def _fit(self, dataset: Dataset) -> None:
        self._unit_NE = unit_rows(item_embeddings(dataset, self._embeddings_NE))
        self._transitions = Transitions(dataset.n_items)
        self._append(dataset.interactions)

    def _observe(self, events: Interactions) -> None:
        super()._observe(events)
        self._append(events)

    def _append(self, events: Interactions) -> None:
        self._transitions.append(events)
        self._bonus_NN = bonus(self._transitions.count_NN)

    def _scores(self, histories: Ragged) -> np.ndarray:
        scores_BN = np.empty((len(histories), len(self._unit_NE)), dtype=np.float32)
        for start in range(0, len(histories), _ROWS):
            scores_BN[start : start + _ROWS] = self._scores_of(histories[start : start + _ROWS])
        return scores_BN

    def _scores_of(self, histories: Ragged) -> np.ndarray:
        """(B, N) scores: cosines of the last item's text, and above them places from the end of the ordered rings."""
        parts: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(len(histories))]
        scores_BN = np.empty((len(histories), len(self._unit_NE)), dtype=np.float32)
        for age in range(max(age for age, _, _ in self._places) + 1):
            sources_B = histories.values[np.maximum(histories.offsets[1:] - 1 - age, histories.offsets[:-1])]
            cosine_BN = cosines(self._unit_NE[sources_B], self._unit_NE)
            if age == 0:
                scores_BN[:] = cosine_BN
            bonus_BN = self._bonus_NN[sources_B]
            places = [each for (its, _, each) in self._places if its == age]
            for hop, ring_BN in enumerate(rings(sources_B, self._bonus_NN, len(places))):
                for row in np.flatnonzero(histories.lengths > age).tolist():
                    items = ring_BN.indices[ring_BN.indptr[row] : ring_BN.indptr[row + 1]].astype(np.int64)
                    values = cosine_BN[row, items]
                    if hop == 0:
                        values = values + bonus_BN.data[bonus_BN.indptr[row] : bonus_BN.indptr[row + 1]]
                    parts[row].append((items[np.argsort(-values, kind="stable")], places[hop]))
        is_new_N = np.ones(len(self._unit_NE), dtype=bool)
        for row, history in enumerate(histories):
            is_new_N[history] = False
            ordered = in_order(parts[row], is_new_N)
            is_new_N[history] = True
            scores_BN[row, ordered] = 1 + np.arange(len(ordered), 0, -1)
        return scores_BN

    def _arrays(self) -> dict[str, Any]:
        transitions = {"count_NN": self._transitions.count_NN, "last_U": self._transitions.last_U}
        return {**super()._arrays(), "unit_NE": self._unit_NE, **transitions}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        super()._restore(arrays, facts)
        self._unit_NE = arrays["unit_NE"]
        self._transitions = Transitions(len(self._unit_NE))
        self._transitions.count_NN, self._transitions.last_U = arrays["count_NN"], arrays["last_U"]
        self._bonus_NN = bonus(self._transitions.count_NN)
