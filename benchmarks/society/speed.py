"""Speed and memory of a society with the scripted mind and a live recommender.

    python benchmarks/society/speed.py --dataset ../shared/data/simulate/recagent

Every part is a process of its own, on one thread: its wall and CPU time, its peak memory, and the load of the machine
when it began. On a machine that others use the CPU time is the one to compare.

- `thousand`: 1,000 agents, 50 rounds, with the report.
- `large`: 100,000 agents, 2 million friendships (a tie in each direction), 10 rounds, with the report; then
  `recgpt runs verify`, `show` and `report` of that run.
- `posting`: 1,000 agents that all post in every round, with 10 to 320 friends each, so that a round has 10,000 to
  320,000 readers: time of a whole round (decisions, log, state), and its growth with readers as the slope of the
  logarithms; 1 is linear.

Writes `benchmarks/results/society/speed.json` and `speed.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RESULT = Path(__file__).parents[1] / "results" / "society" / "speed.json"
COMMAND = "python benchmarks/society/speed.py --dataset ../shared/data/simulate/recagent"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
RECGPT = ("-m", "recgpt.cli.main")
TARGETS = {"thousand": (60.0, None), "large": (600.0, 4.0), "posting": (1.0, None)}
"""Seconds and GB that are wanted, by part."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of all parts."""

    thousand: tuple[int, int] = (1_000, 50)
    large: tuple[int, int] = (100_000, 10)
    friends: int = 40
    posting: int = 1_000
    friends_of_posting: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    rounds_of_posting: int = 5


QUICK = Sizes((20, 1), (60, 2), 6, 30, (4, 8), 2)


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="folder of the items, by default made-up films")
    parser.add_argument("--recommender", default="item_knn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--posting", action="store_true", help=argparse.SUPPRESS)  # the process of this part
    args = parser.parse_args()
    sizes = QUICK if args.quick else Sizes()
    if args.posting:
        print(json.dumps([posting_rounds(args, sizes, friends) for friends in sizes.friends_of_posting]))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(args, sizes, Path(folder))
    write(found, args.json)


def measured(args: argparse.Namespace, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """All figures."""
    data = [] if args.dataset is None else ["--dataset", str(Path(args.dataset).resolve())]

    def simulated(run: str, size: tuple[int, int], friends: int) -> dict[str, Any]:
        settings = ["--set", "people=drawn", "--set", f"mean_friends={friends}", "--seed", str(args.seed)]
        agents, rounds = ["--agents", str(size[0])], ["--rounds", str(size[1])]
        command = ["simulate", "society", *data, *agents, *rounds, *settings, "--recommender", args.recommender]
        return child([*RECGPT, *command, "--run", run], folder)

    found = {} if args.quick else {"thousand": simulated("thousand", sizes.thousand, 20)}
    found["large"] = simulated("large", sizes.large, sizes.friends)
    for name in () if args.quick else ("verify", "show", "report"):
        found[name] = child([*RECGPT, "runs", name, "large"], folder)
    given = [*data, "--recommender", args.recommender, "--seed", str(args.seed), *(["--quick"] if args.quick else [])]
    found["posting"] = child([str(Path(__file__).resolve()), *given, "--posting"], folder)
    rounds = json.loads(found["posting"]["output"])
    for each in found.values():
        del each["output"]
    from recgpt.device import hardware  # imports torch, whose memory would count as that of the processes started above

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "command": COMMAND,
        "recommender": args.recommender,
        "seed": args.seed,
        "sizes": vars(sizes),
        "processes": found,
        "posting": rounds,
        "slope": slope([each["readers"] for each in rounds], [each["cpu_s_a_round"] for each in rounds]),
    }


def child(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run Python with these arguments; wall and CPU seconds, peak memory in GB, and the load at the start."""
    load, started = os.getloadavg()[0], time.monotonic()
    environment = {**os.environ, **ONE_THREAD, "RECGPT_RUNS": str(folder)}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, *command], stdout=output, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
        output.seek(0)
        printed = output.read()
    return {
        "wall_s": round(time.monotonic() - started, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
        "load": round(load, 1),
        "output": printed,
    }


def posting_rounds(args: argparse.Namespace, sizes: Sizes, friends: int) -> dict[str, Any]:
    """Median time of rounds in which every agent posts to all its friends, after one round to warm up."""
    from recgpt.simulate import runner
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import world_of
    from recgpt.simulate.worlds.society.config import SocietyConfig
    from recgpt.simulate.worlds.society.inputs import load_inputs
    from recgpt.simulate.worlds.society.minds.base import Choice, Choices, Company, Moment, Social, SocialActs
    from recgpt.simulate.worlds.society.minds.scripted import ScriptedMind
    from recgpt.simulate.worlds.society.world import Society

    class AlwaysPosts(ScriptedMind):
        """The scripted mind, but every agent turns to others and posts."""

        def choose(self, moment: Moment) -> Choices:
            return Choices(np.full(len(moment), Choice.SOCIAL), np.zeros(len(moment), dtype=bool))

        def socialise(self, company: Company) -> SocialActs:
            n, items = len(company), len(company.state.setting.facts)
            item_R = (company.agent_R * 7 + company.step) % items
            return SocialActs(
                action_R=np.full(n, Social.POST),
                friend_R=np.full(n, -1),
                hours_R=np.ones(n, dtype=np.float32),
                item_R=item_R,
                opinion_R=np.full(n, 0.5, dtype=np.float32),
                failed_R=np.zeros(n, dtype=bool),
            )

    config = SocietyConfig(
        dataset=args.dataset,
        agents=sizes.posting,
        rounds=sizes.rounds_of_posting + 1,
        people="drawn",
        mean_friends=friends,
        recommender=args.recommender,
        seed=args.seed,
    )
    spec, inputs, rules = world_of("society"), load_inputs(config), config.rules()
    society = Society(
        rules,
        inputs.setting,
        inputs.recommender,
        AlwaysPosts(inputs.setting, rules, seed=config.seed),
        seed=config.seed,
    )
    name = f"posting-{friends}"
    wall, cpu = [], []
    with Run.create(name, runner.manifest_of(spec, name, config, inputs)) as run:
        while not society.over:
            began = time.monotonic(), time.process_time()
            rows = society.play()
            run.append(rows)
            society.apply(rows)
            wall.append(time.monotonic() - began[0])
            cpu.append(time.process_time() - began[1])
    n_posts = int((rows["kind"] == "posted").sum())
    return {
        "friends": friends,
        "posts": n_posts,
        "readers": len(inputs.setting.friends),
        "wall_s_a_round": round(statistics.median(wall[1:]), 3),
        "cpu_s_a_round": round(statistics.median(cpu[1:]), 3),
    }


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of the logarithm of seconds over that of sizes, by least squares; 1 is linear."""
    return round(float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-3)), 1)[0]), 2)


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
    sizes, processes = found["sizes"], found["processes"]
    large = f"{sizes['large'][0]:,} agents, {sizes['friends']} friends each"
    names = {
        "thousand": f"{sizes['thousand'][0]:,} agents, 20 friends each, {sizes['thousand'][1]} rounds, with report",
        "large": f"{large}, {sizes['large'][1]} rounds, with report",
        "verify": f"`recgpt runs verify`, {large}",
        "show": f"`recgpt runs show`, {large}",
        "report": f"`recgpt runs report`, {large}",
        "posting": "the rounds of posts below, all together",
    }
    lines = [
        "# Speed of the society",
        "",
        f"`{found['command']}`, {found['date']}: {found['hardware']}; recommender {found['recommender']}, seed"
        f" {found['seed']}. Every process on one thread; *load*: processes that wanted a core when it began.",
        "",
        "| | wall | CPU | peak memory | load | wanted |",
        "|-|-:|-:|-:|-:|-|",
    ]
    for name, of in processes.items():
        seconds = f"{of['wall_s']:,.0f} s | {of['cpu_s']:,.0f} s"
        lines.append(f"| {names[name]} | {seconds} | {of['peak_gb']:.2f} GB | {of['load']:g} | {_wanted(name)} |")
    lines += [
        "",
        f"{sizes['posting']:,} agents that all post in a round, to readers at once; whole rounds, medians of"
        f" {sizes['rounds_of_posting']} (wanted: ≤ {TARGETS['posting'][0]:g} s a round):",
        "",
        "| friends | readers | wall a round | CPU a round |",
        "|-:|-:|-:|-:|",
    ]
    for of in found["posting"]:
        lines.append(
            f"| {of['friends']} | {of['readers']:,} | {of['wall_s_a_round']:.3f} s | {of['cpu_s_a_round']:.3f} s |"
        )
    lines += ["", f"Slope of log CPU seconds over log readers: {found['slope']:g} (1 is linear)."]
    return "\n".join(lines) + "\n"


def _wanted(part: str) -> str:
    if part == "posting":
        return ""
    seconds, gigabytes = TARGETS.get(part, (None, None))
    texts = [f"≤ {seconds:g} s"] if seconds else []
    return ", ".join(texts + ([f"≤ {gigabytes:g} GB"] if gigabytes else []))


if __name__ == "__main__":
    from recgpt.program import run as run_program

    run_program(main, "speed.py")
