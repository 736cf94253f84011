"""A mind for tests of the engine: residents wander, talk and wait at random, keyed as any mind's draws."""

from collections.abc import Sequence

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.town.activities import SLEEPING, WORKING
from recgpt.simulate.worlds.town.life import PlanBlock
from recgpt.simulate.worlds.town.minds.base import (
    Act,
    Chosen,
    Line,
    Notes,
    Rating,
    Reaction,
    Response,
    Scene,
    Seen,
    Talk,
    Thought,
    Told,
)


class RestlessMind:
    """Goes anywhere for some minutes; tells every fact that it knows."""

    def plan_day(self, scene: Scene, notes: Notes) -> Sequence[PlanBlock]:
        return [PlanBlock("sleeping", 360, SLEEPING), PlanBlock("wandering", 1080)]

    def act(self, scene: Scene, notes: Notes) -> Act:
        place, minutes = scene.uniform("act", 2)
        if scene.minute < 10:
            return Act("sleeping", 5, SLEEPING, scene.resident.bed)
        arenas = [each.number for each in scene.setting.map.places if each.level != "sector"]
        return Act(f"wandering {place:.1f}", 1 + int(15 * minutes), WORKING, arenas[int(place * len(arenas))])

    def importance(self, scene: Scene, seen: Sequence[Seen], notes: Notes) -> Sequence[float]:
        return [9.0 for _ in seen]

    def react(self, scene: Scene, other: int, notes: Notes) -> Reaction:
        drawn = scene.uniform("react")[0]
        return Reaction(Response.TALK if drawn < 0.3 else Response.WAIT if drawn < 0.4 else Response.GO_ON, 3)

    def talk(self, scene: Scene, partner: Scene, notes: Notes) -> Talk:
        told = tuple(Told(scene.agent, fact, 0.5) for fact in scene.life.facts if fact not in partner.life.facts)
        thought = Thought(partner.agent, f"{scene.resident.name} is nice", 5.0, scene.agent)
        notes.retrieved.append((scene.agent, '{"for": "talk", "ids": []}'))
        lines = (Line(scene.agent, "Hello."), Line(partner.agent, "Hello!"))
        return Talk(lines, 3, "chatting", told, (), (), (thought,), (0.1, -0.1))

    def reflect(self, scene: Scene, notes: Notes) -> Sequence[Thought]:
        entries = scene.memory.of(scene.agent)[-2:]
        return [Thought(scene.agent, f"{len(entries)} things happened", 6.0, -1, tuple(each.id for each in entries))]

    def browse(self, scene: Scene, items: Sequence[int], notes: Notes) -> Sequence[Chosen]:
        return []

    def choose(self, scene: Scene, place: int, items: Sequence[int], notes: Notes) -> Chosen | None:
        return None

    def rate(self, scene: Scene, item: int, notes: Notes) -> Rating:
        return Rating(3.0)

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate | None:
        return None
