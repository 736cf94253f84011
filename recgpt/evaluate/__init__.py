"""Protocols, metrics and reports: how good a recommender is, next to the baselines."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recgpt.evaluate.config import KS
    from recgpt.evaluate.report import Report
    from recgpt.evaluate.run import evaluate

__all__ = ["KS", "Report", "evaluate"]

_WHERE = {"KS": "recgpt.evaluate.config", "Report": "recgpt.evaluate.report", "evaluate": "recgpt.evaluate.run"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: the settings of an evaluation are checked before torch is loaded."""
    if name not in _WHERE:
        raise AttributeError(f"module 'recgpt.evaluate' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
