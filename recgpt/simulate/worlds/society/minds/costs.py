"""Expected calls and cost of a society of a language model, before its start.

An agent that acts is asked once for its first decision. The rest is not known before; the shares below are
a guess in the middle: half then open the recommender and look at two pages, half turn to others, and half of the
latter chat. Prompts are made of some agents that watched and heard of as much as their lists hold, so that early rounds
cost less. Repeated requests are not counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import Asker
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.minds import schemas
from recgpt.simulate.worlds.society.minds.scenes import MAX_FRIENDS, MAX_TOPICS, Scene, Scenes, label, when
from recgpt.simulate.worlds.society.schedule import Intervention, Interview, Survey, Targeted

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.state import Setting

PAGES = 2.0
"""Pages of a recommender session."""
SHARE_SOCIAL = 0.5
"""Share of the agents that act that turn to others, where both are offered."""
SHARE_CHATS = 0.5
"""Share of social actions that are chats."""
SHARE_REFLECTS = 0.1
"""Share of first decisions with a reflection due, where reflections are asked for."""
_MAX_SAMPLES = 16  # agents whose prompts are rendered
_N_HEARD = 5
_POST = "Saw it last night and would watch it again, though the end came too soon for me."


class Costs:
    """Estimates of one mind.

    Parameters
    ----------
    client, asker, scenes
        Of the mind; nothing is sent.
    setting
        Catalogue, people and ties.
    rules
        Sizes of pages and feeds, and the share of agents that act.
    """

    def __init__(
        self, client: LLMClient, asker: Asker, scenes: Scenes, setting: "Setting", rules: SocietyRules
    ) -> None:
        self._client = client
        self._asker = asker
        self._scenes = scenes
        self._setting = setting
        self._rules = rules
        self._agents = np.unique(np.linspace(0, len(setting.people) - 1, _MAX_SAMPLES).astype(np.int64)).tolist()

    def estimate(
        self, n_agents: int, n_rounds: int, schedule: Sequence[Intervention] = (), *, reflects: bool = False
    ) -> CostEstimate:
        """Calls, tokens and cost of so many rounds, the last ones of the run.

        Parameters
        ----------
        n_agents
            Agents that the mind decides for.
        schedule
            Surveys and interviews in it are counted.
        reflects
            Whether due reflections are asked for.
        """
        expected = CostEstimate(0, 0, 0, 0.0)
        for prompt, n_calls in self.calls(n_agents, n_rounds, schedule, reflects=reflects).items():
            if n_calls:
                expected += self._client.estimate([self._request(prompt, agent) for agent in self._agents], n_calls)
        return expected

    def calls(
        self, n_agents: int, n_rounds: int, schedule: Sequence[Intervention] = (), *, reflects: bool = False
    ) -> dict[str, int]:
        """Expected number of calls by prompt."""
        rules = self._rules
        acting = n_agents * rules.active_prob  # an upper bound where activity is drawn or grows
        if rules.active_agent_threshold:
            acting = min(acting, rules.active_agent_threshold)
        acting *= n_rounds
        social = acting * (SHARE_SOCIAL if rules.recommends else 1.0) * rules.socialises
        browsing = acting * (1 - SHARE_SOCIAL if rules.socialises else 1.0) * rules.recommends
        found = {
            "choose": acting,
            "page": browsing * min(PAGES, rules.max_actions),
            "feed": social * bool(rules.feed_size),
            "social": social,
            "dialogue": social * SHARE_CHATS,
            "question": self._n_questions(n_agents, n_rounds, schedule),
            "reflect": acting * SHARE_REFLECTS * reflects,
        }
        return {prompt: round(n_calls) for prompt, n_calls in found.items()}

    def _n_questions(self, n_agents: int, n_rounds: int, schedule: Sequence[Intervention]) -> int:
        steps = range(self._rules.rounds - n_rounds + 1, self._rules.rounds + 1)
        return sum(
            _n_targets(each, n_agents)
            for each in schedule
            if isinstance(each, Survey | Interview)
            for step in steps
            if each.is_due(step)
        )

    # --- sample requests ---

    def _request(self, prompt: str, agent: int) -> Request:
        people, scene = self._setting.people, self._scene(agent)
        if prompt == "dialogue":
            return self._dialogue(agent)
        schema, values = self._parts(prompt, agent, scene)
        system = self._asker.render("profile", person=self._scenes.person(people, agent))
        return self._asker.request(prompt, schema, system=system, scene=scene, **values)

    def _parts(self, prompt: str, agent: int, scene: Scene) -> tuple[Any, dict[str, Any]]:
        """Schema and values of a prompt, shared by all prompts but a dialogue's."""
        rules, scenes = self._rules, self._scenes
        items = self._items(agent, MAX_TOPICS)
        friends = self._friends(agent)
        match prompt:
            case "choose":
                offered = ("nothing", "social", "recommender")
                return schemas.choice_schema(offered), {"offered": offered, "has_friends": bool(friends)}
            case "page":
                shown = [scenes.item(item) for item in self._items(agent, rules.page_size)]
                schema = schemas.page_schema(len(shown), len(scene.heard))
                return schema, {"query": None, "action": 1, "items": shown}
            case "feed":
                post = f"{label(self._setting.people, agent)}: {quoted(_POST)}; about {scenes.title(items[0])}; 1 likes"
                return schemas.feed_schema(rules.feed_size), {"posts": [post] * rules.feed_size}
            case "social":
                topics = [f"{scenes.title(item)}, watched, your opinion +1.0" for item in items]
                schema = schemas.social_schema(len(friends), len(topics))
                return schema, {"friends": friends, "topics": topics}
            case "question":
                values = {"question": quoted("How much do you like it?"), "title": scenes.title(items[0])}
                return schemas.answer_schema(10), {**values, "opinion": None, "options": [], "in_words": False}
        return schemas.Reflection, {"memories": 2 * scene.memories}

    def _dialogue(self, agent: int) -> Request:
        people, scenes, n_agents = self._setting.people, self._scenes, len(self._setting.people)
        scene, titles = self._scene(agent), [scenes.title(item) for item in self._items(agent, MAX_TOPICS)]
        system = self._asker.render(
            "pair",
            first=scenes.person(people, agent, you=False),
            second=scenes.person(people, (agent + 1) % n_agents, you=False),
        )
        return self._asker.request(
            "dialogue",
            schemas.dialogue_schema(len(titles), 0, len(titles)),
            system=system,
            time=when(self._rules.start_time),
            relation=quoted("friend"),
            only_first=titles,
            both=[],
            only_second=titles,
            first_memories=scene.memories,
            second_memories=scene.memories,
            begins_with=1,
            n_lines=schemas.N_LINES,
        )

    def _scene(self, agent: int) -> Scene:
        time: datetime = self._rules.start_time
        return self._scenes.without_past(time, self._items(agent, MAX_TOPICS), _N_HEARD)

    def _items(self, agent: int, n: int) -> list[int]:
        """Items from all over the catalogue, others for each agent."""
        n_items = len(self._setting.facts)
        places = np.linspace(0, n_items, n, endpoint=False).astype(np.int64)
        return ((places + agent) % n_items).tolist()

    def _friends(self, agent: int) -> list[str]:
        friends = self._setting.friends
        targets = friends.target_R[friends.offsets[agent] : friends.offsets[agent + 1]][:MAX_FRIENDS].tolist()
        relation = quoted("friend")
        return [f"{label(self._setting.people, target)} (you are to them: {relation})" for target in targets]


def _n_targets(targeted: Targeted, n_agents: int) -> int:
    """How many agents an entry of the schedule is for at most."""
    limits = [len(targeted.agents) or n_agents, targeted.n_random, targeted.n_best_connected, n_agents]
    return min(limit for limit in limits if limit is not None)
