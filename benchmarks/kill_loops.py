"""Kill loops: jobs that write files get SIGKILL at random moments; afterwards the same command must end well.

    python benchmarks/kill_loops.py --kills 300 --json benchmarks/results/kill_loops.json

Each job runs as a child process that is killed at a random moment of its undisturbed duration, or a little later. After
a kill the old result must be whole, or the new one, or nothing must be there; then the same command runs again, and its
result must equal that of an undisturbed run. A child that ends by itself is not counted as a kill.

| column | meaning |
|-|-|
| kills | children killed before they ended |
| refused | runs of the same command that ended with an error after a kill, unless the result was complete |
| damaged | results that were neither the old nor the new one, nor absent, after a kill |
| strays | files left beside the result: empty `.NAME.lock` files where a complete result is not written again |
| equal | whether every result equals the undisturbed one |

Kills of simulation runs are in `benchmarks/kill_and_resume.py`.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from recgpt.program import run
from recgpt.progress import Meter

PRELOADED = ["recgpt.cli.app", "recgpt.data.process", "recgpt.foundation.finetune", "recgpt.bulk.rank", "torch"]
N_USERS, N_ITEMS, WIDTH = 60, 40, 32


@dataclass
class Tally:
    """Outcome of the kills of one job."""

    job: str
    kills: int = 0
    refused: int = 0
    damaged: int = 0
    strays: int = 0
    equal: bool = True


# --- the jobs; each writes into the folder `out` ---


def inputs(folder: Path) -> None:
    """Write the inputs of all jobs: tables, two data sets with embeddings, a small model and a tokenizer."""
    import numpy as np
    import polars as pl
    import torch

    from recgpt.data.dataset import Dataset
    from recgpt.foundation.model import FoundationConfig, FoundationModel
    from recgpt.foundation.network import NetworkConfig
    from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig

    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        lengths = rng.integers(5, 10, N_USERS)
        users = np.repeat(np.arange(N_USERS), lengths)
        events = pl.DataFrame({"user_id": users, "item_id": rng.integers(0, N_ITEMS, len(users))})
        events = events.with_columns(timestamp=1_600_000_000 + 60 * pl.int_range(pl.len()))
        items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"{name} {i}" for i in range(N_ITEMS)]})
        events.write_csv(folder / f"{name}.csv")
        items.write_csv(folder / f"{name}_items.csv")
        dataset = Dataset.from_frames(name, events.with_columns(position=pl.int_range(pl.len())), items)
        dataset.save(folder / name)
        dataset = Dataset.load(folder / name)
        vectors = rng.standard_normal((N_ITEMS, WIDTH)).astype(np.float16)
        about = {"items_sha256": dataset.items_sha256, "encoder": "random", "template": "fields", "dim": WIDTH}
        from recgpt.data.fingerprint import save_array

        save_array(folder / name / "embeddings.npy", vectors, about)
    torch.manual_seed(0)
    network = NetworkConfig(history_items=4, d_model=8, n_heads=2, hidden=16)
    FoundationModel(FoundationConfig(network, 30, {"dim": WIDTH}, {})).save_pretrained(folder / "model")
    FSQTokenizer(FSQTokenizerConfig(embedding_dim=WIDTH, n_codes=2, levels=[4, 4])).save_pretrained(
        folder / "tokenizer"
    )


def command(*arguments: object) -> Callable[[Path, Path, bool], None]:
    """Job that is a command of `recgpt`; IN, OUT and FLAG stand for the inputs, the result and --overwrite."""

    def job(folder: Path, out: Path, overwrite: bool) -> None:
        from recgpt.cli.main import main as recgpt

        flags = {"FLAG": ["--overwrite"] if overwrite else []}
        words = [flags.get(str(word), [str(word)]) for word in arguments]
        named = [word.replace("IN", str(folder)).replace("OUT", str(out)) for each in words for word in each]
        sys.argv = ["recgpt", *named]
        recgpt()

    return job


def tokens(folder: Path, out: Path, overwrite: bool) -> None:
    """Tokenize a copy of a data set."""
    if not out.exists():
        shutil.copytree(folder / "a", out)
    command("tokenize", "OUT", "--tokenizer", "IN/tokenizer")(folder, out, overwrite)


def report(folder: Path, out: Path, overwrite: bool) -> None:
    """Evaluate two recommenders; write the report with its cases, and a training curve."""
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import make_split
    from recgpt.evaluate import evaluate
    from recgpt.recommenders import REGISTRY
    from recgpt.training.curves import training_curve

    split = make_split(Dataset.load(folder / "a", repeats="drop"), "leave_one_out")
    found = evaluate(split, [REGISTRY["popularity"](), REGISTRY["item_knn"]()], seed=0)
    points = [{"step": step, "loss": 1.0 / step} for step in range(1, 9)]
    for _ in range(3):
        found.save(out / "report.json")
        training_curve({"curve": points, "evaluations": points, "best_step": 8}, out / "curve.png")


def stored(folder: Path, out: Path, overwrite: bool) -> None:
    """Save an index, a recommender and a split."""
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import make_split
    from recgpt.foundation.model import FoundationModel
    from recgpt.recommenders import REGISTRY

    dataset = Dataset.load(folder / "a", repeats="drop")
    model = FoundationModel.from_pretrained(folder / "model")
    index = model.index(dataset.embeddings(), interactions=dataset.interactions)
    popularity: Any = REGISTRY["popularity"]()
    for _ in range(3):
        index.save(out)
        popularity.fit(dataset).save(out / "popularity")
        make_split(dataset, "leave_one_out").save(out / "split")


FINETUNE = ("finetune", "IN/a", "--model", "IN/model", "--steps", 64, "--out", "OUT", "FLAG")
TOKENIZER = ("train-tokenizer", "IN/a", "--out", "OUT", "--epochs", 20, "--codes", 2, "--levels", "4,4", "FLAG")
IMPORT = ("data", "import", "tables", "IN/a.csv", "--items", "IN/a_items.csv", "--time", "timestamp", "--out", "OUT")


def merged(folder: Path, out: Path, overwrite: bool) -> None:
    """Merge two data sets."""
    from recgpt.data.process import merge

    merge([folder / "a", folder / "b"], out, overwrite=overwrite)


JOBS: dict[str, tuple[Callable[[Path, Path, bool], None], bool]] = {
    "import": (command(*IMPORT), False),
    "import --overwrite": (command(*IMPORT, "FLAG"), True),
    "merge": (merged, False),
    "merge --overwrite": (merged, True),
    "train-tokenizer": (command(*TOKENIZER), False),
    "train-tokenizer --overwrite": (command(*TOKENIZER), True),
    "finetune": (command(*FINETUNE), False),
    "finetune --overwrite": (command(*FINETUNE), True),
    "tokenize again": (tokens, True),
    "rank": (command("rank", "IN/a", "--model", "IN/model", "--out", "OUT", "-k", 5, "FLAG"), False),
    "rank --overwrite": (command("rank", "IN/a", "--model", "IN/model", "--out", "OUT", "-k", 5, "FLAG"), True),
    "report, cases, curve": (report, True),
    "index, recommender, split": (stored, True),
}
"""Name -> job, and whether it replaces an earlier result."""


# --- the loop ---


def play(name: str, folder: Path, out: Path) -> None:
    """Run a job in a child process, silently."""
    job, overwrites = JOBS[name]
    with (out.parent / "said").open("w") as said, redirect_stdout(said), redirect_stderr(said):
        job(folder, out, overwrites)


def contents(out: Path) -> dict[str, str]:
    """Hashes of all files below a folder, by name; figures that change from run to run are left out."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(out))] = _hash(path)
    return found


def _hash(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".json":
        data = json.dumps(_lasting(json.loads(data)), sort_keys=True).encode()
    elif path.suffix == ".md":
        data = b""  # tables of the JSON beside it, with seconds
    return hashlib.sha256(data).hexdigest()


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if "second" not in key and key != "cases_sha256"}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def child(context: ForkServerContext, name: str, folder: Path, out: Path, kill_after: float | None) -> int | None:
    """Exit code of a child that runs the job; None if it was killed."""
    process = context.Process(target=play, args=(name, folder, out))
    process.start()
    process.join(kill_after)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def loop(context: ForkServerContext, name: str, folder: Path, kills: int, rng: random.Random) -> Tally:
    """Kill one job `kills` times."""
    tally, overwrites = Tally(name), JOBS[name][1]
    work = Path(tempfile.mkdtemp(dir=folder.parent))
    alone, out = work / "alone" / "result", work / "killed" / "result"
    alone.parent.mkdir()
    out.parent.mkdir()
    child(context, name, folder, alone, None)  # the first one may wait for imports
    shutil.rmtree(alone, ignore_errors=True)
    started = time.monotonic()
    if child(context, name, folder, alone, None):
        sys.exit(f"{name} failed undisturbed: {(alone.parent / 'said').read_text()[-500:]}")
    seconds, expected = time.monotonic() - started, contents(alone)
    while tally.kills < kills:
        if overwrites and not out.exists():
            shutil.copytree(alone, out)
        if child(context, name, folder, out, rng.uniform(0.1, 1.1) * seconds) is not None:
            shutil.rmtree(out, ignore_errors=True)
            continue
        tally.kills += 1
        tally.damaged += _is_damaged(out, expected, overwrites)
        done = not overwrites and out.exists() and expected == contents(out)  # killed between the result and the exit
        if not done and child(context, name, folder, out, None):
            tally.refused += 1
            print((out.parent / "said").read_text()[-300:], file=sys.stderr)
        found = contents(out) if out.exists() else {}
        tally.equal &= all(found.get(key) == value for key, value in expected.items())
        strays = [*found.keys() - expected.keys()]
        strays += [path.name for path in out.parent.iterdir() if path.name not in ("result", "said")]
        if strays:
            print(f"{name}: {'done, ' if done else ''}left beside the result: {', '.join(strays)}", file=sys.stderr)
        tally.strays += len(strays)
        shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(work)
    return tally


def _is_damaged(out: Path, expected: dict[str, str], overwrites: bool) -> bool:
    """Whether a visible file is neither the old (equal to the new, as jobs repeat their inputs) nor absent."""
    found = {name: value for name, value in contents(out).items() if not _is_hidden(name)} if out.exists() else {}
    if overwrites and not found:
        return True
    return any(expected.get(name, value) != value for name, value in found.items())


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "checkpoints" for part in Path(name).parts)


def table(tallies: list[Tally]) -> str:
    """Markdown table."""
    rows = [f"| {t.job} | {t.kills} | {t.refused} | {t.damaged} | {t.strays} | {t.equal} |" for t in tallies]
    return "\n".join(["| job | kills | refused | damaged | strays | equal |", "|-|-|-|-|-|-|", *rows])


def main() -> None:
    """Run all loops and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="in all, spread over the jobs")
    parser.add_argument("--only", action="append", choices=list(JOBS), help="only this job; repeat the flag")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", dest="out", type=Path, help="JSON file for the table")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    rng = random.Random(arguments.seed)  # noqa: S311
    names = arguments.only or list(JOBS)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["RECGPT_CACHE"] = str(Path(scratch) / "cache")
        folder = Path(scratch) / "inputs"
        folder.mkdir()
        with redirect_stderr(io.StringIO()):
            inputs(folder)
        tallies = []
        with Meter("jobs", len(names)) as meter:
            for name in names:
                tallies.append(loop(context, name, folder, -(-arguments.kills // len(names)), rng))
                meter.update(note=name)
    print(table(tallies))
    if arguments.out:
        from recgpt.files import write_text

        write_text(arguments.out, json.dumps([asdict(each) for each in tallies], indent=2) + "\n")
    if any(each.refused or each.damaged or each.strays or not each.equal for each in tallies):
        sys.exit(1)


if __name__ == "__main__":
    run(main, "kill_loops.py")
