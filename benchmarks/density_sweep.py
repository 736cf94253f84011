"""Interaction density: NDCG@10 on new items with the training interactions of 0, 1, 3, 10, 30 and 100 % of the users.

    python benchmarks/density_sweep.py ../shared/data/test/amazon_beauty ../shared/data/test/amazon_office

Leave-one-out, past = train+valid of a share of the users, drawn with the seed; the queries stay the same. Writes JSON
with 95 % bootstrap intervals and a plot to `benchmarks/results/`.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.device import hardware
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.evaluate.metrics import ndcg_at, target_ranks
from recgpt.evaluate.significance import bootstrap_ci
from recgpt.foundation.episodes import thinned
from recgpt.foundation.model import shipped
from recgpt.program import run

mpl.use("Agg")
import matplotlib.pyplot as plt

SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
NAMES = ("popularity", "text_knn_white", "hybrid_knn", "recgpt_text", "recgpt")
RESULT = Path(__file__).parent / "results" / "density_sweep.json"


def sweep(path: Path, max_users: int, seed: int) -> dict[str, Any]:
    """The figures of one data set, by recommender and share."""
    dataset, model = Dataset.load(path, repeats="drop"), shipped()
    split = leave_one_out(dataset, max_users=max_users, seed=seed)
    embeddings_NE = model_embeddings(dataset, model)
    asked = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for share in SHARES:
        known = thinned(split, share, seed).known
        for recommender in recommenders_for(NAMES, embeddings_NE=embeddings_NE, model=model, seed=seed):
            ids = recommender.fit(known).rank(split.histories[asked], 10).ids
            ndcg_B = ndcg_at(target_ranks(ids, split.targets[asked]), 10)
            low, high = bootstrap_ci(ndcg_B, np.arange(len(ndcg_B)), seed=seed)
            point = {"share": share, "ndcg@10": float(ndcg_B.mean()), "ci95": [low, high]}
            figures[recommender.name].append(point)
            print(f"{dataset.name} {share:>4.0%} {recommender.name:<15} {point['ndcg@10']:.4f}", flush=True)
    return {"name": dataset.name, "cases": len(asked), "figures": figures}


def plot(sets: list[dict[str, Any]], path: Path) -> None:
    """One panel a data set."""
    figure, axes = plt.subplots(1, len(sets), figsize=(5 * len(sets), 3.8), squeeze=False)
    for axis, each in zip(axes[0], sets, strict=True):
        for name, points in each["figures"].items():
            axis.plot(range(len(SHARES)), [point["ndcg@10"] for point in points], marker="o", markersize=3, label=name)
        axis.set_xticks(range(len(SHARES)), [f"{share:.0%}" for share in SHARES])
        axis.set(xlabel="users whose past is known", ylabel="NDCG@10", ylim=(0, None), title=each["name"])
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+", help="data set folders")
    parser.add_argument("--max_users", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    sets = [sweep(path, args.max_users, args.seed) for path in args.datasets]
    about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": args.seed, "sets": sets}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    plot(sets, args.json.with_suffix(".png"))


if __name__ == "__main__":
    run(main, "density_sweep.py")
