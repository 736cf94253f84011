"""The engine of the town: blocks in lock-step and out of order, sight, edits, snapshots, with a restless mind."""

import threading
import time
from dataclasses import replace
from functools import cache
from itertools import pairwise

import polars as pl
import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.activities import SLEEPING, TALKING, WALKING, WORKING
from recgpt.simulate.worlds.town.block import Block
from recgpt.simulate.worlds.town.config import TownRules
from recgpt.simulate.worlds.town.events import to_rows
from recgpt.simulate.worlds.town.goals import goal_of
from recgpt.simulate.worlds.town.minds.base import Act, Reaction, Response, Scene
from recgpt.simulate.worlds.town.out_of_order import OutOfOrder
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.places import Place, TownMap
from recgpt.simulate.worlds.town.schedule import Edit, Happening, Move, Plan, Relation, Traits, Whisper
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.sight import Sight
from recgpt.simulate.worlds.town.state import TownState
from recgpt.simulate.worlds.town.world import Town
from tests.simulate.worlds.town.restless_mind import RestlessMind
from tests.simulate.worlds.town.small_town import hazelbrook

RULES = TownRules(hours=1)


@cache
def setting(n_people: int = 12) -> Setting:
    town_map = hazelbrook()
    return Setting(town_map, load_people(town_map, n_people))


def town(*schedule: Edit, n_people: int = 12, mind: RestlessMind | None = None, hours: int = 1) -> Town:
    rules = RULES.model_copy(update={"hours": hours})
    return Town(rules, setting(n_people), mind or RestlessMind(), schedule=schedule, seed=1)


def played(world: Town, n_blocks: int) -> Town:
    for _ in range(n_blocks):
        world.apply(world.play())
    return world


def test_blocks_out_of_order_have_the_same_events_as_in_lock_step():
    world = town()
    for _ in range(4):
        rows = world.play()
        events = OutOfOrder(Block(world.state, world.mind), n_workers=4).play()
        again = to_rows(events, step=world.step + 1, seconds_per_tick=10)
        assert rows.equals(again)
        world.apply(rows)
    assert {"talked", "said", "told", "perceived", "thought", "cited", "waited"} <= set(rows["kind"])


class SlowMind(RestlessMind):
    """A mind that takes its time, as a language model does, and notes how many decide at the same time."""

    def __init__(self) -> None:
        self.n_now = self.most = 0
        self._lock = threading.Lock()

    def act(self, scene: Scene, notes: object) -> Act:
        with self._lock:
            self.n_now += 1
            self.most = max(self.most, self.n_now)
        time.sleep(0.002)
        with self._lock:
            self.n_now -= 1
        return super().act(scene, notes)


def test_slow_decisions_of_residents_out_of_sight_overlap():
    mind = SlowMind()
    world = played(town(mind=mind), 1)
    mind.most = 0
    OutOfOrder(Block(world.state, mind), n_workers=8).play()
    assert mind.most >= 3


def test_a_decision_that_fails_ends_the_block_with_its_error():
    class Broken(RestlessMind):
        def act(self, scene: Scene, notes: object) -> Act:
            raise SimulationError("no model")

    with pytest.raises(SimulationError, match="no model"):
        OutOfOrder(Block(town().state, Broken()), n_workers=4).play()


def test_play_leaves_the_state_as_it_is_and_a_snapshot_restores_it():
    world = played(town(), 3)
    before = world.state.to_arrays()
    world.play()
    assert all((world.state.to_arrays()[name] == array).all() for name, array in before.items())
    restored = TownState(RULES, setting(), seed=1)
    restored.restore(before)
    assert restored.lives == world.state.lives
    assert restored.memory.of(3) == world.state.memory.of(3)
    rows = world.play()
    assert Town.play(_with_state(town(), restored)).equals(rows)


def _with_state(world: Town, state: TownState) -> Town:
    world.state = state
    return world


def test_a_state_within_a_block_has_its_events_up_to_that_tick():
    world = played(town(), 2)
    rows = world.play()
    middle = world.state.until(rows, tick=150)
    assert all(life.action.start < 150 for life in middle.lives)
    assert world.state.until(rows, tick=180).lives != middle.lives


def test_residents_walk_one_tile_a_tick_around_walls():
    world = played(town(), 2)
    rows, town_map = world.play(), setting().map
    walls = town_map.walls_HW.reshape(-1)
    states = [world.state.until(rows, tick) for tick in range(120, 180, 3)]
    for agent in range(12):
        for tick in range(120, 179):
            state = states[(tick - 120) // 3]
            x, y = town_map.xy(state.lives[agent].tile(tick))
            assert not walls[town_map.tile(x, y)]
        tiles = [town_map.xy(state.lives[agent].tile(120 + 3 * k)) for k, state in enumerate(states)]
        steps = [abs(x - u) + abs(y - v) for (x, y), (u, v) in pairwise(tiles)]
        assert max(steps) <= 3


def test_a_talk_holds_both_for_its_minutes_and_leaves_its_traces():
    world = played(town(), 3)
    rows = world.play()
    talk = rows.filter(rows["kind"] == "talked").row(0, named=True)
    tick = talk["time"] // 10
    state = world.state.until(rows, tick + 1)
    for one, two in ((talk["agent"], talk["other"]), (talk["other"], talk["agent"])):
        action = state.lives[one].action
        assert (action.activity, action.other, action.end - tick) == (TALKING, two, 18)
        assert not state.lives[one].walks(tick + 1)
        assert state.lives[one].relation(two).n_talks >= 1
    world.apply(rows)
    assert any(entry.kind == "chat" for entry in world.state.memory.of(talk["agent"]))


def test_edits_take_effect_at_the_start_of_their_block():
    address = "Hazelbrook:Library:main room"
    edits = [
        Whisper(block=2, agent=0, text="The bridge is closed."),
        Whisper(block=2, agent=1, fact=0),
        Move(block=2, agent=2, place=address),
        Traits(block=2, agent=3, changes={"currently": "looking for work"}),
        Relation(block=2, agent=4, other=5, affinity=-0.5),
        Plan(block=2, agent=6, start="00:30", minutes=60, text="stargazing"),
        Happening(block=2, place=address, text="on fire", minutes=20),
    ]
    world = played(town(*edits), 1)
    assert not world.play().filter(pl.col("kind") == "moved").is_empty()
    state = played(world, 1).state
    assert "The bridge is closed." in [entry.text for entry in state.memory.of(0)]
    assert 0 in state.lives[1].facts
    assert state.residents[3].currently == "looking for work"
    assert state.lives[4].relation(5).affinity <= -0.4
    assert sum(block.minutes for block in state.lives[6].plan) == 1440
    assert "stargazing" in [block.text for block in state.lives[6].plan]
    seen = [entry.text for entry in state.memory.of(2)]
    assert "main room is on fire" in seen


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Whisper(block=1, agent=99, text="x"), "resident 99"),
        (Whisper(block=1, agent=0), "neither text nor fact"),
        (Whisper(block=1, agent=0, fact=999), "fact 999"),
        (Move(block=1, agent=0, place="Hazelbrook:Libary"), "Hazelbrook:Libary"),
    ],
)
def test_edits_of_what_does_not_exist_are_refused(edit: Edit, message: str):
    with pytest.raises(SimulationError, match=message):
        town(edit)


def _closed(town_map: TownMap, sector: str) -> TownMap:
    """The map with a sector that is never open."""
    places = [replace(each, hours=(0, 0)) if each.name == sector else each for each in town_map.places]
    return replace(town_map, places=tuple(places))


class GoesTo(RestlessMind):
    """All go to one place, and stay where they are if it is taken."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def act(self, scene: Scene, notes: object) -> Act:
        if scene.taken >= 0:
            return Act("turning round", 60, WORKING)
        return Act("going there", 60, WORKING, self._place.number)

    def react(self, scene: Scene, other: int, notes: object) -> Reaction:
        return Reaction(Response.GO_ON)


def test_closed_places_and_full_objects_send_residents_away():
    town_map = _closed(hazelbrook(), "Library")
    people = load_people(town_map, 12)
    library = next(each for each in town_map.places if each.name == "Library")
    worker = [agent for agent, each in enumerate(people.residents) if each.work == library.number]
    world = Town(RULES, Setting(town_map, people), GoesTo(library), seed=0)
    played(world, 3)
    stayed = [agent for agent, life in enumerate(world.state.lives) if life.action.place == library.number]
    assert stayed == worker
    bed = next(each for each in town_map.places if each.name.startswith("bed"))
    world = played(Town(RULES, Setting(town_map, people), GoesTo(bed), seed=0), 3)
    assert sum(life.action.place == bed.number for life in world.state.lives) == 1


def test_sleepers_perceive_nothing_and_are_left_alone():
    class Sleeps(RestlessMind):
        def act(self, scene: Scene, notes: object) -> Act:
            return Act("sleeping", 600, SLEEPING, scene.resident.bed)

    rows = town(mind=Sleeps()).play()
    assert set(rows["kind"]) == {"planned", "acted"}


def test_walks_for_their_own_sake_lead_farther():
    state = town().state
    park = next(place for place in state.setting.map.places if place.name == "Riverside Park")
    state.lives[0].path = park.tiles[:1]
    lengths = {WALKING: 0, WORKING: 0}
    for tick in range(40):
        scene = Sight(state).scene(0, tick)
        for activity in lengths:
            goal = goal_of(scene, Act("going round", 5, activity, park.number))
            lengths[activity] += len(state.setting.paths.path(scene.tile, goal))
    assert lengths[WALKING] > 1.2 * lengths[WORKING]


def test_nothing_is_perceived_twice_while_it_is_remembered():
    world = played(town(), 4)
    for agent, life in enumerate(world.state.lives):
        assert len(set(life.recent)) == len(life.recent), agent
