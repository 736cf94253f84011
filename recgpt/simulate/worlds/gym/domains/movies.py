"""Films, rated from 1 to 10 (Corecco et al., "SUBER", 2024, section 4; EmoSim-RL on it).

domain = domain_of("movies")
"""

from recgpt.simulate.worlds.gym.domain import Domain, Likeness
from recgpt.simulate.worlds.gym.domains import loading
from recgpt.simulate.worlds.gym.domains.made_up import MadeUp
from recgpt.simulate.worlds.gym.domains.made_up_films import SECONDARY, SERIES, WORDS
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.raters import MOVIE_RATERS
from recgpt.simulate.worlds.gym.people import COLUMNS, Kind, Tastes
from recgpt.simulate.worlds.gym.populations import load_population
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.users import Users

SCALE = Scale(1, 10)

_TASTES = ("genres_liked", "genres_disliked")

# Probabilities that a genre is liked, as published; family has none of its own and gets that of animated.
_SAMPLED = {
    "comedy": 0.9,
    "adventure": 0.9,
    "action": 0.88,
    "thriller": 0.84,
    "drama": 0.84,
    "crime": 0.82,
    "documentary": 0.77,
    "animated": 0.7,
    "fantasy": 0.7,
    "science fiction": 0.69,
    "romance": 0.67,
    "horror": 0.52,
}
_DETAILED = {
    "action": 0.88,
    "animation": 0.7,
    "comedy": 0.9,
    "documentary": 0.77,
    "family": 0.7,
    "fantasy": 0.7,
    "horror": 0.52,
    "romance": 0.67,
}
KINDS = {
    "detailed": Kind(
        Tastes(_DETAILED, 2, "films", "genres", ("name", "gender", *_TASTES, *COLUMNS[2:]), 1.0, chosen_by_model=True),
        "users_movies_detailed.csv",
    ),
    "basic": Kind(Tastes({}, 0, "films", "genres", COLUMNS), "users_movies_basic.csv"),
    "sampled_genres": Kind(Tastes(_SAMPLED, 4, "films", "genres", ("", *COLUMNS, *_TASTES)), "users_movies.csv"),
}
"""User data sets."""

SOURCE = loading.Source(
    name="movies",
    scale=SCALE,
    people=("actors",),
    made_up=MadeUp(
        name="made-up films",
        words=WORDS,
        secondary=SECONDARY,
        series=SERIES,
        scale=SCALE,
        mean=6.5,
        spread=0.95,
        first_year=1950,
        last_year=2023,
        n_people=2,
        directed=True,
    ),
    published=("films.parquet",),
    series="film_sagas.json",
    max_people=2,
)


def load_items(folder: str | None) -> Items:
    """Films of a data set folder or the published folder; the made-up ones for None."""
    return loading.load_items(folder, SOURCE)


def load_users(name: str, items: Items) -> Users:
    """Users by the name of a user data set, `dataset` for users of the catalogue's data set, or a CSV file."""
    return load_population(name, items, kinds=KINDS, scale=SCALE, items_word="films")


DOMAIN = Domain(
    name="movies",
    item_word="film",
    item_words="films",
    scale=SCALE,
    liked_from=8,
    load_items=load_items,
    load_users=load_users,
    user_datasets=tuple(KINDS),
    kinds=KINDS,
    default_users="sampled_genres",
    default_retrieval="last_3",
    default_rater="0Shot_cotlite_our",
    likeness=(
        Likeness("tags", "dice"),
        Likeness("people", "dice"),
        Likeness("average_N", "vote", span=10),
        Likeness("directors", "equal"),
    ),
    raters=MOVIE_RATERS,
    package="recgpt.simulate.worlds.gym.domains",
    # Mean over the 9,724 films of ml-latest-small (ratings doubled) of each film's shares.
    reference=(0.02217, 0.03835, 0.03413, 0.09881, 0.07642, 0.19559, 0.14796, 0.22660, 0.07552, 0.08446),
    tag_word="genres",
    people_word="actors",
    met_word="seen",
)
