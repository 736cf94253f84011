"""Posts of a society in arrays; the number of a post is its place among the `posted` rows of the log.

Shapes: M posts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from recgpt.simulate.worlds.society.ties import text_bytes, texts_of


@dataclass(frozen=True)
class Posts:
    """M posts; a change makes new arrays, so that copies of a state share them.

    Attributes
    ----------
    author_M
        (M,) int32 agent.
    item_M
        (M,) int32 item named; -1 for none.
    opinion_M
        (M,) float32 opinion, -1 to 1; NaN for none.
    parent_M, root_M
        (M,) int32 the post that this reposts, -1 for none; the first post of its chain, itself if it is no repost.
    step_M, time_M
        (M,) round, and simulated seconds since the start, of posting.
    n_likes_M, n_comments_M, n_against_M, n_reposts_M
        (M,) int32 numbers of likes, of comments, of comments with an opinion below 0, of direct reposts.
    removed_M
        (M,) bool removed by moderation.
    texts
        Text by number of post, of posts in words.
    """

    author_M: np.ndarray
    item_M: np.ndarray
    opinion_M: np.ndarray
    parent_M: np.ndarray
    root_M: np.ndarray
    step_M: np.ndarray
    time_M: np.ndarray
    n_likes_M: np.ndarray
    n_comments_M: np.ndarray
    n_against_M: np.ndarray
    n_reposts_M: np.ndarray
    removed_M: np.ndarray
    texts: Mapping[int, str]

    @classmethod
    def none(cls) -> "Posts":
        """No posts."""
        return cls(**{name: np.empty(0, dtype=dtype) for name, dtype in _DTYPES.items()}, texts={})

    def __len__(self) -> int:
        return len(self.author_M)

    def text(self, post: int) -> str | None:
        """Text of a post, of a repost without words that of the first post of its chain; None without words."""
        return self.texts.get(post, self.texts.get(int(self.root_M[post])))

    def n_before(self, step: int) -> int:
        """Number of posts of earlier rounds: the number of the first post of round `step`."""
        return int(np.searchsorted(self.step_M, step))

    def with_posted(self, posted: pl.DataFrame) -> "Posts":
        """The posts and those of `posted` rows, in their order."""
        if not len(posted):
            return self
        first, n_new = len(self), len(posted)
        parent = posted["place"].fill_null(-1).to_numpy()
        root = np.where(parent < 0, np.arange(first, first + n_new), 0)
        root[parent >= 0] = self.root_M[parent[parent >= 0]]  # a repost is of an earlier round
        none = np.zeros(n_new)
        new = {
            "author_M": posted["agent"].to_numpy(),
            "item_M": posted["item"].fill_null(-1).to_numpy(),
            "opinion_M": posted["value"].fill_null(np.nan).to_numpy(),
            "parent_M": parent,
            "root_M": root,
            "step_M": posted["step"].to_numpy(),
            "time_M": posted["time"].to_numpy(),
            **dict.fromkeys(("n_likes_M", "n_comments_M", "n_against_M", "n_reposts_M", "removed_M"), none),
        }
        arrays = {
            name: np.concatenate([getattr(self, name), array.astype(_DTYPES[name])]) for name, array in new.items()
        }
        worded = posted.with_row_index("number", offset=first).filter(pl.col("text").is_not_null())
        texts = dict(zip(worded["number"].to_list(), worded["text"].to_list(), strict=True))
        grown = Posts(**arrays, texts={**self.texts, **texts})
        return grown._counted("n_reposts_M", parent[parent >= 0])

    def with_reactions(self, liked: np.ndarray, commented: np.ndarray, opinion: np.ndarray) -> "Posts":
        """The posts after likes of the posts `liked`, and comments on the posts `commented` with these opinions."""
        more = self._counted("n_likes_M", liked)._counted("n_comments_M", commented)
        return more._counted("n_against_M", commented[opinion < 0])

    def without(self, removed: np.ndarray) -> "Posts":
        """The posts, with these removed by moderation; they keep their numbers."""
        if not len(removed):
            return self
        mask = self.removed_M.copy()
        mask[removed] = True
        return replace(self, removed_M=mask)

    def _counted(self, name: str, posts: np.ndarray) -> "Posts":
        if not len(posts):
            return self
        counts = getattr(self, name) + np.bincount(posts, minlength=len(self)).astype(np.int32)
        return replace(self, **{name: counts})

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Numeric arrays of the posts, named with a prefix."""
        arrays = {f"{prefix}_{name}": getattr(self, name) for name in _DTYPES}
        return {**arrays, f"{prefix}_texts": text_bytes({str(post): text for post, text in self.texts.items()})}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> "Posts":
        """Posts from the arrays of `to_arrays`."""
        texts = {int(post): text for post, text in texts_of(arrays[f"{prefix}_texts"]).items()}
        return cls(**{name: arrays[f"{prefix}_{name}"] for name in _DTYPES}, texts=texts)


_DTYPES = {
    "author_M": np.int32,
    "item_M": np.int32,
    "opinion_M": np.float32,
    "parent_M": np.int32,
    "root_M": np.int32,
    "step_M": np.int32,
    "time_M": np.int64,
    "n_likes_M": np.int32,
    "n_comments_M": np.int32,
    "n_against_M": np.int32,
    "n_reposts_M": np.int32,
    "removed_M": np.bool_,
}
