"""What the pool of the foundation model brings: its size, its kinds, simulated domains, weights by kind.

    python benchmarks/foundation_pool.py --run runs/pool31 --out benchmarks/results/foundation_pool.json
    python benchmarks/foundation_pool.py --run runs/pool31 --simulated runs/simulated --rows simulated

Every row is a network trained on episodes of `recgpt pretrain foundation` (RUN/episodes), without those of the domains
in LEFT_OUT, which are whole kinds or the only large ones of theirs. It then ranks the queries of the domains left out,
and of the validation data sets: with the whole past, without a past (texts alone), and with a tenth of the items cold.
Figures are gains of NDCG@10 over the hybrid score, the mean over domains of the log ratio; there is no calibration.
Intervals and differences to the first row are over resampled queries.
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

from recgpt.device import hardware
from recgpt.foundation.episodes import EPISODE_WEIGHTS, Episode, blend_logits, ndcg_at_10
from recgpt.foundation.network import FIRST_CANDIDATE_FEATURES, FoundationNetwork, NetworkConfig
from recgpt.foundation.pretrain import PretrainConfig, case_loss, draw_queries
from recgpt.program import run
from recgpt.progress import Meter
from recgpt.training.loop import learning_rate

LEFT_OUT = (
    "boardgames",
    "movielens_1m",
    "phish_setlists",
    "goose_setlists",
    "wsp_setlists",
    "um_setlists",
    "command_pages",
    "spack_packages",
    "food_recipes",
    "goodreads",
    "amazon_health",
)
WATCHED = ("mind_news", "amazon_books_2", "wines", "wikispeedia")
KINDS = {
    "amazon": ("amazon_",),
    "git": ("command_pages", "ocaml_packages", "spack_packages", "cpp_libraries", "gentoo_guru"),
    "setlists": ("phish", "goose", "wsp", "um_"),
    "tennis": ("tennis",),
    "groceries": ("grocery", "online_retail"),
    "tiny": ("baseball_teams", "aircraft_routes", "qa_badges"),
}
EIGHT = (
    "amazon_books",
    "amazon_clothing",
    "amazon_electronics",
    "amazon_phones",
    "grocery_full",
    "lastfm",
    "online_retail",
    "short_videos",
)
SIXTEEN = (
    *EIGHT,
    "amazon_cds",
    "amazon_movies",
    "amazon_movies_2",
    "cpp_libraries",
    "football_transfers",
    "gentoo_guru",
    "ocaml_packages",
    "tennis_tournaments",
)
PROTOCOLS = {"whole past": ("leave_one_out", "1"), "no past": ("leave_one_out", "0"), "cold items": ("arrivals", "1")}
_LARGEST = 2_000  # queries of an episode that is ranked
_SIMULATED = "simulated_"


@dataclass(frozen=True)
class Row:
    """One training: domains, weights, network, seed."""

    name: str
    domains: tuple[str, ...] | None = None  # all
    by_kind: bool = False
    simulated: float = 0.0  # share of the episodes
    network: NetworkConfig = field(default_factory=NetworkConfig)
    seeds: tuple[int, ...] = (0,)  # the logits of several are averaged


FIRST = NetworkConfig(candidate_features=FIRST_CANDIDATE_FEATURES, soft_maxima=())
ROWS = (
    Row("all"),
    Row("all, another seed", seeds=(1,)),
    Row("all, no soft maxima", network=NetworkConfig(soft_maxima=())),
    Row("all, first features", network=FIRST),
    Row("all, soft maximum of text alone", network=NetworkConfig(soft_maxima=("text",))),
    Row("all, by kind", by_kind=True),
    Row("all, simulated", simulated=0.3),
    Row("all, mean of three networks", seeds=(0, 1, 2)),
    Row("all, hidden 128, width 64", network=NetworkConfig(d_model=64, hidden=128)),
    Row("8 domains", domains=EIGHT),
    Row("8 domains, simulated", domains=EIGHT, simulated=0.3),
    Row("16 domains", domains=SIXTEEN),
    Row("16 domains, simulated", domains=SIXTEEN, simulated=0.3),
    Row("simulated domains only", simulated=1.0),
)


class Learned(NamedTuple):
    """A training episode."""

    domain: str
    weight: float
    episode: Episode


def learned_and_asked(
    folders: Sequence[Path], watched: Sequence[str]
) -> tuple[list[Learned], dict[str, dict[str, Episode]]]:
    """Episodes of runs to train on, and those to rank, by protocol and domain: of the domains left out or watched."""
    paths = [path for folder in folders for path in sorted((folder / "episodes").glob("*.safetensors"))]
    names = {path.name.partition("-")[0] for path in paths}
    parts = Counter(name.partition(".")[0] for name in names if "." in name)
    learned: list[Learned] = []
    asked: dict[str, dict[str, Episode]] = {protocol: {} for protocol in PROTOCOLS}
    for path in paths:
        name, protocol, share, _ = path.name.split("-", 3)
        domain, _, part = name.partition(".")
        for title, asked_for in PROTOCOLS.items():
            if domain in (*LEFT_OUT, *watched) and not part and asked_for == (protocol, share):
                asked[title][domain] = Episode.load(path)
        if domain not in (*LEFT_OUT, *watched):
            weight = EPISODE_WEIGHTS[protocol, float(share)] / (parts[domain] if part else 1)
            learned.append(Learned(domain, weight, Episode.load(path)))
    return learned, asked


def kind_of(domain: str) -> str:
    """Kind of a domain; its name where it is the only one of its kind."""
    return next((kind for kind, starts in KINDS.items() if domain.startswith(starts)), domain)


def drawn_weights(row: Row, pool: Sequence[Learned]) -> np.ndarray:
    """Probability of each episode."""
    weights = np.array([each.weight for each in pool])
    if row.by_kind:
        domains_of = Counter(kind_of(name) for name in {each.domain for each in pool})
        weights = weights / np.sqrt([domains_of[kind_of(each.domain)] for each in pool])
    is_simulated = np.array([each.domain.startswith(_SIMULATED) for each in pool])
    for mask, share in ((is_simulated, row.simulated), (~is_simulated, 1 - row.simulated)):
        if mask.any():
            weights[mask] *= share / weights[mask].sum()
    return weights / weights.sum()


def trained(row: Row, pool: Sequence[Learned], steps: int, seed: int) -> FoundationNetwork:
    """Train a network like `recgpt pretrain foundation`."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = FoundationNetwork(row.network)
    config = PretrainConfig(out=Path(), steps=steps)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    weights = drawn_weights(row, pool)
    device = torch.device("cpu")
    with Meter(f"{row.name}, seed {seed}", steps) as meter:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, peak=config.lr, warmup=config.warmup, decay_from="start")
            for place in rng.choice(len(pool), config.episodes_per_step, p=weights):
                episode = pool[place].episode
                rows, evidence = draw_queries(episode, config, rng)
                (case_loss(network, episode, rows, device, evidence) / config.episodes_per_step).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            meter.update(1)
    return network.eval()


@torch.inference_mode()
def ndcg(networks: Sequence[FoundationNetwork], episode: Episode) -> np.ndarray:
    """(C,) NDCG@10 of the first queries, by the mean of the networks' logits, or by the hybrid score without one."""
    found = []
    for start in range(0, min(len(episode), _LARGEST), 256):
        part = slice(start, min(start + 256, _LARGEST))
        evidence = episode.evidence.rows(part)
        logits = [network(evidence) for network in networks] or [blend_logits(evidence)]
        found.append(ndcg_at_10(torch.stack(logits).mean(0), episode.target_C[part]))
    return torch.cat(found).numpy()


def gains(
    ranked: dict[str, np.ndarray], hybrid: dict[str, np.ndarray], first: dict[str, np.ndarray], seed: int
) -> dict[str, list[float]]:
    """Gain over the hybrid score and against the first row, each with its 95 % interval."""
    rng = np.random.default_rng(seed)
    logs = []
    for draw in range(501):  # the first is the figure, the others resample the queries of every domain
        means = []
        for domain, values in ranked.items():
            rows = np.arange(len(values)) if draw == 0 else rng.integers(0, len(values), len(values))
            means.append([max(float(each[domain][rows].mean()), 1e-4) for each in (ranked, hybrid, first)])
        own, base, other = np.log(np.array(means)).T
        logs.append([math.expm1((own - base).mean()), math.expm1((own - other).mean())])
    low, high = np.quantile(logs[1:], [0.025, 0.975], axis=0)
    return {
        "gain": [logs[0][0], float(low[0]), float(high[0])],
        "against_first": [logs[0][1], float(low[1]), float(high[1])],
    }


def main() -> None:
    """Train and rank every row; print the gains, write JSON after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of a `recgpt pretrain foundation` run")
    parser.add_argument("--simulated", type=Path, help="run folder with episodes of simulated domains")
    parser.add_argument("--watched", nargs="*", default=WATCHED)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", default="", help="only rows whose names hold one of these, separated by semicolons")
    parser.add_argument("--out", type=Path, help="write JSON here; rows that it holds are kept")
    args = parser.parse_args()
    folders = [args.run] + ([args.simulated] if args.simulated else [])
    learned, asked = learned_and_asked(folders, args.watched)
    hybrid = {title: {domain: ndcg([], each) for domain, each in found.items()} for title, found in asked.items()}
    stored = json.loads(args.out.read_text("utf-8"))["rows"] if args.out and args.out.is_file() else []
    rows = {each["row"]: each for each in stored}
    wanted = args.rows.split(";")
    first: dict[str, dict[str, np.ndarray]] | None = None
    first_row = ""
    for row in (row for row in ROWS if any(part in row.name for part in wanted)):
        pool = [
            each
            for each in learned
            if (each.domain.startswith(_SIMULATED) and row.simulated > 0)
            or (
                not each.domain.startswith(_SIMULATED)
                and row.simulated < 1
                and (row.domains is None or each.domain in row.domains)
            )
        ]
        networks = [trained(row, pool, args.steps, args.seed + seed) for seed in row.seeds]
        ranked = {
            title: {domain: ndcg(networks, each) for domain, each in found.items()} for title, found in asked.items()
        }
        if first is None:
            first, first_row = ranked, row.name
        found = {title: gains(ranked[title], hybrid[title], first[title], args.seed) for title in asked if asked[title]}
        domains = sorted({each.domain for each in pool})
        figures = {
            title: {
                domain: [float(values.mean()), float(hybrid[title][domain].mean())] for domain, values in by.items()
            }
            for title, by in ranked.items()
        }
        rows[row.name] = {"row": row.name, "n_domains": len(domains), "first": first_row, **found, "ndcg": figures}
        for title, each in found.items():
            print(
                f"{row.name} ({len(domains)}), {title}: "
                + ", against the first ".join(
                    f"{100 * each[what][0]:+.1f} % ({100 * each[what][1]:+.1f} to {100 * each[what][2]:+.1f})"
                    for what in ("gain", "against_first")
                ),
                flush=True,
            )
        if args.out:
            about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": args.seed}
            args.out.parent.mkdir(parents=True, exist_ok=True)
            out = {**about, "steps": args.steps, "left_out": LEFT_OUT, "rows": list(rows.values())}
            args.out.write_text(json.dumps(out, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    run(main, "foundation_pool.py")
