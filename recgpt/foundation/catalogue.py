"""The catalogue of the foundation model: a shortlist by the hybrid score, reranked by the network.

All items get the hybrid score, a tuned weighted sum of text and count features (`recgpt.features.hybrid_score`). The
best `shortlist` of them are ranked first, by the logits of the network; in a longer list the next `deeper` items follow
by their logits, then the others by their hybrid score. Of given candidates up to `deeper` are all ranked by logits.

Shapes: B histories, N items, M candidates, H distinct items of a history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import polars as pl
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from recgpt.catalogue import append_items
from recgpt.data.catalogue_ids import CatalogueIds, IdKind, open_users, save_users
from recgpt.data.dataset import Interactions
from recgpt.data.ids import IdMap
from recgpt.data.past import PastSource, read_past_and_users
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError
from recgpt.files import new_file
from recgpt.foundation.catalogue_features import (
    COLD_CANDIDATES,
    CatalogueFeatures,
    HybridScores,
    batches_at_once,
    shortlist_candidates,
)
from recgpt.foundation.network import CalibrationWeights, FoundationNetwork
from recgpt.foundation.repeats import RepeatWeights
from recgpt.parallel import on_threads
from recgpt.ranking import Exclude, Ranking, Request, first_unknown, top_k

if TYPE_CHECKING:
    from recgpt.foundation.explain import FoundationExplanation

INDEX_FILE = "index.safetensors"
BATCH = 64  # histories scored at once on a thread
LEAST_ON_A_THREAD = 16
CANDIDATES_AT_ONCE = 1 << 16  # and their candidates: a history of thousands of items is scored alone
_WEIGHTS, _OFFSETS, _REPEATS = "local_weight_I", "local_offsets", "repeat_weights"


class FoundationCatalogue:
    """An indexed catalogue. Keeps `recgpt.catalogue.Catalogue`.

    Attributes
    ----------
    features
        Features of its items, from texts and past interactions.
    calibration
        Weights that calibrate the network's logits to this catalogue; None without calibration.
    repeats
        Weights of the scores of history items.
    shortlist
        M, the number of items that come first after each history, as the network scores them.
    deeper
        Number of items that the network scores behind the shortlist in longer lists, or of given candidates.
    ids
        Outside ids of the rows.
    users
        Outside ids of the users of the past interactions; None where it has dense ids or no users.
    """

    score_name: ClassVar[str] = "score"
    deeper: int = 1_000

    def __init__(
        self,
        network: FoundationNetwork,
        features: CatalogueFeatures,
        calibration: CalibrationWeights | None = None,
        repeats: RepeatWeights | None = None,
        *,
        shortlist: int,
        ids: CatalogueIds | None = None,
        users: IdMap | None = None,
    ) -> None:
        self.network = network
        self.features = features
        self.calibration = calibration
        self.repeats = repeats or RepeatWeights()
        self.shortlist = shortlist
        self.ids = ids or CatalogueIds(len(self))
        self.users = users

    @property
    def item_ids(self) -> np.ndarray:
        """(N,) outside ids of the rows: the column `item_id` of the items table, or row numbers without it."""
        return self.ids.array

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for `from_arrays`, which needs no texts and embeddings."""
        weight_W, listed = self.repeats
        arrays = self.features.to_arrays() | {_REPEATS: np.array([*weight_W, listed])}
        if self.calibration is not None:
            weight_I, *offsets = self.calibration
            arrays |= {_WEIGHTS: weight_I.numpy(), _OFFSETS: np.array(offsets)}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], network: FoundationNetwork, *, shortlist: int) -> Self:
        """Rebuild a catalogue from `to_arrays`."""
        calibration = None
        if _WEIGHTS in arrays:
            calibration = CalibrationWeights(torch.from_numpy(arrays[_WEIGHTS]), *arrays[_OFFSETS].tolist())
        repeats = None  # in an index of an earlier version
        if _REPEATS in arrays:
            *weights, listed = arrays[_REPEATS].tolist()
            repeats = RepeatWeights(np.array(weights), listed)
        return cls(network, CatalogueFeatures.from_arrays(arrays), calibration, repeats, shortlist=shortlist)

    def save(self, folder: Path) -> None:
        """Write the index as `index.safetensors`, for `FoundationModel.open_index`."""
        with new_file(folder / INDEX_FILE) as draft:
            save_file({name: np.ascontiguousarray(array) for name, array in self.to_arrays().items()}, draft)
        self.ids.save(folder)
        save_users(self.users, folder)

    @classmethod
    def open(cls, folder: Path, network: FoundationNetwork, *, shortlist: int) -> Self:
        """Read the index that `save` wrote."""
        opened = cls.from_arrays(load_file(folder / INDEX_FILE), network, shortlist=shortlist)
        opened.ids, opened.users = CatalogueIds.open(folder, len(opened)), open_users(folder)
        return opened

    def __len__(self) -> int:
        return self.features.past.n_items

    def recommend(
        self,
        histories: Sequence[Sequence[int | str]] | Ragged,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: Sequence[int | str] | np.ndarray | None = None,
        batch_size: int = BATCH,
        ids: IdKind | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history.

        Parameters
        ----------
        histories
            B sequences of items, oldest first, by row or by outside id (see `ids`). After an empty one items are ranked
            by their number of interactions; in a catalogue without interactions nothing is ranked (ids -1).
        k
            Number of results, at least 1; more than N are cut at N.
        exclude
            "history" leaves out the items of the history, "nothing" ranks them too.
        candidates
            (C,) items that may be recommended; None for all.
        batch_size
            Histories scored at once; the ranking does not depend on it.
        ids
            "rows" or "outside", the kind of ids in `histories` and `candidates`; None takes texts for outside ids,
            whole numbers for rows, and refuses numbers that could be both.

        Returns
        -------
        Ranking
            ids and scores (B, k), padded with id -1 where fewer items can be ranked. Scores order the items of one
            history: the network's logits for items of the shortlist. Below it scores go on from its lowest one: less
            the distance of a following logit from the best such one, and at last less the distance of a hybrid score
            from the best one. If `exclude` is "nothing", the items of the history together get the probability of a
            repeat, see `recgpt.foundation.repeats`.

        Raises
        ------
        DataError
            An id outside the catalogue, `k` smaller than 1.
        """
        if candidates is not None:
            candidates = self.ids.items(candidates, ids)
        request = Request.checked(self.ids.histories(histories, ids), k, exclude, candidates, n_items=len(self))
        ranking = replace(request.unranked(), catalogue_ids=self.ids)
        has_history = request.histories.lengths > 0
        with_history = np.flatnonzero(has_history)
        batches, most = self._batches(request, with_history, batch_size)
        self.features.past.count_appended(repeats=exclude == "nothing")
        parts = on_threads(partial(self._ranked, request), batches, most)
        for rows, part in zip(batches, parts, strict=True):
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        count_N = self.features.past.count_N
        if count_N.any() and not has_history.all():
            rows = np.flatnonzero(~has_history)
            counts_BN = np.tile(count_N.astype(np.float32), (len(rows), 1))
            part = top_k(request.mask(torch.from_numpy(counts_BN), rows), request.k)
            ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores
        return ranking

    def explain(
        self,
        history: Sequence[int | str],
        item: int | str,
        titles: Sequence[str] | None = None,
        *,
        ids: IdKind | None = None,
    ) -> "FoundationExplanation":
        """Explain the score of `item` after `history`, by `ids` as in `recommend`. See `recgpt.foundation.explain`."""
        from recgpt.foundation.explain import explain

        rows = self.ids.items(history, ids, "history 0")
        return explain(self, rows.tolist(), int(self.ids.items([item], ids, "item")[0]), titles)

    def session(
        self, histories: Sequence[Sequence[int | str]] | Ragged, *, ids: IdKind | None = None
    ) -> "FoundationSession":
        """Start a session: rankings of histories that grow one item at a time; `ids` as in `recommend`."""
        return FoundationSession(self, histories, ids=ids)

    def observe(self, events: PastSource) -> None:
        """Append `events`, in their order, to the sequences of their users; tens of microseconds an event.

        Dense `Interactions`, or a table or file with outside ids, as in `FoundationModel.index`; users with new ids are
        new users.

        The next ranking is that of a catalogue indexed with them, except that the weights of the hybrid score, the
        neighbourhoods, the calibration and the four weights of repeats stay until the catalogue is indexed again.

        Raises
        ------
        DataError
            An item outside the catalogue.
        """
        if not isinstance(events, Interactions):
            events = self._with_dense_ids(events)
        unknown = first_unknown(events.item, len(self))
        if unknown is not None:
            raise DataError(
                f"event {unknown} is on the item id {events.item[unknown]}, but the catalogue has the ids 0 to "
                f"{len(self) - 1}: index the larger catalogue"
            )
        self.features.append(events)

    def _batches(self, request: Request, rows: np.ndarray, batch_size: int) -> tuple[list[np.ndarray], int]:
        """Consecutive histories to score at once, and the threads for them.

        Batches are smaller where every thread then gets one, and where histories are long whose items are candidates
        too; there are fewer threads where the catalogue is large.
        """
        most = max(1, min(batches_at_once(batch_size, len(self)), len(rows) // LEAST_ON_A_THREAD))
        n_threads = min(torch.get_num_threads(), most)
        batch_size = min(batch_size, -(-len(rows) // n_threads))
        width = self._n_first(request.allowed_N) + COLD_CANDIDATES
        width_B = np.full(len(rows), width + (self.deeper if request.k > self.shortlist else 0))
        if request.exclude == "nothing":
            width_B += np.minimum(request.histories.lengths[rows], len(self))
        batches, start = [], 0
        while start < len(rows):
            widest_B = np.maximum.accumulate(width_B[start : start + batch_size])
            fits = int((widest_B * np.arange(1, len(widest_B) + 1) <= CANDIDATES_AT_ONCE).sum())
            batches.append(rows[start : start + max(1, fits)])
            start += max(1, fits)
        return batches, most

    def _with_dense_ids(self, source: PastSource) -> Interactions:
        """Events with outside ids as dense ones; new users get the next numbers."""
        events, theirs = read_past_and_users(source, self.ids.id_map)
        if theirs is None:
            return events
        known = [] if self.users is None else self.users.ids.to_list()
        if len(known) != len(self.features.past.sequences):
            raise DataError(
                "the catalogue was indexed with Interactions, whose users are numbered, so the user ids of a table are "
                "unknown to it: observe Interactions, or index with a table"
            )
        if self.users is not None and self.users.is_text != theirs.is_text:
            raise DataError(
                f"user {theirs.ids[0]!r} is {theirs.ids.dtype}, users of the index are {self.users.ids.dtype}, such as "
                f"{known[0]!r}: write ids alike in both"
            )
        places = {user: place for place, user in enumerate(known)}
        for user in theirs.ids.to_list():
            places.setdefault(user, len(places))
        self.users = IdMap(pl.Series("user_id", list(places), dtype=theirs.ids.dtype), "the observed users")
        dense = np.array([places[user] for user in theirs.ids.to_list()], dtype=np.int32)
        return Interactions(dense[events.user], events.item, events.timestamp, events.rating)

    @torch.inference_mode()
    def _ranked(self, request: Request, rows: np.ndarray) -> Ranking:
        """Rank after the histories `rows`, none of them empty."""
        histories = request.histories[rows]
        scores = self.features.hybrid_scores(histories)
        may_repeat = request.exclude == "nothing"
        most = self._n_first(request.allowed_N)
        candidates_BM, logits_BM, in_history_BM = self._rerank(
            histories, scores, most, request.allowed_N, with_history=may_repeat
        )
        if may_repeat:
            # Normalised over the whole catalogue, so that restricting the candidates does not reorder them.
            ranked = whole = (candidates_BM, logits_BM, in_history_BM)
            if request.allowed_N is not None:
                whole = self._rerank(histories, scores, self.shortlist, None, with_history=True)
            logits_BM = self.repeats.scores(self.features.past, histories, ranked, whole)
        first = _best(candidates_BM, logits_BM, request.k)
        if ((candidates_BM >= 0).sum(axis=1) >= request.k).all():
            return first
        next_BM, next_logits_BM, _ = self._rerank(
            histories, scores, most + self.deeper, request.allowed_N, with_history=False, without_BM=candidates_BM
        )
        rest_BN = torch.from_numpy(scores.score_BN.copy())
        for ranked_BM in (candidates_BM, next_BM):
            case, place = np.nonzero(ranked_BM >= 0)
            rest_BN[case, ranked_BM[case, place]] = -torch.inf
        rest = top_k(request.mask(rest_BN, rows), request.k)
        following = _best(next_BM, next_logits_BM, request.k)
        return _one_after_the_other(first, following, rest, scores.score_BN.max(axis=1), request.k)

    def _n_first(self, allowed_N: np.ndarray | None) -> int:
        """Number of items by the hybrid score that come first: the shortlist, or all candidates where they are few."""
        n_allowed = 0 if allowed_N is None else int(allowed_N.sum())
        return max(self.shortlist, n_allowed) if n_allowed <= self.deeper else self.shortlist

    def _rerank(
        self,
        histories: Ragged,
        scores: HybridScores,
        most: int,
        allowed_N: np.ndarray | None,
        with_history: bool,
        without_BM: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Tensor, Tensor]:
        """Score the `most` best items by the hybrid score with the network, without the items `without_BM`.

        Returns
        -------
        tuple
            (B, M) candidates in order of their ids, -1 for padding; their logits, -inf for padding; whether they are in
            the history.
        """
        candidates_BM = shortlist_candidates(histories, scores, most, self.features.past.count_N, allowed_N)
        if without_BM is not None:
            candidates_BM[_are_in(candidates_BM, without_BM, len(self))] = -1
        history_BH = np.empty((len(histories), 0), dtype=np.int64)
        if with_history:
            history_BH = _distinct_items(histories, len(self), allowed_N)
            candidates_BM = np.concatenate([candidates_BM, history_BH], axis=1)
        candidates_BM.sort(axis=1)  # top_k breaks ties by column, so that the smaller id comes first
        n_positions = self.network.config.history_items
        evidence = self.features.evidence(histories, candidates_BM, scores, n_positions)
        logits_BM: Tensor = self.network(evidence, self.calibration)
        in_history_BM = _are_in(candidates_BM, history_BH, len(self))
        return candidates_BM, logits_BM.masked_fill_(~evidence.allowed_BM, -torch.inf), torch.from_numpy(in_history_BM)


class FoundationSession:
    """Rankings of histories that grow one item at a time; each is computed anew, as the network reads few items.

    Attributes
    ----------
    histories
        The users' items so far, oldest first.
    """

    def __init__(
        self,
        catalogue: FoundationCatalogue,
        histories: Sequence[Sequence[int | str]] | Ragged,
        *,
        ids: IdKind | None = None,
    ) -> None:
        rows = catalogue.ids.histories(histories, ids)
        checked = Request.checked(rows, 1, "nothing", None, n_items=len(catalogue)).histories
        self._catalogue = catalogue
        self.histories: list[list[int]] = [history.tolist() for history in checked]

    def append(self, items: Sequence[int | str], *, ids: IdKind | None = None) -> None:
        """Append one item to each history; `ids` as in `FoundationCatalogue.recommend`.

        Raises
        ------
        DataError
            Not one item a user, or an item outside the catalogue.
        """
        rows = self._catalogue.ids.items(items, ids, "items")
        append_items(self.histories, rows.tolist(), n_items=len(self._catalogue))

    def recommend(
        self,
        k: int = 10,
        *,
        exclude: Exclude = "history",
        candidates: Sequence[int | str] | np.ndarray | None = None,
        ids: IdKind | None = None,
    ) -> Ranking:
        """Rank the catalogue after each history as it is now. See `FoundationCatalogue.recommend`."""
        if candidates is not None:
            candidates = self._catalogue.ids.items(candidates, ids)
        return self._catalogue.recommend(self.histories, k, exclude=exclude, candidates=candidates, ids="rows")


def _best(candidates_BM: np.ndarray, logits_BM: Tensor, k: int) -> Ranking:
    """Rank candidates by their logits; fewer than `k` columns where there are fewer candidates."""
    part = top_k(logits_BM, k)
    return Ranking(np.where(part.ids >= 0, np.take_along_axis(candidates_BM, part.ids, axis=1), -1), part.scores)


def _one_after_the_other(
    first: Ranking, following: Ranking, rest: Ranking, best_hybrid_B: np.ndarray, k: int
) -> Ranking:
    """Join the shortlist, the items that the network scored behind it, and the rest by the hybrid score.

    Scores go on from the lowest one so far: less the distance of a following logit from the best following one, and
    of a hybrid score among the rest from the best of all.
    """
    scores = [first.scores.astype(np.float64)]
    lowest_B1 = _lowest(scores[0], np.zeros((len(first.ids), 1)))  # no shortlist: all of its items are excluded
    for part, best_B1 in ((following, following.scores[:, :1]), (rest, best_hybrid_B[:, None])):
        there_BK = part.ids >= 0
        lacking_BK = np.where(there_BK, best_B1, np.inf) - np.where(there_BK, part.scores, 0).astype(np.float64)
        scores.append(lowest_B1 - lacking_BK)
        lowest_B1 = _lowest(scores[-1], lowest_B1)
    ids_BK = np.concatenate([first.ids, following.ids, rest.ids], axis=1)
    order_Bk = np.argsort(ids_BK < 0, axis=1, kind="stable")[:, :k]
    joined_BK = np.concatenate(scores, axis=1).astype(np.float32)
    return Ranking(np.take_along_axis(ids_BK, order_Bk, axis=1), np.take_along_axis(joined_BK, order_Bk, axis=1))


def _lowest(scores_BK: np.ndarray, if_none_B1: np.ndarray) -> np.ndarray:
    """(B, 1) lowest finite score of each row."""
    lowest_B1 = np.where(np.isfinite(scores_BK), scores_BK, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    return np.where(np.isfinite(lowest_B1), lowest_B1, if_none_B1)


def _are_in(candidates_BM: np.ndarray, items_BH: np.ndarray, n_items: int) -> np.ndarray:
    """(B, M) whether each candidate is among the items of its row; -1 is padding in both."""
    is_there_BN = np.zeros((len(items_BH), n_items + 1), dtype=bool)  # the last column takes the padding
    np.put_along_axis(is_there_BN, items_BH, True, axis=1)
    is_there_BN[:, -1] = False
    return np.take_along_axis(is_there_BN, candidates_BM, axis=1)


def _distinct_items(histories: Ragged, n_items: int, allowed_N: np.ndarray | None) -> np.ndarray:
    """(B, H) distinct allowed items of each history; -1 for padding."""
    taken_BN = np.zeros((len(histories), n_items), dtype=bool)
    taken_BN[np.repeat(np.arange(len(histories)), histories.lengths), histories.values] = True
    if allowed_N is not None:
        taken_BN &= allowed_N
    case, item = np.nonzero(taken_BN)
    n_distinct_B = taken_BN.sum(axis=1)
    history_BH = np.full((len(histories), int(n_distinct_B.max())), -1, dtype=np.int64)
    history_BH[case, np.arange(len(case)) - np.repeat(offsets_from_lengths(n_distinct_B)[:-1], n_distinct_B)] = item
    return history_BH
