"""Taste alignment: what is drawn, what the controls can tell, and that agents with taste can tell more."""

from collections.abc import Callable

import numpy as np
import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.experiments import Lab
from recgpt.simulate.experiments.taste_alignment import (
    NEGATIVES,
    TasteAlignmentSettings,
    best,
    best_guesses,
    by_popularity,
    draw_task,
    n_positives,
    run,
    scores,
)


@pytest.mark.parametrize(("ratio", "real"), [(1, 10), (2, 7), (3, 5), (9, 2), (100, 1)])
def test_how_many_are_real(ratio: int, real: int) -> None:
    assert n_positives(20, ratio) == real


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_candidates_are_held_out_or_unseen(loyal: Lab, negatives: str) -> None:
    agents = np.arange(len(loyal.setting.population))
    task = draw_task(loyal, agents, 5, 20, negatives, seed=3)
    for row, agent in enumerate(agents):
        real, unreal = task.items_AS[row][task.taken_AS[row]], task.items_AS[row][~task.taken_AS[row]]
        assert len(set(task.items_AS[row].tolist())) == 20
        assert len(real) == 5
        assert np.isin(real, loyal.setting.held_out[agent]).all()
        assert not np.isin(unreal, loyal.setting.held_out[agent]).any()
        assert not np.isin(unreal, loyal.setting.population.histories[agent]).any()
    alone = draw_task(loyal, agents[7:8], 5, 20, negatives, seed=3)
    np.testing.assert_array_equal(alone.items_AS[0], task.items_AS[7])


def test_popularity_tells_random_negatives_but_not_matched_ones(lab_of: Callable[..., Lab]) -> None:
    """Agents driven by popularity alone in a world driven by popularity alone: the confound of the published task."""
    lab = lab_of(loyalty=1, preference={"popularity": 3.0})
    agents = np.arange(len(lab.setting.population))
    accuracy = {}
    for negatives in NEGATIVES:
        task = draw_task(lab, agents, 6, 12, negatives, seed=0)
        guessed, popular = best_guesses(lab, lab.mind(), task, 6), by_popularity(lab.setting.facts, task, 6)
        accuracy[negatives] = [(yes == task.taken_AS).mean() for yes in (guessed, popular)]
    assert accuracy["random"][0] == pytest.approx(accuracy["random"][1], abs=0.03)
    assert min(accuracy["random"]) > 0.65
    assert max(accuracy["as popular"]) < 0.58


def test_taste_is_seen_where_there_is_taste(loyal: Lab) -> None:
    settings = TasteAlignmentSettings(agents=60, candidates=12, ratios=(1, 3))
    result = run(loyal, settings)
    accuracy = {(row["1:m"], row["negatives"], row["who"]): row["accuracy"] for row in result.rows}
    for ratio in ("1:1", "1:3"):
        agents = accuracy[ratio, "as popular", "agents told the share"]
        assert agents.low > accuracy[ratio, "as popular", "popular, told the share"].high
    assert accuracy["1:1", "random", "popular half"] == accuracy["1:1", "random", "popular, told the share"]
    assert {row["published accuracy"] for row in result.rows} == {None, 0.69, 0.67}
    assert result.to_dict() == run(loyal, settings).to_dict()


def test_scores_of_known_answers() -> None:
    taken_AS = np.array([[True, True, False, False]] * 3)
    right, no = scores(taken_AS, taken_AS), scores(np.zeros_like(taken_AS), taken_AS)
    assert {name: each.mean for name, each in right.items()} == dict.fromkeys(right, 1.0)
    assert (no["accuracy"].mean, no["recall"].mean, no["f1"].mean, no["precision"]) == (0.5, 0.0, 0.0, None)
    all_yes = scores(np.ones_like(taken_AS), taken_AS)
    assert all_yes["f1"].mean == pytest.approx(2 / 3)


def test_best_takes_the_first_of_equals() -> None:
    np.testing.assert_array_equal(best(np.array([[1.0, 2.0, 2.0, 0.0]]), 1), [[False, True, False, False]])


def test_too_few_held_out_items(loyal: Lab) -> None:
    with pytest.raises(SimulationError, match="0 of 60 agents have 50 held-out items: use more agents"):
        run(loyal, TasteAlignmentSettings(candidates=100, ratios=(1,)))
