"""Pre-training runs: what they read, that a killed one goes on, and what they refuse."""

import ctypes
import json
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.encode import find_encoder
from recgpt.errors import CheckpointError, DataError
from recgpt.foundation import pretrain as module
from recgpt.foundation import subdomains as parts_module
from recgpt.foundation.episodes import Episode
from recgpt.foundation.finetune import finetune
from recgpt.foundation.model import FoundationModel
from recgpt.foundation.network import NetworkConfig
from recgpt.foundation.pretrain import PretrainConfig, case_loss, pretrain, ranked_ndcg

N_ITEMS, WIDTH = 30, 6
CPU = torch.device("cpu")


def write_domain(folder: Path, encoder: str, seed: int) -> None:
    """A data set whose users walk through the catalogue, with embeddings by `encoder`."""
    rng = np.random.default_rng(seed)
    walks = [((rng.integers(0, N_ITEMS) + np.arange(rng.integers(4, 8))) % N_ITEMS).tolist() for _ in range(40)]
    times = [np.sort(rng.integers(0, 1_000_000, len(walk))).tolist() for walk in walks]
    events = pl.DataFrame({"user_id": range(40), "item_id": walks, "timestamp": times})
    events = events.explode("item_id", "timestamp").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"{folder.name} {i}" for i in range(N_ITEMS)]})
    Dataset.from_frames(folder.name, events, items).save(folder)
    made_of = {
        "encoder": find_encoder(encoder).name,
        "template": "fields",
        "dim": WIDTH,
        "items_sha256": Dataset.load(folder).items_sha256,
    }
    save_array(folder / "embeddings.npy", rng.standard_normal((N_ITEMS, WIDTH)).astype(np.float16), made_of)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Data sets by an encoder of which there is only a name: `pretrain/{a,b}`, `valid/c` and, beside them, `test/d`."""
    root = tmp_path_factory.mktemp("world")
    (root / "encoder").mkdir()
    (root / "encoder" / "model.safetensors").write_bytes(b"weights")
    for seed, name in enumerate(("pretrain/a", "pretrain/b", "valid/c", "test/d")):
        write_domain(root / name, str(root / "encoder"), seed)
    return root


@pytest.fixture
def run(fresh_accelerator, world, tmp_path, monkeypatch):
    """Pre-train in `tmp_path/NAME` on a and b, watching c. Pictures would take half of the time."""
    monkeypatch.setattr(module, "pretraining_curve", lambda _, path: path.write_bytes(b"a picture"))

    def pretrained(name: str = "run", *, domains=None, valid=None, overwrite: bool = False, **options: object) -> Path:
        config = PretrainConfig(
            **{
                "out": tmp_path / name,
                "encoder": str(world / "encoder"),
                "network": NetworkConfig(history_items=4, d_model=8, n_heads=2, hidden=16),
                "shortlist": 20,
                "steps": 20,
                "warmup": 4,
                "cases": 40,
                "episodes_per_step": 2,
                "cases_per_episode": 8,
                "evaluate_every": 5,
                **options,
            }
        )
        domains = [world / "pretrain" / "a", world / "pretrain" / "b"] if domains is None else domains
        return pretrain(config, domains, [world / "valid" / "c"] if valid is None else valid, overwrite=overwrite)

    return pretrained


@contextmanager
def stopped_at(step: int) -> Iterator[None]:
    """Let the run be killed in the middle of `step`."""
    whole = module.PretrainLoop._step

    def killed(self: module.PretrainLoop) -> torch.Tensor:
        if self.progress.step == step:
            raise KeyboardInterrupt
        return whole(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module.PretrainLoop, "_step", killed)
        yield


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def steps_of(out: Path) -> list[int]:
    return [point["step"] for point in json.loads((out / "curve.json").read_text())["curve"]]


def test_a_run_leaves_a_model_that_says_what_it_learned_from(run, world, tmp_path):
    folder = run()
    model = FoundationModel.from_pretrained(folder)
    assert folder == tmp_path / "run" / "model"
    training = model.config.training
    assert training["domains"] == ["a", "b"]
    assert training["watched"] == ["c"]
    assert training["catalogues"] == [Dataset.load(world / "pretrain" / name).items_sha256 for name in "ab"]
    assert (training["steps"], training["seed"]) == (20, 0)
    encoder = model.config.text_encoder
    assert (encoder["encoder"], encoder["template"], encoder["dim"]) == (
        find_encoder(str(world / "encoder")).name,
        "fields",
        WIDTH,
    )
    assert steps_of(tmp_path / "run") == [5, 10, 15, 20]
    evaluations = json.loads((tmp_path / "run" / "curve.json").read_text())["evaluations"]
    assert all(0 < figures["c"] <= 1 and figures["gain"] > -1 for figures in evaluations)
    assert model.network.item_out.weight.any(), "it is zero where training begins"
    catalogue = model.index(np.eye(WIDTH))
    assert (catalogue.recommend([[0]], 3).ids >= 0).all()


def test_the_same_seed_gives_the_same_weights(run):
    first = weights(run("first"))
    assert weights(run("second")) == first
    assert weights(run("third", seed=1)) != first


@pytest.mark.parametrize("step", [3, 13])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(run, tmp_path, step):
    expected = weights(run("whole"))
    with stopped_at(step):
        run("killed")
    assert not (tmp_path / "killed" / "model").exists()
    assert weights(run("killed")) == expected
    assert steps_of(tmp_path / "killed") == [5, 10, 15, 20]


def test_a_finished_run_is_not_run_again(run, monkeypatch):
    expected = weights(run())
    monkeypatch.setattr(module.PretrainLoop, "_step", lambda *_: pytest.fail("a step was made"))
    assert weights(run()) == expected


def test_episodes_on_disk_are_not_made_again(run, monkeypatch):
    run()
    monkeypatch.setattr(module, "make_episode", lambda *_, **__: pytest.fail("an episode was made"))
    run(lr=1e-3, overwrite=True)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", 1e-3), ("steps", 25), ("seed", 1), ("cases", 36), ("shortlist", 19)]
)
def test_a_run_of_other_settings_is_not_resumed(run, name, value):
    run(steps=5)
    with pytest.raises(CheckpointError, match=f"run with {name}=.*--overwrite"):
        run(**{"steps": 5, name: value})


def test_a_run_of_other_data_is_not_resumed(run, world):
    run(steps=5)
    with pytest.raises(CheckpointError, match="another episodes"):
        run(steps=5, domains=[world / "pretrain" / "a"])


def test_overwriting_begins_anew(run):
    expected = weights(run("fresh", lr=1e-3))
    run()
    assert weights(run(lr=1e-3, overwrite=True)) == expected


def test_a_killed_run_that_overwrites_another_goes_on(run, tmp_path):
    expected = weights(run("fresh", lr=1e-3))
    run()
    with stopped_at(13):
        run(lr=1e-3, overwrite=True)
    assert weights(run(lr=1e-3)) == expected
    assert steps_of(tmp_path / "run") == [5, 10, 15, 20]


def test_what_cannot_be_trained_on_is_named(run, world, tmp_path):
    a, c = world / "pretrain" / "a", world / "valid" / "c"
    for domains, valid, message in (
        ([], [c], "name at least one data set"),
        ([a], [], "name at least one data set"),
        ([a], [a], "a is named twice"),
        ([a, a], [c], "a is named twice"),
        ([a], [tmp_path / "nowhere"], "nowhere"),
    ):
        with pytest.raises(DataError, match=message):
            run(domains=domains, valid=valid)
    for name in ("steps", "cases", "episodes_per_step", "cases_per_episode", "evaluate_every", "shortlist"):
        with pytest.raises(ValidationError, match=name):
            run(**{name: 0})


def test_the_loss_counts_a_sample_for_all_it_stands_for(run, tmp_path):
    run(steps=1)
    episode = Episode.load(next((tmp_path / "run" / "episodes").glob("a-leave_one_out-1-*")))
    corrected = replace(episode, correction_CM=torch.rand(episode.correction_CM.shape).half())
    logits_CM = torch.randn(episode.correction_CM.shape)
    rows = torch.tensor([3, 0, 3])

    class Given(torch.nn.Module):
        def forward(self, evidence):
            return logits_CM[rows]

    weight_RM = (logits_CM[rows] + corrected.correction_CM[rows].float()).exp()
    own_R = weight_RM[torch.arange(3), episode.target_C[rows]]
    torch.testing.assert_close(case_loss(Given(), corrected, rows, CPU), -(own_R / weight_RM.sum(1)).log().mean())
    assert 0 < ranked_ndcg(None, episode, CPU) <= 1


GOLDEN = json.loads(Path(__file__).with_name("golden_training.json").read_text())


def test_training_curve_and_fine_tuned_weights_equal_the_stored_ones(run, world, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = FoundationModel.from_pretrained(run())
        c = Dataset.load(world / "valid" / "c")
        tuned = finetune(model, c, np.asarray(c.embeddings()), steps=40, lr=5e-3, seed=0)
    finally:
        torch.set_num_threads(threads)
    found = json.loads((tmp_path / "run" / "curve.json").read_text())
    for got, stored in zip(found["curve"], GOLDEN["curve"], strict=True):
        assert {key: got[key] for key in stored} == pytest.approx(stored, rel=1e-5)
    for got, stored in zip(found["evaluations"], GOLDEN["evaluations"], strict=True):
        assert got == pytest.approx(stored, rel=1e-5, abs=1e-9)
    sums = {name: float(values.double().abs().sum()) for name, values in tuned.state_dict().items()}
    assert sums == pytest.approx(GOLDEN["finetuned"], rel=1e-4)


# --- nothing else is opened ---

IN_OPEN = 0x20


class Watch:
    """Which files directly in some folders are opened by anybody, however they do it."""

    def __init__(self, folders: list[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._queue = libc.inotify_init1(os.O_NONBLOCK)
        watched = [(libc.inotify_add_watch(self._queue, os.fsencode(folder), IN_OPEN), folder) for folder in folders]
        self._folders = dict(watched)
        assert self._queue >= 0
        assert -1 not in self._folders

    def opened(self) -> set[Path]:
        """Since the last call; a folder itself stands for its being listed."""
        found = set()
        while True:
            try:
                events = os.read(self._queue, 1 << 16)
            except BlockingIOError:
                return found
            start = 0
            while start < len(events):
                folder, _, _, length = struct.unpack_from("iIII", events, start)
                name = events[start + 16 : start + 16 + length].rstrip(b"\0").decode()
                found.add(self._folders[folder] / name)
                start += 16 + length

    def close(self) -> None:
        os.close(self._queue)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="watches files by inotify")
def test_no_data_set_is_opened_but_those_named(run, world):
    named = [world / "pretrain" / "a", world / "pretrain" / "b", world / "valid" / "c"]
    other = [world / "test", world / "test" / "d"]
    watch = Watch([*named, *other])
    try:
        run()
        opened = watch.opened()
        for folder in named:
            for file in ("items.parquet", "interactions.parquet", "embeddings.npy"):
                assert folder / file in opened
        assert not [path for path in opened if path.is_relative_to(world / "test")]
        Dataset.load(world / "test" / "d")
        assert world / "test" / "d" / "items.parquet" in watch.opened(), "it would have been seen"
    finally:
        watch.close()


def test_checkpoints_hold_the_model_and_the_moments(run, tmp_path):
    run()
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert [path.name for path in checkpoints] == ["step-00000015", "step-00000020"]
    names = {key.rsplit("/")[0] for key in load_file(checkpoints[-1] / "optimizer.safetensors")}
    assert names == set(load_file(checkpoints[-1] / "model.safetensors"))


def test_large_domains_are_learned_from_in_parts_too(run, monkeypatch):
    monkeypatch.setattr(parts_module, "SUBDOMAIN_ITEMS", N_ITEMS // 2)
    with stopped_at(12):
        run()
    # Another machine may divide otherwise: a run goes on with the parts it began with.
    monkeypatch.setattr(module, "cluster_items", lambda *_: pytest.fail("divided again"))
    folder = run()
    paths = [path.name for path in (folder.parent / "episodes").iterdir()]
    domains = {name.partition("-")[0] for name in paths}
    assert {"a", "b", "c"} < domains
    assert {name.partition(".")[0] for name in domains} == {"a", "b", "c"}
    assert not any(name.startswith("c.") for name in paths), "what is watched stays whole"
    state = json.loads((sorted((folder.parent / "checkpoints").iterdir())[-1] / "training.json").read_text())
    assert sorted(paths) == sorted(state["identity"]["episodes"])
