"""Causal discovery: the table of items, the graph of planted data, and what is said without the library."""

import sys

import numpy as np
import polars as pl
import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.experiments import Lab, causal

SETTINGS = causal.CausalSettings(agents=60, recommender="item_knn", min_exposures=2, min_ratings=1, resamples=20)


def planted(n: int = 2000) -> np.ndarray:
    """Popularity makes exposure, exposure and quality make views, quality makes rating; errors are uniform."""
    quality, popularity, *errors = np.random.default_rng(0).uniform(-1, 1, (5, n))
    exposure = popularity + 0.5 * errors[0]
    views = exposure + 0.7 * quality + 0.5 * errors[1]
    table = {
        "quality": quality,
        "popularity": popularity,
        "exposure": exposure,
        "views": views,
        "rating": quality + 0.5 * errors[2],
    }
    return causal.standardised(pl.DataFrame(table))


def test_without_the_library(loyal: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lingam", None)
    with pytest.raises(
        SimulationError, match=r"needs the library lingam, which is not installed: pip install 'recgpt\[causal\]'"
    ):
        causal.run(loyal, SETTINGS)


@pytest.mark.parametrize("time_order", [True, False])
def test_a_planted_graph_is_found(time_order: bool) -> None:
    pytest.importorskip("lingam", reason="needs the extra `causal`")
    effect_VV, dependent = causal._graph(planted(), SETTINGS.model_copy(update={"time_order": time_order}))
    found = {
        (causal.VARIABLES[cause], causal.VARIABLES[effect])
        for effect, cause in np.argwhere(np.abs(effect_VV) >= causal.LEAST_EFFECT)
    }
    pairs = {("popularity", "exposure"), ("exposure", "views"), ("quality", "views"), ("quality", "rating")}
    assert found == pairs
    assert dependent == 0


def test_a_whole_run(loyal: Lab) -> None:
    pytest.importorskip("lingam", reason="needs the extra `causal`")
    result = causal.run(loyal, SETTINGS)
    assert result.rows
    assert not [row for row in result.rows if row["effect"] in causal.BEFORE and row["cause"] not in causal.BEFORE]
    assert result.to_dict() == causal.run(loyal, SETTINGS).to_dict()


def test_items_that_count(loyal: Lab) -> None:
    played = loyal.play(SETTINGS.rules(), loyal.fitted("item_knn"), loyal.mind())
    table = causal.of_items(played, loyal.setting.facts, SETTINGS)
    shown, watched = played.of_kind("shown"), played.of_kind("watched")
    for row in table.head(5).iter_rows(named=True):
        assert np.exp(row["exposure"]) == pytest.approx(len(shown.filter(pl.col("item") == row["item"])))
        assert np.exp(row["views"]) == pytest.approx(len(watched.filter(pl.col("item") == row["item"])))
        assert row["quality"] == pytest.approx(loyal.setting.facts.mean_rating_N[row["item"]])
    with pytest.raises(SimulationError, match="30 are needed: use more agents or pages"):
        causal.of_items(played, loyal.setting.facts, SETTINGS.model_copy(update={"min_exposures": 1000}))


def test_a_variable_that_never_varies() -> None:
    table = pl.DataFrame({name: np.arange(40.0) for name in causal.VARIABLES}).with_columns(rating=pl.lit(4.0))
    with pytest.raises(SimulationError, match="every item has the same rating"):
        causal.standardised(table)
