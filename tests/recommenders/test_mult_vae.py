"""Mult-VAE: forward pass and loss by hand, two tastes told apart, the same in every batch."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from torch.distributions import Multinomial, Normal, kl_divergence

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.recommenders.mult_vae import MultVAE, Network, negative_elbo, ranking_weights, unit_length, weighted

N_ITEMS = 30
HISTORIES = [[0, 3, 7], [16, 20, 16, 2], [29], list(range(14, -1, -1))]


@pytest.fixture(scope="module")
def tastes() -> Dataset:
    """Sixty users of two tastes: even users take items below 15, odd users those above; item 0 is the most popular."""
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(15)[:8] + 15 * (user % 2) for user in range(60)])
    items[::2, 0] = 0
    users = np.repeat(np.arange(60), 8)
    events = pl.DataFrame({"user_id": users, "item_id": items.ravel(), "position": np.tile(np.arange(8), 60)})
    return Dataset.from_frames("tastes", events, pl.DataFrame({"item_id": range(N_ITEMS), "title": ["x"] * N_ITEMS}))


@pytest.fixture(scope="module")
def fitted(tastes) -> MultVAE:
    return MultVAE(hidden=32, latent=8).fit(tastes)


@pytest.fixture
def network() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(n_items=4, hidden=3, latent=2)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
    return network.eval()


def taken(rows: list[list[float]]) -> sparse.csr_array:
    return sparse.csr_array(np.array(rows, dtype=np.float64))


def by_hand(network: Network, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights = {name: weight.numpy().astype(np.float64) for name, weight in network.state_dict().items()}

    def layer(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    unit = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    hidden = np.tanh(unit @ weights["encoder.weight"] + weights["encoder_bias"])
    mean = layer("mean", hidden)
    return layer("output", np.tanh(layer("decoder", mean))), mean, layer("log_variance", hidden)


def test_forward_pass_by_hand(network):
    rows = [[1, 0, 2, 0], [0, 1, 0, 0], [1, 1, 1, 1]]
    with torch.no_grad():
        for actual, expected in zip(network(taken(rows)), by_hand(network, np.array(rows)), strict=True):
            np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_training_drops_inputs_and_samples_codes(network):
    row = taken([[1, 1, 1, 1]])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network.train()
        (first, first_mean, _), (second, second_mean, _) = network(row), network(row)
        network.encoder.weight.zero_()  # no input reaches the mean: only the code differs
        (third, third_mean, _), (fourth, fourth_mean, _) = network(row), network(row)
    assert (first != second).any() and (first_mean != second_mean).any()
    assert (third != fourth).any()
    torch.testing.assert_close(third_mean, fourth_mean, rtol=0, atol=0)


def test_loss_is_the_multinomial_s_and_the_divergence_from_the_prior(network):
    counts = torch.tensor([[1.0, 0, 2, 0], [0, 1, 0, 0]])
    rng = torch.Generator().manual_seed(3)
    logits, mean, log_variance = (torch.randn(2, width, generator=rng) for width in (4, 2, 2))
    loss = negative_elbo(taken(counts.tolist()), logits, mean, log_variance, beta=0.3)
    expected = 0.0
    for row in range(2):
        likelihood = Multinomial(int(counts[row].sum()), logits=logits[row]).log_prob(counts[row])
        arrangements = np.log([3, 1][row])  # in how many orders the items can come; no weight bears on it
        divergence = kl_divergence(Normal(mean[row], torch.exp(log_variance[row] / 2)), Normal(0, 1)).sum()
        expected += (arrangements - likelihood + 0.3 * divergence) / 2
    torch.testing.assert_close(loss, torch.as_tensor(expected, dtype=torch.float32))


def test_ranking_decodes_the_mean_for_recent_items_first(network):
    recommender = MultVAE(hidden=3, latent=2)
    recommender._n_items, recommender._count_N = 4, np.zeros(4, dtype=np.int64)
    recommender._set_weights(ranking_weights(network))
    histories = [[0, 1], [1, 0], [2, 3, 2], [3]]
    rows = [[0.7, 1, 0, 0], [1, 0.7, 0, 0], [0, 0, 1 + 0.7**2, 0.7], [0, 0, 0, 1]]
    logits, _, _ = by_hand(network, np.array(rows))
    ranking = recommender.rank(histories, 4, exclude="nothing")
    np.testing.assert_array_equal(ranking.ids, np.argsort(-logits, axis=1))
    np.testing.assert_allclose(ranking.scores, -np.sort(-logits, axis=1), rtol=1e-5, atol=1e-5)


@given(
    st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=50), min_size=1, max_size=5),
    st.floats(0.1, 1.0),
)
def test_inputs_are_decayed_sums_of_unit_length(histories, decay):
    expected = np.zeros((len(histories), N_ITEMS))
    for row, history in enumerate(histories):
        for age, item in enumerate(reversed(history)):
            expected[row, item] += decay**age
    rows = weighted(Ragged.from_lists(histories), decay, N_ITEMS)
    np.testing.assert_allclose(rows.toarray(), expected)
    np.testing.assert_allclose(np.linalg.norm(unit_length(rows).toarray(), axis=1), 1)


def test_two_tastes_are_told_apart_also_for_users_never_met(fitted):
    """By their probability: which items are the first ten depends on rounding where so few batches are trained."""
    ranking = fitted.rank([[0, 3, 7], [16, 20], [29]], N_ITEMS, exclude="nothing")
    scores_BN = np.take_along_axis(ranking.scores, np.argsort(ranking.ids, axis=1), axis=1).astype(np.float64)
    chances_BN = np.exp(scores_BN - np.logaddexp.reduce(scores_BN, axis=1, keepdims=True))
    low, high, single = chances_BN[:, :15].sum(axis=1)
    assert low > 2 / 3 and high < 1 / 3 and single < 1 / 2, "popularity alone gives the lower items a half"


def test_a_seed_gives_one_model_and_leaves_other_random_numbers_alone(fitted, tastes):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again, other = (MultVAE(hidden=32, latent=8, seed=seed).fit(tastes) for seed in (0, 1))
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    np.testing.assert_array_equal(again.rank(HISTORIES, 9).scores, fitted.rank(HISTORIES, 9).scores)
    assert (other.rank(HISTORIES, 9).scores != fitted.rank(HISTORIES, 9).scores).any()


def test_scores_are_the_same_to_the_last_bit_in_every_batch(fitted):
    rng = np.random.default_rng(2)
    asked = [rng.integers(0, N_ITEMS, rng.integers(1, 40)).tolist() for _ in range(33)]
    together = fitted.rank(asked, N_ITEMS, exclude="nothing")
    for i, history in enumerate(asked):
        alone = fitted.rank([history], N_ITEMS, exclude="nothing")
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_array_equal(alone.scores[0], together.scores[i])


def test_empty_histories_get_what_is_popular_now(fitted, tastes, tmp_path):
    assert fitted.rank([[]], 1).ids[0, 0] == 0
    fitted.save(tmp_path)
    watcher = MultVAE.load(tmp_path)
    watcher.observe(Interactions(np.zeros(99, dtype=np.int32), np.full(99, 25, dtype=np.int32)))
    assert watcher.rank([[]], 1).ids[0, 0] == 25
    np.testing.assert_array_equal(watcher.rank(HISTORIES, 9).scores, fitted.rank(HISTORIES, 9).scores)
    with pytest.raises(DataError, match=rf"event 0 is on the item id {N_ITEMS}"):
        watcher.observe(Interactions(np.zeros(1, dtype=np.int32), np.array([N_ITEMS], dtype=np.int32)))


def test_what_was_saved_ranks_the_same(fitted, tmp_path):
    fitted.save(tmp_path)
    loaded, asked = MultVAE.load(tmp_path), [[], *HISTORIES]
    np.testing.assert_array_equal(loaded.rank(asked, 9).ids, fitted.rank(asked, 9).ids)
    np.testing.assert_array_equal(loaded.rank(asked, 9).scores, fitted.rank(asked, 9).scores)


def test_users_who_never_take_a_second_item_teach_nothing():
    events = pl.DataFrame({"user_id": [0, 1], "item_id": [0, 1], "position": [0, 0]})
    lonely = Dataset.from_frames("lonely", events, pl.DataFrame({"item_id": [0, 1], "title": ["a", "b"]}))
    with pytest.raises(DataError, match="nothing to learn from"):
        MultVAE().fit(lonely)
