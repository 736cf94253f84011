"""Items of an environment: texts and facts that users see, and the vectors that compare them.

    items = domain_of("movies").load_items("data/movielens_small")

Shapes: N items, E embedding width, G tags.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recgpt.data.dataset import Dataset

MAX_TAGS = 32
"""Tags in the features of users: the most frequent ones of the catalogue."""


@dataclass(frozen=True)
class Items:
    """A catalogue.

    Attributes
    ----------
    ids
        Outside ids, distinct.
    titles, descriptions, years
        Texts; empty where unknown.
    tags
        Genres or categories of each item, in lower case.
    people
        Actors or authors of each item.
    directors
        "" where unknown.
    average_N
        (N,) float64 average ratings on the domain's scale; NaN where unknown.
    count_N
        (N,) int64 numbers of ratings behind the averages, 0 where unknown.
    unit_NE
        (N, E) float32 unit rows of text embeddings; a zero row for an item without text.
    collection
        Series of each item, "" for none; `part_N` its place there, from 1, 0 for none.
    dataset
        The data set that recommenders are fitted on: its past, without what evaluation holds out.
    made_from
        Source, for reports.
    folder
        Folder that the items were read from; None for a made-up catalogue.
    """

    ids: list[str]
    titles: list[str]
    descriptions: list[str]
    years: list[str]
    tags: list[tuple[str, ...]]
    people: list[tuple[str, ...]]
    directors: list[str]
    average_N: np.ndarray
    count_N: np.ndarray
    unit_NE: np.ndarray
    collection: list[str]
    part_N: np.ndarray
    dataset: Dataset
    made_from: str = ""
    folder: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def tag_names(self) -> tuple[str, ...]:
        """The `MAX_TAGS` most frequent tags, ties by name."""
        counts: dict[str, int] = {}
        for tags in self.tags:
            for tag in tags:
                counts[tag] = counts.get(tag, 0) + 1
        return tuple(sorted(counts, key=lambda tag: (-counts[tag], tag))[:MAX_TAGS])
