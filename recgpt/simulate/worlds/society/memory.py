"""Memories of agents, made from the events of a society without a call of a language model.

    memory = SocietyMemory(rules, setting, seed)
    memory.apply(of_kind, rows, heard, hours=5.0)
    memory.entries.describe(7)

Importance follows RecAgent's question to its language model by rule: what names an item is high, the more so the
stronger the feeling; entering a place or talking without an item is low. Presets with a sensory threshold drop the low.

Shapes: R rows, E embedding width.
"""

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.events import SCHEMA
from recgpt.simulate.worlds.society.hearing import Hearings
from recgpt.simulate.worlds.society.setting import Setting
from recgpt.simulate.worlds.society.sources import Source

CAPACITY = 60
"""Entries of one agent."""
LOW, NAMED, TOLD = 4.0, 7.0, 8.0
"""Importance of what names no item, of what names one, and of what somebody told the agent about one."""
_NONE = pl.DataFrame(schema=SCHEMA)


class SocietyMemory:
    """Memory of all agents.

    Parameters
    ----------
    preset
        Name of a preset of `recgpt.simulate.agents.memory_presets`.
    seed
        Key of the draws that enhance and forget.
    """

    def __init__(self, preset: str, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._titles = setting.facts.items["title"].to_list()
        width = setting.facts.unit_NE.shape[1]
        self.entries = Memory(len(setting.people), CAPACITY, PRESETS[preset], width=width, seed=seed)

    def apply(self, of_kind: dict[str, pl.DataFrame], rows: pl.DataFrame, heard: Hearings, *, hours: float) -> None:
        """Read, add and forget what the events of a round say.

        Parameters
        ----------
        hours
            Simulated hours since the start of the run.
        """
        self._read(of_kind.get("retrieved", _NONE), hours)
        self._add_watched(of_kind, hours)
        self._add_heard(rows, heard, hours)
        self._add_own(of_kind, hours)
        asked = of_kind.get("remembered", _NONE)
        self._add(asked["agent"].to_numpy(), asked["text"].to_list(), np.full(len(asked), -1), TOLD, hours)
        thoughts = of_kind.get("thought", _NONE)
        if len(thoughts):
            agents = thoughts["agent"].to_numpy()
            self._add(agents, thoughts["text"].to_list(), np.full(len(agents), -1), TOLD, hours, kind=Kind.THOUGHT)
            self.entries.reflected(np.unique(agents))
        self.entries.forget(np.arange(len(self.entries)), hours)

    def _read(self, retrieved: pl.DataFrame, hours: float) -> None:
        if not len(retrieved):
            return
        ids = [parse_json(text, "an event of the run")["ids"] for text in retrieved["text"].to_list()]
        agents = np.repeat(retrieved["agent"].to_numpy(), [len(each) for each in ids])
        numbers = np.array([number for each in ids for number in each], dtype=np.int64)
        self.entries.touch(agents, numbers, hours)
        self.entries.enhance_by(agents, numbers, hours)

    def _add_watched(self, of_kind: dict[str, pl.DataFrame], hours: float) -> None:
        key = ["agent", "item"]
        watched = of_kind.get("watched", _NONE).select(key)
        for kind, columns in (("rated", {"stars": "value"}), ("felt", {"feeling": "value", "words": "text"})):
            part = of_kind.get(kind, _NONE).select(*key, **columns).unique(key, keep="last")
            watched = watched.join(part, on=key, how="left", maintain_order="left")
        texts, importance = [], []
        for item, stars, _, words in watched.select("item", "stars", "feeling", "words").iter_rows():
            rated = "" if stars is None else f" and gave it {stars:.0f} stars"
            texts.append(f"I watched {self._titles[item]}{rated}." + (f" {words}" if words else ""))
            importance.append(NAMED + (0 if stars is None else abs(stars - 3)))
        valence = watched["feeling"].fill_null(0).to_numpy()
        items = watched["item"].to_numpy()
        self._add(watched["agent"].to_numpy(), texts, items, np.array(importance), hours, valence=valence)

    def _add_heard(self, rows: pl.DataFrame, heard: Hearings, hours: float) -> None:
        words, people = rows["text"].to_list(), self._setting.people
        texts = []
        for other, item, source, event in zip(
            heard.other_H.tolist(), heard.item_H.tolist(), heard.source_H.tolist(), heard.event_H.tolist(), strict=True
        ):
            teller = "I heard" if other < 0 else f"{people.label(other)} " + _VERB[Source(source)]
            about = f" about {self._titles[item]}" if item >= 0 else ""
            said = f": {words[event]}" if words[event] else ""
            texts.append(f"{teller}{about}{said}.")
        named = heard.item_H >= 0
        valence = np.nan_to_num(heard.opinion_H)
        importance = np.where(named | (heard.source_H == Source.INTERVENTION), TOLD, LOW)
        self._add(heard.agent_H, texts, heard.item_H, importance, hours, heard.other_H, valence, Kind.CHAT)

    def _add_own(self, of_kind: dict[str, pl.DataFrame], hours: float) -> None:
        posted, searched = of_kind.get("posted", _NONE), of_kind.get("searched", _NONE)
        for part, text in ((posted, "I posted about {}."), (searched, "I searched for {}.")):
            named = part.filter(pl.col("item").is_not_null())
            texts = [text.format(self._titles[item]) for item in named["item"].to_list()]
            importance = NAMED if part is posted else LOW
            self._add(named["agent"].to_numpy(), texts, named["item"].to_numpy(), importance, hours)

    def _add(
        self,
        agents: np.ndarray,
        texts: Sequence[str],
        items: np.ndarray,
        importance: float | np.ndarray,
        hours: float,
        others: int | np.ndarray = -1,
        valence: float | np.ndarray = 0.0,
        kind: Kind = Kind.EVENT,
    ) -> None:
        if not len(agents):
            return
        unit_NE = self._setting.facts.unit_NE
        embeddings_RE = np.where(items[:, None] >= 0, unit_NE[np.maximum(items, 0)], 0)
        self.entries.add(
            agents,
            kind,
            self.entries.texts.ids_of(texts, embeddings_RE),
            created=hours,
            importance=importance,
            valence=np.clip(valence, -1, 1),
            item=items,
            other=others,
        )

    def copy(self) -> Self:
        """The same memories, which change on their own from here on."""
        copied = copy.copy(self)
        copied.restore(self.to_arrays())
        return copied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole part as numeric arrays."""
        return {f"memory_{name}": array for name, array in self.entries.to_arrays().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        own = {name.removeprefix("memory_"): array for name, array in arrays.items() if name.startswith("memory_")}
        self.entries = Memory.from_arrays(own, self.entries.preset, seed=self.entries.seed)


_VERB = {Source.FRIEND: "told me", Source.POST: "posted", Source.FEED: "posted", Source.INTERVENTION: "announced"}
