"""The shipped generative model on data sets it has not seen, beside baselines that read texts only.

    python benchmarks/generative_zero_shot.py ../shared/data/test/* --out benchmarks/results/generative_zero_shot.md

Leave-one-out, NDCG@10 on targets new to their user, at most --users users a data set. Nothing reads interactions of
other users. The last row is the mean over data sets.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.device import hardware
from recgpt.evaluate.lineup import model_embeddings
from recgpt.evaluate.metrics import ndcg_at, target_ranks
from recgpt.files import write_text
from recgpt.hub import SHIPPED_GENERATIVE
from recgpt.models import load_model
from recgpt.program import run
from recgpt.progress import note
from recgpt.recommenders import make

BASELINES = ("text_knn", "text_knn_white")


def figures(path: Path, model_path: str, users: int, seed: int) -> dict[str, float]:
    """NDCG@10 of each recommender on one data set."""
    dataset = Dataset.load(path, repeats="drop")
    split = leave_one_out(dataset, max_users=users, seed=seed)
    new = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    model = load_model(model_path)
    embeddings_NE = model_embeddings(dataset, model)
    options: dict[str, dict[str, Any]] = {name: {"embeddings": embeddings_NE} for name in BASELINES}
    options["recgpt_generative"] = {"embeddings": embeddings_NE, "model": model}
    found = {}
    for name, given in options.items():
        ids = make(name, **given).fit(split.known).rank(split.histories[new], 10).ids
        found[name] = float(ndcg_at(target_ranks(ids, split.targets[new]), 10).mean())
    note(f"{dataset.name}, {len(new):,} queries: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    return found


def table(rows: dict[str, dict[str, float]]) -> str:
    """Markdown table with a row of means."""
    names = list(next(iter(rows.values())))
    means = {name: float(np.mean([row[name] for row in rows.values()])) for name in names}
    lines = [f"| data set | {' | '.join(names)} |", "|-" * (len(names) + 1) + "|"]
    for label, row in {**rows, "mean": means}.items():
        lines.append(f"| {label} | {' | '.join(f'{row[name]:.4f}'.lstrip('0') for name in names)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+", type=Path, help="data set folders")
    parser.add_argument("--model", default=SHIPPED_GENERATIVE, help="model folder")
    parser.add_argument("--users", type=int, default=2_500, help="users of each data set")
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawn users")
    parser.add_argument("--out", type=Path, help="Markdown file")
    given = parser.parse_args(arguments)
    rows = {path.name: figures(path, given.model, given.users, given.seed) for path in given.datasets}
    text = table(rows)
    print(text)
    if given.out:
        made = f"`python benchmarks/generative_zero_shot.py`, {datetime.now(UTC).date()}, {hardware()}"
        write_text(given.out, f"{made}, {given.users:,} users a data set, seed {given.seed}.\n\n{text}\n")


if __name__ == "__main__":
    run(main, "generative_zero_shot.py")
