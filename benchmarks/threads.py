"""Speed of a small training step beside other work, with torch's defaults and with `recgpt.threads`, in turns.

    python benchmarks/threads.py                                  # quiet, a busy loop on each core, eight on each core
    python benchmarks/threads.py --busy 0 2 --repetitions 5 --json threads.json

Each measurement is a process of its own: how OpenMP threads wait is settled when its library is loaded. `--variant`
adds others to compare, such as `--variant passive:OMP_WAIT_POLICY=PASSIVE`. Steps/s, medians over the repetitions; the
share is of the median of torch's defaults without other work.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from recgpt.device import hardware
from recgpt.program import run

CHILD = """
import sys, time
if sys.argv[2] == "recgpt":
    import recgpt
import torch
net = torch.nn.Sequential(*(layer for _ in range(8) for layer in (torch.nn.Linear(256, 256), torch.nn.ReLU())))
optimizer = torch.optim.SGD(net.parameters(), 0.01)
data = torch.randn(512, 256)
def step():
    optimizer.zero_grad()
    net(data).square().mean().backward()
    optimizer.step()
for _ in range(3):
    step()
start, steps = time.perf_counter(), 0
while time.perf_counter() - start < float(sys.argv[1]):
    step()
    steps += 1
print(steps / (time.perf_counter() - start))
"""
BUSY_LOOP = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""
VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@contextmanager
def busy_loops(number: int, settle_s: float) -> Iterator[None]:
    """Keep so many processes computing, from `settle_s` seconds before; they end with this one, however it ends."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY_LOOP]) for _ in range(number)]
    try:
        if loops:
            time.sleep(settle_s)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def steps_per_second(variant: str, settings: dict[str, str], seconds: float) -> float:
    """Speed of a fresh process under `settings`; it imports recgpt first if the variant is `recgpt`."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | settings
    command = [sys.executable, "-c", CHILD, str(seconds), variant]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def measured(
    variants: dict[str, dict[str, str]], busy: int, repetitions: int, seconds: float, settle_s: float
) -> dict[str, Any]:
    """Speeds of all variants beside `busy` loops, taking turns."""
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    loads = []
    with busy_loops(busy, settle_s):
        for _ in range(repetitions):
            loads.append(round(os.getloadavg()[0], 1))
            for name, settings in variants.items():
                speeds[name].append(round(steps_per_second(name, settings, seconds), 2))
    return {"busy_loops": busy, "load_average": loads, "steps_per_s": speeds}


def table(found: list[dict[str, Any]]) -> str:
    """Medians in Markdown."""
    names = list(found[0]["steps_per_s"])
    quiet = median(found[0]["steps_per_s"]["torch"])
    lines = [f"| busy loops | load average | {' | '.join(names)} |", f"|-:|-|{'-:|' * len(names)}"]
    for row in found:
        middle = [median(row["steps_per_s"][name]) for name in names]
        cells = " | ".join(f"{speed:.1f} ({speed / quiet:.0%})" for speed in middle)
        loads = f"{min(row['load_average'])}–{max(row['load_average'])}"
        lines.append(f"| {row['busy_loops']} | {loads} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write JSON."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, cores, 8 * cores], help="numbers of busy loops")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds from the start of the loops, for the load")
    parser.add_argument("--variant", action="append", default=[], help="NAME:VARIABLE=VALUE,VARIABLE=VALUE")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    variants: dict[str, dict[str, str]] = {"torch": {}, "recgpt": {}}
    for variant in args.variant:
        name, _, settings = variant.partition(":")
        variants[name] = dict(pair.split("=", 1) for pair in settings.split(","))
    found = [measured(variants, busy, args.repetitions, args.seconds, args.settle) for busy in args.busy]
    print(table(found))
    if args.json:
        about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seconds": args.seconds}
        args.json.write_text(json.dumps({**about, "found": found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main, "threads.py")
