"""People whose last items are hidden: the lab of `believability`.

Shapes: A people, U users, N items, E embedding width, G groups.
"""

from dataclasses import dataclass, replace
from functools import cached_property
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
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.catalogue import Source, demographics, load_catalogue
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.profile_lifts import group_lifts, groups_of
from recgpt.simulate.worlds.society.sources_of_people import load_people, without_past


@dataclass(frozen=True)
class PastLab:
    """Real users without their last items, as people of a society, and the catalogue as they leave it.

    Attributes
    ----------
    source
        Catalogue, tags and all interactions.
    known
        All interactions but the hidden ones.
    facts
        Public facts of the items, of `known`, with the vectors of a society.
    people
        The users, with their past before the hidden items.
    hidden
        Last items of each person, oldest first; all of one length.
    seed
        Seed of recommenders.
    """

    source: Source
    known: Dataset
    facts: ItemFacts
    people: People
    hidden: Ragged
    seed: int

    @classmethod
    def of(cls, dataset: str | Path, *, agents: int, n_hidden: int, seed: int, past: str | None = None) -> "PastLab":
        """Read a data set, hide the last `n_hidden` items of all its users, and draw people among them.

        Parameters
        ----------
        past
            Data set folder with the past of the films of item.csv.

        Raises
        ------
        SimulationError
            More people than users with enough items, or a past that is made up.
        DataError
            The data set cannot be read.
        """
        source = load_catalogue(SocietyConfig(dataset=str(dataset), past=past))
        whole = source.dataset
        if not source.has_real_past:
            raise SimulationError(f"{dataset} has no past of real users: name a data set folder by past")
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
        source = replace(source, dataset=enough)
        facts = replace(ItemFacts.of(known, source.unit_NE), unit_NE=source.unit_NE)
        config = SocietyConfig(agents=agents, people="users", mean_friends=0, seed=seed)
        people = load_people(config, source, known, facts)[0]
        users = enough.user_map.to_dense(known.user_map.to_outside(people.population.user_A))
        hidden = Ragged.from_lists([items[-n_hidden:] for items in enough.sequences[users]])
        return cls(source, known, facts, people, hidden, seed)

    @cached_property
    def newcomers(self) -> People:
        """The same people without their past, whose tastes follow from their interests."""
        return without_past(self.people, self.source, self.known, self.facts, self.seed)

    @cached_property
    def profile(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Lifts of items (G, N) and groups (2, A) of people by age and gender, and by job; None without a table."""
        found = demographics(self.source)
        if found is None:
            return None
        groups_2U = groups_of(self.known, found[1])
        events = self.known.interactions
        lifts = [group_lifts(group_U, events.user, events.item, self.facts.count_N) for group_U in groups_2U]
        starts = np.array([[0], [len(lifts[0])]])
        return np.concatenate(lifts), groups_2U[:, self.people.population.user_A] + starts

    @cached_property
    def _embeddings(self) -> np.ndarray:
        return model_embeddings(self.known, load_model())  # by the encoder of the shipped model

    def fitted(self, name: str) -> Recommender:
        """A recommender, fitted on the known part.

        Raises
        ------
        DataError
            No recommender has such a name.
        """
        check_names([name])
        return recommenders_for([name], embeddings_NE=self._embeddings, seed=self.seed)[0].fit(self.known)

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
