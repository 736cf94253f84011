"""State of a society in the shapes of RecAgent's published HTTP calls.

shown = PublishedState(run)
shown.agent(3)                             # id, name, ..., role, event, addresses of pictures
shown.system_stat()["social"]["network_density"]
"""

from datetime import timedelta
from typing import Any, cast

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.events import by_kind
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.config import NAME, SocietyConfig
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.minds.scenes import newest_first
from recgpt.simulate.worlds.society.reader import Doing
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.web.pictures import COLORS

MOST_AGENTS, MOST_TIES, MOST_MESSAGES = 1000, 5, 400
_TOP = 3
_HOUR_S = 3600


class PublishedState:
    """A society after the last stored round.

    Raises
    ------
    SimulationError
        The run is of another world.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.config = stored_config(run, NAME, SocietyConfig)
        self.step = run.n_steps
        states = States(run)
        self._state = cast("SocietyState", states.at(self.step))
        self._titles = self._state.setting.facts.items["title"]
        self._doing = self._doing_in(states)

    def _doing_in(self, states: States) -> Doing:
        """Activities in the last round."""
        if not self.step:
            return Doing.of(self._state.activity)
        before, rows = cast("SocietyState", states.at(self.step - 1)), self._run.events(self.step)
        return Doing.of(before.activity.during(by_kind(rows), self.step))

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self._state.people)

    def check(self, agent: int) -> None:
        """Refuse an agent that does not exist.

        Raises
        ------
        SimulationError
            There is no such agent.
        """
        if not 0 <= agent < self.n_agents:
            raise SimulationError(f"there is no agent {agent}: choose one from 0 to {self.n_agents - 1}")

    def agents(self, query: str = "") -> list[dict[str, Any]]:
        """Agents whose name contains the query, or whose number it is; at most `MOST_AGENTS`."""
        wanted, names = query.strip().casefold(), self._state.people.name
        found = [agent for agent, name in enumerate(names) if wanted in name.casefold() or wanted == str(agent)]
        return [self.agent(agent) for agent in found[:MOST_AGENTS]]

    def agent(self, agent: int) -> dict[str, Any]:
        """An agent: profile, role, event and addresses of pictures."""
        self.check(agent)
        profile = self._state.people.profile(agent)
        return {
            **profile,
            "feature": ", ".join(cast("list[str]", profile["feature"])),
            "role": "user" if self._state.profiles.played_A[agent] else "agent",
            "event": self._event(agent),
            **{f"{name}_url": f"/recagent/asset/{name}.svg" for name in COLORS},
        }

    def _event(self, agent: int) -> dict[str, Any]:
        kind, since, until = self._doing.of_agent(agent)
        if since is None or until is None:
            return {"start_time": None, "end_time": None, "duration": 0.0, "target_agent": None, "action_type": "idle"}
        names = [self._state.people.name[other] for other in self._doing.partners_of(agent)]
        return {
            "start_time": self._date(since),
            "end_time": self._date(until),
            "duration": (until - since) / _HOUR_S,
            "target_agent": ", ".join(names) or None,
            "action_type": kind.name.lower(),
        }

    def _date(self, seconds: int) -> str:
        return (self.config.start_time.replace(tzinfo=None) + timedelta(seconds=seconds)).isoformat(" ")

    def active_agents(self) -> list[dict[str, Any]]:
        """Agents that are busy."""
        return [self.agent(agent) for agent in self._doing.agent_B[:MOST_AGENTS].tolist()]

    def watched(self, agent: int) -> list[str]:
        """The last ten titles that an agent watched, the newest first."""
        self.check(agent)
        return [self._titles[item] for item in newest_first(self._state.viewing.watched_AB[agent])]

    def heard(self, agent: int) -> list[str]:
        """The last ten titles that an agent heard of, the newest first."""
        self.check(agent)
        return [self._titles[item] for item in newest_first(self._state.viewing.heard_AB[agent])]

    def relationships(self) -> list[dict[str, Any]]:
        """Ties between agents, at most `MOST_TIES` an agent."""
        friends = self._state.social.friends
        place_R = np.arange(len(friends)) - np.repeat(friends.offsets[:-1], np.diff(friends.offsets))
        rows = np.flatnonzero((place_R < MOST_TIES) & (friends.source_R < MOST_AGENTS))
        return [
            {
                "source": int(friends.source_R[row]),
                "target": int(friends.target_R[row]),
                "name": friends.labels[friends.label_R[row]],
            }
            for row in rows.tolist()
        ]

    def messages(self, step: int | None = None) -> list[dict[str, Any]]:
        """Messages of a round, by default of the last one: `agent_id, action, content`."""
        step = self.step if step is None else step
        if not 0 <= step <= self.step:
            raise SimulationError(f"there is no round {step}: choose one from 0 to {self.step}")
        return messages(self._run.events(step), self._state.setting)[:MOST_MESSAGES]

    def played(self) -> int:
        """The first agent that a person plays; -1 without one."""
        played = np.flatnonzero(self._state.profiles.played_A)
        return int(played[0]) if len(played) else -1

    def system_stat(self) -> dict[str, Any]:
        """Figures of the tabs `recommender` and `social`."""
        now, counts = self._run.events(self.step), self._run.counts_by_kind()
        state = self._state
        chatting = int((self._doing.kind_B == Busy.CHATTING).sum())
        return {
            "recommender": {
                "tot_user_num": self.n_agents,
                "cur_user_num": now.filter(pl.col("kind") == "entered")["agent"].n_unique(),
                "tot_item_num": len(state.setting.facts),
                "inter_num": counts.get("watched", 0),
                "rec_model": self.config.recommender,
                "pop_items": self._top("watched"),
            },
            "social": {
                "tot_user_num": self.n_agents,
                "cur_user_num": chatting,
                "tot_link_num": len(state.social.friends) // 2,
                "chat_num": counts.get("chatted", 0),
                "cur_chat_num": len(now.filter(pl.col("kind") == "chatted")),
                "post_num": counts.get("posted", 0),
                "pop_items": self._top("posted", "said"),
                "network_density": state.social.friends.density,
            },
        }

    def _top(self, *kinds: str) -> list[str]:
        """Titles with the most events of these kinds."""
        rows = pl.concat([self._run.events(kind=kind).select("item") for kind in kinds]).drop_nulls()
        counts = rows.group_by("item").len().sort(["len", "item"], descending=[True, False]).head(_TOP)
        return [self._titles[item] for item in counts["item"].to_list() if item >= 0]
