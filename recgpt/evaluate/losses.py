"""Mean loss of token models on held-out data sets: picks the checkpoint to release. `recgpt loss`, `eval.py`.

Data set folders need embeddings.npy and tokens.npy. Published `.pt` files are read as they are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recgpt.config import check_number
from recgpt.data.dataset import Dataset, Repeats
from recgpt.data.packing import PackedDataset
from recgpt.device import default_device
from recgpt.errors import DataError
from recgpt.evaluate.training_past import interactions_seen
from recgpt.files import write_text
from recgpt.generative.published import load_model
from recgpt.generative.trainer import TrainData, mean_loss
from recgpt.hub import PUBLISHED_TOKENIZER
from recgpt.models import about_model
from recgpt.progress import track

DATA_SETS = Path("data/eval")
"""Where data sets are looked for if none is named."""


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropy (nats) a code, by model and data set.

    Attributes
    ----------
    by_dataset
        Model -> data set folder -> loss.
    models
        Model -> its path, hash and training past.
    trained_on
        Model -> data set folder -> number of its interactions that the model was trained on; empty where none was, or
        where the model does not record its training past.
    """

    by_dataset: dict[str, dict[str, float]]
    models: dict[str, dict[str, Any]]
    trained_on: dict[str, dict[str, int]]

    @property
    def means(self) -> dict[str, float]:
        """Mean over the data sets, by model."""
        return {model: sum(losses.values()) / len(losses) for model, losses in self.by_dataset.items()}

    def lines(self) -> list[str]:
        """One line a model; the lowest of several is marked."""
        means = self.means
        best = min(means, key=means.__getitem__)
        found = []
        for model, losses in self.by_dataset.items():
            sets = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
            mark = " <- lowest" if model == best and len(means) > 1 else ""
            found.append(f"{model}: mean loss {means[model]:.4f} ({sets}){mark}")
        for model, counts in self.trained_on.items():
            seen = ", ".join(f"{count:,} interactions of {name}" for name, count in counts.items())
            if seen:
                found.append(f"{model} was trained on {seen}: its losses there are no test")
        return found

    def save(self, path: Path) -> None:
        """Write means and losses as JSON."""
        content = {
            "mean": self.means,
            "by_dataset": self.by_dataset,
            "models": self.models,
            "trained_on": self.trained_on,
        }
        write_text(path, json.dumps(content, indent=2) + "\n")


def model_losses(
    models: Sequence[str],
    folders: Sequence[Path] = (),
    *,
    tokenizer: str = PUBLISHED_TOKENIZER,
    n_layers: int | None = None,
    batch_size: int = 96,
    repeats: Repeats = "drop",
) -> Losses:
    """Losses of each model on each data set.

    Parameters
    ----------
    models
        Model folders or published `.pt` files.
    folders
        Data set folders; by default all under `data/eval`.
    tokenizer
        For published `.pt` files.
    n_layers
        Checked against the checkpoint; None checks nothing.
    batch_size
        Sequences a batch; changes no figure.

    Raises
    ------
    DataError
        No data set, or one that was tokenized with another tokenizer.
    CheckpointError
        A model is missing, damaged, or of another depth.
    """
    check_number("batch_size", batch_size, at_least=1, whole=True)
    folders = folders or sorted(path.parent for path in DATA_SETS.glob("*/interactions.parquet"))
    if not folders:
        raise DataError(f"no data to evaluate on: name folders with --data, or put them under {DATA_SETS}")
    datasets = {str(folder): Dataset.load(folder, repeats=repeats) for folder in folders}
    losses: dict[str, dict[str, float]] = {}
    about: dict[str, dict[str, Any]] = {}
    trained_on: dict[str, dict[str, int]] = {}
    for path in models:
        model = load_model(path, tokenizer, n_layers=n_layers)
        model.to(default_device())  # type: ignore[arg-type]
        losses[path] = {}
        about[path] = about_model(model)
        counts = {folder: interactions_seen(dataset, model.training_record) for folder, dataset in datasets.items()}
        trained_on[path] = {folder: count for folder, count in counts.items() if count}
        for folder, dataset in track(datasets.items(), f"loss of {path}", total=len(datasets)):
            tokens_NK = dataset.tokens(model.tokenizer.sha256 if model.tokenizer else None)
            embeddings_NE = dataset.embeddings()
            rows_NE = model.tokenizer.catalogue_rows(embeddings_NE) if model.tokenizer else embeddings_NE
            data = TrainData(dataset.sequences, tokens_NK, rows_NE)
            rows = PackedDataset(data.sequences.tail(model.config.max_items), row_items=model.config.max_items)
            batch_rows = max(1, round(batch_size * len(rows) / rows.n_sequences))
            losses[path][folder] = mean_loss(model, data, rows, batch_rows)
    return Losses(losses, about, trained_on)
