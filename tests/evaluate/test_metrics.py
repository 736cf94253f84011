import importlib.util
import inspect
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError
from recgpt.evaluate import metrics
from recgpt.evaluate.metrics import (
    METRICS,
    MISSED,
    SET_METRICS,
    distinct_pairs,
    hit_at,
    per_case,
    per_case_of_sets,
    relevance,
    target_ranks,
)
from recgpt.ranking import top_k

KS = (1, 2, 3, 5, 8, 20)
RECTOOLS = json.loads((Path(__file__).parent / "rectools_reference.json").read_text())

# Few ids, so that lists hold duplicates, empty places and hits; a list may be shorter or longer than the cut-off.
ranked_lists = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(st.integers(-1, 6), min_size=width, max_size=width), min_size=1, max_size=12)
)


def textbook(ids: list[int], relevant: set[int], k: int) -> dict[str, float]:
    """One case, by the definitions; only the first occurrence of an item is worth anything."""
    gains: list[int] = []
    for place, item in enumerate(ids[:k]):
        gains.append(int(item in relevant and item not in ids[:place]))
    n = len(relevant)
    dcg = sum((2**gain - 1) / math.log2(place + 2) for place, gain in enumerate(gains))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(n, k)))
    precisions = [sum(gains[: place + 1]) / (place + 1) for place, gain in enumerate(gains) if gain]
    return {
        "hit": float(any(gains)),
        "recall": sum(gains) / n if n else 0.0,
        "ndcg": dcg / ideal if n else 0.0,
        "mrr": 1 / (gains.index(1) + 1) if any(gains) else 0.0,
        "map": sum(precisions) / n if n else 0.0,
    }


def tied_lists(rng: np.random.Generator, n: int, k: int) -> list[list[int]]:
    """What `top_k` makes of scores that nearly all tie."""
    return top_k(rng.integers(0, 2, (n, 12)).astype(np.float32), k).ids.tolist()


def adversarial_cases() -> list[tuple[list[int], list[int]]]:
    """Ranked list, relevant items."""
    rng = np.random.default_rng(0)
    random_lists = [rng.choice(12, 6, replace=False).tolist() for _ in range(40)]
    with_holes = [np.where(rng.random(6) < 0.4, -1, rng.integers(0, 12, 6)).tolist() for _ in range(40)]
    ties = tied_lists(rng, 20, 6)
    drawn = [(ids, rng.choice(12, rng.integers(0, 10)).tolist()) for ids in random_lists + with_holes + ties]
    one_target = [(ids, [int(rng.integers(0, 12))]) for ids in random_lists + with_holes + ties]
    return [
        *drawn,
        *one_target,
        ([-1] * 6, [3]),  # empty list
        ([-1] * 6, []),
        ([0, 1, 2, 3, 4, 5], []),  # nothing relevant
        ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),  # all relevant, and all found
        ([0, 1, 2, 3, 4, 5], [6, 7, 8]),  # none found
        ([0, 1, 2, -1, -1, -1], list(range(12))),  # more relevant items than places
        ([4, 4, 4, 4, 4, 4], [4]),  # one item in every place
        ([3, 4, 3, 4, 5, 5], [3, 4, 5, 5, 5]),  # double items on both sides
        ([-1, -1, 7, 7, -1, 8], [8, 7]),  # holes before the hits
    ]


def differences(module) -> set[str]:
    """The metrics of `module` that are not the textbook's on the adversarial cases."""
    cases = adversarial_cases()
    ids_BK, targets = np.array([ids for ids, _ in cases]), Ragged.from_lists([t for _, t in cases])
    expected = {k: [textbook(ids, set(t), k) for ids, t in cases] for k in KS}
    wrong = set()
    with np.errstate(divide="ignore", invalid="ignore"):
        of_sets = module.per_case_of_sets(ids_BK, targets, KS)
        single = [i for i, (_, t) in enumerate(cases) if len(t) == 1]
        of_ranks = module.per_case(module.target_ranks(ids_BK[single], targets[np.array(single)].values), KS)
    for k in KS:
        for name in SET_METRICS:
            if not np.allclose(of_sets[f"{name}@{k}"], [e[name] for e in expected[k]], rtol=0, atol=1e-9):
                wrong.add(name)
        for name in METRICS:
            if not np.allclose(of_ranks[f"{name}@{k}"], [expected[k][i][name] for i in single], rtol=0, atol=1e-9):
                wrong.add(f"{name} of ranks")
    return wrong


def test_metrics_equal_the_textbook():
    assert differences(metrics) == set()


MUTATIONS = {
    "rank from 0": ("found_BK.argmax(axis=1) + 1, MISSED", "found_BK.argmax(axis=1), MISSED"),
    "reciprocal rank from 2": ("1.0 / (relevant_Bk.argmax(axis=1) + 1)", "1.0 / (relevant_Bk.argmax(axis=1) + 2)"),
    # Of one target only: between DCG and ideal DCG of a set the base cancels.
    "natural logarithm": ("1.0 / np.log2(1.0 + ranks_B)", "1.0 / np.log(1.0 + ranks_B)"),
    "log2(rank), one target": ("1.0 / np.log2(1.0 + ranks_B)", "1.0 / np.log2(ranks_B)"),
    "log2(rank)": ("np.log2(1.0 + np.arange(1,", "np.log2(0.0 + np.arange(1,"),
    "hits before k": ("(ranks_B <= k).astype", "(ranks_B < k).astype"),
    "ndcg before k": ("np.where(ranks_B <= k, 1.0 / np.log2", "np.where(ranks_B < k, 1.0 / np.log2"),
    "ndcg to k + 1": ("np.where(ranks_B <= k, 1.0 / np.log2", "np.where(ranks_B <= k + 1, 1.0 / np.log2"),
    "mrr before k": ("np.where(ranks_B <= k, 1.0 / ranks_B", "np.where(ranks_B < k, 1.0 / ranks_B"),
    "lists cut before k": ("return relevant_BK[:, :k]", "return relevant_BK[:, : max(k - 1, 1)]"),
    "lists cut after k": ("return relevant_BK[:, :k]", "return relevant_BK[:, : k + 1]"),
    "no ideal DCG": (".sum(axis=1), ideal[n_ideal_B])", ".sum(axis=1), np.ones(len(n_ideal_B)))"),
    "ideal DCG of k relevant items": ("np.minimum(n_relevant_B, k)", "np.full_like(n_relevant_B, k)"),
    "ideal DCG beyond k": ("np.minimum(n_relevant_B, k)", "n_relevant_B"),
    "items counted twice in a list": (
        "relevant_BK[case[found], ranks[found] - 1] = True",
        "np.logical_or.at(relevant_BK, case, ids_BK[case] == target[:, None])",
    ),
    "targets counted twice": ("np.diff(keys, prepend=-1) > 0", "np.diff(keys, prepend=-1) >= 0"),
    "a missed target is first": ("MISSED = np.iinfo(np.int32).max", "MISSED = 1"),
    "a missed target gains": ("return np.where(ranks_B <= k, 1.0 / np.log2", "return np.where(True, 1.0 / np.log2"),
    "recall of k": (
        "_ratio(_first(relevant_BK, k).sum(axis=1), n_relevant_B)",
        "_first(relevant_BK, k).sum(axis=1) / k",
    ),
    "average precision of k": (
        "precision_Bk).sum(axis=1), n_relevant_B",
        "precision_Bk).sum(axis=1), np.minimum(n_relevant_B, k)",
    ),
    "precision at every place": ("(relevant_Bk * precision_Bk)", "(precision_Bk)"),
    "1 where nothing is relevant": ("out=np.zeros(len(part_B))", "out=np.ones(len(part_B))"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_planted_error_is_caught(mutation, tmp_path):
    right, wrong = MUTATIONS[mutation]
    source = inspect.getsource(metrics)
    assert source.count(right) >= 1, f"metrics.py no longer says {right!r}: plant {mutation!r} where it belongs now"
    (tmp_path / "mutant.py").write_text(source.replace(right, wrong))
    spec = importlib.util.spec_from_file_location("mutant", tmp_path / "mutant.py")
    mutant = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mutant)
    assert differences(mutant)


@given(ranked_lists, st.data())
def test_metrics_equal_the_textbook_on_any_lists(lists, data):
    sets = [data.draw(st.lists(st.integers(0, 6), max_size=9)) for _ in lists]
    targets = [data.draw(st.integers(0, 6)) for _ in lists]
    k = data.draw(st.integers(1, 10))
    of_sets = per_case_of_sets(np.array(lists), Ragged.from_lists(sets), [k])
    of_ranks = per_case(target_ranks(np.array(lists), np.array(targets)), [k])
    for place, ids in enumerate(lists):
        for name, expected in textbook(ids, set(sets[place]), k).items():
            assert of_sets[f"{name}@{k}"][place] == pytest.approx(expected, abs=1e-12)
        expected = textbook(ids, {targets[place]}, k)
        assert expected["recall"] == expected["hit"]
        assert expected["map"] == pytest.approx(expected["mrr"], abs=1e-12)
        for name in METRICS:
            assert of_ranks[f"{name}@{k}"][place] == pytest.approx(expected[name], abs=1e-12)


@given(ranked_lists, st.data())
def test_the_two_ways_agree_to_the_last_bit_on_one_target(lists, data):
    targets = np.array([data.draw(st.integers(0, 6)) for _ in lists])
    one_each = Ragged(targets, np.arange(len(targets) + 1))
    of_sets = per_case_of_sets(np.array(lists), one_each, KS)
    for name, values in per_case(target_ranks(np.array(lists), targets), KS).items():
        assert (values == of_sets[name]).all()


@given(ranked_lists, st.data())
def test_metrics_grow_with_k_and_hit_bounds_the_others(lists, data):
    sets = Ragged.from_lists([data.draw(st.lists(st.integers(0, 6), max_size=4)) for _ in lists])
    values = per_case_of_sets(np.array(lists), sets, range(1, 10))
    for k in range(1, 9):
        for name in ("hit", "recall", "mrr", "map"):  # NDCG may fall: its ideal list grows too
            assert (values[f"{name}@{k}"] <= values[f"{name}@{k + 1}"]).all()
        for name in ("recall", "ndcg", "mrr", "map"):
            assert (values[f"{name}@{k}"] <= values[f"hit@{k}"] + 1e-12).all()


@pytest.fixture(scope="module")
def ranx():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes a minute; the cases are small enough without
        return pytest.importorskip("ranx")


@pytest.mark.slow  # importing ranx takes seconds
@pytest.mark.parametrize("k", KS)
def test_metrics_equal_ranx(ranx, k):
    cases = adversarial_cases()
    values = per_case_of_sets(np.array([ids for ids, _ in cases]), Ragged.from_lists([t for _, t in cases]), [k])
    # ranx leaves no place empty: names that are nobody's target hold empty places and those of items seen before.
    run, qrels = {}, {}
    for case, (ids, targets) in enumerate(cases):
        new = [item >= 0 and item not in ids[:place] for place, item in enumerate(ids)]
        names = [str(item) if new[place] else f"empty {place}" for place, item in enumerate(ids)]
        run[f"{case:04}"] = {name: 1 / (place + 1) for place, name in enumerate(names)}
        qrels[f"{case:04}"] = {str(target): 1 for target in targets}
    theirs = {"hit": "hit_rate", "recall": "recall", "ndcg": "ndcg", "mrr": "mrr", "map": "map"}
    found = ranx.evaluate(
        ranx.Qrels(qrels), ranx.Run(run), [f"{name}@{k}" for name in theirs.values()], return_mean=False
    )
    for ours, name in theirs.items():
        np.testing.assert_allclose(values[f"{ours}@{k}"], found[f"{name}@{k}"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, case in RECTOOLS.items() if "hit@1" in case["rectools"]])
def test_metrics_equal_rectools(name):
    case = RECTOOLS[name]
    ids_BK, targets = np.array(case["lists"]), Ragged.from_lists(case["targets"])
    n_relevant = targets.lengths
    for k in (1, 3, 5, 20):
        values = per_case_of_sets(ids_BK, targets, [k])
        discounts = 1 / np.log2(np.arange(2, k + 2))
        ideal = np.array([discounts[: min(n, k)].sum() for n in n_relevant])
        # By default RecTools' NDCG is relative to a list of k relevant items, however few a user has.
        values[f"ndcg_of_k_relevant@{k}"] = values[f"ndcg@{k}"] * ideal / discounts.sum()
        values[f"map_of_k_relevant@{k}"] = values[f"map@{k}"] * n_relevant / k
        for metric, ours in values.items():
            theirs = case["rectools"][metric]
            assert [e is None for e in theirs] == (n_relevant == 0).tolist()  # a user without items is not in its table
            np.testing.assert_allclose(ours, [e or 0.0 for e in theirs], rtol=0, atol=1e-9)


def test_ranks_are_one_based_and_missed_is_beyond_every_cut_off():
    ids = np.array([[7, 3, 5], [7, 3, 5], [3, -1, -1]])
    assert target_ranks(ids, np.array([7, 5, 9])).tolist() == [1, 3, MISSED]
    assert hit_at(np.array([MISSED]), 10**9).tolist() == [0.0]


def test_relevance_marks_the_first_occurrence_and_counts_different_items():
    ids = np.array([[4, 4, 2, -1], [1, 0, 3, 5], [0, 1, 2, 3]])
    relevant, n_relevant = relevance(ids, Ragged.from_lists([[2, 4, 4], [5, 9], []]))
    assert relevant.tolist() == [[True, False, True, False], [False, False, False, True], [False] * 4]
    assert n_relevant.tolist() == [2, 2, 0]


def test_relevance_does_not_depend_on_how_the_pairs_are_chunked(monkeypatch):
    rng = np.random.default_rng(0)
    ids, targets = rng.integers(-1, 20, (50, 5)), Ragged.from_lists([rng.integers(0, 20, 4) for _ in range(50)])
    whole = per_case_of_sets(ids, targets, KS)
    monkeypatch.setattr(metrics, "_PAIRS_PER_CHUNK", 7)
    for name, values in per_case_of_sets(ids, targets, KS).items():
        assert (values == whole[name]).all()


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8))
def test_distinct_pairs_are_the_sets(sequences):
    owners, values = distinct_pairs(Ragged.from_lists(sequences))
    assert list(zip(owners.tolist(), values.tolist(), strict=True)) == [
        (owner, value) for owner, sequence in enumerate(sequences) for value in sorted(set(sequence))
    ]


def test_no_cases_give_no_values():
    values = per_case_of_sets(np.empty((0, 5), dtype=np.int64), Ragged.from_lists([]), [10])
    assert [v.shape for v in values.values()] == [(0,)] * len(SET_METRICS)


def test_bad_arguments_are_named():
    ids = np.array([[0, 1], [2, 3]])
    with pytest.raises(DataError, match="2 ranked lists for 1 sets"):
        relevance(ids, Ragged.from_lists([[0]]))
    with pytest.raises(DataError, match="case 1 has the target -1"):  # it would be found in every empty place
        relevance(ids, Ragged.from_lists([[0], [3, -1]]))
    for metric in SET_METRICS.values():
        with pytest.raises(DataError, match="k=0"):
            metric(*relevance(ids, Ragged.from_lists([[0], [3]])), 0)


@pytest.mark.slow
def test_a_million_users_with_several_targets_take_seconds():
    rng = np.random.default_rng(0)
    n_users = 1_000_000
    ids_BK = rng.integers(0, 10_000, (n_users, 20))
    lengths = rng.integers(1, 4, n_users)
    targets = Ragged(rng.integers(0, 10_000, lengths.sum()), offsets_from_lengths(lengths))
    started = time.process_time()  # a busy machine is no bug
    values = per_case_of_sets(ids_BK, targets, [10])
    seconds = time.process_time() - started
    print(f"{len(values)} metrics of {n_users:,} users: {seconds:.2f} s")
    assert seconds < 5
