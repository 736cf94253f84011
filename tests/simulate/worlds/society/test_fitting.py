"""Fit of the choice among items of a page: known coefficients come back; the package has those of the results."""

import json

import numpy as np
import polars as pl
import pytest

from recgpt.errors import DataError
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.society.minds.fitting import (
    FEATURES,
    RealPeople,
    conditional_logit,
    fit_watch,
    judged_pages,
    newcomers_of,
    pages_of,
    profile_features,
)
from recgpt.simulate.worlds.society.minds.parameters import Parameters


def chosen_pages(weights, n=20_000):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 5, len(weights)))
    best = (x @ weights + rng.gumbel(size=(n, 5))).argmax(axis=1)
    rows = np.arange(n)
    x[rows, 0], x[rows, best] = x[rows, best].copy(), x[rows, 0].copy()
    return x


def test_known_coefficients_come_back_and_beat_a_guess():
    weights = np.array([1.5, -0.5, 0.0])
    x = chosen_pages(weights)
    found = conditional_logit(x)
    np.testing.assert_allclose(found, weights, atol=0.05)
    held = conditional_logit(x[:, :, 1:], 1.5 * x[:, :, 0])
    np.testing.assert_allclose(held, weights[1:], atol=0.05)
    user = np.arange(len(x)) % 50
    fitted, guess = (judged_pages(x, each, user)["log loss"].mean() for each in (found, np.zeros(3)))
    assert guess == pytest.approx(np.log(5)) and fitted < guess - 0.3


def test_the_package_has_the_coefficients_of_the_results(repo):
    results = json.loads((repo / "benchmarks/results/society/calibration.json").read_text(encoding="utf-8"))
    shipped = Parameters.load()
    for name in FEATURES:
        assert getattr(shipped.watch, name) == pytest.approx(results["watch"][name], abs=6e-4)
        assert shipped.sources[f"watch.{name}"].startswith("fitted")
    assert shipped.rating.thresholds == pytest.approx(results["rating"]["thresholds"], abs=6e-4)
    for people in ("with a past", "newcomers"):
        of = results[people]
        assert of["fitted"]["log loss"]["high"] < of["popularity"]["log loss"]["low"]


def test_pages_of_people_and_of_newcomers(tmp_path):
    domain_of("movies").load_items(None).dataset.save(tmp_path)
    people = RealPeople.read(str(tmp_path), None)
    pages = pages_of(people, seed=0)
    newcomers = newcomers_of(people, pages, seed=0)
    assert pages.x_RSF.shape == newcomers.x_RSF.shape == (len(pages.user_R), 5, len(FEATURES))
    events = people.source.dataset.interactions
    taken = set(zip(events.user.tolist(), events.item.tolist(), strict=True))
    for user, items in zip(pages.user_R.tolist(), pages.items_RS.tolist(), strict=True):
        assert [(user, item) in taken for item in items] == [True, False, False, False, False]
    assert not newcomers.x_RSF[:, :, FEATURES.index("category")].any()
    assert (newcomers.n_before_R <= pages.n_before_R).all() and (newcomers.n_before_R == 0).any()
    assert not newcomers.x_RSF[newcomers.n_before_R == 0][:, :, FEATURES.index("recent")].any()
    assert np.isfinite(fit_watch(pages, newcomers)).all()
    with pytest.raises(DataError, match="table of the users"):
        profile_features(people, pages)
    ids = people.source.dataset.user_map.to_outside(np.arange(people.source.dataset.n_users))
    table = pl.DataFrame({"user_id": ids}).with_columns(
        age=pl.lit("25-34"), gender=pl.lit("female"), occupation=pl.lit("artist")
    )
    lifts = profile_features(RealPeople(people.source, people.newcomers, table), pages)
    assert lifts.shape == (*pages.items_RS.shape, 2)
    assert np.abs(lifts).max() < 0.5  # one group of all people takes what everybody takes
