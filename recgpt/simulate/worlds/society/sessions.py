"""Recommender sessions of a round: pages, and up to `max_actions` actions of each agent.

    pieces = play(rules, moment, mind, recommender, search, amend, seed=0)

All agents take their first action, then all their second, and so on. The catalogue is ranked once at entry, less what
the agent was ever shown; results of a search are not filtered. Where a session goes on after a watch, the recommender
ranks again with the longer history.

Shapes: R agents in a session, S slots of a page, K places of an agent's list.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged, joined, offsets_from_lengths
from recgpt.errors import SimulationError
from recgpt.recommenders.base import Recommender
from recgpt.simulate.worlds.online import first_usable
from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds.base import Action, Browsing, Mind, Moment, Pages, Texts
from recgpt.simulate.worlds.society.search import Search
from recgpt.simulate.worlds.society.sources import Source

Pieces = list[pl.DataFrame]
Seen = Callable[[np.ndarray, np.ndarray], np.ndarray]
Amend = Callable[[np.ndarray, np.ndarray, np.ndarray, int, Seen], tuple[np.ndarray, np.ndarray]]
"""Maps agents, items and sources of pages of the recommender, the number of the action, and what agents have seen to
items and sources after the schedule's random items and adverts."""

RANKED_AT_A_TIME = 4096
NO_MORE, BUSY_CHATTING, NO_ACTIONS_LEFT = "the list is over", "is chatting", "has looked long enough"


@dataclass
class _Session:
    """Lists and places of all agents in a session; changes from action to action."""

    agent_R: np.ndarray
    list_RK: np.ndarray
    source_R: np.ndarray
    page_R: np.ndarray
    n_watched_R: np.ndarray
    shown_RX: np.ndarray
    watched_RX: np.ndarray
    query: list[str | None]


def play(
    rules: SocietyRules,
    moment: Moment,
    mind: Mind,
    recommender: Recommender,
    search: Search,
    amend: Amend | None = None,
) -> Pieces:
    """Pieces of the events of all sessions, in the order of actions.

    Parameters
    ----------
    moment
        Agents that opened the recommender.
    amend
        Random items and adverts of the schedule; None for none.
    """
    n_rows, size = len(moment), rules.page_size
    if not n_rows:
        return []
    width = rules.max_actions * size
    session = _Session(
        moment.agent_R,
        np.empty((n_rows, width), dtype=np.int64),
        np.full(n_rows, Source.RECOMMENDER, dtype=np.int8),
        np.zeros(n_rows, dtype=np.int64),
        np.zeros(n_rows, dtype=np.int64),
        np.full((n_rows, width), -1, dtype=np.int64),
        np.full((n_rows, rules.watches), -1, dtype=np.int64),
        [None] * n_rows,
    )
    _rank(session, np.arange(n_rows), moment, recommender)
    pieces = [KINDS.piece("entered", moment.agent_R)]
    active = np.arange(n_rows)
    for action in range(1, rules.max_actions + 1):
        pages = _pages(session, active, moment, size, action, amend)
        is_empty: np.ndarray = np.all(pages.items_RS < 0, axis=1)
        pieces.append(_left(pages.agent_R[is_empty], NO_MORE))
        active, pages = active[~is_empty], pages.rows(~is_empty)
        if not len(active):
            break
        session.shown_RX[active, (action - 1) * size : action * size] = pages.items_RS
        decided = mind.browse(pages)
        _check(decided, pages)
        is_chatting_R = moment.state.activity.kind_A[pages.agent_R] == Busy.CHATTING
        watch = np.flatnonzero(~decided.failed_R & (decided.action_R == Action.WATCH) & ~is_chatting_R)
        more, goes_on = _events(rules, session, active, pages, decided, watch)
        pieces += more
        _advance(session, active, pages, decided, watch, moment, recommender, search)
        active = active[goes_on]
    pieces.append(_left(session.agent_R[active], NO_ACTIONS_LEFT))
    return [piece for piece in pieces if len(piece)]


def _rank(session: _Session, rows: np.ndarray, moment: Moment, recommender: Recommender) -> None:
    """Fill the lists of some rows with the best items that their agents were never shown."""
    viewing, n_items = moment.state.viewing, len(moment.state.setting.facts)
    for start in range(0, len(rows), RANKED_AT_A_TIME):
        block = rows[start : start + RANKED_AT_A_TIME]
        agents, width = session.agent_R[block], session.list_RK.shape[1]
        histories = viewing.histories(agents)
        now_RX = session.watched_RX[block]
        if (now_RX >= 0).any():
            histories = joined(histories, Ragged(now_RX[now_RX >= 0], offsets_from_lengths((now_RX >= 0).sum(axis=1))))
        n_now = int((session.shown_RX[block] >= 0).sum(axis=1).max())
        n_shown = int(viewing.n_shown_A[agents].max(initial=0)) + n_now
        ids_Rk = recommender.rank(histories, min(n_items, width + n_shown), exclude="history").ids
        usable_Rk = (ids_Rk >= 0) & ~viewing.shown_before(agents, ids_Rk)
        if n_now:  # ranked again in the session
            usable_Rk &= ~(ids_Rk[:, :, None] == session.shown_RX[block][:, None, :]).any(axis=2)
        session.list_RK[block] = first_usable(ids_Rk, usable_Rk, width)
    session.source_R[rows], session.page_R[rows] = Source.RECOMMENDER, 0


def _pages(session: _Session, active: np.ndarray, moment: Moment, size: int, action: int, amend: Amend | None) -> Pages:
    if amend is not None:
        _drop_shown(session, active[session.source_R[active] == Source.RECOMMENDER], size)
    place_RS = session.page_R[active, None] * size + np.arange(size)
    list_RK = session.list_RK[active]
    inside_RS = place_RS < list_RK.shape[1]
    items_RS = np.where(inside_RS, np.take_along_axis(list_RK, np.where(inside_RS, place_RS, 0), axis=1), -1)
    source_RS = np.broadcast_to(session.source_R[active, None], items_RS.shape).copy()
    agents = session.agent_R[active]
    if amend is not None:
        recommended = np.flatnonzero((session.source_R[active] == Source.RECOMMENDER) & (items_RS >= 0).any(axis=1))

        def seen(rows: np.ndarray, items: np.ndarray) -> np.ndarray:
            now_RX = session.shown_RX[np.searchsorted(session.agent_R, rows)]
            in_session: np.ndarray = (items[:, :, None] == now_RX[:, None, :]).any(axis=2)
            return in_session | moment.state.viewing.shown_before(rows, items)

        items, sources = amend(agents[recommended], items_RS[recommended], source_RS[recommended], action, seen)
        items_RS[recommended], source_RS[recommended] = items, sources
    numbers, query = np.full(len(active), action), [session.query[row] for row in active.tolist()]
    n_watched = session.n_watched_R[active].copy()
    return Pages(moment.step, agents, moment.state, items_RS, source_RS, numbers, query, n_watched)


def _drop_shown(session: _Session, rows: np.ndarray, size: int) -> None:
    """Take earlier pages, and what random items and adverts have shown in the session, out of these rows' lists."""
    list_RK = session.list_RK[rows]
    is_left_RK = np.arange(list_RK.shape[1]) >= session.page_R[rows, None] * size
    is_shown_RK = (list_RK[:, :, None] == session.shown_RX[rows][:, None, :]).any(axis=2)
    session.list_RK[rows] = first_usable(list_RK, (list_RK >= 0) & is_left_RK & ~is_shown_RK, list_RK.shape[1])
    session.page_R[rows] = 0


def _events(
    rules: SocietyRules, session: _Session, active: np.ndarray, pages: Pages, decided: Browsing, watch: np.ndarray
) -> tuple[Pieces, np.ndarray]:
    """Pieces of one action of all agents, and (R,) bool whose sessions go on; `watch` are the rows that watch."""
    well_R = ~decided.failed_R
    action_R = np.where(well_R, decided.action_R, -1)
    is_refused_R = action_R == Action.WATCH
    is_refused_R[watch] = False
    row, slot = np.nonzero(pages.items_RS >= 0)
    slot_W, agent_W = decided.slot_R[watch], pages.agent_R[watch]
    item_W = pages.items_RS[watch, slot_W]
    goes_on = (action_R == Action.NEXT) | (action_R == Action.SEARCH)
    goes_on[watch] = session.n_watched_R[active[watch]] + 1 < rules.watches
    leaves = action_R == Action.LEAVE
    return [
        KINDS.piece(
            "shown",
            pages.agent_R[row],
            item=pages.items_RS[row, slot],
            place=pages.source_RS[row, slot],
            slot=slot,
            value=pages.action_R[row].astype(float),
        ),
        _of_texts("retrieved", pages, decided.retrieved, well_R),
        KINDS.piece("failed", pages.agent_R[~well_R], text=_chosen(decided.reasons, ~well_R)),
        KINDS.piece("watched", agent_W, item=item_W, place=pages.source_RS[watch, slot_W], slot=slot_W),
        _rated("rated", agent_W, item_W, decided.stars_R[watch], None),
        _rated("felt", agent_W, item_W, decided.feeling_R[watch], _chosen(decided.feeling_texts, watch)),
        _left(pages.agent_R[is_refused_R], BUSY_CHATTING),
        KINDS.piece("turned", pages.agent_R[action_R == Action.NEXT]),
        _searched(pages, decided, action_R == Action.SEARCH),
        KINDS.piece("left", pages.agent_R[leaves], text=_chosen(decided.reasons, leaves)),
    ], goes_on


def _searched(pages: Pages, decided: Browsing, chosen_R: np.ndarray) -> pl.DataFrame:
    rows = np.flatnonzero(chosen_R)
    items, viewing = decided.search_item_R[rows], pages.state.viewing
    heard_RB = viewing.heard_AB[pages.agent_R[rows]]
    is_heard_RB = (heard_RB == items[:, None]) & (items >= 0)[:, None]
    newest = heard_RB.shape[1] - 1 - is_heard_RB[:, ::-1].argmax(axis=1)
    was_heard = is_heard_RB.any(axis=1)
    others = viewing.heard_from_AB[pages.agent_R[rows], newest]
    titles = pages.state.setting.facts.items["title"]
    own = [decided.queries[row] if decided.queries is not None else None for row in rows.tolist()]
    queries = [titles[item] if item >= 0 else text for item, text in zip(items.tolist(), own, strict=True)]

    def nullable(values: np.ndarray, known: np.ndarray) -> pl.Series:
        return pl.Series(
            [value if ok else None for value, ok in zip(values.tolist(), known, strict=True)], dtype=pl.Int64
        )

    return KINDS.piece(
        "searched",
        pages.agent_R[rows],
        text=queries,
    ).with_columns(
        nullable(items, items >= 0).alias("item"),
        nullable(others, was_heard & (others >= 0)).alias("other"),
        nullable(viewing.heard_source_AB[pages.agent_R[rows], newest], was_heard).alias("place"),
    )


def _advance(
    session: _Session,
    active: np.ndarray,
    pages: Pages,
    decided: Browsing,
    watch: np.ndarray,
    moment: Moment,
    recommender: Recommender,
    search: Search,
) -> None:
    """Move to the next page, to the results of searches, or to a new ranking after a watch."""
    action_R = np.where(decided.failed_R, -1, decided.action_R)
    session.page_R[active[action_R == Action.NEXT]] += 1
    for row in np.flatnonzero(action_R == Action.SEARCH).tolist():
        item, text = int(decided.search_item_R[row]), decided.queries[row] if decided.queries is not None else None
        found = search.by_item(item) if item >= 0 else search.by_text(text or "")
        place, width = active[row], session.list_RK.shape[1]
        session.list_RK[place] = -1
        session.list_RK[place, : min(width, len(found))] = found[:width]
        session.source_R[place], session.page_R[place] = Source.SEARCH, 0
        titles = moment.state.setting.facts.items["title"]
        session.query[place] = titles[item] if item >= 0 else text
    rows = active[watch]
    session.watched_RX[rows, session.n_watched_R[rows]] = pages.items_RS[watch, decided.slot_R[watch]]
    session.n_watched_R[rows] += 1
    again = rows[session.n_watched_R[rows] < session.watched_RX.shape[1]]
    if len(again):
        _rank(session, again, moment, recommender)


def _check(decided: Browsing, pages: Pages) -> None:
    """Raise SimulationError for an item that was not offered: an error of the mind's program."""
    rows = np.flatnonzero(~decided.failed_R & (decided.action_R == Action.WATCH))
    slots, size = decided.slot_R[rows], pages.items_RS.shape[1]
    wrong = (slots < 0) | (slots >= size) | (pages.items_RS[rows, np.clip(slots, 0, size - 1)] < 0)
    if wrong.any():
        agent, slot = pages.agent_R[rows[wrong][0]], slots[wrong][0]
        raise SimulationError(f"the mind lets agent {agent} watch slot {slot}, which its page does not have: mend it")


def _left(agents: np.ndarray, why: str) -> pl.DataFrame:
    return KINDS.piece("left", agents, text=[why] * len(agents))


def _rated(kind: str, agents: np.ndarray, items: np.ndarray, values: np.ndarray, texts: Texts | None) -> pl.DataFrame:
    known = ~np.isnan(values)
    return KINDS.piece(
        kind,
        agents[known],
        item=items[known],
        value=values[known],
        text=None if texts is None else _chosen(texts, known),
    )


def _chosen(texts: Texts | None, rows: np.ndarray) -> list[str | None]:
    """Texts of some rows, given by a mask or by places."""
    places = np.flatnonzero(rows) if rows.dtype == bool else rows
    return [None if texts is None else texts[place] for place in places.tolist()]


def _of_texts(kind: str, moment: Moment, texts: Texts | None, among: np.ndarray) -> pl.DataFrame:
    """One event of each row that has a text."""
    rows = [row for row in np.flatnonzero(among).tolist() if texts is not None and texts[row]]
    return KINDS.piece(kind, moment.agent_R[rows], text=[texts[row] for row in rows] if texts is not None else [])
