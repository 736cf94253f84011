"""Effect of the per-catalogue calibration: the shipped model with and without it, on the same index.

    python benchmarks/local_weights.py ../shared/data/valid/* ../shared/data/pretrain/goodreads

NDCG@10 of items new to their user, leave-one-out with past = train+valid and, where times are known, at one moment in
time (that alone with --now); at most 5,000 users; 95 % intervals of the paired difference. Writes JSON with `--json`.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import make_split
from recgpt.device import hardware
from recgpt.evaluate.lineup import model_embeddings
from recgpt.evaluate.metrics import ndcg_at, target_ranks
from recgpt.evaluate.significance import paired_bootstrap
from recgpt.foundation.calibration import MAX_USERS
from recgpt.foundation.catalogue import FoundationCatalogue
from recgpt.foundation.model import shipped
from recgpt.program import run


def measured(path: Path, protocol: str, *, now: bool) -> dict[str, Any]:
    """The figures of one data set under one protocol."""
    dataset, model = Dataset.load(path, repeats="drop"), shipped()
    split = make_split(dataset, protocol, max_users=5_000, seed=0)
    texts, embeddings_NE = dataset.texts(model.template), model_embeddings(dataset, model)
    catalogue = model.index(texts, interactions=split.known.interactions, embeddings=embeddings_NE, now=now)
    asked = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    histories, targets = split.histories[asked], split.targets[asked]

    def ndcg(of: FoundationCatalogue) -> np.ndarray:
        return ndcg_at(target_ranks(of.recommend(histories, 10).ids, targets), 10)

    without_B = ndcg(FoundationCatalogue(model.network, catalogue.features, shortlist=catalogue.shortlist))
    with_B = without_B if catalogue.calibration is None else ndcg(catalogue)
    difference = paired_bootstrap(with_B, without_B, split.users[asked])
    return {
        "name": dataset.name,
        "protocol": protocol,
        "cases": len(asked),
        "kept": catalogue.calibration is not None,
        "without": float(without_B.mean()),
        "with": float(with_B.mean()),
        "difference": difference.difference,
        "ci95": [difference.low, difference.high],
    }


def protocols(path: Path) -> tuple[str, ...]:
    """Protocols that apply to a data set."""
    times = Dataset.load(path).interactions.timestamp
    return ("leave_one_out",) if times is None or not (times >= 0).any() else ("leave_one_out", "global_time")


def main() -> None:
    """Measure every folder named; print a line each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--now", action="store_true", help="calibrate for queries after the whole past, as recgpt_now")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = []
    for path, protocol in ((folder, each) for folder in args.datasets for each in protocols(folder)):
        if args.now and protocol != "global_time":
            continue
        figures = measured(path, protocol, now=args.now)
        low, high = figures["ci95"]
        relative = figures["difference"] / max(figures["without"], 1e-9)
        print(
            f"{figures['name']}, {protocol}: {figures['without']:.4f} -> {figures['with']:.4f}, {relative:+.1%}, "
            f"difference {figures['difference']:+.4f} ({low:+.4f} to {high:+.4f}), "
            f"{'kept' if figures['kept'] else 'not kept'}",
            flush=True,
        )
        found.append(figures)
    if args.json:
        about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "most_users": MAX_USERS}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**about, "sets": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "local_weights.py")
