"""The schedule of a society at work: events at the start of a round, and questions at its end.

    pieces = start(schedule, step, state, seed)                 # before anybody acts
    pieces = questions(schedule, step, state, mind, seed)       # after everybody acted

`page_interventions.py` puts adverts and random items into pages; `schedule_check.py` finds errors before a run.

Shapes: A agents, T agents that an entry is for.
"""

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from recgpt.simulate import rng
from recgpt.simulate.worlds.society import schedule as kinds
from recgpt.simulate.worlds.society.kinds import KINDS, SCHEDULE
from recgpt.simulate.worlds.society.minds.base import Mind, Questions
from recgpt.simulate.worlds.society.rewiring import drawn_friends, main_interests
from recgpt.simulate.worlds.society.social import FOLLOWS, FRIENDS
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import Ties

Pieces = list[pl.DataFrame]
Schedule = Sequence[kinds.Intervention]
_FRIEND = "friend"
_CLOSENESS = 0.5  # of drawn friends
_NOBODY = np.array([SCHEDULE])


def start(schedule: Schedule, step: int, state: SocietyState, seed: int) -> Pieces:
    """Pieces of the events of all entries that take place in round `step`, on the state before it."""
    pieces: Pieces = []
    for entry, intervention in enumerate(schedule):
        if isinstance(intervention, kinds.TakeOver):
            pieces += _takes_over(intervention, entry, step)
        elif intervention.is_due(step):
            pieces += [_intervened(intervention, entry), *_effects(intervention, entry, step, state, seed)]
    return pieces


def questions(schedule: Schedule, step: int, state: SocietyState, mind: Mind, seed: int) -> Pieces:
    """Pieces of the answers to surveys, polls and interviews of round `step`."""
    pieces: Pieces = []
    for entry, asked in enumerate(schedule):
        if not isinstance(asked, kinds.Survey | kinds.Interview) or not asked.is_due(step):
            continue
        agents = targets(asked, entry, step, state.social.friends, seed)
        item = asked.item if isinstance(asked, kinds.Survey) else None
        options = asked.options if isinstance(asked, kinds.Survey) else ()
        is_interview = isinstance(asked, kinds.Interview)
        put = Questions(step, agents, state, asked.question, -1 if item is None else item, options, is_interview)
        answers = mind.answer(put)
        texts = _or_failures(answers.value_R, answers.texts, answers.failures)
        pieces.append(
            KINDS.piece(
                "interviewed" if is_interview else "answered",
                agents,
                item=None if item is None else np.full(len(agents), item),
                slot=np.full(len(agents), entry),
                value=answers.value_R,
                text=texts,
            )
        )
        if asked.is_remembered:
            pieces.append(_remembered(asked, entry, agents, answers.value_R, texts))
    return pieces


def _remembered(
    asked: kinds.Survey | kinds.Interview,
    entry: int,
    agents: np.ndarray,
    value_R: np.ndarray,
    texts: Sequence[str | None],
) -> pl.DataFrame:
    """What agents remember of a question: the answer in words, else the option or the number."""
    options = asked.options if isinstance(asked, kinds.Survey) else ()
    rows = np.flatnonzero(~np.isnan(value_R)).tolist()
    said = [texts[row] or (options[int(value_R[row])] if options else f"{value_R[row]:.0f}") for row in rows]
    lines = [f'I was asked "{asked.question}" and said: {answer}' for answer in said]
    return KINDS.piece("remembered", agents[rows], slot=np.full(len(rows), entry), text=lines)


def targets(entry: kinds.Targeted, number: int, step: int, friends: Ties, seed: int) -> np.ndarray:
    """(T,) ascending agents that an entry is for; drawn ones differ by entry and round.

    Parameters
    ----------
    number
        Place of the entry in the schedule, from 0.
    friends
        Ties that count for the best connected, lower numbers first among equals.
    """
    agents = np.unique(np.array(entry.agents, dtype=np.int64)) if entry.agents else np.arange(friends.n_agents)
    if entry.n_best_connected is not None:
        agents = agents[np.argsort(-friends.degree_A[agents], kind="stable")[: entry.n_best_connected]]
    if entry.n_random is not None:
        draws = rng.uniform(seed, agents, step=step, purpose=f"targets of entry {number}")[:, 0]
        agents = agents[np.argsort(draws, kind="stable")[: entry.n_random]]
    return np.sort(agents)


def _or_failures(
    value_R: np.ndarray, texts: Sequence[str | None] | None, failures: Sequence[str | None] | None
) -> list[str | None]:
    """Texts of the answers, of failed ones the kind and meaning of the failure."""
    words = list(texts or [None] * len(value_R))
    why = failures or [None] * len(value_R)
    failed = np.isnan(value_R).tolist()
    return [why[row] if failed[row] else word for row, word in enumerate(words)]


# --- effects ---


def _intervened(intervention: kinds.Intervention, entry: int) -> pl.DataFrame:
    details = intervention.model_dump(mode="json", exclude_defaults=True, exclude={"round", "until", "every"})
    text = json.dumps({"kind": intervention.kind, **details}, ensure_ascii=False)
    return KINDS.piece("intervened", _NOBODY, slot=np.array([entry]), text=[text])


def _effects(intervention: kinds.Intervention, entry: int, step: int, state: SocietyState, seed: int) -> Pieces:
    friends = state.social.friends
    if isinstance(intervention, kinds.Tie):
        return _tie(intervention, friends)
    if isinstance(intervention, kinds.SwapRecommender):
        return [KINDS.piece("swapped", _NOBODY, text=[intervention.name])]
    if isinstance(intervention, kinds.Moderation):
        return _moderation(intervention, state)
    if not isinstance(intervention, kinds.Broadcast | kinds.SeededPost | kinds.ProfileEdit | kinds.Rewire):
        return []  # on pages, or at the end of the round
    agents = targets(intervention, entry, step, friends, seed)
    if isinstance(intervention, kinds.Broadcast):
        return _broadcast(intervention, entry, agents, friends.n_agents)
    if isinstance(intervention, kinds.SeededPost):
        return [_seeded(intervention, agents)]
    if isinstance(intervention, kinds.ProfileEdit):
        text = json.dumps(intervention.values, ensure_ascii=False)
        return [KINDS.piece("edited", agents, text=[text] * len(agents))]
    return _rewire(intervention, entry, step, state, agents, seed)


def _broadcast(message: kinds.Broadcast, entry: int, agents: np.ndarray, n_agents: int) -> Pieces:
    has_item = message.item is not None
    broadcast = KINDS.piece(
        "broadcast",
        _NOBODY,
        item=np.array([message.item]) if has_item else None,
        slot=np.array([entry]),
        value=np.array([message.opinion]) if has_item else None,
        text=[message.text],
    )
    if len(agents) == n_agents:
        return [broadcast]
    items = np.full(len(agents), message.item) if has_item else None
    return [broadcast, KINDS.piece("told", agents, item=items, slot=np.full(len(agents), entry))]


def _seeded(post: kinds.SeededPost, agents: np.ndarray) -> pl.DataFrame:
    n = len(agents)
    return KINDS.piece(
        "posted", agents, item=np.full(n, post.item), value=np.full(n, post.opinion), text=[post.text or None] * n
    )


def _tie(tie: kinds.Tie, friends: Ties) -> Pieces:
    """Follows go one way; friendship goes both ways, and the way back is a `friend` where it is new."""
    one, other = np.array([tie.source]), np.array([tie.target])
    graph = FRIENDS if tie.graph == "friends" else FOLLOWS
    both = graph == FRIENDS
    if tie.remove:
        ways = [(one, other), (other, one)] if both else [(one, other)]
        return [KINDS.piece("untied", source, other=target, place=np.array([graph])) for source, target in ways]
    ways_and_labels = [(one, other, tie.label)]
    if both and not friends.has(other, one)[0]:
        ways_and_labels.append((other, one, _FRIEND))
    return [
        KINDS.piece(
            "tied", source, other=target, place=np.array([graph]), value=np.array([tie.closeness]), text=[label]
        )
        for source, target, label in ways_and_labels
    ]


def _rewire(rewire: kinds.Rewire, entry: int, step: int, state: SocietyState, agents: np.ndarray, seed: int) -> Pieces:
    groups, purpose = main_interests(state.people), f"rewiring of entry {entry}"
    one, other = drawn_friends(
        state.social.friends, groups, agents, rewire.n, rewire.interest, seed=seed, step=step, purpose=purpose
    )
    keys = np.unique(np.concatenate([one * len(groups) + other, other * len(groups) + one]))
    source, target, n = keys // len(groups), keys % len(groups), len(keys)
    closeness = np.full(n, _CLOSENESS)
    return [KINDS.piece("tied", source, other=target, place=np.full(n, FRIENDS), value=closeness, text=[_FRIEND] * n)]


def _moderation(moderation: kinds.Moderation, state: SocietyState) -> Pieces:
    posts = state.social.posts
    removed_M = ~posts.removed_M
    if moderation.author is not None:
        removed_M &= posts.author_M == moderation.author
    if moderation.item is not None:
        removed_M &= posts.item_M == moderation.item
    if moderation.below is not None:
        removed_M &= posts.opinion_M < moderation.below
    removed = np.flatnonzero(removed_M)
    return [KINDS.piece("removed", np.full(len(removed), SCHEDULE), place=removed)]


def _takes_over(take_over: kinds.TakeOver, entry: int, step: int) -> Pieces:
    agent = np.array([take_over.agent])
    if step == take_over.round:
        return [_intervened(take_over, entry), KINDS.piece("taken", agent)]
    if take_over.until is not None and step == take_over.until + 1:
        return [KINDS.piece("returned", agent)]
    return []
