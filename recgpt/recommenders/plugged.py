"""Registration of recommenders of other packages, see `recgpt.plugins`: what does not fit is refused."""

import inspect
import re
from typing import Any, get_args

from recgpt import plugins
from recgpt.errors import ConfigError
from recgpt.recommenders import ALIASES, PLUGINS, REGISTRY
from recgpt.recommenders.base import RecommenderBase, Supervision, option_names

_NAME = re.compile(r"[\w.-]+", re.ASCII)


def register(found: Any, name: str) -> str:
    """Register the class of a plug-in under its own name, which is returned, and `name` as an alias.

    Raises
    ------
    ConfigError
        It is no recommender, or its name is taken.
    """
    plugins.check_class(found, name, methods=("fit", "rank", "observe"), offered=("embeddings", "model", "seed"))
    if not issubclass(found, RecommenderBase):
        raise ConfigError(f"{name} is not derived from recgpt.recommenders.base.RecommenderBase: derive it")
    own = getattr(found, "name", None)
    if not isinstance(own, str) or not _NAME.fullmatch(own):
        raise ConfigError(f"{name}: its attribute `name` is {own!r}: set a text of letters, digits, '_', '-' and '.'")
    if getattr(found, "supervision", None) not in get_args(Supervision):
        raise ConfigError(f"{name}: its attribute `supervision` has to be one of {', '.join(get_args(Supervision))}")
    if inspect.isabstract(found) or not any(method in _methods(found) for method in ("_scores", "_rank")):
        raise ConfigError(f"{name} has to define _fit, and _scores or _rank: see docs/extending.md")
    declared = {"embeddings": found.needs_embeddings, "model": found.model_kind is not None, "seed": found.is_seeded}
    lacking = [argument for argument, is_taken in declared.items() if is_taken and argument not in option_names(found)]
    if lacking:
        raise ConfigError(f"{name}: its constructor does not take {', '.join(lacking)}, as its attributes say it does")
    if own in REGISTRY and REGISTRY[own] is not found:
        raise ConfigError(f"{name}: its name {own!r} is taken: choose another")
    REGISTRY[own] = found
    if name != own:
        ALIASES[name] = own
    PLUGINS[own] = plugins.identity(found)
    return own


def _methods(found: type) -> set[str]:
    """Names of methods that a class or a base other than `RecommenderBase` defines."""
    bases = found.__mro__[: found.__mro__.index(RecommenderBase)]
    return {name for base in bases for name in vars(base)}
