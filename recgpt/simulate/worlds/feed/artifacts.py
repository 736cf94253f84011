"""Artifacts of a run, from which it is read without its data set."""

import io

import numpy as np
import polars as pl

from recgpt.simulate.items import ItemFacts
from recgpt.simulate.store import Run


def stored_facts(run: Run) -> ItemFacts:
    """The catalogue as the run's agents saw it, from the run's artifacts."""
    items = pl.read_parquet(io.BytesIO(run.artifact("items.parquet")))
    arrays = np.load(io.BytesIO(run.artifact("facts.npz")), allow_pickle=False)
    return ItemFacts(
        items,
        arrays["count_N"],
        arrays["mean_rating_N"],
        arrays["unit_NE"].astype(np.float32),
        None,
        int(arrays["n_users"]),
    )
