"""Sources that unpack to, claim or repeat more than they hold are refused within two seconds and 500 MB."""

import gzip
import pickle
import struct
import zipfile
from pathlib import Path

import polars as pl
import pytest

from recgpt.data.readers.lines import json_lines, literal_lines
from recgpt.data.readers.pickles import read_pickle
from recgpt.data.readers.published import read as read_published
from recgpt.errors import CheckpointError, DataError, RecGPTError, UntrustedFileError
from tests.hostile import cheaply

# --- pickles ---


def shared(levels: int, leaf: object = 0) -> object:
    """A list that stands for 2 ** levels others, in a few bytes a level."""
    for _ in range(levels):
        leaf = [leaf, leaf]
    return leaf


HOSTILE_PICKLES = {
    "memo of four billion": b"\x80\x02]r\xff\xff\xff\xff.",
    "memo as text": b"(lp99999999999\n.",
    "memo below zero": b"(lp-1\n.",
    "integer of a megabyte": b"\x80\x02\x8b" + struct.pack("<i", 1 << 20) + b"\xff" * (1 << 20) + b".",
    "integer of 200 bytes": b"\x80\x02\x8a\xc8" + b"\xff" * 200 + b".",
    "integer of 5,000 digits": b"L" + b"9" * 5_000 + b"L\n.",
    "text of a terabyte": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc.",
    "bytes of a terabyte": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abc.",
    "bytearray of a terabyte": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
    "text of two gigabytes": b"\x80\x02X" + struct.pack("<I", 1 << 31) + b"abc.",
    "frame of a terabyte": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
    "lists in lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "list in itself": b"\x80\x02]q\x00h\x00a.",
    "two to the power of 60": pickle.dumps(shared(60)),
    "extension": b"\x80\x02\x82\x01.",
    "buffer": b"\x80\x05\x97.",
    "no end": b"\x80\x02]",
    "nothing": b"",
}


@pytest.mark.parametrize("content", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_pickles_are_read_within_their_limits(tmp_path, content):
    path = tmp_path / "train.pkl"
    path.write_bytes(content)
    with cheaply(), pytest.raises((DataError, UntrustedFileError)) as caught:
        read_pickle(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_stands_at_many_places_is_refused(tmp_path):
    path = tmp_path / "train.pkl"
    text = b"X" + struct.pack("<I", 100_000) + b"x" * 100_000 + b"q\x00"
    path.write_bytes(b"\x80\x02](" + text + b"h\x00" * 500_000 + b"e.")
    with cheaply(), pytest.raises(UntrustedFileError, match=r"unfold to 50,\d+,\d+,\d+ numbers and characters"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_whole_pickles_are_read_exactly(tmp_path, protocol):
    row = [1, 2, 300, -(2**40), 2**63, 0.5, None, True, "é" * 300, b"\x00" * 300]
    content = {7: row, "a": (row, row), 3: {"x": [[], {}, (), set()]}, "long": "x" * 70_000}
    path = tmp_path / "train.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    assert read_pickle(path) == content


def test_items_without_bound_are_refused(tmp_path):
    (tmp_path / "train.pkl").write_bytes(pickle.dumps({1: [0, 1, 2**40]}))
    with (
        cheaply(),
        pytest.raises(DataError, match="item number is 1099511627776, with 3 interactions and 0 texts"),
    ):
        read_published(tmp_path, out=tmp_path / "out")


# --- lines ---

SCHEMA = {"user": pl.String, "item": pl.String}


def read_json_lines(path: Path) -> pl.LazyFrame:
    return json_lines(path, SCHEMA, path.with_suffix(".parquet"))


def read_literals(path: Path) -> pl.LazyFrame:
    return literal_lines(path, lambda record: [(record["user"], record["item"])], SCHEMA, path.with_suffix(".parquet"))


@pytest.mark.parametrize("read", [read_json_lines, read_literals])
@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"\x00" * (300 << 20), 1),
        gzip.compress(b"{" + b" " * (100 << 20), 1),
        gzip.compress(b'{"user": "' + b"a" * (40 << 20) + b'"}\n', 1),
        gzip.compress(b"[" * (3 << 20), 1),
        gzip.compress(b"[" * 100_000 + b"\n", 1),
        gzip.compress(b"1," * (1 << 20) + b"\n", 1),
        gzip.compress(b"{}" * 10)[:-9],
        b"\x1f\x8b\x08no gzip",
        b"",
    ],
    ids=["zeros", "spaces", "long text", "brackets", "deep", "numbers", "cut", "no gzip", "empty"],
)
def test_compressed_lines_are_read_within_their_limits(tmp_path, read, content):
    path = tmp_path / "reviews.json.gz"
    path.write_bytes(content)
    with cheaply(), pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# --- published weights ---


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def whole_pt(path: Path) -> Path:
    import torch

    torch.save({"a": torch.arange(4.0)}, path)
    return path


def test_a_compressed_pt_is_refused(tmp_path):
    from recgpt.generative.published import read_state_dict

    with zipfile.ZipFile(whole_pt(tmp_path / "whole.pt")) as packed:
        members = {each.filename: packed.read(each) for each in packed.infolist()}
    bomb = {name: content + b"\x00" * (200 << 20 if "/data/" in name else 0) for name, content in members.items()}
    path = archive(tmp_path / "weights.pt", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with cheaply(), pytest.raises(CheckpointError, match="is compressed, which no such file is: do not use it"):
        read_state_dict(path)


@pytest.mark.parametrize("content", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_hostile_pickles_in_a_pt_are_refused(tmp_path, content):
    from recgpt.generative.published import read_state_dict

    path = archive(tmp_path / "weights.pt", {"a/data.pkl": content, "a/version": b"3\n", "a/byteorder": b"little"})
    with cheaply(5), pytest.raises(RecGPTError) as caught:
        read_state_dict(path)
    assert str(path) in str(caught.value)
    bare = tmp_path / "bare.pt"
    bare.write_bytes(content)
    with cheaply(5), pytest.raises(RecGPTError):
        read_state_dict(bare)


def test_tensors_larger_than_their_numbers_are_refused(tmp_path):
    import torch

    from recgpt.generative.published import read_state_dict

    torch.save({"a": torch.zeros(1).expand(10**12)}, tmp_path / "weights.pt")
    with cheaply(), pytest.raises(CheckpointError, match="a is not dense or larger than its numbers"):
        read_state_dict(tmp_path / "weights.pt")
    torch.save({"a": torch.sparse_coo_tensor([[0]], [1.0], (10**12,))}, tmp_path / "sparse.pt")
    with cheaply(), pytest.raises(RecGPTError):
        read_state_dict(tmp_path / "sparse.pt")


def test_an_archive_that_declares_too_much_is_refused(tmp_path):
    from recgpt.generative.published import read_state_dict

    path = archive(tmp_path / "weights.pt.zip", {"weights.pt": b"\x00" * (300 << 20)}, zipfile.ZIP_DEFLATED)
    with cheaply(), pytest.raises(RecGPTError, match=r"unpacks to|declare"):
        read_state_dict(path)


def test_old_and_new_files_of_torch_are_read(tmp_path):
    import torch

    from recgpt.generative.published import read_state_dict

    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)[:1]}
    for name, new in (("new.pt", True), ("old.pt", False)):
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=new)
        found = read_state_dict(tmp_path / name)
        assert all((found[key] == value).all() for key, value in state.items())
