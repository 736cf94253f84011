"""Answers of a resident to questions, by rule from its life and memory: interviews without a language model.

    answer(scene, "Do you know of Theo Okafor?")         # Yes, Theo Okafor is my regular guest. ...

A question is sorted by its words; a sentence that fits none of the rules is answered with the memories that score
highest for it. Nothing is said that the resident does not know at the tick of the scene.
"""

import re
from collections.abc import Callable, Sequence

from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.wording import as_said_by, capitalised, clause
from recgpt.simulate.worlds.town.relations import is_stranger
from recgpt.simulate.worlds.town.residents import Fact, Resident

_N_MEMORIES = 3
_CLOCK = re.compile(r"\b([01]?\d|2[0-3])[:.]([0-5]\d)\b")
_KINDS = {
    "candidacy": re.compile(r"\b(election|council|mayor|candidates?|running for|stands? for|office\?)", re.IGNORECASE),
    "gathering": re.compile(r"\b(part(y|ies)|gatherings?|reading|concert|invit\w+|event)\b", re.IGNORECASE),
}


def answer(scene: Scene, question: str) -> str:
    """Answer in one to three sentences."""
    for pattern, rule in _RULES:
        if re.search(pattern, question, re.IGNORECASE):
            said = rule(scene, question)
            if said:
                return said
    return _from_memory(scene, question)


# --- others ---


def _of_news(scene: Scene, question: str) -> str:
    """Whether a fact whose text stands in the question is known, or facts of the kind that it names."""
    facts = scene.setting.people.facts
    for number, fact in enumerate(facts):
        if clause(fact.text).lower() in question.lower():
            return _on_fact(scene, number, question)
    for kind, pattern in _KINDS.items():
        if pattern.search(question):
            known = [fact for number, fact in enumerate(facts) if fact.kind == kind and number in scene.life.facts]
            if not known:
                return "I have heard of none."
            return " ".join(_sentence(_own(scene, fact.text)) for fact in known)
    return ""


def _on_fact(scene: Scene, number: int, question: str) -> str:
    if re.search(r"\b(are you going|will you (go|come)|do you go)\b", question, re.IGNORECASE):
        goes = scene.life.appointments.get(number, scene.setting.people.facts[number].about == scene.agent)
        return "Yes, I am going." if goes else "No, I am not."
    known = scene.life.facts.get(number)
    if known is None:
        return "No, I did not know that."
    return f"Yes, {_name(scene, known.source)} told me." if known.source >= 0 else "Yes, I knew."


def _of_person(scene: Scene, question: str) -> str:
    """What a resident named in the question is to this one, and the latest memory of it."""
    other = _named(scene, question)
    if other < 0:
        return ""
    name, relation = _name(scene, other), scene.life.relation(other)
    if is_stranger(relation) and not any(_about(scene, fact, other) for fact in _known(scene)):
        return f"No, {name} is a stranger to me."
    if re.search(r"\btalk", question, re.IGNORECASE):
        talks = [entry.text for entry in scene.memory.of(scene.agent) if entry.kind == "chat" and entry.other == other]
        return _sentence(talks[-1]) if talks else f"I have not talked with {name}."
    label = "an acquaintance of mine" if relation.label == "acquaintance" else f"my {relation.label}"
    what = f"I only heard of {name}." if is_stranger(relation) else f"Yes, {name} is {label}."
    return " ".join([what, *_memories_of(scene, other)])


def _memories_of(scene: Scene, other: int) -> list[str]:
    """The latest conclusion about another, else the latest memory that names it."""
    name = _name(scene, other)
    entries = [entry for entry in scene.memory.of(scene.agent) if entry.other == other or name in entry.text]
    thoughts = [entry for entry in entries if entry.kind == "thought"]
    return [_sentence(_own(scene, each.text)) for each in (thoughts or entries)[-1:]]


def _of_talks(scene: Scene, question: str) -> str:
    """Partners of today's talks, or the most frequent one."""
    if re.search(r"\bmost\b", question, re.IGNORECASE):
        counts = {other: each.n_talks for other, each in scene.life.relations.items() if each.n_talks}
        best = [_name(scene, other) for other in counts if counts[other] == max(counts.values())]
        return f"With {_listed(best)}." if best else "With nobody so far."
    midnight = scene.seconds / 3600 - scene.minute / 60
    entries = [entry for entry in scene.memory.of(scene.agent) if entry.kind == "chat" and entry.created >= midnight]
    names = list(dict.fromkeys(_name(scene, entry.other) for entry in entries if entry.other >= 0))
    return f"Today I talked with {_listed(names)}." if names else "I have not talked with anybody today."


def _of_liking(scene: Scene, question: str) -> str:
    """The other that the resident likes best."""
    del question
    affinity = {other: each.affinity for other, each in scene.life.relations.items()}
    if not affinity:
        return "I know nobody well."
    best = max(affinity, key=lambda other: (affinity[other], -other))
    return f"I like {_name(scene, best)} best."


# --- oneself ---


def _of_plan(scene: Scene, question: str) -> str:
    """What the plan of today has at a time of the day, or from now on."""
    if scene.life.plan_day != scene.day:
        return "I have no plan for today yet."
    clock = _CLOCK.search(question)
    minute = int(clock[1]) * 60 + int(clock[2]) if clock else scene.minute
    found, start = [], 0
    for block in scene.life.plan:
        start += block.minutes
        if start > minute:
            found.append(block.text)
    if clock:
        return f"At {clock[0]} my plan says: {found[0]}."
    return f"From now on my plan says: {', then '.join(found[:3])}."


def _of_now(scene: Scene, question: str) -> str:
    del question
    place = scene.setting.map.at(scene.tile)
    where = "outdoors" if place < 0 else f"at {scene.setting.map.address(place).partition(':')[2]}"
    return f"I am {scene.life.action.text}, {where}."


def _of_home(scene: Scene, question: str) -> str:
    del question
    me = scene.resident
    others = [each.name for each in scene.setting.people.residents if _lives_with(each, me)]
    home = scene.setting.map.places[me.home].name
    return f"I live in {home}, with {_listed(others)}." if others else f"I live alone in {home}."


def _of_work(scene: Scene, question: str) -> str:
    del question
    me = scene.resident
    if me.work < 0:
        return "I have no place of work."
    place = scene.setting.map.places[scene.setting.map.sector_of(me.work)].name
    return f"I am at {place}. {_sentence(_own(scene, me.daily_plan_req))}"


def _of_self(scene: Scene, question: str) -> str:
    del question
    me = scene.resident
    work = f", {me.occupation}" if me.occupation else ""
    return f"I am {me.name}, {me.age} years old{work}. {_sentence(_own(scene, me.currently))}"


def _of_interests(scene: Scene, question: str) -> str:
    del question
    return f"I am interested in {_listed(scene.resident.interests)}." if scene.resident.interests else ""


def _of_hours(scene: Scene, question: str) -> str:
    del question
    wakes, sleeps = (
        f"{minute // 60:02d}:{minute % 60:02d}" for minute in (scene.resident.wakes, scene.resident.sleeps)
    )
    return f"I get up at {wakes} and go to bed at {sleeps}."


def _of_conclusions(scene: Scene, question: str) -> str:
    """The latest conclusions, those about a resident named in the question."""
    other = _named(scene, question)
    drawn = [entry for entry in scene.memory.of(scene.agent) if entry.kind == "thought" and entry.created > 0]
    about = [entry.text for entry in drawn if other in (-1, entry.other)]
    return " ".join(_sentence(_own(scene, text)) for text in about[-_N_MEMORIES:])


def _from_memory(scene: Scene, question: str) -> str:
    found = scene.memory.retrieve(scene.agent, question, _N_MEMORIES, hours=scene.seconds / 3600)
    texts = [_sentence(_own(scene, text)) for text in scene.memory.texts(scene.agent, found)]
    return f"What comes to my mind: {' '.join(texts)}" if texts else "Nothing comes to my mind."


_RULES: tuple[tuple[str, Callable[[Scene, str], str]], ...] = (
    (r"\bplan(s|ned|ning)?\b|will you do|are you (doing|up to) (later|next)", _of_plan),
    (r"\bconclu|come to think|learned lately", _of_conclusions),
    (r"\bdoing\b|where are you\b", _of_now),
    (r"\bname\b.*\bage\b|who are you|introduce|about yourself", _of_self),
    (r"\binterest", _of_interests),
    (r"\bget up\b|\bgo to bed\b|\bsleep\b", _of_hours),
    (r"\bwhere do you live\b|\blives? with you\b", _of_home),
    (r"\bwhere do you (work|study)\b|\byour (work|job|occupation)\b", _of_work),
    (r".", _of_news),
    (r".", _of_person),
    (r"\blike\b.*\bbest\b|\bbest friend\b", _of_liking),
    (r"\btalked?\b", _of_talks),
)
"""Patterns of questions and the rules for them, in the order in which they are tried."""


# --- words ---


def _named(scene: Scene, question: str) -> int:
    """The first other resident whose name stands in the question, by full or first name; -1 for none."""
    for part in ("name", "first_name"):
        for number, each in enumerate(scene.setting.people.residents):
            if number != scene.agent and re.search(rf"\b{re.escape(getattr(each, part))}\b", question):
                return number
    return -1


def _known(scene: Scene) -> list[Fact]:
    facts = scene.setting.people.facts
    return [facts[number] for number in scene.life.facts]


def _about(scene: Scene, fact: Fact, other: int) -> bool:
    return fact.about == other or _name(scene, other) in fact.text


def _name(scene: Scene, agent: int) -> str:
    return scene.setting.people.residents[agent].name


def _lives_with(other: Resident, me: Resident) -> bool:
    return other.household == me.household and other.name != me.name


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _own(scene: Scene, text: str) -> str:
    """A text about the resident in the first person."""
    return as_said_by(text, scene.resident.name)


def _sentence(text: str) -> str:
    text = capitalised(text.strip())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0] if names else ""
