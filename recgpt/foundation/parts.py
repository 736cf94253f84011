"""Parts of a domain: catalogues of their own, each of items whose texts are alike.

    for part, rows in parts_of(dataset, embeddings_NE, seed=0):
        embeddings_NE[rows]                                # those of the part's items

What a network learns is what evidence is worth in a catalogue, so it is catalogues that it cannot have enough of. A
shop's novels and its cookery books differ in density, in how fast taste moves, and in how much a text tells.
"""

import copy
from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans

from recgpt.data.dataset import Dataset
from recgpt.evidence.texts import unit_rows

PART_ITEMS = 5_000  # a domain of fewer than twice as many is not divided
MOST_PARTS = 4
FEWEST_RECORDS = 3  # of a user in a part


def n_parts(n_items: int) -> int:
    """Into how many parts a catalogue is divided; 1 for not at all."""
    return min(MOST_PARTS, max(1, n_items // PART_ITEMS))


def parts_of(dataset: Dataset, embeddings_NE: np.ndarray, seed: int = 0) -> Iterator[tuple[Dataset, np.ndarray]]:
    """Divide a domain by what its texts are about (k-means); users with fewer than three events in a part are left out.

    Parameters
    ----------
    embeddings_NE : (N, E) of the domain's items.
    seed : of the first centres.

    Yields
    ------
    The part, and the rows of its items in the domain, ascending.
    """
    wanted = n_parts(dataset.n_items)
    if wanted < 2:
        return
    cluster_N = KMeans(wanted, n_init=1, random_state=seed).fit_predict(unit_rows(np.asarray(embeddings_NE)))
    user, item = dataset.interactions.user, dataset.interactions.item
    for cluster in range(wanted):
        inside = cluster_N[item] == cluster
        kept = inside & (np.bincount(user[inside], minlength=dataset.n_users)[user] >= FEWEST_RECORDS)
        if not kept.any():
            continue
        part = copy.copy(dataset.select(kept, unmet_items=False))
        part.name = f"{dataset.name}.{cluster}"
        yield part, np.unique(item[kept])
