"""A town in progress: one step is a block of ten simulated minutes of all residents.

    recgpt town new --run demo && recgpt town run demo --until 18:00

Park et al., "Generative Agents: Interactive Simulacra of Human Behavior" (UIST 2023).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.block import Block
from recgpt.simulate.worlds.town.config import TownConfig, TownRules
from recgpt.simulate.worlds.town.edits import check_schedule
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.minds import QUICK_MINDS, make_mind
from recgpt.simulate.worlds.town.minds.base import Mind
from recgpt.simulate.worlds.town.out_of_order import OutOfOrder
from recgpt.simulate.worlds.town.recommending import TownRecommender, is_barrier
from recgpt.simulate.worlds.town.schedule import Edit
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.state import TownState

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.inputs import Inputs


class Town:
    """A town in progress.

    Parameters
    ----------
    recommender
        Ranks pages at its barriers; None: no pages.
    schedule
        Edits by block.
    n_workers
        Groups of residents that are decided at the same time, out of order; 1: lock-step. The log is the same.

    Raises
    ------
    SimulationError
        The schedule names residents, places or facts that do not exist.
    """

    def __init__(
        self,
        rules: TownRules,
        setting: Setting,
        mind: Mind,
        *,
        recommender: TownRecommender | None = None,
        schedule: Sequence[Edit] = (),
        n_workers: int = 1,
        seed: int = 0,
    ) -> None:
        check_schedule(schedule, setting)
        self.rules = rules
        self.mind = mind
        self.state = TownState(rules, setting, seed)
        self._recommender = recommender
        self._schedule = tuple(schedule)
        self._n_workers = n_workers

    @property
    def step(self) -> int:
        """Blocks so far."""
        return self.state.step

    @property
    def n_steps(self) -> int:
        """Number of blocks."""
        return self.rules.n_blocks

    @property
    def n_active(self) -> int:
        """Number of residents."""
        return len(self.state.lives)

    @property
    def over(self) -> bool:
        """Whether all hours were played."""
        return self.step >= self.rules.n_blocks

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of the remaining blocks; None if no language model is called."""
        return self.mind.estimate(self.n_active, self.rules.n_blocks - self.step)

    def play(self) -> pl.DataFrame:
        """Decide the next block and return its events, without changing the state."""
        block = Block(self.state, self.mind, self._schedule, self.offers())
        events = OutOfOrder(block, self._n_workers).play() if self._n_workers > 1 else block.play()
        return to_rows(events, step=self.step + 1, seconds_per_tick=self.rules.seconds_per_tick)

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one block, from `play` or from the log; nothing else changes the state."""
        self.state.apply(rows)
        if self._recommender is not None:
            self._recommender.collect(rows)
            if is_barrier(self.rules, self.step + 1):
                self._recommender.observe(seconds=self.state.tick * self.rules.seconds_per_tick)

    def offers(self) -> list[Event]:
        """Pages of the next block, if the recommender ranks in it."""
        if self._recommender is None or not is_barrier(self.rules, self.step + 1):
            return []
        return self._recommender.offers(self.state.tick, self.state.day(self.state.tick))


def make_world(config: TownConfig, inputs: "Inputs", run: Run, concurrency: int) -> Town:
    """The town before its first block."""
    rules = config.rules()
    mind = make_mind(config, inputs.setting, rules, seed=config.seed, run=run)
    waits = config.llm.concurrency if config.mind == "llm" else 1
    n_workers = 1 if config.mind in QUICK_MINDS else max(concurrency, waits)
    return Town(
        rules,
        inputs.setting,
        mind,
        recommender=inputs.recommender,
        schedule=config.schedule,
        n_workers=n_workers,
        seed=config.seed,
    )
