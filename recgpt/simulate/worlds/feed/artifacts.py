"""Artifacts of a run: the files from which it is read without its data set."""

import io
import json

import numpy as np
import polars as pl

from recgpt.bounds import load_npz, parse_json
from recgpt.errors import StoreError
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.store import Run

POPULATION, ITEMS, FACTS, REAL_STARS = "population.parquet", "items.parquet", "facts.npz", "real_stars.json"


def artifacts_of(population: Population, facts: ItemFacts, real_stars: np.ndarray) -> dict[str, bytes]:
    """Content of each artifact by its name.

    Parameters
    ----------
    real_stars
        (5,) real ratings of 1 to 5 stars.
    """
    items, arrays = io.BytesIO(), io.BytesIO()
    facts.items.write_parquet(items)
    np.savez(
        arrays,
        count_N=facts.count_N,
        mean_rating_N=facts.mean_rating_N,
        unit_NE=facts.unit_NE.astype(np.float16),
        n_users=facts.n_users,
    )
    return {
        POPULATION: population.to_parquet(),
        ITEMS: items.getvalue(),
        FACTS: arrays.getvalue(),
        REAL_STARS: json.dumps(real_stars.tolist()).encode(),
    }


def stored_population(run: Run) -> Population:
    """The agents of a run."""
    return Population.from_parquet(run.artifact(POPULATION))


def stored_facts(run: Run) -> ItemFacts:
    """The catalogue as the run's agents saw it."""
    items = pl.read_parquet(io.BytesIO(run.artifact(ITEMS)))
    arrays = load_npz(run.artifact(FACTS), f"{run.path}: {FACTS}")
    return ItemFacts(
        items,
        arrays["count_N"],
        arrays["mean_rating_N"],
        arrays["unit_NE"].astype(np.float32),
        None,
        int(arrays["n_users"]),
    )


def stored_real_stars(run: Run) -> np.ndarray:
    """(5,) real ratings of 1 to 5 stars in the known part of the run's data set."""
    return np.array(parse_json(run.artifact(REAL_STARS), f"{run.path}: {REAL_STARS}", StoreError))
