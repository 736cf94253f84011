"""Who meets in a table."""

import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out, zero_shot
from recgpt.errors import DataError
from recgpt.evaluate.lineup import names_for, recommenders_for
from recgpt.generative.model import GenerativeModel
from recgpt.recommenders import REGISTRY


@pytest.fixture
def dataset(tiny) -> Dataset:
    return Dataset.load(tiny.data, repeats="drop")


def test_the_strong_baselines_are_in_every_table(dataset):
    assert names_for(leave_one_out(dataset), ["random", "text_knn"]) == [
        *("copy_last", "popularity", "text_knn", "item_knn", "hybrid_knn", "random")
    ]


def test_recgpt_needs_a_model(dataset, tiny):
    with pytest.raises(DataError, match=r"recgpt.*--model"):
        names_for(leave_one_out(dataset), ["recgpt_generative"])
    assert (
        names_for(leave_one_out(dataset), model=GenerativeModel.from_pretrained(tiny.model))[-1] == "recgpt_generative"
    )


def test_a_name_nobody_has_is_refused(dataset):
    with pytest.raises(DataError, match=r"'item_nkn'.*item_knn"):
        names_for(leave_one_out(dataset), ["item_nkn"])


def test_without_a_past_only_those_that_read_texts_join(dataset, tiny):
    model = GenerativeModel.from_pretrained(tiny.model)
    model.config.training = {}
    assert names_for(zero_shot(dataset), model=model) == ["copy_last", "text_knn", "recgpt_generative"]
    with pytest.raises(DataError, match="zero_shot has no past interactions, and item_knn needs them"):
        names_for(zero_shot(dataset), ["item_knn"])


def test_a_model_that_was_trained_on_the_catalogue_is_not_zero_shot(dataset, tiny):
    model = GenerativeModel.from_pretrained(tiny.model)
    model.config.training = {"catalogues": [dataset.items_sha256]}
    with pytest.raises(DataError, match=r"was trained on the catalogue of .*: evaluate another model"):
        names_for(zero_shot(dataset), model=model)
    (recommender,) = recommenders_for(["recgpt_generative"], embeddings_NE=dataset.embeddings(), model=model)
    assert recommender.supervision == "zero-shot"
    assert recommender.fit(dataset).supervision == "trained"


def test_seeds_go_to_those_that_draw(dataset):
    assert REGISTRY["random"].is_seeded
    assert not REGISTRY["popularity"].is_seeded
    first, second = (recommenders_for(["random"], embeddings_NE=dataset.embeddings(), seed=s)[0] for s in (1, 2))
    assert first.fit(dataset).rank([[0]], 3).ids.tolist() != second.fit(dataset).rank([[0]], 3).ids.tolist()
