"""Messages of a round: sentences on what agents did, also in RecAgent's vocabulary.

    lines(run.events(3), names, titles)        # step, agent, seq, kind, text: "watches Heat"
    messages(run.events(3), setting)           # [{"agent_id": 4, "action": "RECOMMENDER", "content": ...}, ...]

The actions are as in the published log: RECOMMENDER, SOCIAL, CHAT, POST, LEAVE, NO_ACTION, System. WATCH stands in the
live log only: for agents that are still watching, see `still_watching`.
"""

import re
from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.events import SCHEMA
from recgpt.simulate.worlds.society.kinds import ALREADY_CHATTING
from recgpt.simulate.worlds.society.setting import Setting
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
    "watching": "WATCH",
}
"""Published action of each kind of event; events of the schedule are of `System`, all others are no messages.

A chat that was missed because the two chat already is CHAT.
"""
SYSTEM = "System"
WATCHING = "watching"
"""Kind of a line that is no event: the agent still watches what it began in an earlier round."""
LINES = pl.Schema({"step": pl.Int64, "agent": pl.Int64, "seq": pl.Int64, "kind": pl.String, "text": pl.String})
"""Columns of `lines`."""
_SYSTEM_KINDS = ("broadcast", "swapped", "removed", "edited", "tied", "untied", "taken", "returned")
_SENTENCES = {
    "intervened": "starts an entry of the schedule",
    "broadcast": "sends a message to the agents",
    "told": "receives the message",
    "edited": "has another profile",
    "tied": "is tied to {other}",
    "untied": "is no longer tied to {other}",
    "swapped": "replaces the recommender",
    "removed": "removes post {post}",
    "taken": "is played by a person",
    "returned": "decides again",
    "retrieved": "remembers",
    "failed": "makes no decision",
    "rested": "does nothing",
    "entered": "opens the recommender",
    "shown": "is shown {title}",
    "turned": "goes to the next page",
    "searched": "searches",
    "watched": "watches {title}",
    "rated": "gives {title} {value} stars",
    "felt": "felt, watching {title}, {value}",
    "left": "leaves the recommender",
    "went": "turns to friends",
    "read": "reads post {post}",
    "liked": "likes post {post}",
    "commented": "comments on post {post}",
    "followed": "follows {other}",
    "muted": "mutes {other}",
    "chatted": "chats with {other}",
    "missed": "finds {other} busy",
    "said": "says",
    "posted": "posts",
    "opined": "now has the opinion {value} of {title}",
    "thought": "concludes",
    "answered": "answers {value}",
    "interviewed": "answers in an interview",
    "remembered": "remembers",
    WATCHING: "is still watching {title}",
}
_WORDS = {"said": said, "posted": posted}
_WITHOUT_TEXT = ("intervened", "retrieved")  # their text is JSON


def lines(rows: pl.DataFrame, names: pl.Series, titles: pl.Series) -> pl.DataFrame:
    """Sentences, without their subject, in the order of the rows; slots of one page make one line.

    Parameters
    ----------
    rows
        Events of any steps.
    names, titles
        Names of agents by number, and titles of items.

    Returns
    -------
    pl.DataFrame
        Columns of `LINES`.
    """
    known = rows.with_row_index("row").with_columns(
        title=pl.lit(titles).gather(pl.col("item")).fill_null(""),
        other=pl.lit(names).gather(pl.when(pl.col("other") >= 0).then("other")).fill_null(""),
        post=pl.col("place").cast(pl.String).fill_null(""),
        number=pl.col("value").round(2).cast(pl.String).str.strip_suffix(".0").fill_null(""),
    )
    told = _with_words(_with_pages(known))
    sentence, words = pl.lit(""), pl.when(~pl.col("kind").is_in(_WITHOUT_TEXT)).then("text").fill_null("")
    for kind in told["kind"].unique().to_list():
        sentence = pl.when(pl.col("kind") == kind).then(_filled(_SENTENCES[kind])).otherwise(sentence)
    colon = pl.when(words == "").then(pl.lit("")).otherwise(pl.lit(": "))
    return told.with_columns(text=pl.concat_str(sentence, colon, words)).sort("row").select(LINES.names())


def _with_pages(known: pl.DataFrame) -> pl.DataFrame:
    """Rows in which those of one page are one row, with all titles."""
    is_shown = pl.col("kind") == "shown"
    pages = known.filter(is_shown).group_by("step", "agent", "value", maintain_order=True)
    kept = pl.exclude("step", "agent", "value", "title").first()
    joined = pages.agg(kept, pl.col("title").str.join("; ")).select(known.columns)
    return pl.concat([known.filter(~is_shown), joined])


def _with_words(known: pl.DataFrame) -> pl.DataFrame:
    """Rows with words for chats and posts of scripted minds, from item and opinion."""
    is_silent = known.select(pl.col("kind").is_in(list(_WORDS)) & (pl.col("text").fill_null("") == "")).to_series()
    columns = known.filter(is_silent).select("kind", "item", "title", "value").iter_rows()
    found = [_WORDS[kind](None if item is None else title, value) for kind, item, title, value in columns]
    return known.with_columns(
        text=known["text"].clone().scatter(is_silent.arg_true(), pl.Series(found, dtype=pl.String))
    )


def _filled(sentence: str) -> pl.Expr:
    """A sentence with its `{fields}` filled in."""
    columns = {"{title}": "title", "{other}": "other", "{value}": "number", "{post}": "post"}
    pieces = [piece for piece in re.split(r"(\{\w+\})", sentence) if piece]
    return pl.concat_str([pl.col(columns[piece]) if piece in columns else pl.lit(piece) for piece in pieces])


def still_watching(step: int, agents: np.ndarray, items: np.ndarray) -> pl.DataFrame:
    """Rows for `lines` of agents that are still watching these items, before all others of their step."""
    columns = {"step": [step] * len(agents), "agent": agents, "kind": [WATCHING] * len(agents), "item": items}
    rows = pl.DataFrame(columns, schema_overrides={name: SCHEMA[name] for name in columns})
    filled = {name: pl.col(name) for name in columns} | {"seq": pl.lit(-1, dtype=pl.Int64)}
    return rows.select(**{name: filled.get(name, pl.lit(None, dtype=dtype)) for name, dtype in SCHEMA.items()})


def messages(rows: pl.DataFrame, setting: Setting) -> list[dict[str, Any]]:
    """Messages of one step in the order of the log: `agent_id`, `action`, `content`."""
    told = rows.filter(pl.col("kind").is_in([*ACTIONS, *_SYSTEM_KINDS]))
    is_chatting = (pl.col("kind") == "missed") & (pl.col("text") == ALREADY_CHATTING)
    chatting = set(told.filter(is_chatting).select("agent", "seq").rows())
    names, found = setting.people.name, []
    for _, agent, seq, kind, text in lines(told, pl.Series(names), setting.facts.items["title"]).iter_rows():
        action = "CHAT" if (agent, seq) in chatting else ACTIONS.get(kind, SYSTEM)
        subject = names[agent] if agent >= 0 else SYSTEM
        found.append({"agent_id": -1 if action == SYSTEM else agent, "action": action, "content": f"{subject} {text}"})
    return found
