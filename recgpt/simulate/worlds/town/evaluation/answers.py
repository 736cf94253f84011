"""Answers to the battery by rule, from the profile, the plan, the relations and retrieved memories of a scene.

    by_rule(scene, question)                   # "I talked with Maria Lopez."

An answer is as good as the memories are: nothing here reads the log.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from recgpt.simulate.agents.memory import Entry
from recgpt.simulate.worlds.town.evaluation.battery import ACQUAINTANCE, STRANGER, clock
from recgpt.simulate.worlds.town.evaluation.scoring import Question
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.rules.schedules import block_at

N_MEMORIES = 50
"""Memories retrieved for a question, as published for interviews."""
_UNKNOWN = "I cannot say."


def by_rule(scene: Scene, question: Question) -> str:
    """Answer of a resident to a question of the battery."""
    return _ANSWERS[question.intent](scene, question)


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


def _who(scene: Scene, question: Question) -> str:
    me = scene.resident
    return f"I am {me.name}, {me.age}, {me.occupation}." if me.occupation else f"I am {me.name}, {me.age}."


def _work(scene: Scene, question: Question) -> str:
    return f"I work at {_sector(scene, scene.resident.work)}." if scene.resident.work >= 0 else "I do not work."


def _home(scene: Scene, question: Question) -> str:
    residents, me = scene.setting.people.residents, scene.agent
    others = [
        each.name for agent, each in enumerate(residents) if each.household == residents[me].household and agent != me
    ]
    home = f"I live at {_sector(scene, scene.resident.home)}"
    return f"{home} with {_listed(others)}." if others else f"{home}, alone."


def _interests(scene: Scene, question: Question) -> str:
    return f"I am interested in {_listed(scene.resident.interests)}." if scene.resident.interests else _UNKNOWN


def _hours(scene: Scene, question: Question) -> str:
    return f"I get up at {clock(scene.resident.wakes)} and go to bed at {clock(scene.resident.sleeps)}."


# --- memory ---


def _talked(scene: Scene, question: Question) -> str:
    midnight = (scene.seconds - scene.minute * 60) / 3600
    names = [
        _name(scene, entry.other)
        for entry in recalled(scene, question.text)
        if entry.kind == "chat" and entry.created >= midnight and entry.other >= 0
    ]
    return f"I talked with {_listed(dict.fromkeys(names))}." if names else "I talked with no one today."


def _last_talk(scene: Scene, question: Question) -> str:
    chats = [
        entry for entry in recalled(scene, question.text) if entry.kind == "chat" and entry.other == question.about
    ]
    return f"{max(chats, key=lambda entry: entry.created).text}." if chats else _UNKNOWN


def _candidates(scene: Scene, question: Question) -> str:
    return _of_kind(scene, question, "candidacy", "running for office")


def _gatherings(scene: Scene, question: Question) -> str:
    return _of_kind(scene, question, "gathering", "gatherings and parties")


def _of_kind(scene: Scene, question: Question, kind: str, query: str) -> str:
    facts = scene.setting.people.facts
    texts = [facts[number].text for number in known_facts(scene, query) if facts[number].kind == kind]
    return f"{'. '.join(texts)}." if texts else "I have heard of none."


def _knows(scene: Scene, question: Question) -> str:
    return "Yes." if knows_of(scene, question.about) else "No."


# --- plans ---


def _plan(scene: Scene, question: Question) -> str:
    plan = [(block.text, block.minutes) for block in scene.life.plan]
    return f"{plan[block_at(plan, question.minute)][0]}." if plan else "I have no plan."


# --- reactions ---


def _meets(scene: Scene, question: Question) -> str:
    ties = scene.setting.people.ties
    label = next((tie.label for tie in ties if (tie.agent, tie.other) == (scene.agent, question.about)), None)
    if label is None:
        talked = any(
            entry.kind == "chat" and entry.other == question.about
            for entry in recalled(scene, f"talk with {_name(scene, question.about)}")
        )
        label = ACQUAINTANCE if talked else STRANGER
    return f"To me this is: {label}."


def _news(scene: Scene, question: Question) -> str:
    text = scene.setting.people.facts[question.fact].text
    return "Yes, I knew." if question.fact in known_facts(scene, text) else "No, that is new to me."


def _goes(scene: Scene, question: Question) -> str:
    return "Yes." if scene.life.appointments.get(question.fact) else "No."


# --- reflections ---


def _most_talks(scene: Scene, question: Question) -> str:
    found = recalled(scene, "talks with others")
    counts = Counter(entry.other for entry in found if entry.kind == "chat" and entry.other >= 0)
    return f"With {_name(scene, counts.most_common(1)[0][0])}." if counts else _UNKNOWN


def _likes(scene: Scene, question: Question) -> str:
    relations = scene.life.relations
    if not relations:
        return _UNKNOWN
    best = max(relations, key=lambda other: (relations[other].affinity, -other))
    return f"I like {_name(scene, best)} best."


def _concluded(scene: Scene, question: Question) -> str:
    texts = [entry.text for entry in recalled(scene, question.text) if entry.kind == "thought" and entry.created > 0]
    return " ".join(dict.fromkeys(texts)) or _UNKNOWN


def _thinks_of(scene: Scene, question: Question) -> str:
    texts = [
        entry.text
        for entry in recalled(scene, question.text)
        if entry.kind == "thought" and entry.created > 0 and entry.other == question.about
    ]
    return " ".join(dict.fromkeys(texts)) or _UNKNOWN


def _best_news(scene: Scene, question: Question) -> str:
    facts = scene.setting.people.facts
    heard = [number for number in known_facts(scene, "news told me") if scene.agent not in facts[number].known_by]
    if not heard:
        return _UNKNOWN
    most = max(facts[number].importance for number in heard)
    return " ".join(f"{facts[number].text}." for number in heard if facts[number].importance == most)


# --- words ---


def _name(scene: Scene, other: int) -> str:
    return scene.setting.people.residents[other].name


def _sector(scene: Scene, place: int) -> str:
    town_map = scene.setting.map
    return town_map.places[town_map.sector_of(place)].name


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


_ANSWERS: dict[str, Callable[[Scene, Question], str]] = {
    "who": _who,
    "work": _work,
    "home": _home,
    "interests": _interests,
    "hours": _hours,
    "talked": _talked,
    "last talk": _last_talk,
    "candidates": _candidates,
    "gatherings": _gatherings,
    "knows": _knows,
    "plan": _plan,
    "meets": _meets,
    "news": _news,
    "goes": _goes,
    "most talks": _most_talks,
    "likes": _likes,
    "concluded": _concluded,
    "thinks of": _thinks_of,
    "best news": _best_news,
}
