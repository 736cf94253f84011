"""Facts of a state that the scripted mind uses: word of mouth, closeness, own and expected opinions.

Shapes: R rows, S items of a row, B items of a buffer.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgpt.simulate.worlds.society.minds.parameters import Parameters
from recgpt.simulate.worlds.society.minds.tastes import Tastes
from recgpt.simulate.worlds.society.people import Feature
from recgpt.simulate.worlds.society.ties import Ties, are_among

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.state import SocietyState


class View:
    """A state as agents see it.

    Parameters
    ----------
    state
        State of the society.
    tastes
        Tastes of the agents in it.
    parameters
        Parameters of the mind.
    """

    def __init__(self, state: "SocietyState", tastes: Tastes, parameters: Parameters) -> None:
        self.state, self.tastes, self._parameters = state, tastes, parameters
        self._n_items = len(state.setting.facts)

    def has(self, feature: Feature, agent_R: np.ndarray) -> np.ndarray:
        """(R,) bool, whether agents have the feature."""
        return self.state.people.has(feature, agent_R)

    def closeness(self, agents: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Closeness of ties of friendship, 0 where there is none; arrays of one shape."""
        return closeness(self.state.social.friends, agents, others)

    def opinion(self, agents: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 opinions, NaN for none or no item; arrays of one shape."""
        known = (agents >= 0) & (items >= 0)
        values = self.state.social.opinions.of(np.maximum(agents, 0), np.maximum(items, 0))
        return np.where(known, values, np.nan).astype(np.float64)

    def stance(self, agents: np.ndarray, items: np.ndarray) -> np.ndarray:
        """float64 opinions, by taste where an agent has none; NaN for no item. Arrays of one shape."""
        own = self.opinion(agents, items)
        missing = np.isnan(own) & (items >= 0)
        own[missing] = self.tastes.expected_opinion(agents[missing], items[missing])
        return own

    def watched(self, agent_R: np.ndarray, items_RS: np.ndarray) -> np.ndarray:
        """(R, S) bool, whether the agent watched the item, before or in the run."""
        in_run = self.state.viewing.watched(agent_R)
        row = np.repeat(np.arange(len(agent_R)), in_run.lengths)
        keys = np.arange(len(agent_R))[:, None] * self._n_items + items_RS
        is_in_run = are_among(keys, np.sort(row * self._n_items + in_run.values)) & (items_RS >= 0)
        watched: np.ndarray = is_in_run | self.tastes.took_before(agent_R, items_RS)
        return watched

    def appeal(self, agent_R: np.ndarray, items_RS: np.ndarray) -> np.ndarray:
        """(R, S) log weights of items: taste, word of mouth, own opinion, whether watched; -inf for no item."""
        watch = self._parameters.watch
        agents_RS = np.broadcast_to(agent_R[:, None], items_RS.shape)
        watched_RB = self.state.viewing.watched_AB[agent_R]
        weight_RS = self.tastes.appeal(agent_R, items_RS, watched_RB) + self.word_of_mouth(agent_R, items_RS)
        weight_RS += watch.opinion * np.nan_to_num(self.opinion(agents_RS, items_RS))
        weight_RS += watch.again * self.watched(agent_R, items_RS)
        return np.where(items_RS >= 0, weight_RS, -np.inf)

    def word_of_mouth(self, agent_R: np.ndarray, items_RS: np.ndarray) -> np.ndarray:
        """(R, S) log weight that items gain by word of mouth, over the last ten hearings."""
        viewing, word = self.state.viewing, self._parameters.word
        heard_RB = viewing.heard_AB[agent_R].astype(np.int64)
        teller_RB = viewing.heard_from_AB[agent_R].astype(np.int64)
        agents_RB = np.broadcast_to(agent_R[:, None], heard_RB.shape)
        trust_R = np.where(self.has(Feature.CHATTER, agent_R), word.trust, 1.0)
        told_RB = np.nan_to_num(self.opinion(teller_RB, heard_RB)) * self.closeness(agents_RB, teller_RB)
        weight_RB = np.where(heard_RB >= 0, word.mention + word.opinion * trust_R[:, None] * told_RB, 0.0)
        same_RSB = (items_RS[:, :, None] == heard_RB[:, None, :]) & (items_RS >= 0)[:, :, None]
        gained: np.ndarray = (same_RSB * weight_RB[:, None, :]).sum(axis=2)
        return gained

    def heard_of(self, agent_R: np.ndarray) -> np.ndarray:
        """(R, B) int64 items last heard of that the agent has not watched, each once; -1 elsewhere."""
        heard_RB = self.state.viewing.heard_AB[agent_R].astype(np.int64)
        repeated_RBB = (heard_RB[:, :, None] == heard_RB[:, None, :]) & np.tri(heard_RB.shape[1], k=-1, dtype=bool)
        out_RB = repeated_RBB.any(axis=2) | self.watched(agent_R, heard_RB)
        return np.where(out_RB, -1, heard_RB)


def closeness(ties: Ties, agents: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 closeness of ties, 0 where there is none; arrays of one shape."""
    if not len(ties):
        return np.zeros(np.shape(agents))
    wanted = np.asarray(agents, dtype=np.int64) * ties.n_agents + others
    place = np.minimum(np.searchsorted(ties.keys, wanted), len(ties) - 1)
    is_tie = (ties.keys[place] == wanted) & (np.asarray(others) >= 0)
    return np.where(is_tie, ties.closeness_R[place], 0.0).astype(np.float64)
