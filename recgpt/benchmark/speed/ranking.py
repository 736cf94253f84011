"""Speed of ranking end to end and of growing sessions, against the published prediction and the limits."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.benchmark.speed import flops, published
from recgpt.benchmark.speed.limits import BATCH, ROWS
from recgpt.benchmark.speed.measure import Check, Figure, Gain, Measured, Target, Way
from recgpt.benchmark.speed.setting import TOP, Setting
from recgpt.data.ragged import Ragged
from recgpt.device import computes_bfloat16
from recgpt.generative.beam import LOST, CodeTrie, beam_scores
from recgpt.generative.catalogue import GenerativeCatalogue, GenerativeSession, padded
from recgpt.generative.decoder import linear
from recgpt.ranking import Ranking

TIMES_PUBLISHED = 100.0
APPENDS = 1_000.0  # users/s
TOLERANCE = 1e-4  # of a log-probability


def measure(setting: Setting) -> Measured:
    """Measure rankings from histories."""
    found = Measured()
    length, n_users = setting.sizes.history, setting.sizes.ranked_users
    few = setting.even_histories(published.PREDICT_BATCH, length)
    many = setting.even_histories(n_users, length)
    name = f"history {length}"
    ours, theirs = _end_to_end(setting, name, few, many, found)
    for kind, rate in ours.items():
        what = f"end to end, {name}, {kind}, users/s of the published predict"
        found.targets.append(Target(what, TIMES_PUBLISHED, True, rate / theirs, "x"))
    real = setting.real_histories(setting.sizes.published_users)
    _end_to_end(setting, f"real histories, {real.lengths.mean():.1f} items", real, real, found)
    found.facts["longest_real_history"] = int(real.lengths.max())
    with torch.inference_mode():
        found.gains += [_head_gain(setting, many[:BATCH]), _product_gain(setting)]
        found.checks += _checks(setting, real)
        found.facts |= _beam_facts(setting, real)
    return found


def halved(catalogue: GenerativeCatalogue) -> GenerativeCatalogue:
    """Copy of the catalogue with the decoder's weights in bfloat16."""
    model = copy.deepcopy(catalogue.model).bfloat16()
    return GenerativeCatalogue(model, catalogue.tokenizer, catalogue.codes_NK.numpy(), catalogue.embeddings_NE)


def _end_to_end(
    setting: Setting, name: str, theirs: Ragged, ours: Ragged, found: Measured
) -> tuple[dict[str, float], float]:
    """Users a second of ours in each precision, and of the published prediction; adds the figures to `found`."""
    catalogue, sizes, limits = setting.catalogue, setting.sizes, setting.limits
    trie = published.Trie(catalogue.codes_NK)
    kinds = {"float32": catalogue}
    if computes_bfloat16(torch.device("cpu")):
        kinds["bfloat16 weights"] = halved(catalogue)

    def predict(n_items: int | None) -> None:
        with torch.inference_mode():
            published.predict(catalogue, theirs, trie, n_items)

    longest = "published, padded to the batch's longest"
    positions = sizes.max_items * setting.config.n_codes
    ways = {
        longest: Way(lambda: predict(None)),
        f"published, padded to {positions:,} positions as in training": Way(lambda: predict(sizes.max_items)),
    }
    for kind, indexed in kinds.items():
        ways[f"ours, {kind}"] = Way(lambda indexed=indexed: recommend(indexed, ours))
    rates = {}
    useful = flops.ranking(setting.config, ours.lengths)
    for way, seconds in setting.alternating(ways).items():
        is_ours = way.startswith("ours")
        if is_ours:
            limit = limits.arithmetic(useful, bfloat16="bfloat16" in way)
        else:
            limit = limits.arithmetic(_published_flops(setting, theirs, None if way == longest else sizes.max_items))
        figure = Figure.rate(f"{name}: {way}", "users/s", len(ours if is_ours else theirs), seconds, limit)
        found.figures.append(figure)
        rates[way] = figure.median
    return {kind: rates[f"ours, {kind}"] for kind in kinds}, rates[longest]


def _published_flops(setting: Setting, histories: Ragged, n_items: int | None) -> int:
    """FLOPs of the published forward passes, padding and the logits of all positions included."""
    total, k = 0, setting.config.n_codes
    for start in range(0, len(histories), published.PREDICT_BATCH):
        lengths = histories[start : start + published.PREDICT_BATCH].lengths
        row = (n_items or int(lengths.max())) * k
        total += flops.forward(setting.config, len(lengths) * row, len(lengths) * row * row, len(lengths) * row)
    return total


def recommend(catalogue: GenerativeCatalogue, histories: Ragged, batch_size: int = BATCH) -> Ranking:
    """Ten best items of the whole catalogue for each history."""
    return catalogue.recommend(histories, min(TOP, len(catalogue)), exclude="nothing", batch_size=batch_size)


def _head_gain(setting: Setting, histories: Ragged) -> Gain:
    """Gain of computing the last layer and the head for the last item only, instead of for every position."""
    catalogue = setting.catalogue
    model, inputs = catalogue.model, catalogue._inputs(padded(histories))
    last_B = torch.from_numpy(histories.lengths - 1)
    ways = {
        "all positions": Way(lambda: model.head(model(*inputs).hidden_BSKD)),
        "last item": Way(lambda: model.code_logits(model(*inputs, last_B=last_B).hidden_BSKD[:, 0])),
    }
    before, after = (
        Figure.rate("", "users/s", len(histories), seconds).median for seconds in setting.alternating(ways).values()
    )
    why = "the last layer and the head run for one item of a history"
    return Gain("last item only", why, before, after, "users/s")


def _product_gain(setting: Setting) -> Gain:
    """Gain of oneDNN over PyTorch's default in the widest float32 product of a block."""
    weight = setting.catalogue.model.blocks[0].mlp_in.weight
    x_RD = torch.randn(ROWS, weight.shape[1])
    ways = {"MKL": Way(lambda: F.linear(x_RD, weight)), "oneDNN": Way(lambda: linear(x_RD, weight))}
    before, after = (Figure.cost("", "ms", 1e3, seconds).median for seconds in setting.alternating(ways).values())
    return Gain("float32 products by oneDNN", "MKL does not use all of an AMD core", before, after, "ms")


def _checks(setting: Setting, histories: Ragged) -> list[Check]:
    catalogue = setting.catalogue
    alone, together = recommend(catalogue, histories, 1), recommend(catalogue, histories)
    return [same_ranking(f"rankings at batch 1 and at batch {BATCH}", alone, together)]


def same_ranking(what: str, one: Ranking, other: Ranking) -> Check:
    """Check that scores agree place by place up to rounding; near-ties may change places."""
    worst, equal = float(np.abs(one.scores - other.scores).max()), float((one.ids == other.ids).mean())
    return Check(what, worst <= TOLERANCE, f"scores differ by {worst:.1e} at most, {equal:.2%} of the ids are equal")


def _beam_facts(setting: Setting, histories: Ragged) -> dict[str, float]:
    """Share of users whose best item the beam misses, and number of items that it ranks."""
    catalogue = setting.catalogue
    trie = CodeTrie(catalogue.codes_NK)
    logits_UKV = catalogue.model.slot_logits(next_states(catalogue, histories))
    beam_UN = torch.stack([beam_scores(logits_KV, trie) for logits_KV in logits_UKV])
    best_U = torch.from_numpy(recommend(catalogue, histories).ids[:, 0])
    return {
        "best_item_missed_by_the_beam": (beam_UN.argmax(1) != best_U).float().mean().item(),
        "items_ranked_by_the_beam": (beam_UN > LOST).sum(1).float().mean().item(),
    }


def next_states(catalogue: GenerativeCatalogue, histories: Ragged) -> Tensor:
    """(B, K, D) hidden states before the next item, in the order of `histories`."""
    states_BKD = torch.empty(len(histories), catalogue.model.config.n_codes, catalogue.model.config.d_model)
    for rows, hidden_BKD in catalogue.next_item_states(histories, BATCH):
        states_BKD[torch.from_numpy(rows)] = hidden_BKD
    return states_BKD


def measure_sessions(setting: Setting) -> Measured:
    """Measure sessions: appending an item to the cache against a fresh pass over the grown history."""
    sizes, catalogue = setting.sizes, setting.catalogue
    histories = setting.even_histories(BATCH, sizes.history)
    appended_AB = setting.rng("appended").integers(0, len(catalogue), (sizes.appended, BATCH))
    anew = [np.concatenate((np.stack(list(histories)), appended_AB[: n + 1].T), 1) for n in range(sizes.appended)]

    def append(session: GenerativeSession) -> None:
        for items_B in appended_AB:
            session.append(items_B.tolist())

    def append_and_recommend(session: GenerativeSession) -> None:
        for items_B in appended_AB:
            session.append(items_B.tolist())
            session.recommend(min(TOP, len(catalogue)), exclude="nothing")

    def read(grown: Sequence[np.ndarray]) -> None:
        for items_BS in grown:
            for _ in catalogue.next_item_states(Ragged.from_lists(items_BS), BATCH):
                pass

    ways = {
        "append": Way(append, prepare=lambda: catalogue.session(histories)),
        "append and recommend": Way(append_and_recommend, prepare=lambda: catalogue.session(histories)),
        "read anew": Way(lambda: read(anew)),
    }
    if computes_bfloat16(torch.device("cpu")):
        in_half = halved(catalogue)
        ways["append, bfloat16 weights"] = Way(append, prepare=lambda: in_half.session(histories))
    work = BATCH * sizes.appended
    useful = sum(flops.appending(setting.config, sizes.history + n) for n in range(sizes.appended)) * BATCH
    limits = {
        "append": setting.limits.arithmetic(useful),
        "append, bfloat16 weights": setting.limits.arithmetic(useful, bfloat16=True),
    }
    rates = {
        name: Figure.rate(f"history {sizes.history}: {name}", "users/s", work, seconds, limits.get(name))
        for name, seconds in setting.alternating(ways).items()
    }
    session = catalogue.session(histories)
    append(session)
    k = min(TOP, len(catalogue))
    grown = recommend(catalogue, Ragged.from_lists(anew[-1]))
    return Measured(
        figures=list(rates.values()),
        targets=[
            Target(f"session {name}, history {sizes.history}", APPENDS, True, rates[name].median, "users/s")
            for name in limits
            if name in rates
        ],
        gains=[
            Gain(
                "append to the cache",
                "4 positions instead of all",
                rates["read anew"].median,
                rates["append"].median,
                "users/s",
            )
        ],
        checks=[same_ranking("a grown session and a fresh call", session.recommend(k, exclude="nothing"), grown)],
    )
