"""Reflections of the scripted mind: conclusions from the own memories and life, merged, counted, never repeated.

    thoughts = reflect(scene, Notes())

Each conclusion has a beginning that names its subject; one that begins like a thought in memory is not drawn again, so
that the same sentence comes at most once in a run as long as the memory holds it. Evidence are ids of memories.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recgpt.simulate.agents.memory import Kind, Memory
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.minds.base import Notes, Scene, Thought
from recgpt.simulate.worlds.town.minds.news import interest_of
from recgpt.simulate.worlds.town.minds.wording import clause, first_sentence, in_progress, listed, without_time

MOST = 5
"""Conclusions of one reflection, as published."""
_OFTEN = 8
"""Sights of the same resident from which it is seen often."""
_TIMES = {2: "twice", 5: "five times", 10: "ten times", 20: "twenty times", 40: "forty times"}
_MOST_NAMES = 4
_MOST_EVIDENCE = 8
_FROM_MINUTE = 18 * 60
_LIKED, _DISLIKED = 4.0, 2.0


@dataclass(frozen=True)
class Recollection:
    """Own memories of a resident by kind, oldest first.

    Attributes
    ----------
    slots
        Slots of its entries.
    """

    memory: Memory
    agent: int
    slots: np.ndarray

    @classmethod
    def of(cls, scene: Scene) -> "Recollection":
        """Memories of a scene's resident."""
        memory = scene.memory.entries
        ids = memory.entries.id_AC[scene.agent]
        slots = np.flatnonzero(ids >= 0)
        return cls(memory, scene.agent, slots[np.argsort(ids[slots], kind="stable")])

    def _column(self, name: str) -> np.ndarray:
        values = getattr(self.memory.entries, name)
        if values is None:
            return np.full(len(self.slots), -1)
        return np.asarray(values[self.agent][self.slots])

    @cached_property
    def kinds(self) -> np.ndarray:
        """Kind of each."""
        return self._column("kind_AC")

    @cached_property
    def others(self) -> np.ndarray:
        """The resident that each is about, -1 for none."""
        return self._column("other_AC")

    @cached_property
    def items(self) -> np.ndarray:
        """The item that each is about, -1 for none."""
        return self._column("item_AC")

    def ids(self, chosen: np.ndarray) -> tuple[int, ...]:
        """Ids of the last ones of a mask."""
        return tuple(self._column("id_AC")[chosen][-_MOST_EVIDENCE:].tolist())

    def texts(self, chosen: np.ndarray) -> list[str]:
        """Texts of a mask."""
        return [self.memory.texts[number] for number in self._column("text_AC")[chosen].tolist()]

    @cached_property
    def thoughts(self) -> list[str]:
        """All conclusions so far."""
        return self.texts(self.kinds == Kind.THOUGHT)

    def has(self, beginning: str) -> bool:
        """Whether a conclusion begins like that."""
        return any(text.startswith(beginning) for text in self.thoughts)


def reflect(scene: Scene, notes: Notes) -> list[Thought]:
    """New conclusions, about rare matters first, `MOST` at most."""
    del notes
    own = Recollection.of(scene)
    found = [*_of_items(scene, own), *_of_facts(scene, own), *_of_talks(scene, own)]
    people = [*_of_acquaintances(scene, own), *_of_sights(scene, own)]
    found += [thought for thought in people if " and " in thought.text]
    found += _of_the_day(scene, own)
    return (found or people)[:MOST]  # one name alone waits for others to share a conclusion with


# --- items ---


def _of_items(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """Taste of friends that recommended an item, and own taste."""
    catalogue = scene.setting.catalogue
    if catalogue is None:
        return
    for item, adoption in scene.life.adopted.items():
        title = catalogue.titles[item]
        if not adoption.stars or _LIKED > adoption.stars > _DISLIKED or own.has(f"{title} was "):
            continue
        liked = adoption.stars >= _LIKED
        evidence = own.ids(own.items == item)
        if adoption.source == Source.FRIEND and adoption.other >= 0:
            friend = scene.setting.people.residents[adoption.other].name
            taste = f"I can trust the taste of {friend}" if liked else f"{friend} and I have different tastes"
            yield _thought(
                scene, f"{title} was {'a good' if liked else 'no good'} tip: {taste}.", 6, evidence, adoption.other
            )
        else:
            verdict = "worth it, I would recommend it" if liked else "a disappointment, I would not take it again"
            yield _thought(scene, f"{title} was {verdict}.", 5, evidence)


# --- facts ---


def _of_facts(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """Stance on facts that the resident heard from others."""
    facts = scene.setting.people.facts
    learned = [number for number, known in scene.life.facts.items() if known.source >= 0]
    for number in learned:
        fact = facts[number]
        text = clause(in_progress(without_time(first_sentence(fact.text))))
        accepts = scene.life.appointments.get(number)
        if fact.kind == "candidacy" and fact.about >= 0:
            name = scene.setting.people.residents[fact.about].name
            likes = scene.life.relation(fact.about).affinity >= 0.25
            beginning = f"As to {fact.topic}, "
            conclusion = f"I would vote for {name}" if likes else f"I don't know yet what to think of {name}"
        elif accepts is not None and fact.starts * 60 > scene.seconds:
            beginning = "I look forward to it: " if accepts else "It is a pity that I can't go: "
            conclusion = text
        elif fact.kind == "news" and interest_of(scene.resident, fact):
            beginning, conclusion = "I want to hear more about this: ", text
        else:
            continue
        if not own.has(f"{beginning}{conclusion}"):
            yield _thought(scene, f"{beginning}{conclusion}.", 6, own.ids(own.others == fact.about), fact.about)
    count = max((each for each in (3, 6, 10) if each <= len(learned)), default=0)
    if count and not own.has(f"There is much going on in town: I heard {count} "):
        names = listed(_names(scene, dict.fromkeys(scene.life.facts[number].source for number in learned)))
        yield _thought(scene, f"There is much going on in town: I heard {count} pieces of news, from {names}.", 5, ())


# --- people ---


def _of_acquaintances(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """New acquaintances, several in one conclusion."""
    chats = own.kinds == Kind.CHAT
    new = [
        other
        for other in np.unique(own.others[chats]).tolist()
        if scene.life.relation(other).label == "acquaintance" and scene.life.relation(other).n_talks <= 2
    ]
    covered = "\n".join(text for text in own.thoughts if text.startswith("I got to know "))
    names = [name for name in _names(scene, new) if name not in covered]
    if names:
        chosen = chats & np.isin(own.others, new)
        yield _thought(scene, f"I got to know {listed(names[:_MOST_NAMES])}.", 5, own.ids(chosen))


def _of_talks(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """Counts of talks with the same resident, and whether they do good."""
    chats = own.kinds == Kind.CHAT
    counts = Counter(own.others[chats].tolist())
    for other, talks in counts.most_common():
        times = max((each for each in _TIMES if each <= talks), default=0)
        relation = scene.life.relation(other)
        name = scene.setting.people.residents[other].name
        beginning = f"I have talked with {name} {_TIMES.get(times)}"
        if not times or own.has(beginning):
            continue
        feeling = "I like that" if relation.affinity >= 0.3 else "we are getting used to each other"
        if relation.affinity < -0.15:
            feeling = "it is hard work"
        yield _thought(scene, f"{beginning}, and {feeling}.", 5, own.ids(chats & (own.others == other)), other)


def _of_sights(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """Residents that are often in sight, several in one conclusion."""
    seen = (own.kinds == Kind.EVENT) & (own.others >= 0)
    often = [other for other, sights in Counter(own.others[seen].tolist()).most_common() if sights >= _OFTEN]
    covered = "\n".join(text for text in own.thoughts if text.startswith("I often see "))
    new = [other for other, name in zip(often, _names(scene, often), strict=True) if name not in covered][:_MOST_NAMES]
    if not new:
        return
    chosen = seen & np.isin(own.others, new)
    doing = _usual_doing(own.texts(seen & (own.others == new[0]))) if len(new) == 1 else ""
    text = f"I often see {listed(_names(scene, new))}"
    yield _thought(scene, f"{text}, mostly {doing}." if doing else f"{text}.", 4, own.ids(chosen))


def _usual_doing(texts: Sequence[str]) -> str:
    doings = Counter(text.partition(" is ")[2] for text in texts if " is " in text)
    doings.pop("talking", None)
    return doings.most_common(1)[0][0] if doings else ""


def _names(scene: Scene, agents: Iterable[int]) -> list[str]:
    return [scene.setting.people.residents[agent].name for agent in agents]


# --- the day ---


def _of_the_day(scene: Scene, own: Recollection) -> Iterator[Thought]:
    """Activity that takes most of the day, and the best of free time, in the evening."""
    if scene.minute < _FROM_MINUTE or scene.life.plan_day != scene.day:
        return
    minutes: Counter[str] = Counter()
    for block in scene.life.plan:
        if block.activity != a.SLEEPING and "sleep" not in block.text:
            minutes[a.ACTIVITIES[block.activity].text if block.activity >= 0 else block.text] += block.minutes
    for doing, spent in minutes.most_common(1):
        if not own.has(f"Most of my day goes into {doing}"):
            hours = round(spent / 60)
            yield _thought(scene, f"Most of my day goes into {doing}: about {hours} hours.", 4, ())


def _thought(scene: Scene, text: str, importance: float, evidence: tuple[int, ...], other: int = -1) -> Thought:
    return Thought(scene.agent, text, importance, other, evidence)
