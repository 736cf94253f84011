"""Watch of a society whose agents a language model or a person plays: diaries, calls, roles."""

import json

import pytest
from llm_society import stub_of
from test_llm_runs import config

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watching import watch_of
from recgpt.simulate.world import States


def panel(card, title):
    return next(each for each in card["panels"] if each["title"] == title)


@pytest.fixture
def run(stubs, runs):
    with stub_of(stubs)() as stub:
        schedule = [{"kind": "interview", "round": 2, "question": "How are you?", "n_random": 2}]
        runner.start("society", "told", config(stub, memory="recgpt", rounds=4, schedule=schedule)).close()
    with Run.open("told") as opened:
        yield opened


def test_diary_has_the_texts_and_scores_of_the_memories_read(run):
    watch = watch_of(run)
    frames = [watch.add(rows) for rows in run.iter_steps()]
    read = run.events(kind="retrieved")
    assert len(read)
    step, agent, note = read.select("step", "agent", "text").rows()[-1]
    rows = panel(watch.agent(step, agent), "Diary: memories read for decisions")["rows"]
    held = {entry.id: entry.text for entry in States(run).at(step - 1).memory.entries.describe(agent)}
    noted = json.loads(note)
    expected = [
        [step, "memory read", held[number], *scores]
        for number, *scores in zip(
            *(noted[name] for name in ("ids", "recency", "relevance", "importance", "score")), strict=True
        )
    ]
    assert all(row in rows for row in expected)
    assert all(row[2] for row in rows)
    earlier = panel(watch.agent(1, agent), "Diary: memories read for decisions")["rows"]
    assert all(row[0] == 1 for row in earlier)
    calls = dict(panel(watch.moment(4), "Language model")["rows"])
    assert calls["calls"] == run.calls_summary()["n"] == frames[-1]["values"]["calls"]
    assert frames[0]["values"]["calls"] < calls["calls"]
    assert watch.about()["can"] == ["interview", "take_over", "edit"]
