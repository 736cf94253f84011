"""Wrong values at every entry point: the project's errors from the API, exit code 2 and one line from the commands."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import typer

from recgpt.cli.app import app

SAMPLED = 90
"""Pairs of an option and a wrong value that are tried here; WRONG_VALUES=all tries all."""


def wrong_values(folder: Path) -> dict[str, Any]:
    """Values that no entry point of the API can use."""
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir(exist_ok=True)
    return {
        "None": None,
        "int": 3,
        "text": "no such thing",
        "empty text": "",
        "list": [],
        "dict": {},
        "object": object(),
        "nan": float("nan"),
        "-1": -1,
        "10**30": 10**30,
        "folder": folder / "folder",
        "missing": folder / "missing",
        "binary": folder / "binary",
        "empty": folder / "empty",
        "bytes": b"\xff\xfe",
        "texts": np.array(["a", "b"]),
        "3-d": np.zeros((2, 2, 2)),
    }


def entry_points(dataset: Any, embeddings_NE: np.ndarray) -> dict[str, Callable[[Any], Any]]:
    """Functions of the API with one argument replaced by the wrong value."""
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import make_split
    from recgpt.evaluate import evaluate
    from recgpt.foundation.finetune import finetune
    from recgpt.foundation.model import shipped
    from recgpt.models import load_model
    from recgpt.recommenders import REGISTRY

    model = shipped()
    catalogue = model.index(embeddings_NE, interactions=dataset.interactions)
    popularity = REGISTRY["popularity"]().fit(dataset)
    split = make_split(dataset, "leave_one_out")
    events = pl.DataFrame({"user_id": [1], "item_id": [1], "position": [0]})
    return {
        "Dataset.load": Dataset.load,
        "Dataset.from_frames events": lambda x: Dataset.from_frames("x", x, pl.DataFrame({"item_id": [1]})),
        "Dataset.from_frames items": lambda x: Dataset.from_frames("x", events, x),
        "make_split protocol": lambda x: make_split(dataset, x),
        "make_split": lambda x: make_split(x, "leave_one_out"),
        "load_model": load_model,
        "index": lambda x: model.index(x),
        "index embeddings": lambda x: model.index(["a", "b"], embeddings=x),
        "recommend histories": lambda x: catalogue.recommend(x, 2),
        "recommend history": lambda x: catalogue.recommend([x], 2),
        "recommend k": lambda x: catalogue.recommend([[0]], x),
        "rank": lambda x: popularity.rank(x, 2),
        "rank k": lambda x: popularity.rank([[0]], x),
        "fit": lambda x: REGISTRY["popularity"]().fit(x),
        "evaluate split": lambda x: evaluate(x, [popularity]),
        "evaluate recommenders": lambda x: evaluate(split, x),
        "finetune data": lambda x: finetune(model, x, embeddings_NE, steps=1),
        "finetune embeddings": lambda x: finetune(model, dataset, x, steps=1),
        "finetune steps": lambda x: finetune(model, dataset, embeddings_NE, steps=x),
    }


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands of the application, with the words that call them."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


WRONG_WORDS = (
    "",
    "no such thing",
    "-1",
    "nan",
    "1e99",
    "99999999999999999999999999",
    "/dev/null/x",
    "\x1b[31m",
    "BINARY",
)


def matrix() -> list[tuple[tuple[str, ...], str, str]]:
    """Each command x each of its options x each wrong word; flags and arguments take part with their values."""
    found = []
    for path, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.is_flag and parameter.name != "help":
                found += [(path, parameter.opts[0], word) for word in WRONG_WORDS]
            elif parameter.param_type_name == "argument":
                found += [(path, "", word) for word in WRONG_WORDS]
    return found
