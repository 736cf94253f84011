"""A resident's situation in words, for the prompts of the language-model mind and for interviews.

    briefs = Briefs(setting)
    briefs.now(scene)["time"]                            # Monday, February 13, 2023, 07:10
    briefs.memories(scene, "the party", 8, purpose="act", notes=notes)

Names, texts of profiles, memories and facts enter as quoted data.
"""

import json
from typing import Any

import numpy as np

from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import quoted_memories
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds.base import Notes, Scene
from recgpt.simulate.worlds.town.minds.news import is_over
from recgpt.simulate.worlds.town.residents import Fact, Resident
from recgpt.simulate.worlds.town.setting import Setting

N_MEMORIES = 8
"""Memories in a prompt."""
_MAX_COMPANY, _MAX_PLAN, _MAX_DATES = 6, 4, 4
_TEXT_CHARS = 300


class Briefs:
    """Situations in words.

    Parameters
    ----------
    uses_memory
        Whether prompts contain retrieved memories.
    """

    def __init__(self, setting: Setting, *, uses_memory: bool = True) -> None:
        self._map = setting.map
        self._people = setting.people
        self._uses_memory = uses_memory

    def person(self, resident: Resident, *, you: bool = True) -> dict[str, Any]:
        """Profile of a resident, its texts quoted."""
        texts = {
            "name": resident.name,
            "innate": resident.innate,
            "learned": resident.learned,
            "currently": resident.currently,
            "lifestyle": resident.lifestyle,
            "duty": resident.daily_plan_req,
        }
        return {
            "you": you,
            "age": resident.age,
            **{name: quoted(text, _TEXT_CHARS) if text else "" for name, text in texts.items()},
        }

    def now(self, scene: Scene) -> dict[str, Any]:
        """Time, place, activity, plan, company and gatherings."""
        return {
            "time": self.time(scene),
            "place": self.place(scene),
            "doing": quoted(scene.life.action.text) if scene.life.action.text else "",
            "plan": self._plan(scene),
            "company": [self.doing(scene, other) for other in scene.near[:_MAX_COMPANY]],
            "dates": self._dates(scene),
        }

    def time(self, scene: Scene) -> str:
        """Day and clock."""
        return f"{scene.now:%A, %B} {scene.now.day}, {scene.now:%Y, %H:%M}"

    def place(self, scene: Scene) -> str:
        """Quoted names of the room and the sector where the resident stands."""
        place = self._map.at(scene.tile)
        if place < 0:
            return "outdoors, on the way"
        return quoted(self._map.address(place).partition(":")[2].replace(":", ", "))

    def doing(self, scene: Scene, other: int) -> str:
        """Quoted name and activity of another."""
        return f"{self.name(other)}, {quoted(scene.lives[other].action.text)}"

    def name(self, agent: int) -> str:
        """Quoted name of a resident."""
        return quoted(self._people.residents[agent].name)

    def relation(self, scene: Scene, other: int) -> str:
        """Quoted word for what another is to the resident."""
        return quoted(scene.life.relation(other).label)

    def last_talk(self, scene: Scene, other: int) -> str:
        """How long ago the two talked last; empty for never."""
        ended = scene.life.relation(other).talked_at
        if ended < 0:
            return ""
        minutes = (scene.tick - ended) * scene.rules.seconds_per_tick // 60
        return f"{minutes} minutes ago" if minutes < 120 else f"{minutes // 60} hours ago"

    def fact(self, number: int) -> str:
        """Quoted text of a fact."""
        return quoted(self._people.facts[number].text)

    def memories(self, scene: Scene, query: str, k: int, *, purpose: str, notes: Notes | None) -> list[str]:
        """Quoted memories that score highest for a text, best first; noted as read."""
        if not self._uses_memory:
            return []
        found = scene.memory.retrieve(scene.agent, query, k, hours=scene.seconds / 3600)
        texts, read = quoted_memories(scene.memory.entries, np.array([scene.agent]), found)
        if notes is not None and read[0] is not None:
            ids = json.loads(read[0])["ids"]
            parts = {
                "recency": found.recency_Ak[0],
                "relevance": found.relevance_Ak[0],
                "importance": found.importance_Ak[0],
                "score": found.scores_Ak[0],
            }
            scores = {name: [round(float(each), 4) for each in part[: len(ids)]] for name, part in parts.items()}
            notes.retrieved.append((scene.agent, json.dumps({"for": purpose, "ids": ids, **scores})))
        return texts[0]

    def _plan(self, scene: Scene) -> list[str]:
        """The present and the next blocks of today's plan with the clock of their start."""
        if scene.life.plan_day != scene.day:
            return []
        minute, found = 0, []
        for block in scene.life.plan:
            if minute + block.minutes > scene.minute:
                found.append(f"{minute // 60:02d}:{minute % 60:02d} {self._block(block)}")
            minute += block.minutes
        return found[:_MAX_PLAN]

    def _block(self, block: PlanBlock) -> str:
        return quoted(block.text)

    def _dates(self, scene: Scene) -> list[str]:
        facts = self._people.facts
        known = [
            number for number in scene.life.facts if facts[number].starts >= 0 and not is_over(scene, facts[number])
        ]
        return [f"{self.fact(number)} ({_part(scene, number, facts[number])})" for number in known[:_MAX_DATES]]


def _part(scene: Scene, number: int, fact: Fact) -> str:
    """What a gathering is to the resident."""
    if fact.about == scene.agent:
        return "you are the host"
    accepted = scene.life.appointments.get(number)
    return "not invited so far" if accepted is None else "you will come" if accepted else "you declined"
