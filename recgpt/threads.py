"""Waiting policy of torch's OpenMP threads, chosen on `import recgpt` by the load of the machine.

At the end of each parallel loop threads wait by spinning, by default some 300,000 rounds. With more runnable threads
than cores, spinning threads keep the thread they wait for off the cores: a step takes up to a hundred times as long.
So the spinning is bounded, more tightly on a busier machine, and on a crowded machine threads sleep at once. A single
thread is no alternative: it is not faster there, and stays slow when the other work ends.

libgomp reads the variables when it is loaded, so scripts import recgpt before torch. The user's own settings stay, and
child processes inherit the choice. Measurements: benchmarks/README.md, made by `python benchmarks/threads.py`.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Environment variables that set the waiting policy."""

_QUIET = 0.5  # busy threads a core: at most so many on a quiet machine
_CROWDED = 4.0  # and at least so many on a crowded one


def chosen_settings(environment: Mapping[str, str], busy: float, cores: int) -> dict[str, str]:
    """Environment variables to set; none if the user has set one of `WAITING`.

    Parameters
    ----------
    busy
        Number of other threads that run or wait for a core.
    """
    if any(name in environment for name in WAITING):
        return {}
    if busy >= _CROWDED * cores:
        return {"OMP_WAIT_POLICY": "PASSIVE"}
    return {"GOMP_SPINCOUNT": "10000" if busy <= _QUIET * cores else "1000"}


def busy_threads(loadavg: Path = Path("/proc/loadavg")) -> float:
    """Number of other threads that run or wait for a core: mean of the present number and the last minute's average.

    0 on systems without `/proc/loadavg` (not Linux), whose OpenMP library is another one as well.
    """
    try:
        last_minute, _, _, running, _ = loadavg.read_text(encoding="ascii").split()
        return (float(last_minute) + int(running.partition("/")[0]) - 1) / 2
    except (OSError, ValueError):
        return 0.0


def choose(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables for this process, unless torch is loaded, and for its children."""
    environment.update(chosen_settings(environment, busy_threads(), os.cpu_count() or 1))
