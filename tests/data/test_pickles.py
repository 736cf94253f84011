"""Pickles: hostile and damaged ones are refused by name, sound ones give their values."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.readers.pickles import read_pickle
from recgpt.errors import DataError, UntrustedFileError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def pickled(tmp_path):
    """Pickle a value, or write raw bytes, and give the path."""

    def write(value, protocol=4):
        path = tmp_path / "data.pkl"
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
        return path

    return write


# --- pickles: what is read ---

VALUES = {
    "published sequences": {"A1": [3, 1, 4], "B2": [1, 5, 2**70]},
    "text and bytes": ["title", "ümlaut", b"\x00\xff", ""],
    "numbers": (True, None, -1, 2.5, float("inf")),
    "sets": {1, 2, 3},
    "nested": [[(1, {"k": {2, 3}})], []],
    "shared": [[1, 2]] * 2,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_plain_values_are_read(pickled, value, protocol):
    read = read_pickle(pickled(value, protocol))
    assert read == value
    assert type(read) is type(value)


ARRAYS = [
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24, dtype=">i2").reshape(2, 3, 4).transpose(1, 0, 2),
    np.array(["a", "ümlaut"]),
    np.array([b"ab"]),
    np.array([True, False]),
    np.zeros((0, 4), np.float16),
    np.full((), 1.5),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_numpy_arrays_are_read(pickled, array, protocol):
    read = read_pickle(pickled({"x": [array]}, protocol))["x"][0]
    assert type(read) is np.ndarray
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_scalars_are_read_as_keys_too(pickled, protocol):
    read = read_pickle(pickled({np.int64(7): [np.float32(0.5), np.bool_(True), np.str_("a")]}, protocol))
    assert read == {7: [0.5, True, "a"]}
    assert type(next(iter(read))) is np.int64


def test_names_of_numpy_1_are_known(pickled):
    now = pickle.dumps([np.arange(3), np.float64(2)], 2)
    assert b"numpy._core" in now
    before = now.replace(b"numpy._core", b"numpy.core")
    array, scalar = read_pickle(pickled(before))
    assert array.tolist() == [0, 1, 2]
    assert scalar == 2.0


def test_many_references_to_one_list_are_followed_once(pickled):
    bomb = []
    for _ in range(40):
        bomb = [bomb] * 10
    assert len(read_pickle(pickled(bomb))) == 10


# --- pickles: what is refused ---


class Reduce:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HOSTILE = {
    "posix.system": Reduce(os.system, "touch owned"),
    "builtins.eval": Reduce(eval, "open('owned', 'w')"),
    "builtins.getattr": Reduce(getattr, "", "__class__"),
    "builtins.__import__": Reduce(__import__, "os"),
    "numpy.load": Reduce(np.load, "owned", None, True),
    "collections.OrderedDict": __import__("collections").OrderedDict(a=1),
    "torch._utils._rebuild_tensor_v2": {"x": torch.ones(2)},
}


@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: {"u": [1, (v,)]}, lambda v: {"u": {0: v}}], ids=["top", "list", "dict"]
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_anything_else_is_refused_by_name(pickled, tmp_path, monkeypatch, name, protocol, wrap):
    monkeypatch.chdir(tmp_path)
    path = pickled(wrap(HOSTILE[name]), protocol)
    spelled = name.replace("builtins.", "(builtins|__builtin__).") if protocol < 3 else name
    with pytest.raises(UntrustedFileError, match=rf"data\.pkl: the pickle needs {spelled}; only numbers, text"):
        read_pickle(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_object_arrays_are_refused(pickled, protocol):
    with pytest.raises(UntrustedFileError, match="a numpy array of dtype 'O8'"):
        read_pickle(pickled(np.array([1, "a"], dtype=object), protocol))


def test_a_call_inside_an_object_array_never_runs(pickled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.array([Reduce(os.system, "touch owned")], dtype=object)
    with pytest.raises(UntrustedFileError):
        read_pickle(pickled([array]))
    assert not (tmp_path / "owned").exists()


def test_structured_arrays_are_refused(pickled):
    with pytest.raises(UntrustedFileError, match="numpy array of dtype 'V16': only numbers and text"):
        read_pickle(pickled(np.zeros(2, dtype=[("a", "i8"), ("b", "f8")])))


def test_a_dtype_cannot_be_given_fields_afterwards(pickled):
    """numpy itself would believe the offset and read outside the array."""
    state = (3, "<", None, ("a",), {"a": (np.dtype("i8"), 2**40)}, -1, -1, 0)
    forged = Reduce(np.dtype, "i8", False, True)
    forged.call = (*forged.call, state)
    with pytest.raises(UntrustedFileError, match="a structured numpy array"):
        read_pickle(pickled(forged))


REFUSED = {
    "the reader's own functions changed": (
        b"cnumpy\ndtype\n}S'__call__'\nI1\nsb.",
        "tries to change the reader itself",
    ),
    "slots of the reader's functions set": (
        b"cnumpy\ndtype\n(N}S'_function'\nI1\nstb.",
        "tries to change the reader itself",
    ),
    "a bare type": (b"cnumpy\ndtype\n.", "holds a Allowed where a value"),
    "an unfilled array": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",
        "holds a Array where a value should be",
    ),
    "an array over somebody else's dtype": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntS'O8'\nI00\n(lp0\nI1\natb.",
        "a numpy array of objects",
    ),
    "a codec": (b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.", "the codec 'rot13'"),
    "a persistent id": (b"S'elsewhere'\nQ.", "an object outside itself"),
    "a bytearray": (pickle.dumps(bytearray(b"a"), 5), "holds a bytearray where a value should be"),
    "a list inside itself": (b"(lp0\ng0\na.", "nests containers more than 64 deep"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_tricks_are_refused(pickled, content, message):
    with pytest.raises(UntrustedFileError, match=message):
        read_pickle(pickled(content))


def test_an_array_whose_bytes_do_not_fill_it_is_damaged(pickled):
    content = pickle.dumps(np.arange(4, dtype=np.int64), 4)
    with pytest.raises(DataError, match=r"holds 32 bytes for a int64 array of shape \(9,\): it is damaged"):
        read_pickle(pickled(content.replace(b"K\x04\x85", b"K\x09\x85")))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_truncated_pickles_are_data_errors(tmp_path_factory, data):
    whole = pickle.dumps({"u": [1, 2, 3], "v": np.arange(4), "w": ["title"] * 3}, data.draw(st.sampled_from(PROTOCOLS)))
    path = tmp_path_factory.mktemp("cut") / "train.pkl"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DataError, match=r"train\.pkl is truncated or no pickle"):
        read_pickle(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_garbage_never_escapes_as_another_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("garbage") / "x.pkl"
    path.write_bytes(content)
    try:
        read_pickle(path)
    except (DataError, UntrustedFileError) as error:
        assert str(path) in str(error)


def test_missing_pickle(tmp_path):
    with pytest.raises(DataError, match=r"no\.pkl does not exist"):
        read_pickle(tmp_path / "no.pkl")


def test_no_other_module_opens_a_pickle(repo: Path):
    allowed = {"recgpt/data/readers/pickles.py", "recgpt/generative/published.py"}
    for path in (repo / "recgpt").rglob("*.py"):
        if path.relative_to(repo).as_posix() not in allowed:
            source = path.read_text(encoding="utf-8")
            assert "torch.load" not in source, path
            assert "import pickle" not in source, path
            assert "allow_pickle=True" not in source, path
