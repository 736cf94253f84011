"""The published zero-shot and cold-start test, `predict.py`: one model on one data set, beside the baselines."""

from pathlib import Path
from typing import Literal

import torch

from recgpt.data.dataset import Dataset, Repeats
from recgpt.data.readers import published
from recgpt.data.splits import Split, cold_user, leave_one_out
from recgpt.errors import DataError
from recgpt.evaluate.control import ShuffledHistories
from recgpt.evaluate.examples import show_examples
from recgpt.evaluate.lineup import model_embeddings, names_for, recommenders_for
from recgpt.evaluate.report import Report
from recgpt.evaluate.run import evaluate
from recgpt.evaluate.training_past import check_targets_unseen
from recgpt.hub import PUBLISHED_TOKENIZER
from recgpt.models import load_model
from recgpt.progress import note

COLD_ITEMS = 5  # items of the longest history of a data set that is cold already


def predict(
    name: str,
    model_path: str,
    *,
    cold: bool = False,
    tokenizer: str = PUBLISHED_TOKENIZER,
    n_layers: int | None = None,
    gpu: int = 0,
    batch_size: int = 48,
    repeats: Repeats = "drop",
    past: Literal["train", "train+valid"] = "train+valid",
    control: bool = False,
    examples: int = 0,
    allow_trained_on_targets: bool = False,
    seed: int = 0,
) -> Report:
    """Evaluate a model on one data set.

    Parameters
    ----------
    name
        A name under data/test, or a data set folder.
    model_path
        Model folder, or published `.pt` file.
    cold
        Short histories of withheld users.
    tokenizer
        For published `.pt` files.
    n_layers
        Checked against the checkpoint; None checks nothing.
    gpu
        Number of the GPU of a token model, where there is one.
    control
        Rank after shuffled histories too.
    examples
        Users whose histories and recommendations are printed.
    allow_trained_on_targets
        Evaluate, and mark, a model that was trained on targets of the split.

    Raises
    ------
    DataError
        There is no such data set.
    CheckpointError
        The model is missing, damaged, or of another depth.
    """
    dataset = Dataset.load(find_dataset(name, cold=cold), repeats=repeats)
    device = torch.device("cuda", gpu) if torch.cuda.is_available() else None
    model = load_model(model_path, tokenizer=tokenizer, n_layers=n_layers, device=device)
    split = published_split(dataset, cold=cold, past=past, seed=seed)
    check_targets_unseen(split, model, allow=allow_trained_on_targets)
    embeddings_NE = model_embeddings(dataset, model)
    recommenders = recommenders_for(names_for(split, model=model), embeddings_NE=embeddings_NE, model=model)
    model_row = recommenders[-1]
    if control:
        recommenders.append(ShuffledHistories(model_row, seed=seed))
    report = evaluate(
        split,
        recommenders,
        embeddings_NE=embeddings_NE,
        batch_size=batch_size,
        seed=seed,
        allow_trained_on_targets=allow_trained_on_targets,
    )
    if examples:
        show_examples(dataset, split, model_row, examples, seed=seed)
    return report


def find_dataset(name: str, *, cold: bool) -> Path:
    """Folder of a data set by its name; published pickles are imported, `cold_test.pkl` into a folder of its own.

    Raises
    ------
    DataError
        The folder holds neither a data set nor published pickles.
    """
    folder = Path(name) if Path(name).is_dir() else Path("data/test") / name
    imported = folder / "cold" if cold and (folder / "cold_test.pkl").is_file() else folder
    if (imported / "interactions.parquet").is_file():
        return imported
    sequences = "cold_test" if imported != folder else "test"
    if not (folder / f"{sequences}.pkl").is_file():
        raise DataError(
            f"{folder} holds neither interactions.parquet nor {sequences}.pkl: name a data set folder, "
            f"or make one with `recgpt data import`"
        )
    note(f"importing {folder}/{sequences}.pkl into {imported}")
    published.read(folder, imported, sequences=sequences)
    return imported


def published_split(dataset: Dataset, *, cold: bool, past: Literal["train", "train+valid"], seed: int) -> Split:
    """Leave-one-out; if `cold`, short histories of withheld users unless all histories are short already."""
    if cold and int(dataset.sequences.lengths.max()) > COLD_ITEMS:
        return cold_user(dataset, seed=seed)
    return leave_one_out(dataset, past=past, seed=seed)
