"""Observations: small arrays for learning, or the dictionary with texts of the published environments.

    observer = observer_of(inputs)
    observer.space                      # of one environment
    observer.batch(engine, rows)        # one observation a row

Compact: `user` (F,) features, `user_id` (1,), `history` (H,) latest items, newest first, -1 for none, `ratings` (H,)
theirs, 0 for none, `count` (1,) interactions remembered. Which items may be shown is no part: see `action_masks`.

Shapes: F features of a user.
"""

from typing import Any, Protocol

import numpy as np

from recgpt.errors import ConfigError
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.users import TRAITS, Users

try:
    from gymnasium import spaces
    from gymnasium.vector.utils import concatenate, create_empty_array
except ModuleNotFoundError as error:
    raise ConfigError("environments need gymnasium: pip install 'recgpt[rl]'") from error

Observation = dict[str, Any]

_MOST = np.iinfo(np.int32).max


class Observer(Protocol):
    """Makes observations."""

    space: spaces.Dict

    def batch(self, engine: Engine, rows: np.ndarray) -> Observation:
        """Observations of some rows, batched as Gymnasium does; of new memory at each call."""
        ...

    def one(self, engine: Engine, row: int) -> Observation:
        """Observation of one row, of new memory."""
        ...


class CompactObserver:
    """Observations for learning."""

    def __init__(self, inputs: Inputs) -> None:
        scale, length = inputs.domain.scale, inputs.rules.history_length
        self._length = length
        self._features_UF = inputs.users.features(inputs.items.tag_names)
        low, high = min(0.0, scale.lowest), max(0.0, scale.highest)
        self.space = spaces.Dict(
            {
                "user": spaces.Box(-1, 2, (self._features_UF.shape[1],), np.float32),
                "user_id": spaces.Box(0, max(len(inputs.users) - 1, 1), (1,), np.int32),
                "history": spaces.Box(-1, max(len(inputs.items) - 1, 0), (length,), np.int32),
                "ratings": spaces.Box(low, high, (length,), np.float32),
                "count": spaces.Box(0, _MOST, (1,), np.int32),
            }
        )

    def batch(self, engine: Engine, rows: np.ndarray) -> Observation:
        """See `Observer`."""
        user_R = engine.user_E[rows]
        items_RH, ratings_RH = engine.memory.latest(rows, self._length)
        return {
            "user": self._features_UF[user_R],
            "user_id": user_R[:, None].astype(np.int32),
            "history": items_RH.astype(np.int32),
            "ratings": np.where(items_RH >= 0, ratings_RH, 0).astype(np.float32),
            "count": engine.memory.n_log_E[rows][:, None].astype(np.int32),
        }

    def one(self, engine: Engine, row: int) -> Observation:
        """See `Observer`."""
        return {name: array[0] for name, array in self.batch(engine, np.array([row])).items()}


class PublishedObserver:
    """Observations of SUBER and EmoSim-RL: facts and texts of the user, and all interactions in order.

    `items_interact` holds (action, rating) of each. Texts may have the characters of the users' names and descriptions;
    published is printable ASCII, and names outside it exist.
    """

    def __init__(self, inputs: Inputs) -> None:
        users, highest = inputs.users, inputs.domain.scale.highest
        charset = frozenset("".join([*users.names, *users.descriptions, " "]))
        longest = max(map(len, [*users.names, *users.descriptions]), default=0)
        levels = {f"user_{name}_level": spaces.Discrete(4) for name in TRAITS}
        low, high = np.zeros(2, np.float32), np.array([len(inputs.items), highest + 1], np.float32)
        self.space = spaces.Dict(
            {
                "user_id": spaces.Discrete(len(users)),
                "user_name": spaces.Text(max(100, longest), min_length=0, charset=charset),
                "user_gender": spaces.Discrete(2),
                "user_age": spaces.Box(0, 200, (1,), np.int32),
                "user_description": spaces.Text(max(10_000, longest), min_length=0, charset=charset),
                **levels,
                "items_interact": spaces.Sequence(spaces.Box(low, high, (2,), np.float32)),
            }
        )

    def batch(self, engine: Engine, rows: np.ndarray) -> Observation:
        """See `Observer`."""
        each = [self.one(engine, row) for row in rows.tolist()]
        empty: Any = create_empty_array(self.space, len(each), fn=np.zeros)
        return dict(concatenate(self.space, each, empty))

    def one(self, engine: Engine, row: int) -> Observation:
        """See `Observer`."""
        users, user = engine.inputs.users, int(engine.user_E[row])
        items_1H, ratings_1H = engine.memory.log(np.array([row]))
        pairs_H2 = np.stack([items_1H[0], ratings_1H[0]], axis=1).astype(np.float32)[items_1H[0] >= 0]
        return {
            "user_id": user,
            "user_name": users.names[user],
            "user_gender": int(users.gender_U[user]),
            "user_age": np.array([users.age_U[user]], dtype=np.int32),
            "user_description": users.descriptions[user],
            **{f"user_{name}_level": int(getattr(users, f"{name}_U")[user]) for name in TRAITS},
            "items_interact": tuple(pairs_H2.copy() for pairs_H2 in pairs_H2),
        }


def observer_of(inputs: Inputs) -> Observer:
    """The observer that the rules name."""
    return CompactObserver(inputs) if inputs.rules.observation == "compact" else PublishedObserver(inputs)


def person(users: Users, user: int) -> dict[str, Any]:
    """Facts and texts of a user."""
    return {
        "id": users.ids[user],
        "name": users.names[user],
        "gender": "MF"[users.gender_U[user]],
        "age": int(users.age_U[user]),
        "description": users.descriptions[user],
        "job": users.jobs[user],
        "hobby": users.hobbies[user],
        "liked": users.liked[user],
        "disliked": users.disliked[user],
        **{name: int(getattr(users, f"{name}_U")[user]) for name in TRAITS},
        "persona": users.persona[user],
    }
