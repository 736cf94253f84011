"""Facts of a published simulation, and who told them to whom, read from profiles and lines of talks.

    facts = facts_of(residents, personas, town_map, start)
    tellings = Tellings(facts)
    tellings.of_talk([(0, 1, "I am planning a Valentine's Day party at Hobbs Cafe")])      # [(0, 1, 0)]

The published system keeps no facts. Those of the paper, a candidacy and a party, are in the profile of whom they are
about; the profile changes every night, so that a party is also read from what its host says. A line tells a fact
where it names it and its speaker knows it.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.fields import minute_of
from recgpt.simulate.worlds.town.published.personas import Persona
from recgpt.simulate.worlds.town.residents import Fact, Resident

_CANDIDACY = re.compile(r"\b(?:running|run) for (?:the )?(local mayor|mayor)\b")
_PARTY = re.compile(
    r"(?:having|planning) (an? [^.]{0,80}?party) at (?P<place>[^.]{1,80}?)(?: with .{0,120}?)? on"
    r" (?P<day>\w{3,9} \d\d?)\w*, (?P<year>\d{4}),? (?:at|from) (?P<hour>[^. ]{1,8})"
)
_NAME_OF_PARTY = re.compile(r" is having an? (.{0,80}?party) at ")
_PARTY_MINUTES, _LONGEST = 120, 2000


def facts_of(
    residents: Sequence[Resident],
    personas: Sequence[Persona],
    town_map: TownMap,
    start: datetime,
    histories: Sequence[Sequence[str]] = (),
) -> tuple[Fact, ...]:
    """The candidacy and the party of each resident that has one.

    Parameters
    ----------
    start
        Time of the first tick.
    histories
        Sentences that each resident knows from the start.
    """
    facts = []
    for agent, (resident, persona) in enumerate(zip(residents, personas, strict=True)):
        first = f"{resident.first_name} is planning on running"
        if first in resident.currently and (found := _CANDIDACY.search(resident.currently)):
            text = f"{resident.name} is running for {found[1]}"
            known = {agent} | {
                other
                for other, own in enumerate(histories)
                if any(resident.name in each and "running" in each for each in own)
            }
            facts.append(Fact("candidacy", agent, tuple(sorted(known)), text, "politics", 7.0))
        said = [text for node in reversed(persona.nodes) for name, text in node.lines if name == persona.name]
        parties = (_party(agent, resident, text, town_map, start) for text in (resident.currently, *said))
        facts += [party for party in parties if party is not None][:1]
    return tuple(facts)


def _party(agent: int, resident: Resident, text: str, town_map: TownMap, start: datetime) -> Fact | None:
    """The party that a text of its host announces, if it is at a place of the map and not before the start."""
    found = _PARTY.search(text[:_LONGEST])
    if found is None:
        return None
    place = next(
        (each.number for each in town_map.places if each.level == "sector" and each.name == found["place"]), -1
    )
    try:
        day = datetime.strptime(f"{found['day']} {found['year']}", "%B %d %Y")
    except ValueError:
        return None
    starts = int((day - start).total_seconds()) // 60 + minute_of(found["hour"], 1020)
    if place < 0 or starts < 0:
        return None
    text = f"{resident.name} is having {found[1]} at {found['place']} on {found['day']} at {found['hour']}"
    return Fact("gathering", agent, (agent,), text, "party", 8.0, place, starts, _PARTY_MINUTES)


class Tellings:
    """Who told which fact to whom, talk by talk in the order of time.

    Parameters
    ----------
    facts
        Facts of the town; `known_by` are the residents that know a fact from the start.
    names
        Names of the residents.
    """

    def __init__(self, facts: Sequence[Fact], names: Sequence[str]) -> None:
        self._facts = facts
        self._names = names
        self._knowers = [set(fact.known_by) for fact in facts]

    def of_talk(self, lines: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, int]]:
        """Teller, listener and number of each fact that is new to a listener of a talk.

        Parameters
        ----------
        lines
            Speaker, listener and text of each line.
        """
        told = []
        for speaker, listener, text in lines:
            for number, fact in enumerate(self._facts):
                knowers = self._knowers[number]
                if speaker in knowers and listener not in knowers and self._names_it(text, speaker, fact):
                    knowers.add(listener)
                    told.append((speaker, listener, number))
        return told

    def _names_it(self, text: str, speaker: int, fact: Fact) -> bool:
        if fact.kind == "candidacy":
            is_named = speaker == fact.about or self._names[fact.about].split()[0] in text
            return is_named and _CANDIDACY.search(text) is not None
        party = _NAME_OF_PARTY.search(fact.text)
        return party is not None and party[1].lower() in text.lower()
