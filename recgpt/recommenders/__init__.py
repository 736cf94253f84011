"""Recommenders with one protocol, and their registry; a new one is one file and one line here, or a plug-in.

    recommender = make("popularity").fit(dataset)
    ranking = recommender.rank([[3, 1, 4]], k=10)
    recommender.save("runs/popularity")
    recommender = load("runs/popularity")

Shapes, beside B histories, N items, U users, E text width, D model width and K results: F factors or features of an
item or user. Each file states further letters.
"""

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgpt import plugins
from recgpt.errors import DataError

if TYPE_CHECKING:  # names are checked before torch is loaded
    from recgpt.recommenders.base import RecommenderBase


class Registry(MutableMapping[str, "type[RecommenderBase]"]):
    """Classes of recommenders by name; a class given by its import path is imported when it is used.

    Parameters
    ----------
    paths
        `package.module:Class` by name.
    """

    def __init__(self, paths: dict[str, str]) -> None:
        self._classes: dict[str, str | type[RecommenderBase]] = dict(paths)

    def __getitem__(self, name: str) -> "type[RecommenderBase]":
        found = self._classes[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._classes[name] = getattr(importlib.import_module(module), attribute)
        return found

    def __setitem__(self, name: str, recommender: "type[RecommenderBase]") -> None:
        self._classes[name] = recommender

    def __delitem__(self, name: str) -> None:
        del self._classes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


REGISTRY = Registry(
    {
        "recgpt_text": "recgpt.recommenders.foundation:RecGPTText",
        "recgpt": "recgpt.recommenders.foundation:RecGPTContext",
        "recgpt_now": "recgpt.recommenders.foundation:RecGPTNow",
        "recgpt_finetuned": "recgpt.recommenders.foundation:RecGPTFineTuned",
        "recgpt_generative": "recgpt.recommenders.generative:RecGPTGenerative",
        "random": "recgpt.recommenders.random:Random",
        "copy_last": "recgpt.recommenders.copy_last:CopyLast",
        "popularity": "recgpt.recommenders.popularity:Popularity",
        "popularity_recent": "recgpt.recommenders.popularity:PopularityRecent",
        "text_knn": "recgpt.recommenders.text_knn:TextKNN",
        "text_knn_white": "recgpt.recommenders.text_knn:TextKNNWhite",
        "item_knn": "recgpt.recommenders.item_knn:ItemKNN",
        "tgh": "recgpt.recommenders.tgh:TGH",
        "hybrid_knn": "recgpt.recommenders.hybrid_knn:HybridKNN",
        "mf": "recgpt.recommenders.mf:MF",
        "mult_vae": "recgpt.recommenders.mult_vae:MultVAE",
        "lightgcn": "recgpt.recommenders.light_gcn:LightGCN",
        "sasrec": "recgpt.recommenders.sasrec:SASRec",
    }
)

FROM_MODEL = ("recgpt_text", "recgpt", "recgpt_now", "recgpt_finetuned", "recgpt_generative")
"""Names of the recommenders that use a model's checkpoint."""

ALIASES = {"recgpt_tokens": "recgpt_generative"}
"""Earlier name -> current name: still accepted, also in stored reports and folders."""

PLUGINS: dict[str, str] = {}
"""Hash of the module of each registered plug-in by its name, see `recgpt.plugins.identity`."""

LIBRARIES = {"mf": ("implicit", "baselines")}
"""Recommender -> the library that it is fitted with, and the extra of recgpt that installs it."""


def make(name: str, **options: Any) -> "RecommenderBase":
    """Make a recommender by its registered name, not yet fitted.

    Raises
    ------
    DataError
        Unknown name or option; the message lists the known ones.
    """
    from recgpt.recommenders.base import option_names

    recommender = REGISTRY[registered_name(name)]
    known = option_names(recommender)
    for option in options:
        if option not in known:
            remedy = f"choose among {', '.join(known)}" if known else "it has none"
            raise DataError(f"{name} has no option {option!r}: {remedy}")
    return recommender(**options)


def load(path: str | Path) -> "RecommenderBase":
    """Read a fitted recommender from the folder that its `save` wrote.

    Raises
    ------
    DataError
        The folder holds no recommender, one of an unknown name, or damaged files.
    """
    from recgpt.recommenders.store import stored_name

    return REGISTRY[registered_name(stored_name(path))].load(path)


def registered_name(name: str) -> str:
    """Current registry name of a recommender, given its current or an earlier name (`ALIASES`).

    A class `module:Class` that is allowed (see `recgpt.plugins`), or an entry point, is imported and registered.

    Raises
    ------
    DataError
        Unknown name; the message lists the known ones.
    ConfigError
        The class of a plug-in cannot be imported, or is no recommender.
    """
    name = ALIASES.get(name, name)
    if name in REGISTRY:
        return name
    found = plugins.find(name, plugins.RECOMMENDERS)
    if found is None:
        known = ", ".join(dict.fromkeys([*REGISTRY, *plugins.installed(plugins.RECOMMENDERS)]))
        raise DataError(f"unknown recommender {name!r}: choose among {known}, or name a class as module:Class")
    from recgpt.recommenders.plugged import register

    return register(found, name)


def check_names(names: Iterable[str]) -> None:
    """Check, without importing them, that recommenders exist and that their libraries are installed.

    Raises
    ------
    DataError
        Unknown name, with the list of the known ones; or a missing library, with its extra.
    """
    for name in map(registered_name, names):
        library, extra = LIBRARIES.get(name, (None, None))
        if library is not None and importlib.util.find_spec(library) is None:
            raise DataError(
                f"{name} is fitted with the library {library}, which is not installed: pip install 'recgpt[{extra}]', "
                f"or leave {name} out"
            )
