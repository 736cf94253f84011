"""Scores of studies: pass rules, total variation, intervals, aggregate; golden values where the shared fixtures are."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.studies import scoring
from recgpt.simulate.worlds.gym.studies.protocol import PARTS, check_studies, pass_rules

DOMAINS = {"films": "movies", "books": "books"}
STUDIES = {"genre+": "preference+", "genre-": "preference-"}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict:
    return json.loads((shared / "fixtures/emosim/golden.json").read_text(encoding="utf-8"))


def test_pass_rules_are_the_published_ones(golden):
    """A zero is a failed parse, which passed a low study as published; ours counts it as failed."""
    for case in golden["ablation_scoring"]["cases"]:
        rule = pass_rules(domain_of(DOMAINS[case["domain"]]))[STUDIES.get(case["study"], case["study"])]
        assert rule.threshold == case["threshold"][1]
        assert rule.upwards == (case["threshold"][0] == "ge")
        ratings = np.array([float(each) for each in case["ratings"]])
        assert rule.passes(ratings[ratings != 0]).sum() == case["passed"] - (ratings == 0).sum()
        assert not rule.passes(np.zeros(1))[0]


def counts_of(case: dict, scale: Scale) -> np.ndarray:
    return scoring.grid_counts(
        np.repeat([float(each) for each in case["counts"]], list(case["counts"].values())), scale
    )


def test_total_variation_counts_what_is_off_the_grid_against(golden):
    found = golden["total_variation"]
    for case in found["cases"]:
        scale = domain_of(DOMAINS[case["reference"]]).scale
        reference, counts = found[f"reference_{case['reference']}"], counts_of(case, scale)
        assert scoring.total_variation(counts, reference) == pytest.approx(case["correct"], abs=1e-9)
        corrected = scoring.corrected_total_variation(counts, reference)
        if isinstance(case["published_v3_corrected"], float) and counts[-1] == 0:
            assert corrected == pytest.approx(case["published_v3_corrected"], abs=1e-9)
        if case["published_v3_corrected"] == "ZeroDivisionError":
            assert corrected is None


def test_reference_of_films_is_the_recomputed_one(golden):
    exact = golden["reference_distribution_films"]["value"]["per_film_macro"]
    assert domain_of("movies").reference == pytest.approx(exact, abs=1e-5)


def published(shared: Path) -> pl.DataFrame:
    return pl.read_parquet(shared / "data/simulate/emosim/study_dumps.parquet")


def test_published_dumps_are_rescored(golden, shared):
    """Every published dump that is a measurement gives the golden shares."""
    dumps, n = published(shared), 0
    for domain, label, study, passed, of, share, *_, copy in golden["published_dumps"]["cases"]:
        rows = dumps.filter(
            (pl.col("domain") == domain) & (pl.col("configuration") == label) & (pl.col("study") == study)
        )
        if copy is not None or not len(rows):
            continue
        passes = pass_rules(domain_of(DOMAINS[domain]))[STUDIES.get(study, study)].passes(rows["rating"].to_numpy())
        assert (int(passes.sum()), len(passes)) == (passed, of)
        assert passes.mean() == pytest.approx(share, abs=1e-6)
        n += 1
    assert n >= 48


# --- without shared data ---


def dump(*rows: tuple[str, str, int, int, float | None], group: str = "all") -> pl.DataFrame:
    """Rows of study, part, user, item, rating."""
    return pl.DataFrame(rows, schema=["study", "part", "user", "item", "rating"], orient="row").with_columns(
        pl.lit(group).alias("group")
    )


def test_failed_replies_fail_in_high_and_low_studies_and_are_counted():
    rows = [("high", "", 0, 0, 10.0), ("high", "", 0, 1, None), ("low", "", 1, 0, 1.0), ("low", "", 1, 1, None)]
    found = scoring.score(dump(*rows), domain_of("movies"))
    assert found["failed"] == 2
    for study in ("high", "low"):
        assert (found["studies"][study]["score"], found["studies"][study]["failed"]) == (0.5, 1)


def test_two_parts_count_alike_and_the_interval_is_over_personas():
    positive = [("preference", "+", user, item, 10.0 if user < 2 else 1.0) for user in range(4) for item in range(5)]
    negative = [("preference", "-", user, item, 1.0) for user in range(4) for item in range(5, 25)]
    found = scoring.score(dump(*positive, *negative), domain_of("movies"))["studies"]["preference"]
    assert found["score"] == 0.75  # the mean of .5 and 1, not 90 of 100
    assert found["low"] < 0.65 < 0.85 < found["high"], "half of four personas fail: the interval is wide"


def test_interval_of_shares_has_its_coverage():
    """The 95 % interval holds the true share in about 95 of 100 samples of 60 units."""
    draws = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        shares_P = draws.beta(6, 4, 60)
        sums_PC = np.stack([draws.binomial(20, shares_P), np.full(60, 20)], axis=1).astype(float)
        low, high = scoring.interval(scoring.resampled(sums_PC, lambda sums: sums[:, 0] / sums[:, 1]))
        inside += low <= 0.6 <= high
    assert 180 <= inside <= 198


def test_distribution_is_scored_with_failures_and_off_scale_ratings():
    ratings = [*([8.0] * 6), 7.5, None, 0.0, 3.0]
    rows = [("distribution", "", user, user, rating) for user, rating in enumerate(ratings)]
    found = scoring.score(dump(*rows), domain_of("movies"))["studies"]["distribution"]
    assert (found["n"], found["failed"], found["off_scale"]) == (10, 1, 2)
    reference = domain_of("movies").reference
    shares = np.array([0, 0, 1, 0, 0, 0, 0, 6, 0, 0]) / 9
    assert found["score"] == pytest.approx((np.abs(shares - reference).sum() + 2 / 9) / 2, abs=1e-6)
    assert 0 <= found["low"] <= found["high"] <= 1


def test_aggregate_needs_all_five_studies():
    rows = [
        *[
            (study, part, 0, 0, 9.0 if part == "+" or study == "high" else 1.0)
            for study in PARTS
            for part in PARTS[study]
        ],
        ("distribution", "", 0, 0, 8.0),
    ]
    whole = scoring.score(dump(*rows), domain_of("movies"))
    distance = whole["studies"]["distribution"]["score"]
    assert whole["aggregate"]["score"] == pytest.approx((4 + 1 - distance) / 5, abs=1e-6)
    part = scoring.score(dump(*rows[:-1]), domain_of("movies"))
    assert part["aggregate"] == {"score": None, "low": None, "high": None}


def test_names_of_studies():
    assert check_studies(("human", "all")) == ("preference", "high", "low", "collection", "distribution", "human")
    with pytest.raises(Exception, match="no study 'mood': choose among preference, high"):
        check_studies(("mood",))
