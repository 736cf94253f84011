"""`check_recommender`: tests a recommender against the protocol.

    from recgpt.testing import check_recommender

    check_recommender(lambda: MyRecommender(factors=8))     # raises ContractError with the first broken rule

Runs without pytest, in the time of three fits on a made-up data set of 40 users and 60 items.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, NotFittedError
from recgpt.ranking import Exclude, Ranking
from recgpt.recommenders.base import Recommender, Supervision

EXCLUDES: tuple[Exclude, ...] = get_args(Exclude)


class ContractError(AssertionError):
    """A recommender or a world violates a rule of its protocol."""


def made_up_dataset(n_items: int = 60, n_users: int = 40) -> Dataset:
    """A small data set with titles and times, the same at every call; eight interactions a user."""
    rng = np.random.default_rng(0)
    items = pl.DataFrame({"item_id": np.arange(n_items), "title": [f"item {i}" for i in range(n_items)]})
    users = np.repeat(np.arange(n_users), 8)
    events = pl.DataFrame(
        {
            "user_id": users,
            "item_id": np.minimum(rng.geometric(0.08, len(users)), n_items) - 1,
            "position": np.tile(np.arange(8), n_users),
            "timestamp": np.sort(rng.integers(0, 1000, (n_users, 8)), axis=1).ravel(),
        }
    )
    return Dataset.from_frames("made up", events, items)


def check_recommender(make: Callable[[], Recommender], dataset: Dataset | None = None) -> None:
    """Test a recommender against the rules of `Recommender`; returns None if all hold.

    Parameters
    ----------
    make
        Makes a new, unfitted recommender; called three times.
    dataset
        Data set to fit on, of at least 12 items; None takes `made_up_dataset()`.

    Raises
    ------
    ContractError
        The first violated rule, with the result that violates it.
    """
    dataset = made_up_dataset() if dataset is None else dataset
    _check_unfitted(make())
    recommender = make()
    _require(recommender.fit(dataset) is recommender, "fit returns the recommender itself", "another object")
    case = _Case(recommender, dataset.n_items, dataset.n_users)
    for rule in (
        _check_shapes,
        _check_order,
        _check_exclusion,
        _check_candidates,
        _check_batch,
        _check_padding,
        _check_k,
        _check_unknown_ids,
        _check_empty_histories,
        _check_ties,
        _check_saved,
    ):
        rule(case)
    _check_observe(case, make().fit(dataset))


@dataclass(frozen=True)
class _Case:
    """A fitted recommender and the size of its data set."""

    recommender: Recommender
    n_items: int
    n_users: int

    def histories(self, n: int) -> list[list[int]]:
        """`n` histories of 1 to 29 items, the same at every call; repeats occur."""
        rng = np.random.default_rng(1)
        return [rng.integers(0, self.n_items, rng.integers(1, 30)).tolist() for _ in range(n)]

    def events(self) -> Interactions:
        """60 interactions of known and new users, three in a row by each."""
        rng = np.random.default_rng(4)
        user, item = rng.integers(0, self.n_users + 3, 20).repeat(3), rng.integers(0, self.n_items, 60)
        return Interactions(user, item, rng.integers(900, 1200, 60))


def _require(holds: bool, rule: str, found: object) -> None:
    if not holds:
        raise ContractError(f"rule: {rule}; found: {found}")


def _require_same(first: Ranking, second: Ranking, rule: str, *, tolerance: float = 0.0) -> None:
    rows = np.flatnonzero((first.ids != second.ids).any(axis=1))
    _require(not len(rows), rule, f"other ids for history {rows[0] if len(rows) else ''}")
    finite = np.isfinite(first.scores)
    same = np.array_equal(finite, np.isfinite(second.scores)) and bool(
        (np.abs(first.scores[finite] - second.scores[finite]) <= tolerance).all()
    )
    _require(same, rule, "other scores")


@contextmanager
def _refused(rule: str, error: type[Exception], *parts: str) -> Iterator[None]:
    """Require an error whose message holds `parts`."""
    try:
        yield
    except error as raised:
        missing = [part for part in parts if part not in str(raised)]
        _require(not missing, rule, f"{type(raised).__name__} without {missing} in its message: {raised}")
    except Exception as raised:  # any other error violates the rule
        raise ContractError(f"rule: {rule}; found: {type(raised).__name__}: {raised}") from raised
    else:
        raise ContractError(f"rule: {rule}; found: no error")


def _check_unfitted(recommender: Recommender) -> None:
    _require(isinstance(recommender, Recommender), "has name, supervision, fit, rank and observe", type(recommender))
    _require(recommender.supervision in get_args(Supervision), f"supervision is of {Supervision}", recommender)
    with _refused("rank before fit raises NotFittedError", NotFittedError, "fit"):
        recommender.rank([[0]], 1)
    nothing = Interactions(np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32))
    with _refused("observe before fit raises NotFittedError", NotFittedError, "fit"):
        recommender.observe(nothing)


def _check_shapes(case: _Case) -> None:
    k = min(12, case.n_items)
    ranking = case.recommender.rank(case.histories(9), k)
    _require(ranking.ids.shape == ranking.scores.shape == (9, k), f"ids and scores are (9, {k})", ranking.ids.shape)
    _require(ranking.ids.dtype == np.int64, "ids are int64", ranking.ids.dtype)
    _require(ranking.scores.dtype == np.float32, "scores are float32", ranking.scores.dtype)


def _check_order(case: _Case) -> None:
    for exclude in EXCLUDES:
        ranking = case.recommender.rank(case.histories(9), min(12, case.n_items), exclude=exclude)
        for ids, scores in zip(ranking.ids, ranking.scores, strict=True):
            n = int((ids >= 0).sum())
            _require(bool((ids[:n] >= 0).all() and (ids[n:] == -1).all()), "ids are ranked first, then -1", ids)
            _require(bool(np.isneginf(scores[n:]).all()), "where the id is -1 the score is -inf", scores[n:])
            _require(bool(np.isfinite(scores[:n]).all()), "ranked items have finite scores", scores[:n])
            _require(bool((np.diff(scores[:n]) <= 0).all()), "scores do not rise", scores[:n])
            _require(len(set(ids[:n].tolist())) == n, "no item is ranked twice", ids[:n])
            _require(bool((ids < case.n_items).all()), "ids are rows of the catalogue", ids)


def _check_exclusion(case: _Case) -> None:
    histories = case.histories(9)
    rankings = {exclude: case.recommender.rank(histories, case.n_items, exclude=exclude).ids for exclude in EXCLUDES}
    for history, without, everything in zip(histories, rankings["history"], rankings["nothing"], strict=True):
        repeated = set(history) & set(without.tolist())
        _require(not repeated, 'exclude="history" leaves out the items of the history', repeated)
        lost = set(history) - set(everything.tolist())
        _require(not lost, 'exclude="nothing" ranks the items of the history too', f"without {lost}")
    with _refused("an unknown `exclude` raises DataError", DataError, "everything"):
        case.recommender.rank([[0]], 1, exclude="everything")  # type: ignore[arg-type]


def _check_candidates(case: _Case) -> None:
    rule = "candidates restrict a ranking and do not reorder it"
    histories, size = case.histories(6), case.n_items
    candidates = np.random.default_rng(2).permutation(size)[: max(3, size // 8)]
    candidates = np.append(candidates, candidates[0])  # a candidate given twice counts once
    k = min(len(candidates), size)
    for exclude in EXCLUDES:
        full = case.recommender.rank(histories, size, exclude=exclude).ids
        found = case.recommender.rank(histories, k, exclude=exclude, candidates=candidates).ids
        for all_ids, ids in zip(full, found, strict=True):
            expected = [item for item in all_ids.tolist() if item in candidates]
            _require(ids.tolist() == expected + [-1] * (k - len(expected)), rule, ids)
    none = case.recommender.rank(histories[:2], 1, candidates=np.empty(0, dtype=np.int64)).ids
    _require(bool((none == -1).all()), "without candidates nothing is ranked (ids -1)", none)


def _check_batch(case: _Case) -> None:
    rule = "a ranking does not depend on the other histories of the batch, nor on the batch size"
    histories, k = case.histories(65), min(10, case.n_items)
    together = case.recommender.rank(histories, k, exclude="nothing")
    backwards = case.recommender.rank(histories[::-1], k, exclude="nothing")
    _require_same(Ranking(backwards.ids[::-1], backwards.scores[::-1]), together, rule, tolerance=1e-5)
    for row in range(0, 65, 8):
        alone = case.recommender.rank([histories[row]], k, exclude="nothing")
        part = Ranking(together.ids[row : row + 1], together.scores[row : row + 1])
        _require_same(alone, part, rule, tolerance=1e-5)


def _check_padding(case: _Case) -> None:
    rule = "a short history has the same ranking beside a long one (padding)"
    long = [index % case.n_items for index in range(300)]
    k = min(10, case.n_items)
    alone, beside = case.recommender.rank([[1, 2]], k), case.recommender.rank([[1, 2], long], k)
    _require_same(alone, Ranking(beside.ids[:1], beside.scores[:1]), rule, tolerance=1e-5)
    histories = case.histories(7)
    ragged = case.recommender.rank(Ragged.from_lists(histories), k)
    _require_same(case.recommender.rank(histories, k), ragged, "Ragged histories rank as lists do", tolerance=1e-5)


def _check_k(case: _Case) -> None:
    histories = case.histories(3)
    everything = case.recommender.rank(histories, case.n_items)
    rule = "k is cut at the size of the catalogue"
    try:
        more = case.recommender.rank(histories, case.n_items + 1)
    except DataError as refused:
        raise ContractError(f"rule: {rule}; found: {refused}") from refused
    _require(more.ids.shape == everything.ids.shape, rule, more.ids.shape)
    _require_same(more, everything, rule, tolerance=1e-5)
    for k in (0, -1):
        with _refused(f"k={k} raises DataError naming it", DataError, f"k={k}"):
            case.recommender.rank(histories, k)


def _check_unknown_ids(case: _Case) -> None:
    for bad in (case.n_items, -1):
        with _refused("an unknown id raises DataError naming it and its history", DataError, "history 1", str(bad)):
            case.recommender.rank([[1, 2], [3, bad], [4]], 1)
    with _refused("an unknown candidate raises DataError naming it", DataError, "candidates[1]", str(case.n_items)):
        case.recommender.rank([[1]], 1, candidates=np.array([0, case.n_items]))


def _check_empty_histories(case: _Case) -> None:
    rule = "an empty history is ranked, or has ids -1 and scores -inf, and changes no other ranking"
    k = min(4, case.n_items)
    with_empty, without = case.recommender.rank([[5, 6], [], [7]], k), case.recommender.rank([[5, 6], [7]], k)
    _require_same(Ranking(with_empty.ids[[0, 2]], with_empty.scores[[0, 2]]), without, rule, tolerance=1e-5)
    ranked = with_empty.ids[1] >= 0
    _require(bool((np.isfinite(with_empty.scores[1]) == ranked).all()), rule, with_empty.scores[1])
    few: list[list[list[int]]] = [[], [[]]]
    for histories in few:
        shape = case.recommender.rank(histories, k).ids.shape
        _require(shape == (len(histories), k), f"{len(histories)} empty histories give {len(histories)} rows", shape)


def _check_ties(case: _Case) -> None:
    rule = "the first k of a longer ranking are the ranking of k, ties included"
    histories = case.histories(9)
    full = case.recommender.rank(histories, case.n_items, exclude="nothing")
    for k in (1, case.n_items // 2):
        short = case.recommender.rank(histories, k, exclude="nothing")
        _require_same(Ranking(full.ids[:, :k], full.scores[:, :k]), short, rule, tolerance=1e-5)


def _check_saved(case: _Case) -> None:
    """Skipped without `save` and `load`, which are not part of the protocol."""
    save, load = getattr(case.recommender, "save", None), getattr(type(case.recommender), "load", None)
    if save is None or load is None:
        return
    histories: Sequence[Sequence[int]] = [*case.histories(6), []]
    k = min(10, case.n_items)
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "kept")
        loaded = load(Path(folder) / "kept")
        rule = "a recommender that was saved and loaded has the same name and supervision"
        kept = (loaded.name, loaded.supervision)
        _require(kept == (case.recommender.name, case.recommender.supervision), rule, kept)
        first, second = case.recommender.rank(histories, k), loaded.rank(histories, k)
        _require_same(first, second, "a recommender that was saved and loaded ranks the same")


def _check_observe(case: _Case, fresh: Recommender) -> None:
    """`fresh` is a second fit on the same data set; both recommenders observe the same events here."""
    histories: Sequence[Sequence[int]] = [*case.histories(6), []]
    k, events = min(10, case.n_items), case.events()
    same = "two fits on the same data set rank the same"
    _require_same(case.recommender.rank(histories, k), fresh.rank(histories, k), same)
    with _refused("observe raises DataError for an item outside the catalogue", DataError, "event 0"):
        fresh.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([case.n_items], dtype=np.int32)))
    _require_same(case.recommender.rank(histories, k), fresh.rank(histories, k), "refused events change nothing")
    fresh.observe(events)
    for part in (slice(0, 25), slice(25, None)):  # splits the three events of one user
        times = None if events.timestamp is None else events.timestamp[part]
        case.recommender.observe(Interactions(events.user[part], events.item[part], times))
    rule = "to observe events in two calls equals to observe them at once"
    _require_same(case.recommender.rank(histories, k), fresh.rank(histories, k), rule)
