"""Parts of the blocks of a day: steps of a morning, a meal, a shift or an evening of television.

parts = filled(READING_PARTS, 50, draws)             # parts of 5 to 60 minutes that fill 50 minutes
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.occupations import Occupation

SHORTEST = 3
"""Minutes of the shortest part: brushing the teeth."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a block: text, minutes, activity, and words of objects where the activity has others."""

    text: str
    minutes: int
    activity: int
    words: tuple[str, ...] = ()


def _parts(activity: int, *texts: str) -> tuple[Part, ...]:
    """Parts from `minutes text @ word word`."""
    found = []
    for each in texts:
        minutes, _, rest = each.partition(" ")
        text, _, words = rest.partition(" @ ")
        found.append(Part(text, int(minutes), activity, tuple(words.split())))
    return tuple(found)


_TEA = _parts(a.SNACK, "5 making a cup of tea @ stove kitchen counter")
MORNING = (
    *_parts(a.WAKING, "5 waking up"),
    *_parts(a.BATHROOM, "4 using the bathroom"),
    *_parts(a.SHOWERING, "10 taking a shower"),
    *_parts(a.TEETH, "3 brushing the teeth"),
    *_parts(a.DRESSING, "6 getting dressed"),
)
BREAKFAST = (
    *_parts(a.COOKING, "7 making breakfast"),
    *_parts(a.BREAKFAST, "14 having breakfast"),
    *_parts(a.WASHING_UP, "4 clearing the table @ table"),
)
LUNCH = (
    *_parts(a.COOKING, "10 making lunch"),
    *_parts(a.LUNCH, "20 having lunch"),
    *_parts(a.WASHING_UP, "6 washing up"),
)
PACKED_LUNCH = (*_parts(a.LUNCH, "22 having lunch"), *_parts(a.PHONE, "10 looking at the phone"))
COOKS_DINNER = (
    *_parts(a.COOKING, "8 washing vegetables @ sink stove", "18 cooking dinner"),
    *_parts(a.DINNER, "26 having dinner"),
    *_parts(a.WASHING_UP, "9 washing up"),
)
DINNER = (
    *_parts(a.RESTING, "16 resting before dinner"),
    *_parts(a.LAYING, "8 setting the table"),
    *_parts(a.DINNER, "26 having dinner"),
    *_parts(a.WASHING_UP, "9 drying the dishes"),
)
MEAL_AT_WORK = _parts(a.DINNER, "25 having dinner")
BEDTIME = (
    *_parts(a.BATHROOM, "5 using the bathroom"),
    *_parts(a.TEETH, "4 brushing the teeth"),
    *_parts(a.BEDTIME, "8 getting ready for bed"),
    *_parts(a.READING, "10 reading in bed @ bed"),
)
MEALS = {a.BREAKFAST: BREAKFAST, a.LUNCH: LUNCH, a.DINNER: DINNER, a.WAKING: MORNING, a.BEDTIME: BEDTIME}
"""Parts done once, in this order."""
LEISURE: dict[int, tuple[Part, ...]] = {
    a.PHONE: _parts(a.PHONE, "12 looking at the phone", "8 reading the news on the phone"),
    a.READING: (
        *_parts(a.READING, "20 reading a book", "15 reading on"),
        *_TEA,
        *_parts(a.READING, "15 reading the paper"),
    ),
    a.TELEVISION: (
        *_parts(a.TELEVISION, "16 watching the news", "26 watching a series"),
        *_parts(a.SNACK, "5 fetching something to nibble"),
        *_parts(a.TELEVISION, "20 watching a documentary"),
    ),
    a.MUSIC: _parts(a.MUSIC, "12 tuning and playing scales", "16 playing an old song", "14 trying out a melody"),
    a.HOBBY: (
        *_parts(a.HOBBY, "7 laying out the materials", "22 working on a hobby"),
        *_TEA,
        *_parts(a.HOBBY, "18 working on a hobby"),
    ),
    a.GARDENING: _parts(a.GARDENING, "10 watering the plants", "14 weeding a bed", "12 cutting back a bush"),
    a.RESTING: _parts(a.RESTING, "16 resting", "14 dozing on the sofa", "9 looking out of the window @ sofa"),
    a.GAME: _parts(a.GAME, "6 dealing cards", "20 playing a game", "17 playing a second round"),
    a.WALKING: (
        *_parts(a.WALKING, "4 walking in the park @ path", "3 strolling by the water @ path"),
        *_parts(a.WALKING, "3 watching the birds @ path", "3 walking on @ path", "3 walking on @ path"),
        *_parts(a.SITTING, "5 sitting on a bench"),
        *_parts(a.WALKING, "3 walking on @ path", "4 walking a last round @ path"),
    ),
    a.SITTING: (
        *_parts(a.SITTING, "15 sitting in the park"),
        *_parts(a.WALKING, "8 strolling along the path @ path"),
        *_parts(a.SITTING, "12 watching the people go by"),
    ),
    a.EXERCISE: _parts(
        a.EXERCISE,
        "5 warming up",
        "3 running a round @ path treadmill",
        "3 running on @ path treadmill",
        "3 running on @ path treadmill",
        "3 running a last round @ path treadmill",
        "8 doing exercises",
        "5 stretching",
    ),
    a.COFFEE: (
        *_parts(a.COFFEE, "14 having coffee"),
        *_parts(a.READING, "11 reading the paper over coffee @ seating table chair"),
        *_parts(a.BREAK, "8 watching the street @ seating table chair"),
    ),
    a.DRINKS: _parts(
        a.DRINKS, "8 ordering a drink @ counter", "20 having drinks", "16 listening to the talk at the bar"
    ),
    a.BORROWING: _parts(a.BORROWING, "12 looking along the shelves", "16 leafing through books", "6 borrowing a book"),
    a.NOTICES: _parts(a.NOTICES, "10 looking at the notices", "8 picking up a form @ counter desk"),
    a.PLAYING: _parts(a.PLAYING, "16 playing outside", "14 climbing about", "12 running after a ball"),
    a.HOUSEWORK: (
        *_parts(a.HOUSEWORK, "12 tidying the living room @ sofa table", "10 sweeping the floor @ table"),
        *_parts(a.HOUSEWORK, "9 dusting the shelves @ shelf bookshelf", "12 cleaning the kitchen @ stove sink"),
        *_parts(a.HOUSEWORK, "8 making the bed @ bed", "9 scrubbing the bathroom @ shower toilet"),
    ),
    a.LAUNDRY: _parts(
        a.LAUNDRY, "8 sorting the laundry @ wardrobe closet", "12 doing the laundry", "10 folding clothes"
    ),
    a.SHOPPING: _parts(a.SHOPPING, "12 shopping for groceries", "8 comparing prices"),
    a.STUDYING: (
        *_parts(a.STUDYING, "16 studying", "12 writing up notes"),
        *_parts(a.BREAK, "7 taking a break"),
        *_parts(a.STUDYING, "14 revising for an examination"),
    ),
    a.MEDICINE: _parts(a.MEDICINE, "12 buying medicine"),
}
"""Parts of free activities, done in turn until the time is up; others are one part."""
_WHOLE = frozenset({a.CINEMA, a.BOOKSHOP, a.DINING})  # one action a visit: the resident chooses an item on arrival
_BREAKS = (
    *_parts(a.BREAK, "8 taking a break"),
    *_parts(a.BATHROOM, "5 using the bathroom"),
    *_parts(a.BREAK, "6 getting some fresh air @ bench garden seating sofa"),
    *_parts(a.PHONE, "7 looking at the phone"),
)
_TASK_MINUTES = {a.CLASS: 20, a.TEACHING: 18, a.MEETING: 18, a.STUDYING: 20}
_OTHER_TASK, _BREAK_EVERY = 16, 4


def free_parts(activity: int, text: str, minutes: int, draws: Sequence[float]) -> tuple[Part, ...]:
    """Parts of a free activity."""
    if activity in _WHOLE:
        return (Part(text, minutes, activity),)
    return filled(LEISURE.get(activity) or (Part(text, 30, activity),), minutes, draws)


def shift_parts(occupation: Occupation, minutes: int, draws: Sequence[float]) -> tuple[Part, ...]:
    """Tasks of a shift, in turn from a task of the day, with a break after some."""
    first = int(draws[-1] * len(occupation.tasks))
    tasks = [
        Part(task.text, _TASK_MINUTES.get(task.activity, _OTHER_TASK), task.activity, task.objects)
        for task in (*occupation.tasks[first:], *occupation.tasks[:first])
    ]
    rounds = []
    for place in range(2 * _BREAK_EVERY * len(tasks)):
        rounds.append(tasks[place % len(tasks)])
        if place % _BREAK_EVERY == _BREAK_EVERY - 1:
            rounds.append(_BREAKS[int(draws[place % len(draws)] * len(_BREAKS))])
    return filled(rounds, minutes, draws)


def filled(parts: Sequence[Part], minutes: int, draws: Sequence[float]) -> tuple[Part, ...]:
    """Parts in turn, each up to a third shorter or longer, until the minutes are full."""
    found: list[Part] = []
    place = 0
    while minutes > 0:
        part = parts[place % len(parts)]
        wanted = max(round(part.minutes * (0.7 + 0.6 * draws[place % len(draws)])), SHORTEST)
        if minutes - wanted < SHORTEST:
            wanted = minutes
        found.append(replace(part, minutes=wanted))
        minutes, place = minutes - wanted, place + 1
    return tuple(found)


def stretched(parts: Sequence[Part], minutes: int) -> tuple[Part, ...]:
    """Parts once, in proportion, so that they fill the minutes; the last ones go if the time is short."""
    while len(parts) > 1 and minutes < SHORTEST * len(parts):
        parts = parts[:-1]
    total = sum(part.minutes for part in parts)
    ends, done = [], 0
    for part in parts:
        done += part.minutes
        ends.append(round(done * minutes / total))
    return tuple(
        replace(part, minutes=end - start)
        for part, start, end in zip(parts, [0, *ends], ends, strict=False)
        if end > start
    )
