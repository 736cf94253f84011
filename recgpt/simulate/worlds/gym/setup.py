"""Set-up of environments: their keyword arguments become rules, inputs, mind and engine.

engine = make_engine(64, domain="books", retrieval="decay_emotion_3", mind="scripted")
"""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from recgpt import plugins
from recgpt.config import config_error
from recgpt.errors import ConfigError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Mind


def make_engine(
    n_envs: int,
    *,
    mind: str | Mind = "scripted",
    inputs: Inputs | None = None,
    users_in_order: bool = False,
    engine_class: Callable[..., Engine] = Engine,
    **settings: Any,
) -> Engine:
    """Engine of E environments.

    Parameters
    ----------
    mind
        Name of a mind, see `MindOptions`, or a mind.
    inputs
        Inputs that are loaded already; by default those of the rules.
    users_in_order
        Whether episodes take users 0, 1, 2, ... instead of random ones.
    engine_class
        `Engine`, or another that is made of the same arguments.
    settings
        Fields of `GymRules` and `MindOptions`.

    Raises
    ------
    ConfigError
        There is no such setting, or it cannot have this value.
    SimulationError
        A name is unknown; the message lists the right ones.
    """
    of_mind = {name: value for name, value in settings.items() if name in MindOptions.model_fields}
    of_rules = {name: value for name, value in settings.items() if name not in of_mind}
    rules = _validated(GymRules, of_rules)
    if inputs is None:
        plugins.allow([rules.domain])  # the code that calls names it
        inputs = load_inputs(rules)
    elif of_rules.keys() - {"domain"}:
        raise ConfigError(f"{', '.join(of_rules)} beside inputs: give the rules where you load the inputs")
    if isinstance(mind, str):
        mind = make_mind(_validated(MindOptions, {"mind": mind} | of_mind), inputs)
    return engine_class(inputs, mind, n_envs, users_in_order=users_in_order)


def _validated(cls: type[Any], values: dict[str, Any]) -> Any:
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise config_error(cls, error) from error
