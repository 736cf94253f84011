"""Answers to the battery by rule, from the profile, the plan, the relations and retrieved memories of a scene.

    by_rule(scene, question)                   # "I talked with Maria Lopez."

An answer is as good as the memories are: nothing here reads the log.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from recgpt.simulate.agents.memory import Entry
from recgpt.simulate.worlds.town.evaluation.battery import ACQUAINTANCE, STRANGER, clock
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.rules.schedules import block_at

N_MEMORIES = 50
"""Memories retrieved for a question, as published for interviews."""
_UNKNOWN = "I cannot say."


def by_rule(scene: Scene, question: str) -> str:
    """Answer of a resident to a question of the battery, recognised by its words."""
    return next(rule for words, rule in _ANSWERS.items() if words in question)(scene, question)


def recalled(scene: Scene, query: str) -> list[Entry]:
    """Memories that a resident retrieves for a text, best first."""
    found = scene.memory.retrieve(scene.agent, query, N_MEMORIES, hours=scene.seconds / 3600)
    return [scene.memory.entries.entry(scene.agent, int(slot)) for slot in found.slots_Ak[0] if slot >= 0]


def knows_of(scene: Scene, other: int) -> bool:
    """Whether a resident knows of another: by household, relation, or any memory with its name or about it."""
    residents = scene.setting.people.residents
    if residents[other].household == scene.resident.household or other in scene.life.relations:
        return True
    name = residents[other].name
    return any(entry.other == other or name in entry.text for entry in recalled(scene, name))


def known_facts(scene: Scene, query: str) -> list[int]:
    """Facts that a resident knew from the start, or that the memories for a text contain."""
    facts, texts = scene.setting.people.facts, [entry.text for entry in recalled(scene, query)]
    return [
        number
        for number, fact in enumerate(facts)
        if scene.agent in fact.known_by or any(fact.text in text for text in texts)
    ]


# --- self-knowledge ---


def _who(scene: Scene, question: str) -> str:
    me = scene.resident
    return f"I am {me.name}, {me.age}, {me.occupation}." if me.occupation else f"I am {me.name}, {me.age}."


def _work(scene: Scene, question: str) -> str:
    return f"I work at {_sector(scene, scene.resident.work)}." if scene.resident.work >= 0 else "I do not work."


def _home(scene: Scene, question: str) -> str:
    residents, me = scene.setting.people.residents, scene.agent
    others = [
        each.name for agent, each in enumerate(residents) if each.household == residents[me].household and agent != me
    ]
    home = f"I live at {_sector(scene, scene.resident.home)}"
    return f"{home} with {_listed(others)}." if others else f"{home}, alone."


def _interests(scene: Scene, question: str) -> str:
    return f"I am interested in {_listed(scene.resident.interests)}." if scene.resident.interests else _UNKNOWN


def _hours(scene: Scene, question: str) -> str:
    return f"I get up at {clock(scene.resident.wakes)} and go to bed at {clock(scene.resident.sleeps)}."


# --- memory ---


def _talked(scene: Scene, question: str) -> str:
    midnight = (scene.seconds - scene.minute * 60) / 3600
    names = [
        _name(scene, entry.other)
        for entry in recalled(scene, question)
        if entry.kind == "chat" and entry.created >= midnight and entry.other >= 0
    ]
    return f"I talked with {_listed(dict.fromkeys(names))}." if names else "I talked with no one today."


def _last_talk(scene: Scene, question: str) -> str:
    chats = [
        entry for entry in recalled(scene, question) if entry.kind == "chat" and entry.other == _named(scene, question)
    ]
    return f"{max(chats, key=lambda entry: entry.created).text}." if chats else _UNKNOWN


def _candidates(scene: Scene, question: str) -> str:
    return _of_kind(scene, question, "candidacy", "running for office")


def _gatherings(scene: Scene, question: str) -> str:
    return _of_kind(scene, question, "gathering", "gatherings and parties")


def _of_kind(scene: Scene, question: str, kind: str, query: str) -> str:
    facts = scene.setting.people.facts
    texts = [facts[number].text for number in known_facts(scene, query) if facts[number].kind == kind]
    return f"{'. '.join(texts)}." if texts else "I have heard of none."


def _knows(scene: Scene, question: str) -> str:
    return "Yes." if knows_of(scene, _named(scene, question)) else "No."


# --- plans ---


def _plan(scene: Scene, question: str) -> str:
    plan = [(block.text, block.minutes) for block in scene.life.plan]
    hour = int(question.partition(":00")[0][-2:])
    return f"{plan[block_at(plan, 60 * hour)][0]}." if plan else "I have no plan."


# --- reactions ---


def _meets(scene: Scene, question: str) -> str:
    ties = scene.setting.people.ties
    label = next((tie.label for tie in ties if (tie.agent, tie.other) == (scene.agent, _named(scene, question))), None)
    if label is None:
        talked = any(
            entry.kind == "chat" and entry.other == _named(scene, question)
            for entry in recalled(scene, f"talk with {_name(scene, _named(scene, question))}")
        )
        label = ACQUAINTANCE if talked else STRANGER
    return f"To me this is: {label}."


def _news(scene: Scene, question: str) -> str:
    fact = _fact(scene, question)
    is_known = fact in known_facts(scene, scene.setting.people.facts[fact].text)
    return "Yes, I knew." if is_known else "No, that is new to me."


def _goes(scene: Scene, question: str) -> str:
    return "Yes." if scene.life.appointments.get(_fact(scene, question)) else "No."


# --- reflections ---


def _most_talks(scene: Scene, question: str) -> str:
    found = recalled(scene, "talks with others")
    counts = Counter(entry.other for entry in found if entry.kind == "chat" and entry.other >= 0)
    return f"With {_name(scene, counts.most_common(1)[0][0])}." if counts else _UNKNOWN


def _likes(scene: Scene, question: str) -> str:
    relations = scene.life.relations
    if not relations:
        return _UNKNOWN
    best = max(relations, key=lambda other: (relations[other].affinity, -other))
    return f"I like {_name(scene, best)} best."


def _concluded(scene: Scene, question: str) -> str:
    texts = [entry.text for entry in recalled(scene, question) if entry.kind == "thought" and entry.created > 0]
    return " ".join(dict.fromkeys(texts)) or _UNKNOWN


def _thinks_of(scene: Scene, question: str) -> str:
    texts = [
        entry.text
        for entry in recalled(scene, question)
        if entry.kind == "thought" and entry.created > 0 and entry.other == _named(scene, question)
    ]
    return " ".join(dict.fromkeys(texts)) or _UNKNOWN


def _best_news(scene: Scene, question: str) -> str:
    facts = scene.setting.people.facts
    heard = [number for number in known_facts(scene, "news told me") if scene.agent not in facts[number].known_by]
    if not heard:
        return _UNKNOWN
    most = max(facts[number].importance for number in heard)
    return " ".join(f"{facts[number].text}." for number in heard if facts[number].importance == most)


# --- words ---


def _name(scene: Scene, other: int) -> str:
    return scene.setting.people.residents[other].name


def _named(scene: Scene, question: str) -> int:
    """Resident that a question names."""
    residents = enumerate(scene.setting.people.residents)
    return next(agent for agent, each in residents if agent != scene.agent and each.name in question)


def _fact(scene: Scene, question: str) -> int:
    """Fact that a question names."""
    return next(number for number, fact in enumerate(scene.setting.people.facts) if fact.text in question)


def _sector(scene: Scene, place: int) -> str:
    town_map = scene.setting.map
    return town_map.places[town_map.sector_of(place)].name


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


_ANSWERS: dict[str, Callable[[Scene, str], str]] = {
    "A passer-by says": _news,
    "Are you going?": _goes,
    "your name, your age": _who,
    "Where do you work": _work,
    "Where do you live": _home,
    "interested in": _interests,
    "get up": _hours,
    "talked with today": _talked,
    "last talk about": _last_talk,
    "running for office?": _candidates,
    "Which gatherings": _gatherings,
    "Do you know of": _knows,
    "on your plan": _plan,
    "comes through the door": _meets,
    "talked most often": _most_talks,
    "like best": _likes,
    "concluded lately": _concluded,
    "come to think about": _thinks_of,
    "matters most": _best_news,
}
"""By words that only one question of the battery has; questions that contain news are tried first."""
