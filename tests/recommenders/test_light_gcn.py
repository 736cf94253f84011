"""LightGCN: propagation as published, users folded in, two tastes told apart."""

import numpy as np
import polars as pl
import pytest
import torch

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.recommenders import make
from recgpt.recommenders.light_gcn import Graph

N_ITEMS = 30


def tastes() -> Dataset:
    """Sixty users of two tastes: even users take items below 15, odd users those above."""
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(15)[:8] + 15 * (user % 2) for user in range(60)])
    users = np.repeat(np.arange(60), 8)
    events = pl.DataFrame({"user_id": users, "item_id": items.ravel(), "position": np.tile(np.arange(8), 60)})
    return Dataset.from_frames("tastes", events, pl.DataFrame({"item_id": range(N_ITEMS), "title": ["x"] * N_ITEMS}))


@pytest.fixture(scope="module")
def fitted():
    return make("lightgcn").fit(tastes())


def test_layers_equal_torch_geometric():
    geometric = pytest.importorskip("torch_geometric.nn", reason="needs the extra `dev`")
    sequences = Ragged.from_lists([[0, 1, 2], [2, 3], [3, 4, 0], [1]])
    graph, vectors = Graph(sequences, 6), torch.randn(10, 5, generator=torch.Generator().manual_seed(0))
    user = np.repeat(np.arange(4), sequences.lengths)
    one_way = torch.tensor(np.stack([user, 4 + sequences.values]))
    edges = torch.cat([one_way, one_way.flip(0)], dim=1)
    model = geometric.LightGCN(num_nodes=10, embedding_dim=5, num_layers=3)
    model.embedding.weight.data.copy_(vectors)
    torch.testing.assert_close(graph.smooth(vectors), model.get_embedding(edges))


def test_the_gradient_goes_through_the_graph():
    graph = Graph(Ragged.from_lists([[0, 1], [1, 2]]), 3)
    vectors = torch.randn(5, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
    weights = torch.randn(5, 2, generator=torch.Generator().manual_seed(2))
    (graph.smooth(vectors) * weights).sum().backward()
    dense = torch.from_numpy(graph._edges_MM.toarray())
    smoother = sum(torch.linalg.matrix_power(dense, power) for power in range(4)) / 4
    torch.testing.assert_close(vectors.grad, smoother.T @ weights)


def test_a_folded_in_user_is_the_layers_less_the_first():
    sequences = Ragged.from_lists([[0, 1, 2], [2, 3], [3, 4, 0], [1]])
    graph, vectors = Graph(sequences, 6), torch.randn(10, 5, generator=torch.Generator().manual_seed(0))
    passed_on, _ = graph.item_vectors(vectors)
    user = sum(graph.layers(vectors)[1:])[0].numpy()
    np.testing.assert_allclose(passed_on[[0, 1, 2]].sum(axis=0) / np.sqrt(3), user, atol=1e-6)


def test_two_tastes_are_told_apart_also_for_users_never_met(fitted):
    for history, low in (([0, 3, 7], 0), ([16, 20], 15), ([29], 15)):
        ids = fitted.rank([history], 10).ids[0]
        assert ((ids >= low) & (ids < low + 15)).all()


def test_a_seed_gives_one_model_and_leaves_other_random_numbers_alone(fitted):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again, other = make("lightgcn").fit(tastes()), make("lightgcn", seed=1).fit(tastes())
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    first = fitted.rank([[0, 1], [20]], 10)
    np.testing.assert_array_equal(again.rank([[0, 1], [20]], 10).scores, first.scores)
    assert (other.rank([[0, 1], [20]], 10).scores != first.scores).any()
