"""Items of a town: films, books and dishes, and the venues that offer them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recgpt.simulate.items import ItemFacts

if TYPE_CHECKING:
    from recgpt.data.dataset import Dataset


@dataclass(frozen=True)
class TownCatalogue:
    """Items of a town.

    Attributes
    ----------
    known
        Interactions before the run, with the catalogue; None where it is read from a stored run.
    facts
        Titles, descriptions, popularity and embeddings of the items.
    """

    known: "Dataset | None"
    facts: ItemFacts
