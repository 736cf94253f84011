"""Scripted mind: a fitted model of ratings, without a language model.

    mind = ScriptedMind(domain, items, users, seed=0)
    ratings = mind.rate(questions)

The rating is ordinal: the number of thresholds below a latent value, which is the sum of

- the user's taste for the item (`tastes`), the same in all episodes;
- what the user recalls: how far the recalled items lay above or below what the user's taste leads to expect, by their
  likeness to the item, and more for parts of the same series (`memory`);
- normal noise of this one rating.

The amounts are fitted on people's ratings (`parameters`), so that simulated ratings have the distribution of real ones,
and users and items differ as much as in reality; docs/gym_science.md shows how closely. Personas (`personas`) rate by
construction.

An item that is met again is rated anew, by the same taste with new noise: no source has people who rate twice. What the
user gave it before counts like a part of the same series where it is recalled. Boredom is a matter of the reward
shapings. Activity has no effect on ratings.

A rating never depends on the other questions of the call: random numbers are keyed by episode, step and
item, and sums are exact.

Shapes: E questions, k items recalled, R rows, N items.
"""

import numpy as np
from scipy import special

from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.draws import normal, uniform
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.minds.memory import series_numbers, surprises, text_rows
from recgpt.simulate.worlds.gym.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.minds.personas import PersonaRatings
from recgpt.simulate.worlds.gym.minds.tastes import TEXT, Tastes
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users
from recgpt.splitmix import GOLDEN_GAMMA, finalized

_FIRST, _PER_UNIT, _CELLS = -2.0, 1024, 5 * 1024  # latent values at which mean ratings are tabulated
_ROWS_PER_BLOCK = 64  # users of a block of `expected_all`


class Ordinal:
    """Ratings from latent values: thresholds, and the mean over the noise.

    Parameters
    ----------
    scale
        Scale of the ratings.
    thresholds
        (V - 1,) latent values from which on each rating above the lowest is given.
    noise
        Standard deviation of the noise.
    """

    def __init__(self, scale: Scale, thresholds: np.ndarray, noise: float) -> None:
        self._scale = scale
        self._thresholds = thresholds
        table = _FIRST + np.arange(_CELLS + 1) / _PER_UNIT
        above = special.ndtr((table[:, None] - thresholds) / noise).sum(axis=1)
        self._mean = scale.lowest + scale.step * above
        self._rise = np.diff(self._mean)

    def ratings(self, latent_R: np.ndarray) -> np.ndarray:
        """(R,) float64 ratings of latent values that include the noise."""
        reached_R = np.searchsorted(self._thresholds, latent_R, side="right")
        return self._scale.lowest + self._scale.step * reached_R

    def means(self, latent: np.ndarray) -> np.ndarray:
        """Float64 mean ratings, over the noise, of latent values."""
        place = np.clip((latent - _FIRST) * _PER_UNIT, 0, _CELLS - 1e-9)
        cell = place.astype(np.int32)
        return self._mean[cell] + (place - cell) * self._rise[cell]


class ScriptedMind:
    """Rates by the fitted model; see the module.

    Parameters
    ----------
    domain
        Gives the scale, and the name of the parameters.
    items, users
        Catalogue and population.
    seed
        Seed of the population's tastes, and of the true averages of items with few ratings.
    parameters
        By default those of the domain.
    uses_memory
        Whether ratings depend on what is recalled.

    Attributes
    ----------
    parameters
        Fitted parameters.
    tastes
        Weights of the users and features of the items.
    ordinal
        Ratings from latent values.
    """

    name = "scripted"

    def __init__(
        self,
        domain: Domain,
        items: Items,
        users: Users,
        seed: int,
        parameters: Parameters | None = None,
        *,
        uses_memory: bool = True,
    ) -> None:
        self._uses_memory = uses_memory
        self.parameters = fitted = parameters or Parameters.load(domain.name)
        self._scale = scale = domain.scale
        self.ordinal = Ordinal(scale, fitted.thresholds_on(scale), fitted.noise)
        self.tastes = Tastes.drawn(items, users, scale, fitted, seed=seed)
        self._text_ND = text_rows(self.tastes.feature_NF[:, TEXT : TEXT + fitted.text_dimensions])
        self._series_N = series_numbers(items.collection)
        self._personas = PersonaRatings(items, users, scale)

    def rate(self, questions: Questions) -> Ratings:
        """See `Mind`."""
        latent_E = self.tastes.latent(questions.user_E, questions.item_E) + self._recalled(questions)
        key_E = _item_keys(questions)
        noise_E = self.parameters.noise * normal(key_E, questions.step_E, "rate")
        rating_E = self.ordinal.ratings(latent_E + noise_E)
        persona_E = self._personas.persona_U[questions.user_E] > 0
        if persona_E.any():
            some = questions.rows(persona_E)
            drawn_E = uniform(key_E[persona_E], some.step_E, "rate")
            rating_E[persona_E] = self._personas.ratings(some.user_E, some.item_E, drawn_E)
        return Ratings(rating_E)

    def estimate(self, n_questions: int) -> None:
        """No calls. See `Mind`."""

    def expected(self, user_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """See `KnownTastes`: the mean over the noise."""
        expected_R = self.ordinal.means(self.tastes.latent(user_R, item_R))
        persona_R = self._personas.persona_U[user_R] > 0
        if persona_R.any():
            expected_R[persona_R] = self._personas.expected(user_R[persona_R], item_R[persona_R])
        return expected_R

    def expected_all(self, user_R: np.ndarray) -> np.ndarray:
        """See `KnownTastes`."""
        n_items = len(self.tastes.feature_NF)
        expected_RN = np.empty((len(user_R), n_items), dtype=np.float32)
        for start in range(0, len(user_R), _ROWS_PER_BLOCK):
            block_R = user_R[start : start + _ROWS_PER_BLOCK]
            expected_RN[start : start + len(block_R)] = self.ordinal.means(self.tastes.latent_all(block_R))
        for row in np.flatnonzero(self._personas.persona_U[user_R] > 0):
            expected_RN[row] = self._personas.expected(np.full(n_items, user_R[row]), np.arange(n_items))
        return expected_RN

    def _recalled(self, questions: Questions) -> np.ndarray:
        """(E,) float64 effect of what is recalled on the latent rating."""
        recalled_Ek = questions.recalled_items_Ek
        present_Ek = recalled_Ek >= 0
        if not (self._uses_memory and present_Ek.any()):
            return np.zeros(len(questions))
        row, _ = np.nonzero(present_Ek)
        expected_R = self.expected(questions.user_E[row], recalled_Ek[present_Ek])
        surprise_Ek = np.zeros(recalled_Ek.shape)
        surprise_Ek[present_Ek] = self._scale.unit(questions.recalled_ratings_Ek[present_Ek]) - self._scale.unit(
            expected_R
        )
        similar_E, series_E = surprises(questions.item_E, recalled_Ek, surprise_Ek, self._text_ND, self._series_N)
        return self.parameters.memory * similar_E + self.parameters.memory_of_series * series_E


def _item_keys(questions: Questions) -> np.ndarray:
    """(E,) uint64 keys of episode and item: two items at one step have noise of their own."""
    return finalized(questions.key_E + (questions.item_E + 1).astype(np.uint64) * GOLDEN_GAMMA)
