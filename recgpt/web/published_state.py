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
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.society.config import NAME, SocietyConfig
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.minds.scenes import newest_first
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.view import busy_at

MOST_AGENTS, MOST_TIES, MOST_MESSAGES = 1000, 5, 400
_TOP = 3
_BUSY_ROUNDS = 50  # rounds in which an activity that still goes on may have begun
_HOUR_S = 3600
PICTURES = ("avatar", "idle", "watching", "chatting", "posting")
"""Pictures of an agent: its own, and those of its activities."""


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
        self._state = cast("SocietyState", States(run).at(self.step))
        self._titles = self._state.setting.facts.items["title"]
        recent = run.events(range(max(1, self.step - _BUSY_ROUNDS), self.step + 1))
        self._busy = busy_at(recent, int(recent["time"][-1]) if len(recent) else 0)

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
            **{f"{name}_url": f"/recagent/asset/{name}.svg" for name in PICTURES},
        }

    def _event(self, agent: int) -> dict[str, Any]:
        busy = self._busy.get(agent)
        if busy is None:
            return {"start_time": None, "end_time": None, "duration": 0.0, "target_agent": None, "action_type": "idle"}
        people = self._state.people.name
        targets = [people[other] for other in busy["targets"]] if busy["type"] == "chatting" else []
        return {
            "start_time": self._date(busy["start"]),
            "end_time": self._date(busy["end"]),
            "duration": busy["duration"] / _HOUR_S,
            "target_agent": ", ".join(targets) or None,
            "action_type": busy["type"],
        }

    def _date(self, seconds: int) -> str:
        return (self.config.start_time.replace(tzinfo=None) + timedelta(seconds=seconds)).isoformat(" ")

    def active_agents(self) -> list[dict[str, Any]]:
        """Agents that are busy."""
        return [self.agent(agent) for agent in sorted(self._busy)[:MOST_AGENTS]]

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
        chatting = sum(busy["type"] == "chatting" for busy in self._busy.values())
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


def picture(name: str) -> str | None:
    """SVG picture of an agent or an activity; None for a name that has none."""
    if name not in PICTURES:
        return None
    color = ("#2f7ed8", "#8a8f98", "#2a9d5c", "#d9822b", "#8e5cc4")[PICTURES.index(name)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<circle cx="32" cy="32" r="32" fill="{color}"/><circle cx="32" cy="24" r="11" fill="#fff"/>'
        '<path d="M12 56a20 18 0 0 1 40 0z" fill="#fff"/></svg>'
    )
