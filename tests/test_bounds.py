"""Files that claim more than they hold are refused before anything is allocated: JSON, YAML, arrays, tables, models."""

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recgpt.bounds import check_parquet, load_npy, load_npz, parse_json, read_json
from recgpt.config import Config, read_yaml
from recgpt.data.fingerprint import load_array, save_array
from recgpt.data.schema import scan_parquet
from recgpt.errors import CheckpointError, ConfigError, DataError, RecGPTError
from tests.hostile import cheaply


def refused(read, *arguments, error: type[RecGPTError] = DataError) -> str:
    """The one line in which a reader refuses its arguments, within the limits."""
    with cheaply(), pytest.raises(error) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2_100
    return str(caught.value)


# --- JSON ---


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "a number of 5,000 digits, at most 40 are read"),
        ('{"a": -' + "9" * 41 + "}", "a number of 42 digits"),
        ('{"a": 1' + " " * (17 << 20) + "}", "a JSON file has at most 16,777,216"),
        ("[1, 2]", "holds a JSON list, an object is needed"),
        ("3", "holds a JSON int"),
        ('{"a": "\\ud800"', "not readable JSON"),
    ],
    ids=["deep list", "deep object", "digits", "negative", "long", "list", "number", "cut"],
)
def test_json_is_read_within_its_limits(tmp_path, text, why):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    message = refused(read_json, path)
    assert why in message
    assert str(path) in message


def test_json_of_another_encoding_or_a_folder_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\xff"}')
    assert "not readable JSON" in refused(read_json, path)
    assert "cannot be read (Is a directory)" in refused(read_json, tmp_path)
    assert "cannot be read (No such file or directory)" in refused(read_json, tmp_path / "b.json")


def test_whole_json_is_read_exactly(tmp_path):
    content = {"seed": 2**100, "share": 0.5, "name": "Amélie", "none": None, "list": [[1], []]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_json(tmp_path / "a.json") == content
    assert parse_json(json.dumps(content).encode(), "a.json") == content


# --- YAML ---


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x]"]
    return "\n".join(lines + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (laughs(60), "its aliases make it"),
        ("a: &a [*a]", "contains itself"),
        ("a: &a {b: *a}", "contains itself"),
        ("a: " + "[" * 10_000, "nested too deeply"),
        ("a: [" + "1," * 40_000 + "1]", "at most 65,536 are read"),
        ("a: " + "9" * 6_000, "limit"),
        ("a: 0x" + "f" * 60_000, "more than 40 digits"),
        ("a: 1" + ":59" * 15_000, "more than 40 digits"),
        ("a: 2001-99-99", "month must be in"),
        ("a: !!python/object/apply:os.system [ls]", "not readable YAML"),
        ("[1]", "lines such as"),
    ],
    ids=[
        "laughs",
        "list in itself",
        "map in itself",
        "deep",
        "long",
        "digits",
        "hex",
        "base 60",
        "date",
        "code",
        "list",
    ],
)
def test_yaml_is_read_within_its_limits(tmp_path, text, why):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    message = refused(read_yaml, path, error=ConfigError)
    assert why in message
    assert str(path) in message


def test_aliases_that_stay_small_are_fine(tmp_path):
    (tmp_path / "a.yaml").write_text("base: &base {lr: 0.1}\nfirst: {<<: *base, seed: 1}\nsecond: *base\n")
    assert read_yaml(tmp_path / "a.yaml")["first"] == {"lr": 0.1, "seed": 1}


@pytest.mark.parametrize("value", ["2001-99-99", "9" * 5_000, "[" * 2_000, "&a [*a]"])
def test_hostile_overrides_are_refused_in_one_line(value):
    class Settings(Config):
        steps: int = 3

    message = refused(lambda: Settings.load(None, [f"steps={value}"]), error=ConfigError)
    assert message.startswith("--set: steps=")


# --- arrays ---


def npy(shape: object, *, descr: str = "'<f4'", body: bytes = b"", version: int = 1) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + body


HOSTILE_ARRAYS = {
    "rows": (npy((10**12, 64)), "it holds 0"),
    "overflow": (npy((2**62, 2**62)), "it holds 0"),
    "negative": (npy((-1, 4)), "negative size"),
    "objects": (npy((1,), descr="'|O'", body=b"cos\nsystem\n"), "no .npy file of numbers"),
    "nested header": (npy("(" * 5_000), "no .npy file of numbers"),
    "signs in the header": (npy("(" + "-" * 9_000 + "1,)"), "no .npy file of numbers"),
    "long header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), "a header of 4,294,967,295 bytes"),
    "no array": (b"PK\x03\x04", "no .npy header"),
    "empty": (b"", "no .npy header"),
    "text of a gigabyte each": (npy((4,), descr="'<U268435456'"), "it holds 0"),
}


@pytest.mark.parametrize(("content", "why"), HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS)
@pytest.mark.parametrize("mmap", [True, False])
def test_an_array_holds_what_its_header_claims(tmp_path, content, why, mmap):
    path = tmp_path / "embeddings.npy"
    path.write_bytes(content)
    message = refused(lambda: load_npy(path, mmap=mmap))
    assert why in message
    assert str(path) in message


def test_a_hostile_array_beside_a_fingerprint_names_the_remedy(tmp_path):
    path = tmp_path / "embeddings.npy"
    save_array(path, np.ones((3, 2), np.float16), {})
    path.write_bytes(npy((10**12, 2), descr="'<f2'"))
    message = refused(lambda: load_array(path, {}, remedy="run `recgpt encode`"))
    assert message.endswith("run `recgpt encode`")


def test_whole_arrays_are_read(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3), np.array(["a", "bc"]), np.zeros((2, 2), np.uint16)):
        np.save(tmp_path / "a.npy", array)
        assert (load_npy(tmp_path / "a.npy") == array).all()
    assert isinstance(load_npy(tmp_path / "a.npy"), np.memmap)


@pytest.mark.parametrize(
    ("name", "content", "compression", "why"),
    [
        ("a.npy", npy((10**9,)), zipfile.ZIP_STORED, "claims float32 (1000000000,)"),
        ("a.npy", npy((4,), body=bytes(16)), zipfile.ZIP_DEFLATED, "is compressed"),
        ("a.npy", b"no array", zipfile.ZIP_STORED, "no .npy header"),
        ("a.npy", npy((1,), descr="'|O'", body=b"cos\nsystem\n"), zipfile.ZIP_STORED, "no .npz file"),
    ],
)
def test_archives_of_arrays_hold_what_they_claim(name, content, compression, why):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        archive.writestr(name, content)
    assert why in refused(load_npz, packed.getvalue(), "state.npz")
    assert "no .npz file" in refused(load_npz, packed.getvalue()[:-9], "state.npz")


def test_whole_archives_are_read():
    packed = io.BytesIO()
    np.savez(packed, a=np.arange(3), b=np.ones((2, 2)))
    found = load_npz(packed.getvalue(), "state.npz")
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"].shape == (2, 2)


# --- tables ---


def test_a_table_of_one_value_a_billion_times_is_refused(tmp_path):
    path = tmp_path / "interactions.parquet"
    table = pa.table({"user_id": np.zeros(10_000_000, np.int8)})
    pq.write_table(table, path, row_group_size=len(table))
    assert "claims 10,000,000 rows in" in refused(scan_parquet, path)


def test_a_table_whose_texts_unpack_to_gigabytes_is_refused(tmp_path):
    path = tmp_path / "items.parquet"
    pl.DataFrame({"title": ["a" * (100 << 20)]}).write_parquet(path, compression="zstd", statistics=False)
    assert path.stat().st_size < 100_000
    assert "more than the 200 times as many" in refused(scan_parquet, path)


def test_a_footer_beyond_the_file_is_refused(tmp_path):
    path = tmp_path / "items.parquet"
    path.write_bytes(b"PAR1" + struct.pack("<I", 2**32 - 1) + b"PAR1")
    assert "claims a footer of 4,294,967,295 bytes" in refused(check_parquet, path)


def test_whole_tables_are_read(tmp_path):
    path = tmp_path / "items.parquet"
    table = pl.DataFrame({"item_id": range(50_000), "title": ["the same title"] * 50_000})
    table.write_parquet(path)
    assert scan_parquet(path).collect().equals(table)
    check_parquet(path.read_bytes(), "items")
    assert pq.read_metadata(path).num_rows == 50_000


# --- models ---


def changed(folder: Path, **settings: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


HOSTILE_SIZES = [
    {"n_layers": 10**9},
    {"n_layers": 500},
    {"n_layers": -1},
    {"n_layers": "3"},
    {"d_model": 2**15, "n_heads": 1},
    {"d_model": 10**12, "n_heads": 1},
    {"max_items": 10**12},
    {"codebook_size": 10**12},
    {"n_codes": 10**6, "embedding_dim": 10**6},
    {"n_codes": 0},
    {"d_model": True, "n_heads": 1},
]


@pytest.mark.parametrize("settings", HOSTILE_SIZES, ids=str)
def test_a_generative_model_asks_for_no_more_than_its_weights(tiny, tmp_path, settings):
    import shutil

    from recgpt.generative.model import GenerativeModel

    folder = changed(Path(shutil.copytree(tiny.model, tmp_path / "model")), **settings)
    message = refused(GenerativeModel.from_pretrained, folder, error=CheckpointError)
    assert str(folder) in message


@pytest.mark.parametrize(
    "settings",
    [{"n_layers": 10**9}, {"levels": [8] * 10_000}, {"levels": "8"}, {"levels": [10**9, 3]}, {"embedding_dim": 2**16}],
    ids=str,
)
def test_a_tokenizer_asks_for_no_more_than_its_weights(tiny, tmp_path, settings):
    import shutil

    from recgpt.generative.tokenizer import FSQTokenizer

    folder = changed(Path(shutil.copytree(tiny.tokenizer, tmp_path / "tokenizer")), **settings)
    refused(FSQTokenizer.from_pretrained, folder, error=RecGPTError)


@pytest.mark.parametrize(
    "network",
    [{"n_layers": 10**9}, {"d_model": 2**16}, {"hidden": 10**9}, {"history_items": 10**9}, {"n_layers": None}],
    ids=str,
)
def test_a_foundation_model_asks_for_no_more_than_its_weights(feed_folder, tmp_path, network):
    import shutil

    from recgpt.foundation.model import FoundationModel

    folder = Path(shutil.copytree(feed_folder / "model", tmp_path / "model"))
    sizes = json.loads((folder / "config.json").read_text())["network"]
    refused(FoundationModel.from_pretrained, changed(folder, network={**sizes, **network}), error=CheckpointError)


def test_an_index_of_shards_names_no_file_elsewhere(tiny, tmp_path):
    import shutil

    from recgpt.generative.model import GenerativeModel

    folder = Path(shutil.copytree(tiny.model, tmp_path / "model"))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    assert "outside its folder" in refused(GenerativeModel.from_pretrained, folder, error=CheckpointError)


def test_a_checkpoint_of_a_billion_shards_names_the_missing_one(tmp_path):
    from torch import nn, optim

    from recgpt.training.checkpoint import restore

    folder = tmp_path / "step-00000001"
    folder.mkdir()
    (folder / "shard-00000-of-99999999999.safetensors").write_bytes(b"")
    model = nn.Linear(2, 2)
    message = refused(lambda: restore(folder, model, optim.AdamW(model.parameters())), error=CheckpointError)
    assert "shard-00000-of-99999999999" in message
