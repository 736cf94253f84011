"""Diaries of residents in Markdown, and the tree of a fact."""

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.diary import diary_of
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.spread import Spread
from recgpt.simulate.worlds.town.who_knows import tree_of
from tests.simulate.worlds.town.talking_town import MAP, RULES, SETTING, fact_about, number

WALTER, TESS, HANA = (number(name) for name in ("Walter", "Tess", "Hana"))
CANDIDACY = fact_about("Walter", "candidacy")


def place(sector: str) -> int:
    return MAP.place_of(f"Hazelbrook:{sector}:main room")


def acted(tick: int, activity: int, sector: str, text: str = "") -> Event:
    return Event(tick, WALTER, "acted", item=activity, place=place(sector), value=30.0, text=text)


def talked(tick: int, one: int, two: int, *, trust: float = 0.9) -> list[Event]:
    return [
        Event(tick, one, "talked", other=two, value=3.0, text="talking about politics"),
        Event(tick, one, "told", other=two, item=CANDIDACY, value=trust),
    ]


EVENTS = [
    acted(0, a.SLEEPING, "Cedar House", "sleeping"),
    acted(2400, a.SHOWERING, "Cedar House", "taking a shower"),
    acted(2520, a.BREAKFAST, "Cedar House", "having breakfast <b>"),
    acted(2880, a.CRAFTING, "Print Works", "walking to work"),
    acted(3000, a.CRAFTING, "Print Works", "setting type"),
    *talked(3600, WALTER, TESS),
    *talked(5000, TESS, HANA, trust=0.7),
    Event(6600, WALTER, "thought", slot=1, value=5.0, text="I often see Tess Lindqvist."),
    acted(8000, a.SLEEPING, "Cedar House", "sleeping"),
]
ROWS = to_rows(EVENTS, step=1, seconds_per_tick=RULES.seconds_per_tick)


def test_diary_tells_a_day_by_parts():
    text = diary_of(ROWS.filter(ROWS["agent"] == WALTER), WALTER, SETTING, RULES)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        *("# Diary of Walter Finch", "## Monday, February 13", "### Morning", "### Evening"),
    ]
    assert "- 06:40 to 08:00, at home: taking a shower and having breakfast &lt;b>." in text
    assert "at the Print Works: setting type." in text
    assert (
        "10:00: Talked with **Tess Lindqvist** about politics. I told Tess: I'm running for the town council." in text
    )
    assert "Thought it over. I often see Tess Lindqvist." in text
    assert text.count("Went to bed") == 1


def test_diary_of_the_listener_names_the_source():
    text = diary_of(ROWS.filter(ROWS["other"] == TESS), TESS, SETTING, RULES)
    assert "Learned from Walter: *Walter Finch is running for the town council*." in text


def test_tree_of_a_fact_follows_its_tellers():
    spread = Spread(SETTING.people)
    spread.add(ROWS)
    tree = tree_of(spread, CANDIDACY)
    (root,) = tree["roots"]
    assert (tree["n"], tree["depth"], root["name"], root["second"]) == (3, 2, "Walter Finch", None)
    (tess,) = root["told"]
    assert (tess["agent"], tess["second"], tess["trust"]) == (TESS, 36_000, 0.9)
    assert [each["agent"] for each in tess["told"]] == [HANA]


def test_unknown_fact_is_refused():
    with pytest.raises(SimulationError, match="fact 99: this town has the facts 0 to 13"):
        tree_of(Spread(SETTING.people), 99)
