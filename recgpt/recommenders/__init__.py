"""Recommenders behind one protocol: one file and one line here for each.

recommender = make("popularity").fit(dataset)
ranking = recommender.rank([[3, 1, 4]], k=10)
recommender.save("runs/popularity")
recommender = load("runs/popularity")
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recgpt.errors import DataError
from recgpt.recommenders.base import StoredRecommender
from recgpt.recommenders.copy_last import CopyLast
from recgpt.recommenders.foundation import RecGPTContext, RecGPTFineTuned, RecGPTText
from recgpt.recommenders.generative import RecGPTTokens
from recgpt.recommenders.hybrid_knn import HybridKNN
from recgpt.recommenders.item_knn import ItemKNN
from recgpt.recommenders.light_gcn import LightGCN
from recgpt.recommenders.mf import MF
from recgpt.recommenders.mult_vae import MultVAE
from recgpt.recommenders.popularity import Popularity, PopularityRecent
from recgpt.recommenders.random import Random
from recgpt.recommenders.sasrec import SASRec
from recgpt.recommenders.store import stored_name
from recgpt.recommenders.text_knn import TextKNN, TextKNNWhite

REGISTRY: dict[str, type[StoredRecommender]] = {
    RecGPTText.name: RecGPTText,
    RecGPTContext.name: RecGPTContext,
    RecGPTFineTuned.name: RecGPTFineTuned,
    RecGPTTokens.name: RecGPTTokens,
    Random.name: Random,
    CopyLast.name: CopyLast,
    Popularity.name: Popularity,
    PopularityRecent.name: PopularityRecent,
    TextKNN.name: TextKNN,
    TextKNNWhite.name: TextKNNWhite,
    ItemKNN.name: ItemKNN,
    HybridKNN.name: HybridKNN,
    MF.name: MF,
    MultVAE.name: MultVAE,
    LightGCN.name: LightGCN,
    SASRec.name: SASRec,
}


FROM_MODEL = (RecGPTText.name, RecGPTContext.name, RecGPTFineTuned.name, RecGPTTokens.name)
"""Those that are made from a model's checkpoint."""


def make(name: str, **options: Any) -> StoredRecommender:
    """Make a recommender by its registered name, not yet fitted.

    Raises
    ------
    DataError
        If no recommender has that name; the message lists those there are.
    """
    check_names([name])
    return REGISTRY[name](**options)


def load(path: str | Path) -> StoredRecommender:
    """Read a fitted recommender of any kind from the folder that its `save` wrote.

    Raises
    ------
    DataError
        The folder holds none, one of an unknown name, or damaged files.
    """
    name = stored_name(path)
    check_names([name])
    return REGISTRY[name].load(path)


def check_names(names: Iterable[str]) -> None:
    """Raise DataError for the first name that no recommender has; the message lists those there are."""
    for name in names:
        if name not in REGISTRY:
            raise DataError(f"unknown recommender {name!r}: choose among {', '.join(REGISTRY)}")
