"""Configuration of a feed."""

from typing import Literal

from pydantic import Field

from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig
from recgpt.simulate.worlds.feed.state import FeedRules

NAME = "feed"


class FeedConfig(FeedRules, MindOptions, WorldConfig):
    """Rules, minds, data and agents of a feed."""

    dataset: str = Field(
        description="data set folder; agents get rating habits and genres if it has ratings and categories"
    )
    recommender: str = Field(default="recgpt", description="registered name of the recommender")
    model: str | None = Field(default=None, description="model folder, for recommenders that use one")
    agents: int = Field(default=100, ge=1, description="number of agents")
    people: Literal["real", "synthetic"] = Field(
        default="real", description="real: users of the data set; synthetic: sampled"
    )
