"""People whose last items are hidden: the lab of `believability`.

Shapes: A people, N items, E embedding width.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.data import schema
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import load_model
from recgpt.recommenders import check_names
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import from_dataset
from recgpt.simulate.items import ItemFacts


@dataclass(frozen=True)
class PastLab:
    """Real users without their last items, and the catalogue as they leave it.

    Attributes
    ----------
    known
        All interactions but the hidden ones.
    facts
        Public facts of the items, of `known`.
    embeddings_NE
        (N, E) text embeddings of the catalogue.
    people
        The users and what they took before.
    hidden
        Last items of each person, oldest first; all of one length.
    seed
        Seed of recommenders.
    """

    known: Dataset
    facts: ItemFacts
    embeddings_NE: np.ndarray
    people: Population
    hidden: Ragged
    seed: int

    @classmethod
    def of(cls, dataset: str | Path, *, agents: int, n_hidden: int, seed: int) -> "PastLab":
        """Read a data set, hide the last `n_hidden` items of all its users, and draw people among them.

        Raises
        ------
        SimulationError
            More people than users with enough items.
        DataError
            The data set cannot be read.
        """
        whole = Dataset.load(dataset, repeats="drop")
        lengths_U = np.diff(whole.offsets)
        if int((lengths_U > n_hidden).sum()) < agents:
            raise SimulationError(
                f"agents={agents}: {whole.name} has {int((lengths_U > n_hidden).sum())} users with more than {n_hidden}"
                " items: use fewer agents, or hide fewer items"
            )
        enough = whole.select(np.repeat(lengths_U > n_hidden, lengths_U))
        place_R = np.arange(enough.n_interactions) - enough.offsets[enough.interactions.user]
        is_known_R = place_R < np.diff(enough.offsets)[enough.interactions.user] - n_hidden
        enough.split = np.where(is_known_R, schema.SPLIT_NAMES.index("train"), schema.SPLIT_NAMES.index("test"))
        known = enough.select(is_known_R)
        embeddings_NE = model_embeddings(known, load_model())  # by the encoder of the shipped model
        facts = ItemFacts.of(known, embeddings_NE)
        people = from_dataset(enough, facts, n_agents=agents, seed=seed)
        hidden = Ragged.from_lists([items[-n_hidden:] for items in enough.sequences[people.user_A]])
        return cls(known, facts, embeddings_NE, people, hidden, seed)

    def fitted(self, name: str) -> Recommender:
        """A recommender, fitted on the known part.

        Raises
        ------
        DataError
            No recommender has such a name.
        """
        check_names([name])
        return recommenders_for([name], embeddings_NE=self.embeddings_NE, seed=self.seed)[0].fit(self.known)

    def about(self) -> dict[str, Any]:
        """Description of data set and people, for a result."""
        return {
            "dataset": self.known.name,
            "items_sha256": self.known.items_sha256,
            "interactions_sha256": self.known.interactions_sha256,
            "users": self.known.n_users,
            "agents": len(self.people),
            "items": self.known.n_items,
            "people": self.people.made_from,
        }
