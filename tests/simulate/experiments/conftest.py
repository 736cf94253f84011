"""A made-up world for experiments: films of four genres, and people who each love one of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.recommenders import make as make_registered
from recgpt.simulate.agents.sources import from_dataset, known_part
from recgpt.simulate.experiments import Lab
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.world import Setting

N_USERS, N_ITEMS, N_TAKEN, GENRES = 60, 480, 50, ("Drama", "Comedy", "Action", "Horror")


def make_lab(*, loyalty: float, preference: dict[str, float] | None = None, **recommenders: Callable[[], Any]) -> Lab:
    """A world in which popularity falls with the item's id, and genre is the id modulo 4.

    Parameters
    ----------
    loyalty
        How many times as often one takes an item of one's own genre; 1 for people without taste.
    preference
        Coefficients of the agents' choice; where any are given, they are all there is to it.
    """
    rng = np.random.default_rng(11)
    weight_N, genre_N = 1 / (20 + np.arange(N_ITEMS)), np.arange(N_ITEMS) % len(GENRES)
    taken = []
    for user in range(N_USERS):
        weights = weight_N * np.where(genre_N == user % len(GENRES), loyalty, 1)
        taken.append(rng.choice(N_ITEMS, N_TAKEN, replace=False, p=weights / weights.sum()))
        rng.shuffle(taken[-1])  # what is held out is no less popular
    events = pl.DataFrame(
        {
            "user_id": np.repeat(np.arange(N_USERS), N_TAKEN),
            "item_id": np.concatenate(taken),
            "position": np.tile(np.arange(N_TAKEN), N_USERS),
            "rating": rng.integers(1, 6, N_USERS * N_TAKEN).astype(np.float32),
        }
    )
    items = {
        "item_id": np.arange(N_ITEMS),
        "title": [f"Film {item}" for item in range(N_ITEMS)],
        "categories": [GENRES[genre] for genre in genre_N],
    }
    dataset = Dataset.from_frames("made-up", events, pl.DataFrame(items))
    known = known_part(dataset)
    embeddings_NE = np.eye(len(GENRES), 8)[genre_N] + 0.3 * rng.standard_normal((N_ITEMS, 8))
    facts = ItemFacts.of(known, embeddings_NE.astype(np.float32))
    population = from_dataset(dataset, facts, n_agents=N_USERS, seed=0)
    of_known = [set(history.tolist()) for history in population.histories]
    held_out = [
        [item for item in dataset.sequences[int(user)].tolist() if item not in seen]
        for user, seen in zip(population.user_A, of_known, strict=True)
    ]
    parameters = Parameters.load()
    if preference is not None:
        nothing = dict.fromkeys(("interest", "category", "quality", "popularity"), 0.0)
        flat = {"preference": 1.0, "quality": 0.0, "popularity": 0.0, "memory": 0.0}
        parameters = parameters.model_copy(
            update={
                "preference": parameters.preference.model_copy(update={**nothing, **preference}),
                "align": parameters.align.model_copy(update=flat),
            }
        )

    def make(name: str) -> Any:
        return recommenders[name]() if name in recommenders else make_registered(name)

    return Lab(Setting(known, facts, population, Ragged.from_lists(held_out)), make, parameters, 0)


@pytest.fixture(scope="session")
def lab_of() -> Callable[..., Lab]:
    """Makes labs; see `make_lab`."""
    return make_lab


@pytest.fixture(scope="session")
def loyal() -> Lab:
    """People who love a genre, and agents who choose by it."""
    return make_lab(loyalty=20, preference={"category": 3.0})
