"""Speed of the shipped foundation model: indexing a catalogue, ranking a user, appending an event.

    python benchmarks/foundation_speed.py ../shared/data/test/amazon_beauty ../shared/data/test/yelp

Leave-one-out, past = train+valid; 1,280 users in batches of 64, top 10; medians of three runs, alone on the machine.
Embeddings are made before and not timed. Writes JSON to `benchmarks/results/`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.splits import leave_one_out
from recgpt.device import hardware
from recgpt.evaluate.lineup import model_embeddings
from recgpt.foundation.model import shipped
from recgpt.program import run

USERS, EVENTS, RUNS = 1_280, 1_000, 3
RESULT = Path(__file__).parent / "results" / "foundation_speed.json"


def seconds(work: Callable[[], Any]) -> float:
    """The median of three runs."""
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def measured(path: Path) -> dict[str, Any]:
    """The figures of one data set."""
    dataset, model = Dataset.load(path, repeats="drop"), shipped()
    split = leave_one_out(dataset, max_users=USERS, seed=0)
    texts, embeddings_NE, past = (
        dataset.texts(model.template),
        model_embeddings(dataset, model),
        split.known.interactions,
    )
    catalogue = model.index(texts, interactions=past, embeddings=embeddings_NE)
    events = Interactions(past.user[:EVENTS], past.item[-EVENTS:], None)

    def observe() -> None:
        for row in range(EVENTS):
            catalogue.observe(events.select(np.array([row])))

    return {
        "name": dataset.name,
        "items": dataset.n_items,
        "interactions": len(past),
        "index_s": seconds(lambda: model.index(texts, interactions=past, embeddings=embeddings_NE)),
        "rank_ms_per_user": 1e3 / len(split.histories) * seconds(lambda: catalogue.recommend(split.histories, 10)),
        "observe_us_per_event": 1e6 / EVENTS * seconds(observe),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path, nargs="+")
    args = parser.parse_args()
    about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "threads": torch.get_num_threads()}
    found = {**about, "sets": [measured(path) for path in args.datasets]}
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    run(main, "foundation_speed.py")
