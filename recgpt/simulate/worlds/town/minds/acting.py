"""The next activity of a resident: the part of its plan that is due, where there is room, with manners.

    acting.act(scene)

A free block is decided anew at each part, by the needs of the moment; the planned activity has a bonus. A resident that
finds its place taken takes another one of the same kind, waits its turn, or does something else.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds import routines
from recgpt.simulate.worlds.town.minds.base import Act, Scene
from recgpt.simulate.worlds.town.minds.days import COOKS, Days
from recgpt.simulate.worlds.town.minds.gatherings import Due, gatherings_of
from recgpt.simulate.worlds.town.minds.leisure_choice import FREE, Choices, Moment
from recgpt.simulate.worlds.town.minds.parameters import Parameters
from recgpt.simulate.worlds.town.minds.routines import Part
from recgpt.simulate.worlds.town.minds.shifts import workplace
from recgpt.simulate.worlds.town.minds.venues import Venues, the
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.occupations import occupation_of

DAY = 1440
LONGEST = 60
"""Minutes of the longest activity other than sleep and a film."""
_AHEAD = 2  # minutes: so close to its end a block is over
_MARGIN = 1  # minutes of a walk above its estimate
_NEAR = 3  # minutes of a walk that needs no activity of its own
_HUNGRY = 0.2
_DRAWS = 24
_ALONE = frozenset({a.BATHROOM, a.SHOWERING, a.TEETH})  # one at a time
_WORK = frozenset({a.WORKING, a.SERVING, a.SELLING, a.TEACHING, a.CRAFTING, a.CARING, a.CLASS})
_WAYS = frozenset({a.COMMUTING, a.HOMEWARD, a.UNDERWAY})


@dataclass(frozen=True, slots=True)
class _Due:
    """The block of the plan that is due, with its span in minutes of the day, and the sector of the next one."""

    block: PlanBlock
    start: int
    end: int
    then: int


class Acting:
    """Chooses activities.

    Parameters
    ----------
    choices
        Utility of free activities.
    """

    def __init__(self, venues: Venues, parameters: Parameters, choices: Choices, days: Days) -> None:
        self._venues, self._parameters, self._choices, self._days = venues, parameters, choices, days
        self._parts: dict[int, tuple[tuple[int, int, int, int, str], tuple[Part, ...]]] = {}

    def act(self, scene: Scene) -> Act:
        """See `Mind.act`."""
        seconds = scene.now.hour * 3600 + scene.now.minute * 60 + scene.now.second
        gatherings = gatherings_of(scene, self._venues, scene.day, self._parameters.day.no_show)
        for each in gatherings:
            if (each.start - each.walk - _AHEAD) * 60 <= seconds < (each.end - _AHEAD) * 60:
                return self._attend(scene, each, seconds)
        act = self._planned(scene, self._due(scene, seconds // 60), seconds)
        leaves = min((each.start - each.walk for each in gatherings if each.start * 60 > seconds), default=DAY)
        return _cut(act, leaves - seconds // 60)

    def _due(self, scene: Scene, minute: int) -> _Due:
        """The block of the plan at a minute of the day; the next one if this is nearly over, or it is time to leave."""
        plan, home = scene.life.plan, scene.resident.home
        start = 0
        for number, block in enumerate(plan):
            end = start + block.minutes
            after = plan[number + 1] if number + 1 < len(plan) else None
            then = home if after is None or after.place < 0 else self._venues.map.sector_of(after.place)
            if after is None or (
                end - minute > _AHEAD and not self._leaves(scene, block, end - minute, then, after.activity)
            ):
                return _Due(block, start, end, then)
            start = end
        return _Due(PlanBlock("resting", DAY, a.RESTING, home), 0, DAY, home)

    def _leaves(self, scene: Scene, block: PlanBlock, left: int, then: int, after: int) -> bool:
        """Whether a block gives way to the next one, `after` at the sector `then`: the walk takes all the time left.

        The way home gives way to any block away from home.
        """
        if block.activity == a.HOMEWARD:
            return then != scene.resident.home
        if block.activity not in FREE or after in _WAYS or then == self._venues.sector_at(scene.tile):
            return False
        return left <= self._venues.tiles_to(scene.tile, then) * scene.rules.seconds_per_tick / 60

    def _planned(self, scene: Scene, due: _Due, seconds: int) -> Act:
        """The activity that the plan has now, or a better one in free time."""
        block, left = due.block, _minutes(due.end, seconds)
        if block.activity == a.SLEEPING:
            return Act(a.ACTIVITIES[a.SLEEPING].text, left, a.SLEEPING, scene.resident.bed)
        if block.activity in _WAYS:
            return self._on_the_way(scene, due, seconds)
        if block.activity in FREE and not self._is_kept(scene, due):
            return self._free(scene, due, seconds)
        if block.activity < 0:
            return self._in_free_words(scene, block, left)
        sector = self._venues.map.sector_of(block.place) if block.place >= 0 else scene.resident.home
        if self._is_shut(scene, sector, seconds // 60) and block.activity != a.GATHERING:
            return self._free(scene, due, seconds)
        if block.activity in (a.GATHERING, a.PREPARING):
            return self._at(scene, Part(block.text, min(left, 20), block.activity), sector, due)
        return self._at(scene, self._part(scene, due, block.activity, block.text, seconds), sector, due)

    def _is_kept(self, scene: Scene, due: _Due) -> bool:
        """Whether a free block is done as planned: a film, and a break between two parts of a shift."""
        work = workplace(self._venues, scene.resident)
        return due.block.activity == a.CINEMA or (due.then == work and work != scene.resident.home)

    def _is_shut(self, scene: Scene, sector: int, minute: int) -> bool:
        """Whether a sector is closed to the resident: never its home and its place of work."""
        own = sector in (scene.resident.home, workplace(self._venues, scene.resident))
        full = scene.taken >= 0 and scene.taken in (sector, self._venues.room(sector))
        return full or not (own or self._venues.is_open(sector, minute))

    def _part(self, scene: Scene, due: _Due, activity: int, text: str, seconds: int) -> Part:
        """The part of a block that is due, with the minutes that are left of it."""
        minute = seconds // 60
        reached = due.start
        parts = self._parts_of(scene, due, activity, text)
        for part in parts:
            reached += part.minutes
            if reached - minute > _AHEAD or part is parts[-1]:
                return Part(part.text, max(_minutes(reached, seconds), 1), part.activity, part.words)
        raise AssertionError("a block has parts")

    def _parts_of(self, scene: Scene, due: _Due, activity: int, text: str) -> tuple[Part, ...]:
        """Parts of a block; for each resident the last result is kept."""
        key = scene.day, due.start, due.end, activity, text
        last = self._parts.get(scene.agent)
        if last is None or last[0] != key:
            last = key, self._made_parts(scene, due, activity, text)
            self._parts[scene.agent] = last
        return last[1]

    def _made_parts(self, scene: Scene, due: _Due, activity: int, text: str) -> tuple[Part, ...]:
        minutes = due.end - due.start
        if activity in routines.MEALS:
            return self._made_meal(scene, due, activity, text, minutes)
        draws = self._draws(scene, due, "town parts", _DRAWS)
        if activity in _WORK and due.block.activity == activity:
            return routines.shift_parts(occupation_of(scene.resident, self._venues.map), minutes, draws)
        return routines.free_parts(activity, text, minutes, draws)

    @staticmethod
    def _made_meal(scene: Scene, due: _Due, activity: int, text: str, minutes: int) -> tuple[Part, ...]:
        parts = routines.MEALS[activity]
        if activity == a.DINNER and text == COOKS:
            parts = routines.COOKS_DINNER
        elif due.block.place != scene.resident.home and activity in (a.LUNCH, a.DINNER):
            parts = routines.PACKED_LUNCH if activity == a.LUNCH else routines.MEAL_AT_WORK
        elif activity == a.WAKING and scene.agent % 2:
            parts = (parts[0], parts[1], parts[4], parts[3], parts[2])
        return routines.stretched(parts, minutes)

    @staticmethod
    def _draws(scene: Scene, due: _Due, purpose: str, n: int) -> list[float]:
        """Random numbers of a block, the same at each of its ticks."""
        step = scene.day * DAY + due.start
        drawn: list[float] = rng.uniform(scene.seed, np.array([scene.agent]), step=step, purpose=purpose, n=n)[
            0
        ].tolist()
        return drawn

    def _free(self, scene: Scene, due: _Due, seconds: int) -> Act:
        """A free activity of highest utility for the rest of a block."""
        needs = needs_at(scene.life, scene.resident, scene.tick, scene.rules.seconds_per_tick)
        here = self._venues.sector_at(scene.tile)
        left = _minutes(due.end, seconds)
        if needs[a.FOOD] < _HUNGRY and here == scene.resident.home and not self._eats_soon(scene, due):
            return self._at(scene, Part("having a snack", min(left, 10), a.SNACK), here, due)
        options = self._choices.options(scene.agent, scene.resident)
        noise_O = 2 * np.array(self._draws(scene, due, "town mood", max(len(options.activities), 1))) - 1
        bonus = {due.block.activity: self._parameters.leisure.plan}
        taken = self._venues.map.sector_of(scene.taken) if scene.taken >= 0 else -1
        shut = taken if taken >= 0 and self._is_shut(scene, taken, seconds // 60) else -1
        stays = scene.life.action.activity, here
        moment = Moment(
            seconds // 60, left, scene.tile, due.then, needs, noise_O, bonus, stays, shut, taken, self._goal(scene)
        )
        best = self._choices.best(options, moment)
        activity, sector = best or (a.RESTING, scene.resident.home)
        text = self._days.text_of(activity, sector, scene.resident)
        part = self._part(scene, due, activity, text, seconds)
        return self._at(scene, part, sector, due)

    def _goal(self, scene: Scene) -> int:
        """Sector that the resident has walked to for its own sake, -1 for none."""
        action = scene.life.action
        return self._venues.map.sector_of(action.place) if action.activity == a.UNDERWAY and action.place >= 0 else -1

    @staticmethod
    def _eats_soon(scene: Scene, due: _Due) -> bool:
        """Whether a meal of the plan begins within the hour after the start of a block."""
        start = 0
        for block in scene.life.plan:
            if block.activity in (a.BREAKFAST, a.LUNCH, a.DINNER, a.DINING) and due.start <= start <= due.end + 20:
                return True
            start += block.minutes
        return False

    def _in_free_words(self, scene: Scene, block: PlanBlock, left: int) -> Act:
        """An activity of an edit or a language model, known by its words or not."""
        activity = a.activity_of(block.text)
        place = block.place
        if place < 0 and activity >= 0:
            kinds = a.ACTIVITIES[activity].kinds
            options = [
                scene.resident.home
                if kind == "home"
                else next(iter(self._venues.nearest(kind, scene.resident.home)), -1)
                for kind in kinds
            ]
            place = next((each for each in options if each >= 0), -1)
        if place >= 0 and self._venues.map.places[place].level == "sector":
            words = a.ACTIVITIES[activity].objects if activity >= 0 else ()
            place = next(iter(self._venues.spots_for(words, place)), self._venues.room(place))
        return Act(block.text, min(left, LONGEST), activity, place)

    def _on_the_way(self, scene: Scene, due: _Due, seconds: int) -> Act:
        """The way to work or home; free time for a resident that is there already."""
        block = due.block
        place = self._venues.room(block.place) if block.place >= 0 else -1
        if block.place == self._venues.sector_at(scene.tile):
            return self._free(scene, due, seconds)
        return Act(block.text, _minutes(due.end, seconds), block.activity, place)

    def _attend(self, scene: Scene, due: Due, seconds: int) -> Act:
        """A gathering, once the resident has walked there."""
        sector = self._venues.map.sector_of(due.place)
        if seconds < due.start * 60 and self._venues.sector_at(scene.tile) != sector:
            return Act(
                f"walking to {due.text}", max(_minutes(due.start, seconds), 1), a.UNDERWAY, self._venues.room(sector)
            )
        text = f"hosting {due.text}" if due.hosts else f"attending {due.text}"
        block = PlanBlock(text, due.end - due.start, a.GATHERING, due.place)
        part = Part(text, min(_minutes(due.end, seconds), 20), a.GATHERING)
        return self._at(scene, part, sector, _Due(block, due.start, due.end, scene.resident.home))

    def _at(self, scene: Scene, part: Part, sector: int, due: _Due) -> Act:
        """A part at the best free object of a sector, or the walk there, or giving way."""
        words = part.words or a.ACTIVITIES[part.activity].objects
        if part.activity in _ALONE and not self._venues.spots_for(words, sector):
            part = Part("taking a break", part.minutes, a.BREAK)
            words = a.ACTIVITIES[a.BREAK].objects
        spot = self._spot(scene, words, sector, due)
        if spot < 0 and part.activity in _ALONE:
            return self._giving_way(scene, part)
        place = spot if spot >= 0 else self._room_for(scene, part, sector)
        if self._venues.sector_at(scene.tile) != sector:
            return self._with_the_way(scene, part, sector, place, due)
        if part.activity in (a.CINEMA, a.DINING):
            return Act(part.text, part.minutes, part.activity, place)
        return Act(part.text, min(part.minutes, LONGEST), part.activity, place)

    def _with_the_way(self, scene: Scene, part: Part, sector: int, place: int, due: _Due) -> Act:
        """The walk to another sector as an activity of its own, if it is long."""
        tiles = self._venues.tiles_of_walk(scene.tile, place)
        walk = _MARGIN + math.ceil(tiles * scene.rules.seconds_per_tick / 60)
        if walk <= _NEAR:
            return Act(part.text, min(max(part.minutes, walk + 1), LONGEST), part.activity, place)
        if sector == scene.resident.home:
            return Act("walking home", walk, a.HOMEWARD, place)
        to_work = sector == workplace(self._venues, scene.resident)
        name = self._venues.map.places[sector].name
        return Act(f"walking to {the(name)}", walk, a.COMMUTING if to_work else a.UNDERWAY, place)

    def _room_for(self, scene: Scene, part: Part, sector: int) -> int:
        """A room of a sector without a fitting object."""
        room = self._venues.room(sector, ("bathroom", "restroom") if part.activity in _ALONE else ())
        return self._venues.room(sector) if room == scene.taken else room

    def _spot(self, scene: Scene, words: tuple[str, ...], sector: int, due: _Due) -> int:
        """A free object for the words, -1 for none: of the best word, spread over residents and blocks.

        A guest of a gathering keeps the one that it has.
        """
        known = self._venues.spots_for(words, sector)
        if sector not in (scene.resident.home, workplace(self._venues, scene.resident)):
            known = self._venues.for_guests(known)
        spots = self._venues.best_of(known)
        if not spots:
            return -1
        if "bed" in words and sector == scene.resident.home:
            others = [each for each in self._venues.spots_for(words, sector) if not self._is_bed(each)]
            spots = (scene.resident.bed, *others) if self._is_bed(spots[0]) else (*spots, scene.resident.bed)
        first = self._first_spot(scene, sector, due) % len(spots)
        used = Counter(scene.lives[each].action.place for each in scene.near)
        rooms = Counter(self._venues.map.places[each].parent for each in used.elements() if each >= 0)
        kept = self._here(scene, known) if due.block.activity == a.GATHERING else ()
        for group in (kept, (*spots[first:], *spots[:first]), known):
            for each in group:
                is_own = not self._is_bed(each) or each == scene.resident.bed
                if is_own and each != scene.taken and self._has_room(each, used, rooms):
                    return each
        return -1

    def _here(self, scene: Scene, spots: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the objects where the resident stands."""
        return tuple(each for each in spots if scene.tile in self._venues.map.places[each].tiles)

    def _has_room(self, spot: int, used: Counter[int], rooms: Counter[int]) -> bool:
        """Whether an object and its room can take one more, as far as is seen from here."""
        place = self._venues.map.places[spot]
        room = self._venues.map.places[place.parent]
        return used[spot] < place.capacity and rooms[room.number] < room.capacity

    def _first_spot(self, scene: Scene, sector: int, due: _Due) -> int:
        """Number that spreads residents over the spots of a sector; in a park another one at each activity."""
        if sector == scene.resident.home:
            return 0
        return scene.agent + (scene.tick // 6 if self._venues.map.places[sector].kind == "park" else due.start)

    def _is_bed(self, place: int) -> bool:
        return self._venues.map.places[place].name.lower().startswith("bed")

    def _giving_way(self, scene: Scene, part: Part) -> Act:
        """Waiting for one's turn outside, or something else meanwhile."""
        manners = self._parameters.manners
        patient = scene.uniform("patience")[0] < manners.patience * (0.5 + scene.resident.agreeableness / 2)
        place = scene.taken
        other = next((each for each in scene.near if scene.lives[each].action.place == place >= 0), -1)
        here = self._venues.sector_at(scene.tile)
        outside = self._venues.room(here) if here >= 0 else -1
        if patient or here != scene.resident.home:
            name = self._venues.map.places[place].name if place >= 0 else "bathroom"
            return Act(f"waiting for the {name}", manners.wait, a.WAITING, outside, other)
        return Act("tidying up meanwhile", manners.wait, a.HOUSEWORK, outside)


def _minutes(end: int, seconds: int) -> int:
    """Whole minutes from a second of the day to a minute of the day, rounded up, at least 1."""
    return max(-((seconds - end * 60) // 60), 1)


def _cut(act: Act, minutes: int) -> Act:
    """An activity that ends after so many minutes at the latest."""
    if act.minutes <= max(minutes, 1):
        return act
    return Act(act.text, max(minutes, 1), act.activity, act.place, act.other)
