"""Choice of a free activity by utility over the open and reachable venues of a resident.

    options = choices.options(agent, resident)
    choices.best(options, Moment(...))

Shapes: O options (an activity at a sector), 6 needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.activities import ACTIVITIES, NEEDS
from recgpt.simulate.worlds.town.minds.parameters import Leisure
from recgpt.simulate.worlds.town.minds.venues import Venues
from recgpt.simulate.worlds.town.occupations import ADULT_AT
from recgpt.simulate.worlds.town.residents import Resident

FREE = (
    *(a.PHONE, a.READING, a.TELEVISION, a.MUSIC, a.HOBBY, a.GARDENING, a.RESTING, a.GAME, a.WALKING, a.SITTING),
    *(a.EXERCISE, a.COFFEE, a.DRINKS, a.CINEMA, a.BOOKSHOP, a.BORROWING, a.NOTICES, a.PLAYING, a.HOUSEWORK),
    *(a.LAUNDRY, a.SHOPPING, a.STUDYING, a.MEDICINE),
)
"""Activities of free time."""
WINDOWS: dict[int, tuple[int, int]] = {
    **{a.DRINKS: (1020, 1500), a.CINEMA: (840, 1400), a.COFFEE: (450, 1080), a.TELEVISION: (420, 1440)},
    **{a.MUSIC: (540, 1290), a.GARDENING: (480, 1140), a.WALKING: (390, 1260), a.SITTING: (480, 1200)},
    **{a.EXERCISE: (360, 1260), a.PLAYING: (480, 1140), a.HOUSEWORK: (480, 1230), a.LAUNDRY: (420, 1200)},
    **{
        a.NOTICES: (480, 1080),
        a.SHOPPING: (450, 1230),
        a.GAME: (600, 1440),
    },
    **{a.BOOKSHOP: (540, 1140), a.BORROWING: (540, 1200), a.STUDYING: (480, 1320), a.HOBBY: (480, 1380)},
}
"""Minutes of the day between which an activity is usual: no bar at noon, no laundry at night."""
_NEEDS_AN_OBJECT = frozenset({a.MUSIC, a.GARDENING, a.TELEVISION})
_WITH_OTHERS = frozenset({a.COFFEE, a.DRINKS, a.GAME, a.SITTING, a.PLAYING, a.WALKING, a.NOTICES})
_ALONE = frozenset({a.READING, a.HOBBY, a.TELEVISION, a.PHONE, a.RESTING, a.BORROWING})
_NEW = frozenset({a.CINEMA, a.BOOKSHOP, a.BORROWING, a.MUSIC, a.HOBBY})
_OFTEN = {
    **{a.MEDICINE: -0.9, a.NOTICES: -0.5, a.PHONE: -0.2, a.CINEMA: -0.5, a.DRINKS: -0.15, a.GAME: -0.5, a.MUSIC: -0.2},
    **{a.WALKING: 0.9, a.SITTING: 0.1, a.EXERCISE: 0.8, a.COFFEE: 0.2, a.SHOPPING: 0.8, a.HOUSEWORK: 0.2},
}  # of all residents
_INTERESTS: dict[int, tuple[str, ...]] = {
    a.CINEMA: ("film", "cinema", "drama", "thriller", "comedy", "romance", "science fiction", "animation"),
    a.BOOKSHOP: ("literature", "book", "poetry", "mystery", "novel"),
    a.BORROWING: ("literature", "book", "history", "poetry", "mystery"),
    a.READING: ("literature", "book", "poetry", "mystery", "history", "reading"),
    a.MUSIC: ("music",),
    a.HOBBY: ("art", "craft", "painting", "design"),
    a.GARDENING: ("gardening", "garden", "plants", "nature"),
    a.WALKING: ("nature", "gardening", "walking", "birds"),
    a.EXERCISE: ("sport", "health", "fitness", "football"),
    a.GAME: ("cards", "chess", "games"),
    a.DRINKS: ("parties", "sport"),
    a.NOTICES: ("politics",),
    a.COFFEE: ("coffee", "parties"),
    a.TELEVISION: ("documentary", "comedy"),
}
_FILM = 100
_RUNS_UNTIL = 75  # from this age on walks take the place of runs
_OLD, _TIRING = 60, 0.05  # age from which a walk costs more, and by how much a year
_LEAST = {a.CINEMA: _FILM, a.EXERCISE: 20, a.STUDYING: 20, a.DRINKS: 20, a.COFFEE: 15, a.WALKING: 15}
_OTHER_LEAST = 8
_HERE = 2.0
_CHILD_KINDS = frozenset({"home", "park", "library", "shop"})


@dataclass(frozen=True, slots=True)
class Options:
    """Free activities of a resident; closing times may pass 1,440.

    Attributes
    ----------
    walks
        (O,) minutes of the walk to the sector of each option, from sectors that were needed so far.
    """

    activities: tuple[int, ...]
    sectors: tuple[int, ...]
    gains_O6: np.ndarray
    base_O: np.ndarray
    walks: dict[int, np.ndarray]
    opens_O: np.ndarray
    closes_O: np.ndarray
    least_O: np.ndarray
    slowness: float


@dataclass(slots=True)
class Moment:
    """A free time: first minute of the day, minutes left, tile, and needs.

    Attributes
    ----------
    then
        Sector of the next block, which is to be reached in time.
    bonus
        Added to options by activity.
    stays
        Activity and sector in progress.
    shut
        Sector that is closed or full, -1 for none.
    taken
        Sector where the activity in progress has no room, -1 for none.
    goal
        Sector that the resident has just walked to, -1 for none.
    """

    minute: int
    left: int
    tile: int
    then: int
    needs: tuple[float, ...]
    noise_O: np.ndarray
    bonus: Mapping[int, float] = field(default_factory=dict)
    stays: tuple[int, int] = (-1, -1)
    shut: int = -1
    taken: int = -1
    goal: int = -1


class Choices:
    """Options of residents and their utility."""

    def __init__(self, venues: Venues, parameters: Leisure, seconds_per_tick: int, seed: int) -> None:
        self._venues, self._parameters, self._seed = venues, parameters, seed
        self._minutes_per_tile = seconds_per_tick / 60
        self._options: dict[int, tuple[Resident, Options]] = {}

    def options(self, agent: int, resident: Resident) -> Options:
        """Options of a resident, with its lasting likes."""
        if agent not in self._options or self._options[agent][0] is not resident:
            self._options[agent] = resident, self._made(agent, resident)
        return self._options[agent][1]

    def best(self, options: Options, moment: Moment) -> tuple[int, int] | None:
        """Activity and sector of highest utility; None if nothing is open and short enough."""
        if not options.activities:
            return None
        numbers = self._parameters
        walk_O = self.walks(options, moment.tile)
        there_O = moment.minute + walk_O
        open_O = (there_O >= options.opens_O) & (there_O + np.minimum(options.least_O, moment.left) <= options.closes_O)
        ways_O = walk_O + self._walks_between(options, moment.then)
        least_O = np.where((walk_O == 0) & (options.least_O < _FILM), 1, options.least_O)  # a few more minutes here
        open_O &= ways_O + np.maximum(least_O, walk_O) <= moment.left
        unmet_6 = (1 - np.array(moment.needs)) ** 2
        share_O = 1 - np.minimum(ways_O / max(moment.left, 1), 1)  # of the time left that is not spent on the way
        score_O = numbers.need * (options.gains_O6 @ unmet_6) * share_O + options.base_O
        score_O += numbers.noise * moment.noise_O - numbers.walk * options.slowness * ways_O
        stay = numbers.stay * (1 - 0.7 * moment.needs[a.FUN] ** 4)  # enough of it after a while
        for place, (activity, sector) in enumerate(zip(options.activities, options.sectors, strict=True)):
            if activity in moment.bonus:
                score_O[place] += moment.bonus[activity]
            if sector == moment.stays[1]:
                score_O[place] += stay if activity == moment.stays[0] else numbers.stay / 2
            if sector == moment.goal:
                score_O[place] += _HERE
            if sector == moment.taken:  # rather another activity here than a walk back and forth
                score_O[place] += _HERE
            if sector == moment.shut or (activity, sector) == (moment.stays[0], moment.taken):
                open_O[place] = False
        if not open_O.any():
            return None
        found = int(np.argmax(np.where(open_O, score_O, -np.inf)))
        return options.activities[found], options.sectors[found]

    def walks(self, options: Options, tile: int) -> np.ndarray:
        """(O,) minutes of the walk from a tile to each option."""
        here = self._venues.sector_at(tile)
        if here >= 0:
            return self._walks_between(options, here)
        return self._minutes_per_tile * np.array([self._venues.tiles_to(tile, each) for each in options.sectors])

    def _walks_between(self, options: Options, sector: int) -> np.ndarray:
        """(O,) minutes of the walk between a sector and each option."""
        if sector not in options.walks:
            tiles = [self._venues.tiles_between(sector, each) for each in options.sectors]
            options.walks[sector] = self._minutes_per_tile * np.array(tiles)
        return options.walks[sector]

    def _made(self, agent: int, resident: Resident) -> Options:
        pairs = [(each, sector) for each in FREE for sector in self._sectors(each, resident)]
        habit_O = rng.uniform(self._seed, np.array([agent]), step=0, purpose="town habits", n=max(len(pairs), 1))[0]
        base = [
            self._taste(each, resident) + self._parameters.habit * (2 * habit - 1)
            for (each, _), habit in zip(pairs, habit_O, strict=False)
        ]
        hours = [self._hours(each, sector) for each, sector in pairs]
        gains = [[ACTIVITIES[each].gains.get(need, 0.0) for need in NEEDS] for each, _ in pairs]
        return Options(
            activities=tuple(each for each, _ in pairs),
            sectors=tuple(sector for _, sector in pairs),
            gains_O6=np.array(gains).reshape(-1, len(NEEDS)),
            base_O=np.array(base),
            walks={},
            slowness=1 + _TIRING * max(resident.age - _OLD, 0),
            opens_O=np.array([opens for opens, _ in hours]),
            closes_O=np.array([closes for _, closes in hours]),
            least_O=np.array([_LEAST.get(each, _OTHER_LEAST) for each, _ in pairs]),
        )

    def _sectors(self, activity: int, resident: Resident) -> list[int]:
        """Sectors where a resident may do an activity: its own home and the nearest public ones."""
        if not self._suits(activity, resident):
            return []
        found: list[int] = []
        for kind in ACTIVITIES[activity].kinds or ("home",):
            if resident.age < ADULT_AT - 4 and kind not in _CHILD_KINDS:
                continue
            sectors = (resident.home,) if kind == "home" else self._venues.nearest(kind, resident.home)
            found += [each for each in sectors if kind == "home" or self._venues.map.places[each].owner < 0]
        strict = activity in _NEEDS_AN_OBJECT
        return [each for each in found if not strict or self._venues.spots(activity, each)]

    @staticmethod
    def _suits(activity: int, resident: Resident) -> bool:
        if activity == a.PLAYING:
            return resident.age < ADULT_AT - 3
        if activity == a.EXERCISE:
            return resident.age < _RUNS_UNTIL
        if activity == a.STUDYING:
            return resident.occupation in ("student", "pupil")
        if activity == a.MUSIC:
            return "music" in resident.interests
        if activity in (a.DRINKS, a.NOTICES, a.MEDICINE, a.LAUNDRY):
            return resident.age >= ADULT_AT
        return activity not in (a.HOUSEWORK, a.SHOPPING) or resident.age >= ADULT_AT - 4

    def _taste(self, activity: int, resident: Resident) -> float:
        """Liking by interests and traits."""
        numbers = self._parameters
        words = _INTERESTS.get(activity, ())
        taste = numbers.interest if any(word in each for each in resident.interests for word in words) else 0.0
        outgoing, curious = (2 * trait - 1 for trait in (resident.extroversion, resident.openness))
        taste += numbers.trait * outgoing * ((activity in _WITH_OTHERS) - (activity in _ALONE))
        taste += numbers.trait * curious * (activity in _NEW)
        return taste + _OFTEN.get(activity, 0.0)

    def _hours(self, activity: int, sector: int) -> tuple[int, int]:
        """Minutes between which an activity is usual and its sector open."""
        opens, closes = WINDOWS.get(activity, (0, 1500))
        if (hours := self._venues.map.places[sector].hours) is not None:
            until = hours[1] if hours[0] <= hours[1] else hours[1] + 1440
            return max(opens, hours[0]), min(closes, until)
        return opens, closes
