"""Traits by the definitions of Agent4Rec: by hand, against plain Python, and against the published classes."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset
from recgpt.simulate.agents.sources import agent4rec, known_part
from recgpt.simulate.agents.traits import MIDDLE, classes, percentile_cuts, traits_of

CATEGORIES = ["Drama", "Drama, War", "Comedy", "Comedy, Romance", ""]


def dataset_of(events, *, ratings=True, categories=CATEGORIES) -> Dataset:
    """A data set of (user, item, rating) rows in their order."""
    user, item, rating = (list(column) for column in zip(*events, strict=True))
    rows = pl.DataFrame({"user_id": user, "item_id": item, "position": range(len(user)), "rating": rating})
    items = pl.DataFrame({"item_id": range(len(categories)), "title": [f"Film {i}" for i in range(len(categories))]})
    return Dataset.from_frames(
        "traits", rows if ratings else rows.drop("rating"), items.with_columns(categories=pl.Series(categories))
    )


def test_figures_by_hand():
    # User 0's genres: Drama 3, War 1, Comedy 1. Drama alone stays within 80 % of 5; Drama and Comedy are just 80 %.
    traits = traits_of(dataset_of([(0, 0, 5), (0, 0, 4), (0, 1, 1), (0, 2, 3), (1, 0, 3), (1, 4, 2), (2, 4, 5)]))
    assert traits.n_ratings_U.tolist() == [4, 2, 1]
    assert traits.n_genres_U[:2].tolist() == [2, 1] and np.isnan(traits.n_genres_U[2])
    assert traits.n_all_genres_U[:2].tolist() == [3, 1]
    # Means: item 0: 4, item 4: 3.5, items 1 and 2: the user's own.
    assert traits.rating_deviation_U == pytest.approx([1 / 4, (1 + 2.25) / 2, 2.25])


def test_classes_are_cut_at_the_percentiles_and_ties_stay_below():
    values = np.arange(1, 101, dtype=np.float32)
    cuts = percentile_cuts(values, (60, 90))
    assert np.bincount(classes(values, cuts)).tolist() == [0, 60, 30, 10]
    assert classes(np.array([5.0, 6, 7]), (5, 6)).tolist() == [1, 2, 3]


def test_without_ratings_or_categories_figures_are_unknown_and_classes_the_middle():
    traits = traits_of(dataset_of([(0, 0, 5), (1, 1, 4), (1, 2, 3)], ratings=False, categories=["", "", ""]))
    assert np.isnan(traits.rating_deviation_U).all() and np.isnan(traits.n_genres_U).all()
    assert (traits.conformity_U == MIDDLE).all() and (traits.diversity_U == MIDDLE).all()
    assert traits.activity_U.tolist() == [1, 3]


def test_missing_ratings_are_passed_over():
    traits = traits_of(dataset_of([(0, 0, 5), (0, 1, None), (1, 0, 3), (2, 1, None)]))
    assert traits.rating_deviation_U[:2].tolist() == [1, 1] and np.isnan(traits.rating_deviation_U[2])
    assert traits.conformity_U[2] == MIDDLE


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, len(CATEGORIES) - 1), st.integers(1, 5)), min_size=1, max_size=40
    )
)
def test_figures_agree_with_plain_python(events):
    dataset = dataset_of(events)
    traits = traits_of(dataset)
    for place, user in enumerate(sorted({event[0] for event in events})):
        own = [event for event in events if event[0] == user]
        genres = Counter(genre for _, item, _ in own for genre in CATEGORIES[item].split(", ") if genre)
        covered, n_covering = 0, 0
        for count in sorted(genres.values(), reverse=True):
            covered += count
            n_covering += 10 * covered <= 8 * genres.total()
        assert traits.n_ratings_U[place] == len(own)
        if genres:
            assert traits.n_genres_U[place] == max(1, n_covering)
            assert traits.n_all_genres_U[place] == len(genres)
        means = {item: np.mean([r for _, i, r in events if i == item]) for _, item, _ in own}
        deviation = np.mean([(rating - means[item]) ** 2 for _, item, rating in own])
        assert traits.rating_deviation_U[place] == pytest.approx(deviation, abs=1e-6)


def test_published_classes(shared):
    dataset, tables = agent4rec(shared / "data/simulate/agent4rec_ml1m")
    users, traits = tables["users"], traits_of(dataset)
    figures = {
        name: users[name].to_numpy().astype(np.float32) for name in ("n_ratings", "n_genres", "rating_deviation")
    }
    # The published cuts are of all 6,040 users, of whom these are 1,000: classes follow from the figures by them.
    for trait, figure, cuts in (
        ("activity", "n_ratings", (125, 402)),
        ("diversity", "n_genres", (5, 6)),
        ("conformity", "rating_deviation", (0.666, 1.239)),
    ):
        np.testing.assert_array_equal(classes(figures[figure], cuts), users[trait].to_numpy())
    # Recomputed figures: some films that users rated are not in the published catalogue.
    assert (traits.n_ratings_U <= figures["n_ratings"]).all()
    assert (traits.n_ratings_U == figures["n_ratings"]).mean() > 0.8
    assert (traits.n_genres_U == figures["n_genres"]).mean() > 0.99
    assert (classes(traits.n_ratings_U, (125, 402)) == users["activity"].to_numpy()).mean() > 0.99
    assert (classes(traits.n_genres_U, (5, 6)) == users["diversity"].to_numpy()).mean() > 0.99
    # Cut among these 1,000 alone, activity moves little.
    assert (traits.activity_U == users["activity"].to_numpy()).mean() > 0.9


def test_what_is_held_out_does_not_shape_traits(shared):
    whole = Dataset.load(shared / "data/simulate/movielens_small")
    events = whole.interactions
    known = known_part(whole)
    held_out = np.ones(len(events), dtype=bool)
    for start, n_known in zip(whole.offsets[:-1], np.diff(known.offsets), strict=True):
        held_out[start : start + n_known] = False
    changed = pl.DataFrame(
        {
            "user_id": whole.user_map.to_outside(events.user),
            "item_id": whole.item_map.to_outside(np.where(held_out, 0, events.item)),
            "position": np.arange(len(events)),
            "rating": np.where(held_out, np.float32(0.5), events.rating),
        }
    )
    other = traits_of(known_part(Dataset.from_frames("changed", changed, whole.items)))
    for name, values in vars(traits_of(known)).items():
        np.testing.assert_array_equal(values, getattr(other, name))
