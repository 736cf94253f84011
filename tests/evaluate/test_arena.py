"""Who meets in a table."""

import pytest

from recgpt.data.dataset import Dataset
from recgpt.errors import DataError
from recgpt.evaluate.arena import recommenders_for


def test_recgpt_without_a_model_is_refused_before_anything_is_encoded(monkeypatch, tiny):
    monkeypatch.setattr("recgpt.evaluate.arena.embeddings_for", lambda *_: pytest.fail("encoded for nothing"))
    with pytest.raises(DataError, match=r"recgpt.*--model"):
        recommenders_for(Dataset.load(tiny.data), ["recgpt"])


def test_a_name_nobody_has_is_refused_before_anything_is_encoded(monkeypatch, tiny):
    monkeypatch.setattr("recgpt.evaluate.arena.embeddings_for", lambda *_: pytest.fail("encoded for nothing"))
    with pytest.raises(DataError, match=r"'item_nkn'.*item_knn"):
        recommenders_for(Dataset.load(tiny.data), ["item_nkn"])
