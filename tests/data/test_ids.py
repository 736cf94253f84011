"""Ids: what comes out is what went in; fractional numbers, truth values and mixtures are refused with examples."""

import uuid

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.ids import IdColumn, IdMap, dense_ids, id_expressions, outside_ids
from recgpt.errors import DataError

A_UUID = uuid.UUID("12345678123456781234567812345678")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["00000027", "27", "007", "7", "1e5", "12.0", "+7", " 7", "7 ", "18446744073709551616"], None),
        ([1, -5, 2**63 - 1], None),
        ([1, 2**64 - 1], None),
        (np.array([3, 1], dtype=np.uint8), [3, 1]),
        (np.array([3, 2**63 + 5], dtype=np.uint64), [3, 2**63 + 5]),
        (np.array(["b", "07"]), ["b", "07"]),
        (np.array(["b", "07"], dtype=object), ["b", "07"]),
        (pl.Series([3, 1], dtype=pl.Int8), [3, 1]),
        (pl.Series([3, 1], dtype=pl.UInt64), [3, 1]),
        (pl.Series([3, 2**63], dtype=pl.UInt64), [3, 2**63]),
        (pl.Series([3, 2**63], dtype=pl.Int128), [3, 2**63]),
        (pl.Series(["b", "07"], dtype=pl.Categorical), ["b", "07"]),
        (pl.Series(["b", "07"], dtype=pl.Enum(["07", "b"])), ["b", "07"]),
        (pd.Series(["b", "07"]), ["b", "07"]),
        (pd.Series(["b", "07"], dtype=object), ["b", "07"]),
        (pd.Series(["b", "07"], dtype="category"), ["b", "07"]),
        (pd.Series([7, 5], dtype="category"), [7, 5]),
        (pd.Series([7, 5], dtype="Int64"), [7, 5]),
        (pd.Series([7, 5], dtype=object), [7, 5]),
        (pd.Index(["b", "07"]), ["b", "07"]),
        ([A_UUID], [str(A_UUID)]),
        (pd.Series([A_UUID, A_UUID]), [str(A_UUID)] * 2),
        ((value for value in ("x", "y")), ["x", "y"]),
    ],
)
def test_ids_of_every_type_come_out_as_they_went_in(values, expected):
    expected = values if expected is None else expected
    assert outside_ids(values, "item_id", "here").to_list() == expected
    if len(set(expected)) == len(expected):
        ids = IdMap(outside_ids(expected, "item_id", "here"), "items.csv")
        rows = np.arange(len(expected))[::-1]
        assert ids.to_dense(ids.to_outside(rows)).tolist() == rows.tolist()
        assert ids.to_outside(rows).to_list() == expected[::-1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.array([1.0, 2.5, 3.0, 4.0]),
            r"here: 'item_id' is Float64 \(1.0, 2.5, 3.0, ...\): ids are whole numbers or text",
        ),
        (pl.Series([1.0]), r"Float64 \(1.0\)"),
        (pd.Series([1, None]), r"Float64 \(1.0, nan\).*a missing id makes a column fractional"),
        ([1, "7"], r"holds values of 2 types \('7' is str, 1 is int\).*astype\(str\)"),
        (pd.Series([1, "7"], dtype=object), r"values of 2 types"),
        ([1, 2.5], r"values of 2 types"),
        ([2**70, 3], r"numbers of more than 64 bits: give them as text"),
        ([2**63, -1], r"numbers of more than 64 bits"),
        (pl.Series([3, 2**100], dtype=pl.Int128), r"numbers of more than 64 bits"),
        ([True, False], r"is bool \(True, False\)"),
        ([1.5, 2.5, 3.5, 4.5], r"is float \(1.5, 2.5, 3.5\)"),
        (np.array([True]), r"is bool \(True\)"),
        (pl.Series([True]), r"is Boolean"),
        ([b"7"], r"is bytes \(b'7'\)"),
        (pl.Series([b"7"]), r"is Binary"),
        ([A_UUID, "x"], r"values of 2 types"),
        ([(1, 2)], r"is tuple \(\(1, 2\)\)"),
        (pl.Series(["2021-01-01"]).str.to_date(), r"is Date"),
        (pl.Series([[1]]), r"is List"),
    ],
)
def test_values_that_are_no_ids(values, message):
    with pytest.raises(DataError, match=message):
        outside_ids(values, "item_id", "here")
    with pytest.raises(DataError):
        IdMap(pl.Series("item_id", [1, 2]), "items.csv").to_dense(values)


def test_missing_and_double_ids_are_named():
    with pytest.raises(DataError, match=r"items.csv: 'item_id' is missing in row 1"):
        IdMap(pl.Series("item_id", ["a", None]), "items.csv")
    with pytest.raises(DataError, match=r"'item_id' must be unique, but '7' occurs more than once"):
        IdMap(pl.Series("item_id", ["7", "07", "7"]), "items.csv")


def test_unknown_ids_and_ids_of_another_type():
    text, numbers = (IdMap(pl.Series("item_id", ids), "items.csv") for ids in (["7", "007"], [7, 8, 9, 10]))
    with pytest.raises(DataError, match=r"1 'item_id' values are not in items.csv: '07'"):
        text.to_dense(["07", "7"])
    with pytest.raises(DataError, match=r"'item_id' is Int64 \(7\), the ids of items.csv are String \('7', '007'\)"):
        text.to_dense([7])
    with pytest.raises(DataError, match=r"'item_id' is String \('7'\), .* are Int64 \(7, 8, 9, ...\)"):
        numbers.to_dense(["7"])
    with pytest.raises(DataError, match=r"not in items.csv: 18446744073709551615"):
        numbers.to_dense([2**64 - 1])
    with pytest.raises(DataError, match=r"dense 'item_id' -1 is not one of the 4"):
        numbers.to_outside([0, -1])


# --- dense ids ---


@pytest.mark.parametrize(
    "values",
    [[2, 0], (2, 0), np.array([2, 0], np.int8), np.array([2, 0], np.uint64), [np.int64(2), 0], pd.Series([2, 0]),
     pl.Series([2, 0]), range(2, -1, -2), iter([2, 0])],
)  # fmt: skip
def test_dense_ids(values):
    found = dense_ids(values, "history 0")
    assert found.dtype == np.int64
    assert found.tolist() == [2, 0]


def test_no_ids_are_no_error():
    for values in ([], np.array([]), ()):
        assert dense_ids(values, "history 0").tolist() == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5], r"history 0 holds 0.5: ids of the catalogue's rows are whole numbers"),
        ([1, 2.0], r"holds 2.0"),
        ([True], r"holds True"),
        ([2, True], r"holds True"),
        ([2, np.True_], r"holds"),
        (np.array([0.5]), r"holds 0.5"),
        (np.array([1.0]), r"holds 1.0"),
        (np.array([True, False]), r"holds True"),
        (np.array([0.5], dtype=object), r"holds 0.5"),
        (["7"], r"holds '7'"),
        (np.array([2**63], dtype=np.uint64), r"holds 9223372036854775808"),
        ([None], r"holds None"),
        ([2**70], r"holds"),
        (pd.Series([0.5]), r"holds 0.5"),
        ([[1, 2]], r"holds \[1, 2\]"),
        (np.array([[1, 2]]), r"shape \(1, 2\)"),
        (5, r"history 0 is 5"),
        (np.array(5), r"shape \(\)"),
        ("12", r"history 0"),
    ],
)
def test_values_that_are_no_dense_ids(values, message):
    with pytest.raises(DataError, match=message):
        dense_ids(values, "history 0")


# --- ids of files ---


def types(*columns, rule="auto"):
    """Python values of each (ids, whether the file has no types) by the expressions of `id_expressions`."""
    found = [IdColumn(pl.LazyFrame({"id": ids}), "id", f"file{i}", untyped) for i, (ids, untyped) in enumerate(columns)]
    return [
        c.table.select(e).collect()["id"].to_list() for c, e in zip(found, id_expressions(found, rule), strict=True)
    ]


def test_ids_of_text_files_are_numbers_if_all_files_agree():
    assert types((["7", "10"], True), (["7", "-3", "0", None], True)) == [[7, 10], [7, -3, 0, None]]
    assert types((["7", "10"], True), (["7", "007"], True)) == [["7", "10"], ["7", "007"]]
    assert types((["7", "10"], True), ([7, 10], False)) == [[7, 10], [7, 10]]
    assert types((["7", "10"], True), (["7", "10"], False)) == [["7", "10"], ["7", "10"]]
    assert types((["7", "10"], True), rule="text") == [["7", "10"]]
    assert types(([7, 10], False), (["7"], True), rule="text") == [["7", "10"], ["7"]]


@pytest.mark.parametrize(
    "odd", ["007", "+7", " 7", "7 ", "7.0", "1e5", "9223372036854775808", "-0", "７", "7_0", "0x1", "A"]
)
def test_ids_that_are_no_canonical_numbers_keep_the_column_text(odd):
    assert types((["7", odd], True)) == [["7", odd]]


def test_extreme_canonical_numbers():
    assert types((["9223372036854775807", "-9223372036854775808"], True)) == [[2**63 - 1, -(2**63)]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((([7], False), (["7"], False)), r"'id' is text in file1 \('7'\) and 'id' a number in file0 \(7\).*--ids text"),
        ((([7], False), (["007"], True)), r"'id' is text in file1 \('007'\) and 'id' a number in file0 \(7\)"),
        ((([7.5], False), (["007"], True)), r"file0: 'id' is Float64 \(7.5\)"),
        ((([True], False),), r"file0: 'id' is Boolean \(True\)"),
    ],
)
def test_files_whose_ids_do_not_agree(columns, message):
    with pytest.raises(DataError, match=message):
        types(*columns)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True))
@settings(max_examples=100, deadline=None)
def test_any_text_comes_out_as_it_went_in(ids):
    mapped = IdMap(pl.Series("item_id", ids), "items")
    assert mapped.to_outside(mapped.to_dense(ids)).to_list() == ids


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True))
@settings(max_examples=100, deadline=None)
def test_any_number_comes_out_as_it_went_in(ids):
    mapped = IdMap(pl.Series("item_id", ids), "items")
    assert mapped.to_outside(mapped.to_dense(ids)).to_list() == ids
    assert types(([str(i) for i in ids], True)) == [ids]
