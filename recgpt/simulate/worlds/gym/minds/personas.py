"""Users of the studies, who rate by construction: the top, the lowest, or by their liked tags alone.

Shapes: U users, N items, R rows, L users who love a tag.
"""

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

PERSONAS = ("", "always_high", "always_low", "lover")
"""Values of `Users.persona`; "" rates by the fitted model."""

HIGH, LOW, LOVER = 1, 2, 3
_TOP_FROM, _LOW_UP_TO = 7 / 9, 1 / 2  # of the scale: ratings 8 to 10 and 1 to 5 of 10, 5 and 1 to 3 of 5


class PersonaRatings:
    """Ratings of personas.

    Attributes
    ----------
    persona_U
        (U,) int8 places in `PERSONAS`.

    Raises
    ------
    SimulationError
        A persona has another name.
    """

    def __init__(self, items: Items, users: Users, scale: Scale) -> None:
        unknown = sorted(set(users.persona) - set(PERSONAS))
        if unknown:
            raise SimulationError(
                f"no persona {unknown[0]!r}: choose among {', '.join(PERSONAS[1:])}, or leave it empty"
            )
        self.persona_U = np.array([PERSONAS.index(name) for name in users.persona], dtype=np.int8)
        values, unit = scale.values, scale.unit(scale.values)
        self._scale = scale
        self._top, self._low = values[unit >= _TOP_FROM - 1e-9], values[unit <= _LOW_UP_TO + 1e-9]
        lovers = np.flatnonzero(self.persona_U == LOVER)
        self._row_U = np.full(len(users), -1)
        self._row_U[lovers] = np.arange(len(lovers))
        tags = [frozenset(own) for own in items.tags]
        self._loves_LN = np.array([[not own.isdisjoint(users.liked[user]) for own in tags] for user in lovers])

    def ratings(self, user_R: np.ndarray, item_R: np.ndarray, uniform_R: np.ndarray) -> np.ndarray:
        """(R,) float64 ratings of personas; the number from 0 to 1 chooses among the ratings that fit."""
        persona_R = self.persona_U[user_R]
        rating_R = np.where(persona_R == HIGH, self._scale.highest, self._scale.lowest)
        lover_R = persona_R == LOVER
        loves_R = self._loves_LN[self._row_U[user_R[lover_R]], item_R[lover_R]] if lover_R.any() else lover_R[:0]
        rating_R[lover_R] = np.where(
            loves_R, _chosen(self._top, uniform_R[lover_R]), _chosen(self._low, uniform_R[lover_R])
        )
        return rating_R

    def expected(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float64 mean ratings of personas."""
        lowest_R = self.ratings(user_R, item_R, np.zeros(len(user_R)))
        return (lowest_R + self.ratings(user_R, item_R, np.full(len(user_R), 1 - 2.0**-53))) / 2


def _chosen(values: np.ndarray, uniform_R: np.ndarray) -> np.ndarray:
    return values[(uniform_R * len(values)).astype(np.int64)]
