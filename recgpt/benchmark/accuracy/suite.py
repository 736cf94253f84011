"""Accuracy suites of data sets x recommenders x seeds, one cell at a time: `recgpt benchmark accuracy`.

    suite = Suite.named("foundation").restricted(only=["Global time"], seeds=[0])
    found = run_suite(suite, data=Path("data"), out=Path("runs/accuracy"), load_model=load_model)
    write_reports(summarize(suite, found), found, out=Path("runs/accuracy"))     # in recgpt.benchmark.accuracy.page

A cell is a report of `evaluate` with one recommender. Cells are cached on disk by their inputs (data, settings,
version): a killed run resumes, and parts or suites share equal cells.
"""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.benchmark.accuracy.settings import BenchmarkConfig, Suite
from recgpt.bounds import read_json
from recgpt.data.fingerprint import write_json
from recgpt.data.identity import arrays_sha256, code_version, dataset_identity, different, json_sha256
from recgpt.data.splits import Split, load_for, make_split
from recgpt.errors import DataError
from recgpt.evaluate.config import KS
from recgpt.evaluate.lineup import BASELINES, model_embeddings, model_recommenders, names_for, recommenders_for
from recgpt.evaluate.protocols import SLICES
from recgpt.evaluate.report import StoredReport
from recgpt.evaluate.run import evaluate
from recgpt.evaluate.training_past import check_targets_unseen
from recgpt.files import file_name, only_writer
from recgpt.models import Model
from recgpt.program import resumable
from recgpt.progress import duration, note
from recgpt.recommenders import FROM_MODEL, PLUGINS, REGISTRY, registered_name

REFERENCE = "text_knn"
"""Recommender that all others are tested against."""


@dataclass(frozen=True)
class Cell:
    """Result of one recommender on one data set with one seed, cached on disk.

    Attributes
    ----------
    cache_key
        All inputs of the result; a stored cell with the same key is reused.
    path
        File of its report.
    """

    recommender: str
    seed: int
    cache_key: dict[str, Any]
    path: Path

    @property
    def is_done(self) -> bool:
        """Whether a cached result with the same inputs exists."""
        return (
            self._note.is_file()
            and not different(read_json(self._note).get("made_of", {}), self.cache_key)
            and (self.refusal is not None or self.path.is_file())
        )

    @property
    def refusal(self) -> str | None:
        """Reason why the recommender refused the data set; None if there is a report."""
        reason = read_json(self._note).get("refused")
        return None if reason is None else str(reason)

    def finish(self, **outcome: Any) -> None:
        """Mark the cell as done; its report, if any, must be on disk already."""
        write_json(self._note, {"made_of": self.cache_key, **outcome})

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".cell.json")


@dataclass
class DatasetCells:
    """Results of all recommenders on one data set.

    Attributes
    ----------
    name
        Name of the data set.
    folder
        Folder of the data set.
    reports
        Recommender -> a report for each seed.
    refused
        Recommender -> reason of its refusal.
    """

    name: str
    folder: Path
    reports: dict[str, list[StoredReport]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def about(self) -> dict[str, Any]:
        """JSON of the first report, whose conditions all reports of the data set share."""
        return next(iter(self.reports.values()))[0].about

    def values(self, recommender: str, slice_name: str, metric: str) -> np.ndarray:
        """(n,) metric of each query of a slice, mean over the seeds."""
        of_seeds = [report.values(recommender, slice_name, metric) for report in self.reports[recommender]]
        return np.mean(of_seeds, axis=0)


def run_suite(
    suite: Suite, *, data: Path, out: Path, load_model: Callable[[str | None], Model]
) -> list[list[DatasetCells]]:
    """Run a suite: compute the missing cells, data set by data set, and read all cells.

    Parameters
    ----------
    data
        Folder of the data set folders.
    out
        Output folder; cells are stored in `out/cells`.
    load_model
        Loader of a checkpoint, or of the shipped model for None; called once for each checkpoint.

    Returns
    -------
    A list of data sets for each part.

    Raises
    ------
    DataError, CheckpointError
        A data set or model is missing or unreadable; raised before anything is computed.
    """
    with only_writer(out / "cells"), resumable("finished results are kept: the same command goes on"):
        return _run_suite(suite, data, out, load_model)


def _run_suite(
    suite: Suite, data: Path, out: Path, load_model: Callable[[str | None], Model]
) -> list[list[DatasetCells]]:
    suite.require_datasets(data)
    configs = [part.config for part in suite.parts]

    @functools.cache
    def read(path: str | None) -> Model:
        return load_model(path)

    models = [read(config.model) if config.model or _needs_model(config) else None for config in configs]
    clock = _Clock(total=sum(map(_n_cells, configs, models)))
    found = []
    for part, model in zip(suite.parts, models, strict=True):
        if part.title:
            note(part.title)
        found.append([_run_dataset(part.config, data / name, out, model, clock) for name in part.config.datasets])
    return found


def _needs_model(config: BenchmarkConfig) -> bool:
    return any(registered_name(name) in FROM_MODEL for name in config.recommenders)


def _n_cells(config: BenchmarkConfig, model: Model | None) -> int:
    names = {*BASELINES, *map(registered_name, config.recommenders), *model_recommenders(model)}
    return len(config.datasets) * sum(len(_seeds(name, config)) for name in names)


def _run_dataset(
    config: BenchmarkConfig, folder: Path, out: Path, model: Model | None, clock: "_Clock"
) -> DatasetCells:
    dataset = load_for(config.protocol, folder)
    split = make_split(dataset, config.protocol, past=config.past, max_users=config.max_users, seed=config.seeds[0])
    check_targets_unseen(split, model, allow=config.allow_trained_on_targets)
    found = DatasetCells(dataset.name, folder)
    embeddings_NE = model_embeddings(dataset, model)
    for cell in _cells(config, split, out, embeddings_NE, model):
        label = f"{dataset.name}, {cell.recommender}, seed {cell.seed}"
        if cell.is_done:
            clock.skip(label)
        else:
            started = time.monotonic()
            clock.begin(label)
            _make(cell, split, embeddings_NE, model, config)
            clock.end(label, time.monotonic() - started)
        if (reason := cell.refusal) is not None:
            found.refused[cell.recommender] = reason
        else:
            found.reports.setdefault(cell.recommender, []).append(StoredReport.load(cell.path))
    return found


def _cells(
    config: BenchmarkConfig, split: Split, out: Path, embeddings_NE: np.ndarray, model: Model | None
) -> Iterator[Cell]:
    dataset = split.dataset
    of_model = None if model is None else model.sha256
    of_record = None if model is None else json_sha256(dict(model.training_record))
    of_embeddings = arrays_sha256(embeddings_NE)
    for name in names_for(split, config.recommenders, model=model):
        for seed in _seeds(name, config):
            cache_key = {
                **code_version(),
                **dataset_identity(dataset),
                "embeddings_sha256": of_embeddings,
                "protocol": split.protocol,
                "split": {"seed": split.seed, **split.params},
                "queries_sha256": split.queries_sha256,
                "recommender": name,
                "seed": seed,
                "model": of_model if name in FROM_MODEL else None,
                "training_record": of_record if name in FROM_MODEL else None,
                "slices": list(SLICES),
                **({} if config.cut_offs == KS else {"ks": list(config.cut_offs)}),
                **({"plugin": PLUGINS[name]} if name in PLUGINS else {}),
            }
            digest = json_sha256(cache_key)
            folder = out / "cells" / file_name(dataset.name)
            yield Cell(name, seed, cache_key, folder / f"{file_name(name)}-{seed}-{digest[:12]}.json")


def _seeds(name: str, config: BenchmarkConfig) -> list[int]:
    return config.seeds if REGISTRY[name].is_seeded else config.seeds[:1]


def _make(cell: Cell, split: Split, embeddings_NE: np.ndarray, model: Model | None, config: BenchmarkConfig) -> None:
    """Evaluate and store; a refusal of the recommender (no times, too little data) is stored as well."""
    try:
        recommenders = recommenders_for([cell.recommender], embeddings_NE=embeddings_NE, model=model, seed=cell.seed)
        report = evaluate(
            split,
            recommenders,
            ks=config.cut_offs,
            embeddings_NE=embeddings_NE,
            allow_trained_on_targets=config.allow_trained_on_targets,
        )
    except DataError as error:
        note(f"{cell.recommender} on {split.dataset.name}: {error}")
        cell.finish(refused=str(error))
        return
    report.save(cell.path)
    cell.finish()


class _Clock:
    """Progress of a suite: current cell, number of finished cells, ETA from the mean time of a cell."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._seconds: list[float] = []

    def skip(self, label: str) -> None:
        self._done += 1
        self._print(f"{label}: done before")

    def begin(self, label: str) -> None:
        self._print(f"{label} ...")

    def end(self, label: str, seconds: float) -> None:
        self._done += 1
        self._seconds.append(seconds)
        left = (self._total - self._done) * sum(self._seconds) / len(self._seconds)
        self._print(f"{label}: {duration(seconds)}, ETA {duration(left)}")

    def _print(self, text: str) -> None:
        note(f"[{self._done}/{self._total}] {text}")
