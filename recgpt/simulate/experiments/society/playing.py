"""Societies played in memory: the lab of the experiments with friends, chats and posts.

    lab = SocietyLab("data/demo", SocietySettings(agents=100))
    played = lab.play(seed=0, schedule=[{"kind": "rewire", "round": 5, "n": 1}])
    lab.per_agent(played, "watched")               # (A,) events of each agent

Arms of one seed have the same people, ties and random numbers, and differ only in what the arm changes.

Shapes: A agents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from recgpt.data.dataset import Dataset, Interactions
from recgpt.progress import Meter
from recgpt.recommenders.base import Recommender
from recgpt.simulate.experiments.base import BasicSettings
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.society.minds.parameters import Parameters
from recgpt.simulate.worlds.society.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.society.world import Society


class SocietySettings(BasicSettings):
    """Settings of experiments with a society."""

    agents: int = Field(default=100, ge=2, description="agents")
    rounds: int = Field(default=12, ge=2, description="rounds of each arm")
    runs: int = Field(default=3, ge=1, description="runs of each arm, of successive seeds")
    recommender: str = Field(default="item_knn", description="registered name; refitted after every round")


@dataclass(frozen=True)
class PlayedSociety:
    """A society after its last round, and its events, one frame a round."""

    society: Society
    steps: list[pl.DataFrame]

    def of_kind(self, kind: str) -> pl.DataFrame:
        """All events of one kind."""
        return pl.concat([rows.filter(pl.col("kind") == kind) for rows in self.steps])


class Frozen:
    """A recommender that never learns from the run: the control of a feedback loop."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self.name, self.supervision = recommender.name, recommender.supervision

    def fit(self, dataset: Any) -> "Frozen":
        """Ignore new data. Returns itself."""
        return self

    def rank(self, histories: Any, k: int, **options: Any) -> Any:
        """Rank as the recommender did before the run; histories still grow."""
        return self._recommender.rank(histories, k, **options)

    def observe(self, events: Interactions) -> None:
        """Ignore new feedback."""


class SocietyLab:
    """People, ties and catalogue of one data set.

    Parameters
    ----------
    dataset
        Data set folder, or folder with RecAgent's CSV files.
    """

    def __init__(self, dataset: str, settings: SocietySettings) -> None:
        self.settings = settings
        self._dataset = dataset

    @cached_property
    def inputs(self) -> Inputs:
        """Inputs of the first seed, which all runs share."""
        settings = self.settings
        return load_inputs(
            SocietyConfig(
                dataset=self._dataset,
                agents=settings.agents,
                rounds=settings.rounds,
                recommender=settings.recommender,
                seed=settings.seed,
            )
        )

    @property
    def known(self) -> Dataset:
        """Interactions before the run, with the catalogue."""
        known = self.inputs.setting.known
        if known is None:
            raise ValueError("these inputs have no data set")
        return known

    @property
    def seeds(self) -> range:
        """Seeds of the runs of an arm."""
        return range(self.settings.seed, self.settings.seed + self.settings.runs)

    def play(
        self,
        *,
        seed: int,
        name: str = "",
        schedule: Sequence[Mapping[str, Any]] = (),
        parameters: Parameters | None = None,
        is_frozen: bool = False,
        **rules: Any,
    ) -> PlayedSociety:
        """Play one arm to its end.

        Parameters
        ----------
        schedule
            Entries as in a configuration.
        is_frozen
            Whether the recommender neither observes nor is refitted.
        rules
            Other rules of the society.
        """
        given = {"retrain_every": 0 if is_frozen else 1, "rounds": self.settings.rounds, **rules}
        config = SocietyConfig.load(flags={**given, "schedule": list(schedule), "agents": self.settings.agents})
        inputs, own = self.inputs, config.rules()
        fitted = inputs.make_recommender(self.settings.recommender).fit(self.known)
        society = Society(
            own,
            inputs.setting,
            Frozen(fitted) if is_frozen else fitted,
            ScriptedMind(inputs.setting, own, seed=seed, parameters=parameters),
            schedule=config.schedule,
            make_recommender=inputs.make_recommender,
            seed=seed,
        )
        steps = []
        with Meter(f"rounds, {name or 'society'}, seed {seed}", society.n_steps) as meter:
            while not society.over:
                rows = society.play()
                society.apply(rows)
                steps.append(rows)
                meter.update()
        return PlayedSociety(society, steps)

    def per_agent(self, rows: pl.DataFrame) -> np.ndarray:
        """(A,) number of rows of each agent."""
        return np.bincount(rows["agent"].to_numpy(), minlength=self.settings.agents).astype(np.float64)

    def about(self) -> dict[str, Any]:
        """Description of data set and agents, for a result."""
        setting = self.inputs.setting
        known = self.known
        return {
            "dataset": known.name,
            "items": known.n_items,
            "agents": len(setting.people),
            "ties": len(setting.friends),
            "people": setting.people.made_from,
        }


LIMITS = (
    "People are scripted: the figures show what these rules do, not what people do.",
    "Agents influence each other, so that intervals over agents are too narrow; the runs of an arm share people and"
    " ties.",
)


def society_lab(dataset: str, settings: SocietySettings) -> SocietyLab:
    """Lab of a society with these settings."""
    return SocietyLab(dataset, settings)
