"""Public facts of a catalogue that agents can see: titles, descriptions, mean ratings, popularity.

    facts = ItemFacts.of(known, embeddings_NE)     # known: training interactions and catalogue

Shapes: N items, E embedding width, C categories.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.data.dataset import Dataset
from recgpt.evaluate.beyond_accuracy import category_weights
from recgpt.features.text_similarity import whitened_unit_rows

SHRINKAGE = 5.0  # pseudo-ratings at the global mean that an item's mean rating is shrunk with


@dataclass(frozen=True)
class ItemFacts:
    """Facts of every item of one catalogue.

    Attributes
    ----------
    items
        Table of the catalogue, one row per item: title and, if known, categories and description.
    count_N
        (N,) float32 numbers of interactions.
    mean_rating_N
        (N,) float32 mean ratings, shrunk toward the global mean; NaN without ratings.
    unit_NE
        (N, E) float32 whitened text embeddings, unit rows.
    categories_NC
        (N, C) weights of an item's categories; None if the catalogue has none.
    n_users
        Number of users with interactions.
    """

    items: pl.DataFrame
    count_N: np.ndarray
    mean_rating_N: np.ndarray
    unit_NE: np.ndarray
    categories_NC: sparse.csr_array | None
    n_users: int

    def __len__(self) -> int:
        return len(self.count_N)

    @classmethod
    def of(cls, known: Dataset, embeddings_NE: np.ndarray) -> "ItemFacts":
        """Compute the facts from a data set; without ratings, from the column `mean_rating` of the catalogue, if any.

        Raises
        ------
        DataError
            An embedding with NaN or infinity.
        """
        events, n_items = known.interactions, known.n_items
        return cls(
            known.items,
            np.bincount(events.item, minlength=n_items).astype(np.float32),
            _mean_ratings(known),
            whitened_unit_rows(embeddings_NE),
            category_weights(known.items),
            len(np.unique(events.user)),
        )


def _mean_ratings(known: Dataset) -> np.ndarray:
    events, n_items = known.interactions, known.n_items
    if events.rating is None or not np.isfinite(events.rating).any():
        if "mean_rating" in known.items.columns:
            return known.items["mean_rating"].cast(pl.Float32).fill_null(np.nan).to_numpy()
        return np.full(n_items, np.nan, dtype=np.float32)
    rated = np.isfinite(events.rating)
    item, rating = events.item[rated], events.rating[rated].astype(np.float64)
    sum_N = np.bincount(item, rating, minlength=n_items)
    count_N = np.bincount(item, minlength=n_items)
    return ((sum_N + SHRINKAGE * rating.mean()) / (count_N + SHRINKAGE)).astype(np.float32)
