"""Opinions of the scripted mind under social influence; see `parameters.Opine`.

Shapes: H hearings, O pairs of an agent and an item that it heard opinions of.
"""

from typing import TYPE_CHECKING

import numpy as np

from recgpt.simulate.worlds.society.minds.base import Opinions
from recgpt.simulate.worlds.society.minds.parameters import Opine, Parameters
from recgpt.simulate.worlds.society.minds.views import View
from recgpt.simulate.worlds.society.people import Feature

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.hearing import Hearings

FOLLOWER, MAVERICK = 1, 3
"""Classes of `Population.conformity_A`."""
_LEAST = 1e-4  # change of an opinion that counts


def opine(view: View, heard: "Hearings", parameters: Parameters, conformity_A: np.ndarray) -> Opinions:
    """Opinions changed by the hearings of a round. See `Mind.opine`."""
    model = parameters.opine
    counts = np.isfinite(heard.opinion_H) & (heard.item_H >= 0)
    if model.conformity == 0 or not counts.any():
        none = np.empty(0, dtype=np.int64)
        return _changed(none, none, none, np.empty(0))
    agent_H, other_H, item_H = heard.agent_H[counts], heard.other_H[counts], heard.item_H[counts]
    heard_H = heard.opinion_H[counts].astype(np.float64)
    key_O, pair_H = np.unique(agent_H.astype(np.int64) * len(view.state.setting.facts) + item_H, return_inverse=True)
    agent_O, item_O = np.divmod(key_O, len(view.state.setting.facts))
    known_O, before_O = view.opinion(agent_O, item_O), view.stance(agent_O, item_O)
    weight_H = _weights(view, agent_H, other_H, parameters)
    weight_H[np.abs(heard_H - before_O[pair_H]) > model.confidence] = 0
    sum_O = np.bincount(pair_H, weight_H, minlength=len(key_O))
    mean_O = np.bincount(pair_H, weight_H * heard_H, minlength=len(key_O)) / np.where(sum_O > 0, sum_O, 1)
    share_O = _susceptibility(view, agent_O, item_O, conformity_A, model) * sum_O / (sum_O + model.tellers)
    after_O = before_O + share_O * (mean_O - before_O)
    moved_O = (sum_O > 0) & (np.isnan(known_O) | (np.abs(after_O - before_O) > _LEAST))
    other_O = _only_teller(pair_H, other_H, weight_H, len(key_O))
    return _changed(agent_O[moved_O], item_O[moved_O], other_O[moved_O], after_O[moved_O])


def _changed(agent_O: np.ndarray, item_O: np.ndarray, other_O: np.ndarray, opinion_O: np.ndarray) -> Opinions:
    return Opinions(agent_O, item_O, other_O, np.clip(opinion_O, -1, 1).astype(np.float32))


def _weights(view: View, agent_H: np.ndarray, other_H: np.ndarray, parameters: Parameters) -> np.ndarray:
    """(H,) weights of the tellers."""
    model = parameters.opine
    close_H = view.closeness(agent_H, other_H) * np.where(
        view.has(Feature.CHATTER, agent_H), parameters.word.trust, 1.0
    )
    weight_H = np.maximum(close_H, model.stranger)
    return np.where(other_H < 0, model.schedule, weight_H)


def _susceptibility(
    view: View, agent_O: np.ndarray, item_O: np.ndarray, conformity_A: np.ndarray, model: Opine
) -> np.ndarray:
    """(O,) share of the way to the opinions of others, at most 1."""
    class_O = conformity_A[agent_O]
    factor_O = np.where(class_O == FOLLOWER, model.follower, np.where(class_O == MAVERICK, model.maverick, 1.0))
    watched_O = view.watched(agent_O, item_O[:, None])[:, 0]
    share: np.ndarray = np.minimum(model.conformity * factor_O, 1) * np.where(watched_O, model.experience, 1.0)
    return share


def _only_teller(pair_H: np.ndarray, other_H: np.ndarray, weight_H: np.ndarray, n_pairs: int) -> np.ndarray:
    """(O,) teller, where one alone counted; else -1."""
    counted = weight_H > 0
    highest_O = np.full(n_pairs, -1, dtype=np.int64)
    np.maximum.at(highest_O, pair_H[counted], other_H[counted])
    lowest_O = np.full(n_pairs, np.iinfo(np.int64).max, dtype=np.int64)
    np.minimum.at(lowest_O, pair_H[counted], other_H[counted])
    return np.where(highest_O == lowest_O, highest_O, -1)
