"""Registration of the environments' ids with Gymnasium.

    import gymnasium
    import recgpt.simulate.worlds.gym.registration
    env = gymnasium.make("recgpt/EmoSimMovies-v0")
    envs = gymnasium.make_vec("recgpt/EmoSimBooks-v0", num_envs=256)

Gymnasium has dropped its entry points for plug-ins (1.0), so this module has to be imported, or named in the id:
`gymnasium.make("recgpt.simulate.worlds.gym.registration:recgpt/EmoSimMovies-v0")`. Episodes are cut off after
`max_episode_steps` of `GymRules`, 200, within the environment.
"""

from recgpt.errors import ConfigError

try:
    import gymnasium
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

_HERE = "recgpt.simulate.worlds.gym"
IDS = {"movies": "recgpt/EmoSimMovies-v0", "books": "recgpt/EmoSimBooks-v0"}
"""Ids of the environments of one item a step, by domain."""
SLATE_ID = "recgpt/EmoSimSlate-v0"
"""Id of the environment of slates, by default of films."""

for domain, name in IDS.items():
    gymnasium.register(
        name,
        entry_point=f"{_HERE}.environment:EmoSimEnv",
        vector_entry_point=f"{_HERE}.vector:EmoSimVectorEnv",
        kwargs={"domain": domain},
    )

gymnasium.register(
    SLATE_ID,
    entry_point=f"{_HERE}.slate:EmoSimSlateEnv",
    vector_entry_point=f"{_HERE}.slate:EmoSimSlateVectorEnv",
)
