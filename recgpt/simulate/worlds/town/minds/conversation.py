"""A talk in the making: lines, no sentence twice, and what passes with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, TypeVar

from recgpt.simulate.worlds.town.life import Relation
from recgpt.simulate.worlds.town.minds.base import Invitation, Line, Mention, Scene, Thought, Told
from recgpt.simulate.worlds.town.minds.wording import Exchange, filled, variants
from recgpt.simulate.worlds.town.residents import Fact, Resident

T = TypeVar("T")
ADDRESSES: Final = {"mother": "Mum", "father": "Dad", "grandmother": "Grandma", "grandfather": "Grandpa"}
"""How relatives are addressed."""
_DRAWS_AT_ONCE = 64


@dataclass
class Conversation:
    """A talk of two; speaker 0 begins it.

    Attributes
    ----------
    sides
        Scenes of the two.
    subjects
        Noun phrases for the summary, the first ones name the talk.
    mentioned_plans
        Activities to come that were named.
    """

    sides: tuple[Scene, Scene]
    lines: list[Line] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    invitations: list[Invitation] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    affinity: list[float] = field(default_factory=lambda: [0.0, 0.0])
    subjects: list[str] = field(default_factory=list)
    importance: float = 3.0
    mentioned_plans: set[str] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)
    _numbers: Iterator[float] | None = None

    def __post_init__(self) -> None:
        self._numbers = self._uniform()

    def _uniform(self) -> Iterator[float]:
        other = self.sides[1].agent
        for block in range(1_000_000):
            yield from self.sides[0].uniform(f"talk with {other}, {block}", _DRAWS_AT_ONCE)

    # --- the two ---

    def me(self, speaker: int) -> Resident:
        """Profile of a speaker."""
        return self.sides[speaker].resident

    def relation(self, speaker: int) -> Relation:
        """Relation of a speaker to the other."""
        return self.sides[speaker].life.relation(self.sides[1 - speaker].agent)

    def fact(self, number: int) -> Fact:
        """A fact of the town."""
        return self.sides[0].setting.people.facts[number]

    def knows(self, speaker: int, fact: int) -> bool:
        """Whether a speaker knows a fact by now."""
        if fact in self.sides[speaker].life.facts:
            return True
        other = self.sides[1 - speaker].agent
        return any(each.fact == fact and each.teller == other for each in self.told)

    def name(self, speaker: int) -> str:
        """How the other addresses a speaker: `Mum` or the first name."""
        return ADDRESSES.get(self.relation(1 - speaker).label, self.me(speaker).first_name)

    # --- chance ---

    def draw(self) -> float:
        """The next random number."""
        assert self._numbers is not None  # noqa: S101  # set by __post_init__
        return next(self._numbers)

    def chance(self, probability: float) -> bool:
        """Whether something of that probability happens."""
        return self.draw() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self.draw() * len(options))]

    # --- words ---

    def phrase(self, key: str, **slots: str) -> str:
        """A sentence of that key, not yet used in this talk as long as there is one."""
        templates = variants(key)
        fresh = [template for template in templates if template not in self._used] or templates
        template = self.pick(fresh)
        self._used.add(template)
        return filled(template, slots)

    def say(self, speaker: int, *sentences: str) -> None:
        """A line of one or more sentences, or more of the line before if that is the same speaker's."""
        agent = self.sides[speaker].agent
        if self.lines and self.lines[-1].speaker == agent:
            sentences = (self.lines.pop().text, *sentences)
        self.lines.append(Line(agent, " ".join(sentences)))

    def exchange(self, speaker: int, options: Sequence[Exchange]) -> bool:
        """Small talk that `speaker` begins; whether there was any that is not used yet.

        From talk to talk a pair goes through the options in turn.
        """
        first, second = sorted(side.agent for side in self.sides)
        turn = (5 * first + 3 * second + self.relation(0).n_talks) % max(len(options), 1)
        chosen = next((each for each in (*options[turn:], *options) if each[0] not in self._used), None)
        if chosen is None:
            return False
        self._used.add(chosen[0])
        for turn, text in enumerate(chosen):
            self.say(speaker if turn % 2 == 0 else 1 - speaker, text)
        return True

    @property
    def last_speaker(self) -> int:
        """The last speaker; 1 before the first line."""
        return int(not self.lines or self.lines[-1].speaker == self.sides[1].agent)

    def minutes(self) -> int:
        """Duration as published: a minute per 240 characters of `Name: line`, and at least one."""
        names = {side.agent: side.resident.name for side in self.sides}
        characters = sum(len(f"{names[line.speaker]}: {line.text}\n") for line in self.lines)
        return max(ceil(int(characters / 8) / 30), 1)
