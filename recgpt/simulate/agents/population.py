"""Profiles of agents: one (`Profile`) and all (`Population`, arrays over agents).

Shapes: A agents, E embedding width.
"""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from recgpt.data.ragged import Ragged

_ARRAYS = (
    "user_A",
    "activity_A",
    "diversity_A",
    "conformity_A",
    "n_ratings_A",
    "n_genres_A",
    "rating_deviation_A",
    "mean_rating_A",
    "taste_AE",
)
_TEXTS = ("tastes", "high_rating_tendency", "low_rating_tendency")


class Profile(BaseModel):
    """Profile of one agent, read by minds and printed by `recgpt agents show`.

    The three traits are classes from 1 to 3 and, beside them, the figures they were cut from
    (Zhang et al., "On Generative Agents in Recommendation", SIGIR 2024, section 3.1).
    """

    model_config = ConfigDict(frozen=True)

    agent: int = Field(ge=0)
    user: int = Field(ge=0, description="dense id of the user that the agent was made from")
    activity: int = Field(ge=1, le=3, description="1: rarely comes, 3: comes often")
    diversity: int = Field(ge=1, le=3, description="1: few genres, 3: many")
    conformity: int = Field(ge=1, le=3, description="1: rates as others do, 3: against them")
    n_ratings: float = Field(description="figure that activity was cut from")
    n_genres: float = Field(description="figure that diversity was cut from")
    rating_deviation: float = Field(description="mean squared distance to the items' means: conformity's figure")
    mean_rating: float | None = Field(description="of the agent's own ratings")
    tastes: tuple[str, ...] = Field(default=(), description="in the first person")
    high_rating_tendency: str = ""
    low_rating_tendency: str = ""


@dataclass(frozen=True)
class Population:
    """A agents.

    Attributes
    ----------
    user_A
        (A,) int64 dense user of the data set that each was made from; several may share one.
    activity_A, diversity_A, conformity_A
        (A,) int8 classes from 1 to 3.
    n_ratings_A, n_genres_A, rating_deviation_A
        (A,) float32 figures that the classes were cut from; NaN for unknown.
    mean_rating_A
        (A,) float32 mean of the agent's own known ratings; NaN where there is none.
    histories
        A sequences of items taken before the run, oldest first.
    ratings
        float32 of `histories.values`; NaN where unknown.
    taste_AE
        (A, E) float32 unit rows in the space of `ItemFacts.unit_NE`: liked items less disliked ones.
    tastes
        A lists of statements in the first person.
    high_rating_tendency, low_rating_tendency
        A texts, maybe empty.
    made_from
        One sentence on their source, for reports.
    """

    user_A: np.ndarray
    activity_A: np.ndarray
    diversity_A: np.ndarray
    conformity_A: np.ndarray
    n_ratings_A: np.ndarray
    n_genres_A: np.ndarray
    rating_deviation_A: np.ndarray
    mean_rating_A: np.ndarray
    histories: Ragged
    ratings: np.ndarray
    taste_AE: np.ndarray
    tastes: list[tuple[str, ...]]
    high_rating_tendency: list[str]
    low_rating_tendency: list[str]
    made_from: str

    def __len__(self) -> int:
        return len(self.user_A)

    def profile(self, agent: int) -> Profile:
        """One agent's profile.

        Raises
        ------
        IndexError
            There is no such agent.
        """
        mean_rating = float(self.mean_rating_A[agent])
        return Profile(
            agent=agent,
            user=int(self.user_A[agent]),
            activity=int(self.activity_A[agent]),
            diversity=int(self.diversity_A[agent]),
            conformity=int(self.conformity_A[agent]),
            n_ratings=float(self.n_ratings_A[agent]),
            n_genres=float(self.n_genres_A[agent]),
            rating_deviation=float(self.rating_deviation_A[agent]),
            mean_rating=None if np.isnan(mean_rating) else mean_rating,
            tastes=self.tastes[agent],
            high_rating_tendency=self.high_rating_tendency[agent],
            low_rating_tendency=self.low_rating_tendency[agent],
        )

    def rows(self, chosen: np.ndarray) -> "Population":
        """Population whose agent `a` copies agent `chosen[a]`: tastes, traits, history, ratings."""
        columns: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        texts: dict[str, Any] = {name: [getattr(self, name)[agent] for agent in chosen.tolist()] for name in _TEXTS}
        ratings = Ragged(self.ratings, self.histories.offsets)[chosen].values
        return replace(self, **columns, **texts, histories=self.histories[chosen], ratings=ratings)

    def to_parquet(self) -> bytes:
        """Parquet file of the population, for the store of a run."""
        columns: dict[str, Any] = {
            "user": self.user_A,
            "activity": self.activity_A,
            "diversity": self.diversity_A,
            "conformity": self.conformity_A,
            "n_ratings": self.n_ratings_A,
            "n_genres": self.n_genres_A,
            "rating_deviation": self.rating_deviation_A,
            "mean_rating": self.mean_rating_A,
            "history": pl.Series([values.tolist() for values in self.histories], dtype=pl.List(pl.Int64)),
            "ratings": pl.Series(
                [values.tolist() for values in Ragged(self.ratings, self.histories.offsets)],
                dtype=pl.List(pl.Float32),
            ),
            "taste": pl.Series(self.taste_AE, dtype=pl.Array(pl.Float32, self.taste_AE.shape[1])),
            "tastes": pl.Series(list(map(list, self.tastes)), dtype=pl.List(pl.String)),
            "high_rating_tendency": self.high_rating_tendency,
            "low_rating_tendency": self.low_rating_tendency,
        }
        buffer = io.BytesIO()
        pl.DataFrame(columns).write_parquet(buffer, metadata={"made_from": self.made_from})
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, content: bytes) -> "Population":
        """Read a file of `to_parquet`."""
        table = pl.read_parquet(io.BytesIO(content))
        histories = table["history"]
        offsets = np.concatenate([[0], np.cumsum(histories.list.len().to_numpy())]).astype(np.int64)
        values = histories.explode(empty_as_null=False).to_numpy() if offsets[-1] else np.empty(0, dtype=np.int64)
        ratings = (
            table["ratings"].explode(empty_as_null=False).to_numpy() if offsets[-1] else np.empty(0, dtype=np.float32)
        )
        return cls(
            user_A=table["user"].to_numpy(),
            activity_A=table["activity"].to_numpy(),
            diversity_A=table["diversity"].to_numpy(),
            conformity_A=table["conformity"].to_numpy(),
            n_ratings_A=table["n_ratings"].to_numpy(),
            n_genres_A=table["n_genres"].to_numpy(),
            rating_deviation_A=table["rating_deviation"].to_numpy(),
            mean_rating_A=table["mean_rating"].to_numpy(),
            histories=Ragged(values, offsets),
            ratings=ratings,
            taste_AE=table["taste"].to_numpy(),
            tastes=[tuple(each) for each in table["tastes"].to_list()],
            high_rating_tendency=table["high_rating_tendency"].to_list(),
            low_rating_tendency=table["low_rating_tendency"].to_list(),
            made_from=pl.read_parquet_metadata(io.BytesIO(content))["made_from"],
        )
