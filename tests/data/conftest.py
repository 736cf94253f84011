"""A small data set, in memory and as a folder."""

from pathlib import Path

import polars as pl
import pytest

from recgpt.data.dataset import Dataset

ITEMS = pl.DataFrame(
    {
        "item_id": [193609, 7, 40, 12, 5],
        "title": ["Alien", "Brazil", "Casablanca", "Dune", "Eraserhead"],
        "categories": ["Horror", "Comedy", "Drama", "", "Horror"],
        "brand": ["", "", "", "", "AFI"],
        "description": ["In space.", "", "", "Sand. " * 100, ""],
    }
)
# User 9 met item 7 twice, and 40 twice in a row; the file is neither by user nor by position.
INTERACTIONS = pl.DataFrame(
    {
        "user_id": [9, 2, 9, 9, 2, 9, 9, 2, 30],
        "item_id": [7, 5, 193609, 40, 7, 40, 7, 12, 5],
        "position": [0, 0, 1, 2, 1, 3, 4, 2, 0],
        "timestamp": [100, 50, 100, 300, 60, None, 500, 70, 10],
        "rating": [1.0, 2.0, 3.0, 4.0, 5.0, None, 3.5, 2.5, 1.5],
    }
)


@pytest.fixture
def small() -> Dataset:
    return Dataset.from_frames("small", INTERACTIONS, ITEMS)


@pytest.fixture
def folder(small: Dataset, tmp_path: Path) -> Path:
    small.save(tmp_path / "small")
    return tmp_path / "small"


def times_of(dataset: Dataset, user: int) -> list[int]:
    """Unix seconds of the events of a user (dense id)."""
    start, stop = dataset.offsets[user : user + 2]
    return dataset.interactions.timestamp[start:stop].tolist()
