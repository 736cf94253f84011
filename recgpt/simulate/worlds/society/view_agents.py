"""Agents in the view of a society at a round, as plain JSON: profile, activity, buffers, opinions, diary, relations.

agents(reader, step, [7])[0]["heard"]
relations(reader, step, 7)["friends"]
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.agents.memory import Stage
from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.reader import Reader
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import Ties
from recgpt.simulate.worlds.society.viewing import BUFFER

MAX_OPINIONS, MAX_DIARY = 30, 30


def agents(reader: Reader, step: int, shown: Sequence[int]) -> list[dict[str, Any]]:
    """Agents after a round."""
    state = reader.at(step)
    watched, heard = _watched(reader, step, shown), _heard(reader, step, shown)
    return [
        {
            **state.people.profile(agent),
            "playing": bool(state.profiles.played_A[agent]),
            "role": "user" if state.profiles.played_A[agent] else "agent",
            "event": event(reader, step, agent),
            "watched": watched.get(agent, []),
            "heard": heard.get(agent, []),
            "opinions": opinions(state, agent),
            "diary": diary(reader, step, agent),
        }
        for agent in shown
    ]


def liveliest(shown: Sequence[Mapping[str, Any]], n: int) -> list[int]:
    """Numbers of the agents that noted the most, then watched and heard of the most."""
    ranked = sorted(
        shown, key=lambda each: (-len(each["diary"]), -len(each["watched"]) - len(each["heard"]), each["id"])
    )
    return [each["id"] for each in ranked[:n]]


def event(reader: Reader, step: int, agent: int) -> dict[str, Any]:
    """Activity of an agent in a round: type, start, duration, end (simulated seconds), targets (agents, or an item)."""
    kind, start, end = reader.doing(step).of_agent(agent)
    targets: list[int] = []
    if kind == Busy.CHATTING:
        targets = reader.doing(step).partners_of(agent)
    elif kind != Busy.IDLE:
        state = reader.at(step)
        posts = state.social.posts
        own = np.flatnonzero(posts.author_M == agent)
        is_posting = kind == Busy.POSTING and len(own)
        item = int(posts.item_M[own[-1]]) if is_posting else int(state.viewing.watched_AB[agent, -1])
        targets = [item] if item >= 0 else []
    duration = 0 if start is None or end is None else end - start
    return {"type": kind.name.lower(), "start": start, "duration": duration, "end": end, "targets": targets}


def _watched(reader: Reader, step: int, shown: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Last items watched: round, title, by, stars, first_heard (source)."""
    stars = reader.rated(step).unique(["step", "agent", "item"], keep="last")
    rows = (
        _latest(reader.tally.provenance.adoptions(), step, shown)
        .join(stars, on=["step", "agent", "item"], how="left", maintain_order="left")
        .select("agent", "step", "item", "shown_by", "value", "first_source")
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for agent, round_, item, place, value, first in rows.iter_rows():
        found.setdefault(agent, []).append(
            {
                "round": round_,
                "title": reader.titles[item],
                "by": source_name(place),
                "stars": value,
                "first_heard": None if first is None else source_name(first),
            }
        )
    return found


def _heard(reader: Reader, step: int, shown: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Last items heard of: round, title, source, from."""
    people = reader.at(step).people
    rows = _latest(reader.heard(shown, step), step, shown)
    found: dict[int, list[dict[str, Any]]] = {}
    for agent, round_, item, source, other in rows.select("agent", "step", "item", "source", "other").iter_rows():
        found.setdefault(agent, []).append(
            {
                "round": round_,
                "title": reader.titles[item],
                "source": source_name(source),
                "from": None if other < 0 else people.label(other),
            }
        )
    return found


def _latest(rows: pl.DataFrame, step: int, shown: Sequence[int]) -> pl.DataFrame:
    """The last rows of each chosen agent up to a step, in their order."""
    chosen = rows.filter(pl.col("agent").is_in(list(shown)) & (pl.col("step") <= step))
    return chosen.group_by("agent", maintain_order=True).tail(BUFFER)


def source_name(source: int) -> str:
    """Name of a `Source`."""
    return Source(source).name.lower()


def opinions(state: SocietyState, agent: int) -> list[dict[str, Any]]:
    """Opinions of an agent, the strongest first: title, opinion."""
    held, titles = state.social.opinions, state.setting.facts.items["title"]
    first, last = np.searchsorted(held.key_V, [agent * held.n_items, (agent + 1) * held.n_items])
    strongest = first + np.argsort(-np.abs(held.value_V[first:last]), kind="stable")[:MAX_OPINIONS]
    return [
        {"title": titles[int(held.key_V[row] % held.n_items)], "opinion": round(float(held.value_V[row]), 3)}
        for row in strongest.tolist()
    ]


def diary(reader: Reader, step: int, agent: int) -> list[dict[str, Any]]:
    """Memories that an agent read for decisions, with their scores, and its conclusions, the newest last."""
    return [note for note in reader.diaries.get(agent, []) if note["round"] <= step][-MAX_DIARY:]


def memories(reader: Reader, step: int, agent: int) -> list[dict[str, Any]]:
    """Entries of an agent's memory, the newest first: store, kind, text, importance, created, read (hours)."""
    memory = reader.memory(step)
    if memory is None:
        return []
    return [
        {
            "store": f"{entry.stage}-term" if entry.stage != Stage.SHELL.name.lower() else "forgotten",
            "kind": entry.kind,
            "text": entry.text,
            "importance": round(entry.importance, 2),
            "created": round(entry.created, 1),
            "read": round(entry.last_accessed, 1),
        }
        for entry in reversed(memory.describe(agent))
    ]


def relations(reader: Reader, step: int, agent: int) -> dict[str, list[dict[str, Any]]]:
    """Friends, follows and mutes of an agent, the closest first: id, name, label, closeness."""
    state = reader.at(step)
    return {
        name: _ties(getattr(state.social, name), state.people.name, agent) for name in ("friends", "follows", "mutes")
    }


def _ties(ties: Ties, names: list[str], agent: int) -> list[dict[str, Any]]:
    rows = np.arange(ties.offsets[agent], ties.offsets[agent + 1])
    return [
        {
            "id": int(ties.target_R[row]),
            "name": names[ties.target_R[row]],
            "label": ties.labels[ties.label_R[row]],
            "closeness": round(float(ties.closeness_R[row]), 3),
        }
        for row in rows[np.argsort(-ties.closeness_R[rows], kind="stable")].tolist()
    ]
