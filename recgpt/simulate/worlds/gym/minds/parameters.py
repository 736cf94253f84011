"""Parameters of the scripted mind, read from one JSON file a domain, `<domain>.json`.

    parameters = Parameters.load("books")

All amounts are in units of the whole scale (0 the lowest rating, 1 the highest), so that parameters of one domain serve
another; only the thresholds belong to a number of ratings. benchmarks/gym/calibration.py fits and writes the files.
"""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recgpt.bounds import read_json
from recgpt.errors import DataError
from recgpt.simulate.worlds.gym.scale import Scale

DEFAULT_DOMAIN = "movies"
"""Domain whose parameters serve domains without a file of their own."""

Positive = Annotated[float, Field(gt=0)]
Amount = Annotated[float, Field(ge=0)]
Levels = tuple[float, float, float]


class Parameters(BaseModel):
    """Parameters of `ScriptedMind`. `fitted_on` and `report` document the fit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thresholds: Annotated[tuple[float, ...], Field(min_length=1)] = Field(
        description="latent values from which on each rating above the lowest is given"
    )
    average: float = Field(description="average of an item of usual quality")
    level: float = Field(description="latent rating of such an item by a typical user")
    noise: Positive = Field(description="standard deviation of one rating around the latent value of user and item")
    own_mean: Amount = Field(description="standard deviation of users' levels")
    drift: Amount = Field(description="standard deviation by which a user's level leaves that of the past")
    quality: float = Field(description="effect of an item's average rating above `average`")
    quality_without_past: float = Field(description="the same on people without a past, who did not choose the item")
    quality_deviation: Amount = Field(description="standard deviation of items' true averages")
    quality_count: Positive = Field(description="number of ratings at which half of an average is believed")
    popularity: float = Field(description="effect of one standard deviation of the log count")
    follow: Amount = Field(description="standard deviation of users' effects of `quality`, as a factor")
    follow_by_conformity: Levels = Field(description="factor of `quality` for each level of conformity")
    popularity_deviation: Amount = Field(description="standard deviation of users' effects of `popularity`")
    popularity_by_diversity: Levels = Field(description="added to the effect of popularity for each level of diversity")
    text: Amount = Field(description="standard deviation of a user's taste in one item's text")
    tag: Amount = Field(description="standard deviation of a user's taste in one tag")
    liked: float = Field(description="mean taste in a tag that the user is said to like")
    disliked: float = Field(description="mean taste in a tag that the user is said to dislike")
    taste_by_diversity: Levels = Field(description="factor of all tastes for each level of diversity")
    memory: float = Field(description="effect of what is recalled of similar items, see `memory.surprises`")
    memory_of_series: float = Field(description="the same of parts of the item's series and of the item itself")
    text_dimensions: int = Field(ge=1, description="principal axes of the catalogue's texts")
    fitted_on: dict[str, Any] = {}
    report: dict[str, Any] = {}

    @classmethod
    def load(cls, domain: str | None = None, path: Path | None = None) -> "Parameters":
        """Read a domain's file of the package, that of `DEFAULT_DOMAIN` where it has none, or the file at `path`.

        Raises
        ------
        DataError
            The file is missing or damaged.
        """
        folder = Path(str(resources.files("recgpt.simulate.worlds.gym.minds")))
        own = folder / f"{domain}.json"
        source = path or (own if own.is_file() else folder / f"{DEFAULT_DOMAIN}.json")
        remedy = "restore it, or fit it again (python benchmarks/gym/calibration.py)"
        try:
            parameters = cls.model_validate(read_json(source))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise DataError(f"{source} is no parameters file: {place}: {first['msg']}; {remedy}") from error
        if (np.diff(parameters.thresholds) <= 0).any():
            raise DataError(f"{source}: the thresholds do not increase: {remedy}")
        return parameters

    def thresholds_on(self, scale: Scale) -> np.ndarray:
        """(V - 1,) float64 thresholds for a scale of V ratings, interpolated where it has another number of ratings."""
        own, wanted = len(self.thresholds), len(scale.values) - 1
        if own == wanted:
            return np.array(self.thresholds)
        # Threshold j of n ratings lies halfway between ratings j and j + 1, at (j + 1/2) / (n - 1) of the scale.
        places, at = (np.arange(own) + 0.5) / own, (np.arange(wanted) + 0.5) / wanted
        offsets = np.array(self.thresholds) - places
        return at + np.interp(at, places, offsets)
