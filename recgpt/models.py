"""Both kinds of model from one path: the foundation model, and the generative decoder over item tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recgpt.foundation.model import FoundationModel, is_foundation, shipped
from recgpt.generative.catalogue import RecGPT
from recgpt.generative.published import PUBLISHED_FILE
from recgpt.generative.published import load_model as load_generative
from recgpt.hub import local_folder

Model = RecGPT | FoundationModel


def load_model(path: str | Path | None = None) -> Model:
    """Load a model of either kind from a folder, a repository of the hub, or the published files.

    Parameters
    ----------
    path
        None for the foundation model shipped with the package.

    Raises
    ------
    CheckpointError
        It cannot be read.
    """
    if path is None:
        return shipped()
    if Path(path).is_file() or PUBLISHED_FILE.search(str(path)):
        return load_generative(path)
    folder = local_folder(path)
    return FoundationModel.from_pretrained(folder) if is_foundation(folder) else load_generative(folder)


def text_encoder_of(model: Model) -> Mapping[str, Any]:
    """Encoder, template and width of the embeddings that a model was trained with; empty where it does not say."""
    return model.config.text_encoder if isinstance(model, RecGPT) else model.settings.text_encoder


def training_of(model: Model) -> Mapping[str, Any]:
    """What made a model's weights; `catalogues` holds the hashes of those it was trained on."""
    return model.config.training if isinstance(model, RecGPT) else model.settings.training
