"""Classical recommenders on the stored ratings of a language model: the published figures, and a model below them."""

import importlib.util
import json
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def classical(repo):
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("gym_classical", repo / "benchmarks" / "gym" / "classical.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass is looked up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(classical, shared):
    """The published ratings."""
    return classical.read(shared / "data" / "simulate" / "emosim" / "llm_ratings.parquet")


def golden(shared):
    """RMSE and MAE by name."""
    stored = json.loads((shared / "fixtures" / "emosim" / "golden.json").read_text(encoding="utf-8"))
    return {name: (rmse, mae) for name, rmse, mae, *_ in stored["classical_baselines"]["cases"]}


def test_factor_analysis_recovers_made_up_tastes(classical):
    rng = np.random.default_rng(0)
    user_R, item_R = (each.ravel() for each in np.meshgrid(np.arange(40), np.arange(300), indexing="ij"))
    loading_UK, factor_NK = rng.normal(size=(40, 2)), rng.normal(size=(300, 2))
    rating_R = 5.5 + (loading_UK[user_R] * factor_NK[item_R]).sum(axis=1) + 0.3 * rng.normal(size=len(user_R))
    rows = classical.Rows(user_R, item_R, rating_R)
    known, held = classical.split(rows, 0)
    assert len(known) + len(held) == len(rows)
    model = classical.FactorAnalysis(n_factors=3, rounds=30, shrinkage=1.0).fit(known, 40, 300)
    rmse, _ = classical.errors(model.predict(held.user_R, held.item_R), held.rating_R)
    assert rmse < 0.45 < 0.8 * rating_R.std()


def test_factor_analysis_beats_every_published_figure(classical, rows, shared):
    rmse, mae = classical.factor_analysis(rows, folds=[1])[0]
    published = golden(shared)
    assert rmse < min(each[0] for each in published.values()) - 0.05
    assert mae < min(each[1] for each in published.values()) - 0.05


def test_surprise_on_one_fold_is_within_the_interval_of_the_published_figure(classical, rows, shared):
    pytest.importorskip("surprise", reason="scikit-surprise is not installed (pip install scikit-surprise==1.1.5)")
    rmse, mae = classical.surprise_errors("BaselineOnly", rows, folds=[0])[0]
    published = golden(shared)["BaselineOnly"]
    assert abs(rmse - published[0]) < 0.003
    assert abs(mae - published[1]) < 0.003


def test_stored_figures_are_the_published_ones(classical, repo, shared):
    report = json.loads((repo / "benchmarks" / "results" / "gym" / "classical.json").read_text(encoding="utf-8"))
    published, measured = golden(shared), report["measured"]
    assert published == {name: tuple(figures) for name, figures in classical.PUBLISHED.items()}
    assert {"SVD", "BaselineOnly", "KNNBasic"} <= set(measured)
    for name in set(measured) - {"factor_analysis"}:
        assert (measured[name]["rmse"], measured[name]["mae"]) == published[name]
    assert measured["factor_analysis"]["rmse"] < min(rmse for rmse, _ in published.values())
    assert measured["factor_analysis"]["mae"] < min(mae for _, mae in published.values())
