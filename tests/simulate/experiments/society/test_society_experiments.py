"""Experiments of a society, on a few made-up people."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recgpt.data.dataset import Dataset
from recgpt.errors import SimulationError
from recgpt.simulate.experiments import run_experiment
from recgpt.simulate.experiments.society.cocoon import arms, entropies_by_round
from recgpt.simulate.experiments.society.conformity import changes, distances
from recgpt.simulate.experiments.society.playing import SocietyLab, SocietySettings
from recgpt.simulate.worlds.gym.domain import domain_of

FEW = {"agents": 24, "rounds": 5, "runs": 2, "recommender": "popularity"}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    domain_of("movies").load_items(None).dataset.save(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("cocoon", {"starts": 3}),
        ("conformity", {"praising": 2}),
        ("intervention", {"starts": 2, "edited": 8}),
        ("word-of-mouth", {}),
    ],
)
def test_an_experiment_has_rows_findings_and_a_picture(films, tmp_path, name, more):
    result = run_experiment(name, films, tmp_path, {**FEW, **more})
    assert result.findings
    assert len(list(tmp_path.glob("*.svg"))) == len(list(tmp_path.glob("*.md"))) == 1
    (path,) = tmp_path.glob("*.json")
    assert len(json.loads(path.read_text())["rows"]) == len(result.rows) >= 3


def test_another_name_changes_nothing_and_deaf_opinions_stay(films):
    edited, named = run_experiment("intervention", films, None, {**FEW, "starts": 2, "edited": 8}).rows[1:]
    assert edited["more than unedited: share of the genre, watched"].mean > 0
    assert all(each is None or each.mean == 0 for key, each in named.items() if key.startswith("more than "))
    deaf = run_experiment("conformity", films, None, {**FEW, "praising": 2}).rows[1]
    assert deaf["arm"] == "opinions do not follow others"


def test_arms_of_one_seed_share_the_rounds_before_they_differ(films):
    lab = SocietyLab(str(films), SocietySettings(**FEW))
    base, random = (lab.play(seed=0, **options) for options in (arms(4)["base"], arms(4)["3 random items"]))
    for step in range(3):
        assert base.steps[step].equals(random.steps[step])
    assert not base.steps[3].equals(random.steps[3])


def test_a_frozen_recommender_does_not_learn(films):
    lab = SocietyLab(str(films), SocietySettings(**FEW))
    played = lab.play(seed=0, is_frozen=True)
    everybody = played.society.state.viewing.histories(pl.Series(range(24)).to_numpy())
    fresh = lab.inputs.make_recommender("popularity").fit(lab.known).rank(everybody, 5)
    assert (played.society.live.recommender.rank(everybody, 5).ids == fresh.ids).all()


def test_genres_are_needed(tmp_path):
    items = pl.DataFrame({"item_id": range(40), "title": [f"Film {n}" for n in range(40)]})
    events = pl.DataFrame({"user_id": [n // 4 for n in range(160)], "item_id": [n % 40 for n in range(160)]})
    Dataset.from_frames("plain", events.with_columns(position=pl.int_range(160)), items).save(tmp_path / "plain")
    with pytest.raises(SimulationError, match="no categories"):
        run_experiment("cocoon", tmp_path / "plain", None, FEW)


def test_entropy_is_of_one_round_so_that_a_longer_time_is_not_more_diverse():
    shown = pl.DataFrame({"step": [1, 1, 2, 2, 3, 3], "agent": [0] * 6, "item": [0, 1, 2, 3, 0, 2]})
    genres_NC = sparse.csr_array(np.eye(4))
    bits_TA = entropies_by_round(shown, genres_NC, 3, 2)
    np.testing.assert_allclose(bits_TA[:, 0], 1)
    assert np.isnan(bits_TA[:, 1]).all()


def test_scores_are_compared_within_a_run():
    scores_MTA = np.array([[[3.0, 7.0], [3.0, 7.0], [4.0, 7.0]], [[7.0, 3.0], [7.0, 3.0], [7.0, 3.0]]])
    np.testing.assert_allclose(changes(scores_MTA), [0.25, 0])
    np.testing.assert_allclose(distances(scores_MTA)[0], [2, 2])  # the mean of both runs would hide it


def test_first_hearings_of_an_arm_add_up_and_cascades_have_all_figures(films):
    row = run_experiment("word-of-mouth", films, None, FEW).rows[0]
    firsts = [each.mean for key, each in row.items() if key.startswith("first heard: ")]
    assert len(firsts) == 5
    assert sum(firsts) == pytest.approx(1, abs=1e-5)
    assert {"scale", "depth", "breadth", "virality", "steps_to_half"} <= set(row)
