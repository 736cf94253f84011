"""Ablation of the foundation model on domains left out of its training; with --curves, learning curves.

    python benchmarks/foundation_ablation.py --run runs/recgpt-minilm --out benchmarks/results/foundation_ablation.json
    python benchmarks/foundation_ablation.py --run runs/recgpt-minilm --curves --out curves.json

For every row a network is trained on the episodes of `recgpt pretrain`, without those of four domains, and ranks the
queries of these four and of the two validation data sets. Ablated features are 0 in training and in ranking; the
shortlist of candidates is that of the whole model. Gains are over row `hybrid score alone`: the mean
over domains of log NDCG@10, as a percentage; beside them the difference to the first row, over resampled queries.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from recgpt.device import hardware
from recgpt.foundation.episodes import EPISODE_WEIGHTS, Episode, ndcg_at_10
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    RELATIONS,
    TIME_FEATURES,
    Evidence,
    FoundationNetwork,
    NetworkConfig,
)
from recgpt.foundation.pretrain import PretrainConfig, draw_queries, ranked_ndcg
from recgpt.program import run
from recgpt.progress import Meter
from recgpt.training.loop import learning_rate

LEFT_OUT = ("amazon_health", "goodreads", "grocery", "movielens_1m")


@dataclass(frozen=True)
class Row:
    """One ablation: features left out, no history, or other training settings."""

    name: str
    without: tuple[str, ...] = ()
    reads_history: bool = True
    steps_times: float = 1.0  # factor on --steps
    network: NetworkConfig = field(default_factory=NetworkConfig)
    domains: tuple[str, ...] | None = None  # all
    parts: bool = True  # whether parts of domains are training episodes, too


TEXT = ("text", "words")
CO_VISITATION = (
    "bought_after",
    "bought_before",
    "co_visited_after",
    "co_visited_before",
    "co_visitation",
    "cosine_co_visitation",
)
NEIGHBOURS = ("taken_by_the_same", "neighbourhood", "co_occurrence")
POPULARITY = ("popularity", "log_count", "is_known")
SIMILAR = tuple(name for name in CANDIDATE_FEATURES if name.startswith("similar"))
ROWS = (
    Row("whole model"),
    Row("no transformer over the history", reads_history=False),
    Row("no times", without=TIME_FEATURES),
    Row("no words", without=("words",)),
    Row("no similar items of new ones", without=SIMILAR),
    Row("no hybrid score", without=("hybrid_score",)),
    Row("no hybrid score, no text", without=("hybrid_score", *TEXT)),
    Row("no hybrid score, no co-visitation", without=("hybrid_score", *CO_VISITATION)),
    Row("no hybrid score, no neighbours", without=("hybrid_score", *NEIGHBOURS)),
    Row("no hybrid score, no popularity", without=("hybrid_score", *POPULARITY, *TIME_FEATURES)),
)
NOT_AMAZON = ("food_recipes", "lastfm", "online_retail")
CURVES = (
    Row("8 domains and their parts, hidden 64, width 32"),
    Row("whole domains alone", parts=False),
    Row("a quarter of the steps", steps_times=0.25),
    Row("half of the steps", steps_times=0.5),
    Row("4 x the steps", steps_times=4),
    Row("1 domain", domains=("amazon_electronics",)),
    Row("2 domains", domains=("amazon_electronics", "food_recipes")),
    Row("4 domains", domains=("amazon_electronics", "food_recipes", "amazon_phones", "lastfm")),
    Row("no Amazon: 3 domains", domains=NOT_AMAZON),
    Row("hidden 16, width 16", network=NetworkConfig(d_model=16, hidden=16)),
    Row("hidden 32, width 16", network=NetworkConfig(d_model=16, hidden=32)),
    Row("hidden 128, width 64", network=NetworkConfig(d_model=64, hidden=128)),
    Row("hidden 256, width 64, 2 layers", network=NetworkConfig(d_model=64, hidden=256, n_layers=2)),
)


class Learned(NamedTuple):
    """A training episode."""

    domain: str
    is_part: bool
    weight: float
    episode: Episode


def lacking(evidence: Evidence, row: Row) -> Evidence:
    """Copy of the features, set to 0 where `row` lacks them."""
    relations_R = torch.tensor([name not in row.without for name in RELATIONS])
    figures_F = torch.tensor([name not in row.without for name in CANDIDATE_FEATURES])
    evidence = evidence._replace(
        relations_BSMR=evidence.relations_BSMR * relations_R, items_BMF=evidence.items_BMF * figures_F
    )
    if row.reads_history:
        return evidence
    positions_BSP = torch.zeros_like(evidence.positions_BSP)
    positions_BSP[..., 0] = evidence.positions_BSP[..., 0]
    return evidence._replace(positions_BSP=positions_BSP)


def trained(row: Row, episodes: Sequence[Episode], weights: np.ndarray, steps: int, seed: int) -> torch.nn.Module:
    """Train a network like `recgpt pretrain foundation`, without the features that `row` lacks."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = FoundationNetwork(row.network)
    config = PretrainConfig(out=Path(), steps=steps)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    with Meter(row.name, steps) as meter:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, peak=config.lr, warmup=config.warmup, decay_from="start")
            loss = torch.zeros(())
            for place in rng.choice(len(episodes), config.episodes_per_step, p=weights / weights.sum()):
                episode = episodes[place]
                rows, evidence = draw_queries(episode, config, rng)
                logits_BM = network(lacking(evidence, row))
                logits_BM = logits_BM + episode.correction_CM[rows].float()
                loss = loss + F.cross_entropy(logits_BM, episode.target_C[rows]) / config.episodes_per_step
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            meter.update(1)
    return network.eval()


@torch.inference_mode()
def ndcg(network: torch.nn.Module, row: Row, episode: Episode) -> np.ndarray:
    """(C,) NDCG@10 of every query."""
    parts = [slice(start, start + 256) for start in range(0, len(episode), 256)]
    found = [ndcg_at_10(network(lacking(episode.evidence.rows(p), row)), episode.target_C[p]) for p in parts]
    return torch.cat(found).numpy()


def main() -> None:
    """Train and rank every row; print a table, write JSON after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a `recgpt pretrain` run")
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", default="", help="only rows whose names hold one of these, separated by commas")
    parser.add_argument("--curves", action="store_true", help="more and fewer steps, domains and weights")
    parser.add_argument("--out", type=Path, help="write JSON here")
    args = parser.parse_args()
    settings = json.loads((args.run / "model" / "config.json").read_text(encoding="utf-8"))["training"]
    learned: list[Learned] = []
    asked = []
    paths = sorted((args.run / "episodes").glob("*.safetensors"))
    parts = Counter(name.partition(".")[0] for name in {path.name.partition("-")[0] for path in paths} if "." in name)
    for path in paths:
        name, protocol, share, _ = path.name.split("-", 3)
        domain, _, part = name.partition(".")
        is_full = (protocol, share) == ("leave_one_out", "1")
        if domain in settings["watched"] or (domain in LEFT_OUT and is_full and not part):
            asked.append((domain, Episode.load(path)))
        elif domain not in LEFT_OUT:
            weight = EPISODE_WEIGHTS[protocol, float(share)] / (parts[domain] if part else 1)
            learned.append(Learned(domain, bool(part), weight, Episode.load(path)))
    hybrid = {domain: ranked_ndcg(None, episode, torch.device("cpu")) for domain, episode in asked}
    rows = [{"row": "hybrid score alone", "gain": 0.0, **hybrid}]
    whole: np.ndarray | None = None
    wanted = args.rows.split(",")
    for row in (row for row in (CURVES if args.curves else ROWS) if any(part in row.name for part in wanted)):
        pool = [each for each in learned if row.domains is None or each.domain in row.domains]
        pool = [each for each in pool if row.parts or not each.is_part]
        weights = np.array([each.weight for each in pool])
        episodes = [each.episode for each in pool]
        network = trained(row, episodes, weights, round(row.steps_times * args.steps), args.seed)
        cases = {domain: ndcg(network, row, episode) for domain, episode in asked}
        rng = np.random.default_rng(args.seed)
        gains = []
        for draw in range(1_001):  # the first is the figure, the others resample the cases of every domain
            logs = []
            for domain, values in cases.items():
                drawn = values if draw == 0 else rng.choice(values, len(values))
                logs.append(math.log(max(float(drawn.mean()), 1e-6) / hybrid[domain]))
            gains.append(math.expm1(float(np.mean(logs))))
        low, high = np.quantile(gains[1:], [0.025, 0.975])
        whole = np.array(gains) if whole is None else whole
        against = np.array(gains) - whole  # the same cases are drawn for every row
        interval = [float(each) for each in np.quantile(against[1:], [0.025, 0.975])]
        figures = {domain: float(values.mean()) for domain, values in cases.items()}
        paired = {"against_first": float(against[0]), "against_first_ci95": interval}
        rows.append({"row": row.name, "gain": gains[0], "ci95": [float(low), float(high)], **paired, **figures})
        print(
            f"{row.name}: {gains[0]:+.1%} ({low:+.1%} to {high:+.1%}), against the first {against[0]:+.1%} "
            f"({interval[0]:+.1%} to {interval[1]:+.1%})",
            flush=True,
        )
        if args.out:
            about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": args.seed}
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps({**about, "steps": args.steps, "rows": rows}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    run(main, "foundation_ablation.py")
