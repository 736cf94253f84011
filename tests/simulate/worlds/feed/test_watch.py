"""The watch of a feed: figures follow the log, cards show pages and memories of one agent."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.agents.memory import PRESETS
from recgpt.simulate.store import Run
from recgpt.simulate.watch import AgentCard, Frame, Panel
from recgpt.simulate.world import States
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.measures import MEASURES
from recgpt.simulate.worlds.feed.replay_of_agent import MemoryOfAgent
from recgpt.simulate.worlds.feed.state import FeedRules
from recgpt.simulate.worlds.feed.view import HEADINGS
from recgpt.simulate.worlds.feed.watch import FAILED, LEAVING, LEFT, WAITING, WATCHING, FeedWatch
from recgpt.testing.world import check_watch

Config = Callable[..., FeedConfig]
AGENTS, PAGES = 20, 4


@pytest.fixture
def run(feed_config: Config, runs: Path) -> Iterator[Run]:
    config = feed_config(agents=AGENTS, pages=PAGES, memory="generative_agents", advert="all")
    with runner.start("feed", "seen", config) as made:
        yield made


@pytest.fixture
def watch(run: Run) -> FeedWatch:
    return FeedWatch(run)


def frames_of(watch: FeedWatch, run: Run) -> list[Frame]:
    return [watch.start(), *(watch.add(rows) for rows in run.iter_steps())]


def panel(card: AgentCard, title: str) -> Panel:
    return next(each for each in card["panels"] if each["title"].startswith(title))


def test_figures_of_a_page_follow_from_its_events(run: Run, watch: FeedWatch) -> None:
    frames = frames_of(watch, run)
    rows = run.events(2)
    counts = {kind: len(part) for (kind,), part in rows.partition_by("kind", as_dict=True).items()}
    values = frames[2]["values"]
    assert values["p_view"] == pytest.approx(counts["watched"] / counts["shown"], abs=1e-6)
    assert values["stars"] == pytest.approx(rows.filter(pl.col("kind") == "rated")["value"].mean(), abs=1e-6)
    assert values["left"] == len(run.events(range(1, 3), kind="exited")) == AGENTS - values["active"]
    assert {figure["name"] for figure in watch.about()["figures"]} == set(values)
    assert all(value is None or np.isfinite(value) for frame in frames for value in frame["values"].values())
    assert frames[0]["values"]["coverage"] == 0 and frames[0]["values"]["p_view"] is None


def test_measures_of_the_last_page_are_those_of_the_run(run: Run, watch: FeedWatch) -> None:
    frames_of(watch, run)
    panels = {each["title"]: each for each in watch.moment(run.n_steps)["panels"]}
    expected = {HEADINGS[name]: run.metrics["corrected"][name]["mean"] for name in MEASURES}
    assert dict(panels["Measures so far"]["rows"]) == pytest.approx(expected, abs=1e-6)
    assert dict(panels["Advertisements so far"]["rows"])["shown"] == run.metrics["adverts"]["shown"]
    assert [n for _, n in panels["Stars so far"]["rows"]] == [
        int((run.events(kind="rated")["value"] == star).sum()) for star in (1, 2, 3, 4, 5)
    ]


def test_activity_in_frames_and_on_cards_is_the_same(run: Run, watch: FeedWatch) -> None:
    frames = frames_of(watch, run)
    assert set(frames[0]["activity"]) == {WAITING}
    assert {WATCHING, LEAVING, LEFT} <= {code for frame in frames for code in frame["activity"]}
    for frame in frames:
        for agent, activity in enumerate(frame["activity"]):
            assert watch.agent(frame["step"], agent)["event"]["activity"] == activity
        assert sum(frame["counts"].values()) == AGENTS


def test_an_agent_whose_mind_failed_stays_failed(run: Run) -> None:
    with run.fork("failing", 1) as failing:
        agents = failing.events(1, kind="turned")["agent"].to_numpy()[:2]
        failing.append(KINDS.assemble(2, [KINDS.piece("failed", agents, text=["why"] * 2)], time=CLOCK.at(2)))
        failing.append(KINDS.assemble(3, [], time=CLOCK.at(3)))
        watch = FeedWatch(failing)
        frames = frames_of(watch, failing)
        assert [frames[step]["activity"][agents[0]] for step in (2, 3)] == [FAILED, FAILED]
        assert watch.agent(3, int(agents[0]))["event"]["activity"] == FAILED
        assert frames[3]["values"]["p_view"] is None and frames[3]["time"] == CLOCK.at(3)
        assert watch.moment(3)["panels"][-1]["rows"] == [["why", 2]]


def test_card_shows_the_page_and_what_came_before(run: Run, watch: FeedWatch) -> None:
    frames_of(watch, run)
    agent = run.events(2, kind="watched")["agent"][0]
    card = watch.agent(2, agent)
    titles = stored_facts(run).items["title"]
    shown = run.events(2).filter((pl.col("kind") == "shown") & (pl.col("agent") == agent))
    rows = panel(card, "Page 2")["rows"]
    assert [row[1].removesuffix(" (advertisement)") for row in rows] == [titles[item] for item in shown["item"]]
    assert sum(row[3] == "yes" for row in rows) == len(
        run.events(2).filter((pl.col("kind") == "watched") & (pl.col("agent") == agent))
    )
    assert [row[0] for row in panel(card, "Pages")["rows"]] == [2, 1]
    assert card["profile"][0] == {"name": None, "label": "number", "value": agent}
    assert panel(card, "Before the run")["rows"]
    assert "Interview" not in {each["title"] for each in card["panels"]}


def test_memories_used_are_those_that_score_highest(run: Run, watch: FeedWatch) -> None:
    frames_of(watch, run)
    noted = run.events(3, kind="retrieved").row(0, named=True)
    used = panel(watch.agent(3, noted["agent"]), "Memories used")["rows"]
    assert [row[0] for row in used] == json.loads(noted["text"])["ids"]
    assert [row[2] for row in used] == sorted((row[2] for row in used), reverse=True)
    held = {row[0]: row[2] for row in panel(watch.agent(3, noted["agent"]), "Memory, ")["rows"]}
    assert all(held.get(number, text) == text for number, text, *_ in used)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_an_agent_alone_remembers_what_it_does_among_all(feed_config: Config, runs: Path, preset: str) -> None:
    config = feed_config(agents=AGENTS, pages=6, memory=preset)
    with runner.start("feed", "alone", config) as run:
        population, facts = stored_population(run), stored_facts(run)
        last = int(run.events()["step"].max())
        for agent in run.events(last)["agent"].unique().to_list()[:3]:
            events = run.events_of(agent, range(1, last + 1))
            alone = MemoryOfAgent(config.part(FeedRules), population, facts, agent, events)
            for step in range(1, last + 1):
                alone.apply(step)
            assert alone.entries() == States(run).at(last).memory.describe(agent)


@pytest.mark.parametrize("preset", ["recgpt", "recagent_code"])
def test_live_and_replayed_show_the_same(feed_config: Config, runs: Path, preset: str) -> None:
    with runner.start("feed", "checked", feed_config(agents=AGENTS, pages=3, memory=preset)) as run:
        check_watch(run)


def test_log_finds_titles_and_words(run: Run, watch: FeedWatch) -> None:
    frames_of(watch, run)
    title = stored_facts(run).items["title"][run.events(1, kind="watched")["item"][0]]
    lines = watch.log(PAGES, kind="watched", text=title.upper())
    assert lines and all(title in line["text"] for line in lines)
    assert {line["kind"] for line in watch.log(PAGES)}.isdisjoint({"shown", "aligned"})
    assert watch.log(PAGES, kind="shown")
