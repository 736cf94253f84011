"""Plan of a day: sleep, morning, work, meals, gatherings kept, and free time by utility.

    days.plan(scene)                                     # blocks of 1,440 minutes in all

A plan is painted on the minutes of the day in this order: gatherings, sleep, the shift
with its meals, morning and evening, meals at home; free time fills the rest.

Shapes: O options of free time.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds import leisure
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.gatherings import Due, gatherings_of
from recgpt.simulate.worlds.town.minds.leisure_choice import Choices, Moment
from recgpt.simulate.worlds.town.minds.parameters import Parameters
from recgpt.simulate.worlds.town.minds.shifts import shift_on, workplace
from recgpt.simulate.worlds.town.minds.venues import Venues, the
from recgpt.simulate.worlds.town.needs import changes_of, needs_at
from recgpt.simulate.worlds.town.occupations import ADULT_AT, occupation_of
from recgpt.simulate.worlds.town.residents import Resident

DAY = 1440
MORNING, BREAKFAST, EVENING = 28, 25, 27
"""Minutes of the morning routine, of breakfast and of getting ready for bed."""
LUNCH, LUNCH_OUT, DINNER, MEAL_AT_WORK, MEAL_OUT = 36, 45, 61, 28, 60
COOKS = "cooking and having dinner"
_SHORTEST = 10  # minutes of a block; a shorter gap goes to the block before it
_BETWEEN_MEALS = 150
_NEAR_HOME, _NEAR_CAFE = 8, 12  # minutes of a walk in a break
_LAST_COFFEE = 660
_ERRAND, _NEAR_ERRAND = 870, 20  # first minute of the day, longest walk
_ERRANDS = (("hall", "handing in papers", a.NOTICES), ("shop", "buying supplies", a.SHOPPING))
_VENUES = {a.CINEMA: "cinema", a.BOOKSHOP: "bookshop"}


@dataclass(frozen=True, slots=True)
class _Slot:
    """A block at its time."""

    start: int
    end: int
    text: str
    activity: int
    place: int


class _Timeline:
    """The minutes of a day; the first entry of a minute stays."""

    def __init__(self) -> None:
        self._minutes: list[tuple[str, int, int] | None] = [None] * DAY

    def put(self, start: int, end: int, text: str, activity: int, place: int) -> None:
        """Take the free minutes of a span."""
        start, end = max(start, 0), min(end, DAY)
        entry = text, activity, place
        self._minutes[start:end] = [each or entry for each in self._minutes[start:end]]

    def free(self, start: int, end: int) -> bool:
        """Whether a span is free."""
        return start >= 0 and end <= DAY and not any(self._minutes[start:end])

    def slots(self) -> Iterator[_Slot | tuple[int, int]]:
        """Blocks, and the gaps between them as (start, end)."""
        start = 0
        for entry, run in groupby(self._minutes):
            end = start + sum(1 for _ in run)
            yield (start, end) if entry is None else _Slot(start, end, *entry)
            start = end


class Days:
    """Plans days.

    Parameters
    ----------
    choices
        Utility of free activities.
    """

    def __init__(self, venues: Venues, parameters: Parameters, choices: Choices) -> None:
        self._venues, self._choices = venues, choices
        self._parameters = parameters

    def plan(self, scene: Scene) -> tuple[PlanBlock, ...]:
        """See `Mind.plan_day`."""
        day = _Day(scene, self._venues, self._parameters)
        slots = self._with_free_time(scene, day, list(day.timeline.slots()))
        blocks = [PlanBlock(each.text, each.end - each.start, each.activity, each.place) for each in _joined(slots)]
        return tuple(blocks)

    def _with_free_time(self, scene: Scene, day: "_Day", slots: Sequence[_Slot | tuple[int, int]]) -> list[_Slot]:
        """The blocks with free activities in the gaps, chosen by the needs that the day will have brought."""
        found: list[_Slot] = []
        needs = needs_at(scene.life, scene.resident, scene.tick, scene.rules.seconds_per_tick)
        times: Counter[int] = Counter()
        for slot in slots:
            if isinstance(slot, _Slot):
                pieces = [slot]
            elif slot[1] - slot[0] < _SHORTEST and found:
                pieces = [_Slot(*slot, found[-1].text, found[-1].activity, found[-1].place)]
            else:
                pieces = self._free(scene, slot, needs, times)
            for piece in pieces:
                needs = _after(needs, piece, scene.resident)
            found += pieces
        return found

    def _free(self, scene: Scene, gap: tuple[int, int], needs: tuple[float, ...], times: Counter[int]) -> list[_Slot]:
        """Free activities of a gap, and the way home."""
        options = self._choices.options(scene.agent, scene.resident)
        minute, end = gap
        home = scene.resident.home
        places = self._venues.map.places
        here = home
        found: list[_Slot] = []
        again = self._parameters.leisure.again
        pulls = self._pulls(scene)
        while end - minute > 0:
            draws = scene.uniform(f"free {minute}", n=len(options.activities) + 1)
            bonus = dict(pulls)
            for activity, count in times.items():
                bonus[activity] = bonus.get(activity, 0.0) - again * count
            noise_O = 2 * np.array(draws[1:]) - 1
            best = self._choices.best(
                options, Moment(minute, end - minute, places[here].tiles[0], home, needs, noise_O, bonus)
            )
            activity, sector = best or (a.RESTING, home)
            way, back = self._walk(here, sector, scene), self._walk(sector, home, scene)
            wanted = self._length(activity, draws[0]) + way
            until = end if best is None or end - minute - wanted < 2 * _SHORTEST + back else minute + wanted
            piece = _Slot(minute, until, self.text_of(activity, sector, scene.resident), activity, sector)
            needs = _after(needs, piece, scene.resident)
            times[activity] += 1
            found.append(piece)
            minute, here = until, sector
        return [*found[:-1], *_with_the_way_home(found[-1], self._walk(here, home, scene), home)]

    @staticmethod
    def _length(activity: int, draw: float) -> int:
        """Minutes of a free activity."""
        usual = a.ACTIVITIES[activity].minutes
        return usual if activity == a.CINEMA else int(usual * (1.0 + 0.6 * draw))

    def _walk(self, sector: int, other: int, scene: Scene) -> int:
        """Minutes of the walk between two sectors."""
        return math.ceil(self._venues.tiles_between(sector, other) * scene.rules.seconds_per_tick / 60)

    def _pulls(self, scene: Scene) -> dict[int, float]:
        """Utility that items on offer and the list of wishes add to their venues."""
        wants = leisure.wants(scene)
        return {activity: self._parameters.leisure.wish * wants.get(kind, 0.0) for activity, kind in _VENUES.items()}

    def text_of(self, activity: int, sector: int, resident: Resident) -> str:
        """Words of a free activity at a sector."""
        text = a.ACTIVITIES[activity].text
        place = self._venues.map.places[sector]
        return text if sector == resident.home or place.kind in text else f"{text} at {the(place.name)}"


def _with_the_way_home(piece: _Slot, walk: int, home: int) -> list[_Slot]:
    """A free activity, and if it is away from home the way back."""
    if piece.place == home or walk < 2 or piece.end - piece.start <= walk:
        return [piece]
    leaves = piece.end - walk
    away = _Slot(piece.start, leaves, piece.text, piece.activity, piece.place)
    return [away, _Slot(leaves, piece.end, "walking home", a.HOMEWARD, home)]


def _joined(slots: Sequence[_Slot]) -> list[_Slot]:
    """Neighbours of the same text, activity and place as one."""
    found: list[_Slot] = []
    for slot in slots:
        last = found[-1] if found else None
        if last and (last.text, last.activity, last.place) == (slot.text, slot.activity, slot.place):
            found[-1] = _Slot(last.start, slot.end, slot.text, slot.activity, slot.place)
        else:
            found.append(slot)
    return found


def _after(needs: tuple[float, ...], slot: _Slot, resident: Resident) -> tuple[float, ...]:
    """Needs after a block."""
    hours = (slot.end - slot.start) / 60
    changed = [
        min(max(need + change * hours, 0.0), 1.0)
        for need, change in zip(needs, changes_of(slot.activity, resident), strict=True)
    ]
    if slot.activity == a.WAKING:
        changed[a.HYGIENE] = 0.95
    return tuple(changed)


class _Day:
    """The fixed blocks of a resident's day."""

    def __init__(self, scene: Scene, venues: Venues, parameters: Parameters) -> None:
        self._scene, self._venues, self._numbers = scene, venues, parameters.day
        self._resident = resident = scene.resident
        self._weekday = scene.now.weekday()
        self._draws = scene.uniform("day", n=11)
        household = np.array([resident.household])
        self._household = rng.uniform(scene.seed, household, step=scene.day, purpose="town household", n=3)[0]
        self._work = workplace(venues, resident)
        tiles = venues.tiles_between(resident.home, self._work)
        self._commute = math.ceil(tiles * scene.rules.seconds_per_tick / 60) + 1
        self._members = venues.households.get(resident.household, (scene.agent,))
        self.timeline = _Timeline()
        self._fill()

    def _fill(self) -> None:
        shift = shift_on(self._venues, self._scene.agent, self._resident, self._weekday)
        due = gatherings_of(self._scene, self._venues, self._scene.day, self._numbers.no_show)
        wake = self._wake(shift)
        bed = self._bed(due)
        for each in due:
            self._put_gathering(each)
        self._put_sleep(wake, bed)
        self._put_night_shift(wake)
        if shift is not None:
            self._put_shift(shift)
        home = self._resident.home
        self.timeline.put(wake, wake + MORNING, "waking up and getting ready", a.WAKING, home)
        self._put_breakfast(wake + MORNING)
        self._put_lunch(wake)
        self._put_dinner(shift, bed)

    def _noise(self, place: int, width: float) -> int:
        return round((2 * self._draws[place] - 1) * width)

    def _wake(self, shift: tuple[int, int] | None) -> int:
        """Minute of waking: usual time with noise, later on a day off, early enough for work."""
        numbers, resident = self._numbers, self._resident
        wake = resident.wakes + self._noise(0, numbers.wake_noise * (1.5 - resident.conscientiousness))
        if len(self._members) > 1 and self._scene.agent in self._members:
            wake += self._members.index(self._scene.agent) * numbers.snooze // len(self._members)
        if shift is None:
            occupied = occupation_of(resident, self._venues.map).days
            return wake + (numbers.lie_in if occupied else 0)
        return max(min(wake, shift[0] - self._early() - self._commute - MORNING - BREAKFAST), 30)

    def _early(self) -> int:
        return round(self._numbers.early * self._draws[1])

    def _bed(self, due: Sequence[Due]) -> int:
        """Minute of going to sleep; from 1,440 where that is after midnight."""
        usual = self._resident.sleeps + (DAY if self._resident.sleeps < self._resident.wakes else 0)
        bed = usual + self._noise(2, self._numbers.sleep_noise)
        late = max((each.end + each.walk + EVENING for each in due), default=0)
        return max(bed, late)

    def _put_gathering(self, due: Due) -> None:
        start = due.start - due.walk
        if due.hosts:
            self.timeline.put(start - 45, due.start, f"preparing {due.text}", a.PREPARING, due.place)
        self.timeline.put(start, due.end, f"attending {due.text}", a.GATHERING, due.place)

    def _put_sleep(self, wake: int, bed: int) -> None:
        resident = self._resident
        is_up = resident.sleeps < resident.wakes and self._scene.day > 0 and not self._scene.life.sleeps
        up = resident.sleeps if is_up else 0
        if up:
            self.timeline.put(up - EVENING, up, "getting ready for bed", a.BEDTIME, resident.home)
        self.timeline.put(up, wake, "sleeping", a.SLEEPING, resident.bed)
        self.timeline.put(bed, DAY, "sleeping", a.SLEEPING, resident.bed)
        self.timeline.put(bed - EVENING, bed, "getting ready for bed", a.BEDTIME, resident.home)

    def _put_night_shift(self, wake: int) -> None:
        """The end after midnight of the shift of the day before."""
        before = shift_on(self._venues, self._scene.agent, self._resident, (self._weekday - 1) % 7)
        if before and before[1] > DAY and self._scene.day > 0:
            self._put_work(0, min(before[1] - DAY, wake))

    def _put_shift(self, shift: tuple[int, int]) -> None:
        """The shift with its meals, the way to it and the way home."""
        start, end = shift[0] - self._early(), shift[1]
        home = self._work == self._resident.home
        self._put_meals_of_shift(start, end)
        self._put_work(start, end)
        if not home and self._commute >= 2:
            self.timeline.put(start - self._commute, start, "walking to work", a.COMMUTING, self._work)
            self.timeline.put(end, end + self._commute, "walking home", a.HOMEWARD, self._resident.home)

    def _put_work(self, start: int, end: int) -> None:
        tasks = occupation_of(self._resident, self._venues.map).tasks
        name = self._venues.map.places[self._work].name
        where = "at home" if self._work == self._resident.home else f"at {the(name)}"
        studies = tasks[0].activity == a.CLASS
        self.timeline.put(start, end, f"{'studying' if studies else 'working'} {where}", tasks[0].activity, self._work)

    def _put_meals_of_shift(self, start: int, end: int) -> None:
        numbers = self._numbers
        self._put_coffee_break(start)
        self._put_errand(start, end)
        lunch = numbers.lunch + self._noise(3, numbers.lunch_spread)
        if start + 90 <= lunch <= end - 60:
            self._put_lunch_of_shift(lunch)
        dinner = self._dinner_time()
        if start + 90 <= dinner <= end - 60:
            self.timeline.put(dinner, dinner + MEAL_AT_WORK, "having dinner at work", a.DINNER, self._work)

    def _put_coffee_break(self, start: int) -> None:
        """Coffee at the nearest cafe in mid-morning, if it is near."""
        begins = start + 90 + int(60 * self._draws[7])
        cafe = next(iter(self._venues.nearest("cafe", self._work)), -1)
        if cafe in (-1, self._work) or self._draws[6] > self._numbers.coffee_break or begins > _LAST_COFFEE:
            return
        walk = math.ceil(self._venues.tiles_between(self._work, cafe) * self._scene.rules.seconds_per_tick / 60)
        if walk <= _NEAR_CAFE and self._venues.is_open(cafe, begins):
            text = f"having coffee at {the(self._venues.map.places[cafe].name)}"
            self.timeline.put(begins, begins + walk + 18, text, a.COFFEE, cafe)

    def _put_errand(self, start: int, end: int) -> None:
        """Supplies from the nearest shop, or papers at the town hall, in the afternoon."""
        begins = _ERRAND + int(90 * self._draws[8])
        kind, text, activity = _ERRANDS[self._draws[9] < 0.5]
        venue = next(iter(self._venues.nearest(kind, self._work)), -1)
        free = start + 60 <= begins <= end - 60 and self._work != self._resident.home
        if venue in (-1, self._work) or not free or self._draws[10] > self._numbers.errand:
            return
        walk = math.ceil(self._venues.tiles_between(self._work, venue) * self._scene.rules.seconds_per_tick / 60)
        if walk <= _NEAR_ERRAND and self._venues.is_open(venue, begins):
            name = the(self._venues.map.places[venue].name)
            self.timeline.put(begins, begins + walk + 12, f"{text} at {name}", activity, venue)

    def _put_lunch_of_shift(self, lunch: int) -> None:
        venue = self._open_venue(lunch, self._work)
        if venue >= 0 and venue != self._work and self._draws[4] < self._numbers.lunch_out:
            self._put_meal_out(lunch, LUNCH_OUT, "lunch", venue)
        elif self._work == self._resident.home or self._commute <= _NEAR_HOME:
            self.timeline.put(lunch, lunch + LUNCH + 2 * self._commute, "having lunch", a.LUNCH, self._resident.home)
        else:
            self.timeline.put(lunch, lunch + LUNCH, "having lunch at work", a.LUNCH, self._work)

    def _put_meal_out(self, start: int, minutes: int, meal: str, venue: int) -> None:
        text = f"having {meal} at {the(self._venues.map.places[venue].name)}"
        self.timeline.put(start, start + minutes, text, a.DINING, venue)

    def _open_venue(self, minute: int, near: int) -> int:
        """Nearest cafe or restaurant that is open for a meal, -1 for none."""
        found = [*self._venues.nearest("restaurant", near)[:1], *self._venues.nearest("cafe", near)[:1]]
        open_ones = [
            each for each in found if self._venues.is_open(each, minute) and self._venues.is_open(each, minute + 60)
        ]
        return open_ones[int(self._draws[5] * len(open_ones))] if open_ones else -1

    def _put_breakfast(self, start: int) -> None:
        venue = self._open_venue(start + 10, self._resident.home)
        alone = len(self._members) == 1 or "breakfast at the" in self._resident.lifestyle
        goes = alone and venue not in (-1, self._work) and self._draws[6] < self._numbers.breakfast_out
        if goes and self.timeline.free(start, start + LUNCH_OUT):
            self._put_meal_out(start, LUNCH_OUT, "breakfast", venue)
        self.timeline.put(start, start + BREAKFAST, "having breakfast", a.BREAKFAST, self._resident.home)

    def _put_lunch(self, wake: int) -> None:
        """Lunch at home, where the shift has none."""
        lunch = max(self._numbers.lunch + self._noise(3, self._numbers.lunch_spread), wake + MORNING + _BETWEEN_MEALS)
        for start in range(lunch, lunch + 121, 15):
            if self.timeline.free(start, start + LUNCH):
                self.timeline.put(start, start + LUNCH, "having lunch", a.LUNCH, self._resident.home)
                return

    def _dinner_time(self) -> int:
        """Minute of dinner of the household."""
        return round(self._numbers.dinner + (2 * self._household[0] - 1) * self._numbers.dinner_spread)

    def _put_dinner(self, shift: tuple[int, int] | None, bed: int) -> None:
        dinner = self._dinner_time()
        if shift is not None and shift[0] + 90 <= dinner <= shift[1] - 60:
            return
        out = self._open_venue(dinner, self._resident.home)
        if (
            out not in (-1, self._work)
            and self._household[1] < self._numbers.dinner_out
            and self.timeline.free(dinner, dinner + MEAL_OUT)
        ):
            self._put_meal_out(dinner, MEAL_OUT, "dinner", out)
            return
        last = min(bed - EVENING - DINNER, DAY - DINNER)
        for start in (*range(dinner, last + 1, 5), *range(dinner, dinner - 121, -5)):
            if self.timeline.free(start, start + DINNER):
                text = COOKS if start != dinner or self._cooks(dinner) else "having dinner with the household"
                self.timeline.put(start, start + DINNER, text, a.DINNER, self._resident.home)
                return

    def _cooks(self, dinner: int) -> bool:
        """Whether it is this resident's turn among the adults of the household at home for dinner."""
        people = self._venues.people.residents
        adults = [
            each for each in self._members if people[each].age >= ADULT_AT and self._is_home(each, people[each], dinner)
        ]
        turn = (self._scene.day + self._resident.household) % max(len(adults), 1)
        return not adults or adults[turn] == self._scene.agent

    def _is_home(self, agent: int, resident: Resident, dinner: int) -> bool:
        shift = shift_on(self._venues, agent, resident, self._weekday)
        return shift is None or not shift[0] - 60 <= dinner <= shift[1] + 20
