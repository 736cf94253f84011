"""The reader of the published pickles."""

import json
import pickle

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.readers import published
from recgpt.errors import DataError, UntrustedFileError


@pytest.fixture
def published_folder(tmp_path):
    def put(name, content):
        (tmp_path / name).write_bytes(pickle.dumps(content))

    fields = {"main_category": "Books", "title": "Dune", "description": ["Sand."], "categories": ["SF", "Epic"]}
    put("train.pkl", {0: [0, 1, 2, 1], 2: [2, 2]})
    put("test.pkl", {1: [1, 0]})
    put("cold_test.pkl", {0: [0, 1]})
    put("item_text_dict.pkl", {0: {**fields, "details": '{"Pages": 412}'}, 1: {"app_name": "Kitty", "tags": ["cats"]}})
    put("token_id_list.pkl", [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 15359]])
    np.save(tmp_path / "item_text_embeddings.npy", np.eye(3, 8))
    return tmp_path


def test_published_files(published_folder, tmp_path):
    out = tmp_path / "out"
    published.read(published_folder, out)
    dataset = Dataset.load(out)
    assert [s.tolist() for s in dataset.sequences] == [[0, 1, 2, 1], [1, 0], [2, 2]]
    assert dataset.items["title"].to_list() == ["Dune", "Kitty", ""]
    assert json.loads(dataset.items["details"][1]) == {"tags": ["cats"]}
    assert next(dataset.iter_texts(0, 1, "published")) == (
        "'main_category': 'Books', 'title': 'Dune', 'description': 'Sand.', 'categories': 'SF, Epic', "
        "'details': '\"Pages\": 412'"
    )
    with pytest.raises(DataError, match="items without any text: 2"):
        dataset.texts()
    embeddings = dataset.embeddings({"encoder": "all-mpnet-base-v2", "template": "published"})
    assert embeddings.dtype == np.float16
    np.testing.assert_array_equal(embeddings, np.eye(3, 8))
    assert dataset.tokens()[2].tolist() == [9, 10, 11, 15359]
    with pytest.raises(DataError, match=r"tokenizer_sha256='published token_id_list.pkl'.*recgpt tokenize"):
        dataset.tokens("ours")


def test_published_sequences_can_be_chosen(published_folder, tmp_path):
    published.read(published_folder, tmp_path / "cold", sequences="cold_test")
    assert [s.tolist() for s in Dataset.load(tmp_path / "cold").sequences] == [[0, 1]]
    (published_folder / "test.pkl").write_bytes(pickle.dumps({0: [1]}))
    with pytest.raises(DataError, match=r"user 0 is in .*test.pkl and in train.pkl: import one of the two"):
        published.read(published_folder, tmp_path / "out")
    (published_folder / "train.pkl").write_bytes(pickle.dumps({0: [99]}))
    with pytest.raises(DataError, match=r"item 99 is beyond the 3 rows of .*item_text_embeddings.npy"):
        published.read(published_folder, tmp_path / "out", sequences="train")
    (published_folder / "train.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match=r"train.pkl holds a list, a dict is needed"):
        published.read(published_folder, tmp_path / "out", sequences="train")
    with pytest.raises(DataError, match=r"has none of valid.pkl"):
        published.read(published_folder, tmp_path / "out", sequences="valid")


class Hostile:
    def __reduce__(self):
        return print, ("run",)


def test_hostile_pickle_is_refused(published_folder, tmp_path, capsys):
    (published_folder / "train.pkl").write_bytes(pickle.dumps({0: Hostile()}))
    with pytest.raises(UntrustedFileError):
        published.read(published_folder, tmp_path / "out")
    assert "run" not in capsys.readouterr().out
