"""Social part of a society's state: ties, mutes, posts, what was read, opinions.

    social = SocialState(setting)
    social.friends, social.follows, social.mutes        # Ties
    social.posts                                        # Posts
    social.opinions.of(agents, items)                   # NaN for none

Every change replaces arrays and none is changed in place, so that a copy costs nothing.

Shapes: A agents.
"""

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from recgpt.simulate.events import SCHEMA
from recgpt.simulate.worlds.society.opinions import Opinions, of_stars
from recgpt.simulate.worlds.society.posts import Posts
from recgpt.simulate.worlds.society.ties import Ties, are_among

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.state import Setting

FRIENDS, FOLLOWS = 0, 1
"""Values of the column `place` of the events `tied` and `untied`."""
CHANGES_OF_TIES = ("tied", "untied")
"""Kinds of events that make and end ties."""
_FOLLOWER = "follower"
_NONE = pl.DataFrame(schema=SCHEMA)
_POST_BITS = 32  # of a key `reader << 32 | post`


class SocialState:
    """Ties, mutes, posts and opinions after the events so far.

    Attributes
    ----------
    friends, follows, mutes
        Ties of friendship; from followers to the agents they follow; from agents to the authors they mute.
    posts
        All posts.
    opinions
        Opinions of agents on items.
    """

    def __init__(self, setting: "Setting") -> None:
        n_agents, none = len(setting.people), np.empty(0, dtype=np.int64)
        self.friends = setting.friends
        self.follows = Ties.from_edges(n_agents, none, none)
        self.mutes = Ties.from_edges(n_agents, none, none)
        self.posts = Posts.none()
        self.opinions = Opinions.of_population(setting.people.population, len(setting.facts))
        self._read = none

    def has_read(self, agents: np.ndarray, posts: np.ndarray) -> np.ndarray:
        """Whether each post was in the agent's feed before; arrays of one shape."""
        return are_among((np.asarray(agents, dtype=np.int64) << _POST_BITS) | posts, self._read)

    def apply(self, of_kind: dict[str, pl.DataFrame]) -> None:
        """Update with the events of one step, by kind in the order of the log."""
        self.friends = ties_after(of_kind, self.friends, FRIENDS)
        self.follows = ties_after(of_kind, self.follows, FOLLOWS)
        self.follows = _met(self.follows, of_kind.get("followed", _NONE), _FOLLOWER)
        self.mutes = _met(self.mutes, of_kind.get("muted", _NONE), "muted")
        self._apply_posts(of_kind)
        self._apply_opinions(of_kind)

    def _apply_posts(self, of_kind: dict[str, pl.DataFrame]) -> None:
        posts = self.posts.without(of_kind.get("removed", _NONE)["place"].to_numpy())
        liked, commented = of_kind.get("liked", _NONE), of_kind.get("commented", _NONE)
        opinions = commented["value"].fill_null(np.nan).to_numpy()
        posts = posts.with_reactions(liked["place"].to_numpy(), commented["place"].to_numpy(), opinions)
        self.posts = posts.with_posted(of_kind.get("posted", _NONE))
        read = of_kind.get("read", _NONE)
        if len(read):
            keys = (read["agent"].to_numpy() << _POST_BITS) | read["place"].to_numpy()
            self._read = np.sort(np.concatenate([self._read, keys]), kind="stable")

    def _apply_opinions(self, of_kind: dict[str, pl.DataFrame]) -> None:
        opined, rated = of_kind.get("opined", _NONE), of_kind.get("rated", _NONE)
        values = np.concatenate([opined["value"].to_numpy(), of_stars(rated["value"].to_numpy())])
        both = pl.concat([opined, rated])  # own experience has the last word
        self.opinions = self.opinions.with_changes(both["agent"].to_numpy(), both["item"].to_numpy(), values)

    def copy(self) -> Self:
        """The same state, which changes on its own from here on."""
        return copy.copy(self)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole part as numeric arrays."""
        return {
            **self.friends.to_arrays("social_friends"),
            **self.follows.to_arrays("social_follows"),
            **self.mutes.to_arrays("social_mutes"),
            **self.posts.to_arrays("social_posts"),
            **self.opinions.to_arrays("social_opinions"),
            "social_read": self._read,
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state of the same setting."""
        self.friends = Ties.from_arrays(arrays, "social_friends")
        self.follows = Ties.from_arrays(arrays, "social_follows")
        self.mutes = Ties.from_arrays(arrays, "social_mutes")
        self.posts = Posts.from_arrays(arrays, "social_posts")
        self.opinions = self.opinions.restored(arrays, "social_opinions")
        self._read = arrays["social_read"]


def ties_after(of_kind: dict[str, pl.DataFrame], ties: Ties, graph: int) -> Ties:
    """Ties of one graph after the `tied` and `untied` rows of a step; of several on one tie the last counts.

    Parameters
    ----------
    of_kind
        Rows of the step by kind, in the order of the log.
    graph
        `FRIENDS` or `FOLLOWS`.
    """
    parts = [of_kind[kind] for kind in CHANGES_OF_TIES if kind in of_kind]
    if not parts:
        return ties
    of_graph = pl.concat(parts).filter(pl.col("place") == graph).sort("agent", "seq")
    changed = of_graph.unique(["agent", "other"], keep="last", maintain_order=True)
    made, ended = changed.filter(pl.col("kind") == "tied"), changed.filter(pl.col("kind") == "untied")
    if len(ended):
        ties = ties.without(ended["agent"].to_numpy(), ended["other"].to_numpy())
    source, target = made["agent"].to_numpy(), made["other"].to_numpy()
    return ties.with_added(
        source, target, made["value"].fill_null(0.5).to_numpy(), made["text"].fill_null("").to_list()
    )


def _met(ties: Ties, rows: pl.DataFrame, label: str) -> Ties:
    source, target = rows["agent"].to_numpy(), rows["other"].to_numpy()
    return ties.with_added(source, target, np.full(len(rows), 0.5), [label] * len(rows))
