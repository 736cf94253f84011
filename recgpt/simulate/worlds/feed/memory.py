"""Memories that the events of a feed leave, for all agents or for some.

    memory = FeedMemory(rules, population, facts)
    memory.take_in(step, retrieved, thoughts, seen_items(by_kind(rows), facts))

Shapes: A agents, T texts, R rows, E embedding width.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.agents.memory_stages import Draws
from recgpt.simulate.agents.memory_texts import GRID, grid_rows
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts

MEMORY_CAPACITY = 50  # entries of one agent
_TEXT_EMBEDDINGS = "texts_embeddings"
_UNFIT = -0.5  # valence of the memory of an item that did not fit, as in the fit of the scripted mind
_SEEN = {"step": pl.Int64, "agent": pl.Int64, "item": pl.Int64, "valence": pl.Float64, "text": pl.String}


def seen_items(of_kind: Mapping[str, pl.DataFrame], facts: ItemFacts) -> pl.DataFrame:
    """Entries for watched items (title, stars, the agent's words if any) and for items that did not fit, in order.

    Parameters
    ----------
    of_kind
        Events of one step or of several by kind.

    Returns
    -------
    Columns `step`, `agent`, `item`, `valence`, `text`.
    """
    if "shown" not in of_kind:
        return pl.DataFrame(schema=_SEEN)
    key, none = ["step", "agent", "item"], of_kind["shown"].clear()
    aligned, watched, rated, felt = (of_kind.get(kind, none) for kind in ("aligned", "watched", "rated", "felt"))
    seen = of_kind["shown"].select(key)
    for part in (
        aligned.select(*key, fits=pl.lit(True)),
        watched.select(*key, watched=pl.lit(True)),
        rated.select(*key, stars="value"),
        felt.select(*key, feeling="value", words="text"),
    ):
        seen = seen.join(part, on=key, how="left", maintain_order="left")
    seen = seen.filter(pl.col("watched").is_not_null() | pl.col("fits").is_null())
    title = facts.items["title"].gather(seen["item"].to_numpy())
    is_watched = pl.col("watched").is_not_null()
    stars = pl.format(" and gave it {} stars", pl.col("stars").cast(pl.Int64)).fill_null("")
    words = pl.format(" {}", "words").fill_null("")
    return seen.select(
        *key,
        valence=pl.when(is_watched).then(pl.col("feeling").fill_null(0)).otherwise(_UNFIT),
        text=pl.when(is_watched)
        .then(pl.format("I watched {}{}.{}", title, stars, words))
        .otherwise(pl.format("{} was not for me.", title)),
    )


class FeedMemory:
    """Memory of the agents of a population, a function of their events.

    Parameters
    ----------
    preset
        Name of one of `PRESETS`.
    draws
        See `Memory`; `restore` puts those of the seed in their place.

    Attributes
    ----------
    memory
        The memory.
    """

    def __init__(
        self, preset: str, seed: int, population: Population, facts: ItemFacts, *, draws: Draws | None = None
    ) -> None:
        self._taste_AE, self._unit_NE = population.taste_AE, facts.unit_NE
        width = facts.unit_NE.shape[1]
        self.memory = Memory(len(population), MEMORY_CAPACITY, PRESETS[preset], width=width, seed=seed, draws=draws)
        self._text_source_T = np.empty(0, dtype=np.int64)  # item of each memory text; -1 - agent for a thought

    def take_in(self, step: int, retrieved: pl.DataFrame, thoughts: pl.DataFrame, seen: pl.DataFrame) -> None:
        """Take in the events of one step.

        Parameters
        ----------
        retrieved, thoughts
            Its events of these kinds.
        seen
            See `seen_items`.
        """
        self._recall(retrieved, step)  # before new entries may displace old ones
        self._conclude(thoughts, step)  # reflections cover earlier pages; this page counts for the next one
        self._remember(seen, step)

    def _recall(self, retrieved: pl.DataFrame, step: int) -> None:
        if len(retrieved) and self.memory.preset.reading_renews:
            read = [parse_json(text, "an event of the run")["ids"] for text in retrieved["text"]]
            agents = np.repeat(retrieved["agent"].to_numpy(), [len(ids) for ids in read])
            self.memory.touch(agents, np.array([number for ids in read for number in ids], dtype=np.int64), step)

    def _conclude(self, thoughts: pl.DataFrame, step: int) -> None:
        if len(thoughts):
            agents = thoughts["agent"].to_numpy()
            numbers = self._numbered(thoughts["text"].to_list(), -1 - agents)
            self.memory.add(agents, Kind.THOUGHT, numbers, created=float(step), importance=8.0)
            self.memory.reflected(agents)

    def _remember(self, seen: pl.DataFrame, step: int) -> None:
        if not len(seen):
            return
        texts, item_R, valence_R = seen["text"].to_list(), seen["item"].to_numpy(), seen["valence"].to_numpy()
        row_of = {text: row for row, text in reversed(list(enumerate(texts)))}  # the first row of each text
        different = sorted(row_of.values())
        numbers = self._numbered([texts[row] for row in different], item_R[different])
        number_of = dict(zip((texts[row] for row in different), numbers.tolist(), strict=True))
        self.memory.add(
            seen["agent"].to_numpy(),
            Kind.EVENT,
            np.array([number_of[text] for text in texts]),
            created=float(step),
            importance=1 + 9 * np.abs(valence_R),
            valence=valence_R,
            item=item_R,
        )

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
        is_thought_R = source_R < 0
        if is_thought_R.all():
            return self._taste_AE[-1 - source_R]
        embeddings_RE = self._unit_NE[np.maximum(source_R, 0)]
        embeddings_RE[is_thought_R] = self._taste_AE[-1 - source_R[is_thought_R]]
        return embeddings_RE

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All arrays but the text embeddings, which `restore` computes again."""
        memory = {name: array for name, array in self.memory.to_arrays().items() if name != _TEXT_EMBEDDINGS}
        return {"text_source_T": self._text_source_T, **memory}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a memory with the same preset, agents and catalogue."""
        self._text_source_T = arrays["text_source_T"]
        rows_TE = grid_rows(self._embeddings(self._text_source_T)) * GRID
        memory = arrays | {_TEXT_EMBEDDINGS: rows_TE.astype(np.int16)}
        self.memory = Memory.from_arrays(memory, self.memory.preset, seed=self.memory.seed)
