"""Speed of scoring (logits to the ten best items), against the published trie and brute force."""

import numpy as np
import torch
from torch import Tensor

from recgpt.benchmark.speed import published
from recgpt.benchmark.speed.limits import BATCH
from recgpt.benchmark.speed.measure import Check, Figure, Gain, Limit, Measured, Target, Way
from recgpt.benchmark.speed.process import run_child
from recgpt.benchmark.speed.ranking import next_states, same_ranking
from recgpt.benchmark.speed.setting import TOP, Setting, clustered_codes
from recgpt.data.ragged import Ragged
from recgpt.generative.code_index import CodeIndex, log_normalisers
from recgpt.generative.decoder import RecGPTDecoder
from recgpt.ranking import Ranking, Request, top_k

MS_A_USER = 0.05
TIMES_TRIE = 500.0
LARGE_MS_A_USER = 10.0
HUGE_GIGABYTES = 24.0
SPREAD = 2.5  # standard deviation of random logits: an entropy of 6.5 nats a code, of 9.6 at most


def gathered(logits_BKV: Tensor, codes_NK: Tensor) -> Tensor:
    """(B, N) log-probabilities by one gather a slot, all materialised (the plain variant)."""
    log_probs_BKV = logits_BKV.log_softmax(-1)
    scores_BN = log_probs_BKV[:, 0].index_select(1, codes_NK[:, 0])
    for slot in range(1, codes_NK.shape[1]):
        scores_BN += log_probs_BKV[:, slot].index_select(1, codes_NK[:, slot])
    return scores_BN


def any_item(n_users: int, n_items: int) -> Request:
    """Request for the ten best of all items, without exclusion."""
    nothing = Ragged(np.empty(0, dtype=np.int64), np.zeros(n_users + 1, dtype=np.int64))
    return Request.checked(nothing, min(TOP, n_items), "nothing", None, n_items=n_items)


@torch.inference_mode()
def measure(setting: Setting) -> Measured:
    """Measure scoring: 15,066 items, batch 64, all variants on the same logits."""
    catalogue = setting.catalogue
    hidden_BKD = next_states(catalogue, setting.even_histories(BATCH, setting.sizes.history))
    logits_BKV, logits = catalogue.model.slot_logits(hidden_BKD), catalogue.model.code_logits(hidden_BKD)
    index, request = catalogue.code_index, any_item(BATCH, len(catalogue))
    trie = published.Trie(catalogue.codes_NK)
    codes_NK = catalogue.codes_NK.long()

    def published_top() -> Tensor:
        return published.decoding(logits_BKV, trie).topk(published.TOPS[-1]).indices

    def exact() -> Ranking:
        return index.top_k(logits, request, np.arange(BATCH))

    def with_log_probs() -> Ranking:
        ranking = exact()
        return Ranking(ranking.ids, ranking.scores - log_normalisers(logits).unsqueeze(1).numpy())

    def plain() -> Ranking:
        return top_k(gathered(logits_BKV, codes_NK), request.k)

    seconds = setting.alternating(
        {"trie": Way(published_top), "gather": Way(plain), "order": Way(exact), "ours": Way(with_log_probs)}
    )
    limit = _traffic(setting, logits, index)
    figures = [
        Figure.cost("published trie beam", "ms/user", 1e3 / BATCH, seconds["trie"]),
        Figure.cost("gather of all scores, then top-k", "ms/user", 1e3 / BATCH, seconds["gather"]),
        Figure.cost("ours, ids alone", "ms/user", 1e3 / BATCH, seconds["order"], limit),
        Figure.cost("ours, with log-probabilities", "ms/user", 1e3 / BATCH, seconds["ours"], limit),
    ]
    trie_ms, gather_ms, order_ms, ours_ms = (figure.median for figure in figures)
    return Measured(
        figures=figures,
        targets=[
            Target(f"scoring and top-{TOP}, {len(index):,} items", MS_A_USER, False, ours_ms, "ms/user"),
            Target("the same, ids alone", MS_A_USER, False, order_ms, "ms/user"),
            Target(f"scoring and top-{TOP}, times the trie beam", TIMES_TRIE, True, trie_ms / ours_ms, "x"),
            Target("the same, ids alone, times the trie beam", TIMES_TRIE, True, trie_ms / order_ms, "x"),
        ],
        gains=[
            Gain("exact gather", "a sum of looked-up numbers instead of a trie", trie_ms, gather_ms, "ms/user"),
            Gain("maxima of blocks", "scores stay in the cache, few are sorted", gather_ms, ours_ms, "ms/user"),
        ],
        checks=[same_ranking(f"top-{TOP} of {len(index):,} items, ours and the gather", with_log_probs(), plain())],
        facts={"items": len(index)},
    )


def _traffic(setting: Setting, logits: Tensor, index: CodeIndex) -> Limit:
    """Lower bound by traffic: logits and codes once from memory, then one number for each item, slot and user."""
    looked_up = 4 * index.codes_NK.numel() * logits.shape[-1]
    return setting.limits.traffic(logits.nbytes + index.codes_NK.nbytes, looked_up)


@torch.inference_mode()
def measure_large(setting: Setting) -> Measured:
    """Measure millions of items, against materialising and sorting all scores, and for a single user."""
    sizes, config = setting.sizes, setting.config
    codes_NK = clustered_codes(sizes.large_items, config.n_codes, config.codebook_size, setting.rng("large"))
    index = CodeIndex(torch.from_numpy(codes_NK.astype(np.int32)))
    logits = random_logits(setting.new_model(), setting.seed)
    request = any_item(BATCH, len(index))

    def brute_force() -> Ranking:
        return top_k(index.scores(logits).T.contiguous(), request.k)

    def exact() -> Ranking:
        return index.top_k(logits, request, np.arange(BATCH))

    alone, one = logits[..., :1].contiguous(), any_item(1, len(index))
    seconds = setting.alternating(
        {
            "brute force": Way(brute_force),
            "ours": Way(exact),
            "one user, read through": Way(lambda: index._read_through(alone, one, np.arange(1), None)),
            "one user, pruned": Way(lambda: index.top_k(alone, one, np.arange(1))),
        }
    )
    name = f"{sizes.large_items:,} items"
    limit = _traffic(setting, logits, index)
    brute, ours = (
        Figure.cost(f"{name}, batch {BATCH}: {what}", "ms/user", 1e3 / BATCH, seconds[what], best)
        for what, best in (("brute force", None), ("ours", limit))
    )
    read, pruned = (Figure.cost(f"{name}, {what}", "ms/user", 1e3, seconds[what]) for what in list(seconds)[2:])
    fast, slow, single = exact(), brute_force(), index.top_k(alone, one, np.arange(1))
    same = _identical(fast, slow) and _identical(single, Ranking(slow.ids[:1], slow.scores[:1]))
    found = Measured(
        figures=[brute, ours, read, pruned],
        targets=[
            Target(f"{name}, exact top-{TOP}, batch {BATCH}", LARGE_MS_A_USER, False, ours.median, "ms/user"),
            Target(f"{name}, exact top-{TOP}, one user alone", LARGE_MS_A_USER, False, pruned.median, "ms/user"),
        ],
        gains=[
            Gain(f"maxima of blocks, {name}", "scores stay in the cache", brute.median, ours.median, "ms/user"),
            Gain(f"pruning, {name}", "most need no score for one user", read.median, pruned.median, "ms/user"),
        ],
        checks=[Check(f"{name}: ids and scores equal brute force", same, "bit by bit" if same else "they differ")],
        facts={"items": sizes.large_items, "standard_deviation_of_the_logits": SPREAD},
    )
    _huge(setting, found)
    return found


def _identical(one: Ranking, other: Ranking) -> bool:
    return bool((one.ids == other.ids).all() and (one.scores == other.scores).all())


def _huge(setting: Setting, found: Measured) -> None:
    """Index and rank the largest catalogue in a child process; peak memory includes mapped pages."""
    name = f"{setting.sizes.huge_items:,} items"
    setting.say(f"indexing and ranking {name}")
    point = run_child(setting, {"catalogue": [setting.sizes.huge_items]})["catalogue"][0]
    found.figures += [
        Figure.once(f"{name}: index", "s", point["index_s"]),
        Figure.once(f"{name}: end to end, history {setting.sizes.history}", "ms/user", point["end_to_end_ms"]),
        Figure.once(f"{name}: top-{TOP} of it", "ms/user", point["top_k_ms"]),
        Figure.once(f"{name}: peak memory", "GB", point["peak_gigabytes"]),
        Figure.once(f"{name}: peak memory that is no mapped file", "GB", point["private_gigabytes"]),
    ]
    found.targets.append(
        Target(f"{name} indexed and ranked, peak memory", HUGE_GIGABYTES, False, point["peak_gigabytes"], "GB")
    )


@torch.inference_mode()
def random_logits(model: RecGPTDecoder, seed: int) -> Tensor:
    """Normal random logits of a batch in the layout of `code_logits`, with standard deviation `SPREAD`."""
    generator = torch.Generator().manual_seed(seed)
    logits = model.code_logits(torch.randn(BATCH, model.config.n_codes, model.config.d_model, generator=generator))
    return logits * (SPREAD / logits.std())
