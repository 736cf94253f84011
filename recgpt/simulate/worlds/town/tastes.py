"""Tastes, traits and made-up pasts of residents, for the fitted models of the feed.

population = population_of(people, tags, facts, seed=0)
population.taste_AE                       # the latent tastes
population.histories                      # items taken before the run

A taste is a vector in the space of the items' texts: for each kind of item the mean vector of the tags that the
interests name, of two tags drawn with the seed where they name none. Items of the past are drawn by the feed's fitted
model of preference, ratings by its model of stars, both with that taste.

Shapes: A residents, N items, E embedding width, M items of a kind.
"""

from dataclasses import replace

import numpy as np

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.simulate import rng
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.domains.texts import tag_of
from recgpt.simulate.worlds.town.programme import KINDS
from recgpt.simulate.worlds.town.residents import People, Resident

TAKEN = {"film": 6, "book": 6, "dish": 4}
"""Items of a resident's past."""
_DRAWN_TAGS = 2
_WORD = 5  # letters at which words of interests and tags are compared: gardening, gardens
_CLASSES = (1 / 3, 2 / 3)
_AT_ONCE = 256  # residents, so that the products with all items fit into memory


def population_of(people: People, tags: list[tuple[str, ...]], facts: ItemFacts, seed: int) -> Population:
    """Residents as agents of the feed's models; `user_A` numbers them.

    Classes of traits: activity follows openness, diversity the number of interests, conformity agreeableness.

    Parameters
    ----------
    tags
        Of each item.
    """
    residents = people.residents
    n_residents = len(residents)
    taste_AE = tastes_of(people, tags, facts, seed)
    unknown_A = np.full(n_residents, np.nan, dtype=np.float32)
    population = Population(
        user_A=np.arange(n_residents),
        activity_A=_classes([each.openness for each in residents]),
        diversity_A=_classes([len(each.interests) / 6 for each in residents]),
        conformity_A=_classes([1 - each.agreeableness for each in residents]),
        n_ratings_A=np.zeros(n_residents, dtype=np.float32),
        n_genres_A=np.array([len(each.interests) for each in residents], dtype=np.float32),
        rating_deviation_A=unknown_A,
        mean_rating_A=unknown_A,
        histories=Ragged(np.empty(0, dtype=np.int64), np.zeros(n_residents + 1, dtype=np.int64)),
        ratings=np.empty(0, dtype=np.float32),
        taste_AE=taste_AE,
        tastes=[(f"I like {', '.join(each.interests)}.",) if each.interests else () for each in residents],
        high_rating_tendency=[""] * n_residents,
        low_rating_tendency=[""] * n_residents,
        made_from="residents of a town, with tastes that follow from their interests and a made-up past",
    )
    return _with_past(population, facts, seed)


def tastes_of(people: People, tags: list[tuple[str, ...]], facts: ItemFacts, seed: int) -> np.ndarray:
    """(A, E) float32 unit rows, see the module."""
    kind_N = facts.items["kind"].to_numpy()
    taste_AE = np.zeros((len(people), facts.unit_NE.shape[1]))
    for kind in KINDS:
        items = np.flatnonzero(kind_N == kind)
        names = sorted({tag for item in items.tolist() for tag in tags[item]})
        if not names:
            continue
        mean_of = {name: _mean([item for item in items.tolist() if name in tags[item]], facts) for name in names}
        u_AG = rng.uniform(seed, np.arange(len(people)), step=0, purpose=f"taste: {kind}", n=len(names))
        for agent, resident in enumerate(people.residents):
            liked = liked_tags(resident, names) or [names[tag] for tag in np.argsort(u_AG[agent])[:_DRAWN_TAGS]]
            taste_AE[agent] += _unit(np.sum([mean_of[name] for name in liked], axis=0))
    return _unit(taste_AE).astype(np.float32)


def liked_tags(resident: Resident, names: list[str]) -> list[str]:
    """Tags that the interests of a resident name, compared by the beginnings of their words."""
    starts = {word[:_WORD] for text in resident.interests for word in tag_of(text).split()}
    return [name for name in names if any(word[:_WORD] in starts for word in name.split())]


def _mean(items: list[int], facts: ItemFacts) -> np.ndarray:
    mean_E: np.ndarray = facts.unit_NE[items].astype(np.float64).mean(axis=0)
    return mean_E


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: np.ndarray = rows / np.where(lengths > 0, lengths, 1)
    return unit


def _classes(figures: list[float]) -> np.ndarray:
    """(A,) int8 classes from 1 to 3 of figures from 0 to 1."""
    return (1 + np.searchsorted(_CLASSES, figures, side="right")).astype(np.int8)


def _with_past(population: Population, facts: ItemFacts, seed: int) -> Population:
    """The residents with items that they took before the run, in an order drawn with the seed, and their ratings."""
    fitted, affinities = Parameters.load(), Affinities(population, facts)
    agents = np.arange(len(population))
    blocks = [agents[start : start + _AT_ONCE] for start in range(0, len(agents), _AT_ONCE)]
    parts = [_past(block, affinities, fitted, facts, seed) for block in blocks]
    taken_AK = np.concatenate([taken for taken, _ in parts])
    reached_AK = np.concatenate([center for _, center in parts])
    reached_AK += _spread(population, fitted)[:, None] * _logistic(seed, agents, "past stars", taken_AK.shape[1])
    ratings_AK = (np.searchsorted(fitted.rating.thresholds, reached_AK) + 1).astype(np.float32)
    return replace(
        population,
        histories=Ragged(taken_AK.ravel(), offsets_from_lengths(np.full(len(agents), taken_AK.shape[1]))),
        ratings=ratings_AK.ravel(),
        mean_rating_A=ratings_AK.mean(axis=1),
        n_ratings_A=np.full(len(agents), taken_AK.shape[1], dtype=np.float32),
    )


def _past(
    agents: np.ndarray, affinities: Affinities, fitted: Parameters, facts: ItemFacts, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(A, K) int64 items of the past, and (A, K) sums of the terms of their stars other than noise."""
    interest_AN = affinities.interest(agents, np.broadcast_to(np.arange(len(facts)), (len(agents), len(facts))))
    quality_N, popularity_N = affinities.quality_N, affinities.popularity_N
    preference = fitted.preference
    appeal_AN = (
        preference.interest * interest_AN + preference.quality * quality_N + preference.popularity * popularity_N
    )
    u_AN = np.clip(rng.uniform(seed, agents, step=0, purpose="past", n=len(facts)), 1e-12, 1 - 1e-12)
    drawn_AN = appeal_AN - np.log(-np.log(u_AN))  # Gumbel noise: drawn without repeats, in proportion to exp(appeal)
    kind_N = facts.items["kind"].to_numpy()
    taken = []
    for kind in KINDS:
        items = np.flatnonzero(kind_N == kind)
        taken.append(items[np.argsort(-drawn_AN[:, items], axis=1, kind="stable")[:, : TAKEN[kind]]])
    taken_AK = np.concatenate(taken, axis=1).astype(np.int64)
    u_AK = rng.uniform(seed, agents, step=0, purpose="past order", n=taken_AK.shape[1])
    taken_AK = np.take_along_axis(taken_AK, np.argsort(u_AK, axis=1), axis=1)
    interest_AK = np.take_along_axis(interest_AN, taken_AK, axis=1)
    return taken_AK, fitted.rating.taste * interest_AK + fitted.rating.quality * quality_N[taken_AK]


def _spread(population: Population, fitted: Parameters) -> np.ndarray:
    """(A,) spread of the stars of each resident."""
    spread_A: np.ndarray = np.array(fitted.rating.spread_by_conformity)[population.conformity_A.astype(np.int64) - 1]
    return spread_A


def _logistic(seed: int, agents: np.ndarray, purpose: str, n: int) -> np.ndarray:
    """(A, n) draws of the standard logistic distribution."""
    u_An = np.clip(rng.uniform(seed, agents, step=0, purpose=purpose, n=n), 2.0**-54, 1 - 2.0**-54)
    drawn_An: np.ndarray = np.log(u_An / (1 - u_An))
    return drawn_An
