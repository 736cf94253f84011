"""Recommenders with one protocol, and their registry; a new one is one file and one line here.

    recommender = make("popularity").fit(dataset)
    ranking = recommender.rank([[3, 1, 4]], k=10)
    recommender.save("runs/popularity")
    recommender = load("runs/popularity")

Shapes, beside B histories, N items, U users, E text width, D model width and K results: F factors or features of an
item or user. Each file states further letters.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recgpt.errors import DataError
from recgpt.recommenders.base import RecommenderBase, option_names
from recgpt.recommenders.copy_last import CopyLast
from recgpt.recommenders.foundation import RecGPTContext, RecGPTFineTuned, RecGPTText
from recgpt.recommenders.generative import RecGPTGenerative
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

REGISTRY: dict[str, type[RecommenderBase]] = {
    RecGPTText.name: RecGPTText,
    RecGPTContext.name: RecGPTContext,
    RecGPTFineTuned.name: RecGPTFineTuned,
    RecGPTGenerative.name: RecGPTGenerative,
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

FROM_MODEL = tuple(name for name, recommender in REGISTRY.items() if recommender.model_kind is not None)
"""Names of the recommenders that use a model's checkpoint."""

ALIASES = {earlier: name for name, recommender in REGISTRY.items() for earlier in recommender.earlier_names}
"""Earlier name -> current name: still accepted, also in stored reports and folders."""


def make(name: str, **options: Any) -> RecommenderBase:
    """Make a recommender by its registered name, not yet fitted.

    Raises
    ------
    DataError
        Unknown name or option; the message lists the known ones.
    """
    recommender = REGISTRY[registered_name(name)]
    known = option_names(recommender)
    for option in options:
        if option not in known:
            remedy = f"choose among {', '.join(known)}" if known else "it has none"
            raise DataError(f"{name} has no option {option!r}: {remedy}")
    return recommender(**options)


def load(path: str | Path) -> RecommenderBase:
    """Read a fitted recommender from the folder that its `save` wrote.

    Raises
    ------
    DataError
        The folder holds no recommender, one of an unknown name, or damaged files.
    """
    return REGISTRY[registered_name(stored_name(path))].load(path)


def registered_name(name: str) -> str:
    """Current registry name of a recommender, given its current or an earlier name (`ALIASES`).

    Raises
    ------
    DataError
        Unknown name; the message lists the known ones.
    """
    name = ALIASES.get(name, name)
    if name not in REGISTRY:
        raise DataError(f"unknown recommender {name!r}: choose among {', '.join(REGISTRY)}")
    return name


def check_names(names: Iterable[str]) -> None:
    """Raise DataError for the first unknown name; the message lists the known ones."""
    for name in names:
        registered_name(name)
