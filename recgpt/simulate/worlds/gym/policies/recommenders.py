"""Registered recommenders as policies: fitted on the catalogue's past, they rank after a user's liked items.

    policy = RecommenderPolicy("item_knn", setting)

The history of an episode holds the user's ratings before the first episode and in this one, oldest first: the items
rated at least `Domain.liked_from`, or all of them while there is none. So a recommender, which takes every item of a
history for a sign of taste, does not follow dislikes. Nothing is fitted again during a run: new ratings reach the
ranking through the history.

Shapes: E episodes, H interactions, N items, k items ranked.
"""

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.errors import DataError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import Model, load_model
from recgpt.recommenders import REGISTRY, check_names, registered_name
from recgpt.recommenders.base import Recommender
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.policies.base import Setting, Views
from recgpt.simulate.worlds.gym.policies.choice import best_allowed
from recgpt.simulate.worlds.gym.policies.simple import Unlearning
from recgpt.simulate.worlds.gym.users import Users

_ROWS = 1024  # episodes ranked at a time


class RecommenderPolicy(Unlearning):
    """The best allowed item of a recommender; where it ranks none, the most popular one.

    Parameters
    ----------
    name
        Registered name, or a class as module:Class.

    Raises
    ------
    DataError
        No recommender has this name, or a library that it needs is missing.
    """

    def __init__(self, name: str, setting: Setting) -> None:
        check_names([name])
        self.name = name
        self._users = setting.users
        self._liked_from = setting.domain.liked_from
        self._recommender = fitted(name, setting)
        past = setting.items.dataset.interactions
        self._popularity_1N = np.bincount(past.item, minlength=len(setting.items)).astype(np.float32)[None]

    def act(self, views: Views) -> np.ndarray:
        """(E,) int64 the item to show to each user."""
        histories = histories_of(views.user_E, views.items_EH, views.ratings_EH, self._users, self._liked_from)
        allowed_EN = views.allowed()
        item_E = np.empty(len(views), dtype=np.int64)
        for start in range(0, len(views), _ROWS):
            rows = slice(start, start + _ROWS)
            item_E[rows] = self._best(histories[rows], allowed_EN[rows])
        return item_E

    def _best(self, histories: Ragged, allowed_EN: np.ndarray) -> np.ndarray:
        # Without the history; an allowed item is among the first k, as fewer than k are not allowed.
        most = int((~allowed_EN).sum(axis=1).max()) + 1
        ids_Ek = self._recommender.rank(histories, most).ids
        row_E = np.arange(len(ids_Ek))
        free_Ek = (ids_Ek >= 0) & allowed_EN[row_E[:, None], np.maximum(ids_Ek, 0)]
        item_E = ids_Ek[row_E, free_Ek.argmax(axis=1)]
        unranked = np.flatnonzero(~free_Ek.any(axis=1))
        item_E[unranked] = best_allowed(self._popularity_1N, allowed_EN[unranked])
        return item_E


def histories_of(
    user_E: np.ndarray, items_EH: np.ndarray, ratings_EH: np.ndarray, users: Users, liked_from: float
) -> Ragged:
    """Liked items of each user, before the episodes and in them, oldest first; all rated items where none was liked.

    Parameters
    ----------
    user_E, items_EH, ratings_EH
        Users and interactions of the episodes, oldest first; -1 and NaN for none, at any place.
    """
    known = users.histories[user_E]
    known_ratings = Ragged(users.ratings, users.histories.offsets)[user_E]
    met_EH = (items_EH >= 0) & ~np.isnan(ratings_EH)
    n_met_E = met_EH.sum(axis=1)
    offsets = offsets_from_lengths(known.lengths + n_met_E)
    lengths = np.diff(offsets)
    owner_R = np.repeat(np.arange(len(lengths)), lengths)
    place_R = np.arange(offsets[-1]) - offsets[:-1][owner_R]
    is_known_R = place_R < known.lengths[owner_R]
    item_R, rating_R = np.empty(len(owner_R), dtype=np.int64), np.empty(len(owner_R))
    item_R[is_known_R], rating_R[is_known_R] = known.values, known_ratings.values
    item_R[~is_known_R], rating_R[~is_known_R] = items_EH[met_EH], ratings_EH[met_EH]
    liked_R = rating_R >= liked_from
    any_liked_E = np.bincount(owner_R, weights=liked_R, minlength=len(lengths)) > 0
    return Ragged(item_R, offsets).filter(liked_R | ~any_liked_E[owner_R])


def fitted(name: str, setting: Setting) -> Recommender:
    """Recommender that is fitted on the past of the catalogue.

    Raises
    ------
    DataError
        It needs a model of another kind than that of the setting.
    """
    kind = REGISTRY[registered_name(name)].model_kind
    model = load_model(setting.model) if kind is not None else None
    if model is not None and model.kind != kind:
        raise DataError(f"{setting.model}: the recommender {name} needs a {kind} model, not a {model.kind} one")
    embeddings_NE = _embeddings(setting.items, model)
    made = recommenders_for([name], embeddings_NE=embeddings_NE, model=model, seed=setting.seed)[0]
    return made.fit(setting.items.dataset)


def _embeddings(items: Items, model: Model | None) -> np.ndarray:
    """(N, E) vectors of the environment's items; for a model, vectors of its own encoder."""
    return items.unit_NE if model is None else model_embeddings(items.dataset, model)
