"""Rank the whole catalogue for every case of a split and measure where the held-out item ended up.

    split = leave_one_out(dataset, past="train")
    report = evaluate(dataset, split, [make("copy_last"), make("popularity"), make("text_knn")])
    report.save("report.json")

All recommenders of one report are fitted on the same past and answer the same cases.
"""

import platform
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import recgpt
from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.errors import DataError
from recgpt.evaluate.metrics import bootstrap_ci, per_case, target_ranks
from recgpt.evaluate.protocols import SLICES, known_dataset, slice_cases
from recgpt.evaluate.report import Report, Result
from recgpt.progress import Meter
from recgpt.recommenders.base import Recommender
from recgpt.topk import Exclude

KS = (1, 3, 5, 10)


def evaluate(
    dataset: Dataset,
    split: Split,
    recommenders: Sequence[Recommender],
    *,
    ks: Sequence[int] = KS,
    batch_size: int = 256,
    resamples: int = 2000,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """Fit every recommender on the split's past and measure it on all slices over the full catalogue.

    Parameters
    ----------
    dataset : what `split` was made from.
    recommenders : with different names; each is fitted here.
    ks : cut-offs, none larger than the catalogue.
    batch_size : histories a `rank` call; changes speed and memory, never the figures.
    resamples, seed : of the bootstrap.

    Raises
    ------
    DataError
        If there is no case or no recommender to evaluate, or two recommenders share a name.
    """
    _check(split, recommenders, ks)
    ks = tuple(sorted(ks))
    known = known_dataset(dataset, split)
    cases = slice_cases(split)
    ranks: dict[str, dict[str, np.ndarray]] = {}
    seconds: dict[str, dict[str, float]] = {}
    for recommender in recommenders:
        started = time.perf_counter()
        recommender.fit(known)
        fitted = time.perf_counter()
        ranks[recommender.name] = _ranks(recommender, split, cases, max(ks), batch_size, progress)
        seconds[recommender.name] = {
            "fit": round(fitted - started, 3),
            "rank": round(time.perf_counter() - fitted, 3),
        }
    results = [
        _result(recommender.name, name, ranks[recommender.name][name], split.users[cases[name]], ks, resamples, seed)
        for name in SLICES
        for recommender in recommenders
    ]
    return Report(
        dataset=dataset.name,
        protocol=split.protocol,
        n={name: len(cases[name]) for name in ("all", "explore", "repeat")},
        ks=ks,
        results=results,
        context=_context(dataset, split, resamples, seed, seconds),
        cases=cases,
        ranks=ranks,
    )


def _check(split: Split, recommenders: Sequence[Recommender], ks: Sequence[int]) -> None:
    names = [recommender.name for recommender in recommenders]
    if not names:
        raise DataError("there is no recommender to evaluate: name at least one")
    if len(set(names)) < len(names):
        raise DataError(f"two recommenders share a name in {', '.join(names)}: give each its own")
    if len(split) == 0:
        raise DataError(f"{split.protocol}: the split has no case: leave-one-out needs users with three items or more")
    if not ks or min(ks) < 1:
        raise DataError(f"ks={tuple(ks)}: cut-offs start at 1")


def _ranks(
    recommender: Recommender, split: Split, cases: dict[str, np.ndarray], k: int, batch_size: int, progress: bool
) -> dict[str, np.ndarray]:
    """Rank each case once with nothing left out, and once more without its history if its target is new."""
    n_rankings = len(cases["all"]) + len(cases["explore"])
    with Meter(f"ranking with {recommender.name}", n_rankings, disable=not progress) as meter:

        def ranks_of(chosen: np.ndarray, exclude: Exclude) -> np.ndarray:
            ranks = np.empty(len(chosen), dtype=np.int64)
            for start in range(0, len(chosen), batch_size):
                batch = chosen[start : start + batch_size]
                ranking = recommender.rank(split.histories[batch], k, exclude=exclude)
                ranks[start : start + batch_size] = target_ranks(ranking.ids, split.targets[batch])
                meter.update(len(batch))
            return ranks

        everything = ranks_of(cases["all"], SLICES["all"])
        return {
            "explore": ranks_of(cases["explore"], SLICES["explore"]),
            "all": everything,
            "repeat": everything[cases["repeat"]],
        }


def _result(
    recommender: str,
    slice_name: str,
    ranks: np.ndarray,
    users: np.ndarray,
    ks: tuple[int, ...],
    resamples: int,
    seed: int,
) -> Result:
    values = per_case(ranks, ks)
    if len(ranks) == 0:
        return Result(recommender, slice_name, dict.fromkeys(values), dict.fromkeys(values))
    return Result(
        recommender,
        slice_name,
        {name: float(value.mean()) for name, value in values.items()},
        {name: bootstrap_ci(value, users, resamples=resamples, seed=seed) for name, value in values.items()},
    )


def _context(
    dataset: Dataset, split: Split, resamples: int, seed: int, seconds: dict[str, dict[str, float]]
) -> dict[str, Any]:
    return {
        "split": {"seed": split.seed, **split.params},
        "repeats": dataset.manifest["repeats"],
        "items": dataset.n_items,
        "bootstrap": {"resamples": resamples, "seed": seed},
        "data_fingerprint": {
            "items_sha256": dataset.items_sha256,
            "interactions_sha256": dataset.interactions_sha256,
        },
        "versions": {
            "recgpt": recgpt.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "seconds": seconds,
    }
