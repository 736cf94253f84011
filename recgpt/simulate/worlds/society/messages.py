"""Messages of a round in RecAgent's vocabulary: who did what, in a sentence.

    messages(run.events(3), setting)           # [{"agent_id": 4, "action": "RECOMMENDER", "content": ...}, ...]

The actions are as in the published log: RECOMMENDER, SOCIAL, CHAT, POST, LEAVE, NO_ACTION, WATCH, System.
"""

from typing import Any

import polars as pl

from recgpt.simulate.worlds.society.socialising import ALREADY_CHATTING
from recgpt.simulate.worlds.society.state import Setting
from recgpt.simulate.worlds.society.words import posted, said

ACTIONS = {
    "entered": "RECOMMENDER",
    "shown": "RECOMMENDER",
    "turned": "RECOMMENDER",
    "searched": "RECOMMENDER",
    "watched": "RECOMMENDER",
    "felt": "RECOMMENDER",
    "rated": "RECOMMENDER",
    "left": "RECOMMENDER",
    "went": "SOCIAL",
    "read": "SOCIAL",
    "liked": "SOCIAL",
    "commented": "SOCIAL",
    "followed": "SOCIAL",
    "muted": "SOCIAL",
    "chatted": "CHAT",
    "said": "CHAT",
    "posted": "POST",
    "missed": "LEAVE",
    "rested": "LEAVE",
    "failed": "NO_ACTION",
}
"""Published action of each kind of event; events of the schedule are of `System`, all others are no messages.

A chat that was missed because the two chat already is CHAT.
"""
SYSTEM = "System"
_SYSTEM_KINDS = ("broadcast", "swapped", "removed", "edited", "tied", "untied", "taken", "returned")


def messages(rows: pl.DataFrame, setting: Setting) -> list[dict[str, Any]]:
    """Messages of one step in the order of the log: `agent_id`, `action`, `content`.

    Slots of one page make one message.
    """
    titles = setting.facts.items["title"]
    found: list[dict[str, Any]] = []
    page: tuple[Any, ...] = ()
    for row in rows.iter_rows(named=True):
        kind, agent = row["kind"], row["agent"]
        if kind not in ACTIONS and kind not in _SYSTEM_KINDS:
            continue
        title = None if row["item"] is None else titles[row["item"]]
        of_page = (agent, row["value"]) if kind == "shown" else ()
        if of_page and of_page == page:
            found[-1]["content"] += f"; {title}"
            continue
        page = of_page
        name = setting.people.name[agent] if agent >= 0 else SYSTEM
        is_chatting = kind == "missed" and row["text"] == ALREADY_CHATTING
        action = "CHAT" if is_chatting else ACTIONS.get(kind, SYSTEM)
        agent_id = -1 if action == SYSTEM else agent
        found.append({"agent_id": agent_id, "action": action, "content": _content(row, name, title, setting)})
    return found


def _content(row: dict[str, Any], name: str, title: str | None, setting: Setting) -> str:
    kind, text, value = row["kind"], row["text"], row["value"]
    other = "" if row["other"] is None or row["other"] < 0 else setting.people.name[row["other"]]
    opinion = None if value is None or value != value else float(value)
    if kind == "said":
        return f"{name} says: {text or said(title, opinion)}"
    if kind == "posted":
        return f"{name} posts: {text or posted(title, opinion)}"
    sentence = _SENTENCES[kind].format(
        name=name, title=title, other=other, value="" if value is None else f"{value:g}", post=row["place"]
    )
    return sentence + (f": {text}" if text else "")


_SENTENCES = {
    "entered": "{name} opens the recommender",
    "shown": "{name} is shown {title}",
    "turned": "{name} goes to the next page",
    "searched": "{name} searches",
    "watched": "{name} watches {title}",
    "felt": "{name} felt, watching {title}, {value}",
    "rated": "{name} gives {title} {value} stars",
    "left": "{name} leaves the recommender",
    "went": "{name} turns to friends",
    "read": "{name} reads post {post}",
    "liked": "{name} likes post {post}",
    "commented": "{name} comments on post {post}",
    "followed": "{name} follows {other}",
    "muted": "{name} mutes {other}",
    "chatted": "{name} chats with {other}",
    "missed": "{name} finds {other} busy",
    "rested": "{name} does nothing",
    "failed": "{name} makes no decision",
    "broadcast": "Message to the agents",
    "swapped": "Another recommender serves",
    "removed": "Post {post} is removed",
    "edited": "The profile of {name} is changed",
    "tied": "{name} and {other} are tied",
    "untied": "{name} and {other} are no longer tied",
    "taken": "A person plays {name}",
    "returned": "{name} decides again",
}
