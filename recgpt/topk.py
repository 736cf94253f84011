"""What may be ranked, and exact top-k with a total order: by score, then an optional second score, then item id.

Everything that ranks goes through here, so that ties never depend on the batch, the machine or the sort.
Shapes: B histories, N items in the catalogue, C candidates kept a row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError

Exclude = Literal["history", "nothing"]
TieBreak = Callable[[torch.Tensor], torch.Tensor]

SCORES_IN_MEMORY = 1 << 24  # float32 scores alive at once: 64 MB, and a few copies of it while they are sorted


@dataclass(frozen=True)
class Ranking:
    """What a recommender returns.

    Attributes:
    ----------
    ids : (B, k) int64, best first; -1 where nothing was left to recommend.
    scores : (B, k) float32, descending; -inf where the id is -1.
    """

    ids: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Request:
    """The checked arguments of one `rank` call.

    Attributes
    ----------
    histories : B sequences of ids within the catalogue.
    k : between 1 and N.
    exclude : what may not be recommended.
    allowed_N : (N,) bool, True for candidates; None for all.
    """

    histories: Ragged
    k: int
    exclude: Exclude
    allowed_N: np.ndarray | None

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
        """Check the arguments of `rank` against a catalogue of `n_items`."""
        if not 1 <= k <= n_items:
            raise DataError(f"k={k} does not fit a catalogue of {n_items} items: ask for k between 1 and {n_items}")
        if exclude not in ("history", "nothing"):
            raise DataError(f'exclude={exclude!r} is unknown: use "history" or "nothing"')
        if not isinstance(histories, Ragged):
            histories = Ragged.from_lists(histories)
        unknown = first_unknown(histories.values, n_items)
        if unknown is not None:
            case = int(np.searchsorted(histories.offsets, unknown, side="right")) - 1
            raise DataError(
                f"history {case} holds the item id {histories.values[unknown]}, but the catalogue has the ids "
                f"0 to {n_items - 1}: map outside ids with the data set that the recommender was fitted on"
            )
        allowed_N = None
        if candidates is not None:
            candidates = np.asarray(candidates)
            unknown = first_unknown(candidates, n_items)
            if unknown is not None:
                raise DataError(
                    f"candidates[{unknown}] is the item id {candidates[unknown]}, but the catalogue has the ids "
                    f"0 to {n_items - 1}"
                )
            allowed_N = np.zeros(n_items, dtype=bool)
            allowed_N[candidates] = True
        return cls(histories, k, exclude, allowed_N)

    def mask(self, scores_BN: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Set to -inf, in place, what may not be recommended; row i of the scores belongs to history `rows[i]`."""
        if self.allowed_N is not None:
            scores_BN.masked_fill_(~torch.from_numpy(self.allowed_N).to(scores_BN.device), -torch.inf)
        if self.exclude == "history":
            histories = self.histories[rows]
            owners = torch.from_numpy(np.repeat(np.arange(len(histories)), histories.lengths))
            scores_BN[owners, torch.from_numpy(histories.values.astype(np.int64))] = -torch.inf
        return scores_BN

    def unranked(self) -> Ranking:
        """A ranking with every place still empty: id -1, score -inf."""
        shape = (len(self.histories), self.k)
        return Ranking(np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32))


def top_k(scores_BN: torch.Tensor | np.ndarray, k: int, *, tie_break: TieBreak | None = None) -> Ranking:
    """Rank the columns of `scores_BN`; -inf marks what may not be recommended.

    Parameters
    ----------
    scores_BN : (B, N) float32.
    k : how many to keep, at most N.
    tie_break : maps candidate ids (B, C) int64 to second scores (B, C); larger first. Called only when scores tie.

    Raises:
    ------
    DataError : `k` is not between 1 and N, or a score is NaN.
    """
    scores_BN = torch.as_tensor(scores_BN)
    n_items = scores_BN.shape[1]
    if not 1 <= k <= n_items:
        raise DataError(f"k={k} does not fit a catalogue of {n_items} items: ask for k between 1 and {n_items}")
    values_BC, ids_BC = scores_BN.topk(k, dim=1)
    if torch.isnan(values_BC[:, :1]).any():  # topk sorts NaN first, so the first column shows any
        raise DataError("a score is NaN: check the embeddings and the model weights for NaN")
    threshold_B1 = values_BC[:, -1:]
    n_reached_B = ((scores_BN >= threshold_B1) & (scores_BN > -torch.inf)).sum(1)
    if bool((n_reached_B > k).any()):  # a tie across the k-th place
        if tie_break is None:
            values_BC, ids_BC = _smallest_ids_of_ties(scores_BN, values_BC, ids_BC, n_reached_B > k)
        else:  # bring in all that share it before ordering them
            values_BC, ids_BC = scores_BN.topk(int(n_reached_B.max()), dim=1)

    order_BC = ids_BC.argsort(dim=1)
    if tie_break is not None and _has_ties(values_BC):
        second_BC = tie_break(ids_BC)
        order_BC = order_BC.gather(1, second_BC.gather(1, order_BC).argsort(dim=1, descending=True, stable=True))
    order_BC = order_BC.gather(1, values_BC.gather(1, order_BC).argsort(dim=1, descending=True, stable=True))
    order_Bk = order_BC[:, :k]
    values_Bk = values_BC.gather(1, order_Bk)
    ids_Bk = ids_BC.gather(1, order_Bk).masked_fill(values_Bk == -torch.inf, -1)
    return Ranking(ids_Bk.cpu().numpy(), values_Bk.float().cpu().numpy())


def _smallest_ids_of_ties(
    scores_BN: torch.Tensor, values_Bk: torch.Tensor, ids_Bk: torch.Tensor, tied_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a tie goes across the k-th place, keep those of it with the smallest ids, at the cost of one more pass."""
    k = ids_Bk.shape[1]
    scores_TN, threshold_T1 = scores_BN[tied_B], values_Bk[tied_B, -1:]
    above_TN, equal_TN = scores_TN > threshold_T1, scores_TN == threshold_T1
    kept_TN = above_TN | (equal_TN & (equal_TN.cumsum(1) <= k - above_TN.sum(1, keepdim=True)))
    ids_Bk, values_Bk = ids_Bk.clone(), values_Bk.clone()
    ids_Bk[tied_B] = kept_TN.nonzero()[:, 1].view(-1, k)
    values_Bk[tied_B] = scores_TN.gather(1, ids_Bk[tied_B])
    return values_Bk, ids_Bk


def _has_ties(values_BC: torch.Tensor) -> bool:
    same = (values_BC[:, 1:] == values_BC[:, :-1]) & (values_BC[:, 1:] > -torch.inf)
    return bool(same.any())


def first_unknown(ids: np.ndarray, n_items: int) -> int | None:
    """Place of the first id that is not a catalogue row; None where all are."""
    unknown = (ids < 0) | (ids >= n_items)
    return int(unknown.argmax()) if unknown.any() else None


def rank_by_scores(
    request: Request,
    n_items: int,
    scores_of: Callable[[Ragged], np.ndarray],
    *,
    if_empty_N: np.ndarray | None = None,
) -> Ranking:
    """Rank by dense scores, computed for as many histories at a time as fit in memory.

    Parameters
    ----------
    scores_of : maps b histories, none empty, to a fresh (b, N) float32 array; -inf marks items that it cannot rank.
    if_empty_N : (N,) scores after an empty history, such as counts; None leaves such a history unranked (ids -1).
    """
    ranking = request.unranked()
    empty = request.histories.lengths == 0
    n_rows = max(1, SCORES_IN_MEMORY // n_items)

    def place(rows: np.ndarray, scores_BN: np.ndarray) -> None:
        part = top_k(request.mask(torch.from_numpy(scores_BN), rows), request.k)
        ranking.ids[rows], ranking.scores[rows] = part.ids, part.scores

    for rows in _blocks(np.flatnonzero(~empty), n_rows):
        place(rows, scores_of(request.histories[rows]))
    if if_empty_N is not None:
        for rows in _blocks(np.flatnonzero(empty), n_rows):
            place(rows, np.tile(if_empty_N.astype(np.float32), (len(rows), 1)))
    return ranking


def _blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
