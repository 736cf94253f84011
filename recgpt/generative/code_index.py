"""Exact top-k of a catalogue whose scores are sums over codes, for thousands of items or tens of millions.

An item's score is the sum of K table entries, one for each of its codes. The sums cost one pass over the codes; writing
and sorting all scores would cost more. Scores are therefore computed in chunks that fit into the cache, only the
maximum of every block of 32 items is kept, and the blocks that can hold one of the k best are scored again. This is
exact: at least k items reach the k-th largest block maximum.

For a few users of a large catalogue, `Postings` avoids most of the sums.

Shapes: as `recgpt.generative` defines them; X items or rows of any number.
"""

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.ranking import SCORES_IN_MEMORY, Ranking, Request, top_k

BLOCK = 32  # items of a block
CHUNK = {"cpu": 1 << 20, "cuda": 1 << 28}  # scores of a chunk: 4 MB fit into a CPU's cache; on a GPU fewer launches
PRUNED_ITEMS = 1 << 19  # below it a pass over all codes is faster than pruning
PRUNED_USERS = 2  # above it one shared pass over all codes is faster
FIRST_CODES = 64  # best codes scored before the first bound
MOST_CODES = 4_096
MOST_ITEMS = 0.2  # share of the catalogue above which a pass in order is faster
ROUNDING = 1e-5  # relative error of a score: bounds are float64, scores are sums of float32

SecondScores = Callable[[Tensor, Tensor], Tensor]  # logits (V, K, B) and item ids (B, C) -> (B, C), larger first


class CodeIndex:
    """Index of the items' codes, for scores and top-k.

    Parameters
    ----------
    codes_NK
        (N, K) int32, on the device that ranks; 15 million items of 4 codes take 240 MB.
    """

    def __init__(self, codes_NK: Tensor) -> None:
        self.codes_NK = codes_NK

    @cached_property
    def postings(self) -> "Postings":
        """Inverted index, built on first use: a few seconds for 15 million items."""
        return Postings(self.codes_NK)

    def __len__(self) -> int:
        return len(self.codes_NK)

    def scores_kept(self, k: int) -> int:
        """Number of scores of a history that `top_k` sorts."""
        return min(len(self), 2 * k * BLOCK)

    def scores(self, logits_VKB: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """(n, B) float32 scores of the items from `start` to `stop`; bit-equal for items with the same codes."""
        return sums_of_rows(logits_VKB.flatten(0, 1), table_rows(self.codes_NK[start:stop]))

    def top_k(
        self, logits_VKB: Tensor, request: Request, rows: np.ndarray, tie_break: SecondScores | None = None
    ) -> Ranking:
        """The `request.k` best items that may be recommended after each history.

        Parameters
        ----------
        logits_VKB
            (V, K, B) float32 scores of every code in every slot. The batch is the last axis, so that the scores of one
            code for all histories are contiguous.
        request, rows
            The checked request, and the indices of these histories in it.
        tie_break
            Second scores, by which equal scores are ordered before the item id.

        Raises
        ------
        DataError
            A score is NaN.
        """
        if self._prunes(request, len(rows)):
            parts = [self._pruned(logits_VKB[..., [row]], request, rows[[row]], tie_break) for row in range(len(rows))]
            return _stacked(parts)
        return self._read_through(logits_VKB, request, rows, tie_break)

    def _prunes(self, request: Request, n_users: int) -> bool:
        large = len(self) >= PRUNED_ITEMS and n_users <= PRUNED_USERS
        return large and request.allowed_N is None and self.codes_NK.device.type == "cpu"

    def _pruned(self, logits_VK1: Tensor, request: Request, row: np.ndarray, tie_break: SecondScores | None) -> Ranking:
        excluded = request.histories[row].values if request.exclude == "history" else np.empty(0, np.int64)
        found = self.postings.candidates(logits_VK1[..., 0], request.k, excluded)
        if found is None:
            return self._read_through(logits_VK1, request, row, tie_break)
        ids_1C, scores_1C = (each.unsqueeze(0) for each in found)
        seconds = None if tie_break is None else partial(tie_break, logits_VK1)
        return top_k(request.mask_candidates(ids_1C, scores_1C, row), request.k, ids_BC=ids_1C, tie_break=seconds)

    def _read_through(
        self, logits_VKB: Tensor, request: Request, rows: np.ndarray, tie_break: SecondScores | None
    ) -> Ranking:
        seconds = None if tie_break is None else partial(tie_break, logits_VKB)
        if self.scores_kept(request.k) == len(self):  # most blocks would be scored twice
            scores_BN = self.scores(logits_VKB).T.contiguous()
            return top_k(request.mask(scores_BN, rows), request.k, tie_break=seconds)
        blocks_BC = self._prune_blocks(logits_VKB, request, rows)
        if blocks_BC.numel() * BLOCK > SCORES_IN_MEMORY and len(rows) > 1:  # ties across many blocks
            halves = [slice(None, len(rows) // 2), slice(len(rows) // 2, None)]
            return _stacked(
                [self._read_through(logits_VKB[..., half], request, rows[half], tie_break) for half in halves]
            )
        ids_BC = (blocks_BC.unsqueeze(2) * BLOCK + torch.arange(BLOCK, device=blocks_BC.device)).flatten(1)
        scores_BC = request.mask_candidates(ids_BC, self._scores_at(logits_VKB, ids_BC), rows)
        return top_k(scores_BC, request.k, ids_BC=ids_BC, tie_break=seconds)

    def _prune_blocks(self, logits_VKB: Tensor, request: Request, rows: np.ndarray) -> Tensor:
        """(B, C) blocks with a maximum of at least the k-th largest, ascending; padded with the number of blocks."""
        n_histories = logits_VKB.shape[-1]
        chunk = CHUNK.get(logits_VKB.device.type, CHUNK["cpu"])
        step = max(BLOCK, chunk // n_histories // BLOCK * BLOCK)
        maxima = []
        for start in range(0, len(self), step):
            scores_nB = self.scores(logits_VKB, start, start + step)
            request.mask(scores_nB.T, rows, first_item=start)
            in_blocks = len(scores_nB) // BLOCK * BLOCK
            maxima.append(block_maxima(scores_nB[:in_blocks]))
            if in_blocks < len(scores_nB):
                maxima.append(scores_nB[in_blocks:].amax(0, keepdim=True))
        maxima_BM = torch.cat(maxima).T.contiguous()
        threshold_B1 = maxima_BM.topk(request.k).values[:, -1:]
        kept_BM = ~(maxima_BM < threshold_B1)  # keeps NaN, for which `top_k` raises
        counts_B = kept_BM.sum(1)
        owners, blocks = kept_BM.nonzero(as_tuple=True)
        blocks_BC = torch.full((n_histories, int(counts_B.max())), maxima_BM.shape[1], device=blocks.device)
        firsts_B = counts_B.cumsum(0) - counts_B
        blocks_BC[owners, torch.arange(len(owners), device=blocks.device) - firsts_B[owners]] = blocks
        return blocks_BC

    def _scores_at(self, logits_VKB: Tensor, ids_BC: Tensor) -> Tensor:
        """(B, C) scores of the items `ids_BC`, -inf for ids beyond the catalogue."""
        rows_BCK = table_rows(self.codes_NK[ids_BC.clamp(max=len(self) - 1)])
        n_histories = len(ids_BC)
        places_BCK = rows_BCK * n_histories + torch.arange(n_histories, device=ids_BC.device).view(-1, 1, 1)
        scores_BC = sums_of_rows(logits_VKB.reshape(-1, 1), places_BCK.flatten(0, 1)).view(ids_BC.shape)
        return scores_BC.masked_fill_(ids_BC >= len(self), -torch.inf)


def table_rows(codes_xK: Tensor) -> Tensor:
    """Rows of codes in the flattened table (V * K, B): code x K + slot."""
    n_slots = codes_xK.shape[-1]
    return codes_xK * n_slots + torch.arange(n_slots, dtype=codes_xK.dtype, device=codes_xK.device)


def sums_of_rows(table_RB: Tensor, rows_XK: Tensor) -> Tensor:
    """(X, B) sums of K rows of a table, added in order of the slots."""
    return F.embedding_bag(rows_XK, table_RB, mode="sum")


def block_maxima(scores_nB: Tensor) -> Tensor:
    """(n / BLOCK, B) maxima of blocks, by repeated halving, which is faster than `amax` for few histories."""
    maxima = scores_nB.view(-1, BLOCK * scores_nB.shape[1])
    while maxima.shape[1] > scores_nB.shape[1]:
        maxima = torch.maximum(*maxima.chunk(2, 1))
    return maxima


def _stacked(parts: list[Ranking]) -> Ranking:
    return Ranking(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))


class Postings:
    """Inverted index, code -> items; 4 bytes an item and slot.

    Exact pruning: codes are visited in order of their score, and the items with these codes are scored. The score of
    any other item is at most the sum over the slots of min(last visited score, best score of the slot); once k scores
    exceed this bound, no other item is in the top k (RecJPQPrune, arXiv 2505.00560; here with one threshold for all
    slots).

    Parameters
    ----------
    codes_NK
        (N, K) int32 on the CPU.
    """

    def __init__(self, codes_NK: Tensor) -> None:
        self._codes_NK = codes_NK
        n_codes = int(codes_NK.max()) + 1
        # NumPy sorts 16-bit integers by radix, 30 times as fast as PyTorch sorts 32-bit ones.
        codes = codes_NK.numpy().astype(np.uint16 if n_codes <= 1 << 16 else np.int32)
        self._items_KN = np.stack([column.argsort(kind="stable").astype(np.int32) for column in codes.T])
        self._counts_VK = np.stack([np.bincount(column, minlength=n_codes) for column in codes.T], axis=1)
        self._starts_VK = self._counts_VK.cumsum(0) - self._counts_VK

    def candidates(self, logits_VK: Tensor, k: int, forbidden: np.ndarray) -> tuple[Tensor, Tensor] | None:
        """A superset of the k best items that are not forbidden, ids ascending, with their scores.

        Parameters
        ----------
        logits_VK
            (V, K) float32 scores of every code in every slot; further rows, such as the padding id's, are ignored.
        forbidden
            Ids of items that are not ranked.

        Returns
        -------
        (C,) int64 ids and (C,) float32 scores; None if too many items would have to be scored.
        """
        n_codes, n_slots = self._counts_VK.shape
        used_VK = logits_VK[:n_codes].masked_fill(torch.from_numpy(self._counts_VK == 0), -torch.inf)
        order = used_VK.flatten().topk(min(MOST_CODES, used_VK.numel()))
        levels, places = order.values.double().numpy(), order.indices.numpy()
        # bounds[i]: largest possible score of an item with none of its codes among the first i.
        bounds = np.minimum(levels[:, None], used_VK.amax(0).double().numpy()).sum(1)
        reached = self._counts_VK.reshape(-1)[places].cumsum()
        found: list[tuple[Tensor, Tensor]] = []
        done, wanted = 0, min(FIRST_CODES, len(places))
        while wanted > done and not np.isnan(bounds[0]):
            if reached[wanted - 1] > MOST_ITEMS * len(self._codes_NK):
                return None
            found.append(self._scored(places[done:wanted], logits_VK))
            done, threshold = wanted, _kth_best(found, k, n_slots, forbidden)
            margin = ROUNDING * max(1.0, abs(threshold))
            enough = int(np.searchsorted(-bounds, margin - threshold, side="right"))
            if enough <= done:
                return _joined([(items[at], scores[at]) for items, scores in found for at in [scores >= threshold]])
            wanted = min(enough, 2 * done, len(places))
        return None

    def _scored(self, places: np.ndarray, logits_VK: Tensor) -> tuple[Tensor, Tensor]:
        """Items with the codes at `places` of (V * K,), once for each of these codes, and their scores."""
        n_slots = self._counts_VK.shape[1]
        codes, slots = np.divmod(places, n_slots)
        starts = self._starts_VK[codes, slots]
        spans = zip(slots, starts, starts + self._counts_VK[codes, slots], strict=True)
        items = np.concatenate([self._items_KN[slot, start:stop] for slot, start, stop in spans])
        items_X = torch.from_numpy(items)
        rows_XK = table_rows(self._codes_NK.index_select(0, items_X))
        return items_X, sums_of_rows(logits_VK.reshape(-1, 1), rows_XK)[:, 0]


def _kth_best(found: list[tuple[Tensor, Tensor]], k: int, n_slots: int, forbidden: np.ndarray) -> float:
    """Score of the k-th best item so far that is not forbidden; -inf with fewer than k."""
    best = []
    for items, scores in found:  # an item occurs at most once for each of its K codes
        top = scores.topk(min(len(scores), n_slots * (k + len(forbidden)))).indices
        best.append((items[top], scores[top]))
    items, scores = _joined(best)
    scores = scores[torch.from_numpy(~np.isin(items.numpy(), forbidden))]
    return float(scores.topk(k).values[-1]) if len(scores) >= k else -np.inf


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Distinct items of the parts, ascending, and their scores."""
    items, first = np.unique(torch.cat([items for items, _ in parts]).numpy(), return_index=True)
    return torch.from_numpy(items.astype(np.int64)), torch.cat([scores for _, scores in parts])[torch.from_numpy(first)]


def log_normalisers(logits_VKB: Tensor) -> Tensor:
    """(B,) log normalisers, sum over the slots of logsumexp over the codes: log-probability = score - normaliser.

    Computed in chunks that fit into the cache; `torch.logsumexp` would write the exponentials of all codes to memory.
    """
    logits_VR = logits_VKB.flatten(1)
    largest_R = logits_VR.amax(0)
    total_R = torch.zeros_like(largest_R)
    for chunk_vR in logits_VR.split(max(1, CHUNK["cpu"] // logits_VR.shape[1])):
        total_R += (chunk_vR - largest_R).exp_().sum(0)
    return (largest_R + total_R.log()).view(logits_VKB.shape[1:]).sum(0)
