"""Evaluation: fit recommenders on a split's past, rank the whole catalogue for every query, and measure accuracy.

    split = leave_one_out(dataset, past="train")
    report = evaluate(split, [make("copy_last"), make("popularity"), make("text_knn")])
    report.save("report.json")

All recommenders of one report are fitted on the same past and rank for the same queries.
Suffixes: B queries, K places of a ranked list, N items in the catalogue, E embedding width.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import torch

from recgpt.arguments import check_iterable, check_type, shown
from recgpt.config import check_number
from recgpt.data.splits import Split
from recgpt.data.splits.negatives import drawn_candidates
from recgpt.device import hardware
from recgpt.errors import DataError
from recgpt.evaluate.beyond_accuracy import beyond_accuracy, category_weights, users_per_item
from recgpt.evaluate.config import KS
from recgpt.evaluate.lists import StoredLists
from recgpt.evaluate.metrics import per_case, target_ranks
from recgpt.evaluate.protocols import SLICES, case_table, headline
from recgpt.evaluate.report import Report, Result, ranks_column
from recgpt.evaluate.significance import bootstrap_ci
from recgpt.evaluate.training_past import check_targets_unseen, model_facts
from recgpt.models import Model
from recgpt.progress import Meter
from recgpt.ranking import Exclude
from recgpt.recommenders import PLUGINS
from recgpt.recommenders.base import Recommender
from recgpt.version import __version__

RESAMPLES = 2_000  # of the bootstrap


def evaluate(
    split: Split,
    recommenders: Sequence[Recommender],
    *,
    ks: Sequence[int] = KS,
    embeddings_NE: np.ndarray | None = None,
    batch_size: int = 256,
    seed: int = 0,
    progress: bool = True,
    allow_trained_on_targets: bool = False,
    lists: Sequence[StoredLists] = (),
) -> Report:
    """Fit every recommender on the split's past and evaluate it on all slices over the full catalogue.

    Only `published_99_negatives` ranks other items: the target and 99 drawn ones.

    Parameters
    ----------
    recommenders
        Recommenders with different names; each is fitted here.
    ks
        Cut-offs, from 1 on. Lists are as long as the largest, at most the whole catalogue; figures keep the cut-off
        that was asked for.
    embeddings_NE
        (N, E) text embeddings, for the intra-list diversity; None leaves it out.
    batch_size
        Histories a `rank` call; changes speed and memory, never the metrics.
    seed
        Seed of the bootstrap.
    progress
        Whether progress bars are shown.
    allow_trained_on_targets
        Whether pre-trained models that were trained on targets of the split are evaluated, and marked, not refused.
    lists
        Lists of other tools, under names of their own.

    Raises
    ------
    DataError
        A pre-trained model was trained on targets of the split, the split leaks, has no query, there is no
        recommender, or two recommenders share a name.
    """
    check_type(split, Split, "split", "make one with recgpt.data.splits.make_split")
    check_iterable(recommenders, "recommenders", "give a list of recommenders")
    for each in recommenders:
        if not (hasattr(each, "name") and hasattr(each, "rank")):
            raise DataError(f"recommenders holds {shown(each)}, which is no recommender: give fitted or new ones")
    compared: list[Recommender | StoredLists] = [*recommenders, *lists]
    _check(split, compared, ks)
    check_number("batch_size", batch_size, at_least=1, whole=True)
    check_number("seed", seed, at_least=0, whole=True)
    split.check_no_leak()
    if lists and drawn_candidates(split) is not None:
        raise DataError(
            f"{split.protocol} ranks drawn items, but lists of another tool are of the whole catalogue: leave --lists "
            "out, or choose another protocol"
        )
    models = {each.name: model for each in recommenders if (model := getattr(each, "pretrained_model", None))}
    for model in models.values():
        check_targets_unseen(split, model, allow=allow_trained_on_targets)
    ks = tuple(sorted({int(k) for k in ks}))
    known = split.known
    cases = case_table(split)
    places = {name: np.flatnonzero(each.holds(cases).to_numpy()) for name, each in SLICES.items()}
    count_N = np.bincount(known.interactions.item, minlength=known.n_items)
    users_N = users_per_item(known.sequences, known.n_items)
    categories_NC = category_weights(known.items)
    lists_shown = SLICES[headline(split.protocol)].exclude
    results: list[Result] = []
    beyond: dict[str, dict[str, Any]] = {}
    seconds: dict[str, dict[str, float]] = {}
    for recommender in compared:
        started = fitted = time.perf_counter()
        if isinstance(recommender, StoredLists):
            ranked_lists = recommender.for_queries(split, max(ks))
        else:
            recommender.fit(known)
            fitted = time.perf_counter()
            ranked_lists = _lists(recommender, split, max(ks), batch_size, progress)
        ranked = time.perf_counter()
        seconds[recommender.name] = {"fit": round(fitted - started, 3), "rank": round(ranked - fitted, 3)}
        ranks = {exclude: target_ranks(ids_BK, split.targets) for exclude, ids_BK in ranked_lists.items()}
        cases = cases.with_columns(
            pl.Series(ranks_column(recommender.name, exclude), ranks_B, dtype=pl.Int32)
            for exclude, ranks_B in ranks.items()
        )
        results += [
            _result(
                recommender.name,
                name,
                ranks[each.exclude][places[name]],
                split.users[places[name]],
                ks,
                seed,
            )
            for name, each in SLICES.items()
        ]
        beyond[recommender.name] = beyond_accuracy(
            ranked_lists[lists_shown],
            max(ks),
            counts_N=count_N,
            users_N=users_N,
            n_users=max(1, int((known.sequences.lengths > 0).sum())),
            embeddings_NE=embeddings_NE,
            categories_NC=categories_NC,
            histories=split.histories,
        )
    in_slices = {name: len(np.unique(split.users[rows])) for name, rows in places.items()}
    users = {**split.user_counts(), "in_slices": in_slices}
    return Report(
        dataset=split.dataset.name,
        protocol=split.protocol,
        n={name: len(rows) for name, rows in places.items()},
        ks=ks,
        supervision={each.name: each.supervision for each in compared},
        results=results,
        beyond_accuracy=beyond,
        context={
            **_context(split, seed, seconds),
            "models": _models(split, models),
            "users": users,
            **_of_lists(split, lists, ks),
        },
        cases=cases,
    )


def _models(split: Split, models: Mapping[str, Model]) -> dict[str, dict[str, Any]]:
    facts = {id(model): model_facts(split, model) for model in models.values()}
    return {name: facts[id(model)] for name, model in models.items()}


def _of_lists(split: Split, lists: Sequence[StoredLists], ks: Sequence[int]) -> dict[str, Any]:
    """Facts of the lists of other tools, for a report that has some."""
    return {"lists": {each.name: each.facts(split, max(ks)) for each in lists}} if lists else {}


def _check(split: Split, recommenders: Sequence[Recommender | StoredLists], ks: Sequence[int]) -> None:
    names = [recommender.name for recommender in recommenders]
    if not names:
        raise DataError("there is no recommender to evaluate: name at least one")
    if len(set(names)) < len(names):
        raise DataError(f"two recommenders share a name in {', '.join(names)}: give each its own")
    if len(split) == 0:
        raise DataError(f"{split.protocol}: the split has no case: leave-one-out needs users with three items or more")
    if not isinstance(ks, Sequence) or not ks or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks):
        raise DataError(f"ks={ks!r}: a list of whole numbers is needed, such as (5, 10); cut-offs start at 1")


def _lists(
    recommender: Recommender, split: Split, k: int, batch_size: int, progress: bool
) -> dict[Exclude, np.ndarray]:
    """(B, K) best items of each query, K at most the catalogue, with nothing excluded and with its history excluded.

    Both lists are cut from one ranking of K + (length of the history) items.
    """
    n_items = split.dataset.n_items
    k = min(k, n_items)
    candidates_BC = drawn_candidates(split)
    if candidates_BC is not None:
        return _lists_of_candidates(recommender, split, min(k, candidates_BC.shape[1]), candidates_BC, progress)
    lists: dict[Exclude, np.ndarray] = {
        "nothing": np.full((len(split), k), -1, dtype=np.int32),
        "history": np.full((len(split), k), -1, dtype=np.int32),
    }
    with Meter(f"ranking with {recommender.name}", len(split), disable=not progress) as meter:
        for start in range(0, len(split), batch_size):
            batch = np.arange(start, min(start + batch_size, len(split)))
            histories = split.histories[batch]
            longest = min(n_items, k + int(histories.lengths.max(initial=0)))
            ids_BL = recommender.rank(histories, longest, exclude="nothing").ids
            lists["nothing"][batch] = ids_BL[:, :k]
            had = np.repeat(np.arange(len(batch)), histories.lengths)
            is_had_BN = np.zeros((len(batch), n_items), dtype=bool)
            is_had_BN[had, histories.values] = True
            new_BL = ~np.take_along_axis(is_had_BN, np.maximum(ids_BL, 0), axis=1) & (ids_BL >= 0)
            place_BL = np.cumsum(new_BL, axis=1) - 1
            row, column = np.nonzero(new_BL & (place_BL < k))
            lists["history"][batch[row], place_BL[row, column]] = ids_BL[row, column]
            meter.update(len(batch))
    return lists


def _lists_of_candidates(
    recommender: Recommender, split: Split, k: int, candidates_BC: np.ndarray, progress: bool
) -> dict[Exclude, np.ndarray]:
    """As `_lists`, of each query's own candidates, one query at a time."""
    best: dict[Exclude, list[np.ndarray]] = {"nothing": [], "history": []}
    with Meter(f"ranking with {recommender.name}", len(split), disable=not progress) as meter:
        for query, candidates in enumerate(candidates_BC):
            history = split.histories[query : query + 1]
            for exclude, rows in best.items():
                if exclude == "history" and not np.isin(candidates, history.values).any():
                    rows.append(best["nothing"][-1])
                else:
                    rows.append(recommender.rank(history, k, exclude=exclude, candidates=candidates).ids[0])
            meter.update(1)
    return {exclude: np.array(rows, dtype=np.int32) for exclude, rows in best.items()}


def _result(
    recommender: str,
    slice_name: str,
    ranks: np.ndarray,
    users: np.ndarray,
    ks: tuple[int, ...],
    seed: int,
) -> Result:
    values = per_case(ranks, ks)
    if len(ranks) == 0:
        return Result(recommender, slice_name, dict.fromkeys(values), dict.fromkeys(values))
    return Result(
        recommender,
        slice_name,
        {name: float(value.mean()) for name, value in values.items()},
        {name: bootstrap_ci(value, users, resamples=RESAMPLES, seed=seed) for name, value in values.items()},
    )


def _context(split: Split, seed: int, seconds: dict[str, dict[str, float]]) -> dict[str, Any]:
    dataset = split.dataset
    used = {name: PLUGINS[name] for name in seconds if name in PLUGINS}
    return {
        "made": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "split": {"seed": split.seed, **split.params},
        "repeats": dataset.manifest["repeats"],
        "items": dataset.n_items,
        "bootstrap": {"resamples": RESAMPLES, "seed": seed},
        "data_fingerprint": {
            "items_sha256": dataset.items_sha256,
            "interactions_sha256": dataset.interactions_sha256,
        },
        "versions": {
            "recgpt": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "seconds": seconds,
        **({"plugins": used} if used else {}),
    }
