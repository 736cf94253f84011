"""Memories of the residents, made from the events of a town without a call of a language model.

    memory = TownMemory("generative_agents", setting, seed=0)
    memory.apply(rows)                                   # the events of a block
    memory.retrieve(agent, "the party", k=30, hours=12.5)

Shapes: A residents, k entries retrieved.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory, Retrieved
from recgpt.simulate.worlds.town.setting import Setting

HISTORY_IMPORTANCE = 5.0
"""Importance of what a resident knows before the first tick."""
_PREFIX = "memory_"
_SECONDS_PER_HOUR = 3600


def capacity_of(n_residents: int) -> int:
    """Entries of one resident: all of some days in a small town, the latest in a large one."""
    return min(max(400_000 // n_residents, 256), 4096)


class TownMemory:
    """Memories of all residents; hours count from the start of the run.

    Parameters
    ----------
    preset
        Name of a preset of `recgpt.simulate.agents.memory_presets`.
    """

    def __init__(self, preset: str, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._seed = seed
        n_residents = len(setting.people)
        self.entries = Memory(n_residents, capacity_of(n_residents), PRESETS[preset], seed=seed)
        self._names = [resident.name for resident in setting.people.residents]
        histories = setting.people.histories
        agents = [agent for agent, texts in enumerate(histories) for _ in texts]
        self._add(agents, Kind.THOUGHT, [text for texts in histories for text in texts], 0.0, HISTORY_IMPORTANCE)

    def apply(self, rows: pl.DataFrame) -> None:
        """Add what the events of a block say, in the order of ticks, and record what was read."""
        for row in rows.sort("time", "agent", "seq").iter_rows(named=True):
            hours = row["time"] / _SECONDS_PER_HOUR
            kind, agent, text = row["kind"], row["agent"], row["text"]
            if kind == "retrieved":
                ids = np.array(parse_json(text, "an event of the run")["ids"], dtype=np.int64)
                self.entries.touch(np.full(len(ids), agent), ids, hours)
            del kind

    def _add(
        self,
        agents: Sequence[int],
        kind: Kind,
        texts: Sequence[str],
        hours: float | np.ndarray,
        importance: float | np.ndarray,
        **more: object,
    ) -> None:
        if agents:
            self.entries.add(np.array(agents), kind, texts, created=hours, importance=importance, **more)  # type: ignore[arg-type]

    def retrieve(self, agent: int, query: str, k: int, *, hours: float) -> Retrieved:
        """The `k` entries of a resident that score highest for a text; nothing is changed."""
        query_1E = self.entries.texts.embedded([query])
        return self.entries.retrieve(np.array([agent]), query_1E, k, hours)
