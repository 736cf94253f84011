"""Speed benchmark: its parts, their order, and the results file (`recgpt benchmark speed`).

    results = run_parts(SpeedRun(data=Path("data/steam"), out=Path("runs/speed")))

Each finished part is written to `speed.json` at once. A run with the same data, sizes, seed, threads, machine and
versions resumes with the missing parts.
"""

import math
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from recgpt.benchmark.speed import encoding, growth, ranking, scoring, startup, training
from recgpt.benchmark.speed.measure import Measured
from recgpt.benchmark.speed.setting import QUICK, Setting, Sizes
from recgpt.bounds import read_json
from recgpt.config import MAX_SEED, Config
from recgpt.data.fingerprint import write_json
from recgpt.device import cpu_model
from recgpt.errors import DataError
from recgpt.files import only_writer
from recgpt.program import resumable
from recgpt.progress import duration, note
from recgpt.version import __version__


@dataclass(frozen=True)
class Part:
    """One part of the benchmark: description, minutes on two cores, and measuring function."""

    about: str
    minutes: int
    measure: Callable[[Setting], Measured]


PARTS: dict[str, Part] = {
    "training": Part("useful items a second of the trainer's steps and of the published ones", 8, training.measure),
    "ranking": Part("from histories to rankings, and the published prediction", 12, ranking.measure),
    "scoring": Part("from logits to the ten best of 15,066 items, and the published trie", 2, scoring.measure),
    "large": Part("the ten best of 2 million items; 15 million items and their memory", 3, scoring.measure_large),
    "session": Part("histories that grow by an item, and fresh passes over them", 1, ranking.measure_sessions),
    "encoding": Part("item texts to embeddings, and the encoder's own batches", 3, encoding.measure),
    "startup": Part("`recgpt --help`", 1, startup.measure),
    "growth": Part("time and memory over items, histories, users and processes", 12, growth.measure),
}
"""Name -> part, in running order."""


class SpeedRun(Config):
    """Settings of one run of the speed benchmark."""

    data: Path | None = Field(default=None, description="data set folder with histories and texts; None: synthetic")
    out: Path = Field(description="folder of speed.json")
    only: tuple[str, ...] = Field(default=(), description="names of parts; empty for all")
    quick: bool = Field(default=False, description="tiny sizes, to test that it runs")
    threads: int | None = Field(
        default=None, ge=1, le=4096, description="threads of torch; None keeps the present number"
    )
    repetitions: int = Field(default=3, ge=1, description="of each measurement, after one discarded round")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="of all random numbers")
    overwrite: bool = Field(default=False, description="measure finished parts again")


def run_parts(run: SpeedRun) -> dict[str, Any]:
    """Measure the requested parts that are not stored yet; returns the content of `speed.json`.

    Raises
    ------
    DataError
        An unknown part, or `out` holds results of other data, sizes or versions, or of another machine.
    """
    with only_writer(run.out / "speed.json"), resumable("finished parts are kept: the same command goes on"):
        return _run_parts(run)


def _run_parts(run: SpeedRun) -> dict[str, Any]:
    unknown = [name for name in run.only if name not in PARTS]
    if unknown:
        raise DataError(f"there is no part {unknown[0]!r}: choose among {', '.join(PARTS)}")
    if run.threads:
        torch.set_num_threads(run.threads)
    setting = Setting(run.data, QUICK if run.quick else Sizes(), repetitions=run.repetitions, seed=run.seed)
    identity = _identity(setting)
    path = run.out / "speed.json"
    found = _stored(path, identity, overwrite=run.overwrite)
    wanted = [name for name in PARTS if not run.only or name in run.only]
    for place, name in enumerate(wanted, 1):
        if name in found["parts"] and not run.overwrite:
            setting.say(f"[{place}/{len(wanted)}] {name}: measured before")
            continue
        setting.say(f"[{place}/{len(wanted)}] {name}: {PARTS[name].about}")
        started = time.monotonic()
        measured = PARTS[name].measure(setting).to_dict()
        seconds = time.monotonic() - started
        found["parts"][name] = _finite({"date": date.today().isoformat(), "seconds": seconds, **measured})
        found["limits"] = asdict(setting.limits)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found)
        setting.say(f"[{place}/{len(wanted)}] {name}: {duration(seconds)}")
    return found


def failed_checks(found: dict[str, Any]) -> list[str]:
    """Names of checks whose result differs from the plain variant's."""
    return [check["what"] for part in found["parts"].values() for check in part["checks"] if not check["passed"]]


def _identity(setting: Setting) -> dict[str, Any]:
    """Resume key: conditions that all parts of one results file share."""
    return {
        "data": setting.data_facts(),
        "sizes": {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(setting.sizes).items()
        },
        "repetitions": setting.repetitions,
        "seed": setting.seed,
        "hardware": {"cpu": cpu_model(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {
            "recgpt": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _stored(path: Path, identity: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
    """Stored results with this resume key; empty results if there are none, or if `overwrite` discards others."""
    fresh: dict[str, Any] = {**identity, "parts": {}}
    if not path.is_file():
        return fresh
    stored = read_json(path)
    differing = [key for key in identity if stored.get(key) != identity[key]]
    if not differing:
        return stored
    if not overwrite:
        raise DataError(
            f"{path} holds results with other {' and '.join(differing)}: pass --overwrite to discard them, or choose "
            f"another --out"
        )
    note(f"{path}: results with other {' and '.join(differing)} are discarded")
    return fresh


def _finite(value: Any) -> Any:
    """Copy of a JSON value with None for NaN and infinities, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
