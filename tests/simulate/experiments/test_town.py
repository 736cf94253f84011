"""The experiment of a town: arms in pairs of the same town, finished towns are kept, the data set may be left out."""

import json
from pathlib import Path

import pytest

from recgpt.errors import DataError, SimulationError
from recgpt.simulate.experiments import run_experiment
from recgpt.simulate.experiments import town as experiment
from recgpt.simulate.experiments.town import FIGURES, TownLab, TownSettings

SMALL = {"towns": 2, "agents": 3, "days": 1, "recommenders": ("none", "popularity")}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished experiment: its result, and its towns below `keep`."""
    folder = tmp_path_factory.mktemp("town")
    run_experiment("town", None, folder, {**SMALL, "keep": str(folder / "keep")})
    return folder


def test_the_result_has_every_arm_and_figure(kept: Path) -> None:
    found = json.loads((kept / "town-made_up_town.json").read_text())
    arms = [(row["recommender"], row["word of mouth"]) for row in found["rows"]]
    assert arms == [("none", "on"), ("none", "off"), ("popularity", "on"), ("popularity", "off")]
    assert set(found["details"]["means"]["popularity, on"]) == set(FIGURES)
    assert len(found["details"]["towns"]["none, off"]) == 2
    assert found["details"]["means"]["none, on"]["page"]["mean"] == 0
    assert found["details"]["means"]["popularity, on"]["coverage"]["mean"] > 0
    assert (kept / "town-made_up_town.svg").is_file()
    assert "Against none" in (kept / "town-made_up_town.md").read_text()


def test_finished_towns_are_read_again(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def played(*_: object) -> None:
        raise AssertionError("a finished town is played again")

    monkeypatch.setattr(TownLab, "_played", played)
    settings = {**SMALL, "keep": str(kept / "keep")}
    again = run_experiment("town", None, tmp_path, settings)
    assert json.loads(json.dumps(again.to_dict())) == json.loads((kept / "town-made_up_town.json").read_text())
    with pytest.raises(AssertionError, match="played again"):
        run_experiment("town", None, tmp_path, {**settings, "days": 2})


def test_towns_of_a_seed_are_the_same_for_every_arm() -> None:
    lab = TownLab("", TownSettings.model_validate(SMALL))
    one, two = (lab.config(3, word_of_mouth=talks) for talks in (True, False))
    assert one.model_dump(exclude={"word_of_mouth"}) == two.model_dump(exclude={"word_of_mouth"})


def test_a_town_without_adoptions_has_no_shares() -> None:
    none = dict.fromkeys(("page", "friend", "search", "passing_by"))
    measures = {
        "by_kind": {"film": 0, "book": 0, "dish": 0},
        "first_source": none,
        "wishes": dict.fromkeys(none, 0),
        "mentions": 0,
        "cascades": {"trees": 0, "size": None, "depth": None},
        "turned_away": 0.0,
        "stars": None,
        "drift": None,
        "likeness": {"friends": None},
        "exposure": {"gini": None, "coverage": 0.0},
    }
    found = experiment._figures(measures, 0.5, 2)
    assert (found["wished"], found["page"], found["stars"]) == (0.0, None, None)


def test_refusals() -> None:
    with pytest.raises(DataError, match="unknown recommender 'nope'"):
        run_experiment("town", None, None, {**SMALL, "recommenders": ("none", "nope")})
    with pytest.raises(SimulationError, match="the experiment causal needs a data set: name its folder with --dataset"):
        run_experiment("causal", None, None)
