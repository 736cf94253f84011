"""Measures of a town, from events made by hand: walks, spread, acquaintance, attendance, days held to ranges."""

from datetime import datetime

import polars as pl
import pytest

from recgpt.simulate.events import SCHEMA
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.measures import town_measures
from recgpt.simulate.worlds.town.paths import Paths
from recgpt.simulate.worlds.town.residents import Fact, People, Resident, TieOfResidents
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.shipped_day import RANGES, DayFigures, held_to_ranges
from recgpt.simulate.worlds.town.spread import Spread
from recgpt.simulate.worlds.town.walks import Walk, Walks
from tests.simulate.worlds.town.small_town import map_in_a_row

ANA, BEN, CAM, DEE = range(4)
NAMES = ("Ana Abbot", "Ben Blum", "Cam Cruz", "Dee Dunn")
RUMOUR, PARTY, RUN = range(3)


@pytest.fixture(scope="module")
def town_map():
    homes = [(f"House {k}", "home", ["bed 1", "bed 2", "stove"]) for k in range(2)]
    return map_in_a_row([*homes, ("Cafe", "cafe", ["counter", "table"])])


@pytest.fixture(scope="module")
def setting(town_map):
    """Ana and Ben, Cam and Dee share a house; Ana knows Cam. Ana gives a party at 01:00, Dee runs for mayor."""
    beds = [place.number for place in town_map.places if place.name.startswith("bed")]
    residents = tuple(
        Resident(name, 30, "", "", "", "", "", agent // 2, town_map.sector_of(bed), bed)
        for agent, (name, bed) in enumerate(zip(NAMES, beds, strict=True))
    )
    pairs = ((ANA, BEN), (BEN, ANA), (CAM, DEE), (DEE, CAM), (ANA, CAM))
    ties = tuple(TieOfResidents(one, two, "friend", 0.5, 0.5) for one, two in pairs)
    cafe = town_map.place_of("Hazelbrook:Cafe:main room")
    facts = (
        Fact("news", BEN, (BEN,), "Ben Blum has a dog", "dogs"),
        Fact("gathering", ANA, (ANA,), "Ana Abbot gives a party", "parties", place=cafe, starts=60, minutes=60),
        Fact("candidacy", DEE, (DEE,), "Dee Dunn runs for mayor", "politics"),
    )
    return Setting(town_map, People(residents, ties, facts))


def rows_of(*events):
    """Rows of the log from dicts with `second`, `agent`, `kind` and any other column."""
    rows = [
        {"step": 1, "seq": seq, "time": each.pop("second"), **dict.fromkeys(("other", "item", "place", "slot"))} | each
        for seq, each in enumerate(dict(event) for event in events)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def event(second, agent, kind, **columns):
    return {"second": second, "agent": agent, "kind": kind, **columns}


def talk(second, one, two, minutes=5):
    return event(second, one, "talked", other=two, value=minutes, text="talking")


# --- walks ---


def test_walks_are_cut_where_the_next_one_begins(town_map):
    paths = Paths(town_map)
    start, goal = town_map.tile(1, 1), town_map.tile(17, 1)
    path = paths.path(start, goal)
    walks = Walks(paths, [start, start])
    walks.add(
        rows_of(
            event(0, ANA, "acted", slot=goal, value=30, text="going"),
            event(50, BEN, "talked", other=ANA, value=1, text="talking"),
            event(110, ANA, "acted", slot=goal, value=30, text="going on"),
        ),
        seconds_per_tick=10,
    )
    walks.ended(600)
    first, talking, on = walks.of[ANA][1:]
    assert (first.path, first.start, first.end, first.steps) == (path, 0, 5, 5)
    assert (talking.path, talking.steps) == ((path[5],), 0)
    assert (on.start, on.path[0], on.path[-1]) == (11, path[5], goal)
    assert sum(walk.steps for walk in walks.of[ANA]) == len(path) - 1
    assert sum(walk.steps for walk in walks.of[BEN]) == 0


def test_an_imported_walk_of_single_steps_is_counted_and_a_move_across_town_is_not(town_map):
    start = town_map.tile(1, 1)
    tiles = [start, start + 1, start + 1 + town_map.width, town_map.tile(17, 1)]
    walks = Walks(Paths(town_map), [start])
    moves = [event(10 * tick, ANA, "moved", slot=tile) for tick, tile in enumerate(tiles)]
    walks.add(rows_of(*moves), seconds_per_tick=10)
    walks.ended(60)
    assert sum(walk.steps for walk in walks.of[ANA]) == 2


def test_ticks_on_tiles_are_counted_on_the_way_and_at_the_end():
    walk = Walk(10, 20, (5, 6, 7))
    assert walk.ticks_on({6}, 0, 100) == 1
    assert walk.ticks_on({7}, 0, 100) == 8
    assert walk.ticks_on({7}, 15, 18) == 3
    assert walk.ticks_on({5, 6, 7}, 0, 100) == 10
    assert walk.ticks_on({5, 6, 7}, 20, 30) == walk.ticks_on({9}, 0, 100) == 0
    assert Walk(10, 11, (5, 6, 7)).ticks_on({5, 6, 7}, 0, 100) == 1


# --- spread ---


def test_who_knows_a_fact_from_whom_and_when_is_read_from_the_log(setting):
    spread = Spread(setting.people)
    told = event(60, BEN, "told", other=ANA, item=RUMOUR, value=0.9)
    spread.add(rows_of(told, talk(60, ANA, BEN)))
    spread.add(rows_of(talk(900, ANA, CAM), event(900, ANA, "told", other=CAM, item=RUMOUR, value=0.5)))
    known = spread.knowers[RUMOUR]
    assert {agent: heard.source for agent, heard in known.items()} == {BEN: -1, ANA: BEN, CAM: ANA}
    assert known[CAM].second == 900
    found = spread.fact(RUMOUR)
    assert (found["start"], found["end"], found["share_end"], found["depth"]) == (1, 3, 0.75, 2)
    assert found["unsupported"] == 0


def test_a_telling_without_a_talk_or_by_one_that_did_not_know_is_not_supported(setting):
    spread = Spread(setting.people)
    spread.add(rows_of(event(60, BEN, "told", other=ANA, item=RUMOUR, value=1.0)))
    spread.add(rows_of(talk(900, CAM, DEE), event(900, CAM, "told", other=DEE, item=RUMOUR, value=1.0)))
    assert spread.fact(RUMOUR)["unsupported"] == 2


def test_whispers_and_invitations_make_facts_known(setting):
    spread = Spread(setting.people)
    whisper = '{"kind": "whisper", "block": 1, "agent": 3, "text": "", "fact": 0}'
    spread.add(
        rows_of(
            event(0, DEE, "edited", slot=0, text=whisper),
            talk(60, ANA, BEN),
            event(60, ANA, "invited", other=BEN, item=PARTY, value=1.0, text=""),
        )
    )
    assert spread.knowers[RUMOUR][DEE].source == -1
    assert spread.knowers[PARTY][BEN].source == ANA
    assert spread.invited[PARTY, BEN].accepted


def test_acquaintance_begins_with_mutual_ties_and_grows_by_talks(setting):
    spread = Spread(setting.people)
    assert (spread.met_at_start, spread.n_pairs) == (2, 6)
    spread.add(rows_of(talk(0, BEN, DEE), talk(900, DEE, BEN)))
    assert spread.density == 3 / 6


def test_names_of_residents_unknown_to_their_speaker_are_false_acquaintance(setting):
    spread = Spread(setting.people)
    spread.add(
        rows_of(
            talk(0, ANA, BEN),
            event(0, BEN, "said", other=ANA, slot=0, text="Dee Dunn is my friend"),
            event(0, ANA, "said", other=BEN, slot=1, text="Dee Dunn? Ask Cam Cruz, Ben Blum"),
            event(900, BEN, "thought", slot=1, value=5, text="Cam Cruz may know Dee Dunn"),
        )
    )
    unknown = [(each.agent, each.named) for each in spread.unknown_names]
    assert unknown == [(BEN, DEE)]  # Ana then heard of Dee from Ben, and Ben of Cam from Ana
    assert spread.named == 5


def test_words_overheard_make_names_known_but_are_no_knowledge(setting):
    spread = Spread(setting.people)
    spread.add(
        rows_of(event(0, ANA, "perceived", other=BEN, value=3, text="Ben Blum is saying: Dee Dunn runs for mayor"))
    )
    assert (spread.overheard[RUN], set(spread.knowers[RUN])) == ({ANA}, {DEE})
    assert DEE in spread.aware_of(ANA) - spread.knows_of(ANA)


# --- days ---


def full_day(agents, figures):
    """Events of one day that give each agent these figures, but for steps."""
    for agent in agents:
        for name, kind in (("events", "perceived"), ("actions", "acted")):
            yield from (event(60 * k, agent, kind, value=3) for k in range(figures[name]))
        for k in range(figures["reflections"]):
            yield event(600 * k, agent, "reflected")
    for one, two in zip(agents[::2], agents[1::2], strict=True):
        yield from (talk(3600 * k, one, two) for k in range(figures["talks"]))
        yield from (event(60 * k, two, "said", other=one, slot=k, text="") for k in range(figures["lines"]))


def test_a_day_is_held_to_the_ranges_of_the_shipped_day():
    days = DayFigures(4, datetime(2023, 2, 13))
    wanted = {"events": 200, "actions": 80, "talks": 4, "lines": 70, "reflections": 9}
    days.add(rows_of(*full_day(range(4), wanted)))
    walks = [[Walk(0, 3000, tuple(range(1301)))] for _ in range(3)] + [[]]
    found = held_to_ranges(days.table(walks, 86_400, 10))
    assert found["days"] == 4
    for name, value in wanted.items():
        figure = found["figures"][name]
        assert (figure["mean"], figure["least"], figure["most"]) == (value, value, value)
        assert figure["hit"] == (RANGES[name][0] <= value <= RANGES[name][1])
    assert found["figures"]["steps"] | {"low": 0, "high": 0} == {
        **{"low": 0, "high": 0, "mean": 975.0, "least": 0, "most": 1300, "within": 0.75, "hit": False}
    }
    assert found["missed"] == ["lines", "steps"]


def test_only_whole_days_are_held_to_ranges():
    days = DayFigures(2, datetime(2023, 2, 13, 7))
    assert list(days.whole_days(86_400)) == []
    assert list(days.whole_days(41 * 3600)) == [1]
    assert held_to_ranges(days.table([[], []], 86_400, 10)) == {"days": 0, "figures": {}, "missed": []}


# --- all of them ---


def test_measures_of_a_town_of_an_evening(setting, town_map):
    """Ana invites Ben and Cam; Ben comes, Cam declines with a reason and stays away, Dee comes uninvited."""
    table = town_map.place_of("Hazelbrook:Cafe:main room:table")
    goal = town_map.places[table].tiles[0]
    block = rows_of(
        talk(0, ANA, BEN),
        event(0, ANA, "invited", other=BEN, item=PARTY, value=1.0, text=""),
        talk(60, CAM, ANA),
        event(60, ANA, "invited", other=CAM, item=PARTY, value=0.0, text="I work then"),
        event(420, BEN, "acted", slot=goal, place=table, value=110, text="going to the party"),
        event(420, DEE, "acted", slot=goal, place=table, value=110, text="having coffee"),
        event(500, ANA, "failed", text="timeout: no reply"),
    )
    found = town_measures([block, *(block.clear() for _ in range(11))], setting, TownRules())
    assert found["gatherings"] == [
        {
            **{"fact": PARTY, "invited": 2, "accepted": 1, "came": 1, "came_uninvited": 1, "stayed_away": 1},
            **{"named_a_reason": 1, "reasons": {str(CAM): "I work then"}},
        }
    ]
    assert found["party"]["end"] == 3
    assert found["candidacy"]["share_end"] == 0.25
    assert found["acquaintance"] == {"start": 0.3333, "end": 0.5, "pairs": 3}
    assert (found["agents"], found["blocks"], found["hours"]) == (4, 12, 2.0)
    assert found["totals"]["invited"] == 2
    assert found["failures"] == {"timeout": 1}
    assert found["day"]["days"] == 0


def test_a_gathering_that_goes_on_is_not_measured_yet(setting):
    assert town_measures([rows_of(talk(0, ANA, BEN))], setting, TownRules())["gatherings"] == []
