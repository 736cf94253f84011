"""How torch's OpenMP threads wait for each other, chosen on `import recgpt`: beside other work, spinning starves them.

At the end of each parallel loop threads wait by spinning, by default some 300,000 rounds. Where more threads want to
run than there are cores, those that spin keep the one they wait for from running: a step takes up to a hundred times as
long. So the spinning is bounded, the more tightly the busier the machine is, and beside very much work threads sleep at
once. One thread is not chosen: it gains nothing over that, and stays slow when the other work ends.

libgomp reads the variables when it is loaded, so scripts import recgpt before torch. What a user has set stays, and
child processes inherit what is chosen. Figures: benchmarks/README.md, made by `python benchmarks/threads.py`.
"""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables by which a user says how threads wait."""

_QUIET = 0.5  # busy threads a core, up to which the machine is quiet
_CROWDED = 4.0  # from which on it is crowded


def chosen_settings(environment: Mapping[str, str], busy: float, cores: int) -> dict[str, str]:
    """Environment variables to set; none where the user has said how threads wait.

    Parameters
    ----------
    busy
        Other threads that run or wait for a core.
    """
    if any(name in environment for name in WAITING):
        return {}
    if busy >= _CROWDED * cores:
        return {"OMP_WAIT_POLICY": "PASSIVE"}
    return {"GOMP_SPINCOUNT": "10000" if busy <= _QUIET * cores else "1000"}


def busy_threads(loadavg: Path = Path("/proc/loadavg")) -> float:
    """Other threads that run or wait for a core: the mean of those now and of the last minute's average.

    0 where the system does not tell, which is not Linux; its OpenMP library is another, too.
    """
    try:
        last_minute, _, _, running, _ = loadavg.read_text(encoding="ascii").split()
        return (float(last_minute) + int(running.partition("/")[0]) - 1) / 2
    except (OSError, ValueError):
        return 0.0


def choose(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables for this process, unless torch is loaded, and for its children."""
    environment.update(chosen_settings(environment, busy_threads(), os.cpu_count() or 1))
