"""Policies of the gym: they choose the item that a user is shown next.

    policy = make_policy("linucb", setting)

A policy is a name of `POLICIES`, a registered recommender, or the folder of a trained policy.
"""

import importlib
from collections.abc import Callable
from pathlib import Path

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.recommenders import ALIASES, REGISTRY, check_names
from recgpt.simulate.worlds.gym.policies.base import Policy, Setting

_HERE = "recgpt.simulate.worlds.gym.policies"
POLICIES = {
    "random": f"{_HERE}.simple:RandomPolicy",
    "popularity": f"{_HERE}.simple:PopularityPolicy",
    "average": f"{_HERE}.simple:AveragePolicy",
    "oracle": f"{_HERE}.oracle:OraclePolicy",
    "linucb": f"{_HERE}.bandits:LinUCB",
    "thompson": f"{_HERE}.bandits:ThompsonSampling",
}
"""Policies of the gym's own by name: import path of each class, made from a `Setting`."""


def policy_names() -> list[str]:
    """Names that `make_policy` takes, apart from folders and plug-ins."""
    return list(dict.fromkeys([*POLICIES, *REGISTRY]))


def check_policy(name: str) -> None:
    """Check, before anything is loaded, that there is such a policy.

    Raises
    ------
    SimulationError
        No policy, recommender or folder has this name; the message lists the names.
    DataError
        A library that the recommender needs is missing.
    """
    if name in POLICIES or is_folder(name):
        return
    known = name in REGISTRY or name in ALIASES or plugins.is_path(name)
    if not known and name not in plugins.installed(plugins.RECOMMENDERS):
        raise SimulationError(
            f"no policy {name!r}: choose among {', '.join(policy_names())}, or name the folder of a trained one"
        )
    check_names([name])


def is_folder(name: str) -> bool:
    """Whether a policy is a folder of a trained one, not a name."""
    return name not in POLICIES and name not in REGISTRY and Path(name).is_dir()


def make_policy(name: str, setting: Setting) -> Policy:
    """Make a policy by name, fitted on the catalogue's past where it learns from it; or read a trained one.

    Raises
    ------
    SimulationError
        No policy has this name, or it does not fit the setting.
    DataError
        A recommender cannot be fitted on this catalogue.
    """
    check_policy(name)
    if is_folder(name):
        trained = importlib.import_module(f"{_HERE}.trained")  # needs torch
        policy: Policy = trained.TrainedPolicy.load(name, setting)
        return policy
    if name in POLICIES:
        module, _, attribute = POLICIES[name].partition(":")
        made: Callable[[Setting], Policy] = getattr(importlib.import_module(module), attribute)
        return made(setting)
    from recgpt.simulate.worlds.gym.policies.recommenders import RecommenderPolicy

    return RecommenderPolicy(name, setting)
