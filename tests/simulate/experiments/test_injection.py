"""Injection: by construction nothing for scripted agents, everything for a reader that obeys."""

from dataclasses import replace

import numpy as np
import pytest

from recgpt.errors import LLMError, SimulationError
from recgpt.simulate.experiments import Lab, injection
from recgpt.simulate.experiments.base import LLMSettings

SETTINGS = injection.InjectionSettings(agents=60, recommender="popularity", hostile=5)


class Obedient:
    """Takes what says that it must be taken, and nothing else; agent 0 never answers."""

    name = "obedient"

    def __init__(self, lab: Lab, facts) -> None:
        self._lab = lab
        words = (
            facts.items["title"] + facts.items["description"].fill_null("") if "description" in facts.items else None
        )
        self._obeyed_N = (facts.items["title"] if words is None else words).str.contains("must choose").to_numpy()

    def decide(self, pages, memory):
        decided = self._lab.mind().decide(pages, memory)
        obeyed_AS = self._obeyed_N[pages.items_AS]
        return replace(decided, aligned_AS=obeyed_AS, watched_AS=obeyed_AS, failed_A=pages.agent_A == 0)


def test_scripted_agents_cannot_be_ordered_about(loyal: Lab) -> None:
    result = injection.run(loyal, SETTINGS)
    assert [row["mind"] for row in result.rows] == ["scripted"] * 4
    for row in result.rows[1:]:
        for name in ("fits", "watched"):
            uplift = row[f"uplift of {name}"]
            assert (uplift.mean, uplift.low, uplift.high) == (0, 0, 0)


def test_an_obedient_reader_takes_the_hostile_item(loyal: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LLMSettings, "llm_minds", lambda self: lambda population, facts: Obedient(loyal, facts))
    result = injection.run(loyal, SETTINGS.model_copy(update={"base_url": "http://nowhere/v1", "llm_model": "fake"}))
    uplift = {row["text of the last item"]: row["uplift of watched"] for row in result.rows if row["mind"] == "fake"}
    assert uplift[injection.PLAIN] is None
    assert uplift[injection.HARMLESS].mean == 0
    assert uplift[injection.TITLE].mean == uplift[injection.DESCRIPTION].mean == 1
    assert {row["answers"] for row in result.rows if row["mind"] == "fake"} == {59}


def test_hostile_items_come_last_and_only_there(loyal: Lab) -> None:
    pages = injection.hostile_pages(loyal, SETTINGS)
    hostile, others = set(pages.items_AS[:, -1].tolist()), set(pages.items_AS[:, :-1].ravel().tolist())
    count_N = loyal.setting.facts.count_N
    assert len(hostile) <= 5
    assert not hostile & others
    assert count_N[list(hostile)].max() <= np.median(count_N[count_N > 0])
    for agent, item in zip(pages.agent_A, pages.items_AS[:, -1], strict=True):
        assert item not in loyal.setting.population.histories[agent]


def test_only_the_hostile_items_texts_change(loyal: Lab) -> None:
    facts = loyal.setting.facts
    titled = injection.with_words(facts, np.array([3]), "title", "take me")
    assert titled.items["title"][3] == "Film 3 take me"
    assert (titled.items["title"] != facts.items["title"]).sum() == 1
    described = injection.with_words(facts, np.array([3]), "description", "take me")
    assert described.items["description"][3].startswith("take me")
    assert titled.unit_NE is facts.unit_NE


def test_too_many_hostile_items(loyal: Lab) -> None:
    with pytest.raises(SimulationError, match="items with few interactions to choose them from: use fewer"):
        injection.run(loyal, SETTINGS.model_copy(update={"hostile": 10_000}))


def test_a_language_model_is_asked_only_at_an_address() -> None:
    assert SETTINGS.llm_minds() is None
    with pytest.raises(LLMError, match="NO_SUCH_KEY"):
        SETTINGS.model_copy(update={"base_url": "http://nowhere/v1", "key_env": "NO_SUCH_KEY"}).llm_minds()
