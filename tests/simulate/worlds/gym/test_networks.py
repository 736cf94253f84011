"""Networks of policies: parity with independent formulas, golden masks, unseen items and users, trained folders."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recgpt.errors import CheckpointError, SimulationError
from recgpt.simulate.worlds.gym.policies.base import Setting
from recgpt.simulate.worlds.gym.policies.item_embedding import ItemEmbeddingActorCritic, item_features
from recgpt.simulate.worlds.gym.policies.networks import (
    CFQ,
    MASKED,
    Batch,
    CFActorCritic,
    RatingsLinear,
    SeenActorCritic,
    greedy,
    masked,
    newest,
)
from recgpt.simulate.worlds.gym.policies.trained import (
    NetworkFacts,
    TrainedPolicy,
    make_network,
    newest_first,
    save_network,
)

pytest.importorskip("stable_baselines3", reason="the extra rl is not installed")
from training_world import make_setting, views_of

GOLDEN = Path(__file__).parents[5] / "shared/fixtures/emosim/golden.json"
N_USERS, N_ITEMS, N_HISTORY = 5, 9, 6


@pytest.fixture
def batch() -> Batch:
    draws = np.random.default_rng(0)
    items_BH = np.stack([draws.permutation(N_ITEMS)[:N_HISTORY] for _ in range(4)])
    items_BH[np.arange(N_HISTORY) >= np.array([[0], [2], [6], [3]])] = -1
    ratings_BH = np.where(items_BH >= 0, draws.integers(1, 11, items_BH.shape), 0)
    return Batch(
        torch.tensor([0, 4, 2, 2]),
        torch.zeros(4, 0),
        torch.from_numpy(items_BH),
        torch.from_numpy(ratings_BH).float(),
    )


def dense(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """(B, N) ratings and whether seen, as the published observation holds them."""
    ratings_BN = np.zeros((len(batch.user_B), N_ITEMS))
    for row, (items, ratings) in enumerate(zip(batch.items_BH.numpy(), batch.ratings_BH.numpy(), strict=True)):
        ratings_BN[row, items[items >= 0]] = ratings[items >= 0]
    return ratings_BN, ratings_BN > 0


def weights(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().astype(np.float64) for name, tensor in network.state_dict().items()}


def read_ratings(w: dict[str, np.ndarray], name: str, user_BD: np.ndarray, numbers_BN: np.ndarray) -> np.ndarray:
    """[embedding, numbers of N items] times one dense matrix."""
    matrix = np.concatenate([w[f"{name}.dense.weight"], w[f"{name}.item_NO"].T], axis=1)
    return np.concatenate([user_BD, numbers_BN], axis=1) @ matrix.T + w[f"{name}.dense.bias"]


def critic(w: dict[str, np.ndarray], user_BD: np.ndarray, ratings_BN: np.ndarray) -> np.ndarray:
    hidden = np.maximum(read_ratings(w, "value_in", user_BD, ratings_BN), 0)
    hidden = np.maximum(hidden @ w["value_out.1.weight"].T + w["value_out.1.bias"], 0)
    return (hidden @ w["value_out.3.weight"].T + w["value_out.3.bias"])[:, 0]


@torch.no_grad()
def test_cf_actor_critic_equals_the_published_formula(batch: Batch) -> None:
    network = CFActorCritic(N_USERS, N_ITEMS, 32)
    w, (ratings_BN, seen_BN) = weights(network), dense(batch)
    user_BD = w["user.weight"][batch.user_B]
    logits = user_BD @ w["item.weight"].T + w["item.bias"] + w["user_bias.weight"][batch.user_B]
    np.testing.assert_allclose(network.logits(batch), np.where(seen_BN, MASKED, logits), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.values(batch), critic(w, user_BD, ratings_BN), rtol=1e-4, atol=1e-5)
    assert network.value_in.item_NO.shape == (N_ITEMS, 128)


@torch.no_grad()
def test_published_trpo_and_dqn_forms_equal_their_formulas(batch: Batch) -> None:
    ratings_BN, seen_BN = dense(batch)
    trpo = SeenActorCritic(N_USERS, N_ITEMS, 32)
    w = weights(trpo)
    user_BD = w["user.weight"][batch.user_B]
    logits = np.maximum(read_ratings(w, "item_in", user_BD, seen_BN), 0) @ w["item_out.1.weight"].T
    expected = np.where(seen_BN, MASKED, logits + w["item_out.1.bias"])
    np.testing.assert_allclose(trpo.logits(batch), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trpo.values(batch), critic(w, user_BD, ratings_BN), rtol=1e-4, atol=1e-5)
    dqn = CFQ(N_USERS, N_ITEMS, 32)
    w = weights(dqn)
    hidden = np.maximum(read_ratings(w, "q_in", w["user.weight"][batch.user_B], ratings_BN), 0)
    hidden = np.maximum(hidden @ w["q_out.1.weight"].T + w["q_out.1.bias"], 0)
    expected = np.where(seen_BN, MASKED, hidden @ w["q_out.3.weight"].T + w["q_out.3.bias"])
    np.testing.assert_allclose(dqn.logits(batch), expected, rtol=1e-4, atol=1e-5)


def test_golden_masks() -> None:
    if not GOLDEN.is_file():
        pytest.skip("the shared fixtures are not here")
    for case in json.loads(GOLDEN.read_text(encoding="utf-8"))["masks"]["cases"]:
        values_1N, seen = torch.tensor([case["values"]], dtype=torch.float32), case["seen"]
        batch = Batch(
            torch.zeros(1, dtype=torch.int64), torch.zeros(1, 0), torch.tensor([[*seen, -1]]), torch.zeros(1, 1)
        )
        allowed_1N = torch.ones_like(values_1N, dtype=torch.bool)
        allowed_1N[0, seen] = False
        by_history, by_mask = masked(values_1N.clone(), batch), masked(values_1N, batch._replace(allowed_BN=allowed_1N))
        assert torch.equal(by_history, by_mask)
        if case["dqn_correct"] is None:  # everything is seen: the episode has ended
            assert (by_history == MASKED).all()
            continue
        assert int(greedy(by_history)) == case["dqn_correct"]
        np.testing.assert_allclose(by_history.softmax(-1)[0], case["actor_probabilities"], atol=2e-7)
        assert (by_history.softmax(-1)[0, seen] == 0).all()


def test_latest_rating_of_an_item_counts() -> None:
    items_BH = torch.tensor([[3, 1, 3, -1], [2, 2, 2, 0], [-1, -1, -1, -1]])
    assert newest(items_BH).tolist() == [[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]]
    layer = RatingsLinear(2, 4, 3)
    twice = layer(torch.ones(1, 2), torch.tensor([[3, 1, 3]]), torch.tensor([[5.0, 2.0, 9.0]]))
    once = layer(torch.ones(1, 2), torch.tensor([[1, 3, -1]]), torch.tensor([[2.0, 5.0, 0.0]]))
    torch.testing.assert_close(twice, once)


# --- item embeddings ---


def network_of(
    setting: Setting, policy: str = "item_embedding", algo: str = "ppo"
) -> tuple[NetworkFacts, torch.nn.Module]:
    facts = NetworkFacts.of_setting(setting, algo=algo, policy=policy, width=16)
    torch.manual_seed(0)
    return facts, make_network(facts, setting)


@torch.no_grad()
def test_item_logits_do_not_depend_on_the_other_items() -> None:
    setting = make_setting(n_items=30)
    _, network = network_of(setting)
    assert isinstance(network, ItemEmbeddingActorCritic)
    features_NX = item_features(setting.items, setting.items.tag_names)
    user = torch.from_numpy(setting.users.features(setting.items.tag_names)[:2])
    batch = Batch(torch.arange(2), user, torch.tensor([[4, -1], [7, 2]]), torch.tensor([[9.0, 0], [2, 6]]))
    of_all = network.logits(batch)
    values = network.values(batch)
    network.exchange(features_NX[:20])
    torch.testing.assert_close(network.logits(batch), of_all[:, :20])
    torch.testing.assert_close(network.values(batch), values)
    assert of_all[0, 4] == of_all[1, 7] == of_all[1, 2] == MASKED


@torch.no_grad()
def test_history_and_tags_of_the_user_change_the_logits() -> None:
    setting = make_setting(n_items=30)
    _, network = network_of(setting)
    user = torch.from_numpy(setting.users.features(setting.items.tag_names)[:1])
    none, ratings = torch.tensor([[-1, -1]]), torch.zeros(1, 2)
    before = network.logits(Batch(torch.zeros(1, dtype=torch.int64), user, none, ratings))
    liked = network.logits(
        Batch(torch.zeros(1, dtype=torch.int64), user, torch.tensor([[5, -1]]), torch.tensor([[10.0, 0]]))
    )
    other = network.logits(Batch(torch.zeros(1, dtype=torch.int64), -user, none, ratings))
    assert not torch.allclose(before, other)
    assert not torch.allclose(before[:, :5], liked[:, :5])


# --- folders ---


def test_trained_policy_is_greedy_among_the_allowed(tmp_path: Path) -> None:
    setting = make_setting()
    for policy, algo in (("cf", "a2c"), ("cf_seen", "trpo"), ("cf", "dqn"), ("item_embedding", "dqn")):
        facts, network = network_of(setting, policy, algo)
        save_network(tmp_path / "policy", facts, network)
        trained = TrainedPolicy.load(tmp_path / "policy", setting)
        user_E = np.arange(6)
        items_EH = np.full((6, 0), -1)
        for _ in range(4):
            views = views_of(setting, user_E, items_EH)
            chosen_E = trained.act(views)
            assert views.allowed()[np.arange(6), chosen_E].all()
            alone = trained.act(views_of(setting, user_E[3:4], items_EH[3:4]))
            assert alone[0] == chosen_E[3]
            items_EH = np.concatenate([items_EH, chosen_E[:, None]], axis=1)
        trained.observe(views, chosen_E, np.full(6, np.nan))


def test_item_embedding_policy_takes_another_catalogue_and_cf_refuses_it(tmp_path: Path) -> None:
    setting, other = make_setting(n_items=30), make_setting(n_users=4, n_items=50, seed=1)
    for policy in ("item_embedding", "cf"):
        facts, network = network_of(setting, policy)
        save_network(tmp_path / policy, facts, network)
    trained = TrainedPolicy.load(tmp_path / "item_embedding", other)
    assert trained.act(views_of(other, np.arange(4), np.full((4, 2), -1))).max() < 50
    with pytest.raises(SimulationError, match="trained with --policy cf on other users than these 4"):
        TrainedPolicy.load(tmp_path / "cf", other)
    narrow = replace(other, items=replace(other.items, unit_NE=other.items.unit_NE[:, :5]))
    with pytest.raises(SimulationError, match="text embeddings of width 8, these items have 5"):
        TrainedPolicy.load(tmp_path / "item_embedding", narrow)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    setting = make_setting()
    facts, network = network_of(setting)
    save_network(tmp_path, facts, network)
    (tmp_path / "policy.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="missing, damaged or of another network"):
        TrainedPolicy.load(tmp_path, setting)
    (tmp_path / "policy.json").write_text('{"kind": "other"}')
    with pytest.raises(CheckpointError, match="describes no policy of the gym"):
        TrainedPolicy.load(tmp_path, setting)


def test_views_become_histories_with_the_newest_first() -> None:
    items_EH = np.array([[3, 5, 7], [2, -1, -1], [-1, -1, -1]])
    ratings_EH = np.array([[1.0, 2, 3], [4, np.nan, np.nan], [np.nan] * 3])
    items, ratings = newest_first(items_EH, ratings_EH)
    assert items.tolist() == [[7, 5, 3], [2, -1, -1], [-1, -1, -1]]
    assert ratings.tolist() == [[3, 2, 1], [4, 0, 0], [0, 0, 0]]
    assert newest_first(np.empty((2, 0), dtype=int), np.empty((2, 0)))[0].tolist() == [[-1], [-1]]
