"""RecGPT: a foundation model for sequential recommendation, and the simulated people to try it on.

from recgpt import FoundationModel

model = FoundationModel.from_pretrained()
catalogue = model.index(items, interactions=past)
ranking = catalogue.recommend(histories, k=10, exclude="history")
"""

from typing import TYPE_CHECKING, Any

from recgpt import threads
from recgpt.version import __version__

if TYPE_CHECKING:
    from recgpt.foundation.model import FoundationModel
    from recgpt.generative.catalogue import RecGPT
    from recgpt.models import load_model


threads.choose()  # before torch is loaded

__all__ = ["FoundationModel", "RecGPT", "__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import a model when it is asked for: torch takes seconds, and `recgpt --help` needs none of it."""
    if name == "FoundationModel":
        from recgpt.foundation.model import FoundationModel

        return FoundationModel
    if name == "RecGPT":
        from recgpt.generative.catalogue import RecGPT

        return RecGPT
    if name == "load_model":
        from recgpt.models import load_model

        return load_model
    raise AttributeError(f"module 'recgpt' has no attribute {name!r}")
