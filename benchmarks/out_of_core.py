r"""Peak memory of the data pipeline on a large catalogue, each step in a process of its own.

python benchmarks/out_of_core.py                                       # 2 M items x 768, 20 M interactions
python benchmarks/out_of_core.py --items 20000 --interactions 200000 --json /dev/null
python benchmarks/out_of_core.py --items 15500000 --interactions 130000000 --width 16 \
    --steps write load sequences epoch --json benchmarks/results/out_of_core_15m.json     # the published scale

Synthetic data go to a temporary folder and are deleted. `peak` is the resident set with reclaimable pages of mapped
files; `peak_private` is the memory that has to fit.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_blocks
from recgpt.data.packing import PackedDataset
from recgpt.data.process import merge, merge_arrays
from recgpt.data.splits import leave_one_out
from recgpt.program import run
from recgpt.tables import print_tables

RESULT = Path(__file__).parent / "results" / "out_of_core.json"
BLOCK_ROWS = 1 << 17
BATCH_ROWS = 32
MEAN_LENGTH = 10
SAMPLE_S = 0.02


def write(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Write the data set, block by block."""
    rng = np.random.default_rng(args.seed)
    with pq.ParquetWriter(
        folder / "items.parquet", pa.schema([("item_id", pa.int64()), ("title", pa.string())])
    ) as out:
        for start in range(0, args.items, BLOCK_ROWS):
            ids = np.arange(start, min(start + BLOCK_ROWS, args.items))
            titles = pl.select(pl.format("Product number {} of a synthetic catalogue", pl.Series(ids))).to_series()
            out.write_table(pa.table({"item_id": ids, "title": titles.to_arrow().cast(pa.string())}))

    names = ("user_id", "item_id", "position", "timestamp")
    schema = pa.schema([(name, pa.int64()) for name in names])
    first_user = written = 0
    with pq.ParquetWriter(folder / "interactions.parquet", schema) as out:
        while written < args.interactions:
            lengths = 2 + rng.geometric(1 / (MEAN_LENGTH - 2), BLOCK_ROWS)
            lengths = lengths[: np.searchsorted(np.cumsum(lengths), args.interactions - written) + 1]
            rows = int(lengths.sum())
            users = np.repeat(np.arange(first_user, first_user + len(lengths)), lengths)
            position = np.arange(rows) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            items = (args.items * rng.random(rows) ** 3).astype(np.int64)  # a few popular items, a long tail
            out.write_table(pa.table([users, items, position, 1_500_000_000 + 3600 * position], schema=schema))
            first_user, written = first_user + len(lengths), written + rows

    def unit_vectors() -> Iterator[np.ndarray]:
        for start in range(0, args.items, BLOCK_ROWS):
            block = rng.standard_normal((min(BLOCK_ROWS, args.items - start), args.width), dtype=np.float32)
            yield block / np.linalg.norm(block, axis=1, keepdims=True)

    save_blocks(
        folder / "embeddings.npy",
        unit_vectors(),
        shape=(args.items, args.width),
        dtype=np.float16,
        fingerprint={"items_sha256": Dataset.load(folder).items_sha256, "encoder": "random"},
    )
    return {"gigabytes_on_disk": sum(path.stat().st_size for path in folder.iterdir()) / 1e9}


def load(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Load, validate, and check every embedding."""
    dataset = Dataset.load(folder)
    return {"users": dataset.n_users, "interactions": dataset.n_interactions, "width": dataset.embeddings().shape[1]}


def sequences(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Drop repeats and split."""
    dataset = Dataset.load(folder, repeats="drop")
    return {"interactions": dataset.n_interactions, "cases": len(leave_one_out(dataset))}


def texts(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Stream all item texts."""
    return {"characters": sum(map(len, Dataset.load(folder).iter_texts()))}


def epoch(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Pack and build every row of an epoch, with the embeddings of its items, as training does."""
    dataset = Dataset.load(folder)
    embeddings = dataset.embeddings()
    packed = PackedDataset(dataset.sequences, seed=args.seed)
    start = time.monotonic()
    for first in range(0, len(packed), BATCH_ROWS):
        batch = packed.rows(np.arange(first, min(first + BATCH_ROWS, len(packed))))
        embeddings[batch.item_ids[batch.item_ids >= 0]]
    seconds = time.monotonic() - start
    return {
        "rows": len(packed),
        "useful_fraction": packed.useful_fraction,
        "items_per_second": dataset.n_interactions / seconds,
    }


def merge_halves(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Merge the data set with itself: twice the items and interactions, embeddings too."""
    twin = folder.with_name("twin")
    twin.mkdir()
    for path in folder.iterdir():
        (twin / path.name).symlink_to(path)
    out = folder.with_name("merged")
    merge([folder, twin], out)
    merge_arrays([folder, twin], out, "embeddings")
    return {"gigabytes_on_disk": sum(path.stat().st_size for path in out.iterdir()) / 1e9}


STEPS: dict[str, Callable[[Path, argparse.Namespace], dict[str, float]]] = {
    "write": write,
    "load": load,
    "sequences": sequences,
    "texts": texts,
    "epoch": epoch,
    "merge": merge_halves,
}


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--items", type=int, default=2_000_000)
parser.add_argument("--interactions", type=int, default=20_000_000)
parser.add_argument("--width", type=int, default=768)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--folder", type=Path, help="where the temporary folder goes; the default is the system's")
parser.add_argument("--json", type=Path, default=RESULT)
parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="`write` must be the first")
parser.add_argument("--step", help=argparse.SUPPRESS)  # run one step in this process, on --folder


def run_step(args: argparse.Namespace) -> None:
    """Run one step here and print its figures as JSON."""
    peak_private = 0

    def sample() -> None:
        nonlocal peak_private
        while True:
            status = Path("/proc/self/status").read_text()
            kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
            peak_private = max(peak_private, int(kilobytes))
            time.sleep(SAMPLE_S)

    threading.Thread(target=sample, daemon=True).start()
    start = time.monotonic()
    figures = STEPS[args.step](args.folder, args)
    memory = {
        "seconds": time.monotonic() - start,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "peak_private_gigabytes": peak_private * 1024 / 1e9,
    }
    print(json.dumps({**memory, **figures}))


def main() -> None:
    """Run all steps, each in a process of its own, and keep their figures."""
    args = parser.parse_args()
    if args.step:
        run_step(args)
        return
    from recgpt.device import cpu_model  # not by the steps: torch would count in their memory

    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary) / "synthetic"
        folder.mkdir()
        sizes = [f"--{name}={getattr(args, name)}" for name in ("items", "interactions", "width", "seed")]
        for step in args.steps:
            print(step, file=sys.stderr)
            command = [sys.executable, __file__, f"--step={step}", f"--folder={folder}", *sizes]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results[step] = json.loads(done.stdout)

    table = Table("step", "seconds", "peak GB", "private GB", "figures")
    for step, figures in results.items():
        rest = ", ".join(f"{name} {value:,.4g}" for name, value in list(figures.items())[3:])
        table.add_row(step, *(f"{value:.2f}" for value in list(figures.values())[:3]), rest)
    print_tables(table)
    report = {
        "date": date.today().isoformat(),
        "hardware": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "memory_gigabytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        },
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
        "items": args.items,
        "interactions": args.interactions,
        "width": args.width,
        "seed": args.seed,
        "steps": results,
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run(main, "out_of_core.py")
