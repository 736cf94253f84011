"""What can be known of a catalogue by those who browse it: names, summaries, ratings, how many took each item.

    facts = ItemFacts.of(known, embeddings_NE)     # known: the part of the data set that agents and recommenders know

Shapes: N items, E embedding width, C categories.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.data.dataset import Dataset
from recgpt.evaluate.beyond_accuracy import category_weights
from recgpt.features.text_similarity import whitened_unit_rows

SHRINKAGE = 5.0  # an item's mean rating is drawn to the mean of all by so many ratings


@dataclass(frozen=True)
class ItemFacts:
    """One catalogue, as its visitors see it.

    Attributes
    ----------
    items
        The catalogue's table, a row an item: title, categories, description as there are.
    count_N
        (N,) float32 interactions known.
    mean_rating_N
        (N,) float32 mean of the known ratings, drawn to the mean of all; NaN where no rating is known.
    unit_NE
        (N, E) float32 whitened text embeddings, unit rows.
    categories_NC
        (N, C) shares of an item's categories; None where the catalogue has none.
    n_users
        Whose interactions are known.
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
        """Read them from what is known. A column `mean_rating` of the catalogue counts where there are no ratings.

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
