"""How far results of the simulator depend on its free numbers: order of policies, average rating, return.

    python benchmarks/gym/sensitivity.py

One number at a time is changed: the forgetting λ and the emotion bonus b of what users recall, arousal, the weight α of
the newest rating in satisfaction and the threshold of low ratings (both only matter where users may leave), the traits
of all users, and the reward shaping. Films are the made-up ones, users the first 400, each of whom is shown 20 films by
each policy. Differences from the base setting are paired: same users, same random numbers.

Shapes: U users, T films of an episode, P policies.
"""

import argparse
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from recgpt.device import hardware
from recgpt.evaluate.significance import paired_bootstrap
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.evaluation import Episodes, per_user
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.policies import make_policy
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.steps import Left

RESULT = Path(__file__).parents[1] / "results" / "gym" / "sensitivity.json"
POLICIES = ("random", "popularity", "average", "text_knn", "hybrid_knn", "linucb", "oracle")
BASE: dict[str, Any] = {"retrieval": "decay_emotion_3", "shaping": "churn_satisfaction"}
SETTINGS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "λ": [(f"{value:g}", {"decay_time_lambda": value}) for value in (0, 0.05, 0.5, 2)],
    "b": [(f"{value:g}", {"emotion_bonus": value}) for value in (0, 0.5, 1, 3)],
    "arousal": [("on", {"consider_arousal": True})],
    "retrieval": [(name, {"retrieval": name}) for name in ("none", "last_3", "most_similar_3", "simple_3")],
    "α": [(f"{value:g}", {"churn_ema_alpha": value}) for value in (0.05, 0.1, 0.5, 1)],
    "α, low threshold 6": [
        (f"{value:g}", {"churn_ema_alpha": value, "churn_low_threshold": 6}) for value in (0.05, 0.2, 1)
    ],
    "low threshold": [(f"{value:g}", {"churn_low_threshold": value}) for value in (2, 3, 5, 6)],
    "shaping": [
        (name, {"shaping": name}) for name in ("identity", "exp_decay_time", "random_watch", "same_film_terminate")
    ],
    "perturbator": [(name, {"perturbator": name}) for name in ("gaussian", "greedy")],
}
"""Values of each number; the base values are λ .15, b .2, α .2, threshold 4."""
TRAITS = ("activity", "conformity", "diversity")


def played(inputs: Inputs, name: str, n_users: int, n_steps: int, seed: int) -> Episodes:
    """Episodes of a policy."""
    mind, users = ScriptedMind(inputs.domain, inputs.items, inputs.users, seed=seed), np.arange(n_users)
    policy = make_policy(name, Setting(inputs.domain, inputs.items, inputs.users, mind, seed))
    engine = Engine(inputs, mind, n_users)
    engine.reset(np.full(n_users, seed), users)
    item_UT = np.full((n_users, n_steps), -1)
    rating_UT, reward_UT = np.full((2, n_users, n_steps), np.nan)
    for step in range(n_steps):
        rows = np.flatnonzero(engine.left_E == Left.NOT)
        if not len(rows):
            break
        steps = engine.decide(policy.act(engine.views(rows)), rows)
        item_UT[rows, step], rating_UT[rows, step], reward_UT[rows, step] = (
            steps.item_E,
            steps.rating_E,
            steps.reward_E,
        )
        engine.apply(steps, rows)
    return Episodes(item_UT, rating_UT, reward_UT, np.zeros(n_users), engine.left_E.copy())


def values(inputs: Inputs, options: argparse.Namespace) -> dict[str, dict[str, np.ndarray]]:
    """(U,) rating, return and length of each policy."""
    return {
        name: per_user(played(inputs, name, options.n_users, options.steps, options.seed), inputs.domain.liked_from)
        for name in POLICIES
    }


def with_rules(inputs: Inputs, **changes: Any) -> Inputs:
    """The same items and users under other rules."""
    rules = inputs.rules.model_copy(update=changes)
    return Inputs(rules, inputs.domain, inputs.items, inputs.users)


def with_trait(inputs: Inputs, trait: str, level: int) -> Inputs:
    """The same users, all with one level of a trait."""
    changes: dict[str, Any] = {f"{trait}_U": np.full(len(inputs.users), level, dtype=np.int8)}
    return replace(inputs, users=replace(inputs.users, **changes))


def variants(base: Inputs) -> dict[str, dict[str, Inputs]]:
    """Inputs by number and value."""
    found = {
        number: {label: with_rules(base, **changes) for label, changes in of_number}
        for number, of_number in SETTINGS.items()
    }
    for trait in TRAITS:
        found[trait] = {f"all {level}": with_trait(base, trait, level) for level in (1, 2, 3)}
    return found


def compared(found: dict[str, dict[str, np.ndarray]], base: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    """Averages of a setting, its order of policies against the base's, and paired differences over all policies."""

    def means(of: dict[str, dict[str, np.ndarray]], metric: str) -> np.ndarray:
        return np.array([np.nanmean(of[name][metric]) for name in POLICIES])

    report: dict[str, Any] = {}
    for metric in ("reward", "return", "length"):
        mean_U, base_U = (np.nanmean([of[name][metric] for name in POLICIES], axis=0) for of in (found, base))
        tested = paired_bootstrap(mean_U, base_U, np.arange(len(mean_U)), resamples=2000)
        report[metric] = {
            "mean": round(float(mean_U.mean()), 4),
            "difference": round(tested.difference, 4),
            "low": round(tested.low, 4),
            "high": round(tested.high, 4),
        }
    for metric in ("reward", "return"):
        tau = stats.kendalltau(means(found, metric), means(base, metric)).statistic
        report[f"order_by_{metric}"] = round(float(tau), 3)
    report["policies"] = {name: round(float(np.nanmean(found[name]["reward"])), 4) for name in POLICIES}
    return report


def main() -> None:
    """Run all settings and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-users", type=int, default=400, help="number of users")
    parser.add_argument("--steps", type=int, default=20, help="films that each user is shown")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the result")
    options = parser.parse_args()
    base_inputs = load_inputs(GymRules(**BASE))
    base = values(base_inputs, options)
    report: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "data": f"{base_inputs.items.made_from}; {base_inputs.users.made_from}",
        "users": options.n_users,
        "films_per_user": options.steps,
        "seed": options.seed,
        "base": compared(base, base),
        "settings": {},
    }
    for number, of_number in variants(base_inputs).items():
        for label, inputs in of_number.items():
            started = time.monotonic()
            found = compared(values(inputs, options), base)
            report["settings"].setdefault(number, {})[label] = found
            print(
                f"{number} {label}: rating {found['reward']['difference']:+.3f}, length"
                f" {found['length']['difference']:+.2f}, order {found['order_by_reward']},"
                f" {time.monotonic() - started:.0f} s",
                flush=True,
            )
    write_text(options.json, json.dumps(report, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    run(main, "sensitivity.py")
