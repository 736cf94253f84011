"""Beam search over a trie of the catalogue's codes, the published decoding, kept as a reference.

It prunes good items, ranks at most 20 code sequences and loops in Python; `recgpt.generative.catalogue` ranks exactly.
Use it to reproduce published figures. Unlike in the published code, all items with the same codes are kept.

Shapes: K slots, V codes a slot, N items.
"""

import torch
from torch import Tensor

TEMPERATURE = 0.1
FIRST_WIDTH = 10  # best codes of the first slot
BRANCHES = 5  # best codes after each beam
KEPT = 20  # beams kept after each slot
LOST = -1e8  # score of items outside the final beams


class CodeTrie:
    """Prefix tree of the items' codes; leaves hold the items.

    Parameters
    ----------
    codes_NK
        (N, K) integer codes of the catalogue.
    """

    def __init__(self, codes_NK: Tensor) -> None:
        self.n_items, self.n_codes = codes_NK.shape
        children: dict[tuple[int, ...], set[int]] = {}
        self.leaves: dict[tuple[int, ...], list[int]] = {}
        for item, codes in enumerate(codes_NK.tolist()):
            for depth, code in enumerate(codes):
                children.setdefault(tuple(codes[:depth]), set()).add(code)
            self.leaves.setdefault(tuple(codes), []).append(item)
        self.children = {prefix: torch.tensor(sorted(codes)) for prefix, codes in children.items()}


def beam_scores(slot_logits_KV: Tensor, trie: CodeTrie) -> Tensor:
    """(N,) scores of all items for one user: sum of log-softmax at temperature 0.1 within the beams, else `LOST`."""
    log_probs_KV = (slot_logits_KV.float() / TEMPERATURE).log_softmax(-1).cpu()
    beams: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    for slot in range(trie.n_codes):
        width = FIRST_WIDTH if slot == 0 else BRANCHES
        grown = []
        for prefix, score in beams:
            codes = trie.children[prefix]
            best = log_probs_KV[slot, codes].topk(min(width, len(codes)))
            grown += [
                ((*prefix, int(codes[i])), score + value)
                for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            ]
        beams = sorted(grown, key=lambda beam: -beam[1])[:KEPT]
    scores_N = torch.full((trie.n_items,), LOST)
    for prefix, score in beams:
        scores_N[trie.leaves[prefix]] = score
    return scores_N
