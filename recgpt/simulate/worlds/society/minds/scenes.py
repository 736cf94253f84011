"""Knowledge of agents at a decision, as quoted texts for prompts.

    scenes = Scenes(facts, uses_memory=True)
    scene = scenes.of(moment, query_RE)[0]              # time, titles watched and heard of, memories
    scenes.person(state.people, agent)                  # profile

All text of items, people, posts and memories is quoted (`llm.text.quoted`); people are named by name and number.

Shapes: R rows, E embedding width.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from recgpt.simulate.agents.memory import Memory, Retrieved
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import MAX_SENTENCE_CHARS, quoted_memories
from recgpt.simulate.worlds.society.minds.base import Moment
from recgpt.simulate.worlds.society.minds.schemas import MOST_OPINION
from recgpt.simulate.worlds.society.people import Feature, People
from recgpt.simulate.worlds.society.sources import Source

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.state import SocietyState

MEMORIES = 5
"""Entries of an agent that one decision reads."""
MAX_FRIENDS = 20
"""Friends that are offered for a chat, the closest first."""
MAX_TOPICS = 10
"""Titles that are offered to talk about."""
_MAX_DESCRIPTION_CHARS = 160
_MAX_TASTES = 5
_SCORE_DIGITS = 4
_HABITS = {
    Feature.WATCHER: "likes to watch things and to rate them",
    Feature.EXPLORER: "looks for titles that others mentioned",
    Feature.CRITIC: "is hard to please, by titles and by the site",
    Feature.CHATTER: "likes to chat in private and trusts friends",
    Feature.POSTER: "likes to share opinions with everybody",
}
_OPINIONS = ((-0.75, "hates it"), (-0.25, "does not like it"), (0.25, "has no clear opinion of it"), (0.75, "likes it"))
_LOVES = "loves it"


@dataclass(frozen=True)
class Scene:
    """Knowledge of one agent.

    Attributes
    ----------
    time
        Simulated time.
    watched
        Quoted titles, the newest first.
    heard
        Quoted titles heard of and not watched yet, with their source, the newest first.
    heard_items
        Their items.
    memories
        Quoted texts, the best match first.
    note
        JSON of the memories' ids and scores, for the log; None for none.
    """

    time: str
    watched: list[str]
    heard: list[str]
    heard_items: list[int]
    memories: list[str]
    note: str | None = None


class Scenes:
    """Makes the texts of prompts.

    Parameters
    ----------
    facts
        The catalogue.
    uses_memory
        Whether decisions read memories.
    """

    def __init__(self, facts: ItemFacts, *, uses_memory: bool = True) -> None:
        self._facts = facts
        self._uses_memory = uses_memory

    def of(self, moment: Moment, query_RE: np.ndarray) -> list[Scene]:
        """Scenes of the agents of a moment, with their memories nearest to the queries."""
        viewing, people = moment.state.viewing, moment.state.people
        memories, notes = self._remembered(moment, query_RE)
        scenes = []
        for row, agent in enumerate(moment.agent_R.tolist()):
            watched = newest_first(viewing.watched_AB[agent])
            places = [
                place
                for place in _newest_places(viewing.heard_AB[agent])
                if viewing.heard_AB[agent][place] not in watched
            ]
            items = [int(viewing.heard_AB[agent][place]) for place in places]
            sources = [
                heard_from(people, viewing.heard_from_AB[agent][place], viewing.heard_source_AB[agent][place])
                for place in places
            ]
            heard = [f"{self.title(item)} ({source})" for item, source in zip(items, sources, strict=True)]
            titles = [self.title(item) for item in watched]
            scenes.append(Scene(when(moment.state.now), titles, heard, items, memories[row], notes[row]))
        return scenes

    def without_past(self, time: datetime, items: Sequence[int], n_heard: int) -> Scene:
        """A made-up scene with these items as watched and the first ones as heard of, for an estimate."""
        titles = [self.title(item) for item in items]
        heard = [f"{title} (a friend told you)" for title in titles[:n_heard]]
        memories = [quoted(f"I watched {title} and gave it 4 stars.") for title in titles[:MEMORIES]]
        scene = Scene(when(time), titles, heard, list(items[:n_heard]), memories)
        return scene if self._uses_memory else replace(scene, memories=[])

    def person(self, people: People, agent: int, *, you: bool = True) -> dict[str, Any]:
        """Values of the template `person`."""
        profile = people.profile(agent)
        texts = {name: quoted(str(profile[name])) if profile[name] else None for name in _PROFILE}
        habits = [habit for feature, habit in _HABITS.items() if int(people.feature_A[agent]) & feature]
        return {
            **texts,
            "you": you,
            "label": label(people, agent),
            "age": int(people.age_A[agent]) if people.age_A[agent] >= 0 else None,
            "habits": habits,
            "tastes": [quoted(taste) for taste in people.population.tastes[agent][:_MAX_TASTES]],
        }

    def title(self, item: int) -> str:
        """Quoted title of an item."""
        return quoted(self._facts.items["title"][int(item)])

    def item(self, item: int) -> str:
        """Quoted title, mean rating, categories and description."""
        of_item, rating = self._facts.items.row(int(item), named=True), float(self._facts.mean_rating_N[item])
        parts = [quoted(of_item["title"])]
        if not np.isnan(rating):
            parts.append(f"rated {rating:.1f} of 5 by others")
        parts += [quoted(str(of_item["categories"]))] if of_item.get("categories") else []
        parts += [quoted(of_item["description"], _MAX_DESCRIPTION_CHARS)] if of_item.get("description") else []
        return ", ".join(parts)

    def topic(self, state: "SocietyState", agent: int, item: int) -> str:
        """Quoted title, whether the agent watched it, and its opinion."""
        known = "watched" if item in state.viewing.watched_AB[agent] else "heard of"
        opinion = self.opinion(state, agent, item)
        return f"{self.title(item)}, {known}" + ("" if opinion is None else f", your opinion {opinion:+.1f}")

    def opinion(self, state: "SocietyState", agent: int, item: int) -> float | None:
        """Opinion of an agent on an item, on the scale of replies (-2 to 2); None where it has no opinion."""
        value = float(state.social.opinions.of(np.array([agent]), np.array([item]))[0])
        return None if np.isnan(value) else value * MOST_OPINION

    def friend(self, state: "SocietyState", agent: int, friend: int) -> str:
        """Label of a friend, and the relation."""
        relation = relation_of(state, agent, friend)
        return label(state.people, friend) + (f" (you are to them: {relation})" if relation else "")

    def post(self, state: "SocietyState", post: int) -> str:
        """Author, text, title and counts of a post."""
        posts = state.social.posts
        author, item, opinion = int(posts.author_M[post]), int(posts.item_M[post]), float(posts.opinion_M[post])
        text = posts.text(post)
        parts = [f"{label(state.people, author)}: {quoted(text, MAX_SENTENCE_CHARS) if text else '(no words)'}"]
        parts += [f"about {self.title(item)}"] if item >= 0 else []
        parts += [f"the author {opinion_in_words(opinion)}"] if item >= 0 and not np.isnan(opinion) else []
        parts.append(f"{int(posts.n_likes_M[post])} likes, {int(posts.n_comments_M[post])} comments")
        return "; ".join(parts)

    # --- queries and memories ---

    def query(self, people: People, agents: np.ndarray, items: Sequence[Sequence[int]]) -> np.ndarray:
        """(R, E) sum of the items' embeddings; the taste of an agent without items."""
        query_RE = people.population.taste_AE[agents].astype(np.float32)
        for row, some in enumerate(items):
            if len(some):
                query_RE[row] = self._facts.unit_NE[np.asarray(some, dtype=np.int64)].sum(axis=0)
        return query_RE

    def _remembered(self, moment: Moment, query_RE: np.ndarray) -> tuple[list[list[str]], list[str | None]]:
        memory = memory_of(moment.state)
        if memory is None or not self._uses_memory or not len(memory.texts):
            return [[] for _ in range(len(moment))], [None] * len(moment)
        hours = moment.state.time / 3600
        found = memory.retrieve(moment.agent_R, query_RE, MEMORIES, hours)
        texts, _ = quoted_memories(memory, moment.agent_R, found)
        notes = [_note(found, row) for row in range(len(moment))]
        return [
            each + _short_term(memory, agent) for agent, each in zip(moment.agent_R.tolist(), texts, strict=True)
        ], notes


def _note(found: Retrieved, row: int) -> str | None:
    """JSON of an agent's retrieved entries, the best first, with the parts of their scores; None without entries."""
    is_found = found.ids_Ak[row] >= 0
    if not is_found.any():
        return None
    parts = {
        "recency": found.recency_Ak,
        "relevance": found.relevance_Ak,
        "importance": found.importance_Ak,
        "score": found.scores_Ak,
    }
    scores = {name: part_Ak[row][is_found].round(_SCORE_DIGITS).tolist() for name, part_Ak in parts.items()}
    return json.dumps({"ids": found.ids_Ak[row][is_found].tolist(), **scores})


def _short_term(memory: Memory, agent: int) -> list[str]:
    """Quoted texts of all short-term entries, the newest first; none without stages."""
    if memory.preset.stages is None:
        return []
    entries = [entry for entry in memory.describe(agent) if entry.stage == "short"]
    return [quoted(entry.text, MAX_SENTENCE_CHARS) for entry in reversed(entries)]


_PROFILE = ("gender", "traits", "status", "interest")


def memory_of(state: "SocietyState") -> Memory | None:
    """The memories of the agents; None in a society without."""
    memory: Memory | None = None if state.memory is None else state.memory.entries
    return memory


def label(people: People, agent: int) -> str:
    """Quoted name, and the number that is the identity."""
    return f"{quoted(people.name[agent])} (#{agent})"


def when(time: datetime) -> str:
    """Simulated time, in words."""
    return f"{time:%A, %Y-%m-%d, %H:%M}"


def newest_first(buffer: np.ndarray) -> list[int]:
    """Items of a buffer, each once, the newest first."""
    return [int(buffer[place]) for place in _newest_places(buffer)]


def _newest_places(buffer: np.ndarray) -> list[int]:
    """Places of the last mention of each item, the newest first."""
    places: dict[int, int] = {}
    for place in range(len(buffer) - 1, -1, -1):
        if buffer[place] >= 0:
            places.setdefault(int(buffer[place]), place)
    return list(places.values())


def heard_from(people: People, other: int, source: int) -> str:
    """Where an agent heard of an item, in words."""
    if source == Source.INTERVENTION or other < 0:
        return "an announcement"
    how = {Source.FRIEND: "in a chat with", Source.POST: "in a post of", Source.FEED: "in a post of"}
    return f"{how.get(Source(int(source)), 'from')} {label(people, int(other))}"


def relation_of(state: "SocietyState", agent: int, friend: int) -> str | None:
    """Quoted label of the relation to a friend; None without one."""
    friends = state.social.friends
    start, stop = int(friends.offsets[agent]), int(friends.offsets[agent + 1])
    place = start + int(np.searchsorted(friends.target_R[start:stop], friend))
    found = place < stop and friends.target_R[place] == friend
    relation = friends.labels[int(friends.label_R[place])] if found else ""
    return quoted(relation) if relation else None


def opinion_in_words(opinion: float) -> str:
    """An opinion from -1 to 1 in the third person."""
    return next((words for limit, words in _OPINIONS if opinion < limit), _LOVES)
