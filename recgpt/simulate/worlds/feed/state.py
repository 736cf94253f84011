"""Rules, setting and state of a feed. The state is a function of the events.

    state = FeedState(rules, population, facts)
    for rows in run.iter_steps():
        state.apply(rows)

Shapes: A agents, P slots of all pages, R rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from recgpt.config import MAX_SEED, Config
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged, joined, offsets_from_lengths
from recgpt.simulate.agents.memory import PRESETS, Memory
from recgpt.simulate.agents.population import Population
from recgpt.simulate.events import by_kind
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.memory import FeedMemory, seen_items

Advert = Literal["none", "all", "pop_high", "pop_low", "unpop_high", "unpop_low"]
LIKED = 4.0  # stars from which an item was liked
_ARRAYS = (
    "active_A",
    "shown_AP",
    "watched_AP",
    "n_shown_A",
    "n_aligned_A",
    "n_watched_A",
    "n_liked_A",
    "n_rated_A",
    "stars_A",
)


class FeedRules(Config):
    """Rules of the feed; data and agents are in `recgpt.simulate.worlds.feed.config.FeedConfig`."""

    pages: int = Field(default=5, ge=1, description="maximum pages per agent")
    page_size: int = Field(default=4, ge=1, description="items per page")
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    retrain_every: int = Field(default=0, ge=0, description="refit the recommender after so many pages; 0: never")
    truth_first: bool = Field(default=False, description="first show held-out items that the real user took")
    advert: Advert = Field(default="none", description="class of items advertised in the first slot")
    advert_text: str | None = Field(default=None, description="text shown next to an advertisement")
    memory: str = Field(default="recgpt", description="preset of the agents' memory")

    @field_validator("memory")
    @classmethod
    def _is_preset(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"unknown memory {name!r}: one of {', '.join(PRESETS)}")
        return name


@dataclass(frozen=True)
class Setting:
    """Data of a feed: known interactions, item facts, agents, held-out items.

    Attributes
    ----------
    known
        Training interactions, known to agents and recommender, with the catalogue of the feed.
    held_out
        (A) sequences of items that the agents' real users took later, each item once, for `truth_first`.
    """

    known: Dataset
    facts: ItemFacts
    population: Population
    held_out: Ragged


class FeedState:
    """State of all agents after the events so far.

    Attributes
    ----------
    active_A
        (A,) bool, whether the agent has not left.
    shown_AP, watched_AP
        (A, P) int32 items in order; -1 beyond `n_shown_A`, `n_watched_A`.
    n_shown_A, n_aligned_A, n_watched_A, n_liked_A, n_rated_A
        (A,) int64 counts.
    stars_A
        (A,) float64 sums of the stars given.
    """

    def __init__(self, rules: FeedRules, population: Population, facts: ItemFacts) -> None:
        n_agents, most = len(population), rules.pages * rules.page_size
        self._population = population
        self._facts = facts
        self.active_A = np.ones(n_agents, dtype=bool)
        self.shown_AP = np.full((n_agents, most), -1, dtype=np.int32)
        self.watched_AP = np.full((n_agents, most), -1, dtype=np.int32)
        self.n_shown_A, self.n_aligned_A, self.n_watched_A = np.zeros((3, n_agents), dtype=np.int64)
        self.n_liked_A, self.n_rated_A = np.zeros((2, n_agents), dtype=np.int64)
        self.stars_A = np.zeros(n_agents)
        self._in_mind = FeedMemory(rules.memory, rules.seed, population, facts)

    @property
    def memory(self) -> Memory:
        """Memory of all agents."""
        return self._in_mind.memory

    def apply(self, rows: pl.DataFrame) -> None:
        """Update the state with the events of one step."""
        if not len(rows):
            return
        step = int(rows["step"][0])
        of_kind = by_kind(rows)
        none = rows.clear()
        shown, aligned, watched, rated = (of_kind.get(kind, none) for kind in ("shown", "aligned", "watched", "rated"))
        _append(self.shown_AP, self.n_shown_A, shown)
        _append(self.watched_AP, self.n_watched_A, watched)
        liked = rated.filter(pl.col("value") >= LIKED)
        stars = rated.drop_nulls("value")
        for count_A, part in ((self.n_aligned_A, aligned), (self.n_liked_A, liked), (self.n_rated_A, stars)):
            count_A += np.bincount(part["agent"].to_numpy(), minlength=len(count_A))
        self.stars_A += np.bincount(stars["agent"].to_numpy(), stars["value"].to_numpy(), minlength=len(self.stars_A))
        retrieved, thoughts = of_kind.get("retrieved", none), of_kind.get("thought", none)
        self._in_mind.take_in(step, retrieved, thoughts, seen_items(of_kind, self._facts))
        for kind in ("exited", "failed"):
            self.active_A[of_kind.get(kind, none)["agent"].to_numpy()] = False

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as arrays, without text embeddings, which `restore` recomputes."""
        return {name: getattr(self, name) for name in _ARRAYS} | self._in_mind.to_arrays()

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state with the same rules, agents and catalogue."""
        for name in _ARRAYS:
            getattr(self, name)[...] = arrays[name]
        self._in_mind.restore(arrays)

    def histories(self, agents: np.ndarray) -> Ragged:
        """Items that each of these agents has taken, before the run and in it."""
        known, n_new_A = self._population.histories[agents], self.n_watched_A[agents]
        watched = Ragged(_filled(self.watched_AP[agents], n_new_A), offsets_from_lengths(n_new_A))
        return joined(known, watched)


def _append(items_AP: np.ndarray, n_A: np.ndarray, rows: pl.DataFrame) -> None:
    """Append the items of the rows to each agent's row of `items_AP`."""
    agent = rows["agent"].to_numpy()
    added_A = np.bincount(agent, minlength=len(n_A))
    place = np.arange(len(agent)) - np.repeat(offsets_from_lengths(added_A)[:-1], added_A) + n_A[agent]
    items_AP[agent, place] = rows["item"].to_numpy()
    n_A += added_A


def _filled(items_AP: np.ndarray, n_A: np.ndarray) -> np.ndarray:
    """The first `n_A` items of each row, one after the other."""
    return items_AP[np.arange(items_AP.shape[1]) < n_A[:, None]]
