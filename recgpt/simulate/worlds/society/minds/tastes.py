"""Tastes of agents: appeal of items, stars, and opinions of unknown items.

Appeal and stars are fitted to real people's choices and ratings, see `fitting`. An
agent whose interests were edited is treated as one that took the popular items of its new interests.

Shapes: A agents of the society, R rows, S items of a row, N items, D text dimensions, B items of a buffer.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.simulate import rng
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import taste_vectors
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.parameters import Rating
from recgpt.simulate.worlds.society.minds.parameters import Watch
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.sources_of_people import GENRES_OF

RECENT = 10  # items of which `Watch.recent` is
_TYPICAL = 64  # items that stand for the interactions of the catalogue
_OF_INTEREST = 30  # items that stand for an edited interest
_ROWS = 8192  # rows at a time, so that intermediate arrays stay small


class Tastes:
    """Tastes of all agents.

    Parameters
    ----------
    population, facts
        Agents and catalogue.
    watch, rating
        Coefficients of the models.
    seed
        Seed of the run, for the means of agents without ratings.
    taken
        Items that each agent really took before the run, where the population has edited interests.
    """

    def __init__(
        self,
        population: Population,
        facts: ItemFacts,
        watch: Watch,
        rating: Rating,
        seed: int,
        taken: Ragged | None = None,
    ) -> None:
        self._watch, self._rating = watch, rating
        self._affinities = affinities = Affinities(population, facts)
        self._item_N = watch.quality * affinities.quality_N + watch.popularity * affinities.popularity_N
        self._past_AB = last_items(population.histories)
        self._past = np.sort(_keys_of(population.histories if taken is None else taken, len(facts)))
        self._n_items = len(facts)
        typical = typical_items(facts.count_N)
        self._typical_D = affinities.text_ND[typical].mean(axis=0)
        everybody = np.arange(len(population))
        self._level_A = np.concatenate(
            [
                self._constant(part, np.broadcast_to(typical, (len(part), len(typical)))).mean(axis=1)
                for part in np.array_split(everybody, max(1, len(everybody) // _ROWS))
            ]
        )
        self._stars_N = rating.quality * affinities.quality_N.astype(np.float64)
        self._stars_N += rating.popularity * affinities.popularity_N
        drawn_A = rating.deviation_of_agents * rng.normal(seed, everybody, step=0, purpose="own mean rating")
        is_known_A = np.isfinite(population.mean_rating_A)
        self.mean_stars_A = np.where(
            is_known_A, population.mean_rating_A, np.clip(rating.mean_of_agents + drawn_A, 1, 5)
        ).astype(np.float64)
        self._spread_A = np.array(rating.spread_by_conformity)[population.conformity_A.astype(np.int64) - 1]

    def appeal(self, agent_R: np.ndarray, items_RS: np.ndarray, watched_RB: np.ndarray) -> np.ndarray:
        """(R, S) float64 log weights of items above that of a typical interaction, without word of mouth.

        Parameters
        ----------
        watched_RB
            (R, B) last items watched in the run, newest last, -1 for none.
        """
        appeal_RS = np.empty(items_RS.shape)
        for start in range(0, len(agent_R), _ROWS):
            rows = slice(start, start + _ROWS)
            agent, items = agent_R[rows], np.maximum(items_RS[rows], 0)
            recent_RD = self._recent(agent, watched_RB[rows])
            likeness_RS = (recent_RD[:, None, :] * self._affinities.text_ND[items]).sum(axis=2)
            likeness_RS -= (recent_RD * self._typical_D).sum(axis=1)[:, None]
            appeal_RS[rows] = self._constant(agent, items) - self._level_A[agent][:, None]
            appeal_RS[rows] += self._watch.recent * likeness_RS
        return appeal_RS

    def stars(self, agent_R: np.ndarray, item_R: np.ndarray, noise_R: np.ndarray, shift_R: np.ndarray) -> np.ndarray:
        """(R,) float32 stars of items watched.

        Parameters
        ----------
        noise_R
            Draws of the standard logistic distribution.
        shift_R
            Log odds of more stars, beside the model's.
        """
        reached = self._sum(agent_R, item_R) + shift_R + self._spread_A[agent_R] * noise_R
        return (np.searchsorted(self._rating.thresholds, reached) + 1).astype(np.float32)

    def expected_opinion(self, agent_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        """(R,) float64 opinion that follows from the mean of the stars that the agent would give."""
        sum_R = self._sum(agent_R, item_R)
        above_R4 = 1 / (
            1 + np.exp((np.array(self._rating.thresholds) - sum_R[:, None]) / self._spread_A[agent_R][:, None])
        )
        opinion: np.ndarray = (1 + above_R4.sum(axis=1) - 3) / 2
        return opinion

    def took_before(self, agent_R: np.ndarray, items_RS: np.ndarray) -> np.ndarray:
        """(R, S) bool, whether the item is in the agent's history before the run."""
        keys = agent_R.astype(np.int64)[:, None] * self._n_items + items_RS
        if not len(self._past):
            return np.zeros(keys.shape, dtype=bool)
        place = np.minimum(np.searchsorted(self._past, keys), len(self._past) - 1)
        found: np.ndarray = (self._past[place] == keys) & (items_RS >= 0)
        return found

    def _sum(self, agent_R: np.ndarray, item_R: np.ndarray) -> np.ndarray:
        own = self._rating.own_mean * (self.mean_stars_A[agent_R] - self._rating.mean_of_agents)
        summed: np.ndarray = own + self._stars_N[item_R]
        return summed + self._rating.taste * self._affinities.taste(agent_R, item_R)

    def _constant(self, agent_R: np.ndarray, items_RS: np.ndarray) -> np.ndarray:
        """(R, S) the part of the appeal that does not change in a run."""
        interest_RS = self._watch.interest * self._affinities.interest(agent_R, items_RS).astype(np.float64)
        category_RS = self._watch.category * self._affinities.category(agent_R, items_RS).astype(np.float64)
        return interest_RS + category_RS + self._item_N[items_RS]

    def _recent(self, agent_R: np.ndarray, watched_RB: np.ndarray) -> np.ndarray:
        both_RB = np.concatenate([self._past_AB[agent_R], watched_RB], axis=1)
        return recent_vectors(both_RB, self._affinities.text_ND)


def recent_vectors(items_RB: np.ndarray, text_ND: np.ndarray) -> np.ndarray:
    """(R, D) unit rows: mean text of the last ten items of each row, newest last; 0 without any. -1 is no item."""
    is_item_RB = items_RB >= 0
    n_newer_RB = is_item_RB[:, ::-1].cumsum(axis=1)[:, ::-1] - is_item_RB
    counts_RB = is_item_RB & (n_newer_RB < RECENT)
    sum_RD = (text_ND[np.maximum(items_RB, 0)] * counts_RB[:, :, None]).sum(axis=1)
    norm_R1 = np.sqrt((sum_RD * sum_RD).sum(axis=1, keepdims=True))
    unit_RD: np.ndarray = sum_RD / np.maximum(norm_R1, 1e-6)
    return unit_RD


def last_items(histories: Ragged, n: int = RECENT) -> np.ndarray:
    """(A, n) int32 last items of each history, newest last, -1 before the first."""
    place_An = histories.offsets[1:, None] - np.arange(n, 0, -1)
    is_item_An = place_An >= histories.offsets[:-1, None]
    if not len(histories.values):
        return np.full(place_An.shape, -1, dtype=np.int32)
    last: np.ndarray = np.where(is_item_An, histories.values[np.maximum(place_An, 0)], -1).astype(np.int32)
    return last


def typical_items(count_N: np.ndarray) -> np.ndarray:
    """Items at evenly spaced places of all interactions, or of the catalogue if there are none."""
    weight_N = count_N.astype(np.float64) if count_N.any() else np.ones(len(count_N))
    places = (np.arange(_TYPICAL) + 0.5) / _TYPICAL
    return np.minimum(np.searchsorted(weight_N.cumsum() / weight_N.sum(), places), len(count_N) - 1)


def with_interests(people: People, edited: dict[int, str], facts: ItemFacts) -> Population:
    """Population in which agents with edited interests took the popular items of these; no match leaves an agent as is.

    Parameters
    ----------
    edited
        Interests by agent, words separated by commas.
    """
    population = people.population
    histories, ratings = list(population.histories), list(Ragged(population.ratings, population.histories.offsets))
    taste_AE = population.taste_AE.copy()
    mean_A = population.mean_rating_A.copy()
    labels = _labels(facts)
    for agent, interest in edited.items():
        words = [word for part in interest.replace(";", ",").split(",") for word in genres_named(part)]
        matching = np.flatnonzero([any(word in label for word in words) for label in labels])
        if not len(matching):
            continue
        taken = matching[np.argsort(-facts.count_N[matching], kind="stable")[:_OF_INTEREST]]
        histories[agent], ratings[agent] = taken, np.full(len(taken), np.nan, dtype=np.float32)
        unrated = Ragged(taken, offsets_from_lengths(np.array([len(taken)])))
        taste_AE[agent] = taste_vectors(unrated, ratings[agent], facts.unit_NE)[0]
    ragged = Ragged.from_lists(histories)
    return replace(
        population, histories=ragged, ratings=np.concatenate(ratings), taste_AE=taste_AE, mean_rating_A=mean_A
    )


def genres_named(interest: str) -> tuple[str, ...]:
    """Genres that an interest names, in lower case: "romantic movies" names romance; none for an empty text."""
    word = interest.strip().lower().removesuffix(" movies").removesuffix(" films")
    return GENRES_OF.get(word, (word,) if word else ())


def _labels(facts: ItemFacts) -> list[str]:
    """Categories of each item in one lower-case text."""
    if "categories" not in facts.items.columns:
        return [""] * len(facts)
    column = facts.items["categories"]
    texts = column.list.join(", ") if column.dtype == pl.List else column.cast(pl.String)
    return texts.fill_null("").str.to_lowercase().to_list()


def _keys_of(histories: Ragged, n_items: int) -> np.ndarray:
    agents = np.repeat(np.arange(len(histories)), histories.lengths)
    keys: np.ndarray = agents * n_items + histories.values
    return keys
