"""The gym as the runner, the store and the command line use it: a run is an evaluation of one policy.

with start("gym", "demo", GymConfig(policy="linucb", n_users=100)) as run:
    run.metrics["metrics"]["reward"]["mean"]
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgpt import plugins
from recgpt.data.identity import file_sha256
from recgpt.errors import SimulationError
from recgpt.recommenders import PLUGINS, registered_name
from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred, page_report
from recgpt.simulate.worlds.gym.artifacts import artifacts_of
from recgpt.simulate.worlds.gym.config import NAME, GymConfig, GymRules
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.gym.measures import empty_state, measures
from recgpt.simulate.worlds.gym.minds import make_mind, mind_class
from recgpt.simulate.worlds.gym.policies import POLICIES, check_policy, is_folder, make_policy
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.state import GymState
from recgpt.simulate.worlds.gym.world import GymWorld

_KEPT: dict[GymRules, Inputs] | None = None


@dataclass(frozen=True)
class RunInputs:
    """Inputs of a run: of its environment, and of its policy.

    Attributes
    ----------
    fingerprint
        Sources and hashes of items, users, model, trained policy and plug-ins.
    """

    inputs: Inputs
    n_users: int
    fingerprint: dict[str, Any]

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        return artifacts_of(self.inputs.domain, self.inputs.items, self.inputs.users)


def load_run_inputs(config: GymConfig) -> RunInputs:
    """Check the policy, and read items and users.

    Raises
    ------
    SimulationError
        No policy has this name, there are fewer users, or a name in the rules is unknown.
    """
    check_policy(config.policy)
    own_mind = mind_class(config.mind)
    rules = config.part(GymRules)
    inputs = load_inputs(rules) if _KEPT is None or rules not in _KEPT else _KEPT[rules]
    if _KEPT is not None:
        _KEPT[rules] = inputs
    n_users = config.n_users or len(inputs.users)
    if n_users > len(inputs.users):
        raise SimulationError(f"n_users={n_users}: there are {len(inputs.users)} users, choose that many or fewer")
    fingerprint = {"name": inputs.items.made_from or inputs.domain.name, **inputs.fingerprint, **_about(config)}
    if own_mind is not None:
        fingerprint["mind"] = plugins.identity(own_mind)
    return RunInputs(inputs, n_users, fingerprint)


@contextmanager
def kept_inputs() -> Iterator[None]:
    """Keep the inputs of all rules in memory: for several runs, one after the other, in the same environment."""
    global _KEPT
    before, _KEPT = _KEPT, {}
    try:
        yield
    finally:
        _KEPT = before


def make_world(config: GymConfig, inputs: RunInputs, run: Run, concurrency: int) -> GymWorld:
    """The run before its first step. The users' questions of a step are one batch, so there are no blocks."""
    made, users = inputs.inputs, np.arange(inputs.n_users)
    mind = make_mind(config, made, seed=config.seed, run=run)
    engine = Engine(made, mind, inputs.n_users)
    engine.reset(np.full(inputs.n_users, config.seed), users)
    setting = Setting(made.domain, made.items, made.users, mind, config.seed, config.model)
    policy = make_policy(config.policy, setting)
    return GymWorld(engine, mind, policy, n_users=inputs.n_users, n_items=config.steps)


def load_state(run: Run) -> Callable[[], GymState]:
    """Makes states before the first step, from the run's artifacts."""
    return lambda: empty_state(run)


def _about(config: GymConfig) -> dict[str, Any]:
    """Hashes of the policy's model, folder or plug-in."""
    if config.policy in POLICIES:
        return {}
    if is_folder(config.policy):
        return {"policy_sha256": _hash_of_folder(Path(config.policy))}
    from recgpt.models import about_model, load_model
    from recgpt.recommenders import REGISTRY

    name = registered_name(config.policy)
    found: dict[str, Any] = {"plugin": PLUGINS[name]} if name in PLUGINS else {}
    if REGISTRY[name].model_kind is not None:
        found["model"] = about_model(load_model(config.model))
    return found


def _hash_of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.suffix in (".json", ".safetensors", ".npy")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


WORLD = WorldSpec(
    name=NAME,
    step_name="item",
    config=GymConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=load_run_inputs,
    make_world=make_world,
    load_state=load_state,
    measures=measures,
    view=deferred("recgpt.simulate.worlds.gym.view:view"),
    report=page_report("recgpt.simulate.worlds.gym.report:html"),
    summary=deferred("recgpt.simulate.worlds.gym.report:summary_table"),
    fixed=(*GymRules.model_fields, "model", "n_users"),
    watch=deferred("recgpt.simulate.worlds.gym.watch:GymWatch"),
)
