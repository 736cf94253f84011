"""`recgpt gym evaluate`: a run for each policy and seed, used again or continued, and one table over all."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recgpt.cli.app import app
from recgpt.errors import SimulationError, StoreError
from recgpt.simulate import runner
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run, list_runs
from recgpt.simulate.worlds.gym.comparison import evaluate, finished_run, slug
from recgpt.simulate.worlds.gym.config import GymConfig, GymRules
from recgpt.simulate.worlds.gym.inputs import load_inputs
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.policies.trained import NetworkFacts, make_network, save_network

CONFIG = GymConfig(n_users=8, steps=3)
COMMAND = [
    "gym",
    "evaluate",
    "--n-users",
    "8",
    "--steps",
    "3",
    "--seeds",
    "2",
    "--policies",
    "random,popularity,oracle",
]


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))


def test_the_command_compares_policies_in_a_table_as_json_and_in_a_plot(tmp_path: Path) -> None:
    picture = tmp_path / "policies.png"
    shown = CliRunner().invoke(app, [*COMMAND, "--plot", str(picture)])
    assert shown.exit_code == 0, shown.output
    lines = [line.split()[0] for line in shown.output.splitlines() if line.strip()]
    assert lines.index("oracle") < lines.index("popularity")
    assert "less popularity" in shown.output and "8 users, 2 seeds" in shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    runs = {each.run: each.hash for each in list_runs()}
    assert set(runs) == {
        f"evaluation-{policy}-{seed}" for policy in ("random", "popularity", "oracle") for seed in (0, 1)
    }

    found = json.loads(CliRunner().invoke(app, [*COMMAND, "--json"]).stdout)
    assert {each.run: each.hash for each in list_runs()} == runs
    assert found["baseline"] == "popularity"
    assert set(found["paired"]["reward"]) == {"random", "oracle"}
    oracle = found["policies"]["oracle"]
    assert oracle["runs"] == ["evaluation-oracle-0", "evaluation-oracle-1"]
    assert oracle["reward"]["mean"] > found["policies"]["random"]["reward"]["mean"]
    difference = oracle["reward"]["mean"] - found["policies"]["popularity"]["reward"]["mean"]
    assert found["paired"]["reward"]["oracle"]["difference"] == pytest.approx(difference, abs=1e-5)


def test_stored_runs_are_used_again_continued_or_refused() -> None:
    first = evaluate("one", ["random", "popularity"], CONFIG, n_seeds=1)
    with Run.open("one-random-0") as run:
        run.fork("two-random-0", 1).close()
        whole = run.hash
    config = CONFIG.model_copy(update={"policy": "random"})
    with finished_run("two-random-0", config) as run:
        assert run.finished and run.hash == whole
    assert evaluate("one", ["random", "popularity"], CONFIG, n_seeds=1).figures() == first.figures()
    with pytest.raises(StoreError, match=r"run one-random-0 is there already, of other settings \(steps=3, not 2\)"):
        evaluate("one", ["random"], CONFIG.model_copy(update={"steps": 2}), n_seeds=1)
    shorter = evaluate("one", ["random"], CONFIG.model_copy(update={"steps": 2}), n_seeds=1, overwrite=True)
    assert shorter.figures()["policies"]["random"]["length"]["mean"] == 2


def test_a_policy_is_named_once_and_the_baseline_is_among_them() -> None:
    with pytest.raises(SimulationError, match="random is named twice"):
        evaluate("one", ["random", "random"], CONFIG)
    with pytest.raises(SimulationError, match="baseline 'oracle' is not evaluated: choose among random"):
        evaluate("one", ["random"], CONFIG, baseline="oracle")
    with pytest.raises(SimulationError, match="no policy 'best'"):
        evaluate("one", ["random", "best"], CONFIG)
    assert CliRunner().invoke(app, ["gym", "evaluate", "--policies", " , "]).exit_code == 1


def test_the_folder_of_a_trained_policy_is_a_policy(tmp_path: Path) -> None:
    inputs = load_inputs(GymRules())
    setting = Setting(inputs.domain, inputs.items, inputs.users, make_mind(MindOptions(), inputs), seed=0)
    facts = NetworkFacts.of_setting(setting, algo="ppo", policy="item_embedding", width=8)
    save_network(tmp_path / "trained", facts, make_network(facts, setting))
    policy = str(tmp_path / "trained")
    found = evaluate("one", [policy, "random"], CONFIG, n_seeds=1).figures()
    assert found["policies"][policy]["length"]["mean"] == 3
    with Run.open(found["policies"][policy]["runs"][0]) as run:
        kept = run.manifest.dataset["policy_sha256"]
    save_network(tmp_path / "trained", facts, make_network(facts, setting))  # other random weights
    with pytest.raises(StoreError, match="policy_sha256"):
        evaluate("one", [policy], CONFIG, n_seeds=1)
    assert kept


def test_ids_of_runs_hold_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "my policy (3)"
    folder.mkdir()
    assert slug("shop:Best") == "shop_Best"
    assert slug(str(folder)).startswith("my_policy__3_-")
    with runner.start("gym", f"a-{slug('popularity')}-0", CONFIG.model_copy(update={"policy": "popularity"})) as run:
        assert run.finished
