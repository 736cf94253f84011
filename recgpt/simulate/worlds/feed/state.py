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

from recgpt.bounds import parse_json
from recgpt.config import MAX_SEED, Config
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged, joined, offsets_from_lengths
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.agents.memory_stages import Draws
from recgpt.simulate.agents.memory_texts import GRID, grid_rows
from recgpt.simulate.agents.population import Population
from recgpt.simulate.events import by_kind
from recgpt.simulate.items import ItemFacts

Advert = Literal["none", "all", "pop_high", "pop_low", "unpop_high", "unpop_low"]
LIKED = 4.0  # stars from which an item was liked
MEMORY_CAPACITY = 50  # entries of one agent
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
_TEXT_EMBEDDINGS = "texts_embeddings"
_UNFIT = -0.5  # valence of the memory of an item that did not fit, as in the fit of the scripted mind


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

    Parameters
    ----------
    draws
        Draws of the memory, see `Memory`; `restore` puts its own in their place.

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
    memory
        Memory of all agents.
    """

    def __init__(
        self, rules: FeedRules, population: Population, facts: ItemFacts, *, draws: Draws | None = None
    ) -> None:
        n_agents, most = len(population), rules.pages * rules.page_size
        self._population = population
        self._facts = facts
        self.active_A = np.ones(n_agents, dtype=bool)
        self.shown_AP = np.full((n_agents, most), -1, dtype=np.int32)
        self.watched_AP = np.full((n_agents, most), -1, dtype=np.int32)
        self.n_shown_A, self.n_aligned_A, self.n_watched_A = np.zeros((3, n_agents), dtype=np.int64)
        self.n_liked_A, self.n_rated_A = np.zeros((2, n_agents), dtype=np.int64)
        self.stars_A = np.zeros(n_agents)
        width = facts.unit_NE.shape[1]
        self.memory = Memory(
            n_agents, MEMORY_CAPACITY, PRESETS[rules.memory], width=width, seed=rules.seed, draws=draws
        )
        self._text_source_T = np.empty(0, dtype=np.int64)  # item of each memory text; -1 - agent for a thought

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
        self._recall(of_kind.get("retrieved", none), step)  # before new entries may displace old ones
        self._conclude(
            of_kind.get("thought", none), step
        )  # reflections cover earlier pages; this page counts for the next one
        self._remember(shown, aligned, watched, rated, of_kind.get("felt", none), step)
        for kind in ("exited", "failed"):
            self.active_A[of_kind.get(kind, none)["agent"].to_numpy()] = False

    def _recall(self, retrieved: pl.DataFrame, step: int) -> None:
        if len(retrieved) and self.memory.preset.reading_renews:
            read = [parse_json(text, "an event of the run")["ids"] for text in retrieved["text"]]
            agents = np.repeat(retrieved["agent"].to_numpy(), [len(ids) for ids in read])
            self.memory.touch(agents, np.array([number for ids in read for number in ids], dtype=np.int64), step)

    def _remember(
        self,
        shown: pl.DataFrame,
        aligned: pl.DataFrame,
        watched: pl.DataFrame,
        rated: pl.DataFrame,
        felt: pl.DataFrame,
        step: int,
    ) -> None:
        """Add memories of watched items (title, stars, the agent's words if any) and of items that did not fit."""
        key = ["agent", "item"]
        seen = shown.select(key)
        for part in (
            aligned.select(*key, fits=pl.lit(True)),
            watched.select(*key, watched=pl.lit(True)),
            rated.select(*key, stars="value"),
            felt.select(*key, feeling="value", words="text"),
        ):
            seen = seen.join(part, on=key, how="left", maintain_order="left")
        seen = seen.filter(pl.col("watched").is_not_null() | pl.col("fits").is_null())
        if not len(seen):
            return
        is_watched = pl.col("watched").is_not_null()
        item_R = seen["item"].to_numpy()
        felt_then = pl.when(is_watched).then(pl.col("feeling").fill_null(0)).otherwise(_UNFIT)
        valence_R = seen.select(felt_then).to_series().to_numpy()
        title = self._facts.items["title"].gather(item_R)
        stars = pl.format(" and gave it {} stars", pl.col("stars").cast(pl.Int64)).fill_null("")
        words = pl.format(" {}", "words").fill_null("")
        said = seen.select(
            text=pl.when(is_watched)
            .then(pl.format("I watched {}{}.{}", title, stars, words))
            .otherwise(pl.format("{} was not for me.", title)),
            item="item",
        )
        different = said.unique("text", keep="first", maintain_order=True)
        numbers = self._numbered(different["text"].to_list(), different["item"].to_numpy())
        numbered = different.select("text", number=numbers)
        self.memory.add(
            seen["agent"].to_numpy(),
            Kind.EVENT,
            said.join(numbered, on="text", how="left", maintain_order="left")["number"].to_numpy(),
            created=float(step),
            importance=1 + 9 * np.abs(valence_R),
            valence=valence_R,
            item=item_R,
        )

    def _conclude(self, thoughts: pl.DataFrame, step: int) -> None:
        if len(thoughts):
            agents = thoughts["agent"].to_numpy()
            numbers = self._numbered(thoughts["text"].to_list(), -1 - agents)
            self.memory.add(agents, Kind.THOUGHT, numbers, created=float(step), importance=8.0)
            self.memory.reflected(agents)

    def _numbered(self, texts: list[str], source_R: np.ndarray) -> np.ndarray:
        """(R,) numbers of texts in the memory's table; `source_R` as `_text_source_T`."""
        first_new = len(self.memory.texts)
        numbers_R = self.memory.texts.ids_of(texts, self._embeddings(source_R))
        first_R = np.unique(numbers_R, return_index=True)[1]
        new_R = first_R[numbers_R[first_R] >= first_new]
        self._text_source_T = np.concatenate([self._text_source_T, source_R[new_R]])
        return numbers_R

    def _embeddings(self, source_R: np.ndarray) -> np.ndarray:
        """(R, E) embedding of each text: of its item, or for a thought the taste of its agent."""
        taste_AE, unit_NE = self._population.taste_AE, self._facts.unit_NE
        is_thought_R = source_R < 0
        if is_thought_R.all():
            return taste_AE[-1 - source_R]
        embeddings_RE = unit_NE[np.maximum(source_R, 0)]
        embeddings_RE[is_thought_R] = taste_AE[-1 - source_R[is_thought_R]]
        return embeddings_RE

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as arrays, without text embeddings, which `restore` recomputes."""
        own = {name: getattr(self, name) for name in _ARRAYS} | {"text_source_T": self._text_source_T}
        memory = {name: array for name, array in self.memory.to_arrays().items() if name != _TEXT_EMBEDDINGS}
        return own | memory

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state with the same rules, agents and catalogue."""
        for name in _ARRAYS:
            getattr(self, name)[...] = arrays[name]
        self._text_source_T = arrays["text_source_T"]
        rows_TE = grid_rows(self._embeddings(self._text_source_T)) * GRID
        memory = arrays | {_TEXT_EMBEDDINGS: rows_TE.astype(np.int16)}
        self.memory = Memory.from_arrays(memory, self.memory.preset, seed=self.memory.seed)

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
