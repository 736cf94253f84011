"""Occupations of residents: days, hours, kinds of workplaces and tasks.

OCCUPATIONS["librarian"].tasks
"""

from dataclasses import dataclass

from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.residents import Resident

WEEKDAYS = (0, 1, 2, 3, 4)
TO_SATURDAY = (0, 1, 2, 3, 4, 5)
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
RETIRES_AT = 67
ADULT_AT = 18


@dataclass(frozen=True)
class Task:
    """A task of an occupation: text, activity, words of objects that it uses, best first."""

    text: str
    activity: int
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Occupation:
    """An occupation.

    Attributes
    ----------
    kinds
        Kinds of sectors where it is done; empty: at home, or not at all.
    hours
        Minutes of the day at which a shift begins and ends, unless the opening hours of the place differ.
    days
        Days of the week, Monday 0.
    tasks
        In the order of a shift; empty: no work.
    words
        Words of a background (`learned`) that name it.
    follows_hours
        Whether the shift follows the opening hours of the place, as of sellers and waiters.
    """

    name: str
    kinds: tuple[str, ...]
    hours: tuple[int, int]
    days: tuple[int, ...]
    tasks: tuple[Task, ...]
    words: tuple[str, ...] = ()
    follows_hours: bool = False


def _tasks(activity: int, *texts: str) -> tuple[Task, ...]:
    """Tasks from `text @ word word`."""
    split = (text.partition(" @ ") for text in texts)
    return tuple(Task(text, activity, tuple(words.split())) for text, _, words in split)


_CAFE = (
    *_tasks(a.SERVING, "grinding coffee @ coffee counter", "serving coffee at the counter @ counter"),
    *_tasks(a.SERVING, "wiping the tables @ table seating", "baking cakes @ oven stove kitchen counter"),
    *_tasks(
        a.SERVING, "washing cups @ sink counter", "taking orders @ counter table", "writing the menu @ board counter"
    ),
)
_BAR = (
    *_tasks(a.SERVING, "polishing glasses @ counter bar", "serving drinks @ counter bar", "changing a barrel @ barrel"),
    *_tasks(
        a.SERVING,
        "clearing the tables @ table seating",
        "chatting up the guests @ counter bar",
        "counting the till @ counter",
    ),
)
_RESTAURANT = _tasks(
    a.SERVING,
    "preparing vegetables @ kitchen counter sink",
    "cooking the menu @ stove oven",
    "plating dishes @ counter",
    "serving tables @ table seating",
    "cleaning the kitchen @ sink stove",
)
_CINEMA = _tasks(
    a.SELLING,
    "selling tickets @ counter till desk",
    "checking the projector @ projector screen",
    "sweeping between the rows @ seat row",
    "making popcorn @ popcorn counter",
    "putting up posters @ poster board",
)
_BOOKS = _tasks(
    a.SELLING,
    "sorting new books @ shelf shelves",
    "advising a customer on books @ shelf counter",
    "unpacking a delivery @ counter table",
    "reading a new novel behind the counter @ counter",
    "keeping the accounts @ counter desk",
)
_SHOP = _tasks(
    a.SELLING,
    "filling the shelves @ shelf shelves",
    "serving customers at the till @ counter till",
    "checking the stock @ shelf shelves fridge",
    "arranging the fruit @ fruit shelf",
    "keeping the accounts @ counter desk",
)
_PHARMACY = _tasks(
    a.SELLING,
    "filling prescriptions @ counter",
    "advising a customer @ counter",
    "sorting medicine @ shelf shelves",
)
_TEACH = (
    *_tasks(a.TEACHING, "preparing a lesson @ desk table", "teaching a class @ blackboard podium desk"),
    *_tasks(
        a.TEACHING, "answering questions of students @ desk podium table", "teaching a second class @ blackboard podium"
    ),
    *_tasks(a.TEACHING, "marking papers @ desk table"),
)
_LEARN = (
    *_tasks(a.CLASS, "attending a lecture @ seat desk chair table", "taking part in a seminar @ desk seat chair"),
    *_tasks(a.STUDYING, "reading course books @ desk table shelf", "writing an essay @ desk table"),
    *_tasks(a.CLASS, "attending a class @ seat desk chair"),
    *_tasks(a.STUDYING, "doing research for a paper @ desk table", "revising notes @ desk table"),
)
_PUPIL = (
    *_tasks(
        a.CLASS, "attending a lesson in mathematics @ desk seat chair", "attending a lesson in history @ desk seat"
    ),
    *_tasks(a.CLASS, "attending a lesson in biology @ desk seat", "attending a lesson in music @ piano desk seat"),
    *_tasks(a.CLASS, "working on an exercise @ desk table seat"),
)
_LIBRARY = _tasks(
    a.WORKING,
    "sorting returned books @ shelf shelves",
    "helping a reader @ desk counter",
    "lending out books @ counter desk",
    "cataloguing new books @ desk computer",
    "repairing a binding @ table desk",
)
_OFFICE = (
    *_tasks(a.WORKING, "answering letters @ desk computer", "writing a report @ desk computer"),
    *_tasks(a.MEETING, "meeting colleagues @ table"),
    *_tasks(
        a.WORKING,
        "making telephone calls @ phone desk",
        "checking figures @ computer desk",
        "filing papers @ cabinet shelf",
    ),
)
_PRESS = (
    *_tasks(a.WORKING, "going through the news @ desk computer", "writing an article @ desk computer"),
    *_tasks(a.MEETING, "meeting the editors @ table"),
    *_tasks(a.WORKING, "calling a source @ phone desk", "checking a text @ desk"),
)
_CODE = (
    *_tasks(a.WORKING, "reviewing code @ computer desk", "writing a program @ computer desk"),
    *_tasks(a.MEETING, "planning the week with colleagues @ table"),
    *_tasks(a.WORKING, "looking for an error in a program @ computer desk", "testing a program @ computer desk"),
)
_SURVEY = (
    *_tasks(a.WORKING, "reading the gauges @ desk computer", "drawing a map @ desk table"),
    *_tasks(a.MEETING, "going through plans with colleagues @ table"),
    *_tasks(a.WORKING, "calculating loads @ computer desk", "writing a report @ desk computer"),
)
_PRINT = _tasks(
    a.CRAFTING,
    "setting type @ type table bench",
    "running the press @ press machine",
    "cutting paper @ cutter bench table",
    "mixing ink @ ink shelf sink",
    "packing an order @ table shelf",
    "oiling the press @ press machine",
)
_WOOD = _tasks(
    a.CRAFTING,
    "planing boards @ bench table",
    "sawing timber @ saw bench machine",
    "gluing a joint @ bench table",
    "sanding a chair @ bench",
    "sweeping up shavings @ bench shelf",
)
_CLINIC = _tasks(
    a.CARING,
    "seeing a patient @ desk bed chair",
    "reading test results @ desk computer",
    "dressing a wound @ bed table",
    "writing up notes @ desk",
    "tidying the medicine cabinet @ cabinet shelf",
    "calling a patient @ phone desk",
)
_HALL = (
    *_tasks(a.WORKING, "issuing papers @ desk counter", "answering questions of citizens @ counter desk"),
    *_tasks(a.MEETING, "preparing the council meeting @ table desk"),
    *_tasks(a.WORKING, "keeping the register @ desk shelf", "hanging up notices @ board desk"),
)
_GARDEN = _tasks(
    a.CRAFTING,
    "raking leaves @ tree path grass",
    "planting flowers @ flower garden",
    "watering the beds @ garden flower pond",
    "mending a bench @ bench",
    "cutting the hedge @ hedge garden tree",
)
_TRAIN = _tasks(
    a.CARING,
    "training a client @ weights mat",
    "teaching a gymnastics class @ mat",
    "cleaning the machines @ treadmill",
)
_ART = _tasks(
    a.CRAFTING,
    "sketching @ easel desk table",
    "painting @ easel desk table",
    "mixing colours @ easel desk table",
    "looking at yesterday's painting @ easel desk sofa",
    "stretching a canvas @ easel table",
)
_WRITE = _tasks(
    a.WORKING,
    "outlining a chapter @ desk table",
    "writing a page @ desk computer table",
    "rewriting a page @ desk table",
    "looking up a detail @ shelf desk",
    "reading the day's pages aloud @ desk sofa",
)
_COMPOSE = _tasks(
    a.CRAFTING,
    "practising scales @ piano guitar desk",
    "composing a melody @ piano guitar desk",
    "writing down a score @ desk table",
    "listening to a recording @ sofa desk",
)

_ALL = (
    Occupation("cafe owner", ("cafe",), (450, 1020), EVERY_DAY, _CAFE, ("cafe owner", "owns the cafe"), True),
    Occupation("barista", ("cafe",), (480, 960), TO_SATURDAY, _CAFE, ("barista",), True),
    Occupation("bar owner", ("bar",), (900, 1380), EVERY_DAY, _BAR, ("bar owner", "publican", "landlord"), True),
    Occupation("bartender", ("bar",), (960, 1380), TO_SATURDAY, _BAR, ("bartender", "barman"), True),
    Occupation("cook", ("restaurant", "cafe"), (600, 1200), TO_SATURDAY, _RESTAURANT, ("cook", "chef"), True),
    Occupation("waiter", ("restaurant", "cafe"), (660, 1260), TO_SATURDAY, _RESTAURANT, ("waiter", "waitress"), True),
    Occupation("cinema manager", ("cinema",), (840, 1320), EVERY_DAY, _CINEMA, ("cinema", "projectionist"), True),
    Occupation("bookseller", ("bookshop",), (540, 1080), TO_SATURDAY, _BOOKS, ("bookseller", "bookshop"), True),
    Occupation("shopkeeper", ("shop",), (480, 1080), TO_SATURDAY, _SHOP, ("shopkeeper", "grocer"), True),
    Occupation("pharmacist", ("pharmacy", "shop"), (510, 1080), TO_SATURDAY, _PHARMACY, ("pharmacist",), True),
    Occupation("teacher", ("school",), (480, 960), WEEKDAYS, _TEACH, ("teacher",)),
    Occupation("professor", ("school",), (540, 1020), WEEKDAYS, _TEACH, ("professor", "lecturer")),
    Occupation("student", ("school",), (540, 870), WEEKDAYS, _LEARN, ("student",)),
    Occupation("pupil", ("school",), (480, 840), WEEKDAYS, _PUPIL, ("pupil", "schoolchild")),
    Occupation("librarian", ("library",), (540, 1020), TO_SATURDAY, _LIBRARY, ("librarian",)),
    Occupation("clerk", ("office",), (510, 1020), WEEKDAYS, _OFFICE, ("clerk", "accountant", "lawyer", "agent")),
    Occupation(
        "journalist", ("office", "workshop"), (540, 1050), WEEKDAYS, _PRESS, ("journalist", "reporter", "editor")
    ),
    Occupation("programmer", ("office",), (540, 1050), WEEKDAYS, _CODE, ("programmer", "developer")),
    Occupation("engineer", ("office", "workshop"), (480, 1020), WEEKDAYS, _SURVEY, ("engineer", "surveyor")),
    Occupation("printer", ("workshop",), (450, 960), WEEKDAYS, _PRINT, ("printer", "typesetter", "bookbinder")),
    Occupation("carpenter", ("workshop",), (450, 960), WEEKDAYS, _WOOD, ("carpenter", "joiner", "mechanic")),
    Occupation("doctor", ("clinic",), (510, 1020), WEEKDAYS, _CLINIC, ("doctor", "physician", "dentist")),
    Occupation("nurse", ("clinic",), (480, 990), WEEKDAYS, _CLINIC, ("nurse",)),
    Occupation("town clerk", ("hall",), (510, 1020), WEEKDAYS, _HALL, ("town clerk", "mayor", "council")),
    Occupation("gardener", ("park",), (450, 930), WEEKDAYS, _GARDEN, ("gardener",)),
    Occupation("trainer", ("gym", "park"), (600, 1140), TO_SATURDAY, _TRAIN, ("trainer", "coach"), True),
    Occupation("artist", (), (570, 1020), EVERY_DAY, _ART, ("artist", "painter", "sculptor")),
    Occupation("writer", (), (540, 960), EVERY_DAY, _WRITE, ("writer", "novelist", "poet", "translator")),
    Occupation("musician", (), (600, 1020), EVERY_DAY, _COMPOSE, ("musician", "composer", "singer")),
    Occupation("homemaker", (), (0, 0), (), (), ("homemaker", "housewife", "househusband")),
    Occupation("retired", (), (0, 0), (), (), ("retired", "pensioner")),
    Occupation("child", (), (0, 0), (), (), ("toddler", "kindergarten")),
    Occupation("none", (), (0, 0), (), (), ("unemployed", "looking for work")),
)
OCCUPATIONS: dict[str, Occupation] = {occupation.name: occupation for occupation in _ALL}


def occupation_of(resident: Resident, town_map: TownMap) -> Occupation:
    """Occupation of a resident: as named, else read from its background, its workplace, or its age."""
    if resident.occupation in OCCUPATIONS:
        return OCCUPATIONS[resident.occupation]
    text = f"{resident.occupation} {resident.learned}".lower()
    for occupation in sorted(OCCUPATIONS.values(), key=lambda each: -max(map(len, each.words))):
        if any(word in text for word in occupation.words):
            return occupation
    return _by_place_or_age(resident, town_map)


def _by_place_or_age(resident: Resident, town_map: TownMap) -> Occupation:
    """Occupation of a resident without one in words."""
    if resident.work >= 0:
        kind = town_map.places[resident.work].kind
        adults = (each for each in OCCUPATIONS.values() if kind in each.kinds and each.name != "pupil")
        return next(adults, OCCUPATIONS["clerk"]) if resident.age >= ADULT_AT else OCCUPATIONS["pupil"]
    return OCCUPATIONS["retired" if resident.age >= RETIRES_AT else "none"]
