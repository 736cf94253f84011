"""Pre-training and fine-tuning of the generative model on a data set folder with embeddings.npy and tokens.npy.

    accelerate launch -m recgpt.cli.main pretrain generative data/demo --tokenizer vae_ckpt/demo --out runs/demo
    recgpt pretrain generative data/games --checkpoint ckpt/recgpt --out runs/games        # fine-tunes

An interrupted run resumes. `OUT/best` is the model with the best validation figure, `OUT/curve.png` the training curve.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from recgpt.data.dataset import Dataset, Repeats
from recgpt.data.fingerprint import read_fingerprint
from recgpt.data.provenance import training_past
from recgpt.data.splits import Split, held_out_users, leave_one_out, second_last
from recgpt.errors import CheckpointError, DataError
from recgpt.files import require_writable
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer
from recgpt.generative.trainer import TrainConfig, TrainData, Trainer, Validate
from recgpt.progress import note

RANKED_USERS = 2_000  # held-out users that every evaluation ranks

RankingValidation = Callable[..., Validate]
"""Factory of the ranking metrics of an evaluation, such as `recgpt.evaluate.lineup.ranking_validation`."""


class PretrainConfig(TrainConfig):
    """Configuration of a pre-training or fine-tuning run: data, model sizes, training."""

    out: Path = Field(default=Path("runs/pre_train"), description="run folder: best/, last/, checkpoints/, curve.png")
    data: Path = Field(description="data set folder with embeddings.npy and tokens.npy")
    valid: tuple[Path, ...] = Field(default=(), description="validation data sets instead of held-out users")
    tokenizer: Path | None = Field(default=None, description="folder of the tokenizer that made tokens.npy")
    checkpoint: str | None = Field(
        default=None, description="model to fine-tune; its shape and tokenizer replace the settings here"
    )
    holdout: Literal["users", "last"] = Field(
        default="users", description="users: a tenth of the users, as published; last: the last two items of every user"
    )
    repeats: Repeats = Field(default="drop", description="what becomes of items that a user met before")
    n_layers: int = Field(default=3, ge=1, description="transformer layers")
    d_model: int = Field(default=768, ge=1, description="width of the transformer")
    n_heads: int = Field(default=12, ge=1, description="attention heads")
    max_items: int = Field(default=256, ge=2, description="items of a history that are read")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout of the transformer")

    def training(self) -> TrainConfig:
        """Settings of the training loop alone."""
        return self.part(TrainConfig)


def pretrain(config: PretrainConfig, ranking_validation: RankingValidation, *, overwrite: bool = False) -> Path:
    """Load the data, build the model, train; returns the folder of the best model.

    Parameters
    ----------
    ranking_validation
        Maps (split, tokenizer, codes_NK, embeddings_NE, max_cases=) to the validation function.
    overwrite
        Delete an earlier run in `config.out`.

    Raises
    ------
    DataError
        Data is missing or does not fit the tokenizer.
    CheckpointError
        `config.checkpoint` is no model with a tokenizer, or `config.out` holds a run of other settings.
    """
    require_writable(config.out)
    dataset = Dataset.load(config.data, repeats=config.repeats)
    split = None if config.valid else _hold_out(config, dataset)
    model, tokenizer = _model_and_tokenizer(config, dataset, training_past(dataset, split))
    data, valid, validate = _training_and_validation(config, dataset, split, tokenizer, ranking_validation)
    trainer = Trainer(config.training(), model, data, valid, validate, overwrite=overwrite)
    progress = trainer.run()
    best = config.out / "best"
    if trainer.accelerator.is_main_process:
        note(
            f"{best} is the model of step {progress.best_step:,} ({config.select_by} {progress.best:.4f}); "
            f"{trainer.useful_fraction:.1%} of positions were useful; the curve is {config.out}/curve.png",
        )
    return best


def _model_and_tokenizer(
    config: PretrainConfig, dataset: Dataset, past: dict[str, Any]
) -> tuple[GenerativeModel, FSQTokenizer]:
    """A new model for the data's encoder and the given tokenizer, or the checkpoint to fine-tune."""
    facts = {**_facts(config, dataset), "trained_on": [past]}
    if config.checkpoint:
        model = GenerativeModel.from_pretrained(config.checkpoint)
        if model.tokenizer is None:
            raise CheckpointError(
                f"{config.checkpoint} holds no tokenizer: convert or save the model with its tokenizer"
            )
        if model.config.dense_head:
            raise CheckpointError(
                f"{config.checkpoint} has a dense head, which this loss does not train: pre-train with `recgpt pretrain"
                " pool`, or choose a model without one"
            )
        before = model.config.training
        model.config.training = {
            **facts,
            "catalogues": [*facts["catalogues"], *before.get("catalogues", [])],
            "trained_on": [*before.get("trained_on", []), past],
            "fine-tuned from": config.checkpoint,
            "trained before on": before.get("data", "unknown data"),
        }
        return model, model.tokenizer
    if config.tokenizer is None:
        raise DataError("name the tokenizer that made tokens.npy: --tokenizer FOLDER (see `recgpt train-tokenizer`)")
    tokenizer = FSQTokenizer.from_pretrained(config.tokenizer)
    if tokenizer.config.whitened:
        raise DataError(
            f"{config.tokenizer} is a tokenizer of whitened catalogues: train on them with `recgpt pretrain pool`, or"
            " choose a tokenizer without whitening"
        )
    torch.manual_seed(config.seed)
    encoder = read_fingerprint(config.data / "embeddings.npy", f"run `recgpt encode {config.data}`")
    model = GenerativeModel(
        RecGPTConfig(
            codebook_size=tokenizer.config.codebook_size,
            n_codes=tokenizer.config.n_codes,
            embedding_dim=tokenizer.config.embedding_dim,
            max_items=config.max_items,
            d_model=config.d_model,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            dropout=config.dropout,
            text_encoder={key: encoder[key] for key in ("encoder", "template", "dim", "requested") if key in encoder},
            training=facts,
        )
    )
    model.set_tokenizer(tokenizer)
    return model, tokenizer


def _facts(config: PretrainConfig, dataset: Dataset) -> dict[str, Any]:
    """Training record of the weights, for the model card."""
    merged = [each["items_sha256"] for each in dataset.manifest.get("merged", [])]
    return {
        "data": dataset.name,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": dataset.n_interactions,
        "catalogues": [dataset.items_sha256, *merged],
        "repeats": config.repeats,
        "held out": config.holdout if not config.valid else ", ".join(path.name for path in config.valid),
        "seed": config.seed,
    }


def _training_and_validation(
    config: PretrainConfig,
    dataset: Dataset,
    held_out: Split | None,
    tokenizer: FSQTokenizer,
    ranking_validation: RankingValidation,
) -> tuple[TrainData, list[TrainData], Validate]:
    """Training data, validation data, and the ranking of held-out users."""
    tables = (dataset.tokens(tokenizer.sha256), dataset.embeddings())
    if held_out is None:
        sets = [Dataset.load(path, repeats=config.repeats) for path in config.valid]
        valid = [TrainData(each.sequences, each.tokens(tokenizer.sha256), each.embeddings()) for each in sets]
        split = leave_one_out(sets[0], max_users=RANKED_USERS, seed=config.seed)
        validate = ranking_validation(split, tokenizer, valid[0].codes_NK, valid[0].embeddings_NE)
        return TrainData(dataset.sequences, *tables), valid, validate
    validate = ranking_validation(held_out, tokenizer, *tables, max_cases=RANKED_USERS)
    return TrainData(held_out.past, *tables), [_validation_data(config, held_out, tables)], validate


def _hold_out(config: PretrainConfig, dataset: Dataset) -> Split:
    """Split by `config.holdout`."""
    if config.holdout == "users":
        return held_out_users(dataset, seed=config.seed)
    return second_last(dataset, max_users=RANKED_USERS, seed=config.seed)


def _validation_data(config: PretrainConfig, split: Split, tables: tuple[np.ndarray, np.ndarray]) -> TrainData:
    """Validation sequences of a split by `config.holdout`."""
    whole = split.dataset.sequences[split.users]
    if config.holdout == "users":
        return TrainData(whole, *tables)
    return TrainData(whole.spans(whole.offsets[:-1], whole.offsets[1:] - 1), *tables, last_only=True)
