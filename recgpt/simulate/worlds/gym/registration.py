"""Registration of the environments' ids with Gymnasium.

    import gymnasium
    import recgpt.simulate.worlds.gym.registration
    env = gymnasium.make("recgpt/EmoSimMovies-v0")
    envs = gymnasium.make_vec("recgpt/EmoSimBooks-v0", num_envs=256)

Gymnasium has dropped its entry points for plug-ins (1.0), so this module has to be imported, or named in the id:
`gymnasium.make("recgpt.simulate.worlds.gym.registration:recgpt/EmoSimMovies-v0")`. Episodes are cut off after
`max_episode_steps`, 200 by default: by the wrapper of `gymnasium.make`, which takes this argument for itself, and
within the environments of `gymnasium.make_vec`.
"""

from typing import Any

from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.config import MOST_EPISODE_STEPS, GymRules

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

_HERE = "recgpt.simulate.worlds.gym"
IDS = {"movies": "recgpt/EmoSimMovies-v0", "books": "recgpt/EmoSimBooks-v0"}
"""Ids of the environments of one item a step, by domain."""
SLATE_ID = "recgpt/EmoSimSlate-v0"
"""Id of the environment of slates, by default of films."""
_EPISODE_STEPS = GymRules().max_episode_steps


def make_single(**settings: Any) -> gymnasium.Env[Any, Any]:
    """Environment of one item a step, whose time limit is left to Gymnasium's wrapper. See `EmoSimEnv`."""
    from recgpt.simulate.worlds.gym.environment import EmoSimEnv

    return EmoSimEnv(**_limited_outside(settings))


def make_slate(**settings: Any) -> gymnasium.Env[Any, Any]:
    """Environment of slates, whose time limit is left to Gymnasium's wrapper. See `EmoSimSlateEnv`."""
    from recgpt.simulate.worlds.gym.slate import EmoSimSlateEnv

    return EmoSimSlateEnv(**_limited_outside(settings))


def _limited_outside(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without a time limit of their own; loaded inputs keep theirs."""
    return settings if settings.get("inputs") is not None else {**settings, "max_episode_steps": MOST_EPISODE_STEPS}


for domain, name in IDS.items():
    gymnasium.register(
        name,
        entry_point=f"{_HERE}.registration:make_single",
        vector_entry_point=f"{_HERE}.vector:EmoSimVectorEnv",
        max_episode_steps=_EPISODE_STEPS,
        kwargs={"domain": domain},
    )

gymnasium.register(
    SLATE_ID,
    entry_point=f"{_HERE}.registration:make_slate",
    vector_entry_point=f"{_HERE}.slate:EmoSimSlateVectorEnv",
    max_episode_steps=_EPISODE_STEPS,
)
