"""Killed training runs of the token model resume to the losses, weights and files of unbroken ones."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from recgpt.errors import CheckpointError, StorageError
from recgpt.generative.trainer import Trainer
from recgpt.training import checkpoint
from tests.generative import in_turn
from tests.generative.walks import CODES_NK, DATA, files, losses, model, table, walks


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill(monkeypatch: pytest.MonkeyPatch, method: str, call: int, *, after: bool) -> None:
    original, calls = getattr(Trainer, method), 0

    def instead(self, *args):
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = original(self, *args)
        if calls == call:
            raise Killed
        return result

    monkeypatch.setattr(Trainer, method, instead)


@pytest.mark.parametrize(
    ("method", "call", "after"),
    [
        ("_step", 2, True),  # nothing is there yet
        ("_save", 1, True),  # a checkpoint is there
        ("_save", 2, False),  # the best model is there, its checkpoint is not
        ("_step", 9, True),  # in the second epoch, between two evaluations
        ("_save", 4, True),  # all is there but `last`
    ],
)
def test_a_killed_run_resumes_to_the_losses_weights_and_files_of_an_unbroken_one(
    trainer, tmp_path, monkeypatch, method, call, after
):
    def run(out: str):
        settings = {"gradient_accumulation": 2, "log_every": 3, "seed": 3, "evaluations_per_epoch": 2}
        return trainer(decoder=model(dropout=0.1), out=tmp_path / out, **settings).run()

    unbroken = run("unbroken")
    with monkeypatch.context() as patch:
        kill(patch, method, call, after=after)
        with pytest.raises(Killed):
            run("killed")
    assert not (tmp_path / "killed" / "last").exists()
    resumed = run("killed")
    assert losses(resumed) == losses(unbroken)
    assert resumed.evaluations == unbroken.evaluations
    assert files(tmp_path / "killed") == files(tmp_path / "unbroken")


def test_a_finished_run_is_not_trained_again(trainer, tmp_path, monkeypatch, capfd):
    first = trainer()
    done = first.run()
    before = files(tmp_path / "run")
    monkeypatch.setattr(Trainer, "_step", lambda *_: pytest.fail("trained again"))
    again = trainer()
    assert again.run() == done
    assert files(tmp_path / "run") == before
    assert f"at step {first.total_steps} of {first.total_steps}" in " ".join(capfd.readouterr().err.split())


def test_a_run_may_resume_with_its_batch_spread_otherwise(trainer, tmp_path, monkeypatch):
    unbroken = trainer(batch_size=30, out=tmp_path / "unbroken").run()
    with monkeypatch.context() as patch:
        kill(patch, "_save", 1, after=True)
        with pytest.raises(Killed):
            trainer(batch_size=30).run()
    resumed = trainer(batch_size=10, gradient_accumulation=3).run()
    assert losses(resumed)[0] == losses(unbroken)[0]
    assert losses(resumed) == pytest.approx(losses(unbroken), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"lr": 0.5}, "lr=0.01, this one has lr=0.5"),
        ({"epochs": 9}, "epochs=2, this one has epochs=9"),
        ({"seed": 1}, "seed=0, this one has seed=1"),
        ({"batch_size": 100}, "rows_per_step="),
        ({"decoder": {"n_layers": 2}}, "n_layers=1, this one has n_layers=2"),
        ({"decoder": {"dropout": 0.5}}, "dropout=0.0, this one has dropout=0.5"),
        ({"decoder": {"seed": 1}}, "initial_weights_sha256="),
        ({"data": table(walks(200, seed=8))}, "data_sha256="),
        ({"data": replace(DATA, codes_NK=CODES_NK[::-1])}, "data_sha256="),
        ({"valid": [table(walks(30, seed=8))]}, "valid_sha256="),
    ],
)
def test_a_run_with_other_settings_or_data_is_not_resumed(trainer, tmp_path, change, key):
    trainer().run()
    before = files(tmp_path / "run")
    if "decoder" in change:
        change = {"decoder": model(**change["decoder"])}
    with pytest.raises(CheckpointError) as refused:
        trainer(**change)
    assert f"{tmp_path / 'run'} holds a run with {key}" in str(refused.value)
    assert "pass --overwrite to discard it, or choose another --out" in str(refused.value)
    assert files(tmp_path / "run") == before


def test_overwrite_starts_afresh(trainer, tmp_path):
    trainer(lr=1e-4).run()
    fresh = trainer(out=tmp_path / "fresh").run()
    assert losses(trainer(overwrite=True).run()) == losses(fresh)
    assert files(tmp_path / "run") == files(tmp_path / "fresh")


def test_overwrite_keeps_the_old_run_until_the_new_one_has_a_checkpoint(trainer, tmp_path, monkeypatch):
    trainer().run()
    old = files(tmp_path / "run")
    stopped_at(trainer(lr=0.5, overwrite=True), 0, monkeypatch)
    assert files(tmp_path / "run") == old
    stopped_at(trainer(lr=0.5, overwrite=True), 3, monkeypatch)
    assert [path.name for path in checkpoint.complete(tmp_path / "run" / "checkpoints")] == ["step-00000003"]
    trainer(lr=0.5).run()
    trainer(lr=0.5, out=tmp_path / "fresh").run()
    assert files(tmp_path / "run") == files(tmp_path / "fresh")


def stopped_at(run: Trainer, step: int, monkeypatch) -> None:
    """Train up to a step in which Ctrl-C is pressed; before the first step it is pressed twice, which stops at once."""
    step_of, presses = run._step, 2 if step == 0 else 1

    def stepped():
        if run.progress.step + 1 >= step:
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
        return step_of()

    monkeypatch.setattr(run, "_step", stepped)
    monkeypatch.setattr("recgpt.program._SAME_STOP_S", 0.0)
    with pytest.raises(KeyboardInterrupt) as stop:
        run.run()
    assert "the same command" in stop.value.__notes__[0]


@pytest.mark.parametrize("step", [1, 7, 13, 24])
def test_a_run_stopped_by_ctrl_c_ends_its_step_and_goes_on_equally(trainer, tmp_path, monkeypatch, step):
    unbroken = trainer(out=tmp_path / "unbroken").run()
    stopped_at(trainer(), step, monkeypatch)
    assert checkpoint.complete(tmp_path / "run" / "checkpoints")[-1].name == f"step-{step:08d}"
    resumed = trainer()
    assert resumed.progress.step == step
    assert losses(resumed.run()) == losses(unbroken)
    assert files(tmp_path / "run" / "best") == files(tmp_path / "unbroken" / "best")


def test_a_second_process_is_refused(trainer, tmp_path):
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run" / "checkpoints")], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout.readline() == "held\n"
    with pytest.raises(StorageError, match="being written by another process"):
        trainer()
    held.kill()
    held.wait()
    trainer()


HOLD = """
import pathlib, sys, time
from recgpt.files import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "training.json"])
def test_a_damaged_checkpoint_is_refused_and_deleting_it_resumes_from_the_one_before(trainer, tmp_path, name):
    unbroken = trainer(out=tmp_path / "unbroken").run()
    trainer().run()
    newest = checkpoint.complete(tmp_path / "run" / "checkpoints")[-1]
    (newest / name).write_bytes((newest / name).read_bytes()[:-60])
    with pytest.raises(CheckpointError, match=rf"{newest.name}.* delete"):
        trainer()
    shutil.rmtree(newest)
    assert losses(trainer().run()) == losses(unbroken)
    assert files(tmp_path / "run") == files(tmp_path / "unbroken")


# --- as a program ---

NO_GPU = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def arguments_of(tiny, out: Path) -> list[str]:
    """Of `pre_train.py` on the tiny data set."""
    where = ("--data", tiny.data, "--tokenizer", tiny.tokenizer, "--out", out)
    shape = ("--tf_layer=1", "--d_model=32", "--heads=2", "--max_items=8", "--mixed_precision=no", "--lr=0.01")
    length = ("--epoch=80", "--batch_size=8", "--evaluations_per_epoch=0.1", "--dropout=0.1")
    return [str(each) for each in (*where, *shape, *length)]


def start(script: Path, *arguments: object) -> subprocess.Popen:
    """A program in a process group of its own; its messages go nowhere."""
    command = [sys.executable, script, *map(str, arguments)]
    environment = {**os.environ, **NO_GPU}
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL, env=environment)


def curve_of(out: Path) -> dict[str, list]:
    curve = json.loads((out / "curve.json").read_text())
    return {key: curve[key] for key in ("curve", "evaluations", "best_step", "step")}


@pytest.mark.slow
def test_kill_9_in_training_then_resume_gives_the_same_losses_and_the_same_best_model(repo, tiny, tmp_path):
    unbroken, out = tmp_path / "unbroken", tmp_path / "killed"
    for at_least in (1, 2):
        process = start(repo / "pre_train.py", *arguments_of(tiny, out))
        while process.poll() is None:
            steps = [int(path.name[5:]) for path in checkpoint.complete(out / "checkpoints")]
            if steps and max(steps) >= 50 * at_least:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.002)
        assert process.wait() == -signal.SIGKILL, "it was too quick to be killed: give it more epochs"
        assert not (out / "last").exists()
    commands = [["pre_train.py", *arguments_of(tiny, each)] for each in (unbroken, out)]
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    assert start(Path(in_turn.__file__), tmp_path / "commands.json").wait(timeout=400) == 0
    assert curve_of(out) == curve_of(unbroken)
    for name in ("best", "last"):
        model_file = Path(name) / "model.safetensors"
        assert (out / model_file).read_bytes() == (unbroken / model_file).read_bytes()
