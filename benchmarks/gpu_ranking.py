"""Latency of a ranking on the device, from a history to the ids of the best ten; used by `benchmarks/gpu.py`.

Beside it, brute force: all N scores, written out and sorted. It reads the K log-probabilities of an item for the whole
batch at once: with users in the last dimension, a look-up is one contiguous read instead of B scattered ones.

Shapes: B users, N items, K codes an item, V codes a slot, S items a history.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.ragged import Ragged
from recgpt.generative.catalogue import GenerativeCatalogue
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.ranking import Ranking

TOP = 10
HISTORY = 20
CHUNK = 1 << 20  # items whose scores exist at once: at batch 64, 268 MB, and once more transposed
MAX_CALLS, MAX_SECONDS, MIN_CALLS = 200, 4.0, 5


class BruteForce:
    """The codes of a catalogue on the device, as places in one table (K * V, B) of log-probabilities."""

    def __init__(self, codes_NK: np.ndarray, vocabulary: int, device: torch.device) -> None:
        slots_K = vocabulary * torch.arange(codes_NK.shape[1], dtype=torch.int32)
        self.places_NK = (torch.from_numpy(codes_NK.astype(np.int32)) + slots_K).to(device)

    def top_k(self, logits_BKV: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Scores and ids (B, k) of the best items; ties in any order."""
        table_PB = logits_BKV.float().log_softmax(-1).permute(1, 2, 0).reshape(-1, len(logits_BKV)).contiguous()
        scores, ids = [], []
        for start in range(0, len(self.places_NK), CHUNK):
            scores_NB = F.embedding_bag(self.places_NK[start : start + CHUNK], table_PB, mode="sum")
            best = scores_NB.T.contiguous().topk(min(k, len(scores_NB)))
            scores.append(best.values)
            ids.append(best.indices + start)
        best = torch.cat(scores, 1).topk(k)
        return best.values, torch.cat(ids, 1).gather(1, best.indices)


def random_catalogue(model: GenerativeModel, tokenizer: FSQTokenizer, codes_NK: np.ndarray) -> GenerativeCatalogue:
    """A catalogue of these codes.

    Its embeddings are one row, repeated N times: 15 million would take 23 GB of host memory, and no latency depends on
    their values.
    """
    width = model.config.embedding_dim
    row_1E = np.random.default_rng(0).standard_normal((1, width), dtype=np.float32).astype(np.float16)
    return model.index(np.broadcast_to(row_1E, (len(codes_NK), width)), tokenizer=tokenizer, codes=codes_NK)


def latency(work: Callable[[], object]) -> dict[str, float]:
    """Milliseconds a call that ends with the result in host memory: median and 99th percentile."""
    taken: list[float] = []
    work()
    began = time.perf_counter()
    while len(taken) < MIN_CALLS or (len(taken) < MAX_CALLS and time.perf_counter() - began < MAX_SECONDS):
        started = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - started))
    p50, p99 = np.percentile(taken, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "calls": len(taken)}


@torch.inference_mode()
def ranking(
    model: GenerativeModel,
    tokenizer: FSQTokenizer,
    n_items: int,
    batch_sizes: tuple[int, ...],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Figures of one catalogue: for every batch size, `recommend` from histories and brute force from logits."""
    device, config = model.device, model.config
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    codes_NK = rng.integers(0, config.codebook_size, (n_items, config.n_codes), dtype=np.uint16)
    catalogue = random_catalogue(model, tokenizer, codes_NK)
    brute = BruteForce(codes_NK, config.vocab_size, device)
    batches = {}
    for batch_size in batch_sizes:
        histories = Ragged.from_lists(list(rng.integers(0, n_items, (batch_size, HISTORY))))
        states = [hidden_BKD for _, hidden_BKD in catalogue.next_item_states(histories, batch_size)]
        logits_BKV = model.slot_logits(torch.cat(states))  # histories of one length stay in their order

        def recommend(histories: Ragged = histories) -> Ranking:
            return catalogue.recommend(histories, TOP, exclude="nothing", batch_size=len(histories))

        def by_brute_force(logits_BKV: Tensor = logits_BKV) -> np.ndarray:
            return brute.top_k(logits_BKV, TOP)[0].cpu().numpy()

        difference = float(np.abs(recommend().scores - by_brute_force()).max())
        batches[str(batch_size)] = {
            "recommend": latency(recommend),
            "brute_force": latency(by_brute_force),
            "largest_difference_of_scores": difference,
        }
    figures = {"items": n_items, "codes_gb": brute.places_NK.nbytes / 1e9, "batches": batches}
    if device.type == "cuda":
        figures["peak_gb"] = (torch.cuda.max_memory_allocated() - held) / 1e9
    return figures
