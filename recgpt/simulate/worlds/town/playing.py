"""Playing a town up to a tick or a time of day; the log has whole blocks, the cursor may stand within the last one.

tick = tick_of(run, time(18), day=1)
play_to(run, tick)
"""

from datetime import date, datetime, time, timedelta

from recgpt.errors import SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.world import stored_config
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.cursor import cursor_of, last_tick, move_cursor


def moment_of(run: Run, tick: int) -> datetime:
    """Simulated time at the start of a tick."""
    config = stored_config(run, NAME, TownConfig)
    return config.start_time + timedelta(seconds=tick * config.seconds_per_tick)


def tick_of(run: Run, until: time, day: int | None = None) -> int:
    """First tick at or after a time of day.

    Parameters
    ----------
    day
        Day of the run, from 1; None: the first one that is not over at the cursor.

    Raises
    ------
    SimulationError
        It is before the start of the run.
    """
    now = moment_of(run, cursor_of(run))
    if day is None:
        return _tick(run, datetime.combine(now.date() + timedelta(days=int(now.time() >= until)), until))
    return _tick(run, datetime.combine(_day(run, day), until))


def tick_at(run: Run, moment: time, day: int | None = None) -> int:
    """Tick of a time of day that was played.

    Parameters
    ----------
    day
        Day of the run, from 1; None: the last one in which it is not after the cursor.

    Raises
    ------
    SimulationError
        It is before the start of the run.
    """
    now = moment_of(run, cursor_of(run))
    if day is None:
        return _tick(run, datetime.combine(now.date() - timedelta(days=int(now.time() < moment)), moment))
    return _tick(run, datetime.combine(_day(run, day), moment))


def _day(run: Run, day: int) -> date:
    start: datetime = stored_config(run, NAME, TownConfig).start_time
    return start.date() + timedelta(days=day - 1)


def _tick(run: Run, moment: datetime) -> int:
    config = stored_config(run, NAME, TownConfig)
    if moment < config.start_time:
        raise SimulationError(
            f"{moment:%B %d, %Y, %H:%M:%S} is before the start of run {run.run_id}: choose a later day or time"
        )
    return -int((moment - config.start_time).total_seconds() // -config.seconds_per_tick)


def play_to(run: Run, tick: int, *, concurrency: int = 1) -> None:
    """Play the blocks up to a tick that are not in the log yet, and set the cursor to it.

    Parameters
    ----------
    run
        Open for writing.

    Raises
    ------
    SimulationError
        The run ends before that tick.
    """
    config = stored_config(run, NAME, TownConfig)
    most = config.n_blocks * config.ticks_per_block
    if tick > most:
        end = moment_of(run, most)
        raise SimulationError(
            f"run {run.run_id} ends at {end:%B %d, %Y, %H:%M:%S}, step {most:,}, before step {tick:,}: choose an"
            f" earlier one, or go on in a longer run, `recgpt runs fork {run.run_id} NEW --at {run.n_steps} --set"
            f" hours={-(-tick * config.seconds_per_tick // 3600)}`"
        )
    if tick > last_tick(run):
        runner.resume(run, until=-(-tick // config.ticks_per_block), concurrency=concurrency)
    move_cursor(run, tick)
