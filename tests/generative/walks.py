"""A small random catalogue for tests of training: users walk through it in order (item i, then i + 1: learnable)."""

import json
from pathlib import Path

import numpy as np
import torch

from recgpt.data.ragged import Ragged
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.trainer import TrainConfig, TrainData

N_ITEMS, V, K, E, MAX_ITEMS = 24, 64, 4, 32, 8
RNG = np.random.default_rng(0)
CODES_NK = RNG.integers(0, V, (N_ITEMS, K)).astype(np.uint16)
EMBEDDINGS_NE = RNG.standard_normal((N_ITEMS, E)).astype(np.float16)


def walks(n_users: int, seed: int, *, longest: int = MAX_ITEMS) -> Ragged:
    """Item i is followed by item i + 1."""
    rng = np.random.default_rng(seed)
    starts, lengths = rng.integers(0, N_ITEMS, n_users), rng.integers(2, longest + 1, n_users)
    return Ragged.from_lists(
        [(start + np.arange(length)) % N_ITEMS for start, length in zip(starts, lengths, strict=True)]
    )


def shuffled(sequences: Ragged) -> Ragged:
    """The same items and lengths; what follows what is gone."""
    return Ragged(np.random.default_rng(9).permutation(sequences.values), sequences.offsets)


def table(sequences: Ragged, **options) -> TrainData:
    return TrainData(sequences, CODES_NK, EMBEDDINGS_NE, **options)


DATA, HELD_OUT = table(walks(200, seed=1)), table(walks(30, seed=2))


def model(seed: int = 0, **shape) -> GenerativeModel:
    torch.manual_seed(seed)
    tiny = {"max_items": MAX_ITEMS, "d_model": 32, "n_layers": 1, "n_heads": 2, "dropout": 0.0}
    return GenerativeModel(RecGPTConfig(codebook_size=V, n_codes=K, embedding_dim=E, **{**tiny, **shape}))


def config(out: Path, **options) -> TrainConfig:
    quick = {"epochs": 2, "batch_size": 16, "lr": 1e-2, "evaluations_per_epoch": 1, "mixed_precision": "no"}
    return TrainConfig(out=out, **{**quick, **options})


def losses(run) -> list[float]:
    return [point["loss"] for point in run.curve]


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a run by its path, less the seconds, which no two runs share."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name in ("curve.json", "training.json"):
                values = json.loads(content)
                del values.get("progress", values)["seconds"]
                content = json.dumps(values).encode()
            found[str(path.relative_to(folder))] = content
    return found


def entropy_a_code() -> float:
    """What a model can reach that knows how often each code occurs and nothing of the order (nats)."""
    total = 0.0
    for slot in CODES_NK.T:
        share = np.bincount(slot)[np.unique(slot)] / N_ITEMS
        total -= float((share * np.log(share)).sum())
    return total / K
