"""Several processes: the losses of one, however they share the model, and however often they are killed.

The commands are those of `docs/training.md`, `accelerate launch --config_file configs/accelerate/...`, on two CPUs.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from recgpt.errors import DataError
from recgpt.generative.distributed import _sharding
from recgpt.training import checkpoint
from tests.conftest import REPO
from tests.generative import in_turn

ALONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
SHORT = {"epochs": 4, "evaluations_per_epoch": 1}
LONG = {"epochs": 60, "evaluations_per_epoch": 0.1, "seed": 5}
SHARDS = ["shard-00000-of-00002.safetensors", "shard-00001-of-00002.safetensors", "training.json"]
PUBLISHED = {"epochs": "epoch", "n_layers": "tf_layer", "n_heads": "heads"}
"""Setting -> flag of pre_train.py."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def settings(tiny, out: Path, more: dict[str, float], *, processes: int) -> dict[str, object]:
    """A run on the tiny data set: the same global batch for any number of processes."""
    shape = {"n_layers": 1, "d_model": 32, "n_heads": 2, "max_items": 8, "dropout": 0}
    how = {"lr": 0.01, "mixed_precision": "no", "holdout": "last", "batch_size": 18 // processes}
    return {"tokenizer": tiny.tokenizer, "out": out, **shape, **how, **more}


def script(tiny, out: Path, more: dict[str, float]) -> list[str]:
    """`pre_train.py` for one process."""
    flags = settings(tiny, out, more, processes=1)
    named = (f"--{PUBLISHED.get(name, name)}={value}" for name, value in flags.items())
    return ["pre_train.py", "--data", str(tiny.data), *named]


def command(tiny, out: Path, more: dict[str, float]) -> list[str]:
    """`recgpt pretrain generative` for each of two processes."""
    flags = settings(tiny, out, more, processes=2)
    named = (f"--set={name}={value}" for name, value in flags.items())
    return ["recgpt", "pretrain", "generative", str(tiny.data), *named]


def start_two(kind: str, log: Path, *program: object) -> subprocess.Popen:
    """`accelerate launch PROGRAM` on two processes; their output goes to the log."""
    configured = ("--config_file", REPO / "configs" / "accelerate" / f"{kind}.yaml")
    launch = ("accelerate.commands.launch", *configured, "--num_processes=2", f"--main_process_port={free_port()}")
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, (*launch, *program))],
            stdout=file,
            stderr=file,
            env={**os.environ, **ALONE},
            cwd=REPO,
        )


def run_two(kind: str, log: Path, *program: object) -> None:
    process = start_two(kind, log, *program)
    try:
        assert process.wait(timeout=200) == 0, log.read_text()
    finally:
        kill_all(process)


def kill_all(process: subprocess.Popen) -> None:
    """SIGKILL to the launcher and to what it launched, as when a machine goes down."""
    if process.poll() is None:
        everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for each in everyone:
            each.kill()
        psutil.wait_procs(everyone, timeout=30)
    process.wait(timeout=30)


def points(out: Path) -> dict[str, list[dict[str, float]]]:
    curve = json.loads((out / "curve.json").read_text())
    return {name: curve[name] for name in ("curve", "evaluations")}


def assert_same_course(out: Path, expected: Path) -> None:
    """The same losses and ranking figures: sums over processes add up in another order, hence 1e-4."""
    ours, theirs = points(out), points(expected)
    for name, wanted in theirs.items():
        assert len(ours[name]) == len(wanted) > 0
        for got, point in zip(ours[name], wanted, strict=True):
            assert got == pytest.approx(point, rel=1e-4)


@pytest.mark.parametrize(("kind", "says"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP")])
def test_accelerate_reads_the_configurations_that_are_kept(repo, kind, says):
    path = repo / "configs" / "accelerate" / f"{kind}.yaml"
    assert load_config_from_file(str(path)).distributed_type == says
    if kind == "fsdp":
        sharding = yaml.safe_load(path.read_text())["fsdp_config"]
        assert (sharding["fsdp_version"], sharding["fsdp_transformer_layer_cls_to_wrap"]) == (2, "Block")


def test_sharded_gradients_are_summed_in_float32_and_the_first_version_is_refused(monkeypatch):
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert _sharding("no").mixed_precision_policy is None
    policy = _sharding("bf16").mixed_precision_policy
    assert (policy.param_dtype, policy.reduce_dtype, policy.output_dtype) == (torch.bfloat16, torch.float32, None)
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(DataError, match=r"fsdp_version=1: only version 2 is supported, see configs/accelerate/fsdp"):
        _sharding("no")


@pytest.fixture(scope="module")
def one(tiny, tmp_path_factory) -> Path:
    """A short run of one process. Copy before writing into it."""
    out = tmp_path_factory.mktemp("one") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", sys.argv)  # which `run` changes
        in_turn.run(*script(tiny, out, SHORT))
    return out


@pytest.fixture(scope="module")
def killed(tiny, tmp_path_factory) -> Path:
    """A long run of two processes that share the model, killed after its first checkpoint. Copy before resuming it."""
    out = tmp_path_factory.mktemp("killed") / "killed"
    log = out.with_suffix(".log")
    process = start_two("fsdp", log, "-m", "recgpt.cli.main", *command(tiny, out, LONG)[1:])
    try:
        while process.poll() is None and not checkpoint.complete(out / "checkpoints"):
            time.sleep(0.002)
        assert process.poll() is None, log.read_text()
    finally:
        kill_all(process)
    assert checkpoint.complete(out / "checkpoints")
    assert not (out / "last").exists(), "it was too quick to be killed: give it more epochs"
    return out


@pytest.fixture(scope="module")
def sharded(tiny, one, killed, tmp_path_factory) -> Path:
    """Runs of one launch of two processes that share the model.

    `fresh` is a short run, `resumed` goes on with the killed one, `continued` with `one` from its last checkpoint but
    one.
    """
    folder = tmp_path_factory.mktemp("sharded")
    shutil.copytree(killed, folder / "resumed")
    shutil.copytree(one, folder / "continued")
    shutil.rmtree(checkpoint.complete(folder / "continued" / "checkpoints")[-1])
    lengths = {"fresh": SHORT, "resumed": LONG, "continued": SHORT}
    (folder / "commands.json").write_text(json.dumps([command(tiny, folder / name, lengths[name]) for name in lengths]))
    run_two("fsdp", folder / "log", in_turn.__file__, folder / "commands.json")
    return folder


def assert_whole_model_of(out: Path, expected: Path) -> None:
    """`last` holds whole weights, those of the other run."""
    ours, theirs = (checkpoint.safe_open(each / "last" / "model.safetensors", "pt") for each in (out, expected))
    for name in theirs.keys():  # noqa: SIM118 - no mapping
        assert (ours.get_tensor(name) - theirs.get_tensor(name)).abs().max() < 1e-4


def files_of_newest_checkpoint(out: Path) -> list[str]:
    return sorted(path.name for path in checkpoint.complete(out / "checkpoints")[-1].iterdir())


@pytest.mark.slow
def test_two_processes_with_whole_models_give_the_losses_of_one(tiny, one, tmp_path):
    run_two("ddp", tmp_path / "log", "-m", "recgpt.cli.main", *command(tiny, tmp_path / "two", SHORT)[1:])
    assert_same_course(tmp_path / "two", one)
    assert_whole_model_of(tmp_path / "two", one)
    assert files_of_newest_checkpoint(tmp_path / "two") != SHARDS


@pytest.mark.slow
def test_two_processes_with_a_sharded_model_give_the_losses_of_one(one, sharded):
    assert_same_course(sharded / "fresh", one)
    assert_whole_model_of(sharded / "fresh", one)
    assert files_of_newest_checkpoint(sharded / "fresh") == SHARDS


@pytest.mark.slow
def test_killed_sharded_run_resumes_on_two_processes_and_on_one(tiny, killed, sharded, tmp_path, run_script):
    unbroken, on_one = tmp_path / "unbroken", Path(shutil.copytree(killed, tmp_path / "on_one"))
    assert run_script(*script(tiny, unbroken, LONG)).code == 0
    assert_same_course(sharded / "resumed", unbroken)
    resumed = run_script(*script(tiny, on_one, LONG))
    assert resumed.code == 0
    assert "resuming" in resumed.stderr
    assert_same_course(on_one, unbroken)


@pytest.mark.slow
def test_damaged_shard_of_a_killed_run_is_named_with_the_remedy(tiny, killed, tmp_path, run_script):
    damaged = Path(shutil.copytree(killed, tmp_path / "damaged"))
    shard = checkpoint.complete(damaged / "checkpoints")[-1] / SHARDS[1]
    shard.write_bytes(shard.read_bytes()[:-40])
    refused = run_script(*script(tiny, damaged, LONG))
    assert refused.code == 2
    assert shard.name in refused.stderr
    assert "delete it to resume from an earlier one" in refused.stderr


@pytest.mark.slow
def test_run_of_one_process_goes_on_sharded_over_two(one, sharded):
    assert "at step 3 of 4" in " ".join((sharded / "log").read_text().split())
    assert_same_course(sharded / "continued", one)
