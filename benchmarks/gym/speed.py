"""Speed of the gym: steps a second with the scripted user on one core, beside a sequential environment.

    python benchmarks/gym/speed.py ../shared/data/simulate/movielens_small

Steps are those of the vector environment with compact observations and all infos; random items; retrieval last_3 and
shaping exp_decay_time, the defaults, unless a row names others. The variants take turns, and a figure is the median of
the turns, in seconds of CPU time of all threads of this process: those it would take alone, also on a machine that
others use. The sequential environment is `reference_environment.py`, in a `DummyVecEnv`. Then the memory
of 250,000 transitions. Writes JSON to `benchmarks/results/gym/`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from reference_environment import Dense, Sequential
from rich.table import Table
from stable_baselines3.common.vec_env import DummyVecEnv

from recgpt.device import hardware
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.registry import check_rules
from recgpt.simulate.worlds.gym.sb3 import EmoSimVecEnv
from recgpt.simulate.worlds.gym.training.buffers import EpisodeReplayBuffer
from recgpt.simulate.worlds.gym.vector import EmoSimVectorEnv
from recgpt.tables import print_tables

RESULT = Path(__file__).parents[1] / "results" / "gym" / "speed.json"
TURNS = 5
TRANSITIONS = 250_000
REFERENCE = "sequential, one user after the other"

Work = Callable[[], int]


def array_program(inputs: Inputs, n_envs: int, n_steps: int, seed: int, **rules: Any) -> Work:
    """Steps of the vector environment; the work returns their number."""
    changed = replace(inputs, rules=check_rules(inputs.rules.model_copy(update=rules)))
    env = EmoSimVectorEnv(n_envs, mind=make_mind(MindOptions(), inputs), inputs=changed, autoreset_mode="SameStep")
    env.reset(seed=seed)
    items = np.random.default_rng(seed).integers(0, len(inputs.items), (n_steps, n_envs))

    def work() -> int:
        for items_E in items:
            env.step(items_E)
        return items.size

    return work


def sequential(inputs: Inputs, n_envs: int, n_steps: int, seed: int) -> Work:
    """Steps of the sequential environment."""
    env = DummyVecEnv([lambda: Dense(Sequential(inputs), inputs)] * n_envs)
    env.seed(seed)
    env.reset()
    items = np.random.default_rng(seed).integers(0, len(inputs.items), (n_steps, n_envs))

    def work() -> int:
        for items_E in items:
            env.step(items_E)
        return items.size

    return work


def in_turns(works: dict[str, Work]) -> dict[str, float]:
    """Median steps a second of CPU time of each, after one turn to warm up."""
    speeds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS + 1):
        for name, work in works.items():
            started = time.process_time()
            n_steps = work()
            if turn:
                speeds[name].append(n_steps / (time.process_time() - started))
    return {name: statistics.median(each) for name, each in speeds.items()}


def replay_bytes(inputs: Inputs, n_envs: int = 64) -> dict[str, int]:
    """Bytes of 250,000 transitions: of the buffer that training uses, filled, and dense as published."""
    env = EmoSimVecEnv(n_envs, inputs=inputs)
    buffer = EpisodeReplayBuffer(TRANSITIONS, env.observation_space, env.action_space, "cpu", n_envs)
    observation: Any = env.reset()
    rng = np.random.default_rng(0)
    for _ in range(50):
        items_E = rng.integers(0, len(inputs.items), n_envs)
        after: Any
        after, reward_E, done_E, infos = env.step(items_E)
        buffer.add(observation, after, items_E, reward_E, done_E, infos)
        observation = after
    dense = 2 * TRANSITIONS * 8 * (len(inputs.items) + 1)
    return {"buffer": int(buffer.n_bytes), "dense_as_published": dense}


def measured(folder: str | None, n_envs: int, n_steps: int, seed: int) -> dict[str, Any]:
    """All figures."""
    inputs = load_inputs(GymRules(items=folder))
    own = f"array program, E = {n_envs}"
    works = {own: array_program(inputs, n_envs, n_steps, seed)}
    works |= {
        f"array program, E = {n}": array_program(inputs, n, max(n_steps // (4 if n > n_envs else 1), 1), seed)
        for n in (1, 64, 1024)
        if n != n_envs
    }
    works |= {
        f"array program, E = {n_envs}, {retrieval}": array_program(
            inputs, n_envs, max(n_steps // 4, 1), seed, retrieval=retrieval
        )
        for retrieval in ("most_similar_3", "simple_3", "decay_emotion_3")
    }
    works[REFERENCE] = sequential(inputs, 16, n_steps, seed)
    speeds = in_turns(works)
    return {
        "items": len(inputs.items),
        "users": len(inputs.users),
        "environments": n_envs,
        "steps_per_s": {name: round(speed) for name, speed in speeds.items()},
        "ratio_to_sequential": round(speeds[own] / speeds[REFERENCE], 1),
        "bytes_of_250000_transitions": replay_bytes(inputs),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("items", nargs="?", help="data set folder of the films, by default the made-up ones")
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--steps", type=int, default=200, help="steps of all environments in one turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware(), "seed": args.seed}
    found = about | measured(args.items, args.envs, args.steps, args.seed)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    write_text(args.json, json.dumps(found, indent=2) + "\n")
    table = Table("environment", "steps a second")
    for name, speed in found["steps_per_s"].items():
        table.add_row(name, f"{speed:,}")
    print_tables(table)
    print(f"{found['ratio_to_sequential']:g} times as fast as the sequential environment")
    for name, size in found["bytes_of_250000_transitions"].items():
        print(f"250,000 transitions, {name}: {size / 1e6:,.0f} MB")


if __name__ == "__main__":
    run(main, "speed.py")
