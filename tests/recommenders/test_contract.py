"""What every recommender in the registry must keep; a new one adds a line to `MAKERS`."""

from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import NetworkConfig
from recgpt.generative.decoder import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig
from recgpt.recommenders import REGISTRY, load, make
from recgpt.recommenders.base import RecommenderBase, Supervision

N_ITEMS, N_USERS, WIDTH = 60, 40, 16


def tiny_recgpt() -> RecommenderBase:
    torch.manual_seed(0)
    tokenizer = FSQTokenizer(FSQTokenizerConfig(embedding_dim=WIDTH, levels=[5, 5], n_layers=1, n_heads=2))
    config = RecGPTConfig(
        codebook_size=25, embedding_dim=WIDTH, max_items=16, d_model=16, n_layers=1, n_heads=2, dropout=0.0
    )
    return make("recgpt_generative", model=GenerativeModel(config), tokenizer=tokenizer, embeddings=embeddings())


def tiny_foundation() -> FoundationModel:
    torch.manual_seed(0)
    network = NetworkConfig(history_items=6, d_model=8, n_heads=2, hidden=8)
    model = FoundationModel(FoundationConfig(network=network))
    torch.nn.init.normal_(model.network.item_out.weight)  # untrained, the network would only repeat the blend
    return model


def embeddings() -> np.ndarray:
    rows = np.random.default_rng(5).standard_normal((N_ITEMS, WIDTH))
    rows[11] = rows[10]  # the same text twice: a tie
    return rows.astype(np.float16)


MAKERS = {
    "recgpt_generative": tiny_recgpt,
    "recgpt_text": lambda: make("recgpt_text", model=tiny_foundation(), embeddings=embeddings()),
    "recgpt": lambda: make("recgpt", model=tiny_foundation(), embeddings=embeddings()),
    "recgpt_finetuned": lambda: make("recgpt_finetuned", model=tiny_foundation(), embeddings=embeddings(), steps=16),
    "random": lambda: make("random"),
    "copy_last": lambda: make("copy_last"),
    "popularity": lambda: make("popularity"),
    "popularity_recent": lambda: make("popularity_recent"),
    "text_knn": lambda: make("text_knn", embeddings=embeddings()),
    "text_knn_white": lambda: make("text_knn_white", embeddings=embeddings()),
    "item_knn": lambda: make("item_knn"),
    "hybrid_knn": lambda: make("hybrid_knn", embeddings=embeddings()),
    "mf": lambda: make("mf", factors=8),
    "mult_vae": lambda: make("mult_vae", hidden=16, latent=8),
    "lightgcn": lambda: make("lightgcn", factors=8),
    "sasrec": lambda: make("sasrec", d_model=8, n_layers=1, max_items=10, epochs=2),
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    items = pl.DataFrame({"item_id": np.arange(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    users = np.repeat(np.arange(N_USERS), 8)
    events = pl.DataFrame(
        {
            "user_id": users,
            "item_id": np.minimum(rng.geometric(0.08, len(users)), N_ITEMS) - 1,
            "position": np.tile(np.arange(8), N_USERS),
            "timestamp": np.sort(rng.integers(0, 1000, (N_USERS, 8)), axis=1).ravel(),
        }
    )
    return Dataset.from_frames("toy", events, items)


@pytest.fixture(scope="module", params=sorted(REGISTRY))
def recommender(request, dataset) -> RecommenderBase:
    return MAKERS[request.param]().fit(dataset)


def histories(n: int, seed: int = 1) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, N_ITEMS, rng.integers(1, 30)).tolist() for _ in range(n)]


def test_every_registered_recommender_is_held_to_the_contract():
    assert set(MAKERS) == set(REGISTRY)
    for name, maker in MAKERS.items():
        assert isinstance(maker(), RecommenderBase)
        assert maker().name == name
        assert maker().supervision in get_args(Supervision)


def test_unknown_name_lists_the_known():
    with pytest.raises(DataError, match=r"'popularty'.*popularity"):
        make("popularty")


@pytest.mark.parametrize("exclude", ["history", "nothing"])
def test_shapes_order_and_padding(recommender, exclude):
    asked = histories(9)
    ranking = recommender.rank(asked, 12, exclude=exclude)
    assert ranking.ids.shape == ranking.scores.shape == (9, 12)
    assert ranking.ids.dtype == np.int64
    assert ranking.scores.dtype == np.float32
    for ids, scores in zip(ranking.ids, ranking.scores, strict=True):
        n = int((ids >= 0).sum())
        assert (ids[:n] >= 0).all()
        assert (ids[n:] == -1).all()
        assert np.isneginf(scores[n:]).all()
        assert np.isfinite(scores[:n]).all()
        assert (np.diff(scores[:n]) <= 0).all()
        assert len(set(ids[:n])) == n
        assert (ids < N_ITEMS).all()


def test_history_is_excluded_unless_asked_for(recommender):
    asked = histories(9)
    for history, ids in zip(asked, recommender.rank(asked, N_ITEMS).ids, strict=True):
        assert not set(history) & set(ids)
    everything = recommender.rank(asked, N_ITEMS, exclude="nothing").ids
    assert all(set(history) <= set(ids) for history, ids in zip(asked, everything, strict=True))


@pytest.mark.parametrize("exclude", ["history", "nothing"])
def test_candidates_restrict_without_reordering(recommender, exclude):
    asked = histories(6)
    candidates = np.array([50, 3, 3, 17, 28, 4, 40])  # any order, a double counts once
    full = recommender.rank(asked, N_ITEMS, exclude=exclude).ids
    restricted = recommender.rank(asked, 8, exclude=exclude, candidates=candidates).ids
    for all_ids, ids in zip(full, restricted, strict=True):
        expected = [i for i in all_ids if i in candidates]
        assert ids.tolist() == expected + [-1] * (8 - len(expected))


def test_no_candidates_leaves_nothing(recommender):
    ranking = recommender.rank(histories(2), 3, candidates=np.empty(0, dtype=np.int64))
    assert (ranking.ids == -1).all()


def test_ranking_does_not_depend_on_the_batch(recommender):
    asked = histories(65)
    together = recommender.rank(asked, 10, exclude="nothing")
    backwards = recommender.rank(asked[::-1], 10, exclude="nothing")
    np.testing.assert_array_equal(backwards.ids[::-1], together.ids)
    for i in range(0, 65, 8):
        alone = recommender.rank([asked[i]], 10, exclude="nothing")
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_allclose(alone.scores[0], together.scores[i], rtol=0, atol=1e-5)


def test_deterministic_over_fits(recommender, dataset):
    again = MAKERS[recommender.name]().fit(dataset)
    first, second = recommender.rank(histories(5), 10), again.rank(histories(5), 10)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_ragged_histories_equal_lists(recommender):
    asked = histories(7)
    from_lists, from_ragged = recommender.rank(asked, 5), recommender.rank(Ragged.from_lists(asked), 5)
    np.testing.assert_array_equal(from_lists.ids, from_ragged.ids)


def test_k_may_be_the_whole_catalogue_but_not_more(recommender):
    asked = histories(3)
    for history, ids in zip(asked, recommender.rank(asked, N_ITEMS).ids, strict=True):
        assert (ids >= 0).sum() in (0, N_ITEMS - len(set(history)))
    for k in (0, N_ITEMS + 1):
        with pytest.raises(DataError, match=f"k={k} .*between 1 and {N_ITEMS}"):
            recommender.rank(asked, k)


def test_unknown_ids_are_named_with_their_case(recommender):
    for bad in (N_ITEMS, -1):
        with pytest.raises(DataError, match=f"history 1 holds the item id {bad}"):
            recommender.rank([[1, 2], [3, bad], [4]], 5)
    with pytest.raises(DataError, match=rf"candidates\[1\] is the item id {N_ITEMS}"):
        recommender.rank([[1]], 5, candidates=np.array([0, N_ITEMS]))


def test_an_empty_history_gets_what_is_popular_from_all_that_know_it(recommender, dataset):
    ranking = recommender.rank([[5, 6], [], [7]], 4)
    if recommender.name == "random":
        assert (ranking.ids[1] >= 0).all()
    elif recommender.supervision == "zero-shot":
        assert (ranking.ids[1] == -1).all()
        assert np.isneginf(ranking.scores[1]).all()
    elif recommender.name != "popularity_recent":
        assert ranking.ids[1].tolist() == make("popularity").fit(dataset).rank([[]], 4).ids[0].tolist()
    np.testing.assert_array_equal(ranking.ids[[0, 2]], recommender.rank([[5, 6], [7]], 4).ids)
    assert recommender.rank([], 4).ids.shape == (0, 4)
    assert recommender.rank([[]], 4).ids.shape == (1, 4)
    only = recommender.rank([[]], 4, candidates=np.array([7, 3])).ids[0]
    assert set(only.tolist()) <= {3, 7, -1}


def test_saved_and_loaded_ranks_and_observes_the_same(recommender, dataset, tmp_path):
    fitted = MAKERS[recommender.name]().fit(dataset)
    fitted.save(tmp_path / "kept")
    loaded = load(tmp_path / "kept")
    assert (loaded.name, loaded.supervision) == (fitted.name, fitted.supervision)
    rng = np.random.default_rng(4)
    events = Interactions(rng.integers(0, N_USERS + 3, 60), rng.integers(0, N_ITEMS, 60), rng.integers(900, 1200, 60))
    for _ in range(2):
        first, second = fitted.rank([*histories(6), []], 10), loaded.rank([*histories(6), []], 10)
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.scores, second.scores)
        fitted.observe(events)
        loaded.observe(events)


def test_a_damaged_or_foreign_folder_is_refused(recommender, tmp_path):
    recommender.save(tmp_path / "kept")
    state = tmp_path / "kept" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(DataError, match="missing, cut short or changed"):
        load(tmp_path / "kept")
    other = "popularity" if recommender.name != "popularity" else "random"
    with pytest.raises(DataError, match=f"holds the recommender '{recommender.name}', not '{other}'"):
        REGISTRY[other].load(tmp_path / "kept")
    with pytest.raises(DataError, match="is not a stored recommender"):
        load(tmp_path)


def test_unknown_exclude_is_an_error(recommender):
    with pytest.raises(DataError, match="'everything'"):
        recommender.rank([[1]], 3, exclude="everything")


APPEND = {"popularity", "popularity_recent", "item_knn", "hybrid_knn", "recgpt", "recgpt_finetuned"}


def test_what_is_observed_is_appended_or_ignored(recommender, dataset):
    watcher = MAKERS[recommender.name]().fit(dataset)
    events = Interactions(np.zeros(500, dtype=np.int32), np.tile(np.array([59, 3], dtype=np.int32), 250))
    watcher.observe(events)
    asked = [[3]]
    before, after = (r.rank(asked, 10) for r in (recommender, watcher))
    if recommender.name in APPEND:
        assert after.ids[0, 0] == 59
    else:
        np.testing.assert_array_equal(before.ids, after.ids)


def test_observing_in_two_calls_equals_observing_at_once(recommender, dataset):
    rng = np.random.default_rng(3)
    user, item = rng.integers(0, N_USERS + 2, 80), rng.integers(0, N_ITEMS, 80)
    at_once, in_two = MAKERS[recommender.name]().fit(dataset), MAKERS[recommender.name]().fit(dataset)
    at_once.observe(Interactions(user, item))
    in_two.observe(Interactions(user[:30], item[:30]))
    in_two.observe(Interactions(user[30:], item[30:]))
    first, second = at_once.rank(histories(5), 10), in_two.rank(histories(5), 10)
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("name", sorted(APPEND))
def test_unknown_items_are_not_observed(name, dataset):
    recommender = MAKERS[name]().fit(dataset)
    with pytest.raises(DataError, match=rf"event 0 is on the item id {N_ITEMS}"):
        recommender.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([N_ITEMS], dtype=np.int32)))
