"""Exact top-k with a total order: by score, then an optional second score, then item id; exclusion and candidates.

All recommenders rank with this file, so that ties never depend on the batch, the machine or the sort.
Shapes: B histories, N items, C candidates of a row, T rows with ties.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from recgpt.data.catalogue_ids import CatalogueIds
from recgpt.data.ids import check_whole, dense_ids
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError

Exclude = Literal["history", "nothing"]
TieBreak = Callable[[torch.Tensor], torch.Tensor]

SCORES_IN_MEMORY = 1 << 24  # float32 scores of a batch: 64 MB, and a few copies of it in sorting


@dataclass(frozen=True)
class Ranking:
    """Ranked item ids and their scores.

    Attributes
    ----------
    ids
        (B, k) int64 item ids, best first, padded with -1 where fewer than k items can be ranked after a history. k is
        the number that was asked for, cut at the size of the catalogue.
    scores
        (B, k) float32 scores, descending, padded with -inf.
    catalogue_ids
        Outside ids of the catalogue's rows; None in a ranking of a recommender, whose data set has them (`item_map`).
    """

    ids: np.ndarray
    scores: np.ndarray
    catalogue_ids: CatalogueIds | None = field(default=None, repr=False, compare=False)

    @property
    def item_ids(self) -> list[list[int | str]]:
        """B lists of outside ids, best first, without padding: those of the column `item_id`, else row numbers.

        Raises
        ------
        DataError
            The ranking is of a recommender: its ids are dense ids of the data set.
        """
        if self.catalogue_ids is None:
            raise DataError("this ranking has dense ids of a data set: map them with dataset.item_map.to_outside(...)")
        return [self.catalogue_ids.of_rows(row[row >= 0]) for row in self.ids]


@dataclass(frozen=True)
class Request:
    """Checked arguments of one `rank` call.

    Attributes
    ----------
    histories
        B sequences of item ids.
    k
        Number of results, between 1 and N; a larger one is cut at N.
    exclude
        "history" excludes the items of the history from the ranking.
    allowed_N
        (N,) bool, True for candidates; None for all items.
    n_items
        N.
    """

    histories: Ragged
    k: int
    exclude: Exclude
    allowed_N: np.ndarray | None
    n_items: int

    @classmethod
    def checked(
        cls,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        exclude: Exclude,
        candidates: np.ndarray | None,
        *,
        n_items: int,
    ) -> "Request":
        """Check the arguments of `rank`; DataError names the first invalid value."""
        k = cut_off(k, n_items)
        if exclude not in ("history", "nothing"):
            raise DataError(f'exclude={exclude!r} is unknown: use "history" or "nothing"')
        if isinstance(histories, Ragged):
            check_whole(histories.values, "a history")
        else:
            histories = Ragged.from_lists(histories, "history")
        unknown = first_unknown(histories.values, n_items)
        if unknown is not None:
            case = int(np.searchsorted(histories.offsets, unknown, side="right")) - 1
            raise DataError(
                f"history {case} holds the item id {histories.values[unknown]}, but the catalogue has the ids "
                f"0 to {n_items - 1}: map outside ids with the data set that the recommender was fitted on"
            )
        allowed_N = None
        if candidates is not None:
            candidates = dense_ids(candidates, "candidates")
            unknown = first_unknown(candidates, n_items)
            if unknown is not None:
                raise DataError(
                    f"candidates[{unknown}] is the item id {candidates[unknown]}, but the catalogue has the ids "
                    f"0 to {n_items - 1}"
                )
            allowed_N = np.zeros(n_items, dtype=bool)
            allowed_N[candidates] = True
        return cls(histories, k, exclude, allowed_N, n_items)

    @property
    def candidates(self) -> np.ndarray | None:
        """(C,) ids of the candidates, ascending; None for all items."""
        return None if self.allowed_N is None else np.flatnonzero(self.allowed_N)

    def mask(self, scores_BN: torch.Tensor, rows: np.ndarray, *, first_item: int = 0) -> torch.Tensor:
        """Set the scores of excluded items to -inf, in place.

        Parameters
        ----------
        scores_BN
            Scores of the items from `first_item` on.
        rows
            (B,) index of each row's history.
        """
        n_items = scores_BN.shape[1]
        if self.allowed_N is not None:
            allowed = torch.from_numpy(self.allowed_N[first_item : first_item + n_items])
            scores_BN.masked_fill_(~allowed.to(scores_BN.device), -torch.inf)
        if self.exclude == "history":
            owners, items = self._seen_pairs(rows)
            here = (items >= first_item) & (items < first_item + n_items)
            scores_BN[torch.from_numpy(owners[here]), torch.from_numpy(items[here] - first_item)] = -torch.inf
        return scores_BN

    def mask_candidates(self, ids_BC: torch.Tensor, scores_BC: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """As `mask`, for scores of the items `ids_BC`, ascending in each row; ids of N and more are padding."""
        n_items = self.n_items
        if self.allowed_N is not None:
            allowed_N1 = torch.from_numpy(np.append(self.allowed_N, False)).to(ids_BC.device)
            scores_BC.masked_fill_(~allowed_N1[ids_BC.clamp(max=n_items)], -torch.inf)
        if self.exclude == "history":
            owners, items = self._seen_pairs(rows)
            first_keys = torch.arange(len(ids_BC), device=ids_BC.device).unsqueeze(1) * (n_items + 1)
            keys = (ids_BC.clamp(max=n_items) + first_keys).flatten()
            seen = torch.from_numpy(owners * (n_items + 1) + items).to(keys.device)
            places = torch.searchsorted(keys, seen).clamp(max=len(keys) - 1)
            scores_BC.view(-1)[places[keys[places] == seen]] = -torch.inf
        return scores_BC

    def _seen_pairs(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, item) index pairs, two int64 arrays: the items of each history; rows count from 0 within `rows`."""
        histories = self.histories[rows]
        return np.repeat(np.arange(len(histories)), histories.lengths), histories.values.astype(np.int64)

    def unranked(self) -> Ranking:
        """An empty ranking of the request's shape: ids -1, scores -inf."""
        shape = (len(self.histories), self.k)
        return Ranking(np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32))


def cut_off(k: int, n_items: int) -> int:
    """Number of results of a request for `k` in a catalogue of `n_items`: the smaller of the two.

    Raises
    ------
    DataError
        `k` is no whole number, or smaller than 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise DataError(f"k={k!r} is no whole number: ask for k between 1 and {n_items} (a larger k is cut)")
    if k < 1:
        raise DataError(
            f"k={k} does not fit a catalogue of {n_items} items: ask for k between 1 and {n_items} (a larger k is cut)"
        )
    return min(int(k), n_items)


def top_k(
    scores_BN: torch.Tensor | np.ndarray,
    k: int,
    *,
    ids_BC: torch.Tensor | None = None,
    tie_break: TieBreak | None = None,
) -> Ranking:
    """Rank the columns of `scores_BN`; -inf marks excluded items.

    Parameters
    ----------
    scores_BN
        (B, N) float32.
    k
        Number of results, at most N.
    ids_BC
        Item ids of the columns, ascending in each row; None for the column numbers.
    tie_break
        Maps candidate ids (B, C) int64 to second scores (B, C); larger first. Called only when scores tie.

    Raises
    ------
    DataError
        `k` is smaller than 1, or a score is NaN.
    """
    scores_BN = torch.as_tensor(scores_BN)
    n_items = scores_BN.shape[1]
    k = cut_off(k, n_items)
    found_BC, columns_BC = scores_BN.topk(min(k + 1, n_items), dim=1)
    if torch.isnan(found_BC[:, :1]).any():  # topk sorts NaN first, so the first column shows any
        raise DataError("a score is NaN: check the embeddings and the model weights for NaN")
    values_BC, columns_BC, next_B1 = found_BC[:, :k], columns_BC[:, :k], found_BC[:, k:]
    tied_B = ((next_B1 == values_BC[:, -1:]) & (next_B1 > -torch.inf)).any(1)
    if bool(tied_B.any()):  # a tie across the k-th place
        if tie_break is None:
            values_BC, columns_BC = _smallest_columns_of_ties(scores_BN, values_BC, columns_BC, tied_B)
        else:  # include all columns with the k-th score before ordering them
            n_reached_T = (scores_BN[tied_B] >= values_BC[tied_B, -1:]).sum(1)
            values_BC, columns_BC = scores_BN.topk(int(n_reached_T.max()), dim=1)

    items_BC = columns_BC if ids_BC is None else ids_BC.gather(1, columns_BC)
    order_BC = columns_BC.argsort(dim=1)
    if tie_break is not None and _has_ties(values_BC):
        second_BC = tie_break(items_BC)
        order_BC = order_BC.gather(1, second_BC.gather(1, order_BC).argsort(dim=1, descending=True, stable=True))
    order_BC = order_BC.gather(1, values_BC.gather(1, order_BC).argsort(dim=1, descending=True, stable=True))
    order_Bk = order_BC[:, :k]
    values_Bk = values_BC.gather(1, order_Bk)
    ids_Bk = items_BC.gather(1, order_Bk).masked_fill(values_Bk == -torch.inf, -1)
    return Ranking(ids_Bk.cpu().numpy(), values_Bk.float().cpu().numpy())


def _smallest_columns_of_ties(
    scores_BN: torch.Tensor, values_Bk: torch.Tensor, columns_Bk: torch.Tensor, tied_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Among scores equal to the k-th, keep the smallest columns; torch.topk alone keeps arbitrary ones."""
    k = columns_Bk.shape[1]
    scores_TN, threshold_T1 = scores_BN[tied_B], values_Bk[tied_B, -1:]
    above_TN, equal_TN = scores_TN > threshold_T1, scores_TN == threshold_T1
    kept_TN = above_TN | (equal_TN & (equal_TN.cumsum(1) <= k - above_TN.sum(1, keepdim=True)))
    columns_Bk, values_Bk = columns_Bk.clone(), values_Bk.clone()
    columns_Bk[tied_B] = kept_TN.nonzero()[:, 1].view(-1, k)
    values_Bk[tied_B] = scores_TN.gather(1, columns_Bk[tied_B])
    return values_Bk, columns_Bk


def _has_ties(values_BC: torch.Tensor) -> bool:
    same = (values_BC[:, 1:] == values_BC[:, :-1]) & (values_BC[:, 1:] > -torch.inf)
    return bool(same.any())


def first_unknown(ids: np.ndarray, n_items: int) -> int | None:
    """Index of the first id outside 0 to `n_items` - 1; None if there is none."""
    unknown = (ids < 0) | (ids >= n_items)
    return int(unknown.argmax()) if unknown.any() else None


def rank_by_scores(
    request: Request,
    n_items: int,
    score_histories: Callable[[Ragged], np.ndarray],
    *,
    if_empty_N: np.ndarray | None = None,
) -> Ranking:
    """Rank by dense scores, in batches of histories that fit into memory.

    Parameters
    ----------
    score_histories
        Maps B non-empty histories to a new (B, N) float32 array; -inf marks items that cannot be ranked.
    if_empty_N
        (N,) scores after an empty history, such as counts; None ranks nothing after one (ids -1).
    """
    ranking = request.unranked()
    empty = request.histories.lengths == 0
    n_rows = max(1, SCORES_IN_MEMORY // n_items)

    def place(rows: np.ndarray, scores_BN: np.ndarray) -> None:
        part = top_k(request.mask(torch.from_numpy(scores_BN), rows), request.k)
        ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores

    for rows in _blocks(np.flatnonzero(~empty), n_rows):
        place(rows, score_histories(request.histories[rows]))
    if if_empty_N is not None:
        for rows in _blocks(np.flatnonzero(empty), n_rows):
            place(rows, np.tile(if_empty_N.astype(np.float32), (len(rows), 1)))
    return ranking


def _blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
