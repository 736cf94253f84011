"""What every recommender in the registry must keep; a new one adds a line to `MAKERS`."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from recgpt.data.dataset import Dataset, Interactions
from recgpt.errors import DataError
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import NetworkConfig
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig
from recgpt.recommenders import ALIASES, FROM_MODEL, REGISTRY, load, make
from recgpt.recommenders.base import RecommenderBase, option_names
from recgpt.testing import check_recommender, made_up_dataset

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
    "recgpt_now": lambda: make("recgpt_now", model=tiny_foundation(), embeddings=embeddings()),
    "recgpt_finetuned": lambda: make("recgpt_finetuned", model=tiny_foundation(), embeddings=embeddings(), steps=16),
    "random": lambda: make("random"),
    "copy_last": lambda: make("copy_last"),
    "popularity": lambda: make("popularity"),
    "popularity_recent": lambda: make("popularity_recent"),
    "text_knn": lambda: make("text_knn", embeddings=embeddings()),
    "text_knn_white": lambda: make("text_knn_white", embeddings=embeddings()),
    "item_knn": lambda: make("item_knn"),
    "tgh": lambda: make("tgh", embeddings=embeddings()),
    "hybrid_knn": lambda: make("hybrid_knn", embeddings=embeddings()),
    "mf": lambda: make("mf", factors=8),
    "mult_vae": lambda: make("mult_vae", hidden=16, latent=8),
    "lightgcn": lambda: make("lightgcn", factors=8),
    "sasrec": lambda: make("sasrec", d_model=8, n_layers=1, max_items=10, epochs=2),
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return made_up_dataset(N_ITEMS, N_USERS)


def made(name: str) -> RecommenderBase:
    """Make a recommender by name, small; skip where its library is not installed."""
    if name == "mf":
        pytest.importorskip("implicit", reason="needs the extra `baselines`")
    return MAKERS[name]()


@pytest.fixture(scope="module", params=sorted(REGISTRY))
def recommender(request, dataset) -> RecommenderBase:
    return made(request.param).fit(dataset)


def histories(n: int, seed: int = 1) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, N_ITEMS, rng.integers(1, 30)).tolist() for _ in range(n)]


def test_registry_and_makers_have_the_same_names():
    assert set(MAKERS) == set(REGISTRY)


def test_facts_that_are_known_before_a_class_is_imported_are_those_of_the_classes():
    assert set(FROM_MODEL) == {name for name, each in REGISTRY.items() if each.model_kind is not None}
    assert {(old, name) for name, each in REGISTRY.items() for old in each.earlier_names} == set(ALIASES.items())


def test_names_and_libraries_are_checked_without_importing_a_class():
    code = """
import sys
from recgpt.errors import DataError
from recgpt.recommenders import check_names
check_names(["sasrec", "recgpt_tokens"])
sys.modules["implicit"] = None
for name, part in (("mf", "pip install 'recgpt[baselines]'"), ("popularty", "choose among")):
    try:
        check_names([name])
    except DataError as error:
        assert part in str(error), error
    else:
        raise AssertionError(name)
assert not {"torch", "polars", "numpy"} & set(sys.modules)
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_registered_recommender_keeps_the_contract(name, dataset):
    assert made(name).name == name
    check_recommender(lambda: made(name), dataset)


def test_make_unknown_name_lists_the_known():
    with pytest.raises(DataError, match=r"'popularty'.*popularity"):
        make("popularty")


def test_make_unknown_option_lists_the_known():
    with pytest.raises(DataError, match="popularity has no option 'foo': it has none"):
        make("popularity", foo=1)
    with pytest.raises(DataError, match=r"lightgcn has no option 'factor': choose among factors, seed"):
        make("lightgcn", factor=8)


def test_make_generative_without_a_model_says_what_it_needs():
    with pytest.raises(DataError, match="needs a generative model"):
        make("recgpt_generative")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_declared_needs_are_options_of_the_constructor(name):
    needs, options = REGISTRY[name], option_names(REGISTRY[name])
    assert needs.needs_embeddings == ("embeddings" in options)
    assert needs.is_seeded == ("seed" in options)
    assert (needs.model_kind is not None) == ("model" in options)


def test_earlier_name_and_supervision_in_a_stored_folder_are_read(dataset, tmp_path):
    fitted = made("recgpt_generative").fit(dataset)
    fitted.save(tmp_path)
    about = json.loads((tmp_path / "recommender.json").read_text())
    about["recommender"], about["options"] = "recgpt_tokens", {"knows": "text"}
    (tmp_path / "recommender.json").write_text(json.dumps(about))
    loaded = load(tmp_path)
    assert (loaded.name, loaded.supervision) == ("recgpt_generative", "zero-shot")
    np.testing.assert_array_equal(loaded.rank(histories(5), 10).ids, fitted.rank(histories(5), 10).ids)


def test_empty_history_is_ranked_by_popularity_where_interactions_are_read(recommender, dataset):
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
    fitted = made(recommender.name).fit(dataset)
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


APPEND = {
    "popularity",
    "popularity_recent",
    "item_knn",
    "tgh",
    "hybrid_knn",
    "recgpt",
    "recgpt_now",
    "recgpt_finetuned",
}


def test_what_is_observed_is_appended_or_ignored(recommender, dataset):
    watcher = made(recommender.name).fit(dataset)
    events = Interactions(np.zeros(500, dtype=np.int32), np.tile(np.array([59, 3], dtype=np.int32), 250))
    watcher.observe(events)
    asked = [[3]]
    before, after = (r.rank(asked, 10) for r in (recommender, watcher))
    if recommender.name in APPEND:
        places = 7 if recommender.name == "tgh" else 1  # tgh orders the items that came next by text as well
        assert 59 in after.ids[0, :places]
    else:
        np.testing.assert_array_equal(before.ids, after.ids)
