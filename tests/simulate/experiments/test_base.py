"""What all experiments share: settings, errors that say what there is, results on disk, the command."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.experiments import EXPERIMENTS, Estimate, experiment_of, run_experiment
from recgpt.simulate.experiments.base import bootstrap, difference, held_out_metrics, mean_of

SMALL = {"agents": 20, "pages": 2}


def test_names_of_the_registry() -> None:
    assert set(EXPERIMENTS) == {
        "taste-alignment",
        "page-enhancement",
        "filter-bubble",
        "adverts",
        "causal",
        "ab",
        "ablate",
        "injection",
        "believability",
        "cocoon",
        "conformity",
        "intervention",
        "word-of-mouth",
        "town",
    }
    assert all(experiment_of(name).name == name for name in EXPERIMENTS)


def test_an_unknown_experiment_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="unknown experiment 'bubble': choose among taste-alignment, page"):
        run_experiment("bubble", tmp_path, None)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["pages"], "'pages' is not KEY=VALUE"),
        (["page=3"], "no setting 'page': choose among agents, seed, model, pages, page_size, recommenders"),
        (["pages=0"], "--set: pages=0: .*greater than or equal to 1"),
        (["agents=many"], "--set: agents='many': .*integer"),
        (["recommenders=random,popularity"], "--set: recommenders=.*at least 3"),
    ],
)
def test_wrong_settings_say_what_is_wrong(texts: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment_of("ab").settings.load(None, texts)


def test_options_of_an_experiment_are_checked() -> None:
    with pytest.raises(ConfigError, match="ab: there is no setting 'page': choose among agents"):
        experiment_of("ab").settings_of({"page": 3})


def test_settings_from_texts() -> None:
    texts = ["ratios=1,3", "agents=30", "base_url=http://h/v1?a=b"]
    settings = experiment_of("taste-alignment").settings.load(None, texts)
    assert (settings.ratios, settings.agents, settings.base_url) == ((1, 3), 30, "http://h/v1?a=b")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_defaults_are_valid_and_described(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert experiment.settings_of({}) == experiment.settings()
    assert experiment.settings_table().row_count == len(experiment.settings.model_fields)


def test_more_agents_than_users(feed_folder: Path) -> None:
    with pytest.raises(SimulationError, match="agents=50: films has users for 40 of them"):
        run_experiment("adverts", feed_folder, None, {"agents": 50, "model": str(feed_folder / "model")})


def test_a_result_on_disk_is_the_same_every_time(feed_folder: Path, tmp_path: Path) -> None:
    options = {**SMALL, "recommenders": ["random", "popularity", "item_knn"], "model": str(feed_folder / "model")}
    for folder in ("first", "second"):
        run_experiment("ab", feed_folder, tmp_path / folder, options)
    names = [path.name for path in sorted((tmp_path / "first").iterdir())]
    assert names == ["ab-films.json", "ab-films.md", "ab-films.svg"]
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    other = run_experiment("ab", feed_folder, None, {**options, "seed": 1})
    found = json.loads((tmp_path / "first" / "ab-films.json").read_text(encoding="utf-8"))
    assert found["settings"]["agents"] == 20
    assert found["rows"] != other.to_dict()["rows"]
    assert "## What it does not mean" in (tmp_path / "first" / "ab-films.md").read_text(encoding="utf-8")


def test_the_command(feed_folder: Path, tmp_path: Path, run_recgpt) -> None:
    at = ["--dataset", feed_folder, "--out", tmp_path]
    listed = run_recgpt("experiment", "causal", *at, "--set", "help")
    assert listed.code == 0
    assert "min_exposures" in listed.stdout
    small = ["--set", "agents=20", "--set", "pages=1", "--set", f"model={feed_folder / 'model'}"]
    shown = run_recgpt("experiment", "adverts", *at, *small, "--set", "recommender=popularity", "--json")
    assert shown.code == 0, shown.stderr
    assert json.loads(shown.stdout) == json.loads((tmp_path / "adverts-films.json").read_text(encoding="utf-8"))
    refused = run_recgpt("experiment", "nonsense", *at)
    assert refused.code == 2
    assert "choose among" in refused.stderr


# --- figures ---


def test_estimates() -> None:
    values = np.array([0.0, 1.0, np.nan, 1.0, 0.0])
    found = mean_of(values)
    assert found is not None
    assert found.mean == 0.5
    assert 0 <= found.low <= 0.5 <= found.high <= 1
    assert mean_of(np.full(3, np.nan)) is None
    assert difference(values, values) == Estimate(0.0, 0.0, 0.0)
    assert difference(np.array([1.0, np.nan]), np.array([np.nan, 1.0])) is None
    signs = [Estimate(0, *ends).sign for ends in ((0.1, 0.2), (-0.1, 0.2), (-0.2, -0.1), (0, 0))]
    assert signs == [1, 0, -1, 0]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_bootstrap_of_a_mean_agrees_with_that_of_the_evaluator(values: list[float]) -> None:
    array = np.array(values)
    ours, theirs = bootstrap(lambda drawn: float(array[drawn].mean()), len(array)), mean_of(array)
    assert ours is not None
    assert theirs is not None
    spread = max(array.std(), 1e-6)
    assert ours.mean == pytest.approx(theirs.mean)
    assert abs(ours.low - theirs.low) < 0.5 * spread
    assert abs(ours.high - theirs.high) < 0.5 * spread


def test_offline_metrics_of_agents_without_targets() -> None:
    from recgpt.data.ragged import Ragged

    ids_AK = np.tile(np.arange(10), (3, 1))
    found = held_out_metrics(ids_AK, Ragged.from_lists([[0], [], [11]]))
    np.testing.assert_array_equal(found["hit@10"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["ndcg@10"], [1, np.nan, 0])
