"""Parameters of the scripted mind: the coefficients of its models, read from `scripted.json`."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from recgpt.errors import DataError
from recgpt.simulate.minds.parameters import Numbers, load_numbers

Positive = Annotated[float, Field(gt=0)]
Four = tuple[float, float, float, float]
ByClass = tuple[Four, Four, Four]


class Preference(Numbers):
    """Log odds that a person chooses an item. Where they are 0 is a matter of convention: `align` sets the level."""

    interest: float = Field(description="cosine of the mean text of the agent's history and the item's text")
    category: float = Field(description="log of how much more the agent takes of the item's categories than others do")
    quality: float = Field(description="stars that the item's mean lies above that of a typical interaction")
    popularity: float = Field(description="log count, above that of a typical interaction")


class Align(Numbers):
    """Log odds that an item fits."""

    intercept: float
    preference: float
    quality: float = Field(description="effect of the mean rating on the page, beyond preference")
    popularity: float = Field(description="by how much popularity draws them more or less than it draws people")
    first_slot: float
    diversity: float = Field(description="for each class above the middle one")
    activity_3: float
    memory: float = Field(description="of the valence of memories of the run, weighted by likeness; see `recalled`")


class Watch(Numbers):
    """Log odds that an item that fits is watched."""

    by_activity_and_place: ByClass = Field(description="place among the page's items that fit: 1, 2, 3, 4 and more")
    page: float = Field(description="for each page before")


class Rating(Numbers):
    """Ordinal logistic model of stars from 1 to 5: log odds of at most s stars = (threshold_s - sum) / spread."""

    thresholds: Four
    own_mean: float = Field(description="stars that the agent's mean lies above the mean of agents")
    quality: float
    taste: float = Field(description="cosine of what the agent rated high less what it rated low, and the item's text")
    popularity: float
    spread_by_conformity: tuple[Positive, Positive, Positive] = Field(description="how far from the sum they rate")
    mean_of_agents: float
    deviation_of_agents: Positive = Field(description="of the agents' means: an agent without ratings draws one")


class Exit(Numbers):
    """Log odds of leaving after a page (a discrete-time hazard)."""

    by_activity_and_page: ByClass = Field(description="after page 1, 2, 3, 4 and more")
    share_aligned: float = Field(description="of all items shown so far, above its mean")
    mean_share_aligned: float


class Satisfaction(Numbers):
    """Log odds that a page pleases, from the mean of the stars given on it; a page without stars never pleases."""

    three_stars: float = Field(description="log odds at a mean of three stars")
    star: Positive = Field(description="for each star more")


class Interview(Numbers):
    """Satisfaction from 1 to 10: 1 + the number of thresholds below a sum, noise included; see `interview_scores`."""

    thresholds: Annotated[tuple[float, ...], Field(min_length=9, max_length=9)]
    activity_2: float
    activity_3: float
    share_aligned: float
    share_watched: float
    pages: float = Field(description="of four items, at most five")
    one_page: float
    stars: Positive = Field(description="for each star of the agent's mean in this visit above `mean_stars`")
    mean_stars: float = Field(description="of agents in a visit")
    noise: Positive = Field(description="scale of the logistic noise of agents that gave stars; 1 for the others")
    farthest: Positive = Field(description="points at most between a score and where the mean of the stars lies")


class Parameters(Numbers):
    """Parameters of `ScriptedMind`. `fitted_on` and `report` document the fit."""

    preference: Preference
    align: Align
    watch: Watch
    rating: Rating
    exit: Exit
    satisfaction: Satisfaction
    interview: Interview
    text_dimensions: int = Field(ge=1)
    fitted_on: dict[str, Any] = Field(default_factory=dict)
    report: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> "Parameters":
        """Read a file of parameters, by default the one of the package.

        Raises
        ------
        DataError
            The file is missing or damaged.
        """
        source = path or Path(str(resources.files("recgpt.simulate.worlds.feed.minds") / "scripted.json"))
        remedy = "restore it, or fit it again (`recgpt agents fit`)"
        parameters = load_numbers(cls, source, remedy)
        for name, model in (("rating", parameters.rating), ("interview", parameters.interview)):
            if (np.diff(model.thresholds) <= 0).any():
                raise DataError(f"{source}: the thresholds of {name} do not increase: {remedy}")
        return parameters
