"""Subdomains: splits of a training data set into smaller catalogues by text similarity.

    for part, rows in split_by_cluster(dataset, cluster_items(embeddings_NE, seed=0)):
        embeddings_NE[rows]                                # embeddings of the subdomain's items

Meta-training needs many catalogues, as each is one example of how predictive texts and counts are. Subdomains of one
shop, such as novels and cookery books, differ in density, in drift over time and in the value of texts.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans

from recgpt.data.dataset import Dataset
from recgpt.features.text_similarity import unit_rows

SUBDOMAIN_ITEMS = 5_000  # least mean size; data sets of fewer than 10,000 items are not split
MAX_SUBDOMAINS = 4
MIN_USER_EVENTS = 3  # interactions of a user in a subdomain


def n_subdomains(n_items: int) -> int:
    """Number of subdomains of a data set with `n_items` items; 1 if it is not split."""
    return min(MAX_SUBDOMAINS, max(1, n_items // SUBDOMAIN_ITEMS))


def cluster_items(embeddings_NE: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N,) uint8 cluster of each item, by k-means on unit text embeddings.

    Parameters
    ----------
    embeddings_NE
        (N, E) text embeddings of the data set's items.
    seed
        Seed of the initial centres.
    """
    n_clusters = n_subdomains(len(embeddings_NE))
    found_N = KMeans(n_clusters, n_init=1, random_state=seed).fit_predict(unit_rows(np.asarray(embeddings_NE)))
    return found_N.astype(np.uint8)


def split_by_cluster(dataset: Dataset, part_N: np.ndarray) -> Iterator[tuple[Dataset, np.ndarray]]:
    """Split a data set into subdomains; users with fewer than three interactions in one are left out of it.

    Parameters
    ----------
    part_N
        (N,) cluster of each item.

    Yields
    ------
    The subdomain, and the rows of its items in `dataset`, ascending.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    for number in np.unique(part_N):
        inside = part_N[item] == number
        kept = inside & (np.bincount(user[inside], minlength=dataset.n_users)[user] >= MIN_USER_EVENTS)
        if not kept.any():
            continue
        part = dataset.select(kept, keep_cold_items=False)
        part.name = f"{dataset.name}.{number}"
        yield part, np.unique(item[kept])
