"""State of a society, a function of its events: five parts, each with its own arrays and file.

    state = SocietyState(rules, setting)
    for rows in run.iter_steps():
        state.apply(rows)

`activity` (who is busy until when), `viewing` (shown, watched, heard of), `social` (ties, posts, mutes, opinions),
`profiles` (edits, who is played by a person), `memory` (None without one).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recgpt.data.dataset import Dataset
    from recgpt.simulate.items import ItemFacts
    from recgpt.simulate.worlds.society.config import SocietyRules
    from recgpt.simulate.worlds.society.people import People
    from recgpt.simulate.worlds.society.ties import Ties


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

    known: Dataset | None
    facts: ItemFacts
    people: People
    friends: Ties


class SocietyState:
    """State of a society after the events so far.

    Attributes
    ----------
    rules
        Rules of the society.
    setting
        Catalogue, people and ties before the first round.
    """

    rules: SocietyRules
    setting: Setting
    activity: Any
    viewing: Any
    social: Any
    profiles: Any
    memory: Any
    time: float
    now: datetime

    @property
    def people(self) -> People:
        """The agents, with the edits of their profiles."""
        people: People = self.profiles.people
        return people
