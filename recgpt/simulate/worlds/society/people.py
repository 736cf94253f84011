"""People of a society: what RecAgent's profiles say, around the `Population` that all worlds share.

Shapes: A agents, E embedding width.
"""

import io
from dataclasses import dataclass
from enum import IntFlag
from functools import cache

import numpy as np
import polars as pl

from recgpt.simulate.agents.population import Population


class Feature(IntFlag):
    """Features of a person; one or more."""

    WATCHER = 1  # watches and rates
    EXPLORER = 2  # looks for items that it heard of
    CRITIC = 4  # has high standards
    CHATTER = 8  # talks in private and trusts friends
    POSTER = 16  # shares in public


@cache
def feature_names(features: int) -> tuple[str, ...]:
    """Names of a set of features, such as Watcher."""
    return tuple(str(each.name).title() for each in Feature if features & each)


_TEXTS = ("name", "gender", "traits", "status", "interest")


@dataclass(frozen=True)
class People:
    """A agents; `agent` numbers are the identity, names may repeat.

    Attributes
    ----------
    population
        Traits, histories, ratings and tastes; `user_A` are users of the data set, or numbers after them.
    name, gender, traits, status, interest
        A texts each; traits and interest are lists of words, separated by commas. Status is the job.
    age_A
        (A,) int64 years; -1 for unknown.
    feature_A
        (A,) uint8 sets of `Feature`.
    made_from
        One sentence on their source, for reports.
    """

    population: Population
    name: list[str]
    gender: list[str]
    traits: list[str]
    status: list[str]
    interest: list[str]
    age_A: np.ndarray
    feature_A: np.ndarray
    made_from: str

    def __len__(self) -> int:
        return len(self.name)

    def has(self, feature: Feature, agents: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(A,) bool, whether these agents have the feature."""
        return (self.feature_A[agents] & int(feature)) > 0

    def label(self, agent: int) -> str:
        """Name and number, which tell people of one name apart."""
        return f"{self.name[agent]} (#{agent})"

    def profile(self, agent: int) -> dict[str, str | int | list[str]]:
        """JSON values of one person: id, name, gender, age, traits, status, interest, feature."""
        texts = {name: getattr(self, name)[agent] for name in _TEXTS}
        features = list(feature_names(int(self.feature_A[agent])))
        return {"id": agent, **texts, "age": int(self.age_A[agent]), "feature": features}

    def to_parquet(self) -> bytes:
        """Parquet file of profiles without the population, for the store of a run."""
        columns = {name: pl.Series(getattr(self, name), dtype=pl.String) for name in _TEXTS}
        buffer = io.BytesIO()
        frame = pl.DataFrame({**columns, "age": self.age_A, "feature": self.feature_A})
        frame.write_parquet(buffer, metadata={"made_from": self.made_from})
        return buffer.getvalue()

    @classmethod
    def from_parquet(cls, content: bytes, population: Population) -> "People":
        """Read a file of `to_parquet`."""
        table = pl.read_parquet(io.BytesIO(content))
        return cls(
            population,
            name=table["name"].to_list(),
            gender=table["gender"].to_list(),
            traits=table["traits"].to_list(),
            status=table["status"].to_list(),
            interest=table["interest"].to_list(),
            age_A=table["age"].to_numpy(),
            feature_A=table["feature"].to_numpy(),
            made_from=pl.read_parquet_metadata(io.BytesIO(content))["made_from"],
        )
