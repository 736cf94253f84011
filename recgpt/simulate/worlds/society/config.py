"""Configuration of a society."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, field_validator

from recgpt.config import Config
from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory_presets import PRESETS
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig
from recgpt.simulate.worlds.society.rounds import parsed_interval
from recgpt.simulate.worlds.society.schedule import Intervention, TakeOver

NAME = "society"
FIXED = (
    *("dataset", "past", "users", "relationships", "agents", "people", "mean_friends", "model", "memory"),
    *("start_time", "interval", "posts_reach_friends"),
)
"""Settings that a fork may not change; see `SocietyConfig.check_fork` for the schedule."""
FeedRanker = Literal["time", "popularity", "hot", "similarity", "recommender"]


class SocietyRules(Config):
    """Rules of a society; data, people and minds are in `SocietyConfig`."""

    rounds: int = Field(default=5, ge=1, description="rounds in all")
    interval: str = Field(
        default="5h", description="what a round adds to the clock: whole number and one of s m h d M (month) y"
    )
    start_time: datetime = Field(default=datetime(2024, 1, 1, 8), description="simulated time of the first round")
    page_size: int = Field(default=5, ge=1, description="items on a page")
    max_actions: int = Field(default=5, ge=1, description="actions of one agent in a recommender session")
    watches: int = Field(
        default=1, ge=1, description="items watched before a session ends; after each, the recommender ranks again"
    )
    active_method: Literal["random", "sample", "marginal"] = Field(
        default="random",
        description="probability that an agent acts in a round. random: active_prob; sample: drawn for each agent from"
        " a Lomax distribution; marginal: that, times one more than the rounds since it last acted",
    )
    active_prob: float = Field(default=1.0, gt=0, le=1, description="see active_method")
    active_agent_threshold: int = Field(
        default=0, ge=0, description="maximum agents that act in a round, a random subset; 0: no limit"
    )
    recommends: bool = Field(default=True, description="whether agents can open the recommender")
    socialises: bool = Field(default=True, description="whether agents can chat, post and read posts")
    posts_reach_friends: bool = Field(
        default=True, description="whether every friend reads a post at once, as in the published system"
    )
    feed_size: int = Field(default=5, ge=0, description="posts in the feed of an agent that socialises; 0: no feed")
    feed_ranker: FeedRanker = Field(default="hot", description="order of the feed; recommender: by their items")
    memory: str = Field(
        default="auto",
        description="preset of the agents' memory; none: only the lists of what they watched and heard of; auto:"
        " recagent with the minds llm and person, else none",
    )
    retrain_every: int = Field(default=0, ge=0, description="refit the recommender after so many rounds; 0: never")

    @field_validator("interval")
    @classmethod
    def _is_interval(cls, text: str) -> str:
        parsed_interval(text)
        return text

    @field_validator("memory")
    @classmethod
    def _is_preset(cls, name: str) -> str:
        if name not in (*PRESETS, "auto", "none"):
            raise ValueError(f"unknown memory {name!r}: one of auto, none, {', '.join(PRESETS)}")
        return name


class SocietyConfig(SocietyRules, MindOptions, WorldConfig):
    """Rules, minds, data, people and schedule of a society."""

    dataset: str | None = Field(
        default=None,
        description="data set folder, or folder of the published CSV files (item.csv and maybe users and ties); by"
        " default a made-up catalogue of films",
    )
    users: str | None = Field(default=None, description="CSV file of people, published columns")
    relationships: str | None = Field(default=None, description="CSV file of ties, published columns")
    past: str | None = Field(
        default=None,
        description="data set folder with ratings of the films of item.csv, found by item_links.csv; by default their"
        " past is made up",
    )
    agents: int = Field(default=100, ge=1, description="number of agents")
    people: Literal["auto", "given", "users", "drawn"] = Field(
        default="auto",
        description="given: of the CSV file; users: real users of the data set; drawn: made up; auto: the first that"
        " the data have",
    )
    mean_friends: float = Field(default=20, ge=0, description="mean number of friends where ties are drawn")
    recommender: str = Field(default="recgpt", description="registered name of the recommender")
    model: str | None = Field(default=None, description="model folder, for recommenders that use one")
    schedule: tuple[Intervention, ...] = Field(default=(), description="interventions, surveys and polls by round")

    def check_fork(self, changed: Self, at_step: int) -> None:
        """Refuse a change of the schedule up to the fork; events refer to its entries by their place.

        The end of a person's play may change, as long as it comes after the fork.
        """
        begun, wanted = (
            {place: _so_far(entry, at_step) for place, entry in enumerate(config.schedule) if entry.round <= at_step}
            for config in (self, changed)
        )
        if begun != wanted:
            raise SimulationError(
                f"schedule: its {len(begun)} entries up to round {at_step} shaped the rounds that the fork shares: keep"
                " them, in their places, and change or append later ones"
            )

    def rules(self) -> SocietyRules:
        """The rules, with the memory that `auto` stands for."""
        rules = self.part(SocietyRules)
        if rules.memory != "auto":
            return rules
        return rules.model_copy(update={"memory": "recagent" if self.mind in ("llm", "person") else "none"})


def _so_far(entry: Intervention, at_step: int) -> Intervention:
    """The entry as the rounds up to `at_step` know it: an agent may be handed back at any later round."""
    if isinstance(entry, TakeOver) and (entry.until is None or entry.until >= at_step):
        return entry.model_copy(update={"until": None})
    return entry
