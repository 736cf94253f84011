"""Statements of taste in the first person, made by rule from categories, titles and ratings.

    tastes, high, low = stated(known, facts, user_A)
    tastes[0]      # ("I enjoy Sci-Fi, such as Alien (1979) and Contact (1997).", ...)

Shapes: A agents, U users, R events, C categories.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.evaluate.beyond_accuracy import category_names
from recgpt.simulate.items import ItemFacts

MAX_LIKED, MAX_DISLIKED, MAX_IN_TENDENCY = 5, 2, 3  # categories in an agent's statements
MAX_EXAMPLES = 2  # titles named for a category

_LIFT = 1.1  # a category is liked if it is so many times as frequent among liked items as in all that is known
_SUPPORT = 2  # and if it has so many of them
_DISAPPOINTING = -0.125  # mean deviation from the agent's mean, in parts of the scale: half a star of 1 to 5


def stated(known: Dataset, facts: ItemFacts, user_A: np.ndarray) -> tuple[list[tuple[str, ...]], list[str], list[str]]:
    """Tastes, and tendencies to rate high and low, of users of the known part of a data set; several may be the same.

    Tastes name up to five categories that are more frequent among the user's liked items than in all interactions, by
    frequency and lift, each with the best rated titles of the user, the latest first; then up to two that the user
    rated half a star and more below the user's mean. Items rated above the user's mean are liked; all items where
    there are no ratings or all are equal. Who has no such category names titles alone. High and low ratings are those
    in the upper and lower quarter of the scale; tendencies are empty where no ratings are known.
    """
    users, agent_to_user = np.unique(user_A, return_inverse=True)
    events = _events(known, users)
    titles = facts.items["title"]
    tastes: list[list[str]] = [[] for _ in users]
    names = category_names(facts.items) if facts.categories_NC is not None else []
    pairs = _pairs(events, facts)
    base = pl.DataFrame({"genre": np.arange(len(names), dtype=np.int64), "base": _base_rates(facts)})
    chosen = pairs.filter("liked").join(base, on="genre", how="left", maintain_order="left")
    for user, genre, items, rated in _leanings(chosen, MAX_LIKED).iter_rows():
        verb = "enjoy" if rated else "often choose"
        tastes[user].append(f"I {verb} {names[genre]}, such as {_listed(titles.gather(items))}.")
    favourites = events.filter("liked").group_by("user", maintain_order=True).agg(pl.col("item").head(3), "rated")
    for user, items, rated in favourites.iter_rows():
        if not tastes[user]:
            tastes[user].append(f"I {'liked' if rated[0] else 'chose'} {_listed(titles.gather(items))}.")
    for user, genre, items in _disappointments(pairs, _span(known)).iter_rows():
        tastes[user].append(f"I am seldom pleased by {names[genre]}, such as {_listed(titles.gather(items))}.")
    high, low = _tendencies(known, events, pairs, names, len(users))
    return (
        [tuple(tastes[user]) for user in agent_to_user],
        [high[user] for user in agent_to_user],
        [low[user] for user in agent_to_user],
    )


def synthetic_tastes(categories: Sequence[np.ndarray], facts: ItemFacts) -> list[tuple[str, ...]]:
    """A statement for each category of each agent, the heaviest first, naming the most taken titles of it."""
    by_count = np.argsort(-facts.count_N, kind="stable")
    titles = facts.items["title"]
    if facts.categories_NC is None:
        sentences = [f"I like {title}." for title in titles]
    else:
        columns = facts.categories_NC[by_count].tocsc()
        columns.sort_indices()
        of_category = Ragged(columns.indices, columns.indptr)
        examples = [titles.gather(by_count[rows[:MAX_EXAMPLES]]) for rows in of_category]
        names = category_names(facts.items)
        sentences = [f"I enjoy {name}, such as {_listed(of)}." for name, of in zip(names, examples, strict=True)]
    return [tuple(sentences[category] for category in of_agent) for of_agent in categories]


def _events(known: Dataset, users: np.ndarray) -> pl.DataFrame:
    """Events of users, numbered from 0: the best rated first, of these the latest."""
    sequences = known.sequences[users]
    user = np.repeat(np.arange(len(users)), sequences.lengths)
    rating = known.interactions.rating
    ratings = np.full(len(user), np.nan) if rating is None else Ragged(rating, known.offsets)[users].values
    events = pl.DataFrame({"user": user, "item": sequences.values.astype(np.int64), "rating": ratings}).with_columns(
        pl.col("rating").cast(pl.Float64).fill_nan(None), place=pl.int_range(pl.len())
    )
    deviation = pl.col("rating") - pl.col("rating").mean().over("user")
    events = events.with_columns(
        deviation=deviation.fill_null(0), rated=pl.col("rating").is_not_null().any().over("user")
    )
    differs = (pl.col("deviation").abs() > 1e-5).any().over("user")
    return events.with_columns(liked=(pl.col("deviation") > 1e-5) | ~differs).sort(
        "user", "rating", "place", descending=[False, True, True], nulls_last=True
    )


def _pairs(events: pl.DataFrame, facts: ItemFacts) -> pl.DataFrame:
    """Events once for each category of their items, in their order."""
    if facts.categories_NC is None:
        return events.clear().with_columns(genre=pl.lit(None, dtype=pl.Int64))
    of_item = Ragged(facts.categories_NC.indices, facts.categories_NC.indptr)
    genres = of_item[events["item"].to_numpy()]
    row = np.repeat(np.arange(len(events)), genres.lengths)
    return events[row].with_columns(genre=pl.Series(genres.values.astype(np.int64)))


def _base_rates(facts: ItemFacts) -> np.ndarray:
    """(C,) share of all known events that are in each category."""
    if facts.categories_NC is None:
        return np.empty(0)
    return (facts.categories_NC.T @ facts.count_N.astype(np.float64)) / max(facts.count_N.sum(), 1)


def _leanings(chosen: pl.DataFrame, most: int) -> pl.DataFrame:
    """`user, genre, items, rated` of the categories that chosen pairs have more of than `base`, the clearest first."""
    n_events = chosen.group_by("user").agg(n_events=pl.col("place").n_unique())
    found = (
        chosen.group_by("user", "genre", maintain_order=True)
        .agg(pl.col("item").head(MAX_EXAMPLES), pl.col("rated", "base").first(), n=pl.len())
        .join(n_events, on="user")
        .with_columns(lift=pl.col("n") / pl.col("n_events") / pl.col("base"))
        .filter(pl.col("lift") >= _LIFT, pl.col("n") >= _SUPPORT)
        .with_columns(score=pl.col("n") * pl.col("lift").log())
    )
    ordered = found.sort("user", "score", "genre", descending=[False, True, False])
    return ordered.group_by("user", maintain_order=True).head(most).select("user", "genre", "item", "rated")


def _disappointments(pairs: pl.DataFrame, span: float) -> pl.DataFrame:
    """`user, genre, items` of the categories that users rated lowest."""
    worst_first = pairs.reverse().filter(pl.col("rating").is_not_null())
    found = (
        worst_first.group_by("user", "genre", maintain_order=True)
        .agg(pl.col("item").head(MAX_EXAMPLES), pl.col("deviation").mean(), n=pl.len())
        .filter(pl.col("deviation") <= _DISAPPOINTING * span, pl.col("n") > _SUPPORT)
    )
    ordered = found.sort("user", "deviation", "genre")
    return ordered.group_by("user", maintain_order=True).head(MAX_DISLIKED).select("user", "genre", "item")


def _tendencies(
    known: Dataset, events: pl.DataFrame, pairs: pl.DataFrame, names: list[str], n_users: int
) -> tuple[list[str], list[str]]:
    high, low = [""] * n_users, [""] * n_users
    scale = _scale(known)
    if not len(scale):
        return high, low
    span = scale[-1] - scale[0]
    at_least = scale[scale >= scale[0] + 0.75 * span].min()
    at_most = scale[scale <= scale[0] + 0.25 * span].max()
    n_rated = events.filter(pl.col("rating").is_not_null()).group_by("user").len("n_rated")
    # Categories are compared with the user's own ratings, not with everyone's.
    own = pairs.filter(pl.col("rating").is_not_null()).group_by("user", "genre").agg(n_own=pl.len())
    own = own.join(n_rated, on="user").with_columns(base=pl.col("n_own") / pl.col("n_rated"))
    for texts, condition, words in (
        (high, pl.col("rating") >= at_least, f"{at_least:g} or more"),
        (low, pl.col("rating") <= at_most, f"{at_most:g} or less"),
    ):
        chosen = pairs.filter(condition).join(own, on=["user", "genre"], how="left", maintain_order="left")
        leanings = _leanings(chosen, MAX_IN_TENDENCY).group_by("user").agg("genre")
        rows = n_rated.join(events.filter(condition).group_by("user").len("n"), on="user", how="left").join(
            leanings, on="user", how="left"
        )
        for user, of, n, genres in rows.select("user", "n_rated", "n", "genre").iter_rows():
            kinds = f", most clearly for {_listed([names[genre] for genre in genres])}" if genres else ""
            texts[user] = f"I gave {words} in {n or 0} of {of} ratings{kinds}."
    return high, low


def _scale(known: Dataset) -> np.ndarray:
    """The ratings that occur, in order."""
    rating = known.interactions.rating
    return np.empty(0) if rating is None else np.unique(rating[np.isfinite(rating)]).astype(np.float64)


def _span(known: Dataset) -> float:
    scale = _scale(known)
    return float(scale[-1] - scale[0]) if len(scale) else 0.0


def _listed(names: Sequence[str] | pl.Series) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *before, last = list(names)
    return f"{', '.join(before)} and {last}" if before else last
