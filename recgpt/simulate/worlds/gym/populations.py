"""Users by name: published files, generated people, users of the catalogue's data set, a CSV file.

    users = load_population("sampled_genres", items, kinds=KINDS, scale=SCALE, items_word="films")
    users = load_population("dataset", items, kinds=KINDS, scale=SCALE, items_word="films")

Shapes: U users, N items, R ratings, G tags.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import sparse

from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.simulate.agents.traits import traits_of
from recgpt.simulate.worlds.gym.domains.loading import on_scale, published_folder
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.people import Kind, Tastes, draw_people, titles_by_tag, users_of
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.user_files import read_users
from recgpt.simulate.worlds.gym.users import Users

N_PEOPLE = 600
"""Number of generated users, as many as the published files have."""
DATASET = "dataset"
"""Name of the users of the catalogue's data set."""

MAX_LIKED, MAX_DISLIKED = 4, 2  # tags of a user of a data set
_SHRINKAGE = 5  # pseudo-ratings at the user's mean
_CLEAR = 0.03  # mean deviation, in parts of the scale, from which a tag is liked or disliked


def load_population(name: str, items: Items, *, kinds: Mapping[str, Kind], scale: Scale, items_word: str) -> Users:
    """Users by the name of a user data set, `dataset`, or the path of a CSV file.

    A named user data set is read from the published folder where there is one (the catalogue's own, or that in
    `$RECGPT_EMOSIM`); else 600 people of the same kind are generated.

    Raises
    ------
    SimulationError
        Nothing has this name.
    DataError
        A file is damaged.
    """
    if name in kinds:
        kind, folder = kinds[name], published_folder(items)
        if folder is not None and kind.file is not None:
            return read_users(folder / kind.file, None if kind.levels is None else folder / kind.levels)
        people = draw_people(N_PEOPLE, kind.tastes, seed=0, titles=titles_by_tag(items))
        return users_of(people, f"{N_PEOPLE} generated people, {name}")
    if name == DATASET:
        return dataset_users(items, scale, items_word)
    if name.endswith(".csv"):
        return read_users(name)
    raise SimulationError(
        f"no users {name!r}: choose among {', '.join([*kinds, DATASET])}, or name a CSV file (.csv) of users"
    )


def dataset_users(items: Items, scale: Scale, items_word: str) -> Users:
    """Users of the catalogue's data set: histories, ratings, liked tags and traits are theirs.

    Names, ages, jobs and hobbies are generated, as data sets have none. A tag is liked (disliked) if the ratings of its
    items are clearly above (below) the user's mean, shrunk toward it by five ratings; without ratings, if it is more
    frequent in the history than in all.
    """
    known = items.dataset
    ids = [str(each) for each in known.user_map.ids]
    histories = Ragged(known.interactions.item.astype(np.int64), known.offsets)
    rating = known.interactions.rating
    ratings = np.full(len(histories.values), np.nan) if rating is None else scale.project(on_scale(rating, scale))
    score_UG = _tag_scores(items, histories, ratings, scale)
    traits = traits_of(known)
    best_UG = np.argsort(-score_UG, axis=1, kind="stable")
    stated = []
    for score_G, best_G in zip(score_UG, best_UG, strict=True):
        liked = tuple(items.tag_names[g] for g in best_G[:MAX_LIKED] if score_G[g] > _CLEAR)
        disliked = tuple(items.tag_names[g] for g in best_G[::-1][:MAX_DISLIKED] if score_G[g] < -_CLEAR)
        stated.append((liked, disliked))
    people = draw_people(len(ids), Tastes({}, 0, items_word), seed=0, stated=stated)
    users = users_of(people, f"users of {known.name}; names, ages, jobs and hobbies are made up")
    return replace(
        users,
        ids=ids,
        activity_U=traits.activity_U,
        conformity_U=traits.conformity_U,
        diversity_U=traits.diversity_U,
        histories=histories,
        ratings=ratings,
    )


def _tag_scores(items: Items, histories: Ragged, ratings: np.ndarray, scale: Scale) -> np.ndarray:
    """(U, G) float64, above 0 for liked tags, in parts of the scale (or as differences of shares)."""
    column = {tag: place for place, tag in enumerate(items.tag_names)}
    tags = Ragged.from_lists([sorted(column[tag] for tag in each if tag in column) for each in items.tags])
    shape = (len(items), max(1, len(column)))
    tags_NG = sparse.csr_array((np.ones(len(tags.values)), tags.values, tags.offsets), shape=shape)
    user_R = np.repeat(np.arange(len(histories)), histories.lengths)
    rated_R = np.isfinite(ratings)

    def sums(values_R: np.ndarray) -> np.ndarray:
        by_item_UN = sparse.csr_array((values_R, (user_R, histories.values)), shape=(len(histories), len(items)))
        return (by_item_UN @ tags_NG).toarray()

    if not rated_R.any():
        share_UG = sums(np.ones(len(user_R))) / np.maximum(1, histories.lengths)[:, None]
        return share_UG - share_UG.mean(axis=0)
    count_U = np.bincount(user_R[rated_R], minlength=len(histories))
    mean_U = np.bincount(user_R[rated_R], ratings[rated_R], minlength=len(histories)) / np.maximum(1, count_U)
    deviation_R = np.where(rated_R, ratings - mean_U[user_R], 0)
    return sums(deviation_R) / (sums(rated_R.astype(np.float64)) + _SHRINKAGE) / (scale.highest - scale.lowest)
