"""The watch of worlds without one of their own, and the pieces that all watches share."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.watch import Watch
from recgpt.simulate.watching import ACTIVE, FRAME_LINES, IDLE, Names, RecentStates, clock_text, watch_of
from recgpt.simulate.world import WORLDS
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.spec import WORLD
from recgpt.testing.world import check_watch


@pytest.fixture
def run(feed_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished feed, as of a world without a watch."""
    monkeypatch.setitem(WORLDS, "feed", replace(WORLD, watch=None))
    model = str(feed_folder / "model")
    config = FeedConfig(dataset=str(feed_folder), model=model, recommender="popularity", agents=12, pages=3)
    with runner.start("feed", "watched", config):
        pass
    return Run.open("watched")


def read(run: Run) -> Watch:
    watch = watch_of(run)
    for rows in run.iter_steps():
        watch.add(rows)
    return watch


def test_events_are_counted_by_kind(run: Run) -> None:
    watch = watch_of(run)
    start, first = watch.start(), watch.add(run.events(1))
    assert set(start["values"].values()) == {0} and start["counts"] == {"idle": 12, "active": 0}
    assert first["values"]["shown"] == len(run.events(1, kind="shown")) > 0
    assert first["activity"] == [ACTIVE] * 12 and start["activity"] == [IDLE] * 12
    assert len(first["log"]) == min(FRAME_LINES, first["n_log"]) and first["n_log"] == len(run.events(1))
    assert watch.moment(1)["panels"][0]["rows"][0] == ["shown", first["values"]["shown"]]


def test_live_and_replayed_show_the_same(run: Run) -> None:
    check_watch(run)


def test_card_holds_the_events_of_the_agent_up_to_the_step(run: Run) -> None:
    card = read(run).agent(2, 5)
    rows = card["panels"][0]["rows"]
    events = run.events_of(5, range(1, 3))
    assert [(step, kind) for step, kind, _ in rows] == events.reverse().select("step", "kind").rows()
    assert card["name"] == "agent 5" and card["id"] == 5


def test_log_is_filtered_newest_first(run: Run) -> None:
    watch = read(run)
    lines = watch.log(3, agent=5)
    expected = run.events_of(5, range(1, 4)).reverse()
    assert [(line["step"], line["seq"]) for line in lines] == expected.select("step", "seq").rows()
    assert {line["kind"] for line in watch.log(2, kind="watched")} == {"watched"}
    assert len(watch.log(3, limit=7)) == 7
    named = watch.log(3, text="Agent 11")
    assert named and {line["agent"] for line in named} == {11}
    assert watch.log(3, text="agent 11", limit=2) == named[:2]
    assert [line for step in (3, 2, 1) for line in watch.log(step, text="agent 11", since=step)] == named
    assert watch.log(0) == []


@pytest.mark.parametrize("ask", [lambda w: w.moment(4), lambda w: w.agent(4, 0), lambda w: w.log(-1)])
def test_unknown_step_is_refused(run: Run, ask: Callable[[Watch], object]) -> None:
    with pytest.raises(SimulationError, match=r"run watched has no step -?[14]: choose one from 0 to 3"):
        ask(read(run))


def test_unknown_agent_is_refused(run: Run) -> None:
    with pytest.raises(SimulationError, match="run watched has no agent 12: its agents are 0 to 11"):
        read(run).agent(1, 12)


def test_agents_are_found_by_number_and_name() -> None:
    names = Names(["Ada", "Bob", "Carla"])
    assert [found["name"] for found in names.find("a", 9, 4)] == ["Ada", "Carla", "agent 3"]
    assert names.find("1", 9, 12) == [{"id": n, "name": names.of(n)} for n in (1, 10, 11)]
    assert len(names.find("", 2, 12)) == 2
    assert names.of(-1) == ""


def test_recent_states_are_kept(run: Run) -> None:
    states = RecentStates(run, size=2)
    second = states.at(2)
    assert states.at(2) is second
    states.at(1)
    states.at(3)
    assert states.at(2) is not second


def test_simulated_time_is_readable() -> None:
    assert clock_text(0) == "day 1, 00:00"
    assert clock_text(86_400 + 5 * 3600 + 61) == "day 2, 05:01"
