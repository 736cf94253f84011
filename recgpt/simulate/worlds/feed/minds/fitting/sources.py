"""A data set split for the fit into a known part, with an agent for each user, and held-out interactions.

Shapes: R events, A agents, N items, E embedding width, L items of a list, K of a ranking.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.encode import embeddings_for
from recgpt.recommenders import make
from recgpt.simulate import rng
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import from_agent4rec, from_dataset, known_part
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE

HELD_OUT_USERS = 0.2
MAX_PAGES = 5


def is_held_out(seed: int, users: np.ndarray) -> np.ndarray:
    """Mask of the users that nothing is fitted on."""
    return rng.uniform(seed, users, step=0, purpose="held out")[:, 0] < HELD_OUT_USERS


@dataclass(frozen=True)
class Source:
    """A whole data set, its known part, and an agent for each user of the known part.

    Attributes
    ----------
    facts, population, affinities
        Of the known part.
    agent_of_user
        By dense user of the whole data set; -1 where there is none.
    """

    dataset: Dataset
    known: Dataset
    embeddings_NE: np.ndarray
    facts: ItemFacts
    population: Population
    affinities: Affinities
    agent_of_user: np.ndarray

    @classmethod
    def of(
        cls, dataset: Dataset, encoder: str, seed: int, published: dict[str, pl.DataFrame] | None = None
    ) -> "Source":
        """Make agents of the users, with the published traits where there are such tables."""
        known = known_part(dataset)
        embeddings_NE = embeddings_for(dataset, encoder)
        facts = ItemFacts.of(known, embeddings_NE)
        if published is None:
            population = from_dataset(dataset, facts, n_agents=known.n_users, seed=seed)
        else:
            population = from_agent4rec(dataset, published, facts, n_agents=known.n_users, seed=seed)
        agent_of_user = np.full(dataset.n_users, -1)
        agent_of_user[population.user_A] = np.arange(len(population))
        return cls(dataset, known, embeddings_NE, facts, population, Affinities(population, facts), agent_of_user)

    def pair_ids(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """(R,) one number for each pair of a user and an item."""
        return users.astype(np.int64) * self.dataset.n_items + items

    def held_events(self) -> np.ndarray:
        """(R,) mask of the events of the whole data set that are not in its known part."""
        known, events = self.known.interactions, self.dataset.interactions
        users = self.dataset.user_map.to_dense(self.known.user_map.ids)[known.user]
        return ~np.isin(self.pair_ids(events.user, events.item), self.pair_ids(users, known.item))

    def lists(self, agents_A: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """(A, L) lists in several orders, without known items. `own`: held-out items interleaved with a ranking."""
        length = MAX_PAGES * PUBLISHED_PAGE
        histories = self.population.histories[agents_A]
        recommenders = {"popular": make("popularity"), "hybrid_knn": make("hybrid_knn", embeddings=self.embeddings_NE)}
        lists = {
            name: recommender.fit(self.known).rank(histories, length, exclude="history").ids
            for name, recommender in recommenders.items()
        }
        generator = np.random.default_rng(seed)
        is_known = np.zeros((len(agents_A), self.dataset.n_items), dtype=bool)
        is_known[np.repeat(np.arange(len(agents_A)), histories.lengths), histories.values] = True
        lists["random"] = np.argsort(np.where(is_known, 2, generator.random(is_known.shape)), axis=1)[:, :length]
        held = self.dataset.interactions.select(self.held_events())
        own = []
        for user, ranked in zip(self.population.user_A[agents_A], lists["hybrid_knn"], strict=True):
            mine = generator.permutation(held.item[held.user == user])[: length // 2]
            own.append(np.stack([mine, ranked[: len(mine)]], axis=1).ravel())
        lists["own"] = filled(own, lists["hybrid_knn"], length)
        return lists


def filled(first: Iterable[np.ndarray], then_AK: np.ndarray, length: int) -> np.ndarray:
    """(A, length) each of `first`, then of `then_AK`, without repeats."""
    rows = [
        list(dict.fromkeys([*map(int, head), *map(int, tail)]))[:length]
        for head, tail in zip(first, then_AK, strict=True)
    ]
    return np.array(rows, dtype=np.int64)
