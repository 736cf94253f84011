"""The tick up to which a run was played: commands count in ticks, the log in blocks.

    move_cursor(run, 6)
    cursor_of(run)                             # 6, although a block of 60 ticks is in the log

A file beside the log; without it the cursor is at the end of the log.
"""

from recgpt.bounds import read_json
from recgpt.errors import StoreError
from recgpt.files import write_text
from recgpt.simulate.store import Run
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.town.config import NAME, TownConfig

FILE = "cursor.json"


def last_tick(run: Run) -> int:
    """First tick after the last block of the log.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    return run.n_steps * stored_config(run, NAME, TownConfig).ticks_per_block


def cursor_of(run: Run) -> int:
    """Tick up to which a run was played, within its log.

    Raises
    ------
    SimulationError
        The run is of another world.
    """
    path, last = run.path.with_name(FILE), last_tick(run)
    if not path.is_file():
        return last
    tick = read_json(path, StoreError).get("tick")
    return min(tick, last) if type(tick) is int and tick >= 0 else last


def move_cursor(run: Run, tick: int) -> None:
    """Set the tick up to which a run was played."""
    write_text(run.path.with_name(FILE), f'{{"tick": {tick}}}\n')
