"""The model that comes with the project: whole, small, honest about what it learned from, and as good as it was."""

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.encode import embeddings_for
from recgpt.evaluate.metrics import ndcg_at, target_ranks
from recgpt.foundation.model import SHIPPED, shipped
from recgpt.generative.tokenizer import FSQTokenizer

GOLDEN_OFFICE_NDCG = 0.1277
"""NDCG@10 of 1,000 users of amazon_office, past = train+valid, new items."""


def test_it_is_small_and_has_a_card():
    files = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert {"config.json", "model.safetensors", "README.md"} <= set(files)
    assert sum(files.values()) < 40 * 2**20


def test_training_data_is_within_the_pool_and_holds_no_test_set(shared):
    learned = set(shipped().config.training["catalogues"])
    assert learned
    tests = [Dataset.load(path) for path in sorted((shared / "data" / "test").iterdir())]
    assert len(tests) >= 8
    assert not learned & {dataset.items_sha256 for dataset in tests}
    pool = {Dataset.load(path).items_sha256 for path in sorted((shared / "data" / "pretrain").iterdir())}
    assert learned <= pool, "the pool may grow after a model was trained, but what it learned from stays in it"


def test_text_and_past_both_speak():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((80, 16)).astype(np.float32)
    rows[41] = rows[40] + 0.05 * rng.standard_normal(16)
    catalogue = shipped_for(16).index(rows)
    assert catalogue.recommend([[40]], 1).ids[0, 0] == 41, "the nearest text first, where nothing else is known"
    sequences = [[20, 21, int(item)] for item in rng.integers(0, 80, 60)]
    users = np.repeat(np.arange(60), 3)
    past = pl.DataFrame({"user_id": users, "item_id": np.concatenate(sequences)})
    assert shipped_for(16).index(rows, interactions=past).recommend([[20]], 1).ids[0, 0] == 21, "what follows it"


def shipped_for(width: int):
    """The shipped model, told that its encoder is `width` wide: it reads relations only."""
    model = shipped()
    model.config.text_encoder["dim"] = width
    return model


@pytest.mark.slow
def test_it_ranks_as_well_as_when_it_was_shipped(shared):
    dataset = Dataset.load(shared / "data" / "test" / "amazon_office", repeats="drop")
    split = leave_one_out(dataset, max_users=1_000)
    model = shipped()
    embeddings = embeddings_for(dataset, model.config.text_encoder["encoder"])
    catalogue = model.index(dataset.texts(model.template), interactions=split.known.interactions, embeddings=embeddings)
    new = np.flatnonzero(~split.histories.contains(split.targets))
    ids = catalogue.recommend(split.histories[new], 10).ids
    ndcg = ndcg_at(target_ranks(ids, split.targets[new]), 10).mean()
    assert ndcg == pytest.approx(GOLDEN_OFFICE_NDCG, abs=0.002)


def test_the_tokenizer_that_comes_with_it_reads_its_texts():
    folder = SHIPPED.parent.parent / "vae_ckpt" / "minilm"
    tokenizer = FSQTokenizer.from_pretrained(folder)
    assert tokenizer.config.embedding_dim == shipped().config.text_encoder["dim"]
    embeddings = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    codes = tokenizer.encode(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), progress=False)
    assert codes.shape == (50, 4)
    assert (folder / "README.md").is_file()
