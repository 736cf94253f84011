"""Step of a run that `--at` and `--day` name."""

from typing import TYPE_CHECKING

from recgpt.cli.town.options import time_of_day
from recgpt.errors import ConfigError

if TYPE_CHECKING:
    from recgpt.simulate.store import Run


def chosen_tick(run: "Run", at: str | None, day: int | None) -> int:
    """Tick that a time of day or the number of a step names; by default the one that the run has reached.

    Raises
    ------
    ConfigError
        A day without a time, or a text that is neither a time nor a number.
    SimulationError
        The run has not played up to there.
    """
    from recgpt.errors import SimulationError
    from recgpt.simulate.worlds.town.cursor import cursor_of, last_tick
    from recgpt.simulate.worlds.town.playing import moment_of, tick_at

    if at is None:
        if day is not None:
            raise ConfigError(f"--day {day} needs a time: add --at, such as --at 18:00")
        return cursor_of(run)
    is_step = at.isdecimal() and len(at) <= 9
    tick = int(at) if is_step else tick_at(run, time_of_day(at, "--at"), day)
    if tick > last_tick(run):
        raise SimulationError(
            f"--at {at}: run {run.run_id} is played up to {moment_of(run, last_tick(run)):%B %d, %Y, %H:%M:%S}, step"
            f" {last_tick(run):,}: choose an earlier time, or play on, `recgpt town run {run.run_id}`"
        )
    return tick
