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

ALONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
SHORT = {"epochs": 4, "evaluations_per_epoch": 1}
LONG = {"epochs": 60, "evaluations_per_epoch": 0.1, "seed": 5}
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
    """Arguments of `pre_train.py` for one process."""
    flags = settings(tiny, out, more, processes=1)
    return ["--data", str(tiny.data), *(f"--{PUBLISHED.get(name, name)}={value}" for name, value in flags.items())]


def start_two(repo: Path, kind: str, tiny, out: Path, more: dict[str, float]) -> subprocess.Popen:
    """`accelerate launch -m recgpt.cli.main pretrain generative` on two processes; their output is `<out>.log`."""
    configured = ("--config_file", repo / "configs" / "accelerate" / f"{kind}.yaml")
    launch = ("accelerate.commands.launch", *configured, "--num_processes=2", f"--main_process_port={free_port()}")
    flags = [f"--set={name}={value}" for name, value in settings(tiny, out, more, processes=2).items()]
    command = ("-m", "recgpt.cli.main", "pretrain", "generative", tiny.data, *flags)
    arguments = map(str, (*launch, *command))
    with out.with_suffix(".log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=log, stderr=log, env={**os.environ, **ALONE}, cwd=repo
        )


def run_two(repo: Path, kind: str, tiny, out: Path, more: dict[str, float]) -> None:
    process = start_two(repo, kind, tiny, out, more)
    try:
        assert process.wait(timeout=200) == 0, out.with_suffix(".log").read_text()
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_give_the_losses_of_one(repo, tiny, tmp_path, run_script, kind):
    assert run_script("pre_train.py", *script(tiny, tmp_path / "one", SHORT)).code == 0
    run_two(repo, kind, tiny, tmp_path / "two", SHORT)
    assert_same_course(tmp_path / "two", tmp_path / "one")
    newest = checkpoint.complete(tmp_path / "two" / "checkpoints")[-1]
    shards = ["shard-00000-of-00002.safetensors", "shard-00001-of-00002.safetensors", "training.json"]
    assert (sorted(path.name for path in newest.iterdir()) == shards) == (kind == "fsdp")
    weights = [checkpoint.safe_open(tmp_path / out / "last" / "model.safetensors", "pt") for out in ("one", "two")]
    for name in weights[0].keys():  # noqa: SIM118 - no mapping
        ours, theirs = (each.get_tensor(name) for each in weights)
        assert (ours - theirs).abs().max() < 1e-4, "`last` is a whole model"


@pytest.mark.slow
def test_sharded_runs_are_killed_and_resumed_on_two_processes_and_on_one(repo, tiny, tmp_path, run_script):
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    assert run_script("pre_train.py", *script(tiny, unbroken, LONG)).code == 0

    process = start_two(repo, "fsdp", tiny, killed, LONG)
    while process.poll() is None and not checkpoint.complete(killed / "checkpoints"):
        time.sleep(0.002)
    assert process.poll() is None, killed.with_suffix(".log").read_text()
    kill_all(process)
    assert checkpoint.complete(killed / "checkpoints")
    assert not (killed / "last").exists(), "it was too quick to be killed: give it more epochs"
    on_one, damaged = (Path(shutil.copytree(killed, tmp_path / name)) for name in ("on_one", "damaged"))

    run_two(repo, "fsdp", tiny, killed, LONG)
    assert_same_course(killed, unbroken)

    resumed = run_script("pre_train.py", *script(tiny, on_one, LONG))
    assert resumed.code == 0
    assert "resuming" in resumed.stderr
    assert_same_course(on_one, unbroken)

    shard = checkpoint.complete(damaged / "checkpoints")[-1] / "shard-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-40])
    refused = run_script("pre_train.py", *script(tiny, damaged, LONG))
    assert refused.code == 1
    assert shard.name in refused.stderr
    assert "delete it to resume from an earlier one" in refused.stderr


@pytest.mark.slow
def test_a_run_of_one_process_goes_on_sharded_over_two(repo, tiny, tmp_path, run_script):
    one = tmp_path / "one"
    assert run_script("pre_train.py", *script(tiny, one, SHORT)).code == 0
    two = Path(shutil.copytree(one, tmp_path / "two"))
    shutil.rmtree(checkpoint.complete(two / "checkpoints")[-1])
    run_two(repo, "fsdp", tiny, two, SHORT)
    assert "at step 3 of 4" in " ".join(two.with_suffix(".log").read_text().split())
    assert_same_course(two, one)
