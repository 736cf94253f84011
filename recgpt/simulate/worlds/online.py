"""A recommender that is live in a world: it observes what agents take, and may be fitted again or replaced.

    live = LiveRecommender(recommender, known, population)
    live.observe(rows, seconds=3600)          # the events of a step; `watched` (or another kind) and `rated` count
    live.refit()                              # on everything watched so far
    live.replace(another)                     # fitted on everything watched so far

Shapes: A agents.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ids import IdMap
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.population import Population


class LiveRecommender:
    """A recommender, and the interactions that it has observed in a run.

    Parameters
    ----------
    recommender
        Recommender fitted on `known`.
    known
        Interactions before the run, with the catalogue.
    population
        The agents; those made from users of `known` keep their users.
    kind
        Kind of the events that are interactions.

    Attributes
    ----------
    recommender
        The recommender that serves now.
    user_A
        (A,) int64 user of each agent for the recommender; agents that share a user of `known` but the first, and those
        that are none, are numbered after its users.
    """

    def __init__(
        self, recommender: Recommender, known: Dataset, population: Population, *, kind: str = "watched"
    ) -> None:
        self.recommender = recommender
        self._kind = kind
        self._known = known
        self.user_A, self._n_users = _users(population, known.n_users)
        self._observed: list[Interactions] = []

    def observe(self, rows: pl.DataFrame, *, seconds: int) -> None:
        """Let the recommender observe the interactions of a step, with the stars of its `rated` events.

        Parameters
        ----------
        seconds
            Simulated seconds of the step, added to the last time of the known interactions.
        """
        watched = rows.filter(pl.col("kind") == self._kind)
        if len(watched):
            rated = rows.filter(pl.col("kind") == "rated")
            self._observed.append(self._interactions(watched, rated, seconds))
            self.recommender.observe(self._observed[-1])

    def refit(self) -> None:
        """Fit the recommender again, on everything watched so far."""
        self.recommender.fit(self.known_now())

    def replace(self, recommender: Recommender) -> None:
        """Let another recommender serve from now on, fitted on everything watched so far."""
        self.recommender = recommender
        self.refit()

    def known_now(self) -> Dataset:
        """Known interactions extended by the items watched in this run, after each agent's history.

        Agents that are not users of the data set are numbered after its users.
        """
        known = self._known
        parts = [known.interactions, *self._observed]
        order = np.argsort(np.concatenate([part.user for part in parts]), kind="stable")
        events = Interactions(
            np.concatenate([part.user for part in parts])[order],
            np.concatenate([part.item for part in parts])[order],
            _joined_columns([part.timestamp for part in parts], order),
            _joined_columns([part.rating for part in parts], order),
        )
        grown = self._n_users > known.n_users
        users = IdMap(pl.Series("user_id", range(self._n_users)), known.name) if grown else known.user_map
        return Dataset(
            name=known.name,
            path=known.path,
            manifest={**known.manifest, "users": self._n_users, "interactions": len(events)},
            items=known.items.lazy(),
            item_map=known.item_map,
            user_map=users,
            interactions=events,
            split=None,
        )

    def _interactions(self, watched: pl.DataFrame, rated: pl.DataFrame, seconds: int) -> Interactions:
        known = self._known.interactions
        times, stars = None, None
        if known.timestamp is not None:
            now = int(known.timestamp.max(initial=0)) + seconds
            times = np.full(len(watched), now, dtype=np.int64)
        if known.rating is not None:
            last = rated.unique(["agent", "item"], keep="last", maintain_order=True)  # an item may be watched twice
            of_watched = watched.select("agent", "item").join(
                last.select("agent", "item", "value"), on=["agent", "item"], how="left", maintain_order="left"
            )
            stars = of_watched["value"].fill_null(np.nan).to_numpy().astype(np.float32)
        users = self.user_A[watched["agent"].to_numpy()].astype(np.int32)
        return Interactions(users, watched["item"].to_numpy().astype(np.int32), times, stars)


def first_usable(ids_Ak: np.ndarray, usable_Ak: np.ndarray, size: int) -> np.ndarray:
    """(A, size) the first usable ids of each row, padded with -1."""
    nth_Ak = usable_Ak.cumsum(axis=1)
    row, column = np.nonzero(usable_Ak & (nth_Ak <= size))
    first_AS = np.full((len(ids_Ak), size), -1, dtype=np.int64)
    first_AS[row, nth_Ak[row, column] - 1] = ids_Ak[row, column]
    return first_AS


def _users(population: Population, n_users: int) -> tuple[np.ndarray, int]:
    """(A,) user id of each agent for the recommender, and the total number of users.

    The first agent made from a real user keeps its id; others get new ids.
    """
    _, first = np.unique(population.user_A, return_index=True)
    user_A = np.full(len(population), -1, dtype=np.int64)
    user_A[first] = population.user_A[first]
    n_users = max(n_users, int(user_A.max()) + 1)
    others = np.flatnonzero(user_A < 0)
    user_A[others] = n_users + np.arange(len(others))
    return user_A, n_users + len(others)


def _joined_columns(parts: Sequence[np.ndarray | None], order: np.ndarray) -> np.ndarray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present)[order] if present else None
