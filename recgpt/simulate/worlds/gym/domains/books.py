"""Books, rated from 1 to 5 (Corecco et al., "SUBER", 2024; EmoSim-RL on it).

domain = domain_of("books")
"""

from recgpt.simulate.worlds.gym.domain import Domain, Likeness
from recgpt.simulate.worlds.gym.domains import loading
from recgpt.simulate.worlds.gym.domains.made_up import MadeUp
from recgpt.simulate.worlds.gym.domains.made_up_books import SECONDARY, SERIES, WORDS
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.raters import BOOK_RATERS
from recgpt.simulate.worlds.gym.people import Kind, Tastes
from recgpt.simulate.worlds.gym.populations import load_population
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

SCALE = Scale(1, 5)

# Probabilities that a category is liked, as published.
_SAMPLED = {
    "other fiction": 0.45,
    "other non-fiction": 0.41,
    "history": 0.41,
    "mystery": 0.4,
    "biography": 0.38,
    "fantasy": 0.34,
    "science fiction": 0.33,
    "romance": 0.27,
    "self-help": 0.24,
    "business": 0.21,
}
# Share of likes among the published users with an opinion on a category; in round numbers.
_DETAILED = {
    "fiction": 0.65,
    "biography": 0.45,
    "business": 0.5,
    "computers": 0.5,
    "drama": 0.5,
    "economics": 0.45,
    "fantasy": 0.5,
    "health": 0.5,
    "history": 0.55,
    "humor": 0.5,
    "mystery": 0.5,
    "philosophy": 0.5,
    "religion": 0.55,
    "romance": 0.5,
    "science fiction": 0.5,
    "self-help": 0.5,
}
KINDS = {
    "detailed": Kind(Tastes(_DETAILED, 4, "books", "categories"), "users_books.csv", "user_levels_books.csv"),
    "sampled": Kind(Tastes(_SAMPLED, 4, "books", "categories")),
}
"""User data sets."""

SOURCE = loading.Source(
    name="books",
    scale=SCALE,
    people=("authors",),
    made_up=MadeUp(
        name="made-up books",
        words=WORDS,
        secondary=SECONDARY,
        series=SERIES,
        scale=SCALE,
        mean=3.9,
        spread=0.35,
        first_year=1900,
        last_year=2022,
        n_people=1,
        directed=False,
    ),
    published=("books.parquet", "books_more.parquet"),
    series="book_collections.json",
)


def load_items(folder: str | None) -> Items:
    """Books of a data set folder or the published folder; the made-up ones for None."""
    return loading.load_items(folder, SOURCE)


def load_users(name: str, items: Items) -> Users:
    """Users by the name of a user data set, `dataset` for users of the catalogue's data set, or a CSV file."""
    return load_population(name, items, kinds=KINDS, scale=SCALE, items_word="books")


DOMAIN = Domain(
    name="books",
    item_word="book",
    item_words="books",
    scale=SCALE,
    liked_from=4,
    load_items=load_items,
    load_users=load_users,
    user_datasets=tuple(KINDS),
    kinds=KINDS,
    default_users="detailed",
    default_retrieval="most_similar_3",
    default_rater="2Shot_system_our",
    likeness=(
        Likeness("tags", "dice"),
        Likeness("people", "dice"),
        Likeness("average_N", "vote", span=5),
    ),
    raters=BOOK_RATERS,
    package="recgpt.simulate.worlds.gym.domains",
    # Goodreads, the same way, as published.
    reference=(0.01884, 0.05990, 0.23903, 0.36372, 0.31850),
    tag_word="categories",
    people_word="authors",
    met_word="read",
)
