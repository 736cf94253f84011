"""Pre-training on many catalogues: the dense head, the loss over a catalogue, and runs that resume."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.bulk.tokenize import tokenize_dataset
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.data.ragged import Ragged
from recgpt.errors import CheckpointError, DataError
from recgpt.evaluate.lineup import ranking_validation
from recgpt.features.co_visitation import decayed
from recgpt.features.text_similarity import cosines, unit_rows, whitened_unit_rows
from recgpt.generative import pool
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.dense import (
    DECAYS,
    START_FADING,
    START_NEAREST,
    START_SCALE,
    START_SHARPNESS,
    pools_of_prefixes,
)
from recgpt.generative.model import GenerativeModel
from recgpt.generative.pool import (
    Domain,
    PoolConfig,
    PoolObjective,
    batch_tensors,
    draw_candidates,
    draw_sequences,
    pretrain_pool,
)
from recgpt.generative.pretrain import PretrainConfig, pretrain
from recgpt.generative.tokenizer import FSQTokenizerConfig, rows_of_catalogues, train_tokenizer

N, E = 60, 32
RNG = np.random.default_rng(0)
HISTORIES = [[3, 7, 12], [5], [40, 41, 42, 43, 2], [9, 8], [59, 0, 30]]


def embeddings(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((N, E)).astype(np.float16)


@pytest.fixture(scope="module")
def tokenizer():
    config = FSQTokenizerConfig(embedding_dim=E, levels=[4, 4, 4], n_heads=2, n_layers=1, whitened=True)
    rows_NE = rows_of_catalogues([embeddings(1), embeddings(2)], config, most_items=40)
    assert rows_NE.shape == (80, E)
    return train_tokenizer(rows_NE, config, epochs=2, lr=1e-3)[0]


def model_of(tokenizer, seed: int = 0) -> GenerativeModel:
    torch.manual_seed(seed)
    sizes = {"max_items": 8, "d_model": 16, "n_layers": 1, "n_heads": 2, "dropout": 0.0, "dense_head": True}
    model = GenerativeModel(
        RecGPTConfig(codebook_size=tokenizer.config.codebook_size, embedding_dim=E, n_codes=4, **sizes)
    )
    model.set_tokenizer(tokenizer)
    return model.eval()


def moved(model: GenerativeModel) -> GenerativeModel:
    """The model with a head that does something."""
    torch.manual_seed(1)
    torch.nn.init.normal_(model.dense.query.weight, std=0.1)
    torch.nn.init.normal_(model.dense.item.weight, std=0.1)
    torch.nn.init.normal_(model.dense.gate_out.weight, std=0.3)
    return model


def pools_of(histories: Ragged, rows_NE: np.ndarray) -> np.ndarray:
    """(B, P, E) by the sparse weights of ranking."""
    return np.stack([unit_rows(decayed(histories, decay, 99, N) @ rows_NE) for decay in DECAYS], axis=1)


def soft_maxima_of(histories, rows_NE):
    """(B, N) log(sum of fading^age exp(sharpness x cosine)) / sharpness."""
    logits = [START_SHARPNESS * cosines(rows_NE[history], rows_NE) for history in histories]
    ages = [np.arange(len(history))[::-1, None] * np.log(START_FADING) for history in histories]
    return np.stack([np.logaddexp.reduce(a + b, axis=0) for a, b in zip(logits, ages, strict=True)]) / START_SHARPNESS


def test_an_untrained_head_ranks_by_the_mean_of_the_pools_and_the_soft_maximum(tokenizer):
    model = model_of(tokenizer)
    torch.nn.init.zeros_(model.head.weight)
    rows_NE = whitened_unit_rows(embeddings(3))
    expected_BN = cosines(unit_rows(pools_of(Ragged.from_lists(HISTORIES), rows_NE).mean(1)), rows_NE)
    expected_BN = START_SCALE * expected_BN + START_NEAREST * soft_maxima_of(HISTORIES, rows_NE)
    for row, history in enumerate(HISTORIES):
        expected_BN[row, history] = -np.inf
    ranking = model.index(embeddings(3)).recommend(HISTORIES, 10)
    np.testing.assert_array_equal(ranking.ids, np.argsort(-expected_BN, axis=1, kind="stable")[:, :10])


def test_scores_are_log_probabilities_whatever_the_batch_and_in_a_session(tokenizer):
    catalogue = moved(model_of(tokenizer)).index(embeddings(3))
    whole = catalogue.recommend(HISTORIES, N, exclude="nothing")
    np.testing.assert_allclose(np.exp(whole.scores.astype(float)).sum(1), 1, rtol=1e-4)
    single = catalogue.recommend(HISTORIES, N, exclude="nothing", batch_size=1)
    np.testing.assert_array_equal(single.ids, whole.ids)
    session = catalogue.session([history[:1] for history in HISTORIES[:1]])
    for item in HISTORIES[0][1:]:
        session.append([item])
    np.testing.assert_array_equal(session.recommend(10).ids[0], catalogue.recommend(HISTORIES[:1], 10).ids[0])


def test_an_explanation_has_the_score_and_rank_of_the_ranking(tokenizer):
    catalogue = moved(model_of(tokenizer)).index(embeddings(3))
    ranking = catalogue.recommend(HISTORIES[:1], 5)
    told = catalogue.explain(HISTORIES[0], int(ranking.ids[0, 2]))
    assert told.rank == 3
    assert told.log_probability == pytest.approx(float(ranking.scores[0, 2]), abs=1e-4)


def test_weights_stored_in_bfloat16_load_as_float32(tokenizer, tmp_path):
    model = moved(model_of(tokenizer))
    before = model.index(embeddings(3)).recommend(HISTORIES, 5).ids
    model.to(torch.bfloat16).save_pretrained(tmp_path / "model")
    loaded = GenerativeModel.from_pretrained(tmp_path / "model")
    assert loaded.dtype == torch.float32 and loaded.config.dense_head
    assert (loaded.index(embeddings(3)).recommend(HISTORIES, 5).ids == before).mean() > 0.8


def test_codes_on_disk_are_those_of_the_whitened_catalogue(tokenizer, tmp_path):
    dataset = catalogue_of(tmp_path / "shop", seed=3)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    stored = tokenize_dataset(dataset, tmp_path / "tokenizer", shard_size=25)
    np.testing.assert_array_equal(stored, model_of(tokenizer).index(embeddings(3)).codes_NK.numpy())
    with pytest.raises(DataError, match="is a tokenizer of whitened catalogues: train on them with"):
        pretrain(PretrainConfig(data=dataset.path, tokenizer=tmp_path / "tokenizer", out=tmp_path / "r"), None)


# --- the loss ---


def domain(tokenizer, seed: int = 3) -> Domain:
    rows_NE = tokenizer.catalogue_rows(embeddings(seed))
    sequences = Ragged.from_lists(sorted((RNG.permutation(N)[: RNG.integers(2, 12)] for _ in range(40)), key=len))
    no_counts_N = np.zeros(N, np.float32)
    return Domain("shop", sequences, rows_NE.astype(np.float16), tokenizer.encode(rows_NE), no_counts_N)


def test_the_loss_is_that_of_the_ranking(tokenizer):
    """Cross-entropy among all items, less the history, of the scores that `recommend` ranks by."""
    model, shop = moved(model_of(tokenizer)), domain(tokenizer)
    model.config.code_weight = 0.0
    config = PoolConfig(tokenizer="t", batch_size=4, max_items=8, candidates=N, code_positions=0, without_codes=0)
    batch = batch_tensors(shop, config, model.config.codebook_size, np.random.default_rng(0))
    loss = float(PoolObjective(model, 0.0)(**batch).detach())
    items_BS = draw_sequences(shop, 4, 8, np.random.default_rng(0))
    catalogue = model.index(embeddings(3))
    terms = []
    for row_S in items_BS:
        items = row_S[row_S >= 0].tolist()
        for stop in range(1, len(items)):
            ranking = catalogue.recommend([items[:stop]], N)
            scores = dict(zip(ranking.ids[0].tolist(), ranking.scores[0].tolist(), strict=True))
            scores.pop(-1, None)
            terms.append(np.logaddexp.reduce(list(scores.values())) - scores[items[stop]])
    assert loss == pytest.approx(np.mean(terms), abs=0.02)  # rows are float16 in training


def test_a_sample_of_candidates_stands_for_the_catalogue():
    items_BS = np.array([[5, 6, -1], [7, 5, 8]])
    drawn, log_weight = draw_candidates(items_BS, 100, 20, np.random.default_rng(0))
    assert drawn[:4].tolist() == [5, 6, 7, 8] and len(set(drawn.tolist())) == 20
    assert np.exp(log_weight) * 16 == pytest.approx(96)
    everything, log_weight = draw_candidates(items_BS, 15, 20, np.random.default_rng(0))
    assert sorted(everything.tolist()) == list(range(15)) and log_weight == 0


def test_histories_are_pooled_as_in_ranking(tokenizer):
    rows_NE = whitened_unit_rows(embeddings(3))
    made = pools_of_prefixes(torch.from_numpy(rows_NE[[3, 7, 12]])[None])[0]
    expected = pools_of(Ragged.from_lists([[3], [3, 7], [3, 7, 12]]), rows_NE)
    np.testing.assert_allclose(made.numpy(), expected, atol=1e-5)


def test_windows_of_long_sequences_and_small_data_sets(tokenizer):
    shop = domain(tokenizer)
    drawn = draw_sequences(shop, 64, 6, np.random.default_rng(1))
    assert drawn.shape == (40, 6) and (drawn >= -1).all()


# --- a run ---


def catalogue_of(path, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, 50)
    users = np.repeat(np.arange(50), lengths)
    items = np.concatenate([rng.permutation(N)[:length] for length in lengths])
    positions = np.concatenate([np.arange(length) for length in lengths])
    events = pl.DataFrame({"user_id": users, "item_id": items, "position": positions})
    titles = pl.DataFrame({"item_id": range(N), "title": [f"{path.name} {row}" for row in range(N)]})
    Dataset.from_frames(path.name, events, titles).save(path)
    dataset = Dataset.load(path)
    facts = {"items_sha256": dataset.items_sha256, "encoder": "all-MiniLM-L6-v2", "template": "fields", "dim": E}
    save_array(path / "embeddings.npy", embeddings(seed), facts)
    return Dataset.load(path)


@pytest.fixture
def run(tokenizer, tmp_path, fresh_accelerator, monkeypatch):
    monkeypatch.setattr(pool, "training_curve", lambda _, path: path.write_bytes(b"a picture"))
    folders = [catalogue_of(tmp_path / name, seed).path for seed, name in enumerate(("books", "films", "shop"))]
    tokenizer.save_pretrained(tmp_path / "tokenizer")

    def start(out: str, *, domains=folders[:2], valid=folders[2:], overwrite=False, **options):
        settings = {"encoder": "all-MiniLM-L6-v2", "epochs": 6, "batch_size": 8, "d_model": 16, "n_heads": 2}
        sizes = {"n_layers": 1, "max_items": 8, "evaluate_every": 2, "valid_users": 20, "candidates": 40}
        config = PoolConfig(out=tmp_path / out, tokenizer=tmp_path / "tokenizer", **{**settings, **sizes, **options})
        return pretrain_pool(config, domains, valid, ranking_validation, overwrite=overwrite)

    return start


def test_a_run_resumes_to_the_same_model(run, tmp_path, monkeypatch):
    whole = GenerativeModel.from_pretrained(run("whole"))
    assert whole.config.training["domains"] == ["books", "films"] and whole.config.training["watched"] == ["shop"]
    assert len(whole.config.training["trained_on"]) == 2 and whole.tokenizer.config.whitened
    tried = whole.config.training["validation NDCG@10"]
    best = max((name for name in tried if name.startswith("query")), key=lambda name: tried[name])
    assert len(tried) == 9 and best == f"query_weight {whole.config.query_weight:g}"
    curve = json.loads((tmp_path / "whole" / "curve.json").read_text())
    assert {"shop", "ndcg@10", "step"} == set(curve["evaluations"][0])

    steps = pool.PoolLoop._step

    def stops(self):
        if self.progress.step == 3:
            raise KeyboardInterrupt
        return steps(self)

    with monkeypatch.context() as patch:
        patch.setattr(pool.PoolLoop, "_step", stops)
        with pytest.raises(KeyboardInterrupt):
            run("torn")
    torn = GenerativeModel.from_pretrained(run("torn"))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(torn.state_dict()[name], value, rtol=0, atol=0)
    with pytest.raises(CheckpointError, match="lr"):
        run("torn", lr=0.5)


def test_wrong_data_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="books is named twice"):
        run("twice", valid=[tmp_path / "books"])
    with pytest.raises(DataError, match="none to validate on"):
        run("none", valid=[])
