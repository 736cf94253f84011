"""Parts of a domain: catalogues of their own, each of items whose texts are alike.

    for part, rows in parts_of(dataset, alike(embeddings_NE, seed=0)):
        embeddings_NE[rows]                                # those of the part's items

What a network learns is what evidence is worth in a catalogue, so it is catalogues that it cannot have enough of. A
shop's novels and its cookery books differ in density, in how fast taste moves, and in how much a text tells.
"""

from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans

from recgpt.data.dataset import Dataset
from recgpt.features.text_similarity import unit_rows

PART_ITEMS = 5_000  # a domain of fewer than twice as many is not divided
MOST_PARTS = 4
FEWEST_RECORDS = 3  # of a user in a part


def n_parts(n_items: int) -> int:
    """Into how many parts a catalogue is divided; 1 for not at all."""
    return min(MOST_PARTS, max(1, n_items // PART_ITEMS))


def alike(embeddings_NE: np.ndarray, seed: int = 0) -> np.ndarray:
    """(N,) uint8 which part each item is in, by what its text is about (k-means).

    Parameters
    ----------
    embeddings_NE
        (N, E) of the domain's items.
    seed
        Of the first centres.
    """
    wanted = n_parts(len(embeddings_NE))
    found_N = KMeans(wanted, n_init=1, random_state=seed).fit_predict(unit_rows(np.asarray(embeddings_NE)))
    return found_N.astype(np.uint8)


def parts_of(dataset: Dataset, part_N: np.ndarray) -> Iterator[tuple[Dataset, np.ndarray]]:
    """Divide a domain; users with fewer than three events in a part are left out.

    Parameters
    ----------
    part_N
        (N,) which part each item is in.

    Yields
    ------
    The part, and the rows of its items in the domain, ascending.
    """
    user, item = dataset.interactions.user, dataset.interactions.item
    for number in np.unique(part_N):
        inside = part_N[item] == number
        kept = inside & (np.bincount(user[inside], minlength=dataset.n_users)[user] >= FEWEST_RECORDS)
        if not kept.any():
            continue
        part = dataset.select(kept, unmet_items=False)
        part.name = f"{dataset.name}.{number}"
        yield part, np.unique(item[kept])
