"""Gymnasium environment in which a simulated user rates one recommended item a step.

    import gymnasium
    import recgpt.simulate.worlds.gym.registration      # registers the ids
    env = gymnasium.make("recgpt/EmoSimMovies-v0", retrieval="decay_emotion_3")
    observation, info = env.reset(seed=0)
    action = env.action_space.sample(env.unwrapped.action_masks().astype("int8"))     # an item that is new to the user
    observation, reward, terminated, truncated, info = env.step(action)

Terminated: the user left. Truncated: the time limit, nothing new to show, or three failed replies in a row.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.infos import info_of
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.observations import Observation, observer_of, person
from recgpt.simulate.worlds.gym.rendering import StepsFile, step_text, user_text
from recgpt.simulate.worlds.gym.setup import make_engine
from recgpt.simulate.worlds.gym.steps import Steps
from recgpt.terminal import say

try:
    import gymnasium
    from gymnasium import spaces
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

RENDER_MODES = ("human", "csv", "ansi")
_ROW = np.array([0])


class EmoSimEnv(gymnasium.Env[Observation, Any]):
    """One user at a time.

    Parameters
    ----------
    domain
        Domain, see `GymRules`.
    mind
        Name of a mind, see `MindOptions`, or a mind.
    render_mode
        human: steps are printed as they happen; csv: they are appended to a file; ansi: `render` returns the last as
        text.
    render_csv
        That file.
    users_in_order
        Whether episodes take users 0, 1, 2, ..., as for an evaluation, instead of random ones.
    inputs
        Inputs that are loaded already, to share them between environments.
    engine_class
        See `make_engine`.
    settings
        Fields of `GymRules` and `MindOptions`.

    Attributes
    ----------
    engine
        The array program, with one row.
    """

    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 1}  # noqa: RUF012  # Gymnasium's form

    def __init__(
        self,
        domain: str = "movies",
        mind: str | Mind = "scripted",
        *,
        render_mode: str | None = None,
        render_csv: str | Path = "tmp/render/render.csv",
        users_in_order: bool = False,
        inputs: Inputs | None = None,
        engine_class: Callable[..., Engine] = Engine,
        **settings: Any,
    ) -> None:
        if render_mode not in (None, *RENDER_MODES):
            raise ConfigError(f"render_mode={render_mode!r}: choose among {', '.join(RENDER_MODES)}, or None")
        self.engine = make_engine(
            1,
            domain=domain,
            mind=mind,
            inputs=inputs,
            users_in_order=users_in_order,
            engine_class=engine_class,
            **settings,
        )
        self.inputs = self.engine.inputs
        self.render_mode = render_mode
        self._observer = observer_of(self.inputs)
        self.observation_space = self._observer.space
        self.action_space: spaces.Space[Any] = spaces.Discrete(self.engine.n_items)
        self._file = StepsFile(render_csv, self.inputs)
        self._last: Steps | None = None
        self._has_begun = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Parameters
        ----------
        seed
            Fixes every draw from here on: users, noise, the user's decisions.
        options
            `user_id`, the number of the user; `history`, pairs of item and rating that the user remembers.

        Raises
        ------
        SimulationError
            There is no such option, user or item.
        """
        super().reset(seed=seed)
        users, history = reset_options(options, 1)
        if seed is None and self._has_begun:
            self.engine.begin(_ROW, users, history=history)
        else:
            first = int(self.np_random.integers(2**32)) if seed is None else seed
            self.engine.reset([first], users, history=history)
        self._has_begun, self._last = True, None
        if self.render_mode == "human":
            say(*self._text().splitlines())
        return self._observer.one(self.engine, 0), {"user_id": int(self.engine.user_E[0])}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Show an item to the user.

        Raises
        ------
        SimulationError
            There is no such item, or the episode has ended.
        """
        if not self._has_begun:
            raise SimulationError("no episode has begun: call reset first")
        steps = self.decide(action)
        self.engine.apply(steps)
        self._last = steps
        if self.render_mode == "human":
            say(*self._text().splitlines())
        elif self.render_mode == "csv":
            self._file.append(steps)
        return (
            self._observer.one(self.engine, 0),
            float(steps.reward_E[0]),
            bool(steps.terminated_E[0]),
            bool(steps.truncated_E[0]),
            info_of(steps, 0),
        )

    def decide(self, action: Any) -> Steps:
        """What would happen if this action were taken; changes nothing."""
        return self.engine.decide(np.asarray(action)[None])

    def action_masks(self) -> np.ndarray:
        """(N,) bool, whether an item is new to the episode. Gymnasium's `sample` takes it as int8."""
        return self.engine.allowed()[0]

    @property
    def user(self) -> dict[str, Any]:
        """Facts and texts of the user of this episode."""
        return person(self.inputs.users, int(self.engine.user_E[0]))

    def render(self) -> str | None:
        """Text of the last step with `ansi`; other modes render at each step, so that none is lost."""
        return self._text() if self.render_mode == "ansi" else None

    def _text(self) -> str:
        if self._last is None:
            return user_text(self.inputs, int(self.engine.user_E[0]))
        return step_text(self.inputs, self._last)


def reset_options(options: dict[str, Any] | None, n_rows: int) -> tuple[np.ndarray | None, list[tuple[int, float]]]:
    """Users (R,) and history that the options of a reset name.

    Raises
    ------
    SimulationError
        There is no such option, or it has another form.
    """
    options = options or {}
    unknown = options.keys() - {"user_id", "history"}
    if unknown:
        raise SimulationError(f"no option {sorted(unknown)[0]!r} of reset: choose among user_id, history")
    users, history = options.get("user_id"), options.get("history", ())
    try:
        given = None if users is None else np.broadcast_to(np.asarray(users), (n_rows,)).astype(np.int64)
        return given, [(int(item), float(rating)) for item, rating in history]
    except (TypeError, ValueError) as error:
        raise SimulationError(
            f"options {options}: user_id is a number, or one for each environment, and history a list of pairs of item"
            " and rating"
        ) from error
