"""The society keeps the contract of worlds, with every kind of schedule entry that needs no person."""

import pytest

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.spec import WORLD
from recgpt.testing import check_world

SCHEDULE = [
    {"kind": "broadcast", "round": 2, "item": 3, "text": "Everybody talks about it."},
    {"kind": "broadcast", "round": 2, "text": "The cinema is closed.", "n_random": 3},
    {"kind": "post", "round": 1, "item": 5, "agents": [4], "text": "Do not miss it."},
    {"kind": "profile", "round": 2, "agents": [0], "values": {"interest": "horror movies", "age": 40}},
    {"kind": "tie", "round": 2, "source": 0, "target": 7, "closeness": 0.9},
    {"kind": "tie", "round": 3, "source": 0, "target": 7, "remove": True},
    {"kind": "rewire", "round": 2, "n": 1, "n_random": 4},
    {"kind": "random_items", "round": 2, "every": 1, "n": 2},
    {"kind": "advert", "round": 3, "item": 9},
    {"kind": "recommender", "round": 3, "name": "item_knn"},
    {"kind": "survey", "round": 1, "every": 1, "item": 3, "question": "Do you like it?", "n_best_connected": 5},
    {"kind": "survey", "round": 3, "question": "Which?", "options": ["one", "two"]},
    {"kind": "interview", "round": 3, "agents": [2], "question": "How are you?", "is_remembered": True},
    {"kind": "moderation", "round": 3, "below": 0.0},
]


def config(**more):
    settings = {"agents": 24, "rounds": 4, "recommender": "popularity", "retrain_every": 2, "watches": 2}
    return SocietyConfig.load(flags={**settings, "schedule": SCHEDULE, **more})


@pytest.mark.parametrize("memory", ["none", "recagent_code"])
def test_contract(memory):
    check_world(WORLD, config(memory=memory))


def test_thirty_kills_leave_the_same_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    rounds, made = 31, []
    settings = config(rounds=rounds, agents=12, memory="recagent")
    with runner.start("society", "whole", settings) as whole:
        expected = whole.hash
    with Run.open("whole") as whole:
        whole.fork("killed", 0).close()
    append = Run.append

    def killed_after_one(run, rows):
        append(run, rows)
        made.append(run.n_steps)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "append", killed_after_one)
    for _ in range(rounds - 1):
        with Run.open("killed", write=True) as run, pytest.raises(KeyboardInterrupt):
            runner.resume(run)
    monkeypatch.setattr(Run, "append", append)
    with Run.open("killed", write=True) as run:
        runner.resume(run)
        assert run.hash == expected
    assert made == list(range(1, rounds))
