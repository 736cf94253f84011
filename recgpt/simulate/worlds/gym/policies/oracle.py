"""Oracle: the item that the mind itself would rate best, without its noise. The upper bound of all policies.

It maximises each rating on its own; what leads a user to leave later it does not foresee.

Shapes: E episodes, N items.
"""

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.minds.base import KnownTastes
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.choice import best_allowed
from recgpt.simulate.worlds.gym.policies.simple import Unlearning

_ROWS = 256  # users scored at a time


class OraclePolicy(Unlearning):
    """The allowed item with the highest `KnownTastes.expected_all` of the setting's mind.

    Raises
    ------
    SimulationError
        The mind does not know its ratings before it gives them.
    """

    name = "oracle"

    def __init__(self, setting: Setting) -> None:
        if not isinstance(setting.mind, KnownTastes):
            raise SimulationError(
                f"the policy oracle needs the ratings before they are given, which the mind {setting.mind.name!r} does"
                " not know: use --mind scripted, or leave oracle out"
            )
        self._tastes: KnownTastes = setting.mind

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user."""
        allowed_EN = views.allowed()
        parts = [
            best_allowed(
                self._tastes.expected_all(views.user_E[start : start + _ROWS]), allowed_EN[start : start + _ROWS]
            )
            for start in range(0, len(views), _ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
