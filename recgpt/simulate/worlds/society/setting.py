"""Setting of a society: catalogue, people and ties before its first round."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.ties import Ties

if TYPE_CHECKING:
    from recgpt.data.dataset import Dataset


@dataclass(frozen=True)
class Setting:
    """Catalogue, people and ties of a society before its first round.

    Attributes
    ----------
    known
        Interactions known to agents and recommender, with the catalogue; None where it is read from a stored run.
    facts
        Titles, descriptions, genres, popularity, mean ratings and embeddings of the items.
    people
        The agents.
    friends
        Ties of friendship.
    """

    known: "Dataset | None"
    facts: ItemFacts
    people: People
    friends: Ties
