"""A data set of forty made-up films, for feeds in the browser."""

from pathlib import Path

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array


def save_films(folder: Path, title: str = "Film", category: str = "drama") -> None:
    """Save the data set, with random embeddings; titles are `title` with a number."""
    rng = np.random.default_rng(0)
    items = {
        "item_id": np.arange(40),
        "title": [f"{title} {number}" for number in range(40)],
        "categories": [category] * 40,
    }
    events = {
        "user_id": np.repeat(np.arange(10), 10),
        "item_id": np.concatenate([rng.choice(40, 10, replace=False) for _ in range(10)]),
        "position": np.tile(np.arange(10), 10),
        "timestamp": np.arange(100),
        "rating": rng.integers(1, 6, 100).astype(np.float32),
    }
    Dataset.from_frames("films", pl.DataFrame(events), pl.DataFrame(items)).save(folder)
    encoder = {"encoder": "films-encoder", "requested": "films-encoder", "template": "fields", "dim": 8}
    made_of = {**encoder, "items_sha256": Dataset.load(folder).items_sha256}
    save_array(folder / "embeddings.npy", rng.standard_normal((40, 8)).astype(np.float16), made_of)
