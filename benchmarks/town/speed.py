"""Speed and memory of a day in a town with the scripted mind, and share of it that decisions take.

    python benchmarks/town/speed.py

Every town is a process of its own, on one thread: its wall and CPU time, its peak memory, and the load of the machine
when it began. On a machine that others use the CPU time is the one to compare.

- `default`: 25 people of the default town, 24 hours.
- `thousand`: 1,000 people of a drawn town, 24 hours.

Blocks are decided and applied as in a run, but not stored. Writes `benchmarks/results/town/speed.json` and `speed.md`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[1] / "results" / "town" / "speed.json"
COMMAND = "python benchmarks/town/speed.py"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SIZES = {"default": (25, 24), "thousand": (1_000, 24)}
QUICK = {"default": (5, 1), "thousand": (30, 1)}
"""People and hours of each town."""
TARGETS = {"default": (10.0, None), "thousand": (600.0, 4.0)}
"""CPU seconds and GB that are wanted."""
DECISIONS = ("plan_day", "act", "importance", "react", "talk", "reflect")


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--only", choices=SIZES, help="one town instead of both")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--town", choices=SIZES, help=argparse.SUPPRESS)  # the process of this town
    args = parser.parse_args()
    sizes = QUICK if args.quick else SIZES
    if args.town is not None:
        print(json.dumps(played(args.town, *sizes[args.town], seed=args.seed)))
        return
    given = ["--seed", str(args.seed), *(["--quick"] if args.quick else [])]
    towns = [args.only] if args.only else list(SIZES)
    found = {town: child([str(Path(__file__).resolve()), *given, "--town", town]) for town in towns}
    from recgpt.device import hardware  # imports torch, whose memory would count as that of the processes started above

    write(
        {
            "date": datetime.now(UTC).date().isoformat(),
            "hardware": hardware(),
            "command": COMMAND,
            "seed": args.seed,
            "sizes": sizes,
            "towns": found,
        },
        args.json,
    )


def child(command: Sequence[str]) -> dict[str, Any]:
    """Run Python with these arguments, which print JSON; with wall and CPU seconds, peak memory and the load."""
    load, started = os.getloadavg()[0], time.monotonic()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD})
    assert process.stdout is not None  # noqa: S101
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return {
        "wall_s": round(time.monotonic() - started, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
        "load": round(load, 1),
        **json.loads(printed),
    }


def played(name: str, n_people: int, hours: int, *, seed: int) -> dict[str, Any]:
    """Play a town; number of events, CPU seconds of the blocks, and microseconds of each kind of decision."""
    from recgpt.simulate.worlds.town.config import TownRules
    from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind
    from recgpt.simulate.worlds.town.people import load_people
    from recgpt.simulate.worlds.town.plan import load_default_map
    from recgpt.simulate.worlds.town.procedural.town import draw_town
    from recgpt.simulate.worlds.town.setting import Setting
    from recgpt.simulate.worlds.town.world import Town

    if name == "default":
        town_map = load_default_map()
        people = load_people(town_map, n_people)
    else:
        drawn = draw_town(n_people, seed)
        town_map, people = drawn.map, drawn.people
    rules, setting = TownRules(hours=hours), Setting(town_map, people)
    mind = ScriptedMind(setting, rules, seed=seed)
    clocks = {decision: _Clock(mind, decision) for decision in DECISIONS}
    town = Town(rules, setting, mind, seed=seed)
    n_events, began = 0, time.process_time()
    for _ in range(rules.n_blocks):
        rows = town.play()
        town.apply(rows)
        n_events += len(rows)
    return {
        "events": n_events,
        "blocks_cpu_s": round(time.process_time() - began, 1),
        "decisions": {decision: clock.found() for decision, clock in clocks.items() if clock.calls},
    }


class _Clock:
    """CPU time of a method of a mind, which it replaces."""

    def __init__(self, mind: Any, method: str) -> None:
        self.calls, self.seconds = 0, 0.0
        self._method = getattr(mind, method)
        setattr(mind, method, self)

    def __call__(self, *arguments: Any) -> Any:
        began = time.process_time()
        found = self._method(*arguments)
        self.seconds += time.process_time() - began
        self.calls += 1
        return found

    def found(self) -> dict[str, float]:
        """Calls, and microseconds of each."""
        return {"calls": self.calls, "us": round(1e6 * self.seconds / self.calls, 1)}


def write(found: dict[str, Any], path: Path) -> None:
    """Write the JSON file and the tables beside it, and print the tables."""
    from recgpt.files import write_text

    text = markdown(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=2) + "\n")
    write_text(path.with_suffix(".md"), text)
    print(text)


def markdown(found: dict[str, Any]) -> str:
    """The figures as tables in markdown."""
    lines = [
        "# Speed of the town",
        "",
        f"`{found['command']}`, {found['date']}: {found['hardware']}; scripted mind, seed {found['seed']}. Every town"
        " in a process of its own on one thread; *load*: processes that wanted a core when it began.",
        "",
        "| people | hours | wall | CPU | peak memory | load | events | wanted |",
        "|-:|-:|-:|-:|-:|-:|-:|-|",
    ]
    for town, of in found["towns"].items():
        people, hours = found["sizes"][town]
        seconds = f"{of['wall_s']:,.0f} s | {of['cpu_s']:,.1f} s | {of['peak_gb']:.2f} GB | {of['load']:g}"
        lines.append(f"| {people:,} | {hours} | {seconds} | {of['events']:,} | {_wanted(town)} |")
    lines += ["", "CPU time of a decision, in microseconds (wanted: ≤ 200 on average), and number of decisions:", ""]
    decisions = {decision for of in found["towns"].values() for decision in of["decisions"]}
    names = [decision for decision in DECISIONS if decision in decisions]
    lines += [f"| people | {' | '.join(names)} |", f"|-:|{'-:|' * len(names)}"]
    for town, of in found["towns"].items():
        each = [of["decisions"].get(decision) for decision in names]
        cells = [f"{one['us']:,.0f} ({one['calls']:,})" if one else "" for one in each]
        lines.append(f"| {found['sizes'][town][0]:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _wanted(town: str) -> str:
    seconds, gigabytes = TARGETS[town]
    return f"≤ {seconds:g} s" + (f", ≤ {gigabytes:g} GB" if gigabytes else "")


if __name__ == "__main__":
    from recgpt.program import run as run_program

    run_program(main, "speed.py")
