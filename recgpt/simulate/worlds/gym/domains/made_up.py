"""Made-up catalogues: films and books with series, people, averages and a past, so that everything runs without data.

    items = catalogue(FILMS)         # 400 items, the same on every machine

Every text is put together from word lists; every number is a hash of the item's place. Nothing describes real films,
books or people.

Shapes: N items, U users, R ratings, G tags.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.domains.made_up_words import FIRST_NAMES, LAST_NAMES, Series, Words
from recgpt.simulate.worlds.gym.domains.texts import text_vectors
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.scale import Scale

N_ITEMS = 400
N_USERS = 300
MIN_RATINGS, MAX_RATINGS = 20, 40  # of a made-up user
UNKNOWN_EVERY = 57  # every so-manieth item has no average yet

_SEED = 17
_SHORTEST, _LONGEST = 3, 6  # parts of a series


@dataclass(frozen=True)
class MadeUp:
    """A made-up catalogue.

    Attributes
    ----------
    name
        Name of the data set.
    words
        Words of each main tag.
    secondary
        Tags that items of a main tag may have as well.
    series
        Series; they have 3 to 6 parts.
    scale
        Scale of averages and ratings.
    mean, spread
        Mean and standard deviation of the averages.
    first_year, last_year
        Years of the items.
    n_people
        Largest number of people of an item.
    directed
        Whether every third item has a director.
    """

    name: str
    words: Mapping[str, Words]
    secondary: Mapping[str, tuple[str, ...]]
    series: tuple[Series, ...]
    scale: Scale
    mean: float
    spread: float
    first_year: int
    last_year: int
    n_people: int
    directed: bool


def catalogue(made_up: MadeUp) -> Items:
    """Items of a made-up catalogue, with a made-up past of 300 users."""
    rows = _rows(made_up)
    n = len(rows)
    tags = [row.tags for row in rows]
    collection = [row.collection for row in rows]
    quality_N = _quality(collection)
    average_N = np.clip(made_up.mean + made_up.spread * quality_N, made_up.scale.lowest, made_up.scale.highest)
    count_N = np.exp(5 + 1.5 * _normal(n, "count") + 0.4 * quality_N).astype(np.int64) + 3
    unknown_N = np.arange(n) % UNKNOWN_EVERY == UNKNOWN_EVERY - 1
    average_N, count_N = np.where(unknown_N, np.nan, np.round(average_N, 2)), np.where(unknown_N, 0, count_N)
    people, directors = _people(made_up, collection), _directors(made_up, n)
    table = pl.DataFrame(
        {
            "item_id": np.arange(1, n + 1),
            "title": [row.title for row in rows],
            "categories": [", ".join(each) for each in tags],
            "brand": [", ".join(each) for each in people],
            "description": [row.description for row in rows],
        }
    )
    return Items(
        ids=[str(number) for number in range(1, n + 1)],
        titles=table["title"].to_list(),
        descriptions=table["description"].to_list(),
        years=_years(made_up, rows),
        tags=tags,
        people=people,
        directors=directors,
        average_N=average_N,
        count_N=count_N,
        unit_NE=text_vectors(table, tags),
        collection=collection,
        part_N=np.array([row.part for row in rows], dtype=np.int64),
        dataset=made_up_past(made_up.name, table, tags, average_N, count_N, made_up.scale),
        made_from=f"made-up catalogue {made_up.name}",
    )


def made_up_past(
    name: str,
    table: pl.DataFrame,
    tags: list[tuple[str, ...]],
    average_N: np.ndarray,
    count_N: np.ndarray,
    scale: Scale,
) -> Dataset:
    """Data set of 300 made-up users with 20 to 40 ratings each, for a catalogue without a past of its own.

    A user likes three tags and dislikes one, and prefers popular items and liked tags. The rating is the
    item's average, moved by the user's level, by taste, and by noise, on the domain's scale.

    Parameters
    ----------
    table
        (N rows) `item_id` and the texts.
    average_N
        (N,) averages on the scale; NaN counts as their mean.
    """
    n_items = len(table)
    users = np.arange(N_USERS)
    known_N = np.where(np.isfinite(average_N), average_N, np.nanmean(average_N) if len(average_N) else 0)
    taste_UN = _tastes(tags)
    appeal_UN = 4 * taste_UN + 0.35 * np.log1p(count_N)[None, :]
    chance_UN = rng.uniform(_SEED, users, step=0, purpose="made-up choice", n=n_items)
    # The k greatest of appeal + Gumbel noise are k items drawn without repeats, in proportion to exp(appeal).
    order_UN = np.argsort(-(appeal_UN - np.log(-np.log(np.clip(chance_UN, 1e-12, 1 - 1e-12)))), axis=1, kind="stable")
    u_U = rng.uniform(_SEED, users, step=0, purpose="made-up length")[:, 0]
    length_U = np.minimum(MIN_RATINGS + np.floor(u_U * (MAX_RATINGS - MIN_RATINGS + 1)), n_items).astype(np.int64)
    kept_UN = np.arange(n_items)[None, :] < length_U[:, None]
    user_R, place_R = np.nonzero(kept_UN)
    item_R = order_UN[kept_UN]
    unit = (scale.highest - scale.lowest) / 9  # one step of the scale from 1 to 10
    level_U = 0.8 * rng.normal(_SEED, users, step=0, purpose="made-up level")
    noise_R = rng.normal(_SEED, user_R * n_items + item_R, step=0, purpose="made-up noise")
    rating_R = known_N[item_R] + unit * (level_U[user_R] + 1.5 * taste_UN[user_R, item_R] - 0.6 + 1.4 * noise_R)
    events = pl.DataFrame(
        {
            "user_id": user_R + 1,
            "item_id": table["item_id"][item_R],
            "position": place_R,
            "rating": scale.project(rating_R).astype(np.float32),
            "timestamp": 1_500_000_000 + 86_400 * place_R + user_R,
        }
    )
    return Dataset.from_frames(name, events, table)


@dataclass(frozen=True)
class _Row:
    title: str
    description: str
    tags: tuple[str, ...]
    collection: str = ""
    part: int = 0


def _rows(made_up: MadeUp) -> list[_Row]:
    rows = [row for number, series in enumerate(made_up.series) for row in _parts(made_up, number, series)]
    per_tag = N_ITEMS // len(made_up.words)
    for tag in made_up.words:
        n_parts = sum(row.tags[0] == tag for row in rows)
        rows += [_single(made_up, tag, number) for number in range(per_tag - n_parts)]
    # Mixed, so that neighbours differ in tag; parts of a series keep their order.
    places = np.argsort(_uniform(len(rows), "order")[:, 0], kind="stable")
    mixed = [rows[place] for place in places]
    parts = {series.title: iter([r for r in rows if r.collection == series.title]) for series in made_up.series}
    return [next(parts[row.collection]) if row.collection else row for row in mixed]


def _parts(made_up: MadeUp, number: int, series: Series) -> list[_Row]:
    words = made_up.words[series.tag]
    secondary = made_up.secondary[series.tag]
    tags = (series.tag, secondary[number % len(secondary)])
    rows = []
    for part in range(1, _SHORTEST + number % (_LONGEST - _SHORTEST + 1) + 1):
        pick = number + 7 * part
        subtitle = _title(words, 63 - pick % 40)
        what, turn = words.what[pick % len(words.what)], words.turn[(pick // 2) % len(words.turn)]
        opening = series.hero if part == 1 else f"{series.hero} is back, and"
        text = f"In part {part} of {series.title}, set in {series.place}, {opening} {what}. {turn}"
        title = series.title if part == 1 else f"{series.title} {part}: {subtitle}"
        rows.append(_Row(title, text, tags, series.title, part))
    return rows


def _single(made_up: MadeUp, tag: str, number: int) -> _Row:
    words, secondary = made_up.words[tag], made_up.secondary[tag]
    # The digits of a mixed-radix number: texts differ in at least one of their parts.
    who = words.who[number % len(words.who)]
    where = words.where[(number // len(words.who) + number) % len(words.where)]
    what = words.what[(number * 5 + number // 6 + number // 36) % len(words.what)]
    turn = words.turn[(number // 2 + 3 * number) % len(words.turn)]
    others = dict.fromkeys(secondary[(number + step) % len(secondary)] for step in range(number % 3))
    return _Row(_title(words, number), f"{_sentence(who)} {where} {what}. {turn}", (tag, *others))


def _title(words: Words, number: int) -> str:
    a = words.a[number % len(words.a)]
    n = words.n[(number // len(words.a) + number) % len(words.n)]
    return words.titles[number % len(words.titles)].format(a=a, n=n)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _years(made_up: MadeUp, rows: list[_Row]) -> list[str]:
    """Later years are more frequent; parts of a series come out two years after one another."""
    span = made_up.last_year - made_up.first_year + 1
    u_N = _uniform(len(rows), "year")[:, 0]
    first: dict[str, int] = {}
    years = []
    for row, u in zip(rows, u_N.tolist(), strict=True):
        year = made_up.first_year + int(span * u**0.5)
        if row.collection:
            latest = made_up.last_year - 2 * _LONGEST
            year = first.setdefault(row.collection, min(year, latest)) + 2 * (row.part - 1)
        years.append(str(year))
    return years


def _people(made_up: MadeUp, collection: list[str]) -> list[tuple[str, ...]]:
    names = [f"{first} {last}" for last in LAST_NAMES[::2] for first in FIRST_NAMES[::4]]
    pick_N2 = (_uniform(len(collection), "people", 2) * len(names)).astype(int)
    cast: dict[str, tuple[str, ...]] = {}
    people = []
    for item, series in enumerate(collection):
        n_people = made_up.n_people - (item % 5 == 0) if made_up.n_people > 1 else 1 + (item % 9 == 0)
        each = tuple(dict.fromkeys(names[pick] for pick in pick_N2[item, :n_people]))
        people.append(cast.setdefault(series, each) if series else each)
    return people


def _directors(made_up: MadeUp, n: int) -> list[str]:
    names = [f"{first} {last}" for first, last in zip(FIRST_NAMES, LAST_NAMES[1::2] * 2, strict=True)]
    pick_N = (_uniform(n, "director")[:, 0] * len(names)).astype(int)
    return [names[pick] if made_up.directed and item % 3 == 0 else "" for item, pick in enumerate(pick_N)]


def _quality(collection: list[str]) -> np.ndarray:
    """(N,) float64 standard deviations above the mean; parts of a series share most of theirs."""
    own_N = _normal(len(collection), "quality")
    first: dict[str, float] = {}
    shared_N = np.array([first.setdefault(series, own) for series, own in zip(collection, own_N, strict=True)])
    in_series_N = np.array([bool(series) for series in collection])
    return np.where(in_series_N, 0.3 + 0.7 * shared_N + 0.3 * own_N, own_N)


def _tastes(tags: list[tuple[str, ...]]) -> np.ndarray:
    """(U, N) float64 taste of each made-up user for each item, from -1 to 1."""
    names = sorted({tag for each in tags for tag in each})
    column = {name: place for place, name in enumerate(names)}
    tags_NG = np.zeros((len(tags), max(1, len(names))))
    for item, each in enumerate(tags):
        tags_NG[item, [column[tag] for tag in each]] = 1
    # Frequent tags are liked by more users, as in a real past.
    key_UG = rng.uniform(_SEED, np.arange(N_USERS), step=0, purpose="made-up taste", n=tags_NG.shape[1])
    order_UG = np.argsort(-(key_UG ** (1 / np.maximum(1, tags_NG.sum(axis=0))[None, :])), axis=1, kind="stable")
    likes_UG = np.zeros((N_USERS, tags_NG.shape[1]))
    np.put_along_axis(likes_UG, order_UG[:, :3], 1, axis=1)
    if len(names) > 3:
        np.put_along_axis(likes_UG, order_UG[:, 3:4], -1, axis=1)
    return (likes_UG @ tags_NG.T) / np.maximum(1, tags_NG.sum(axis=1))[None, :]


def _uniform(n: int, purpose: str, each: int = 1) -> np.ndarray:
    return rng.uniform(_SEED, np.arange(n), step=0, purpose=f"made-up {purpose}", n=each)


def _normal(n: int, purpose: str) -> np.ndarray:
    return rng.normal(_SEED, np.arange(n), step=0, purpose=f"made-up {purpose}")
