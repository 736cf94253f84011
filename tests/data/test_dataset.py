"""Loading, checking, saving; ids, order, repeats, texts and the arrays beside a data set."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.fingerprint import read_fingerprint, save_array
from recgpt.data.ids import IdMap
from recgpt.errors import DataError

from .conftest import INTERACTIONS, ITEMS, times_of


def outside_sequences(dataset: Dataset) -> dict:
    users = dataset.user_map.ids.to_list()
    return {u: dataset.item_map.to_outside(s).to_list() for u, s in zip(users, dataset.sequences, strict=True)}


def load_with(folder: Path, **tables: pl.DataFrame) -> Dataset:
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return Dataset.load(folder)


# --- ids and order ---


def test_ids_are_dense_in_catalogue_order_and_users_in_order_of_their_ids(small):
    assert small.item_map.to_dense([193609, 5]).tolist() == [0, 4]
    assert small.user_map.ids.to_list() == [2, 9, 30]
    assert outside_sequences(small) == {2: [5, 7, 12], 9: [7, 193609, 40, 40, 7], 30: [5]}
    assert (small.n_users, small.n_items, small.n_interactions) == (3, 5, 9)
    assert small.items["title"][int(small.item_map.to_dense([12])[0])] == "Dune"


ids = st.one_of(
    st.lists(st.integers(-(2**40), 2**40), unique=True, min_size=1),
    st.lists(st.text(max_size=4), unique=True, min_size=1),
    st.integers(1, 9).map(lambda n: list(range(n))),
)


@given(ids, st.data())
def test_id_map_there_and_back(outside, data):
    id_map = IdMap(pl.Series("item_id", outside), "here")
    asked = data.draw(st.lists(st.sampled_from(outside)))
    dense = id_map.to_dense(pl.Series("item_id", asked, dtype=id_map.ids.dtype))
    assert dense.tolist() == [outside.index(i) for i in asked]
    assert id_map.to_outside(dense).to_list() == asked


@pytest.mark.parametrize("outside", [[0, 1, 2], [5, 1, 9], ["a", "b", "c"]])
def test_id_map_names_unknown_ids(outside):
    unknown = [77, 78] if isinstance(outside[0], int) else ["x", "y"]
    with pytest.raises(DataError, match=rf"2 'item_id' values are not in here: {unknown[0]!r}, {unknown[1]!r}"):
        IdMap(pl.Series("item_id", outside), "here").to_dense([outside[0], *unknown])


def test_ids_of_another_kind():
    numbers, texts = IdMap(pl.Series("item_id", [1, 2]), "here"), IdMap(pl.Series("item_id", ["1", "2"]), "here")
    for values, id_map in ((["x"], numbers), ([1], texts)):
        with pytest.raises(DataError, match=rf"the ids of here are {id_map.ids.dtype}"):
            id_map.to_dense(values)
    assert len(texts.to_dense([])) == 0
    with pytest.raises(DataError, match="numbers of more than 64 bits: give them as text"):
        IdMap(pl.Series("item_id", [2**70], dtype=pl.Int128), "here")


def test_text_ids(tmp_path):
    items = ITEMS.with_columns(item_id=pl.format("B{}", "item_id"))
    events = INTERACTIONS.with_columns(item_id=pl.format("B{}", "item_id"), user_id=pl.format("u{}", "user_id"))
    Dataset.from_frames("text", events, items).save(tmp_path / "text")
    sequences = outside_sequences(Dataset.load(tmp_path / "text"))
    assert sequences["u9"] == ["B7", "B193609", "B40", "B40", "B7"]


def test_ties_of_position_stay_in_file_order():
    events = pl.DataFrame({"user_id": [1] * 4, "item_id": [7, 5, 40, 12], "position": [1, 0, 0, 0]})
    assert outside_sequences(Dataset.from_frames("ties", events, ITEMS)) == {1: [5, 40, 12, 7]}


def test_times_and_ratings_follow_their_events_and_unknown_is_marked(small):
    assert times_of(small, 1) == [100, 100, 300, -1, 500]
    ratings = small.interactions.rating[small.interactions.user == 1]
    np.testing.assert_array_equal(ratings, np.array([1.0, 3.0, 4.0, np.nan, 3.5], dtype=np.float32))


def test_published_split_is_read_as_codes():
    events = INTERACTIONS.with_columns(split=pl.lit("train")).with_columns(
        pl.when(pl.col("position") == 2).then(pl.lit("test")).otherwise("split").alias("split")
    )
    dataset = Dataset.from_frames("split", events, ITEMS)
    assert dataset.split.tolist() == [0, 0, 2, 0, 0, 2, 0, 0, 0]
    with pytest.raises(DataError, match="'split' in row 0 is not one of train, valid, test"):
        Dataset.from_frames("split", INTERACTIONS.with_columns(split=pl.lit("dev")), ITEMS)


# --- saving ---


def test_saved_and_loaded_is_the_same(small, folder):
    again = Dataset.load(folder)
    assert again.interactions_sha256 == small.interactions_sha256
    assert again.items_sha256 == small.items_sha256
    assert again.items.equals(small.items)
    np.testing.assert_array_equal(again.interactions.timestamp, small.interactions.timestamp)
    np.testing.assert_array_equal(again.interactions.rating, small.interactions.rating)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["repeats"] == "keep"
    assert manifest["items"] == 5
    assert manifest["items_sha256"] == small.items_sha256


def test_saving_never_overwrites_unasked(small, folder):
    with pytest.raises(DataError, match="holds a data set already"):
        small.save(folder)
    Dataset.load(folder, repeats="drop").save(folder, overwrite=True)  # onto the files it reads from
    again = Dataset.load(folder)
    assert again.manifest["repeats"] == "drop"
    assert again.items["title"].to_list() == ITEMS["title"].to_list()


# --- repeats ---


def test_repeats_rules(small):
    assert outside_sequences(small.drop_repeats("drop"))[9] == [7, 193609, 40]
    assert outside_sequences(small.drop_repeats("drop-consecutive"))[9] == [7, 193609, 40, 7]
    assert small.drop_repeats("keep") is small
    assert small.drop_repeats("drop").manifest["repeats"] == "drop"
    assert small.drop_repeats("drop").drop_repeats("keep").manifest["repeats"] == "drop"
    assert small.manifest["repeats"] == "keep"
    with pytest.raises(DataError, match="repeats='never' is not one of keep, drop-consecutive, drop"):
        small.drop_repeats("never")


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=8), min_size=1, max_size=5))
def test_repeats_against_lists(sequences):
    events = pl.DataFrame(
        [(user, ITEMS["item_id"][item], at) for user, s in enumerate(sequences) for at, item in enumerate(s)],
        schema=["user_id", "item_id", "position"],
        orient="row",
    )
    dataset = Dataset.from_frames("lists", events, ITEMS)
    assert [s.tolist() for s in dataset.drop_repeats("drop").sequences] == [list(dict.fromkeys(s)) for s in sequences]
    runs = [[item for i, item in enumerate(s) if i == 0 or s[i - 1] != item] for s in sequences]
    assert [s.tolist() for s in dataset.drop_repeats("drop-consecutive").sequences] == runs


# --- bad input ---


@pytest.mark.parametrize("column", ["user_id", "item_id", "position"])
def test_missing_interaction_column(folder, column):
    with pytest.raises(DataError, match=rf"interactions.parquet has no column '{column}' \(it has .*name it so"):
        load_with(folder, interactions=INTERACTIONS.drop(column))


def test_missing_title(folder):
    with pytest.raises(DataError, match=r"items.parquet has no column 'title'"):
        load_with(folder, items=ITEMS.drop("title"))


def test_missing_file(folder):
    (folder / "items.parquet").unlink()
    with pytest.raises(DataError, match=r"items.parquet does not exist: a data set folder needs"):
        Dataset.load(folder)


def test_unknown_item(folder):
    events = INTERACTIONS.with_columns(pl.col("item_id").replace(40, 41))
    with pytest.raises(DataError, match=r"1 'item_id' values are not in .*items.parquet: 41\. Add them"):
        load_with(folder, interactions=events)


def test_duplicate_items(folder):
    with pytest.raises(DataError, match=r"items.parquet: 'item_id' must be unique, but 7 occurs more than once"):
        load_with(folder, items=pl.concat([ITEMS, ITEMS[1:2]]))


@pytest.mark.parametrize("table", ["interactions", "items"])
def test_truncated_parquet(folder, table):
    path = folder / f"{table}.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"{table}.parquet is truncated or no Parquet file"):
        Dataset.load(folder)


def test_id_types_that_do_not_match(folder):
    with pytest.raises(DataError, match="item_id is String here and Int64 in the catalogue: cast one"):
        load_with(folder, interactions=INTERACTIONS.cast({"item_id": pl.String}))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("position", pl.lit(0.5), "'position' is Float64, whole numbers"),
        ("position", pl.lit(None, pl.Int64), "'position' is missing in 9 rows, the first is row 0"),
        ("user_id", pl.lit(None, pl.Int64), "'user_id' is missing in 9 rows"),
        ("timestamp", pl.col("timestamp") + 1_500_000_000_000, "divide milliseconds by 1000"),
        ("timestamp", pl.lit("03/04/2021"), "day and month cannot be told apart"),
        ("rating", pl.lit("good"), "'rating' is String, numbers"),
    ],
)
def test_columns_of_the_wrong_kind(column, values, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_frames("bad", INTERACTIONS.with_columns(values.alias(column)), ITEMS)


def test_no_interactions():
    with pytest.raises(DataError, match="interactions is empty"):
        Dataset.from_frames("empty", INTERACTIONS.clear(), ITEMS)


def test_missing_item_id():
    items = ITEMS.with_columns(pl.col("item_id").replace(40, None))
    with pytest.raises(DataError, match="'item_id' is missing in 1 rows, the first is row 2"):
        Dataset.from_frames("holes", INTERACTIONS, items)


def test_damaged_manifest(folder):
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest.json is not readable JSON"):
        Dataset.load(folder)
    (folder / "manifest.json").write_text('{"repeats": "some"}')
    with pytest.raises(DataError, match=r"manifest.json: repeats='some' is not one of keep"):
        Dataset.load(folder)


# --- texts ---


def test_fields_template_joins_what_is_there_and_cuts_the_description(small):
    texts = small.texts()
    assert texts[:3] == ["Alien. Horror. In space.", "Brazil. Comedy", "Casablanca. Drama"]
    assert texts[3] == "Dune. " + ("Sand. " * 100)[:300]
    assert texts[4] == "Eraserhead. Horror. AFI"


def test_published_template_is_the_dict_without_braces():
    items = ITEMS.with_columns(details=pl.lit('{"Format": "{DVD}"}'))
    text = Dataset.from_frames("published", INTERACTIONS, items).texts("published")[0]
    assert text == (
        "'title': 'Alien', 'description': 'In space.', 'categories': 'Horror', 'details': '\"Format\": \"DVD\"'"
    )


def test_texts_come_block_by_block(small, monkeypatch):
    whole, digest = small.texts(), small.items_sha256
    monkeypatch.setattr("recgpt.data.dataset.ROWS_PER_BLOCK", 2)
    blockwise = Dataset.from_frames("small", INTERACTIONS, ITEMS)
    assert list(blockwise.iter_texts()) == whole
    assert list(blockwise.iter_texts(1, 4)) == whole[1:4]
    assert blockwise.items_sha256 == digest


def test_items_without_text_load_but_have_no_texts():
    items = ITEMS.with_columns(pl.when(pl.col("item_id") == 7).then(pl.lit(" ")).otherwise("title").alias("title"))
    dataset = Dataset.from_frames("silent", INTERACTIONS, items.with_columns(categories=pl.lit("")))
    with pytest.raises(DataError, match=r"silent: items without any text: 7 .* Give them a title, or leave them"):
        dataset.texts()


def test_unknown_template(small):
    with pytest.raises(DataError, match="text template 'poem' is not one of fields, published"):
        small.texts("poem")


def test_items_hash_is_of_the_content(small, tmp_path):
    ITEMS.write_parquet(tmp_path / "items.parquet", row_group_size=1, compression="uncompressed")
    INTERACTIONS.write_parquet(tmp_path / "interactions.parquet")
    assert Dataset.load(tmp_path).items_sha256 == small.items_sha256
    changed = ITEMS.with_columns(pl.col("title").replace("Dune", "Dune!"))
    assert Dataset.from_frames("small", INTERACTIONS, changed).items_sha256 != small.items_sha256
    shifted = ITEMS.with_columns(title=pl.col("title") + pl.col("categories"), categories=pl.lit(""))
    assert Dataset.from_frames("small", INTERACTIONS, shifted).items_sha256 != small.items_sha256
    with_extra = ITEMS.with_columns(mean_rating=pl.lit(3.0))
    assert Dataset.from_frames("small", INTERACTIONS, with_extra).items_sha256 == small.items_sha256


# --- arrays ---


@pytest.fixture
def encoded(folder: Path) -> Dataset:
    dataset = Dataset.load(folder)
    embeddings = np.arange(40, dtype=np.float16).reshape(5, 8)
    save_array(folder / "embeddings.npy", embeddings, {"items_sha256": dataset.items_sha256, "encoder": "tiny"})
    fingerprint = read_fingerprint(folder / "embeddings.npy", "")
    dataset.save_tokens(np.ones((5, 4), dtype=np.int64), tokenizer_sha256="abc", embeddings=fingerprint)
    return dataset


def test_arrays_are_memory_mapped_and_read_only(encoded):
    embeddings = encoded.embeddings({"encoder": "tiny"})
    assert isinstance(embeddings, np.memmap)
    assert embeddings.shape == (5, 8)
    assert not embeddings.flags.writeable
    tokens = encoded.tokens("abc")
    assert tokens.dtype == np.uint16
    assert tokens.shape == (5, 4)


def test_arrays_of_another_make_are_refused(encoded):
    with pytest.raises(DataError, match=r"encoder='tiny', but encoder='large' is needed: run `recgpt encode"):
        encoded.embeddings({"encoder": "large"})
    with pytest.raises(DataError, match=r"tokenizer_sha256='abc', but tokenizer_sha256='def'.*run `recgpt tokenize"):
        encoded.tokens("def")


def test_embeddings_of_other_items_are_refused(encoded):
    changed = ITEMS.with_columns(pl.col("title").replace("Dune", "Dune II"))
    changed.write_parquet(encoded.path / "items.parquet")
    with pytest.raises(DataError, match=r"items_sha256=.*run `recgpt encode"):
        Dataset.load(encoded.path).embeddings()


def test_tokens_of_other_embeddings_are_refused(encoded):
    embeddings = np.zeros((5, 8), dtype=np.float16)
    fingerprint = {"items_sha256": encoded.items_sha256, "encoder": "other"}
    save_array(encoded.path / "embeddings.npy", embeddings, fingerprint)
    with pytest.raises(DataError, match=r"embeddings_sha256=.*run `recgpt tokenize"):
        encoded.tokens()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_embeddings_with_nan_or_infinity(encoded, bad):
    embeddings = np.load(encoded.path / "embeddings.npy")
    embeddings[3, 2] = bad
    np.save(encoded.path / "embeddings.npy", embeddings)
    with pytest.raises(DataError, match=r"embeddings.npy holds NaN or infinity in row 3: run `recgpt encode"):
        encoded.embeddings()


@pytest.mark.parametrize("kept_bytes", [0, 40, 150])
def test_truncated_array(encoded, kept_bytes):
    path = encoded.path / "embeddings.npy"
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(DataError, match=r"embeddings.npy is truncated or no .npy file.*run `recgpt encode"):
        encoded.embeddings()


def test_missing_array_and_missing_fingerprint(encoded):
    (encoded.path / "embeddings.json").unlink()
    with pytest.raises(DataError, match=r"has no fingerprint embeddings.json beside it.*run `recgpt encode"):
        encoded.embeddings()
    (encoded.path / "embeddings.npy").unlink()
    with pytest.raises(DataError, match=r"embeddings.npy does not exist: run `recgpt encode"):
        encoded.embeddings()


@pytest.mark.parametrize("array", [np.zeros((4, 8), np.float16), np.zeros((5, 8), np.float32)])
def test_embeddings_of_the_wrong_shape_or_type(encoded, array):
    save_array(encoded.path / "embeddings.npy", array, {"items_sha256": encoded.items_sha256})
    with pytest.raises(DataError, match=r"float16 \(5, width\) is needed"):
        encoded.embeddings()


def test_an_array_swapped_behind_its_fingerprint(encoded):
    np.save(encoded.path / "embeddings.npy", np.zeros((5, 16), np.float16))
    with pytest.raises(DataError, match=r"float16 \(5, 16\), its fingerprint says float16 \(5, 8\)"):
        encoded.embeddings()


def test_objects_are_never_unpickled(encoded):
    np.save(encoded.path / "embeddings.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"embeddings.npy is truncated or no .npy file"):
        encoded.embeddings()


def test_arrays_of_a_data_set_in_memory(small):
    with pytest.raises(DataError, match=r"small was made in memory, so it has no embeddings.npy: save it"):
        small.embeddings()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item": np.array([0.5])}, "item of the interactions holds 0.5"),
        ({"item": [True]}, "item of the interactions holds True"),
        ({"user": np.array([np.nan])}, "user of the interactions holds nan"),
        ({"timestamp": np.array(["2021-03-04"], "datetime64[s]")}, "timestamp of the interactions holds"),
        (
            {"timestamp": np.array([1_614_834_367_000])},
            "timestamp of the interactions holds 1614834367000: Unix seconds",
        ),
        ({"rating": np.array([np.inf])}, "rating of the interactions holds infinity"),
        ({"rating": np.array([-np.inf])}, "rating of the interactions holds infinity"),
        ({"item": [0, 1]}, "different lengths"),
    ],
)
def test_interactions_of_wrong_values(columns, message):
    with pytest.raises(DataError, match=message):
        Interactions(**{"user": [0], "item": [0], **columns})


@pytest.mark.parametrize("rating", [float("inf"), -float("inf")])
def test_infinite_ratings_are_refused(rating):
    events = INTERACTIONS.with_columns(rating=pl.when(pl.col("rating") == 3).then(rating).otherwise("rating"))
    with pytest.raises(DataError, match=r"small: interactions: 'rating' is infinite in row 2"):
        Dataset.from_frames("small", events, ITEMS)


@pytest.mark.parametrize(
    "form",
    [
        pl.from_epoch("timestamp", "s"),
        pl.from_epoch("timestamp", "s").dt.cast_time_unit("ms").dt.replace_time_zone("UTC"),
        pl.from_epoch("timestamp", "s").dt.strftime("%FT%TZ"),
    ],
)
def test_times_of_other_types_are_the_same_seconds(form, tmp_path):
    events = INTERACTIONS.with_columns(timestamp=form)
    dataset = Dataset.from_frames("small", events, ITEMS)
    expected = Dataset.from_frames("small", INTERACTIONS, ITEMS).interactions.timestamp
    assert dataset.interactions.timestamp.tolist() == expected.tolist()
    events.write_parquet(tmp_path / "interactions.parquet")
    ITEMS.write_parquet(tmp_path / "items.parquet")
    assert Dataset.load(tmp_path).interactions.timestamp.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", [pl.UInt8, pl.Int16, pl.UInt64, pl.Categorical, pl.Enum(["a", "b", "c"])])
def test_ids_of_any_type_come_out_of_a_stored_data_set(kind, tmp_path):
    text = kind in (pl.Categorical, pl.Enum)
    ids = pl.Series("item_id", ["a", "c", "b"] if text else [5, 7, 3], dtype=kind)
    items = pl.DataFrame({"item_id": ids, "title": ["A", "C", "B"]})
    events = pl.DataFrame({"user_id": ids, "item_id": ids.reverse(), "position": [0, 0, 0]})
    Dataset.from_frames("any", events, items).save(tmp_path / "any")
    dataset = Dataset.load(tmp_path / "any")
    assert dataset.item_map.ids.to_list() == ids.to_list()
    assert dataset.user_map.ids.to_list() == sorted(ids.to_list())
    events = zip(
        *(
            dataset.user_map.to_outside(dataset.interactions.user),
            dataset.item_map.to_outside(dataset.interactions.item),
        ),
        strict=True,
    )
    assert sorted(events) == sorted(zip(ids.to_list(), ids.reverse().to_list(), strict=True))


def test_ids_above_the_signed_numbers(tmp_path):
    ids = pl.Series("item_id", [2**64 - 1, 2**63, 3], dtype=pl.UInt64)
    items = pl.DataFrame({"item_id": ids, "title": ["A", "C", "B"]})
    events = pl.DataFrame({"user_id": ids, "item_id": ids, "position": [0, 0, 0]})
    Dataset.from_frames("any", events, items).save(tmp_path / "any")
    dataset = Dataset.load(tmp_path / "any")
    assert dataset.item_map.ids.to_list() == [2**64 - 1, 2**63, 3]
    assert dataset.user_map.ids.to_list() == [3, 2**63, 2**64 - 1]
