"""Spread of facts and acquaintance in a town, from its log alone.

    spread = Spread(people)
    for rows in run.iter_steps():
        spread.add(rows)
    spread.knowers[2][7]                 # how resident 7 came to know fact 2
    spread.density                       # of mutual acquaintance, now

Every telling is checked against the log: its teller knew the fact by then, and the two were in a talk.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.worlds.town.residents import People

_SECONDS_PER_MINUTE = 60
_WORD = re.compile(r"\w+")
_START = -1
_FOLLOWED = ("edited", "talked", "said", "told", "invited", "perceived", "thought")


_RANKS = {"talked": 0, "said": 2, "thought": 3}


@dataclass(frozen=True, slots=True)
class Heard:
    """How a resident came to know a fact.

    Attributes
    ----------
    source
        Its teller; -1: known from the start, or by a whisper.
    second
        Second of the run; -1: before it.
    supported
        Whether the log supports it: the teller knew the fact, and the two were in a talk.
    """

    source: int
    second: int
    trust: float
    supported: bool = True


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation to a gathering."""

    host: int
    second: int
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A resident named by another, unknown to it by then."""

    agent: int
    named: int
    second: int
    text: str


class Spread:
    """Knowledge, acquaintance and invitations, block by block.

    Attributes
    ----------
    knowers
        By fact: how each resident that knows it came to know it.
    overheard
        By fact: residents that perceived a talk of others about it, which does not count as knowledge.
    met
        Pairs of residents with mutual acquaintance, the lower number first.
    met_at_start
        Their number before the first tick.
    invited
        Last invitation by fact and guest.
    named
        Number of names of residents in lines and thoughts, own and partner's aside.
    unknown_names
        False acquaintance: names of residents unknown by then.
    """

    def __init__(self, people: People) -> None:
        self.people = people
        self.knowers = [{agent: Heard(_START, _START, 1.0) for agent in fact.known_by} for fact in people.facts]
        self.overheard: list[set[int]] = [set() for _ in people.facts]
        self.met = _mutual_ties(people)
        self.met_at_start = len(self.met)
        self.invited: dict[tuple[int, int], Invited] = {}
        self.named = 0
        self.unknown_names: list[UnknownName] = []
        self._names = _by_first_word([resident.name for resident in people.residents])
        self._facts = _by_first_word([fact.text for fact in people.facts])
        self._aware = self._aware_at_start()
        self._seen: list[set[int]] = [set() for _ in people.residents]
        self._talks: dict[tuple[int, int], tuple[int, float]] = {}  # pair: its last talk, first second and end

    def add(self, rows: pl.DataFrame) -> None:
        """Follow the events of a block."""
        # All of a talk has one time: it comes before facts passed in it, lines by their places, thoughts last.
        rank = pl.col("kind").replace_strict(_RANKS, default=1)
        line = pl.when(pl.col("kind") == "said").then("slot").otherwise(0)
        followed = rows.filter(pl.col("kind").is_in(_FOLLOWED)).sort("time", rank, line, "agent", "seq")
        columns = ("time", "agent", "kind", "other", "item", "value", "text")
        for second, agent, kind, other, item, value, text in followed.select(columns).iter_rows():
            match kind:
                case "talked":
                    self._talk(second, agent, other, value or 0.0)
                case "told":
                    self._tell(second, agent, other, item, value or 0.0)
                case "invited":
                    self.invited[item, other] = Invited(agent, second, bool(value), text or "")
                    self._tell(second, agent, other, item, 1.0)
                case "perceived":
                    self._see(agent, other, text or "")
                case "edited":
                    self._whisper(second, agent, text or "{}")
                case _:
                    self._speak(second, agent, _START if other is None else other, text or "", heard=kind == "said")

    def aware_of(self, agent: int) -> frozenset[int]:
        """Residents whose name an agent knows, from ties, sight, talks, or the words of others."""
        return frozenset(self._aware[agent] | self._seen[agent])

    def knows_of(self, agent: int) -> frozenset[int]:
        """The same without residents that were only seen."""
        return frozenset(self._aware[agent])

    @property
    def n_pairs(self) -> int:
        """Number of all pairs of residents."""
        return len(self.people) * (len(self.people) - 1) // 2

    @property
    def density(self) -> float:
        """Share of pairs with mutual acquaintance."""
        return len(self.met) / self.n_pairs if self.n_pairs else 0.0

    def fact(self, number: int) -> dict[str, Any]:
        """Spread of a fact, JSON values: knowers at start and end, their shares, and how many are not supported."""
        known, fact, n = self.knowers[number], self.people.facts[number], len(self.people)
        return {
            "fact": number,
            "kind": fact.kind,
            "text": fact.text,
            "about": fact.about,
            "start": len(fact.known_by),
            "end": len(known),
            "share_start": round(len(fact.known_by) / n, 4),
            "share_end": round(len(known) / n, 4),
            "unsupported": sum(not heard.supported for heard in known.values()),
            "depth": max((self._depth(number, agent) for agent in known), default=0),
        }

    def _depth(self, number: int, agent: int) -> int:
        """Tellings from the first source to a resident."""
        depth, known = 0, self.knowers[number]
        while agent in known and (source := known[agent].source) != _START and depth <= len(known):
            agent, depth = source, depth + 1
        return depth

    # --- events ---

    def _talk(self, second: int, agent: int, other: int, minutes: float) -> None:
        self.met.add(_pair(agent, other))
        self._talks[_pair(agent, other)] = second, second + minutes * _SECONDS_PER_MINUTE
        self._aware[agent].add(other)
        self._aware[other].add(agent)

    def _tell(self, second: int, teller: int, listener: int, number: int, trust: float) -> None:
        begun, end = self._talks.get(_pair(teller, listener), (_START, _START))
        supported = begun <= second <= end and teller in self.knowers[number]
        self.knowers[number].setdefault(listener, Heard(teller, second, trust, supported))
        self._aware_of_fact(listener, number)

    def _see(self, agent: int, other: int | None, text: str) -> None:
        """Something perceived: a resident, and words overheard in the text of its activity."""
        if other is not None:
            self._seen[agent].add(other)
        self._seen[agent] |= self._named_in(text)
        for number in _phrases_in(text, self._facts):
            self.overheard[number].add(agent)

    def _whisper(self, second: int, agent: int, text: str) -> None:
        entry = parse_json(text, "an event of the run")
        if entry.get("kind") != "whisper":
            return
        self._aware[agent] |= self._named_in(entry.get("text") or "")
        if entry.get("fact") is not None:
            self.knowers[entry["fact"]].setdefault(agent, Heard(_START, second, 1.0))
            self._aware_of_fact(agent, entry["fact"])

    def _speak(self, second: int, agent: int, other: int, text: str, *, heard: bool) -> None:
        """Names in a line or a thought; the listener of a line learns of them."""
        found = self._named_in(text) - {agent, other}
        self.named += len(found)
        unknown = sorted(found - self._aware[agent] - self._seen[agent])
        self.unknown_names += [UnknownName(agent, named, second, text) for named in unknown]
        if heard:
            self._aware[other] |= found

    # --- names ---

    def _named_in(self, text: str) -> set[int]:
        return _phrases_in(text, self._names)

    def _aware_at_start(self) -> list[set[int]]:
        residents, facts = self.people.residents, self.people.facts
        aware: list[set[int]] = [set() for _ in residents]
        for tie in self.people.ties:
            aware[tie.agent].add(tie.other)
        for agent, resident in enumerate(residents):
            texts = (resident.learned, resident.currently, resident.lifestyle, resident.daily_plan_req)
            histories = self.people.histories[agent] if agent < len(self.people.histories) else ()
            for text in (*texts, *histories):
                aware[agent] |= self._named_in(text)
            aware[agent] |= {k for k, each in enumerate(residents) if each.household == resident.household}
        for fact in facts:
            for agent in fact.known_by:
                aware[agent] |= self._named_in(fact.text) | {fact.about}
        return aware

    def _aware_of_fact(self, agent: int, number: int) -> None:
        fact = self.people.facts[number]
        self._aware[agent] |= self._named_in(fact.text) | {fact.about}


def _by_first_word(phrases: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Phrases with their numbers by their first word."""
    found: dict[str, list[tuple[str, int]]] = {}
    for number, phrase in enumerate(phrases):
        if word := _WORD.search(phrase):
            found.setdefault(word[0], []).append((phrase, number))
    return found


def _phrases_in(text: str, by_first_word: dict[str, list[tuple[str, int]]]) -> set[int]:
    """Numbers of the phrases that a text holds as whole words; quick also for thousands of them."""
    found = set()
    for word in _WORD.finditer(text):
        for phrase, number in by_first_word.get(word[0], ()):
            end = word.start() + len(phrase)
            if text.startswith(phrase, word.start()) and not text[end : end + 1].isalnum():
                found.add(number)
    return found


def _pair(one: int, two: int) -> tuple[int, int]:
    return (one, two) if one < two else (two, one)


def _mutual_ties(people: People) -> set[tuple[int, int]]:
    """Pairs in which each knows the other before the first tick."""
    known = {(tie.agent, tie.other) for tie in people.ties if tie.familiarity > 0}
    return {_pair(one, two) for one, two in known if (two, one) in known}
