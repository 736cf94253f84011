"""Panels of a society for pages: tables of the view's parts, of a round and of an agent.

round_panels(reader, step)
agent_panels(reader, step, agent)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from recgpt.simulate.watch import Panel, ProfileEntry
from recgpt.simulate.watching import figures_panel, table_panel
from recgpt.simulate.worlds.society import view_agents, view_parts
from recgpt.simulate.worlds.society.reader import Reader

_LABELS = {
    "users": "users",
    "items": "films",
    "algorithm": "algorithm",
    "interactions": "interactions",
    "current_users": "current users",
    "links": "links",
    "density": "network density",
    "follows": "follows",
    "mutes": "mutes",
    "chats": "chats",
    "current_chats": "current chats",
    "posts": "posts",
}
_PROFILE = {
    "name": "name",
    "gender": "gender",
    "age": "age",
    "traits": "traits",
    "status": "job",
    "interest": "interest",
    "feature": "feature",
}
_HEARD = {"none": "not heard of (algorithm alone)"}
_LEFT_OUT, _IN_WORDS = ("kind", "round", "took_effect"), ("name", "text", "question", "values")
_SCORES = ("recency", "relevance", "importance", "score")
_SCORES_HELP = (
    "Recency, relevance and importance as the memory's preset defines them, neither scaled nor weighted; score: their"
    " sum or product, by which memories are ranked."
)


def _table(
    tab: str, title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], help: str = ""
) -> Panel:
    """Table of dictionaries; columns are labels by key."""
    listed = [[_cell(row[key]) for key in columns] for row in rows]
    return table_panel(tab, title, list(columns.values()), listed, help)


def _cell(value: Any) -> str | int | float | None:
    if isinstance(value, bool):
        return "yes" if value else ""
    return value if value is None or isinstance(value, str | int | float) else ", ".join(map(str, value))


def _figures(tab: str, title: str, values: Mapping[str, Any]) -> Panel:
    return figures_panel(tab, title, {_LABELS[name]: value for name, value in values.items() if name in _LABELS})


def _top(tab: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Panel:
    return _table(tab, title, {"title": "film", "n": "times"}, rows)


# --- of a round ---


def round_panels(reader: Reader, step: int) -> list[Panel]:
    """Panels of the tabs recommender, social and schedule."""
    served, life = view_parts.recommender(reader, step), view_parts.social(reader, step)
    served["interactions"] = reader.total("watched", step)
    return [
        _figures("recommender", "Recommender", served),
        _top("recommender", "Most watched", served["top_watched"]),
        _adoptions(reader, step),
        _figures("social", "Social life", life),
        _top("social", "Most talked of", life["top_talked"]),
        _posts("social", "Newest posts", view_parts.newest_posts(reader.at(step))),
        _cascades(reader, step),
        _schedule(reader, step),
        _answers(reader, step),
    ]


def _adoptions(reader: Reader, step: int) -> Panel:
    counts = view_parts.adopted(reader, step)
    return table_panel(
        "recommender",
        "Watched, by where first heard of",
        ["source", "films watched"],
        [[_HEARD.get(name, name), n] for name, n in counts.items()],
    )


def _posts(tab: str, title: str, posts: Sequence[Mapping[str, Any]]) -> Panel:
    columns = {
        "round": "round",
        "author": "author",
        "text": "post",
        "title": "film",
        "opinion": "opinion",
        "likes": "likes",
        "comments": "comments",
        "reposts": "reposts",
        "removed": "removed",
    }
    return _table(tab, title, columns, posts)


def _cascades(reader: Reader, step: int) -> Panel:
    columns = {
        "title": "film",
        "root": "first agent",
        "step": "round",
        "scale": "agents",
        "watched": "watched",
        "depth": "depth",
        "breadth": "breadth",
        "virality": "virality",
        "steps_to_half": "rounds to half",
    }
    rows = [{**tree, "virality": round(tree["virality"], 3)} for tree in view_parts.cascades(reader, step)]
    help = "Agents that watched or named a film, each below the one it first heard of it from."
    return _table("social", "Largest cascades", columns, rows, help)


def _schedule(reader: Reader, step: int) -> Panel:
    rows = [
        {**entry, "entry": number, "details": details(entry, reader.titles)}
        for number, entry in enumerate(view_parts.schedule(reader, step))
    ]
    columns = {
        "entry": "entry",
        "kind": "kind",
        "round": "round",
        "details": "details",
        "took_effect": "took effect in rounds",
    }
    return _table("schedule", "Schedule", columns, rows)


def details(entry: Mapping[str, Any], titles: Sequence[str] | pl.Series) -> str:
    """Settings of an entry of the schedule as text, without empty ones."""
    shown = {key: value for key, value in entry.items() if key not in _LEFT_OUT and value not in (None, "", [], False)}
    words = [_said(shown.pop(key)) for key in _IN_WORDS if key in shown]
    if "item" in shown:
        shown["item"] = titles[shown["item"]]
    return ", ".join(words + [f"{key} {_cell(value)}" for key, value in shown.items()])


def _said(value: Any) -> str:
    return _pairs(value) if isinstance(value, dict) else str(value)


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {value}" for key, value in values.items())


def _answers(reader: Reader, step: int) -> Panel:
    entries = reader.config.schedule
    rows = [
        {
            **each,
            "question": getattr(entries[each["entry"]], "question", ""),
            "mean": None if each["mean"] is None else round(each["mean"], 3),
            "options": _options(getattr(entries[each["entry"]], "options", ()), each["options"]),
        }
        for each in view_parts.answers(reader, step)
    ]
    columns = {
        "entry": "entry",
        "question": "question",
        "round": "round",
        "n": "answers",
        "failed": "failed",
        "mean": "mean",
        "options": "answers by option",
    }
    return _table("schedule", "Surveys, polls and interviews", columns, rows[::-1])


def _options(names: Sequence[str], counts: Mapping[str, int]) -> str:
    return "; ".join(f"{name}: {counts.get(str(number), 0)}" for number, name in enumerate(names))


# --- of an agent ---


def profile_entries(reader: Reader, step: int, agent: int) -> list[ProfileEntry]:
    """Profile of an agent; its fields can be edited."""
    state = reader.at(step)
    values: dict[str, Any] = state.people.profile(agent)
    values |= {"feature": "; ".join(values["feature"]), "age": None if values["age"] < 0 else values["age"]}
    own = [ProfileEntry(name=name, label=label, value=values[name]) for name, label in _PROFILE.items()]
    counted = {
        "friends": int(state.social.friends.degree_A[agent]),
        "posts": int((state.social.posts.author_M == agent).sum()),
        "films watched": int(state.viewing.n_watched_A[agent]),
        "films shown": int(state.viewing.n_shown_A[agent]),
    }
    return own + [ProfileEntry(name=None, label=label, value=value) for label, value in counted.items()]


def agent_panels(reader: Reader, step: int, agent: int, history: Sequence[Sequence[Any]]) -> list[Panel]:
    """Panels of the tabs films, diary, history and relations of an agent's card."""
    state = reader.at(step)
    seen = view_agents.agents(reader, step, [agent])[0]
    return [
        _watched(seen["watched"][::-1]),
        _heard(seen["heard"][::-1]),
        _table("films", "Opinions, the strongest first", {"title": "film", "opinion": "opinion"}, seen["opinions"]),
        _diary(seen["diary"]),
        _memory(view_agents.memories(reader, step, agent)),
        table_panel("history", "History, the latest first", ["round", "kind", "text"], history),
        _posts("history", "Own posts", view_parts.newest_posts(state, agent)),
        *_relations(view_agents.relations(reader, step, agent)),
    ]


def _watched(rows: Sequence[Mapping[str, Any]]) -> Panel:
    columns = {
        "round": "round",
        "title": "film",
        "by": "shown by",
        "stars": "stars",
        "first_heard": "first heard of from",
    }
    return _table("films", "Watched, the last ten", columns, rows)


def _heard(rows: Sequence[Mapping[str, Any]]) -> Panel:
    columns = {"round": "round", "title": "film", "source": "source", "from": "from"}
    return _table("films", "Heard of, the last ten", columns, rows)


def _diary(notes: Sequence[Mapping[str, Any]]) -> Panel:
    rows = []
    for note in notes[::-1]:
        if note["kind"] == "thought":
            rows.append([note["round"], "conclusion", note["text"], *[None] * len(_SCORES)])
        rows += [
            [note["round"], "memory read", memory["text"], *(memory[name] for name in _SCORES)]
            for memory in note["memories"]
        ]
    return table_panel(
        "diary", "Diary: memories read for decisions", ["round", "kind", "text", *_SCORES], rows, _SCORES_HELP
    )


def _memory(rows: Sequence[Mapping[str, Any]]) -> Panel:
    columns = {
        "store": "store",
        "kind": "kind",
        "text": "text",
        "importance": "importance",
        "created": "hour made",
        "read": "hour last read",
    }
    return _table("diary", "Memory, the newest first", columns, rows)


def _relations(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Panel]:
    columns = {"id": "agent", "name": "name", "label": "the agent is to them", "closeness": "closeness"}
    of_others = {"id": "agent", "name": "name"}
    return [
        _table("relations", "Friends, the closest first", columns, found["friends"]),
        _table("relations", "Follows", of_others, found["follows"]),
        _table("relations", "Mutes", of_others, found["mutes"]),
    ]
