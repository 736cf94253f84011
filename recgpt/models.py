"""Loading of both kinds of model; the only file that distinguishes them.

    model = load_model("ckpt/recgpt-minilm")            # a foundation model; a generative one loads the same way
    catalogue = model.index(["Toy Story (1995)", "Heat (1995)", "Jumanji (1995)"])

`recgpt.foundation` is the in-context recommender shipped with the package, `recgpt.generative` the published decoder
over item tokens.
"""

from pathlib import Path
from typing import Any

import torch

from recgpt.arguments import check_path
from recgpt.bounds import read_json
from recgpt.catalogue import Catalogue, Model
from recgpt.data.provenance import without_rows
from recgpt.errors import DataError
from recgpt.foundation.model import MODEL_TYPE, FoundationModel, shipped
from recgpt.hub import PUBLISHED_FILE, PUBLISHED_TOKENIZER, local_folder

__all__ = ["Catalogue", "Model", "about_model", "load_foundation_model", "load_model"]


def load_model(
    path: str | Path | None = None,
    *,
    tokenizer: str | Path = PUBLISHED_TOKENIZER,
    n_layers: int | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load a model of either kind.

    Parameters
    ----------
    path
        A folder or hub repository written by `save_pretrained`, or a published `.pt` file; None loads the shipped
        foundation model.
    tokenizer
        Tokenizer for published `.pt` files, which hold none.
    n_layers
        Required number of layers of a generative model; None accepts any.
    device
        Device of a generative model; a foundation model runs on the CPU.

    Raises
    ------
    CheckpointError
        The model cannot be read, or has another number of layers.
    """
    if path is None:
        return shipped()
    check_path(path, "the model")
    if not _is_published(path):
        path = local_folder(path)
        if _is_foundation(path):
            return FoundationModel.from_pretrained(path)
    from recgpt.generative.published import load_model as load_generative  # it loads transformers, for seconds

    model = load_generative(path, tokenizer, n_layers=n_layers)
    if device is not None:
        model.to(device)  # type: ignore[arg-type]
    return model


def about_model(model: Model) -> dict[str, Any]:
    """Path, kind, hash, training pasts and pre-training data sets of a model, for reports and manifests."""
    return {
        "path": model.source,
        "kind": model.kind,
        "sha256": model.sha256,
        "training_past": without_rows(model.training_record.get("trained_on", ())),
        "pretrained_on": list(model.training_record.get("domains", ())),
    }


def load_foundation_model(path: str | Path | None = None) -> FoundationModel:
    """Load a foundation model; None loads the shipped one.

    Raises
    ------
    DataError
        The model is a generative one.
    CheckpointError
        The model cannot be read.
    """
    model = load_model(path)
    if not isinstance(model, FoundationModel):
        raise DataError(
            f"{path} is a generative model: fine-tune it with `recgpt pretrain generative --checkpoint {path}`"
        )
    return model


def _is_published(path: str | Path) -> bool:
    return Path(path).is_file() or PUBLISHED_FILE.search(str(path)) is not None


def _is_foundation(folder: Path) -> bool:
    try:
        return read_json(folder / "config.json").get("model_type") == MODEL_TYPE
    except (OSError, ValueError, AttributeError):
        return False
