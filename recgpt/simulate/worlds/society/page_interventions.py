"""Adverts and random items in the pages of a recommender.

    items_RS, source_RS = on_pages(schedule, step, state, seed, agents, items_RS, source_RS, action=1, seen=...)

Random items: `n` distinct places of a page, drawn, are filled with uniform draws from the items that the agent has
neither seen nor known before and that are not on the page. An advert takes the first slot of a session's first page and
moves the others on; the last one falls off, unless the advert was on the page already.

Shapes: R pages of one agent each, S slots, K draws for each, N items.
"""

from collections.abc import Callable

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.society import schedule as kinds
from recgpt.simulate.worlds.society.interventions import Schedule, targets
from recgpt.simulate.worlds.society.rewiring import repeats_earlier
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import are_among

Seen = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Whether the agents (R,) were shown the items (R, K): bool (R, K)."""


def on_pages(
    schedule: Schedule,
    step: int,
    state: SocietyState,
    seed: int,
    agents: np.ndarray,
    items_RS: np.ndarray,
    source_RS: np.ndarray,
    *,
    action: int,
    seen: Seen,
) -> tuple[np.ndarray, np.ndarray]:
    """Items and sources of pages of the recommender after the schedule's random items and adverts.

    Parameters
    ----------
    agents
        (R,) agents whose pages they are.
    items_RS, source_RS
        Pages; -1 for an empty slot.
    action
        Number of the action in the session, from 1; adverts are put into the pages of action 1.
    seen
        Items shown to these agents before, including earlier pages of the session.
    """
    items_RS, source_RS = items_RS.copy(), source_RS.copy()
    for entry, intervention in enumerate(schedule):
        if not isinstance(intervention, kinds.RandomItems | kinds.Advert) or not intervention.is_due(step):
            continue
        rows = np.flatnonzero(are_among(agents, targets(intervention, entry, step, state.social.friends, seed)))
        if not len(rows):
            continue
        if isinstance(intervention, kinds.RandomItems):
            purpose = f"random items of entry {entry}, action {action}"
            draw = _Draw(state, seed, step, purpose, seen)
            _fill(items_RS, source_RS, rows, agents[rows], min(intervention.n, items_RS.shape[1]), draw)
        elif action == 1:
            items_RS[rows], source_RS[rows] = with_advert(items_RS[rows], source_RS[rows], intervention.item)
    return items_RS, source_RS


def with_advert(items_RS: np.ndarray, source_RS: np.ndarray, item: int) -> tuple[np.ndarray, np.ndarray]:
    """Pages with the item in the first slot and the others moved on."""
    size = items_RS.shape[1]
    is_other_RS = items_RS != item
    order_RS = np.argsort(~is_other_RS, axis=1, kind="stable")[:, : size - 1]
    advert_R1 = np.full((len(items_RS), 1), item, dtype=items_RS.dtype)
    source_R1 = np.full((len(items_RS), 1), Source.INTERVENTION, dtype=source_RS.dtype)
    return (
        np.concatenate([advert_R1, np.take_along_axis(items_RS, order_RS, axis=1)], axis=1),
        np.concatenate([source_R1, np.take_along_axis(source_RS, order_RS, axis=1)], axis=1),
    )


class _Draw:
    """Random unseen items, keyed by agent, step and purpose."""

    def __init__(self, state: SocietyState, seed: int, step: int, purpose: str, seen: Seen) -> None:
        self._state, self._seed, self._step, self._purpose, self._seen = state, seed, step, purpose, seen

    def places(self, agents: np.ndarray, n: int, size: int) -> np.ndarray:
        """(R, n) distinct places of a page, in random order."""
        draws_RS = rng.uniform(self._seed, agents, step=self._step, purpose=f"places of {self._purpose}", n=size)
        return np.argsort(draws_RS, axis=1, kind="stable")[:, :n]

    def items(self, agents: np.ndarray, page_RS: np.ndarray, n: int) -> np.ndarray:
        """(R, n) distinct unseen items that are not on the page; -1 where there are fewer."""
        n_items = len(self._state.setting.facts)
        draws_RK = rng.uniform(self._seed, agents, step=self._step, purpose=self._purpose, n=3 * n + 12)
        item_RK = (draws_RK * n_items).astype(np.int64)
        usable_RK = self._are_new(agents, item_RK, page_RS) & ~repeats_earlier(item_RK)
        row, column = np.nonzero(usable_RK & (usable_RK.cumsum(axis=1) <= n))
        drawn_Rn = np.full((len(agents), n), -1, dtype=np.int64)
        drawn_Rn[row, usable_RK.cumsum(axis=1)[row, column] - 1] = item_RK[row, column]
        for place in np.flatnonzero(usable_RK.sum(axis=1) < n).tolist():  # few unseen items: choose among all
            drawn_Rn[place] = self._chosen(agents[[place]], page_RS[[place]], n, n_items)
        return drawn_Rn

    def _are_new(self, agents: np.ndarray, item_RK: np.ndarray, page_RS: np.ndarray) -> np.ndarray:
        on_page_RK = (item_RK[:, :, None] == page_RS[:, None, :]).any(axis=2)
        histories, n_items = self._state.viewing.histories(agents), len(self._state.setting.facts)
        known = np.sort(np.repeat(np.arange(len(agents)), histories.lengths) * n_items + histories.values)
        known_RK = are_among(np.arange(len(agents))[:, None] * n_items + item_RK, known)
        new: np.ndarray = ~on_page_RK & ~known_RK & ~self._seen(agents, item_RK)
        return new

    def _chosen(self, agent: np.ndarray, page_1S: np.ndarray, n: int, n_items: int) -> np.ndarray:
        new = np.flatnonzero(self._are_new(agent, np.arange(n_items)[None], page_1S)[0])
        draws = rng.uniform(self._seed, new, step=self._step, purpose=f"{self._purpose} of agent {agent[0]}")[:, 0]
        chosen = new[np.argsort(draws, kind="stable")[:n]]
        return np.concatenate([chosen, np.full(n - len(chosen), -1)])


def _fill(
    items_RS: np.ndarray, source_RS: np.ndarray, rows: np.ndarray, agents: np.ndarray, n: int, draw: _Draw
) -> None:
    """Fill `n` drawn places of these pages with drawn items, in place."""
    place_Rn = draw.places(agents, n, items_RS.shape[1])
    drawn_Rn = draw.items(agents, items_RS[rows], n)
    row, column = np.nonzero(drawn_Rn >= 0)
    items_RS[rows[row], place_Rn[row, column]] = drawn_Rn[row, column]
    source_RS[rows[row], place_Rn[row, column]] = Source.INTERVENTION
