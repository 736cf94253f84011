"""Recommenders behind one protocol: one file and one line here for each.

recommender = make("popularity").fit(dataset)
ranking = recommender.rank([[3, 1, 4]], k=10)
"""

from collections.abc import Callable, Iterable
from typing import Any

from recgpt.errors import DataError
from recgpt.recommenders.base import Recommender
from recgpt.recommenders.copy_last import CopyLast
from recgpt.recommenders.hybrid_knn import HybridKNN
from recgpt.recommenders.item_knn import ItemKNN
from recgpt.recommenders.popularity import Popularity
from recgpt.recommenders.recgpt import RecGPTRecommender
from recgpt.recommenders.text_knn import TextKNN, TextKNNWhite

REGISTRY: dict[str, Callable[..., Recommender]] = {
    RecGPTRecommender.name: RecGPTRecommender,
    CopyLast.name: CopyLast,
    Popularity.name: Popularity,
    TextKNN.name: TextKNN,
    TextKNNWhite.name: TextKNNWhite,
    ItemKNN.name: ItemKNN,
    HybridKNN.name: HybridKNN,
}


def make(name: str, **options: Any) -> Recommender:
    """Make a recommender by its registered name, not yet fitted.

    Raises
    ------
    DataError
        If no recommender has that name; the message lists those there are.
    """
    check_names([name])
    return REGISTRY[name](**options)


def check_names(names: Iterable[str]) -> None:
    """Raise DataError for the first name that no recommender has; the message lists those there are."""
    for name in names:
        if name not in REGISTRY:
            raise DataError(f"unknown recommender {name!r}: choose among {', '.join(REGISTRY)}")
