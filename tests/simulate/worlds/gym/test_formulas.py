"""Golden values of EmoSim-RL: retrieval, perturbation, shaping, memory, observation, masks."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Likeness
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.memory import Memory
from recgpt.simulate.worlds.gym.perturbation import gaussian, greedy, perturbed
from recgpt.simulate.worlds.gym.retrieval import Remembered, Similarity, best, cosines, decayed_emotion, dice, last
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.shaping import (
    Churn,
    Satisfaction,
    exp_decay_time,
    kept_share,
    random_watch,
    same_film_terminate,
)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "fixtures/emosim/golden.json").read_text(encoding="utf-8"))


def remembered(ratings: list[float], times: list[int]) -> Remembered:
    return Remembered(np.arange(len(times))[None], np.array([ratings], float), np.array([times]).reshape(1, -1))


def unit(rows: Any, width: int) -> np.ndarray:
    rows = np.array(rows, dtype=np.float64).reshape(-1, width)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)


def found(score_EM: np.ndarray, k: int) -> list[int]:
    places = best(score_EM, np.ones(score_EM.shape, dtype=bool), k)[0][0]
    return places[places >= 0].tolist()


def test_most_similar(golden):
    for case in golden["most_similar_k"]["cases"]:
        width = len(case["candidate"])
        candidate, history = unit(case["candidate"], width), unit(case["history"], width)[None]
        cosine = np.round(
            cosines(candidate, history), 12
        )  # ties do not hang on the last bit: the first met comes first
        assert cosine[0] == pytest.approx([0.0 if value == "nan" else value for value in case["cosine"]], abs=1e-11)
        places = found(cosine, case["k"])
        scores = cosine[0][case["retrieved_correct"]]
        assert cosine[0][places].tolist() == scores.tolist(), case["name"]
        if len(set(cosine[0].tolist())) == len(cosine[0]):
            assert places == case["retrieved_correct"], case["name"]


def test_last(golden):
    for case in golden["last_k"]["cases"]:
        places = found(last(remembered([5.0] * len(case["timestamps"]), case["timestamps"])), case["k"])
        assert places == case["retrieved"], case["name"]


def test_decay_emotion(golden):
    for case in golden["decay_emotion_k"]["cases"]:
        width, history = len(case["candidate"]), case["history"]
        if not history:
            continue
        vectors = unit([one["embedding"] for one in history], width)[None]
        memory = remembered([one["rating"] for one in history], [one["time"] for one in history])
        scores = decayed_emotion(
            cosines(unit(case["candidate"], width), vectors),
            memory,
            emotions_of(memory.ratings_EM, Scale(*case["scale"]), GymRules()),
            decay=case["lam"],
            bonus=case["bonus"],
            consider_arousal=case["consider_arousal"],
        )
        assert scores[0] == pytest.approx(case["scores_correct"], abs=1e-9), case["name"]
        assert found(np.round(scores, 12), case["k"]) == case["retrieved_correct"], case["name"]


def similarity_of(which: str, facts: list[dict[str, Any]]) -> Similarity:
    items = SimpleNamespace(
        tags=[one.get("genres", one.get("cats", [])) for one in facts],
        people=[one.get("actors", one.get("authors", [])) for one in facts],
        directors=[one.get("director", "") for one in facts],
        average_N=np.array([one["vote"] for one in facts]),
        unit_NE=np.ones((2, 1), dtype=np.float32),
    )
    films = which == "simple_films"
    terms = [
        Likeness("tags", "dice"),
        Likeness("people", "dice"),
        Likeness("average_N", "vote", 10 if films else 5),
        *([Likeness("directors", "equal")] if films else []),
    ]
    return Similarity(items, terms)


def test_simple_films_and_books(golden):
    for which, pairs in (("simple_films", "suggested"), ("simple_books", "published")):
        for case in golden[which]["cases"]:
            similarity = similarity_of(which, [case["a"], case["b"]])
            assert similarity.of_facts(np.array([1]), np.array([[0]]))[0, 0] == pytest.approx(case[pairs], abs=1e-11), (
                case["name"]
            )


@given(st.lists(st.sampled_from(range(6)), max_size=5), st.lists(st.sampled_from(range(6)), max_size=5))
def test_dice_is_the_formula(one, other):
    def padded(entries: list[int]) -> np.ndarray:
        distinct = list(dict.fromkeys(entries))
        return np.array([distinct + [-1] * (5 - len(distinct))])

    a, b = set(one), set(other)
    expected = 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0
    assert dice(padded(one), padded(other))[0] == expected
    assert dice(padded(one), padded(other))[0] == dice(padded(other), padded(one))[0]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8), st.integers(0, 10))
def test_best_is_a_stable_sort(scores, k):
    score_EM = np.array([scores], dtype=np.float64)
    is_there = np.arange(len(scores))[None] % 3 != 2
    expected = [place for place in np.argsort(-score_EM[0], kind="stable") if is_there[0, place]][:k]
    place_Ek, score_Ek = best(score_EM, is_there, k)
    assert place_Ek[0].tolist() == expected + [-1] * (k - len(expected))
    assert np.isnan(score_Ek[0, len(expected) :]).all()


def test_perturbator_projection(golden):
    for step, lowest, highest, x, projected in golden["perturbator_projection"]["cases"]:
        assert Scale(lowest, highest, step).project(np.array(x)) == projected


def test_perturbators_with_stored_draws(golden):
    for case in golden["perturbators"]["cases"]:
        scale = Scale(case["lowest"], case["highest"])
        ours = perturbed(np.array(case["ratings"], float), np.array(case["draws"], float), scale)
        assert ours.tolist() == case["published"]


def test_perturbators_have_their_distributions():
    key_E, step_E = np.arange(20_000, dtype=np.uint64), np.ones(20_000, dtype=np.int64)
    shift_E = gaussian(key_E, step_E)
    assert abs(shift_E.mean()) < 0.02
    assert shift_E.std() == pytest.approx(0.5, abs=0.01)
    shares = [(greedy(key_E, step_E) == shift).mean() for shift in (-1, 0, 1)]
    assert shares == pytest.approx([0.1, 0.8, 0.1], abs=0.01)


def meeting(times: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([len(times)]), np.array([times[-1] - times[-2] if len(times) > 1 else 0])


def test_exp_decay_time(golden):
    for rating, times, q, step, lowest, highest, reward, _ in golden["exp_decay_time"]["cases"]:
        ours = exp_decay_time(np.array([float(rating)]), *meeting(times), Scale(lowest, highest, step), q)
        assert ours[0] == reward, (rating, times)


def test_random_watch(golden):
    for rating, times, q, _, p, u, reward, _ in golden["random_watch"]["cases"]:
        if p is not None:
            assert kept_share(*meeting(times), q)[0] == pytest.approx(p, abs=1e-11)
        ours = random_watch(np.array([float(rating)]), *meeting(times), np.array([u if u is not None else 0.99]), q)
        assert ours[0] == reward


def test_same_film_terminate(golden):
    for rating, times, reward, terminates in golden["same_film_terminate"]["cases"]:
        ours = same_film_terminate(np.array([float(rating)]), meeting(times)[0])
        assert (ours[0][0], ours[1][0]) == (reward, terminates)


def test_churn_satisfaction(golden):
    for case in golden["churn_satisfaction"]["cases"]:
        parameters = dict(case["parameters"])
        alpha = parameters.pop("ema_alpha")
        churn, now = Churn(**parameters), Satisfaction.fresh(1)
        for rating, ema, low_streak, p, u, terminates, _ in case["trace"]:
            rating_E = np.array([float(rating)])
            now = now.after(rating_E, alpha=alpha, threshold=churn.low_threshold)
            assert now.ema_E[0] == pytest.approx(ema, abs=1e-11)
            assert now.low_streak_E[0] == low_streak
            p_leave = churn.p_leave(rating_E, now)[0]
            if p is not None:
                assert p_leave == pytest.approx(p, abs=1e-11)
            assert (p_leave > (0 if u is None else u)) == terminates, case["name"]
            assert bool(churn.at_streak(now)[0]) == (terminates and u is None)


def test_churn_probability(golden):
    for ema, low_threshold, prob_scale, p in golden["churn_probability"]["cases"]:
        churn = Churn(low_threshold, low_streak_threshold=9, min_steps=1, prob_scale=prob_scale)
        now = Satisfaction.fresh(1).after(np.array([float(ema)]), alpha=1, threshold=low_threshold)
        assert churn.p_leave(np.array([float(ema)]), now)[0] == pytest.approx(p, abs=1e-11)


def test_memory(golden):
    for case in golden["memory"]["cases"]:
        log: list[tuple[int, float, int]] = []
        clock = 0
        for name, *arguments in case["operations"]:
            if name == "add":
                for item, rating in zip(*arguments, strict=True):
                    clock += 1
                    log.append((item, rating, clock))
            elif name == "forget":
                log = [entry for entry in log if entry[0] != arguments[0]]
            else:
                log.pop(max(place for place, entry in enumerate(log) if entry[0] == arguments[0]))
        memory, row = Memory(1), np.array([0])
        for item, rating, time in log:
            memory.add(row, np.array([item]), np.array([float(rating)]), np.array([time]))
        ours = memory.remembered(row)
        there = ours.is_there_EM[0]
        valence, arousal = emotions_of(ours.ratings_EM, Scale(1, 10), GymRules())
        columns = (ours.ratings_EM, ours.times_EM, memory.met_EM[:, : len(there)], valence, arousal)
        latest = np.stack([np.asarray(column, float)[0] for column in columns], axis=1)[there]
        assert ours.items_EM[0][there].tolist() == case["items"], case["name"]
        assert latest.tolist() == np.array(case["latest"], float).reshape(-1, 5).tolist(), case["name"]
        for item, times_met in case["times_met"].items():
            assert memory.met(row, np.array([int(item)]))[0][0] == times_met


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 10)), max_size=60))
def test_memory_is_the_latest_of_each_item_in_order_of_first_meeting(interactions):
    memory, row = Memory(3), np.array([1])
    for item, rating in interactions:
        memory.add(row, np.array([item]), np.array([float(rating)]))
    items = list(dict.fromkeys(item for item, _ in interactions))
    latest = {item: (float(rating), time) for time, (item, rating) in enumerate(interactions, 1)}
    ours = memory.remembered(row)
    there = ours.is_there_EM[0]
    assert ours.items_EM[0][there].tolist() == items
    assert list(zip(ours.ratings_EM[0][there], ours.times_EM[0][there], strict=True)) == [
        latest[item] for item in items
    ]
    log_items, _ = memory.log(row)
    assert log_items[0][: len(interactions)].tolist() == [item for item, _ in interactions]
    newest = memory.latest(row, 3)[0][0].tolist()
    assert newest == ([item for item, _ in reversed(interactions)] + [-1] * 3)[:3]
    assert memory.n_E.tolist() == [0, len(items), 0]
    copy = Memory(1)
    copy.recall(0, memory.past(1))
    assert copy.remembered(np.array([0])).items_EM[0][: len(items)].tolist() == items


def test_masks_leave_seen_items_out(golden, make_engine):
    for case in golden["masks"]["cases"]:
        engine = make_engine(n_items=len(case["values"]))
        engine.reset([0], history=[(item, 5.0) for item in case["seen"]])
        allowed = engine.allowed()[0]
        assert np.flatnonzero(~allowed).tolist() == sorted(case["seen"])
        if case["dqn_correct"] is not None:
            values = np.where(allowed, np.array(case["values"], float), -np.inf)
            assert values.argmax() == case["dqn_correct"]
            weights = np.exp(values)
            assert weights / weights.sum() == pytest.approx(case["actor_probabilities"], abs=1e-6)
        else:
            assert not allowed.any()
