"""Tables as people's programs write them: encodings, separators, line ends, quotes, records that are none."""

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.past import item_ids, read_past
from recgpt.data.readers import tables
from recgpt.data.readers.records import FAULT, FAULT_VALUE, LINE
from recgpt.data.readers.text_tables import open_table
from recgpt.errors import ConfigError, DataError, RecGPTError


def opened(folder: Path, content: bytes | str, suffix: str = ".csv", **options):
    path = folder / f"table{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_table(path, folder / "work", **options)


def rows(folder: Path, content: bytes | str, suffix: str = ".csv", **options) -> list[tuple]:
    """Fields, line and fault of each row."""
    table = opened(folder, content, suffix, **options)
    return table.rows.select(*table.columns, LINE, FAULT).collect().rows()


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("a,b\n1,é\n".encode(), "UTF-8, separator ','"),
        (b"\xef\xbb\xbf" + "a,b\n1,é\n".encode(), "UTF-8 with a byte order mark, separator ','"),
        ("a;b\r\n1;é\r\n".encode("utf-16"), "UTF-16, separator ';'"),
        ("a\tb\n1\té\n".encode("utf-16-le"), "UTF-16 LE, separator a tab"),
        ("a|b\n1|é\n".encode("utf-16-be"), "UTF-16 BE, separator '|'"),
        ("a,b\n1,é\n".encode("utf-32"), "UTF-32, separator ','"),
        ("a;b\n1;é\n".encode("cp1252"), "Windows-1252 (cp1252), separator ';'"),
        (gzip.compress("a;b\n1;é\n".encode("cp1252"), mtime=0), "Windows-1252 (cp1252), separator ';'"),
        (b"a,b\r1,\xc3\xa9\r", "UTF-8, separator ','"),
        (b"sep=;\r\na;b\r\n1;\xc3\xa9\r\n", "UTF-8, separator ';'"),
    ],
)
def test_encodings_and_separators_are_recognised_and_named(tmp_path, content, form):
    suffix = ".csv.gz" if content[:2] == b"\x1f\x8b" else ".csv"
    table = opened(tmp_path, content, suffix)
    assert table.form == form
    assert table.rows.select("a", "b").collect().rows() == [("1", "é")]


def test_other_encodings_are_given(tmp_path):
    content = "a,b\n1,Москва\n".encode("cp1251")
    assert rows(tmp_path, content, encoding="cp1251")[0][1] == "Москва"
    with pytest.raises(DataError, match=r"table.csv is neither UTF-8 nor Windows-1252 \(byte 0x81 at 6\).*--encoding"):
        rows(tmp_path, b"a,b\n1,\x81\x82\n")
    with pytest.raises(DataError, match=r"after line 0 it is not gb2312.*--encoding"):
        rows(tmp_path, b"a,b\n1,\xff\xff\xff\n", encoding="gb2312")
    for name in ("klingon", "base64"):
        with pytest.raises(ConfigError, match=name):
            rows(tmp_path, content, encoding=name)


def test_a_separator_can_be_given(tmp_path):
    assert rows(tmp_path, "a:b\n1:2\n", separator=":") == [("1", "2", 2, None)]
    assert rows(tmp_path, "a\tb\n1\t2\n", separator="tab") == [("1", "2", 2, None)]
    for separator in ("::", "", '"', "\n"):
        with pytest.raises(ConfigError, match=r"separator .* is not one character"):
            rows(tmp_path, "a:b\n1:2\n", separator=separator)


def test_needed_columns_tell_the_separator(tmp_path):
    table = opened(tmp_path, "user_id;note, private;item_id\n1;x;2\n", wanted=("user_id", "item_id"))
    assert table.columns == ("user_id", "note, private", "item_id")
    assert opened(tmp_path, "title\nCup; Plate\n", wanted=("title",)).rows.collect()["title"].to_list() == [
        "Cup; Plate"
    ]


def test_records_that_are_none_are_faults_of_their_lines(tmp_path):
    content = 'a,b\n1,2\n\n3\n4,5,6\n7,"8\n9,10\n"x\ny",11\n12" pipe,13\n14,\0\n'
    assert rows(tmp_path, content) == [
        ("1", "2", 2, None),
        ("3", "", 4, "too few fields"),
        ("4", "5", 5, "too many fields"),
        ("7", '"8', 6, "a quote that is never closed"),
        ("9", "10", 7, None),
        ("x\ny", "11", 8, None),
        ('12" pipe', "13", 10, None),
        ("14", "\0", 11, "a zero byte"),
    ]
    mixed = "a,b\n1,é\n".encode() + b"2,caf\xe9\n"
    assert rows(tmp_path, mixed) == [("1", "é", 2, None), ("2", "caf\ufffd", 3, "bytes that are not UTF-8")]
    assert rows(tmp_path, 'a,b\n1, "x, y"\n') == [("1", "x, y", 2, None)]


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (b"", ".csv", "is empty"),
        (b"\xef\xbb\xbf", ".csv", "is empty"),
        (b" \n\r\n\n", ".tsv", "is empty"),
        (b"", ".jsonl", "is empty"),
        (b"a,b\n", ".csv", "has a header line and no rows"),
        (b"a,b", ".csv", "has a header line and no rows"),
        (b"a,b\r\n\r\n", ".csv", "has a header line and no rows"),
        (b"[1, 2]\n", ".jsonl", "has no line with a JSON object"),
        (gzip.compress(b"a,b\n1,2\n" * 999, mtime=0)[:-9], ".csv.gz", "is truncated or damaged"),
        (b"PK\x03\x04....", ".csv", "is packed .a zip archive.: unpack it"),
        (b"PAR1", ".parquet", "cannot be read in the format of its suffix"),
        (b"a,b\n1,2\n", ".xlsx", r"\.xlsx is none of \.csv"),
        (b"a,b\n1,2\n", "", ": no suffix is none of"),
    ],
)
def test_files_that_are_no_tables(tmp_path, content, suffix, message):
    with pytest.raises(DataError, match=rf"table{suffix}.*{message}") as caught:
        rows(tmp_path, content, suffix)
    assert "\n" not in str(caught.value)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(DataError, match="is a folder: name the file in it"):
        open_table(tmp_path, tmp_path / "work")
    with pytest.raises(DataError, match="does not exist"):
        open_table(tmp_path / "none.csv", tmp_path / "work")


def test_json_lines(tmp_path):
    assert rows(tmp_path, '{"a":1,"b":["x","y"]}\n{"a":2}\n', ".jsonl") == [(1, "x, y", 1, None), (2, None, 2, None)]
    broken = (
        '{"a":"007"}\n\nnope\n[1]\n{"a":1.5,"b":{"c":1}}\n' + '{"a":' * 50_000 + "\n" + '{"a":' + "1" * 9_999 + "}\n"
    )
    found = rows(tmp_path, broken, ".jsonl")
    assert [(row[0], *row[2:]) for row in found] == [
        ("007", 1, None),
        *((None, line, "no JSON object") for line in (3, 4)),
        ("1.5", 5, None),
        *((None, line, "no JSON object") for line in (6, 7)),
    ]
    assert rows(tmp_path, '{"a":"é"}\n'.encode("utf-16"), ".jsonl") == [("é", 1, None)]


def test_headers(tmp_path):
    table = opened(tmp_path, " a ,b,b,\n1,2,3,4\n")
    assert table.columns == ("a", "b", "b (3)", "column 4")
    assert table.check_column("a") == "a"
    with pytest.raises(DataError, match=r"table.csv has several columns 'b' in its header"):
        table.check_column("b")
    with pytest.raises(DataError, match=r"has no column 'c' \(it has a, b, b \(3\), column 4\): give the name"):
        table.check_column("c")
    with pytest.raises(DataError, match=r"its first line looks like data \('17'\), so put a line with the names"):
        opened(tmp_path, "ann,17,4.5\nbob,18,5\n").check_column("user_id")
    with pytest.raises(DataError, match=r"or the separator \(`recgpt data import tables --separator`\)"):
        opened(tmp_path, "user_id:item_id\n1:2\n").check_column("user_id")


@pytest.mark.parametrize("seed", range(8))
def test_regular_files_are_read_alike_in_both_ways(tmp_path, seed):
    """Polars' scan of a regular file, and the reading record by record, give the same table."""
    rng = np.random.default_rng(seed)
    fields = ["", "7", "é", " x", "a b", "0.50", '"p, q"', '"say ""hi"""', "x" * 50, '""']
    lines = [",".join(rng.choice(fields, 3)) for _ in range(200)]
    lines = [line for line in lines if line.strip(', "')]
    regular = opened(tmp_path, "a,b,c\n" + "\n".join(lines) + "\n")
    assert not (tmp_path / "work").exists()
    other = tmp_path / "other"
    other.mkdir()
    irregular = opened(other, "\na,b,c\n" + "\n".join(lines) + "\n")
    assert (other / "work").exists()
    kept = [pl.col(name).str.strip_chars().fill_null("") for name in "abc"]
    assert regular.rows.select(kept).collect().equals(irregular.rows.select(kept).collect())
    assert (irregular.rows.collect()[LINE] - 1).to_list() == regular.rows.collect()[LINE].to_list()
    assert irregular.rows.collect()[FAULT].null_count() == len(lines)


def test_long_fields_and_lines(tmp_path, monkeypatch):
    long = "x" * 200_000
    assert rows(tmp_path, f'a,b\n1,"{long}\ny"\n2,3\n')[0][1] == f"{long}\ny"
    monkeypatch.setattr("recgpt.data.readers.encodings.MAX_LINE_BYTES", 1_000)
    monkeypatch.setattr("recgpt.data.readers.encodings.BLOCK_BYTES", 100)
    with pytest.raises(DataError, match=r"has a line of more than .* MB: export it again, one row a line"):
        rows(tmp_path, f"a,b\n1,{long}\n")


def test_hostile_bytes_never_raise_anything_else(tmp_path):
    """Any bytes are a table or an error of one line."""
    rng = np.random.default_rng(0)
    alphabet = np.frombuffer(b'a1,;|\t"\n\r\0\xe9\xc3\xa9\xff{}[]: ', np.uint8)
    for number in range(150):
        content = rng.choice(alphabet, rng.integers(0, 60)).tobytes()
        suffix = (".csv", ".tsv", ".jsonl")[number % 3]
        try:
            opened(tmp_path, content, suffix).rows.collect()
        except RecGPTError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["ds*", "ds?", "ds[12]", "~", "hf:", "a%20b"])
def test_file_names_are_taken_literally(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    folder.mkdir()
    for form in ("csv", "tsv", "jsonl", "parquet"):
        events = pl.DataFrame({"user_id": [1, 1], "item_id": [7, 40]})
        items = pl.DataFrame({"item_id": [7, 40], "title": ["Brazil", "Casablanca"]})
        for table, stem in ((events, "e*"), (items, "i[t]em?")):
            path = folder / f"{stem}.{form}"
            match form:
                case "csv":
                    path.write_bytes(table.write_csv().encode())
                case "tsv":
                    path.write_bytes(table.write_csv(separator="\t").encode())
                case "jsonl":
                    path.write_bytes(table.write_ndjson().encode())
                case "parquet":
                    table.write_parquet(path.absolute())
            (folder / f"{stem.replace('*', 'x').replace('?', 's')}.{form}").write_text("another file")
        tables.read(folder / f"e*.{form}", folder / "out", items=folder / f"i[t]em?.{form}", overwrite=True)
        assert Dataset.load(folder / "out").n_interactions == 2
        assert len(read_past(folder / f"e*.{form}", item_ids(items))) == 2
        assert tables.read_items(folder / f"i[t]em?.{form}").height == 2


def test_a_fault_shows_what_is_wrong(tmp_path):
    table = opened(tmp_path, "a,b\n1,2\n3\n")
    assert table.rows.collect()[FAULT_VALUE].to_list() == [None, "1 instead of 2"]


def test_a_packed_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("recgpt.data.readers.encodings.FREE_BYTES", 1 << 20)
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * 3_000_000)
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        rows(tmp_path, bomb, ".csv.gz")
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        rows(tmp_path, gzip.compress("a,b\n".encode("utf-16") + "1,2\n".encode("utf-16-le") * 3_000_000), ".csv.gz")
