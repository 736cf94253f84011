"""An in-context head of attention beside the calibration: what reading held-out queries of a catalogue brings.

    python benchmarks/in_context_head.py --run runs/recgpt-minilm --out benchmarks/results/in_context_head.json

The calibration of `recgpt.foundation.calibration` fits a linear function to held-out queries of a catalogue. Here a
head is trained over many domains to read such queries by attention, as a prior-fitted network does (Hollmann et al.
2023, "TabPFN"): keys are the targets of up to 512 held-out queries of the same episode and as many of their other
candidates, drawn by the network's probabilities; values are their inputs and labels; queries are the candidates to
rank. What it returns is added to their logits.

First the network of the row `all` of `benchmarks/foundation_pool.py` is trained, without the domains in LEFT_OUT, then
the head on the same episodes, for as many steps, with the network fixed or trained further; beside them a network of
twice the steps. On the domains left out and the validation data sets, half of the queries (whole past) are held out to
be read, the others are ranked. Figures are gains of NDCG@10 over the hybrid score, the mean over domains of the log
ratio, with 95 % intervals over resampled queries.
"""

import argparse
import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from foundation_pool import ROWS, WATCHED, Learned, drawn_weights, gains, learned_and_asked, trained
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.device import hardware
from recgpt.foundation.calibration import calibrate
from recgpt.foundation.episodes import Episode, blend_logits
from recgpt.foundation.network import Evidence, FoundationNetwork
from recgpt.program import run
from recgpt.progress import Meter
from recgpt.training.loop import learning_rate

HELD_OUT = 512  # queries that the head reads
LEAST = 100  # queries that it reads at least
DRAWN, EPISODES = 16, 4  # queries ranked in a step, of each of its episodes
_MOST_READ, _MOST_RANKED = 1_500, 1_500  # queries of a ranked episode
_MOST_KEPT = 1_024  # queries of a training episode that the head may read


class Head(nn.Module):
    """One layer of attention from candidates to held-out (candidate, label) pairs; 0 at initialisation."""

    def __init__(self, n_inputs: int, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.inputs = nn.Sequential(
            nn.Linear(n_inputs + 1, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width)
        )
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width + 2, width)
        self.hidden, self.out = nn.Linear(2 * width, width), nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, asked_XI: Tensor, read_YI: Tensor, label_Y2: Tensor) -> Tensor:
        """(X,) logits to add to X candidates, from Y pairs with their labels."""
        asked_XD, read_YD = self.inputs(asked_XI), self.inputs(read_YI)

        def by_head(values: Tensor) -> Tensor:
            return values.unflatten(-1, (self.n_heads, -1)).transpose(0, 1)[None]

        value_YD = self.value(torch.cat([read_YD, label_Y2], -1))
        found = F.scaled_dot_product_attention(
            by_head(self.query(asked_XD)), by_head(self.key(read_YD)), by_head(value_YD)
        )
        read_XD = found[0].transpose(0, 1).flatten(1)
        logits_X: Tensor = self.out(F.gelu(self.hidden(torch.cat([asked_XD, read_XD], -1))))[:, 0]
        return logits_X


class Shown(NamedTuple):
    """What the head reads of held-out queries: per query its target, and another candidate drawn by its probability.

    Attributes
    ----------
    pairs_C2J
        (C, 2, J) inputs of the target and of the other one, and their log probabilities / 4.
    is_target_C2
        (C, 2) whether they are targets: the other one may be the target too.
    mean_I, spread_I
        (I,) mean and standard deviation of the inputs of all candidates.
    """

    pairs_C2J: Tensor
    is_target_C2: Tensor
    mean_I: Tensor
    spread_I: Tensor

    def rows(self, rows: Tensor | slice) -> "Shown":
        """Some of the queries."""
        return self._replace(pairs_C2J=self.pairs_C2J[rows], is_target_C2=self.is_target_C2[rows])


@torch.no_grad()
def shown(network: FoundationNetwork, episode: Episode, *, seed: int, hide_times: bool = False) -> Shown:
    """What the head may read of an episode."""
    draws = torch.Generator().manual_seed(seed)
    pairs, labels, inputs = [], [], []
    for start in range(0, len(episode), 128):
        rows = slice(start, start + 128)
        evidence, target_C = episode.evidence.rows(rows), episode.target_C[rows]
        evidence = hidden(evidence, hide_times)
        logits_CM, read_CMI = network.read(evidence)
        logits_CM = logits_CM + episode.correction_CM[rows].float()
        log_CM = torch.log_softmax(logits_CM, 1)
        places_C2 = torch.stack([target_C, torch.multinomial(log_CM.exp(), 1, generator=draws)[:, 0]], 1)
        pairs.append(with_log(read_CMI, log_CM).gather(1, places_C2[..., None].expand(-1, -1, read_CMI.shape[2] + 1)))
        labels.append((places_C2 == target_C[:, None]).float())
        inputs.append(read_CMI[evidence.allowed_BM])
    seen_XI = torch.cat(inputs)
    return Shown(torch.cat(pairs), torch.cat(labels), seen_XI.mean(0), seen_XI.std(0).clamp(min=1e-2))


def hidden(evidence: Evidence, hide_times: bool) -> Evidence:
    """Evidence with its times set to 0, if they are to be hidden."""
    if not hide_times:
        return evidence
    all_C = torch.ones(len(evidence.case_BX), dtype=torch.bool)
    return evidence.without(times_B=all_C, words_B=~all_C)


def with_log(read_BMI: Tensor, log_BM: Tensor) -> Tensor:
    """(B, M, J) inputs of candidates and a quarter of their log probabilities."""
    return torch.cat([read_BMI, log_BM.clamp(min=-20)[..., None] / 4], -1)


class Corrected(nn.Module):
    """A network with its head."""

    def __init__(self, network: FoundationNetwork, head: Head) -> None:
        super().__init__()
        self.network, self.head = network, head

    def ranked(self, evidence: Evidence, correction_BM: Tensor, read: Shown) -> Tensor:
        """(B, M) logits of candidates, corrected by what the held-out queries show."""
        logits_BM, read_BMI = self.network.read(evidence)
        log_BM = torch.log_softmax(logits_BM + correction_BM, 1).detach()

        def tokens(values: Tensor) -> Tensor:
            standard = (values[..., :-1] - read.mean_I) / read.spread_I
            return torch.cat([standard, values[..., -1:]], -1).clamp(-6, 6)

        asked_XJ = tokens(with_log(read_BMI.detach(), log_BM)).flatten(0, 1)
        label_Y2 = F.one_hot(read.is_target_C2.flatten().long(), 2).float()
        added_X = self.head(asked_XJ, tokens(read.pairs_C2J).flatten(0, 1), label_Y2)
        return (logits_BM + added_X.unflatten(0, logits_BM.shape)).masked_fill(~evidence.allowed_BM, -1e9)


def on_the_list(episode: Episode) -> Episode:
    """The queries whose target is a candidate."""
    return rows_of(episode, torch.nonzero(episode.target_C >= 0)[:, 0])


def rows_of(episode: Episode, rows: Tensor) -> Episode:
    """Some queries of an episode."""
    return Episode(episode.evidence.rows(rows), episode.target_C[rows], episode.correction_CM[rows])


def train_head(
    network: FoundationNetwork, pool: list[Learned], read: list[Shown], steps: int, seed: int, *, jointly: bool
) -> Corrected:
    """Train the head on the episodes of the pool, and the network further if `jointly`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 1])
    model = Corrected(copy.deepcopy(network), Head(network.item_in.in_features, 64, 4))
    model.network.requires_grad_(jointly)
    model.train()
    if not jointly:
        for each in model.network.modules():
            if isinstance(each, nn.Dropout):
                each.p = 0.0
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], weight_decay=0.02)
    weights = drawn_weights(ROWS[0], pool)
    with Meter("head and network" if jointly else "head", steps) as meter:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, peak=1e-3, warmup=100, decay_from="start")
            for place in rng.choice(len(pool), EPISODES, p=weights):
                episode = pool[place].episode
                order = rng.permutation(len(episode))
                rows, most = torch.from_numpy(order[:DRAWN]), int(rng.integers(LEAST, HELD_OUT + 1))
                others = order[DRAWN:][order[DRAWN:] < len(read[place].pairs_C2J)][:most]
                evidence = hidden(episode.evidence.rows(rows), bool(place % 2))
                correction_BM = episode.correction_CM[rows].float()
                logits_BM = model.ranked(evidence, correction_BM, read[place].rows(torch.from_numpy(others)))
                (F.cross_entropy(logits_BM + correction_BM, episode.target_C[rows]) / EPISODES).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            meter.update(1)
    return model.eval()


def ndcg(logits_CM: Tensor, episode: Episode) -> np.ndarray:
    """(C,) NDCG@10 of the targets; a sampled candidate counts as often as the inverse of its sampling rate."""
    own_C1 = logits_CM.gather(1, episode.target_C[:, None])
    stands_for_CM = episode.correction_CM.float().exp()
    ahead_C = ((logits_CM > own_C1) * stands_for_CM).sum(1)
    return torch.where(ahead_C < 10, 1 / torch.log2(ahead_C + 2), 0.0).numpy()


@torch.no_grad()
def logits_by(model: Corrected | FoundationNetwork | None, calibrated: bool, read: Episode, ranked: Episode) -> Tensor:
    """(C, M) logits of the ranked queries."""
    if model is None:
        return blend_logits(ranked.evidence)
    network = model.network if isinstance(model, Corrected) else model
    calibration = calibrate(network, [read]) if calibrated else None
    reads = shown(network, read, seed=0).rows(slice(HELD_OUT)) if isinstance(model, Corrected) else None
    found = []
    for start in range(0, len(ranked), 64):
        rows = slice(start, start + 64)
        evidence = ranked.evidence.rows(rows)
        logits_BM = network(evidence, calibration)
        if isinstance(model, Corrected) and reads is not None:
            corrected_BM = model.ranked(evidence, ranked.correction_CM[rows].float(), reads)
            logits_BM = logits_BM + corrected_BM - network(evidence)
        found.append(logits_BM)
    return torch.cat(found)


def main() -> None:
    """Train, rank, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a `recgpt pretrain foundation` run")
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    learned, by_protocol = learned_and_asked([args.run], WATCHED)
    asked = {domain: on_the_list(each) for domain, each in by_protocol["whole past"].items()}
    asked = {domain: each for domain, each in asked.items() if len(each) >= 2 * LEAST}
    network = trained(ROWS[0], learned, args.steps, args.seed)
    pool = [each for each in learned if len(each.episode) >= 2 * LEAST]
    with Meter("held-out queries", len(pool)) as meter:
        read = []
        for place, each in enumerate(pool):
            first = rows_of(each.episode, torch.arange(min(len(each.episode), _MOST_KEPT)))
            read.append(shown(network, first, seed=args.seed, hide_times=bool(place % 2)))
            meter.update(1)
    fixed = train_head(network, pool, read, args.steps, args.seed, jointly=False)
    joint = train_head(network, pool, read, args.steps, args.seed, jointly=True)
    longer = trained(ROWS[0], learned, 2 * args.steps, args.seed)
    ways: dict[str, Corrected | FoundationNetwork | None] = {
        "network": network,
        "network, calibrated": network,
        "network, twice the steps": longer,
        "network, twice the steps, calibrated": longer,
        "head": fixed,
        "head, calibrated": fixed,
        "head and network": joint,
        "head and network, calibrated": joint,
        "hybrid score": None,
    }
    ranked: dict[str, dict[str, np.ndarray]] = {way: {} for way in ways}
    for domain, episode in asked.items():
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(episode)))
        half = len(order) // 2
        held, rank = rows_of(episode, order[:half][:_MOST_READ]), rows_of(episode, order[half:][:_MOST_RANKED])
        for way, model in ways.items():
            ranked[way][domain] = ndcg(logits_by(model, "calibrated" in way, held, rank), rank)
        print(
            domain,
            len(held),
            len(rank),
            *(f"{way}: {values[domain].mean():.4f}" for way, values in ranked.items()),
            sep=" | ",
        )
    rows = []
    for way in ways:
        found = gains(ranked[way], ranked["hybrid score"], ranked["network, calibrated"], args.seed)
        rows.append({"way": way, **found, "ndcg": {domain: float(each.mean()) for domain, each in ranked[way].items()}})
        print(
            way,
            *(
                f"{name} {100 * each[0]:+.1f} % ({100 * each[1]:+.1f} to {100 * each[2]:+.1f})"
                for name, each in found.items()
            ),
        )
    if args.out:
        about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": args.seed}
        args.out.write_text(json.dumps({**about, "steps": args.steps, "rows": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    run(main, "in_context_head.py")
