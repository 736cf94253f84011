"""Worlds to train on, made from settings.

world = make_world(settings)
TrainingRun(settings, world, Path("runs/gym/ppo")).train()
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from recgpt.progress import note
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.sb3 import EmoSimVecEnv
from recgpt.simulate.worlds.gym.training.run import TrainingWorld
from recgpt.simulate.worlds.gym.training.settings import TrainSettings


def make_world(
    settings: TrainSettings, inputs: Inputs | None = None, mind: Mind | None = None, *, calls: Path | None = None
) -> TrainingWorld:
    """World of these settings. Observations hold whole episodes, so that they tell what may be shown.

    Parameters
    ----------
    inputs, mind
        Inputs and mind that are made already; by default those of the settings.
    calls
        File of the calls of a language model, so that no question is sent twice; by default they are kept in memory.
    """
    inputs = inputs or load_inputs(settings)
    mind = mind or _make_mind(settings, inputs, calls)
    setting = Setting(inputs.domain, inputs.items, inputs.users, mind, settings.seed, settings.model)
    whole = _with_whole_episodes(inputs)
    fingerprint = {**inputs.fingerprint, "mind": mind.name}
    return TrainingWorld(
        setting, lambda n_envs: EmoSimVecEnv(n_envs, inputs.domain.name, mind, inputs=whole), fingerprint
    )


def _make_mind(settings: TrainSettings, inputs: Inputs, calls: Path | None) -> Mind:
    log = CallFile(calls) if calls is not None and settings.mind == "llm" else None
    mind = make_mind(settings, inputs, seed=settings.seed, run=log)
    if (estimate := mind.estimate(settings.total_timesteps)) is not None:
        note(f"estimated language-model use of the training steps, if no question comes up twice: {estimate}")
    return mind


def _with_whole_episodes(inputs: Inputs) -> Inputs:
    longest = min(inputs.rules.max_episode_steps, len(inputs.items))
    changes: dict[str, Any] = {"history_length": longest}
    return replace(inputs, rules=inputs.rules.model_copy(update=changes))
