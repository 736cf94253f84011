"""Forms of words for talks and diaries: templates, persons of a sentence, times and places.

variants("bye")                                          # the templates of a key
as_said_by("Ana Sole is baking her cakes", "Ana Sole")   # I am baking my cakes
day_and_clock(scene, minutes=2460)                       # tomorrow at 5 pm
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.places import TownMap

Exchange = tuple[str, ...]
"""Lines of two in turn."""

_PROPER = frozenset(("home", "bookshop", "school", "park", "other", "restaurant"))
"""Kinds of sectors whose names take no article."""
_IRREGULAR = {
    "is": "am",
    "was": "was",
    "has": "have",
    "does": "do",
    "goes": "go",
    "isn't": "am not",
    "hasn't": "haven't",
}
_UNCHANGED = frozenset(("will", "would", "can", "could", "may", "might", "must", "should", "shall", "had", "did"))
_MINE = {"his": "my", "her": "my", "their": "my", "himself": "myself", "herself": "myself", "themselves": "myself"}
_YOURS = {"his": "your", "her": "your", "their": "your", "himself": "yourself", "herself": "yourself"}
_SUBJECTS = frozenset(("he", "she", "they"))


@cache
def _file() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((files(__package__) / "phrases.json").read_text(encoding="utf-8"))
    return content


@cache
def _phrases() -> dict[str, tuple[str, ...]]:
    return {key: tuple(templates) for key, templates in _file()["phrases"].items()}


@cache
def _exchanges() -> dict[str, tuple[Exchange, ...]]:
    return {key: tuple(map(tuple, exchanges)) for key, exchanges in _file()["exchanges"].items()}


@cache
def words(group: str) -> frozenset[str]:
    """Words of a group of `phrases.json`: `verbs`, `adverbs`, `openers` of clauses, `plurals`."""
    return frozenset(" ".join(_file()["words"][group]).split())


def variants(key: str) -> tuple[str, ...]:
    """Templates of a key of `phrases.json`."""
    return _phrases()[key]


def exchanges(kind: str) -> tuple[Exchange, ...]:
    """Small talk of a kind of place, of `outdoors`, or of `any`."""
    return _exchanges().get(kind, ())


@cache
def liking(interest: str) -> str:
    """An interest as the object of liking: `comedies` for `comedy`."""
    plurals = dict(pair.split("=") for pair in words("plurals"))
    return plurals.get(interest, interest)


def filled(template: str, slots: Mapping[str, str]) -> str:
    """A template with its slots filled; `{fact_c}` is the slot `fact` with a capital."""
    return template.format_map({**slots, **{f"{name}_c": capitalised(text) for name, text in slots.items()}})


def capitalised(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def clause(text: str) -> str:
    """A sentence as a part of another: no full stop, an article or the like at its start in lower case."""
    text = text.strip().rstrip(".!")
    first = text.split(" ", 1)[0].lower()
    return text[:1].lower() + text[1:] if first in words("openers") else text


def first_sentence(text: str) -> str:
    """The first sentence, without its full stop."""
    return re.split(r"(?<=[a-z)\"'])[.;!](?:\s|$)", text.strip(), maxsplit=1)[0].rstrip(".")


def without_time(text: str) -> str:
    """A sentence about a gathering without its day and hours."""
    return re.sub(r"(,? on \w+day(, \w+ \d+)?)?,? (from|at) \d?\d:\d\d( to \d?\d:\d\d)?", "", text)


def in_progress(text: str) -> str:
    """A sentence with its verb in the progressive, if it is one of doing: `Ana Sole is giving a party`."""
    found = _DOING.match(text)
    return text if found is None else f"{found[1]}is {participle(base_verb(found[2]))}{text[found.end() :]}"


_DOING = re.compile(
    r"((?:[A-Z]\S*\s)+)((?:gives|plays|looks|tries|writes|plans|builds|paints|organises|opens|prepares|starts)\b"
    r"|thinks(?= of))"
)


def participle(verb: str) -> str:
    """Present participle of a verb in its base form."""
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    return f"{verb[:-1] if verb.endswith('e') and not verb.endswith('ee') else verb}ing"


# --- persons ---


def as_said_by(text: str, name: str) -> str:
    """A sentence about a resident in the first person: `Ana Sole runs her cafe` becomes `I run my cafe`."""
    return _turned(text, name, "I", _MINE, {**_IRREGULAR})


def as_said_to(text: str, name: str) -> str:
    """A sentence about a resident in the second person: `you run your cafe`."""
    return _turned(text, name, "you", _YOURS, {**_IRREGULAR, "is": "are", "was": "were", "isn't": "aren't"})


def _turned(text: str, name: str, person: str, mine: Mapping[str, str], verbs: Mapping[str, str]) -> str:
    for subject in (name, name.split()[0]):
        if text.startswith(f"{subject} "):
            rest = f"{person} {text[len(subject) + 1 :]}"
            break
        if text.startswith(f"{subject}'s "):
            rest = f"{mine['his']} {text[len(subject) + 3 :]}"
            break
    else:
        return text
    out: list[str] = []
    for word in rest.replace(f"{name}'s", mine["his"]).split(" "):
        bare = word.strip(",.;:")
        is_verb = (bool(out) and out[-1] == person) or (_follows_and(out) and _is_third_person(bare))
        if bare in mine:
            word = word.replace(bare, mine[bare])
        elif bare.lower() in _SUBJECTS:
            word = word.replace(bare, person)
        elif is_verb:
            word = word.replace(bare, base_verb(bare, verbs))
        out.append(word)
    return re.sub(r"\bI am\b", "I'm", re.sub(r"\byou are\b", "you're", " ".join(out)))


def _follows_and(before: Sequence[str]) -> bool:
    """Whether the next word may be a second verb: after `and`, with an adverb between or not."""
    last = [word for word in before[-2:] if word not in words("adverbs")]
    return bool(last) and last[-1] in ("and", "but", "or")


def _is_third_person(word: str) -> bool:
    """Whether a word after `and` looks like a second verb of the subject."""
    return word in _IRREGULAR or word in words("verbs")


def base_verb(verb: str, irregular: Mapping[str, str] = _IRREGULAR) -> str:
    """Form of a verb in the first person, from that in the third."""
    if verb in irregular:
        return irregular[verb]
    if verb in _UNCHANGED or verb.endswith(("ed", "ss")) or not verb.endswith("s"):
        return verb
    if verb.endswith("ies") and len(verb) > 4:
        return f"{verb[:-3]}y"
    return verb[:-2] if verb.endswith(("sses", "shes", "ches", "xes", "zes", "oes")) else verb[:-1]


# --- time and place ---


def clock(minute: int) -> str:
    """A minute of the day on a clock of twelve hours: `5 pm`, `7:30 am`, `noon`."""
    hour, rest = divmod(minute % 1440, 60)
    if rest == 0 and hour in (0, 12):
        return "midnight" if hour == 0 else "noon"
    minutes = f":{rest:02d}" if rest else ""
    return f"{(hour - 1) % 12 + 1}{minutes} {'am' if hour < 12 else 'pm'}"


def day_and_clock(scene: Scene, minutes: int) -> str:
    """Day and clock at which something begins; `minutes` since the start of the run."""
    moment = scene.rules.start_time + timedelta(minutes=minutes)
    at = clock(moment.hour * 60 + moment.minute)
    days = (moment.date() - scene.now.date()).days
    if days == 0:
        return f"{'tonight' if moment.hour >= 18 else 'today'} at {at}"
    return f"tomorrow at {at}" if days == 1 else f"on {moment:%A} at {at}"


def ago(then: datetime, now: datetime) -> str:
    """When something was, roughly: `this morning`, `yesterday`."""
    days = (now.date() - then.date()).days
    if days == 1:
        return "last night" if then.hour >= 18 else "yesterday"
    if days > 1:
        return f"on {then:%A}" if days < 7 else "the other week"
    if (now - then).total_seconds() < 3600:
        return "just now"
    part = "this morning" if then.hour < 12 else "this afternoon" if then.hour < 18 else "this evening"
    return part if (then.hour < 12) != (now.hour < 12) or then.hour < 18 else "earlier this evening"


def name_of_place(town_map: TownMap, place: int) -> str:
    """Name of a place's sector with its article: `the Lantern Cafe`, `Riverside Park`."""
    sector = town_map.places[town_map.sector_of(place)]
    if sector.name.startswith("The "):
        return f"the {sector.name[4:]}"
    has_article = sector.kind in _PROPER or sector.name.startswith("the ") or "'s " in sector.name
    return sector.name if has_article else f"the {sector.name}"


def at_place(town_map: TownMap, place: int) -> str:
    """Where something is: `at the Lantern Cafe`, `in Riverside Park`."""
    kind = town_map.places[town_map.sector_of(place)].kind
    return f"{'in' if kind == 'park' else 'at'} {name_of_place(town_map, place)}"


def listed(names: Sequence[str]) -> str:
    """`Ana, Ben and Cora`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
