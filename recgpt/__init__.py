"""RecGPT: a foundation model for sequential recommendation, and simulated users to test recommenders with.

from recgpt import load_model

model = load_model()
catalogue = model.index(items, interactions=past)
ranking = catalogue.recommend(histories, k=10, exclude="history")
"""

import importlib
from typing import TYPE_CHECKING, Any

from recgpt import threads
from recgpt.version import __version__

if TYPE_CHECKING:
    from recgpt.foundation.model import FoundationModel
    from recgpt.generative.model import GenerativeModel, RecGPT
    from recgpt.models import load_model


threads.choose()  # before torch is loaded

__all__ = ["FoundationModel", "GenerativeModel", "RecGPT", "__version__", "load_model"]

_WHERE = {
    "FoundationModel": "recgpt.foundation.model",
    "GenerativeModel": "recgpt.generative.model",
    "RecGPT": "recgpt.generative.model",
    "load_model": "recgpt.models",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: torch takes seconds to load, and `recgpt --help` needs none of it."""
    if name not in _WHERE:
        raise AttributeError(f"module 'recgpt' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
