"""The generative model that comes with the project: small, with a card, and as good as when it was shipped."""

import numpy as np
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.encode import embeddings_for
from recgpt.evaluate.metrics import ndcg_at, target_ranks
from recgpt.hub import SHIPPED_GENERATIVE, shipped_folder
from recgpt.models import load_model

FOLDER = shipped_folder(SHIPPED_GENERATIVE)
GOLDEN_OFFICE_NDCG = 0.0709
"""NDCG@10 of 1,000 users of amazon_office, new items."""


def test_it_is_small_and_has_a_card_and_its_tokenizer():
    files = {path.relative_to(FOLDER).as_posix(): path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert {"config.json", "model.safetensors", "README.md", "tokenizer/config.json"} <= set(files)
    assert sum(files.values()) < 40 * 2**20
    card = (FOLDER / "README.md").read_text()
    assert "Licence" in card or "licence" in card
    model = load_model(SHIPPED_GENERATIVE)
    assert model.kind == "generative" and model.config.dense_head and model.tokenizer.config.whitened


def test_training_data_is_within_the_pool_and_holds_no_test_set(shared):
    record = load_model(SHIPPED_GENERATIVE).training_record
    learned = set(record["catalogues"])
    pool = {Dataset.load(path).items_sha256 for path in sorted((shared / "data" / "pretrain").iterdir())}
    assert learned and learned <= pool
    tests = {path.name for path in (shared / "data" / "test").iterdir()}
    assert not tests & {*record["domains"], *record["watched"]}


@pytest.mark.slow
def test_it_ranks_as_well_as_when_it_was_shipped(shared):
    dataset = Dataset.load(shared / "data" / "test" / "amazon_office", repeats="drop")
    split = leave_one_out(dataset, max_users=1_000)
    model = load_model(SHIPPED_GENERATIVE)
    catalogue = model.index(embeddings_for(dataset, model.text_encoder["encoder"]))
    new = np.flatnonzero(~split.histories.contains(split.targets))
    ids = catalogue.recommend(split.histories[new], 10).ids
    assert ndcg_at(target_ranks(ids, split.targets[new]), 10).mean() == pytest.approx(GOLDEN_OFFICE_NDCG, abs=0.002)
