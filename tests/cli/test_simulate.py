"""`recgpt simulate`, `recgpt agent4rec` and `recgpt agents`: what they do, and what they say to wrong values."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from recgpt import models
from recgpt.cli import main as cli
from recgpt.cli.simulate import PUBLISHED_RECOMMENDERS
from recgpt.cli.simulation_options import MEMORY_PRESETS
from recgpt.foundation.model import FoundationModel
from recgpt.program import Stopped
from recgpt.recommenders import REGISTRY
from recgpt.simulate import experiments, world
from recgpt.simulate.agents.memory import PRESETS
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed import spec
from recgpt.simulate.worlds.feed.world import Feed

Recgpt = Callable[..., Any]


@pytest.fixture(autouse=True)
def _small_model_and_runs(feed_folder: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that comes with the project is one of the small data set's."""
    monkeypatch.setattr(models, "shipped", lambda: FoundationModel.from_pretrained(feed_folder / "model"))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["simulate", "feed"], ("--recommender", "--retrain-every", "--advert", "--base-url", "Example")),
        (
            ["agent4rec"],
            (
                *("--simulation_name", "--modeltype", "--n_avatars", "--max_pages", "--items_per_page"),
                *("--execution_mode", "--model_path", "--dataset", "--seed", "--val_users", "--val_ratio"),
                *("--rec_gt", "--add_advert", "--display_advert", "--advert_type", "Example"),
            ),
        ),
        (["agents", "show"], ("--people", "--json", "Example")),
    ],
)
def test_help_lists_options_and_an_example(command: list[str], words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli.app, [*command, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    assert not [word for word in words if word not in shown.output]


def test_help_of_feed_lists_every_memory_preset() -> None:
    assert sorted(MEMORY_PRESETS.split(", ")) == sorted(PRESETS)


def test_feed_without_data_set_names_the_option(run_recgpt: Recgpt) -> None:
    done = run_recgpt("simulate", "feed", "--run", "demo")
    assert done.code == 2
    assert "--dataset" in done.stderr and "--config" in done.stderr


def test_the_commands_import_little() -> None:
    """`recgpt --help` has to come at once."""
    script = (
        "import sys, recgpt.cli.simulate\n"
        "heavy = {'numpy', 'polars', 'torch', 'pydantic', 'scipy', 'httpx2', 'jinja2'} & set(sys.modules)\n"
        "assert 'typer' in sys.modules and not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_feed_is_played_and_reported(run_recgpt: Recgpt, feed_folder: Path, runs: Path) -> None:
    options = ["--agents", 12, "--pages", 2, "--page-size", 3, "--recommender", "item_knn", "--retrain-every", 1]
    done = run_recgpt("simulate", "feed", "--dataset", feed_folder, "--run", "demo", *options)
    assert done.code == 0, done.stderr
    with Run.open("demo") as run:
        assert run.finished
        assert f"hash {run.hash}" in done.stdout
        assert run.manifest.config["page_size"] == 3
    report = done.stdout.rsplit("report: ", 1)[1]
    assert Path("".join(report.split())).is_file()
    assert run_recgpt("runs", "verify", "demo").code == 0


def test_a_run_is_replaced_only_if_said_so(run_recgpt: Recgpt, feed_folder: Path) -> None:
    command = ["simulate", "feed", "--dataset", feed_folder, "--run", "demo", "--recommender", "popularity"]
    command += ["--agents", 3]
    assert run_recgpt(*command).code == 0
    again = run_recgpt(*command)
    assert (again.code, again.stdout) == (2, "")
    assert "run demo exists already: resume it, choose another id, or pass --overwrite" in again.stderr
    assert run_recgpt(*command, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "../demo"], "is no id of a run"),
        (["--recommender", "best"], "unknown recommender 'best': choose among"),
        (["--memory", "elephant"], "unknown memory 'elephant': one of agent4rec"),
        (["--mind", "replay"], "name one with --replay RUN"),
        (["--mind", "replay", "--replay", "nothing"], "there is no run nothing"),
        (["--mind", "llm", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (
            ["--mind", "llm", "--key-env", "", "--max-usd", "1", "--llm-model", "ours"],
            "the price of 'ours' is not known",
        ),
        (["--people", "synthetic", "--truth-first"], "have no held-out items"),
        (["--model", "nowhere"], "nowhere"),
        (["--pages", "0"], "Invalid value for '--pages'"),
        (["--agents", "-3"], "Invalid value for '--agents'"),
        (["--advert", "loud"], "Invalid value for '--advert'"),
        (["--mind", "beautiful"], "unknown mind 'beautiful': choose among scripted, llm, replay, person"),
        (["--dataset", "nowhere"], "Invalid value for '--dataset'"),
    ],
)
def test_wrong_values_are_named(run_recgpt: Recgpt, feed_folder: Path, options: list[str], message: str) -> None:
    usual = {"--dataset": feed_folder, "--run": "demo", "--recommender": "popularity", "--agents": 3}
    given = options[::2] if len(options) % 2 == 0 else []
    command = [part for name, value in usual.items() if name not in given for part in (name, value)]
    done = run_recgpt("simulate", "feed", *command, *options)
    assert done.code == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert message in said
    assert "Traceback" not in done.stderr


def test_ctrl_c_says_how_to_go_on(run_recgpt: Recgpt, feed_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play = Feed.play

    def interrupted(feed: Feed) -> Any:
        if feed.step == 1:
            raise Stopped(signal.SIGINT)
        return play(feed)

    with monkeypatch.context() as patch:
        patch.setattr(Feed, "play", interrupted)
        command = ["simulate", "feed", "--dataset", feed_folder, "--run", "demo", "--recommender", "popularity"]
        done = run_recgpt(*command, "--agents", 20)
    assert done.code == 130
    assert "every finished page is stored. To continue: recgpt runs resume demo" in done.stderr
    assert run_recgpt("runs", "resume", "demo").code == 0


def test_the_published_command_with_all_its_flags(run_recgpt: Recgpt, feed_folder: Path) -> None:
    done = run_recgpt(
        *("agent4rec", "--simulation_name", "MyExp", "--modeltype", "Pop", "--n_avatars", 5, "--max_pages", 3),
        *("--items_per_page", 2, "--execution_mode", "serial", "--dataset", feed_folder, "--seed", 7, "--rec_gt"),
        *("--add_advert", "--display_advert", "--advert_type", "pop_high", "--model_path", feed_folder / "model"),
    )
    assert done.code == 0, done.stderr
    with Run.open("MyExp") as run:
        config = run.manifest.config
        expected = {"recommender": "popularity", "agents": 5, "pages": 3, "page_size": 2, "seed": 7}
        assert {name: config[name] for name in expected} == expected
        assert config["truth_first"] and config["advert"] == "pop_high" and config["advert_text"]
        assert config["llm"]["concurrency"] == 1


@pytest.mark.parametrize(("published", "ours"), PUBLISHED_RECOMMENDERS.items())
def test_every_published_recommender_is_there(run_recgpt: Recgpt, feed_folder: Path, published: str, ours: str) -> None:
    assert ours in REGISTRY
    if published == "MF":
        pytest.importorskip("implicit", reason="needs the extra `baselines`")
    options = ["--n_avatars", 3, "--max_pages", 1, "--dataset", feed_folder]
    done = run_recgpt("agent4rec", "--modeltype", published, *options)
    assert done.code == 0, done.stderr


def test_adverts_are_shown_without_words_unless_asked_for(run_recgpt: Recgpt, feed_folder: Path) -> None:
    options = ["--n_avatars", 3, "--max_pages", 1, "--dataset", feed_folder, "--modeltype", "Pop", "--add_advert"]
    assert run_recgpt("agent4rec", *options).code == 0
    with Run.open("Test") as run:
        assert (run.manifest.config["advert"], run.manifest.config["advert_text"]) == ("all", None)
        assert run.metrics["adverts"]["shown"] == 3


def test_taste_alignment_is_an_experiment(
    run_recgpt: Recgpt, feed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run_experiment(*arguments: Any) -> Any:
        asked.append(arguments)
        return SimpleNamespace(table=lambda: "accuracy .6")

    monkeypatch.setattr(experiments, "run_experiment", run_experiment)
    done = run_recgpt("agent4rec", "--val_users", 30, "--val_ratio", 9, "--dataset", feed_folder, "--seed", 3)
    assert (done.code, done.stdout.strip()) == (0, "accuracy .6")
    options = {"agents": 30, "ratios": (9,), "seed": 3, "model": None}
    assert asked == [("taste-alignment", feed_folder, None, options)]
    named = set(experiments.experiment_of("taste-alignment").settings.model_fields)
    assert set(options) | {"base_url", "llm_model", "key_env", "max_calls"} <= named


def test_an_agent_is_shown(run_recgpt: Recgpt, feed_folder: Path) -> None:
    shown = run_recgpt("agents", "show", 3, "--dataset", feed_folder)
    assert shown.code == 0
    assert "activity" in shown.stdout and "Film" in shown.stdout
    as_json = json.loads(run_recgpt("agents", "show", 3, "--dataset", feed_folder, "--json").stdout)
    assert as_json["agent"] == 3
    assert all(title.startswith("Film ") for title in as_json["latest"])
    drawn = run_recgpt("agents", "show", 3, "--dataset", feed_folder, "--people", "synthetic", "--json").stdout
    about = json.loads(drawn, parse_constant=pytest.fail)
    assert about["tastes"] and about["latest"] == [] and about["n_genres"] is None


def test_an_agent_that_is_not_there_is_named(run_recgpt: Recgpt, feed_folder: Path) -> None:
    done = run_recgpt("agents", "show", 100, "--dataset", feed_folder)
    assert (done.code, done.stdout) == (2, "")
    assert (
        "agent 100 is none of the 100 agents, who are numbered from 0: choose another, or raise --agents" in done.stderr
    )


def test_ctrl_c_before_anything_was_made_says_so(
    run_recgpt: Recgpt, feed_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: Any) -> Any:
        raise Stopped(signal.SIGINT)

    monkeypatch.setitem(world.WORLDS, "feed", replace(spec.WORLD, load_inputs=interrupted))
    done = run_recgpt("simulate", "feed", "--dataset", feed_folder, "--run", "demo")
    assert done.code == 130
    assert "the run had not begun" in done.stderr
