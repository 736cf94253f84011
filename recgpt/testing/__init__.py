"""Contracts of recommenders and worlds as checks for your own, without pytest: `check_recommender`, `check_world`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recgpt.testing.recommender import ContractError, check_recommender, made_up_dataset
    from recgpt.testing.world import check_world

__all__ = ["ContractError", "check_recommender", "check_world", "made_up_dataset"]

_WHERE = {**dict.fromkeys(__all__, "recgpt.testing.recommender"), "check_world": "recgpt.testing.world"}


def __getattr__(name: str) -> Any:
    """Import a check on first use."""
    if name not in _WHERE:
        raise AttributeError(f"module 'recgpt.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
