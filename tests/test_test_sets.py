"""`scripts/test_sets.py`: content hashes, checking, and building from small made-up files; nothing is fetched."""

import gzip
import importlib.util
import json
import zipfile
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from recgpt.errors import DataError

SCRIPT = Path(__file__).parents[1] / "scripts" / "test_sets.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("test_sets_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gzip_lines(path, records, write=json.dumps):
    with gzip.open(path, "wt") as file:
        file.writelines(write(record) + "\n" for record in records)


def table():
    return pl.DataFrame(
        {"user_id": [1, 0, 0], "item_id": [5, 6, 5], "position": [0, 1, 0], "rating": [1.5, None, 2.0]},
        schema_overrides={"rating": pl.Float32},
    )


def test_manifest_every_set_has_a_builder_or_a_reason(script):
    for name, entry in script.read_manifest().items():
        offered = entry.get("builder") in script.BUILDERS
        assert offered != entry["rebuild"].startswith("not offered: "), name
        assert all(len(sha256) == 64 for sha256 in entry["files"].values()), name
        assert all(source.get("url") or source["terms"] for source in entry.get("sources", [])), name


def test_table_hash_ignores_encoding_row_order_and_width(script, tmp_path):
    plain = script.table_sha256(table())
    table().cast({"user_id": pl.Int32, "rating": pl.Float64}).reverse().write_parquet(
        tmp_path / "t.parquet", compression="gzip", row_group_size=1
    )
    assert script.file_sha256(tmp_path / "t.parquet") == plain
    assert script.table_sha256(table().select("rating", "item_id", "position", "user_id")) == plain


@pytest.mark.parametrize(
    "changed",
    [
        table().with_columns(rating=pl.col("rating").fill_null(0)),
        table().with_columns(item_id=pl.col("item_id") + 1),
        table().rename({"rating": "stars"}),
        table().head(2),
    ],
)
def test_table_hash_sees_every_change_of_content(script, changed):
    assert script.table_sha256(changed) != script.table_sha256(table())


def test_table_hash_reads_texts_and_lists(script):
    lists = pl.DataFrame({"history": [[1, 2], [3]], "text": ["ab", "c"]})
    assert script.table_sha256(lists) == script.table_sha256(lists.clone())
    assert script.table_sha256(lists) != script.table_sha256(lists.with_columns(history=pl.Series([[1], [2, 3]])))
    assert script.table_sha256(lists) != script.table_sha256(lists.with_columns(text=pl.Series(["a", "bc"])))


def test_sequences_hash_ignores_numbering_but_not_order(script):
    events = pl.DataFrame({"user_id": [0, 0, 1], "item_id": [0, 1, 1], "position": [0, 1, 0]})
    items = pl.DataFrame({"item_id": [0, 1], "asin": ["A", "B"]})
    renamed = pl.DataFrame({"user_id": ["y", "x", "x"], "item_id": ["B", "A", "B"], "position": [0, 0, 1]})
    theirs = pl.DataFrame({"item_id": ["A", "B"]})
    other_order = renamed.with_columns(position=pl.Series([0, 1, 0]))
    assert script.sequences_sha256(events, items) == script.sequences_sha256(renamed, theirs)
    assert script.degrees_sha256(events) == script.degrees_sha256(renamed)
    assert script.sequences_sha256(other_order, theirs) != script.sequences_sha256(renamed, theirs)
    assert script.sequences_sha256(events, items.drop("asin")) is None


def test_check_names_missing_and_changed_files(script, tmp_path):
    table().write_parquet(tmp_path / "interactions.parquet")
    (tmp_path / "more.csv").write_text("a,b\n")
    entry = {"files": script.folder_hashes(tmp_path)}
    assert script.check_files(entry, tmp_path) == []
    (tmp_path / "more.csv").write_text("a,c\n")
    (tmp_path / "interactions.parquet").unlink()
    assert script.check_files(entry, tmp_path) == [
        "interactions.parquet is missing",
        "more.csv has another content than the manifest says",
    ]


def test_check_hashes_a_whole_tree(script, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.txt").write_text("a")
    entry = {"files": script.folder_hashes(tmp_path)}
    assert list(entry["files"]) == ["."]
    assert script.check_files(entry, tmp_path) == []
    (tmp_path / "below" / "a.txt").rename(tmp_path / "below" / "b.txt")
    assert script.check_files(entry, tmp_path) == [". has another content than the manifest says"]


def test_build_movielens_from_a_zip_keeps_ids_and_the_order_of_ties(script, tmp_path):
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr(
            "ml-latest-small/ratings.csv", "userId,movieId,rating,timestamp\n1,7,4.0,20\n1,9,3.5,10\n1,8,5.0,20\n"
        )
        archive.writestr(
            "ml-latest-small/movies.csv",
            'movieId,title,genres\n9,"Heat, The",Action|Crime\n7,A (1990),(no genres listed)\n8,B,Drama\n6,C,War\n',
        )
    entry = script.read_entry("movielens_small")
    with script.source_folder(entry, tmp_path / "ml.zip") as folder:
        script.build_movielens_small(entry, folder, tmp_path / "out", overwrite=False)
    events = pl.read_parquet(tmp_path / "out" / "interactions.parquet")
    assert events.rows() == [(1, 9, 10, 0, 3.5), (1, 7, 20, 1, 4.0), (1, 8, 20, 2, 5.0)]
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items["item_id"].to_list() == [7, 8, 9], "unrated films are left out"
    assert items["categories"].to_list() == ["(no genres listed)", "Drama", "Action, Crime"]
    assert not any(script.compare(entry, tmp_path / "out")[part] for part in ("counts", "degrees", "files"))


def test_build_amazon_2014_orders_by_time_and_keeps_ties(script, tmp_path):
    reviews = [
        {"reviewerID": "U", "asin": asin, "unixReviewTime": time, "overall": 5.0, "reviewText": "-"}
        for asin, time in (("B2", 200), ("B1", 100), ("B3", 200), ("B2", 50))
    ]
    products = [{"asin": f"B{n}", "title": f"Soap {n}", "categories": [["Beauty", "Soap"]]} for n in (1, 2, 3, 4)]
    gzip_lines(tmp_path / "reviews_Beauty_5.json.gz", reviews)
    gzip_lines(tmp_path / "meta_Beauty.json.gz", products, write=repr)
    entry = script.read_entry("amazon_beauty")
    script.build_amazon_2014(entry, tmp_path, tmp_path / "out", overwrite=False)
    events = pl.read_parquet(tmp_path / "out" / "interactions.parquet").sort("user_id", "position")
    assert events["item_id"].to_list() == ["B2", "B1", "B2", "B3"]
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items["item_id"].to_list() == ["B1", "B2", "B3"]
    assert items["categories"][0] == "Beauty > Soap"
    assert script.compare(entry, tmp_path / "out") == {
        "counts": False,
        "degrees": False,
        "sequences": False,
        "files": False,
    }


def test_build_yelp_takes_one_year_and_the_five_core(script, tmp_path):
    users, shops = [f"u{n}" for n in range(5)], [f"s{n}" for n in range(5)]
    reviews = [
        {"user_id": user, "business_id": shop, "stars": 4.0, "date": f"2019-03-0{day + 1} 10:00:00"}
        for user in users
        for day, shop in enumerate(shops)
    ]
    reviews += [{"user_id": "u9", "business_id": "s0", "stars": 1.0, "date": "2019-05-01 10:00:00"}]
    reviews += [{"user_id": "u0", "business_id": "s0", "stars": 1.0, "date": "2018-05-01 10:00:00"}]
    for name, records in (
        ("review", reviews),
        ("business", [{"business_id": shop, "name": shop.upper(), "categories": "Food"} for shop in [*shops, "s9"]]),
    ):
        (tmp_path / f"yelp_academic_dataset_{name}.json").write_text("".join(json.dumps(r) + "\n" for r in records))
    script.build_yelp(script.read_entry("yelp"), tmp_path, tmp_path / "out", overwrite=False)
    events = pl.read_parquet(tmp_path / "out" / "interactions.parquet")
    assert len(events) == 25
    assert set(events["user_id"]) == set(users)
    assert pl.read_parquet(tmp_path / "out" / "items.parquet")["title"].to_list() == ["S0", "S1", "S2", "S3", "S4"]


def test_compare_finds_an_equal_build_under_other_numbers(script, tmp_path):
    table().write_parquet(tmp_path / "interactions.parquet")
    pl.DataFrame({"item_id": [5, 6], "asin": ["A", "B"]}).write_parquet(tmp_path / "items.parquet")
    entry = {
        "users": 2,
        "items": 2,
        "interactions": 3,
        "degrees_sha256": script.degrees_sha256(table()),
        "sequences_sha256": script.sequences_sha256(
            pl.DataFrame({"user_id": [7, 7, 8], "item_id": ["A", "B", "A"], "position": [0, 1, 0]}),
            pl.DataFrame({"item_id": ["A", "B"]}),
        ),
        "files": {"items.parquet": "0" * 64},
    }
    assert script.compare(entry, tmp_path) == {"counts": True, "degrees": True, "sequences": True, "files": False}


def test_unknown_name_lists_the_names(script):
    with pytest.raises(DataError, match="unknown data set 'beauty': one of amazon_beauty, "):
        script.read_entry("beauty")


def test_fetch_refuses_what_is_not_https(script, tmp_path):
    with pytest.raises(DataError, match="only https"):
        script.fetch("http://example.org/a.zip", tmp_path / "a.zip", None)


@pytest.mark.parametrize("sha256", [None, "0" * 64])
def test_fetch_keeps_a_file_only_if_its_hash_is_the_expected_one(script, tmp_path, monkeypatch, sha256):
    class Reply:
        url = "https://example.org/a.txt"

        def __enter__(self):
            self.file = (tmp_path / "there").open("rb")
            return self

        def __exit__(self, *error):
            self.file.close()

        def read(self, n=-1):
            return self.file.read(n)

    (tmp_path / "there").write_bytes(b"content")
    monkeypatch.setattr(script.urllib.request, "urlopen", lambda url, timeout: Reply())
    if sha256 is None:
        script.fetch(Reply.url, tmp_path / "a.txt", sha256)
        assert (tmp_path / "a.txt").read_bytes() == b"content"
    else:
        with pytest.raises(DataError, match="expected 000"):
            script.fetch(Reply.url, tmp_path / "a.txt", sha256)
    assert not (tmp_path / "a.txt.part").exists()


def test_sources_that_need_your_own_download_say_so(script):
    with (
        pytest.raises(DataError, match="accept Yelp's terms and download the open data set; then pass --from FOLDER"),
        script.source_folder(script.read_entry("yelp"), None),
    ):
        pass
