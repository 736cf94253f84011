"""Configuration of a town."""

from datetime import datetime, time
from typing import Literal, Self

from pydantic import Field, field_validator

from recgpt.config import Config
from recgpt.errors import SimulationError
from recgpt.simulate.agents.memory_presets import PRESETS
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.world import WorldConfig
from recgpt.simulate.worlds.town.schedule import Edit

NAME = "town"
FIXED = (
    "town",
    "people",
    "history",
    "seconds_per_tick",
    "start_time",
    "dataset",
    "dataset_kind",
    "model",
    "memory",
    "behaviour",
)
"""Settings that a fork may not change; see `TownConfig.check_fork` for the schedule."""
BLOCK_SECONDS = 600
"""Simulated seconds of a block, a step of the log."""


class TownRules(Config):
    """Rules of a town; map, people and minds are in `TownConfig`."""

    hours: int = Field(
        default=24, ge=1, le=87_840, description="hours in all; a run may be stopped and continued anywhere"
    )
    start_time: datetime = Field(
        default=datetime(2023, 2, 13), description="simulated time of the first tick; residents begin in bed"
    )
    seconds_per_tick: int = Field(
        default=10, ge=1, le=BLOCK_SECONDS, description="simulated seconds of a tick; divides 600"
    )
    behaviour: Literal["recgpt", "published"] = Field(
        default="recgpt",
        description="goals of walks, length of talks and time between two: ours, or as in the published code",
    )
    memory: str = Field(default="generative_agents", description="preset of the residents' memory")
    word_of_mouth: bool = Field(default=True, description="whether talks pass on items; facts pass in any case")
    page_size: int = Field(default=10, ge=1, le=100, description="items on a page of the recommender")
    observes_at: time = Field(
        default=time(4), description="time of day at which the recommender observes and ranks for everybody"
    )

    @field_validator("seconds_per_tick")
    @classmethod
    def _divides_a_block(cls, seconds: int) -> int:
        if BLOCK_SECONDS % seconds:
            raise ValueError(f"{seconds} seconds do not divide the {BLOCK_SECONDS} of a block: try 5, 10, 20, 30 or 60")
        return seconds

    @field_validator("start_time")
    @classmethod
    def _begins_a_block(cls, moment: datetime) -> datetime:
        if moment.minute % 10 or moment.second or moment.microsecond or moment.tzinfo is not None:
            raise ValueError(f"{moment} does not begin a block: use a full ten minutes, without time zone")
        return moment

    @field_validator("memory")
    @classmethod
    def _is_preset(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"unknown memory {name!r}: one of {', '.join(PRESETS)}")
        return name

    @property
    def ticks_per_block(self) -> int:
        """Ticks of a block."""
        return BLOCK_SECONDS // self.seconds_per_tick

    @property
    def ticks_per_day(self) -> int:
        """Ticks of a day."""
        return 86_400 // self.seconds_per_tick

    @property
    def n_blocks(self) -> int:
        """Blocks of the whole run."""
        return self.hours * 3600 // BLOCK_SECONDS


class TownConfig(TownRules, MindOptions, WorldConfig):
    """Rules, map, people, minds, recommender and schedule of a town."""

    town: str = Field(
        default="default",
        description="default: our own town and its 25 people; procedural: drawn from the seed; a plan file; or the"
        " folder of a published simulation",
    )
    people: int = Field(default=25, ge=1, le=10_000, description="number of residents; the first ones of a given town")
    map_folder: str | None = Field(
        default=None, description="folder of the published map (`matrix/`), for the folder of a published simulation"
    )
    history: str | None = Field(
        default=None, description="CSV file of sentences that residents know from the start (Name,Whisper)"
    )
    dataset: str | None = Field(
        default=None, description="data set folder of films or books; by default a made-up catalogue"
    )
    dataset_kind: Literal["film", "book"] = Field(
        default="film", description="kind of the data set's items; the other kinds stay made up"
    )
    recommender: str | None = Field(default=None, description="registered name of the recommender; None: no pages")
    model: str | None = Field(default=None, description="model folder, for recommenders that use one")
    think: Literal["all", "talks", "reflections"] = Field(
        default="all", description="decisions of the mind llm; the scripted mind takes the others"
    )
    schedule: tuple[Edit, ...] = Field(default=(), description="whispers, moves and other edits by block")

    def check_fork(self, changed: Self, at_step: int) -> None:
        """Refuse a change of the schedule up to the fork."""
        begun, wanted = (
            {place: entry for place, entry in enumerate(config.schedule) if entry.block <= at_step}
            for config in (self, changed)
        )
        if begun != wanted:
            raise SimulationError(
                f"schedule: its {len(begun)} entries up to block {at_step} shaped the blocks that the fork shares: keep"
                " them, in their places, and change or append later ones"
            )

    def rules(self) -> TownRules:
        """The rules alone."""
        return self.part(TownRules)
