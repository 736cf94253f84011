"""Configuration of a feed: with the seed it makes the same log again."""

from typing import Literal

from pydantic import Field

from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig
from recgpt.simulate.worlds.feed.state import FeedRules

NAME = "feed"


class FeedConfig(FeedRules, MindOptions, WorldConfig):
    """Rules, minds, data and agents of a feed."""

    dataset: str = Field(description="data set folder, with ratings and categories if agents are to have them")
    recommender: str = Field(default="recgpt", description="a registered name")
    model: str | None = Field(default=None, description="folder of the model, for recommenders that have one")
    agents: int = Field(default=100, ge=1)
    people: Literal["real", "synthetic"] = Field(default="real", description="users of the data set, or drawn")
