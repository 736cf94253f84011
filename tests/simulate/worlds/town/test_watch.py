"""Watch of a town: movements from which any tick can be drawn, residents at any tick, facts, heat."""

import gzip
import json

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.log_words import words_of
from recgpt.simulate.worlds.town.watch import TownWatch
from recgpt.testing.world import check_watch
from tests.simulate.worlds.town.stored_town import HOSTILE, stored_town

BLOCKS, PEOPLE = 6, 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(tmp_path_factory.mktemp("towns")))
        with stored_town("small", BLOCKS, PEOPLE) as found:
            yield found


@pytest.fixture(scope="module")
def watch(run):
    found = TownWatch(run)
    found.start()
    for rows in run.iter_steps():
        found.add(rows)
    return found


def block_of(watch, number):
    return json.loads(gzip.decompress(watch.block(number)))


def tile_at(block, agent, tick):
    """As the page finds it."""
    walks = [row for row in block["walks"] if row[0] == agent]
    _, start, tile, *steps = next((row for row in reversed(walks) if row[1] <= tick), walks[0])
    path = [tile]
    for step, times in zip(steps[::2], steps[1::2], strict=True):
        path += [path[-1] + step * (number + 1) for number in range(times)]
    return path[min(max(tick - start, 0), len(path) - 1)]


def test_every_tick_can_be_drawn_from_its_block(run, watch):
    for number in range(1, BLOCKS + 1):
        block, before = block_of(watch, number), watch.state_at(number - 1)
        rows = run.events(number)
        for tick in range(60 * (number - 1), 60 * number, 13):
            state = before.until(rows, tick + 1)
            for agent, life in enumerate(state.lives):
                assert tile_at(block, agent, tick) == life.tile(tick)
                mine = [row for row in block["actions"] if row[0] == agent]
                action = next((row for row in reversed(mine) if row[1] <= tick), mine[0])
                assert block["texts"][action[2]] == life.action.text
                assert action[3:7] == [life.action.activity, life.action.place, life.action.end, life.action.other]


def test_lines_are_said_within_their_talks(run, watch):
    talks = [talk for number in range(1, BLOCKS + 1) for talk in block_of(watch, number)["talks"]]
    said = run.events(kind="said")
    assert {text for talk in talks for _, text in talk["lines"]} == set(said["text"].to_list())
    assert all(talk["start"] < talk["end"] for talk in talks)


def test_heat_counts_every_resident_at_every_tick(watch):
    heat = watch.heat(2, 4)
    assert sum(heat["counts"]) == 3 * 60 * PEOPLE
    assert heat["most"] == max(heat["counts"])


def test_a_resident_is_shown_as_of_the_tick(run, watch):
    acted = run.events(3, "acted").filter(agent=1)
    tick = acted["time"].to_list()[0] // 10
    before, after = watch.person(tick - 1, 1), watch.person(tick, 1)
    assert before["name"] == after["name"]
    assert set(after) >= {"plan", "memories", "relations", "facts", "feed", "needs", "read"}
    ids = [memory["id"] for memory in after["memories"]]
    assert ids == sorted(ids, reverse=True)


def test_facts_have_the_residents_that_know_them_and_their_sources(run, watch):
    end = BLOCKS * 60
    shown = watch.facts(end)["facts"]
    told = run.events(kind="told")
    assert len(told)
    state = watch.state_at(BLOCKS)
    for fact in shown:
        assert {row[0] for row in fact["known"]} == {
            agent for agent, life in enumerate(state.lives) if fact["fact"] in life.facts
        }
    assert any(source >= 0 for fact in shown for _, source, *_ in fact["known"])


def test_the_watch_is_the_same_live_and_replayed(run):
    check_watch(run)


def test_every_kind_of_event_has_words(run, watch):
    words = words_of(watch.state_at(0))
    for kind in run.manifest.kinds:
        row = {"kind": kind, "text": "a {b}", "value": 1.0, "place": 0, "other": 0, "item": 0, "slot": 0}
        assert words(row)
    row = {"kind": "said", "text": "{other} {0}", "value": None, "place": None, "other": 0, "item": None, "slot": 1}
    assert words(row) == f"to {HOSTILE}: {{other}} {{0}}"


@pytest.mark.parametrize(
    ("call", "numbers"),
    [("block", (0,)), ("block", (7,)), ("person", (361, 0)), ("person", (-1, 0)), ("person", (5, 8)), ("heat", (0, 2))],
)
def test_wrong_numbers_are_refused(watch, call, numbers):
    with pytest.raises(SimulationError):
        getattr(watch, call)(*numbers)
