"""Blocks of slow minds out of order: residents far from all others go ahead, with the same events as in lock-step.

    events = OutOfOrder(Block(state, mind), n_workers=16).play()

A resident at tick s may be decided while another is only at tick t < s, if it cannot be in sight by then: their
distance (the larger of rows and columns) exceeds sight + (s - t), as each moves one tile a tick at most, or the other
has to walk more than s - t tiles into the room of the first. Residents of one tick in sight of each other are decided
together, in the order of their numbers. Those furthest behind go first, as others wait for them. Xie et al., "AI
Metropolis: Scaling Large Language Model-based Multi-Agent Simulation with Out-of-order Execution" (MLSys 2025).
"""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import numpy as np

from recgpt.simulate.worlds.town.block import Block
from recgpt.simulate.worlds.town.events import Event


class OutOfOrder:
    """A block in progress, with a tick of its own for each resident.

    Parameters
    ----------
    n_workers
        Groups of residents that are decided at the same time.
    """

    def __init__(self, block: Block, n_workers: int) -> None:
        self._block = block
        self._lives = block.state.lives
        self._width = block.state.setting.map.width
        self._end = block.ticks.stop
        self._n_workers = n_workers
        n_residents = len(self._lives)
        self._tick_A = np.full(n_residents, block.ticks.start, dtype=np.int64)
        self._x_A, self._y_A, self._tile_A, self._room_A = np.zeros((4, n_residents), dtype=np.int64)
        self._rooms = block.state.setting.rooms
        self._busy_A = np.zeros(n_residents, dtype=bool)
        self._sight = max(resident.vision_r for resident in block.state.residents)
        self._running: dict[Future[None], list[int]] = {}

    def play(self) -> list[Event]:
        """All events of the block, as `Block.play` gives them."""
        self._block.start()
        for agent in range(len(self._lives)):
            self._place(agent)
        with ThreadPoolExecutor(self._n_workers, thread_name_prefix="town") as pool:
            try:
                while (self._tick_A < self._end).any():
                    if not self._advance_all(pool):
                        self._await_one()
            finally:
                wait(self._running)
        return self._block.events()

    def _place(self, agent: int) -> None:
        """Note where a resident stands at the start of its tick."""
        tick = int(self._tick_A[agent])
        tile = self._lives[agent].tile(tick)
        self._y_A[agent], self._x_A[agent] = divmod(tile, self._width)
        self._tile_A[agent], self._room_A[agent] = tile, self._rooms.of(tile)
        self._block.sight.move_one(agent, tick)

    def _advance_all(self, pool: ThreadPoolExecutor) -> bool:
        """Start or decide all groups that may go on, those furthest behind first; whether there was one."""
        any_advanced = False
        waiting = np.flatnonzero(~self._busy_A & (self._tick_A < self._end))
        done: set[int] = set()
        for agent in waiting[np.argsort(self._tick_A[waiting], kind="stable")].tolist():
            if agent in done:
                continue
            group = self._group(agent)
            done.update(group)
            while group and self._may_go_on(group):
                any_advanced = True
                if self._start(pool, group):
                    break
                group = self._group(agent) if self._tick_A[agent] < self._end else []
        return any_advanced

    def _group(self, agent: int) -> list[int]:
        """Residents of the same tick in sight of each other, directly or over others, ascending."""
        same = np.flatnonzero((self._tick_A == self._tick_A[agent]) & (self._room_A == self._room_A[agent]))
        x_S, y_S = self._x_A[same], self._y_A[same]
        in_group = same == agent
        frontier = [agent]
        while frontier:
            one = frontier.pop()
            close = (np.abs(x_S - self._x_A[one]) <= self._sight) & (np.abs(y_S - self._y_A[one]) <= self._sight)
            frontier += same[close & ~in_group].tolist()
            in_group |= close
        found: list[int] = same[in_group].tolist()
        return found

    def _may_go_on(self, group: list[int]) -> bool:
        """Whether no resident of the group is being decided, and none outside it that is behind can come into sight."""
        if self._busy_A[group].any():
            return False
        ahead_A = self._tick_A[group[0]] - self._tick_A
        behind = np.flatnonzero(ahead_A > 0)
        if not len(behind):
            return True
        ahead = ahead_A[behind]
        room = int(self._room_A[group[0]])  # of the whole group
        may_enter = (self._room_A[behind] == room) | (self._rooms.distances(room)[self._tile_A[behind]] <= ahead)
        reach = self._sight + ahead
        close = np.abs(self._x_A[behind, None] - self._x_A[group]) <= reach[:, None]
        close &= np.abs(self._y_A[behind, None] - self._y_A[group]) <= reach[:, None]
        return not (close.any(axis=1) & may_enter).any()

    def _start(self, pool: ThreadPoolExecutor, group: list[int]) -> bool:
        """Decide a tick of a group: in a thread where its minds have to decide, else at once; whether in a thread."""
        block, tick = self._block, int(self._tick_A[group[0]])
        lookers = block.sight.lookers_among(group, tick)
        if block.due(group, tick) or any(block.sight.seen(agent, tick) for agent in lookers):
            self._busy_A[group] = True
            self._running[pool.submit(block.process, group, tick, lookers)] = group
            return True
        self._finish(group)
        return False

    def _await_one(self) -> None:
        """Wait until a group is decided.

        Raises
        ------
        LLMError
            The language model cannot be reached, or a limit is reached.
        """
        finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in finished:
            group = self._running.pop(future)
            future.result()
            self._finish(group)
            self._busy_A[group] = False

    def _finish(self, group: list[int]) -> None:
        """Advance a group to the start of its next tick."""
        self._tick_A[group] += 1
        for agent in group:
            self._place(agent)
