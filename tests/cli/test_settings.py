"""Settings on the command line: flag over --set over --config over default; and help shows the defaults."""

import inspect
import json

import pytest

from recgpt.cli import evaluate, models, simulate
from recgpt.evaluate.config import EvaluationConfig
from recgpt.foundation.finetune import FinetuneConfig
from recgpt.foundation.pretrain import PretrainConfig as FoundationConfig
from recgpt.generative.pool import PoolConfig
from recgpt.generative.pretrain import PretrainConfig as GenerativeConfig
from recgpt.simulate.worlds.feed.config import FeedConfig


def default_at(settings, key: str) -> object:
    value = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize(
    ("command", "settings", "renamed"),
    [
        (
            models.pretrain_foundation,
            FoundationConfig(),
            {"d_model": "network.d_model", "hidden": "network.hidden", "layers": "network.n_layers"},
        ),
        (models.pretrain_generative, GenerativeConfig(data="x"), {"layers": "n_layers", "heads": "n_heads"}),
        (models.pretrain_pool, PoolConfig(tokenizer="x"), {"layers": "n_layers", "heads": "n_heads"}),
        (models.finetune, FinetuneConfig(), {}),
        (evaluate.evaluate, EvaluationConfig(), {}),
        (simulate.feed, FeedConfig(dataset="x"), simulate.FEED_FLAGS),
    ],
    ids=["pretrain foundation", "pretrain generative", "pretrain pool", "finetune", "evaluate", "simulate feed"],
)
def test_defaults_of_a_command_are_those_of_its_settings(command, settings, renamed):
    compared = 0
    for name, parameter in inspect.signature(command).parameters.items():
        key = renamed.get(name, name)
        if name == "concurrency" or key.split(".")[0] not in type(settings).model_fields:
            continue
        if parameter.default in (None, "", inspect.Parameter.empty):
            continue  # the settings decide
        assert default_at(settings, key) == parameter.default, name
        compared += 1
    assert compared >= 2


@pytest.fixture
def folders(tmp_path, monkeypatch) -> None:
    """The folders `a` and `b`, which look like data sets."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for table in ("interactions.parquet", "items.parquet"):
            (tmp_path / name / table).touch()


@pytest.mark.usefixtures("folders")
def test_flag_wins_over_set_over_file_over_default(run_recgpt, monkeypatch, tmp_path):
    from recgpt.foundation import pretrain

    seen = []
    monkeypatch.setattr(pretrain, "pretrain", lambda config, *_, **__: seen.append(config) or config.out)
    (tmp_path / "run.yaml").write_text("steps: 5\nlr: 0.5\ncases: 50\nnetwork: {d_model: 8, hidden: 16}\n")
    overrides = ("--set", "lr=0.6", "--set", "steps=6", "--set", "network.d_model=12")
    done = run_recgpt(
        "pretrain", "foundation", "a", "--valid", "b", "--config", tmp_path / "run.yaml", *overrides, "--steps", 7
    )
    assert done.code == 0, done.stderr
    (config,) = seen
    assert (config.steps, config.lr, config.cases, config.seed) == (7, 0.6, 50, 0)
    assert (config.network.d_model, config.network.hidden, config.network.n_layers) == (12, 16, 1)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--set", "stepz=1"), ("--set", "'stepz'", "steps")),
        (("--set", "network.depth=1"), ("'network.depth'", "d_model, n_layers")),
        (("--set", "steps"), ("is not KEY=VALUE",)),
        (("--lr", "0.1", "--set", "steps=0"), ("steps=0", "optimizer steps")),
    ],
)
@pytest.mark.usefixtures("folders")
def test_wrong_setting_is_one_line_that_names_it(run_recgpt, arguments, parts):
    done = run_recgpt("pretrain", "foundation", "a", "--valid", "b", *arguments)
    assert done.code == 2
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in " ".join(done.stderr.split())


def test_loss_writes_the_losses_of_each_model(run_recgpt, tiny, tmp_path):
    out = tmp_path / "losses.json"
    done = run_recgpt("loss", tiny.model, "--data", tiny.data, "--out", out)
    assert done.code == 0, done.stderr
    found = json.loads(out.read_text())
    assert f"{tiny.model}: mean loss {found['mean'][str(tiny.model)]:.4f}" in " ".join(done.stdout.split())


def test_every_setting_has_a_description():
    for settings in (FoundationConfig, GenerativeConfig, FinetuneConfig):
        missing = [name for name, field in settings.model_fields.items() if not field.description]
        assert missing == [], settings
