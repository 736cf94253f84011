"""Parts of the view of a society at a round, as plain JSON; the report and the page show the same.

    social(reader, step)["density"]

All take a `Reader` and one of the steps that it has read.
"""

from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.society.measures import SOURCES
from recgpt.simulate.worlds.society.reader import Reader
from recgpt.simulate.worlds.society.rounds import date_of_round
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.words import posted

MAX_POSTS, MAX_CASCADES = 50, 20
_TOP = 3


def clock(reader: Reader, step: int) -> tuple[int, str]:
    """Simulated seconds at a round, and its date and time."""
    start, number = reader.config.start_time, max(step, 1)
    date = date_of_round(start, reader.config.interval, number)
    return int((date - start).total_seconds()), str(np.datetime64(date.replace(tzinfo=None), "s"))


def recommender(reader: Reader, step: int) -> dict[str, Any]:
    """Figures of the recommender: users, items, algorithm, interactions, current users, items watched most."""
    return {
        "users": len(reader.setting.people),
        "items": len(reader.titles),
        "algorithm": reader.recommender(step),
        "interactions": reader.total("watched", step),
        "current_users": reader.rounds[step]["recommender"] if step in reader.rounds else 0,
        "top_watched": _named(reader.tops[step][0], reader.titles),
    }


def social(reader: Reader, step: int) -> dict[str, Any]:
    """Figures of social life: users, links, density, follows, mutes, chats, posts, items talked of most."""
    life, doing = reader.at(step).social, reader.doing(step)
    return {
        "users": len(reader.setting.people),
        "links": len(life.friends) - life.friends.n_mutual,
        "density": life.friends.density,
        "follows": len(life.follows),
        "mutes": len(life.mutes),
        "chats": reader.total("chats", step),
        "current_users": int((doing.kind_B == Busy.CHATTING).sum()),
        "current_chats": len(doing.partners) // 2,
        "posts": len(life.posts),
        "top_talked": _named(reader.tops[step][1], reader.titles),
    }


def _named(counts: list[dict[str, int]], titles: pl.Series) -> list[dict[str, Any]]:
    return [{"title": titles[each["item"]], "n": each["n"]} for each in counts[:_TOP]]


def adopted(reader: Reader, step: int) -> dict[str, int]:
    """Items watched up to a round, by where the agent first heard of them."""
    of_rounds = [each["adopted"] for number, each in reader.rounds.items() if number <= step]
    return {name: sum(each[name] for each in of_rounds) for name in SOURCES}


def newest_posts(state: SocietyState, author: int | None = None) -> list[dict[str, Any]]:
    """The newest posts, of all agents or of one, with the reactions to them."""
    posts, people, titles = state.social.posts, state.people, state.setting.facts.items["title"]
    chosen = np.arange(len(posts)) if author is None else np.flatnonzero(posts.author_M == author)
    found = []
    for post in chosen[::-1][:MAX_POSTS].tolist():
        item, opinion = int(posts.item_M[post]), float(posts.opinion_M[post])
        title = titles[item] if item >= 0 else None
        known = None if opinion != opinion else round(opinion, 3)
        found.append(
            {
                "id": post,
                "round": int(posts.step_M[post]),
                "author": people.label(int(posts.author_M[post])),
                "title": title,
                "opinion": known,
                "text": posts.text(post) or posted(title, known),
                "repost_of": None if posts.parent_M[post] < 0 else int(posts.parent_M[post]),
                "likes": int(posts.n_likes_M[post]),
                "comments": int(posts.n_comments_M[post]),
                "reposts": int(posts.n_reposts_M[post]),
                "removed": bool(posts.removed_M[post]),
            }
        )
    return found


def schedule(reader: Reader, step: int) -> list[dict[str, Any]]:
    """Entries of the schedule, and the rounds in which they took effect so far."""
    took: dict[int, list[int]] = {}
    for number, slot in reader.took_effect:
        if number <= step:
            took.setdefault(slot, []).append(number)
    return [
        {**entry.model_dump(mode="json"), "took_effect": took.get(number, [])}
        for number, entry in enumerate(reader.config.schedule)
    ]


def answers(reader: Reader, step: int) -> list[dict[str, Any]]:
    """Answers to surveys, polls and interviews so far, by entry of the schedule and round."""
    return [each for each in reader.answers if each["round"] <= step]


def cascades(reader: Reader, step: int) -> list[dict[str, Any]]:
    """The largest cascades of two agents and more up to a round."""
    people, titles = reader.at(step).people, reader.titles
    trees = Forest.of(reader.tally.provenance, step).table(MAX_CASCADES).filter(pl.col("scale") > 1)
    return [{**tree, "title": titles[tree["item"]], "root": people.label(tree["root"])} for tree in trees.to_dicts()]
