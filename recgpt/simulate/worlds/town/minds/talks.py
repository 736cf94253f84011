"""Talks by a language model: facts, items and invitations on offer by number, and the talk that a reply stands for.

    writer = TalkWriter(setting, briefs, asker)
    draft = writer.draft(scene, partner, notes)
    writer.talk_of(client.complete([writer.request(draft)])[0].value, draft)

A speaker tells facts of its own that are new to the other, mentions items that it has rated, and invites to gatherings
that it hosts or will attend.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import Asker, sentence
from recgpt.simulate.minds.schema import has_words
from recgpt.simulate.worlds.town.minds import schemas
from recgpt.simulate.worlds.town.minds.base import Invitation, Line, Mention, Notes, Scene, Talk, Thought, Told
from recgpt.simulate.worlds.town.minds.briefs import N_MEMORIES, Briefs
from recgpt.simulate.worlds.town.minds.leisure import opinion_of
from recgpt.simulate.worlds.town.minds.news import Candidate, is_over, tellable, trust_of
from recgpt.simulate.worlds.town.rules.talks import minutes_of_talk
from recgpt.simulate.worlds.town.setting import Setting

MOST_FACTS, MOST_ITEMS, MOST_GATHERINGS = 5, 3, 3
"""Facts and items of each side, and invitations, that a prompt offers."""
OF_FEELING = 0.05
"""Change of the affinity by a step of the feelings after a talk."""
_IMPORTANCE = 4.0  # of a talk in which no fact passes
_KEPT = 5.0  # importance of a sentence kept in mind


@dataclass(frozen=True)
class Draft:
    """Offers to a talk; the lists are numbered from 1 in prompt and reply, the first side's first.

    Attributes
    ----------
    facts
        For each side the facts that it could tell.
    items
        For each side items and its opinions on them.
    gatherings
        Pairs of inviting side and fact.
    """

    sides: tuple[Scene, Scene]
    facts: tuple[list[Candidate], list[Candidate]]
    items: tuple[list[tuple[int, float]], list[tuple[int, float]]]
    gatherings: list[tuple[int, int]]
    memories: tuple[list[str], list[str]]


class TalkWriter:
    """Makes questions for talks, and talks of the replies."""

    def __init__(self, setting: Setting, briefs: Briefs, asker: Asker) -> None:
        self._people = setting.people
        self._titles = [] if setting.catalogue is None else setting.catalogue.titles
        self._briefs = briefs
        self._asker = asker

    def draft(self, scene: Scene, partner: Scene, notes: Notes | None) -> Draft:
        """Offers to two; their memories of each other are noted as read."""
        sides = (scene, partner)
        return Draft(
            sides,
            (tellable(scene, partner)[:MOST_FACTS], tellable(partner, scene)[:MOST_FACTS]),
            (self._items(scene, partner), self._items(partner, scene)),
            [(side, fact) for side in (0, 1) for fact in self._gatherings(sides[side], sides[1 - side])][
                :MOST_GATHERINGS
            ],
            (self._memories(scene, partner, notes), self._memories(partner, scene, notes)),
        )

    def _memories(self, scene: Scene, partner: Scene, notes: Notes | None) -> list[str]:
        name = partner.resident.name
        return self._briefs.memories(scene, name, N_MEMORIES // 2, purpose=f"a talk with {name}", notes=notes)

    def _items(self, scene: Scene, partner: Scene) -> list[tuple[int, float]]:
        """Rated items, the latest first, of which the other has not heard from this side."""
        if not scene.rules.word_of_mouth or not self._titles:
            return []
        fresh = [
            (item, opinion_of(adoption.stars))
            for item, adoption in scene.life.adopted.items()
            if adoption.stars and all(teller != scene.agent for teller, _ in partner.life.heard.get(item, ()))
        ]
        return fresh[::-1][:MOST_ITEMS]

    def _gatherings(self, host: Scene, guest: Scene) -> list[int]:
        """Gatherings to which one can invite the other."""
        facts = self._people.facts
        return [
            number
            for number in sorted(host.life.facts)
            if facts[number].kind == "gathering"
            and not is_over(host, facts[number])
            and number not in guest.life.appointments
            and facts[number].about != guest.agent
            and (facts[number].about == host.agent or host.life.appointments.get(number, False))
        ]

    def request(self, draft: Draft) -> Request:
        """Question for the whole talk."""
        (first, second), briefs = draft.sides, self._briefs
        system = self._asker.render(
            "pair",
            first=briefs.person(first.resident, you=False),
            second=briefs.person(second.resident, you=False),
        )
        n_items = (len(draft.items[0]), len(draft.items[1]))
        schema = schemas.talk_schema(len(draft.facts[0]), len(draft.facts[1]), n_items, len(draft.gatherings))
        return self._asker.request(
            "talk",
            schema,
            system=system,
            time=briefs.time(first),
            place=briefs.place(first),
            first_doing=quoted(first.life.action.text),
            second_doing=quoted(second.life.action.text),
            first_relation=briefs.relation(first, second.agent),
            second_relation=briefs.relation(second, first.agent),
            last=briefs.last_talk(first, second.agent),
            lists=[
                ("What comes to speaker 1's mind", draft.memories[0]),
                ("What comes to speaker 2's mind", draft.memories[1]),
            ],
            news=[f"speaker {side + 1}: {briefs.fact(each.fact)}" for side in (0, 1) for each in draft.facts[side]],
            titles=[
                f"speaker {side + 1}: {quoted(self._titles[item])} ({_liking(opinion)})"
                for side in (0, 1)
                for item, opinion in draft.items[side]
            ],
            gatherings=[
                f"speaker {side + 1} invites speaker {2 - side}: {briefs.fact(fact)}" for side, fact in draft.gatherings
            ],
            n_lines=schemas.N_LINES,
        )

    def talk_of(self, said: Any, draft: Draft) -> Talk:
        """The talk of a valid reply."""
        sides, lines = draft.sides, schemas.lines_of(said)
        told = self._told(lines, draft)
        invitations = self._invitations(said, draft)
        told += [each for each in self._told_by_invitations(invitations, draft) if each not in told]
        spoken = [(sides[line.speaker - 1], sentence(line.text) or "") for line in lines]
        return Talk(
            lines=tuple(Line(scene.agent, text) for scene, text in spoken),
            minutes=minutes_of_talk([(scene.resident.name, text) for scene, text in spoken]),
            summary=_summary(said.summary),
            told=tuple(told),
            mentions=self._mentions(lines, draft),
            invitations=invitations,
            thoughts=self._thoughts(said, draft),
            affinity=(OF_FEELING * said.first_feels, OF_FEELING * said.second_feels),
            importance=max([_IMPORTANCE, *(self._people.facts[each.fact].importance for each in told)]),
        )

    def _told(self, lines: Sequence[Any], draft: Draft) -> list[Told]:
        """Facts told, each once."""
        offered = [(side, each) for side in (0, 1) for each in draft.facts[side]]
        numbers = dict.fromkeys(line.news for line in lines if line.news)
        return [self._passes(draft, *offered[number - 1]) for number in numbers]

    def _passes(self, draft: Draft, side: int, candidate: Candidate) -> Told:
        teller, listener = draft.sides[side], draft.sides[1 - side]
        first_hand = self._people.facts[candidate.fact].about == teller.agent
        trust = trust_of(listener.life.relation(teller.agent), candidate.certain, first_hand)
        return Told(teller.agent, candidate.fact, round(trust, 3))

    def _mentions(self, lines: Sequence[Any], draft: Draft) -> tuple[Mention, ...]:
        offered = [(side, *each) for side in (0, 1) for each in draft.items[side]]
        named = [offered[number - 1] for number in dict.fromkeys(line.title for line in lines if line.title)]
        return tuple(Mention(draft.sides[side].agent, item, opinion) for side, item, opinion in named)

    def _invitations(self, said: Any, draft: Draft) -> tuple[Invitation, ...]:
        number = getattr(said, "invitation", 0)
        if not number:
            return ()
        side, fact = draft.gatherings[number - 1]
        return (Invitation(draft.sides[side].agent, fact, said.accepted, sentence(said.why) or ""),)

    def _told_by_invitations(self, invitations: Sequence[Invitation], draft: Draft) -> list[Told]:
        """Gatherings that a guest learns of by the invitation."""
        found = []
        for each in invitations:
            side = 0 if draft.sides[0].agent == each.host else 1
            if each.fact not in draft.sides[1 - side].life.facts:
                found.append(self._passes(draft, side, Candidate(each.fact, 1.0, 1.0)))
        return found

    def _thoughts(self, said: Any, draft: Draft) -> tuple[Thought, ...]:
        kept = (sentence(said.first_keeps_in_mind), sentence(said.second_keeps_in_mind))
        return tuple(
            Thought(scene.agent, text, _KEPT, other=draft.sides[1 - side].agent)
            for side, (scene, text) in enumerate(zip(draft.sides, kept, strict=True))
            if text and has_words(text)
        )


def _summary(text: str) -> str:
    said = (sentence(text) or "").rstrip(".! ")
    return said if said.lower().startswith("talking about") else f"talking about {said}"


def _liking(opinion: float) -> str:
    return "liked it" if opinion > 0 else "did not like it" if opinion < 0 else "found it all right"
