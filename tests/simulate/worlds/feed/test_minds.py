"""The minds that are no models of people: one repeats a record, one is the person at the terminal."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from recgpt.errors import SimulationError, StoreError
from recgpt.recommenders.popularity import Popularity
from recgpt.simulate.runner import start
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.minds.person import PersonMind
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.feed.world import Feed, FeedRules, Setting

# --- replay ---


@pytest.mark.parametrize(
    "options",
    [
        {"recommender": "item_knn", "memory": "generative_agents", "agents": 50},
        {"advert": "all", "truth_first": True, "retrain_every": 2},
        {"page_size": 40, "pages": 9},  # the catalogue comes to its end
        {"people": "synthetic"},
    ],
)
def test_a_scripted_run_is_repeated(
    feed_config: Callable[..., FeedConfig], runs: Any, options: dict[str, object]
) -> None:
    with (
        start("feed", "record", feed_config(**options)) as record,
        start("feed", "again", feed_config(**options, mind="replay", replayed="record")) as again,
    ):
        assert again.hash == record.hash
        assert again.metrics == record.metrics


def test_a_run_of_a_language_model_is_repeated_without_it(
    feed_config: Callable[..., FeedConfig], mind_stub: type, stub_module: Any, runs: Any
) -> None:
    options = {"recommender": "item_knn", "memory": "agent4rec", "pages": 3}
    with mind_stub() as stub:
        stub.fault = lambda user, seen: stub_module.Fault(text="{}") if sum(user.encode()) % 4 == 0 else None
        llm = {"base_urls": [stub.base_url], "model": "stub", "key_env": None, "reflects": True}
        with start("feed", "record", feed_config(**options, mind="llm", llm=llm)) as record:
            assert {"failed", "thought", "felt", "retrieved", "interviewed"} <= set(record.counts_by_kind())
    with (
        start("feed", "again", feed_config(**options, mind="replay", replayed="record")) as again,
        Run.open("record") as run,
    ):
        assert again.hash == run.hash
        assert again.calls_summary()["n"] == 0


def test_other_pages_than_the_recorded_are_refused(feed_config: Callable[..., FeedConfig], runs: Any) -> None:
    start("feed", "record", feed_config(pages=2)).close()
    replayed = {"mind": "replay", "replayed": "record"}
    with pytest.raises(SimulationError, match="has another page 1 than in the record"):
        start("feed", "other", feed_config(pages=2, recommender="random", **replayed))
    for page_size in (3, 5):
        with pytest.raises(SimulationError, match="has another page 1 than in the record"):
            start("feed", f"size-{page_size}", feed_config(pages=2, page_size=page_size, **replayed))
    with pytest.raises(SimulationError, match="the record ends before page 3"):
        start("feed", "longer", feed_config(pages=3, **replayed))
    with pytest.raises(SimulationError, match="name one with --replay"):
        start("feed", "unnamed", feed_config(mind="replay"))
    with pytest.raises(StoreError, match="there is no run nothing"):
        start("feed", "unknown", feed_config(mind="replay", replayed="nothing"))


# --- the person ---


class Typed(Console):
    """A terminal at which somebody types these answers."""

    def __init__(self, *answers: str) -> None:
        super().__init__(file=io.StringIO(), width=200)
        self.answers = list(answers)

    def input(self, prompt: Any = "", **options: Any) -> str:
        self.print(prompt, end="")
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        self.print(answer)
        return answer

    @property
    def said(self) -> str:
        return self.file.getvalue()


def feed_with(setting: Setting, console: Console, **rules: Any) -> Feed:
    others = ScriptedMind(setting.population, setting.facts, seed=0)
    recommender = Popularity().fit(setting.known)
    return Feed(FeedRules(**rules), setting, recommender, PersonMind(others, setting.facts, console))


def of_me(rows: Any, kind: str, column: str) -> list[Any]:
    return rows.filter((rows["agent"] == 0) & (rows["kind"] == kind))[column].to_list()


def test_the_first_agent_does_what_is_typed(setting: Setting) -> None:
    console = Typed("1, 3 4", "3 1", "5", "2", "y", "n", "8", "It was late.")
    feed = feed_with(setting, console, pages=3)
    rows = feed.play()
    feed.apply(rows)
    assert of_me(rows, "aligned", "slot") == [0, 2, 3]
    assert of_me(rows, "watched", "slot") == [0, 2]
    assert of_me(rows, "rated", "value") == [5, 2]
    assert of_me(rows, "felt", "value") == [1, -0.5]
    assert of_me(rows, "satisfied", "value") == [1]
    assert of_me(rows, "exited", "value") == [1]
    assert of_me(rows, "interviewed", "value") == [8]
    assert of_me(rows, "interviewed", "text") == ["It was late."]
    assert not console.answers
    others = Feed(
        FeedRules(pages=3),
        setting,
        Popularity().fit(setting.known),
        ScriptedMind(setting.population, setting.facts, seed=0),
    ).play()
    assert rows.filter(rows["agent"] > 0).equals(others.filter(others["agent"] > 0)), "the others decide as ever"
    later = feed.play()
    assert 0 not in later["agent"].to_list(), "who has left is not asked again"


def test_what_is_no_answer_is_asked_again(setting: Setting) -> None:
    console = Typed("9", "one", "2", "1", "2", "6", "4", "perhaps", "n", "n", "11", "10", "")
    feed = feed_with(setting, console, pages=1)
    rows = feed.play()
    assert of_me(rows, "watched", "slot") == [1]
    assert of_me(rows, "rated", "value") == [4]
    assert of_me(rows, "satisfied", "value") == [0]
    assert of_me(rows, "interviewed", "value") == [10]
    assert of_me(rows, "interviewed", "text") == [None]
    assert "numbers out of 1, 2, 3, 4, please" in console.said


def test_nothing_is_an_answer(setting: Setting) -> None:
    console = Typed("", "n", "y", "1", "")
    rows = feed_with(setting, console, pages=1).play()
    assert of_me(rows, "aligned", "slot") == of_me(rows, "watched", "slot") == []


def test_titles_are_shown_as_they_are(setting: Setting) -> None:
    """Neither as markup nor as what moves the cursor."""
    items = setting.facts.items.with_columns(title=setting.facts.items["title"] + " [/bold] [red]\x1b[2J")
    console = Typed("1", "1", "3", "y", "y", "5", "")
    feed_with(replace(setting, facts=replace(setting.facts, items=items)), console, pages=1).play()
    assert "[/bold] [red]" in console.said
    assert "\x1b" not in console.said


def test_an_input_that_ends_is_an_error_to_act_on(setting: Setting) -> None:
    feed = feed_with(setting, Typed("1"))
    with pytest.raises(SimulationError, match="the input ended before all questions were answered"):
        feed.play()
    assert feed.step == 0


def test_a_person_without_a_page_is_asked_nothing_of_it(setting: Setting) -> None:
    seen = setting.population.histories
    everything = [np.arange(len(setting.facts)), *list(seen)[1:]]
    population = replace(
        setting.population,
        histories=type(seen).from_lists([each.tolist() for each in everything]),
        ratings=np.full(sum(map(len, everything)), np.nan, dtype=np.float32),
    )
    console = Typed("1", "Nothing was shown.")
    rows = feed_with(replace(setting, population=population), console).play()
    assert of_me(rows, "exited", "text") == ["nothing new is left to show"]
    assert of_me(rows, "interviewed", "text") == ["Nothing was shown."]
