"""Settings: precedence, dotted overrides, and errors that name the key, the place and what is allowed."""

from typing import Literal

import pytest
from pydantic import Field

from recgpt.config import Config
from recgpt.errors import ConfigError


class Network(Config):
    """A part of the settings below."""

    width: int = Field(default=32, ge=1, description="width of the network")
    dropout: float = 0.1


class Run(Config):
    """Settings of a made-up run."""

    name: str = Field(description="name of the run")
    steps: int = Field(default=100, ge=1, description="optimizer steps")
    lr: float = 1e-3
    mode: Literal["fast", "slow", "no"] = "fast"
    quiet: bool = False
    limit: int | None = None
    seeds: tuple[int, ...] = (0,)
    tags: list[str] | None = None
    network: Network = Network()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: from file\nsteps: 5\nlr: 0.5\nnetwork:\n  width: 8\n  dropout: 0.3\n")
    return path


def test_load_flags_win_over_overrides_over_file_over_defaults(file):
    run = Run.load(file, ["steps=6", "lr=0.6", "network.width=9"], flags={"steps": 7, "network.dropout": 0.0})
    assert (run.name, run.steps, run.lr, run.mode) == ("from file", 7, 0.6, "fast")
    assert run.network == Network(width=9, dropout=0.0)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("name=a=b", "name", "a=b"),
        ("name='5'", "name", "5"),
        ("name=1984", "name", "1984"),
        ("lr=1e-4", "lr", 1e-4),
        ("mode=no", "mode", "no"),
        ("quiet=true", "quiet", True),
        ("limit=3", "limit", 3),
        ("limit=null", "limit", None),
        ("seeds=4", "seeds", (4,)),
        ("seeds=4,5", "seeds", (4, 5)),
        ("seeds=[4, 5]", "seeds", (4, 5)),
        ("tags=a,b", "tags", ["a", "b"]),
        ("tags=null", "tags", None),
    ],
)
def test_load_override_is_a_yaml_value(file, text, name, value):
    assert getattr(Run.load(file, [text]), name) == value


def test_to_yaml_load_gives_the_same_settings(file, tmp_path):
    run = Run.load(file, ["seeds=1,2", "tags=x"])
    (tmp_path / "again.yaml").write_text(run.to_yaml())
    assert Run.load(tmp_path / "again.yaml") == run


@pytest.mark.parametrize(
    ("overrides", "flags", "parts"),
    [
        (["stepz=1"], {}, ("--set", "'stepz'", "name, steps, lr")),
        (["network.depth=1"], {}, ("--set", "'network.depth'", "width, dropout")),
        (["steps=0"], {}, ("--set", "steps=0", "greater than or equal to 1", "optimizer steps")),
        (["network.width=0"], {}, ("--set", "network.width=0", "width of the network")),
        (["mode=medium"], {}, ("mode='medium'", "'fast', 'slow' or 'no'")),
        (["steps"], {}, ("'steps' is not KEY=VALUE",)),
        (["=3"], {}, ("is not KEY=VALUE",)),
        ([], {"steps": 0}, ("--steps: steps=0",)),
        ([], {"network.width": 0}, ("--width: network.width=0",)),
    ],
)
def test_load_error_names_key_place_and_remedy(file, overrides, flags, parts):
    with pytest.raises(ConfigError) as raised:
        Run.load(file, overrides, flags)
    for part in parts:
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("name: x\nstepz: 1", ("run.yaml", "'stepz'", "steps")),
        ("name: x\nnetwork: {width: 0}", ("run.yaml", "network.width=0")),
        ("name: x\nnetwork: 3", ("run.yaml", "network=3")),
        ("steps: 1", ("name is needed", "--set name=VALUE")),
        ("- 1", ("holds a list",)),
        ("a: [", ("is not readable YAML",)),
    ],
)
def test_load_error_of_a_file_names_the_file(tmp_path, content, parts):
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(ConfigError) as raised:
        Run.load(tmp_path / "run.yaml")
    for part in parts:
        assert part in str(raised.value)


def test_load_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        Run.load(tmp_path / "none.yaml")


def test_empty_file_gives_the_defaults(tmp_path):
    (tmp_path / "run.yaml").write_text("")
    assert Run.load(tmp_path / "run.yaml", flags={"name": "x"}) == Run(name="x")
