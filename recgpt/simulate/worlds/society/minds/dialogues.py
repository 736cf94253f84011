"""Chats of the scripted mind, as items named and opinions of them: two to four lines, without words.

1. The first speaker names its item.
2. The partner gives its own opinion of that item if it knows it, else names an item of its own.
3. In longer chats the first speaker answers that, or names another item.
4. The partner answers it.

Each side names only items that it watched, heard of before the chat, or has an opinion on.

Shapes: R rows (chats), T topics of all rows.
"""

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.simulate.worlds.society.minds.base import Dialogues, Pairs
from recgpt.simulate.worlds.society.minds.draws import Draws, best_places, row_numbers, values_at
from recgpt.simulate.worlds.society.minds.parameters import Socialise
from recgpt.simulate.worlds.society.minds.views import View
from recgpt.simulate.worlds.society.people import Feature

_LINES = 4


def topic(
    view: View,
    topics: Ragged,
    agent_R: np.ndarray,
    draws: Draws,
    model: Socialise,
    purpose: str,
    avoided_R: np.ndarray | None = None,
) -> np.ndarray:
    """(R,) topic of each agent, drawn by how new it is and how strong the opinion of it; -1 without one.

    Parameters
    ----------
    topics
        R sequences of items, the newest first.
    avoided_R
        (R,) items that are not drawn.
    """
    row = row_numbers(topics)
    agent, item = agent_R[row], topics.values.astype(np.int64)
    newer = np.arange(len(item)) - topics.offsets[row]
    weight = model.strength * np.abs(np.nan_to_num(view.opinion(agent, item))) - model.newness * newer
    weight += draws.gumbel(agent * len(view.state.setting.facts) + item, purpose)[:, 0]
    if avoided_R is not None:
        weight = np.where(item == avoided_R[row], -np.inf, weight)
    place_R = best_places(topics, weight)
    found_R = values_at(topics, place_R)
    return np.where(found_R == avoided_R, -1, found_R) if avoided_R is not None else found_R


def talk(view: View, pairs: Pairs, model: Socialise, draws: Draws) -> Dialogues:
    """Dialogues of chats. See `Mind.talk`."""
    first_R, partner_R, n = pairs.agent_R, pairs.partner_R, len(pairs)
    item_R4 = np.full((n, _LINES), -1, dtype=np.int64)
    item_R4[:, 0] = pairs.item_R
    partner_knows_R = _knows(view, partner_R, pairs.item_R, pairs.partner_topics)
    own_R = topic(view, pairs.partner_topics, partner_R, draws, model, "partner's topic", pairs.item_R)
    item_R4[:, 1] = np.where(partner_knows_R, pairs.item_R, own_R)
    other_R = topic(view, pairs.topics, first_R, draws, model, "second topic", pairs.item_R)
    is_answer_R = ~partner_knows_R & _knows(view, first_R, own_R, pairs.topics)
    item_R4[:, 2] = np.where(is_answer_R, own_R, other_R)
    last_R = item_R4[:, 2]
    item_R4[:, 3] = np.where(~is_answer_R & _knows(view, partner_R, last_R, pairs.partner_topics), last_R, -1)
    more_R = np.where(view.has(Feature.CHATTER, first_R), model.more_chatter, model.more)
    goes_on_R = draws.uniform(first_R, "more")[:, 0] < more_R
    said_R4 = np.ones((n, _LINES), dtype=bool)
    said_R4[:, 2] = goes_on_R & (item_R4[:, 2] >= 0)
    said_R4[:, 3] = said_R4[:, 2] & (item_R4[:, 3] >= 0)
    row, line = np.nonzero(said_R4)
    by_partner = line % 2 == 1
    item = item_R4[row, line]
    opinion = view.stance(np.where(by_partner, partner_R[row], first_R[row]), item)
    return Dialogues(row, by_partner, item, opinion.astype(np.float32), np.zeros(n, dtype=bool))


def _knows(view: View, agent_R: np.ndarray, item_R: np.ndarray, topics: Ragged) -> np.ndarray:
    """(R,) bool, whether the agent watched, heard of, or has an opinion on the item."""
    known: np.ndarray = topics.contains(item_R) | np.isfinite(view.opinion(agent_R, item_R))
    return known & (item_R >= 0)
