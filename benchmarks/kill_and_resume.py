"""Kill and resume test: a run killed at random moments and resumed must have the log of an undisturbed run.

python benchmarks/kill_and_resume.py ../shared/data/simulate/movielens_small --kills 50 --json out.json

Each child process gets SIGKILL at any point: reading data, creating the run's file, deciding, storing a page, computing
the measures. The last printed line is JSON.
"""

import argparse
import io
import json
import multiprocessing
import os
import platform
import random
import sys
import tempfile
import time
from contextlib import redirect_stderr
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from recgpt.program import run
from recgpt.progress import Meter
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path

PRELOADED = [
    "recgpt.simulate.runner",
    "recgpt.simulate.worlds.feed.spec",
    "recgpt.simulate.worlds.feed.minds.scripted",
    "recgpt.simulate.worlds.feed.minds.llm",
]


def play(run_id: str, config: dict[str, Any]) -> None:
    """Begin or resume the run, in a child process."""
    from recgpt.simulate.runner import resume, start
    from recgpt.simulate.worlds.feed.config import FeedConfig

    with redirect_stderr(io.StringIO()):  # many children, many progress bars
        if not run_path(run_id).is_file():
            start("feed", run_id, FeedConfig(**config)).close()
            return
        with Run.open(run_id, write=True) as run:
            if not run.finished:
                resume(run)


def outcome(run_id: str) -> dict[str, Any]:
    """Outcome that must be equal: hash of the verified log, and measures."""
    with Run.open(run_id) as run, redirect_stderr(io.StringIO()):
        run.check()
        return {"hash": run.hash, "rows": run.n_rows, "metrics": run.metrics, "finished": run.finished}


def played_alone(context: ForkServerContext, run_id: str, config: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Outcome of an undisturbed run, and its seconds."""
    started = time.monotonic()
    child = context.Process(target=play, args=(run_id, config))
    child.start()
    child.join()
    if child.exitcode:
        sys.exit(f"the run that was left alone failed with exit code {child.exitcode}")
    return outcome(run_id), time.monotonic() - started


def killed_run(
    context: ForkServerContext, run_id: str, config: dict[str, Any], longest_s: float, rng: random.Random, most: int
) -> list[int]:
    """Kill a run at most `most` times on its way to its end. Returns the pages that were stored at each kill."""
    pages: list[int] = []
    while True:
        child = context.Process(target=play, args=(run_id, config))
        child.start()
        child.join(rng.uniform(0, longest_s) if len(pages) < most else None)
        if child.is_alive():
            child.kill()
            child.join()
            pages.append(stored_pages(run_id))
        elif child.exitcode:
            sys.exit(f"run {run_id} failed with exit code {child.exitcode} after {len(pages)} kills")
        else:
            return pages


def stored_pages(run_id: str) -> int:
    """Pages in the log; 0 where there is no run yet."""
    if not run_path(run_id).is_file():
        return 0
    with Run.open(run_id) as run:
        return run.n_steps


def main() -> None:
    """Kill and resume the requested number of times, and report whether every log is the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="data set folder")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--set", dest="options", type=json.loads, default={}, help="JSON of `FeedConfig`'s fields")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", dest="out", type=Path, help="JSON file for the result")
    arguments = parser.parse_args()
    defaults = {"recommender": "item_knn", "agents": 2000}
    config = {"dataset": str(arguments.dataset.resolve()), **defaults, **arguments.options}

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)  # a child starts in milliseconds and dies in what matters
    rng = random.Random(arguments.seed)  # noqa: S311
    pages: list[int] = []
    n_runs = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        played_alone(context, "first", config)  # the first child waits until all is imported
        expected, seconds = played_alone(context, "alone", config)
        with Meter("kills", arguments.kills) as meter:
            while len(pages) < arguments.kills:
                run_id, n_runs = f"killed-{n_runs}", n_runs + 1
                here = killed_run(context, run_id, config, seconds, rng, arguments.kills - len(pages))
                if outcome(run_id) != expected:
                    sys.exit(f"run {run_id}, killed at pages {here}, differs from the one that was left alone")
                pages += here
                meter.update(len(here))
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} CPUs, {platform.machine()}",
        "config": arguments.options,
        "dataset": arguments.dataset.name,
        "seconds_alone": round(seconds, 2),
        "kills": len(pages),
        "runs": n_runs,
        "pages_stored_at_kill": {str(page): pages.count(page) for page in sorted(set(pages))},
        "hash": expected["hash"],
        "equal": True,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    run(main, "kill_and_resume.py")
