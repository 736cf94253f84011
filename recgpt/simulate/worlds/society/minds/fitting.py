"""Fit of the scripted mind's choice among items of a page, and of its stars, to real people.

    people = RealPeople.read("recagent", "movielens_1m")
    pages = pages_of(people, seed=0)
    coefficients = fit_watch(pages, newcomers_of(people, pages, seed=0))

Choice: each of a person's later items stands on a page beside four that the person never took, two at random and two as
popular; the model is the softmax by which the mind chooses on a page. Once with the person's past, once as a newcomer,
of whom a society knows only interests and what it watched in the run. Users are split as in the feed's fit, see
`recgpt.simulate.worlds.feed.minds.fitting`. Whether a page is left, turned or searched from cannot be fitted: no data
have the pages that people saw.

Shapes: R pages, S items of a page (the taken one first), F features, U users, N items, B latest items.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import optimize

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.simulate.agents.sources import from_dataset, known_part
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.fitting.models import RIDGE, FloatArray
from recgpt.simulate.worlds.feed.minds.fitting.people import MOST_EVENTS, fit_rating, negatives
from recgpt.simulate.worlds.feed.minds.fitting.sources import Source, is_held_out
from recgpt.simulate.worlds.feed.minds.parameters import Rating
from recgpt.simulate.worlds.gym.domains.texts import tags_in, text_vectors
from recgpt.simulate.worlds.society.catalogue import demographics, load_catalogue
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.minds.tastes import RECENT, recent_vectors
from recgpt.simulate.worlds.society.profile_lifts import group_lifts, groups_of
from recgpt.simulate.worlds.society.sources_of_people import interests_of, tastes_of_interests

FEATURES = ("interest", "recent", "category", "quality", "popularity")
"""Features of a page's items: the coefficients of `Watch` that data have."""
PROFILE = ("age and gender", "job")
"""Features beyond the mind's, see `profile_lifts`."""
_OTHERS = 2  # items of each kind that were not taken, on a page


@dataclass(frozen=True)
class RealPeople:
    """Real users with films that they took.

    Attributes
    ----------
    source
        Data set, its known part, and an agent for each user.
    newcomers
        Features of the same people without their past, whose tastes follow from their three most frequent genres.
    users
        Table with user_id, age, gender and occupation; None without one.
    """

    source: Source
    newcomers: Affinities
    users: pl.DataFrame | None

    @classmethod
    def read(cls, dataset: str, past: str | None, mean_rating_N: np.ndarray | None = None) -> "RealPeople":
        """Read a catalogue and its past as a society does.

        Parameters
        ----------
        mean_rating_N
            (N,) mean ratings of the films, for data without ratings.
        """
        catalogue = load_catalogue(SocietyConfig(dataset=dataset, past=past))
        source = source_of(catalogue.dataset, catalogue.unit_NE, mean_rating_N)
        population = source.population
        interests = interests_of(population.histories, catalogue.tags)
        newcomers = replace(
            population,
            histories=Ragged(np.empty(0, dtype=np.int64), np.zeros(len(population) + 1, dtype=np.int64)),
            ratings=np.empty(0, dtype=np.float32),
            taste_AE=tastes_of_interests(interests, catalogue.tags, source.facts, seed=0),
        )
        table = demographics(catalogue)
        return cls(source, Affinities(newcomers, source.facts), None if table is None else table[1])


@dataclass(frozen=True)
class Pages:
    """Choices of real people.

    Attributes
    ----------
    row_R, user_R
        (R,) row of the taken item in the data set, and its dense user.
    items_RS
        (R, S) the taken item, two at random, two as popular.
    x_RSF
        (R, S, F) features in the order of `FEATURES`.
    n_before_R
        (R,) films before this one that the person's recent taste is made of, at most `RECENT`.
    is_held_out_R
        (R,) bool, pages of users that nothing is fitted on.
    """

    row_R: np.ndarray
    user_R: np.ndarray
    items_RS: np.ndarray
    x_RSF: FloatArray
    n_before_R: np.ndarray
    is_held_out_R: np.ndarray

    def where(self, chosen_R: np.ndarray) -> "Pages":
        """Pages that a mask chooses."""
        return Pages(**{each.name: getattr(self, each.name)[chosen_R] for each in fields(self)})


def source_of(dataset: Dataset, unit_NE: np.ndarray, mean_rating_N: np.ndarray | None = None) -> Source:
    """A data set, its known part and an agent for each user, with the vectors of a society."""
    known = known_part(dataset)
    facts = ItemFacts.of(known, unit_NE)
    means_N = facts.mean_rating_N if mean_rating_N is None else mean_rating_N.astype(np.float32)
    facts = ItemFacts(facts.items, facts.count_N, means_N, unit_NE, facts.categories_NC, facts.n_users)
    population = from_dataset(dataset, facts, n_agents=known.n_users, seed=0)
    agent_of_user = np.full(dataset.n_users, -1)
    agent_of_user[population.user_A] = np.arange(len(population))
    affinities = Affinities(population, facts)
    return Source(dataset, known, unit_NE, facts, population, affinities, agent_of_user)


def pages_of(people: RealPeople, seed: int) -> Pages:
    """A page for each later item of each user, `MOST_EVENTS` of a user at most."""
    source = people.source
    row_R = np.flatnonzero(source.held_events())
    user_R = source.dataset.interactions.user[row_R]
    few_R = np.arange(len(row_R)) - np.searchsorted(user_R, user_R) < MOST_EVENTS
    row_R, user_R = row_R[few_R], user_R[few_R]
    item_R = source.dataset.interactions.item[row_R].astype(np.int64)
    others = [negatives(source, user_R, item_R, seed + n, as_popular=n >= _OTHERS) for n in range(2 * _OTHERS)]
    items_RS = np.stack([item_R, *others], axis=1)
    before_RB = _items_before(source.dataset, user_R, row_R)
    x_RSF = _features(source, source.affinities, user_R, items_RS, before_RB)
    return Pages(row_R, user_R, items_RS, x_RSF, (before_RB >= 0).sum(axis=1), is_held_out(seed, user_R))


def newcomers_of(people: RealPeople, pages: Pages, seed: int) -> Pages:
    """The same pages for people without a past, of whom 0 to 10 films before this one are known."""
    n_before_R = np.random.default_rng(seed).integers(0, RECENT + 1, len(pages.user_R))
    before_RB = _items_before(people.source.dataset, pages.user_R, pages.row_R)
    before_RB = np.where(np.arange(RECENT) >= RECENT - n_before_R[:, None], before_RB, -1)
    x_RSF = _features(people.source, people.newcomers, pages.user_R, pages.items_RS, before_RB)
    return replace(pages, x_RSF=x_RSF, n_before_R=(before_RB >= 0).sum(axis=1))


def _features(
    source: Source, affinities: Affinities, user_R: np.ndarray, items_RS: np.ndarray, before_RB: np.ndarray
) -> FloatArray:
    """(R, S, F) features of `FEATURES`."""
    agent_R = source.agent_of_user[user_R]
    recent_RD = recent_vectors(before_RB, affinities.text_ND)
    columns = [
        affinities.interest(agent_R, items_RS),
        np.einsum("rd,rsd->rs", recent_RD, affinities.text_ND[items_RS]),
        affinities.category(agent_R, items_RS),
        affinities.quality_N[items_RS],
        affinities.popularity_N[items_RS],
    ]
    return np.stack(columns, axis=2).astype(np.float64)


def _items_before(dataset: Dataset, user_R: np.ndarray, row_R: np.ndarray) -> np.ndarray:
    """(R, B) latest items before each row of its user, newest last; -1 for none."""
    place_RB = row_R[:, None] - np.arange(RECENT, 0, -1)
    return np.where(place_RB >= dataset.offsets[user_R][:, None], dataset.interactions.item[place_RB], -1)


def profile_features(people: RealPeople, pages: Pages) -> FloatArray:
    """(R, S, 2) features of `PROFILE`: lifts by the known part of the pasts, which has no taken item of a page.

    Raises
    ------
    DataError
        Nothing is known of the users.
    """
    if people.users is None:
        raise DataError("age, gender and job need a table of the users, such as ml1m_users.csv beside item.csv")
    source = people.source
    events, facts = source.known.interactions, source.facts
    row_of_user = source.dataset.user_map.to_dense(source.known.user_map.ids)
    of_known_U = np.empty(source.dataset.n_users, dtype=np.int64)
    of_known_U[row_of_user] = np.arange(len(row_of_user))
    user_R1 = of_known_U[pages.user_R][:, None]
    return np.stack(
        [
            group_lifts(group_U, events.user, events.item, facts.count_N)[group_U[user_R1], pages.items_RS]
            for group_U in groups_of(source.known, people.users)
        ],
        axis=2,
    )


def fit_watch(pages: Pages, newcomers: Pages) -> FloatArray:
    """(F,) coefficients in the order of `FEATURES`, fitted on users that are not held out.

    Interest is fitted on newcomers of whom no film is known, and held for the others: beside recent films its own
    coefficient is negative, with which a newcomer would avoid its interests.
    """
    pages, newcomers = (each.where(~each.is_held_out_R) for each in (pages, newcomers))
    interest = conditional_logit(newcomers.where(newcomers.n_before_R == 0).x_RSF)[0]
    x_RSF = np.concatenate([pages.x_RSF, newcomers.x_RSF])
    others = conditional_logit(x_RSF[:, :, 1:], interest * x_RSF[:, :, 0])
    return np.append(interest, others)


def conditional_logit(x_RSF: FloatArray, weight_RS: FloatArray | float = 0.0) -> FloatArray:
    """(F,) coefficients by which the first item of each page is chosen with probability softmax(x · coefficients).

    Parameters
    ----------
    weight_RS
        Log weights that are added to those of the features.
    """

    def loss(weights_F: FloatArray) -> tuple[float, FloatArray]:
        p_RS = _softmax(x_RSF @ weights_F + weight_RS)
        slope_F = np.einsum("rs,rsf->f", p_RS, x_RSF) - x_RSF[:, 0].sum(axis=0) + RIDGE * weights_F
        return float(-np.log(p_RS[:, 0]).sum() + RIDGE / 2 * weights_F @ weights_F), slope_F

    found: FloatArray = optimize.minimize(loss, np.zeros(x_RSF.shape[2]), jac=True, method="L-BFGS-B").x
    return found


def _softmax(weight_RS: FloatArray) -> FloatArray:
    e_RS = np.exp(weight_RS - weight_RS.max(axis=1, keepdims=True))
    p_RS: FloatArray = e_RS / e_RS.sum(axis=1, keepdims=True)
    return p_RS


def judged_pages(x_RSF: FloatArray, weights_F: FloatArray, user_R: np.ndarray) -> dict[str, FloatArray]:
    """(users,) means over a user's pages: log loss, and pairs in which the taken item is above one of each kind."""
    weight_RS = x_RSF @ weights_F
    above_RS = (weight_RS[:, :1] > weight_RS[:, 1:]) + 0.5 * (weight_RS[:, :1] == weight_RS[:, 1:])
    of_pages = {
        "log loss": -np.log(_softmax(weight_RS)[:, 0]),
        "AUC against items at random": above_RS[:, :_OTHERS].mean(axis=1),
        "AUC against items as popular": above_RS[:, _OTHERS:].mean(axis=1),
    }
    _, number_R, n_U = np.unique(user_R, return_inverse=True, return_counts=True)
    return {name: np.bincount(number_R, value_R) / n_U for name, value_R in of_pages.items()}


def fit_stars(folder: Path, seed: int) -> tuple[Rating, dict[str, Any]]:
    """Model of stars of a data set with ratings, with the vectors of a society, and its report on held-out users."""
    dataset = Dataset.load(folder, repeats="drop")
    tags = [tags_in(text) for text in dataset.items["categories"].to_list()]
    source = source_of(dataset, text_vectors(dataset.items, tags))
    held = dataset.interactions.select(source.held_events())
    held = held.select(np.arange(len(held)) - np.searchsorted(held.user, held.user) < MOST_EVENTS)
    agents = source.agent_of_user[held.user]
    test = is_held_out(seed, held.user)
    return fit_rating(source, agents, held.item.astype(np.int64), np.asarray(held.rating), test)
