"""LightGCN: embeddings of users and items, smoothed over the user-item interaction graph.

    lightgcn = LightGCN().fit(dataset)
    lightgcn.rank([[3, 1, 4]], k=10)              # new users are folded in from their history

Shapes: B histories, U users, N items, M = U + N nodes, F factors, P positive pairs, S sampled items.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from recgpt.data.dataset import Dataset
from recgpt.data.held_out import HeldOut, hold_out_last
from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import decayed
from recgpt.recommenders.base import PopularityIfEmpty, Supervision
from recgpt.recommenders.mf import ItemVectors
from recgpt.training.epochs import seeded, train_to_best

_LAYERS = 3
_BATCH = 4096
_NEGATIVES = 2048
_TEMPERATURE = 0.15
_LEARNING_RATE = 0.01
_MAX_EPOCHS = 40
_PATIENCE = 3
_DECAY = 0.7
_MAX_ITEMS = 50


class LightGCN(PopularityIfEmpty):
    """Items by the inner product of their smoothed vector with that of the user, computed from the history alone.

    He et al. 2020, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", section 3.1: the
    vector of a node is the mean over the layers 0 to 3, each the normalised sum of its neighbours' in the layer below.
    Trained by the softmax over sampled items of cosines (Wu et al. 2024, "On the Effectiveness of Sampled Softmax Loss
    for Item Recommendation", section 3) in place of the paper's BPR. The user vector is the sum of the history items'
    messages, each with weight .7^age; a user's own vector of layer 0 is not used, so that new and known users are
    ranked alike. Empty histories are ranked by popularity.

    The number of epochs maximises NDCG@10 on held-out last items. DataError if no user has two items. `observe` adds
    events to the counts that rank after an empty history; the
    vectors stay until the next fit, and new feedback of a user reaches the ranking through the history.

    Parameters
    ----------
    factors
        Dimension of the vectors.
    seed
        Seed of the initial vectors, the order of the pairs and the sampled items.
    """

    name = "lightgcn"
    supervision: Supervision = "trained"
    is_seeded = True

    def __init__(self, *, factors: int = 64, seed: int = 0) -> None:
        self._factors = factors
        self._seed = seed
        self._options = {"factors": factors, "seed": seed}

    def _fit(self, dataset: Dataset) -> None:
        held_out = hold_out_last(dataset.sequences, seed=self._seed)
        with seeded(self._seed):
            self._train(held_out, dataset.n_items)

    def _arrays(self) -> dict[str, Any]:
        return {**super()._arrays(), "passed_on_NF": self._passed_on_NF, "item_NF": self._item_NF}

    def _restore(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        super()._restore(arrays, facts)
        self._set_vectors(arrays["passed_on_NF"], arrays["item_NF"])

    def _train(self, held_out: HeldOut, n_items: int) -> None:
        known = held_out.known
        graph = Graph(known, n_items)
        vectors_MF = nn.Parameter(0.1 * torch.randn(len(known) + n_items, self._factors))
        module = nn.ParameterList([vectors_MF])
        optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE)
        user_P = torch.from_numpy(np.repeat(np.arange(len(known)), known.lengths))
        item_P = torch.from_numpy(known.values.astype(np.int64))
        n_batches = -(-len(user_P) // _BATCH)

        def epoch() -> Iterator[Tensor]:
            for batch in torch.randperm(len(user_P)).split(_BATCH):
                smooth_MF = F.normalize(graph.smooth(vectors_MF), dim=-1)
                user_PF, item_PF = smooth_MF[user_P[batch]], smooth_MF[len(known) + item_P[batch]]
                sampled_S = torch.randint(n_items, (_NEGATIVES,))
                sampled_SF = smooth_MF[len(known) + sampled_S]
                # Softmax of cosine / temperature over the positive and S samples; draws of the positive are masked.
                logits_PS = user_PF @ sampled_SF.T / _TEMPERATURE
                logits_PS = logits_PS.masked_fill(item_P[batch, None] == sampled_S, -torch.inf)
                positive_P1 = (user_PF * item_PF).sum(-1, keepdim=True) / _TEMPERATURE
                logits_PS = torch.cat([positive_P1, logits_PS], dim=1)
                loss = (logits_PS.logsumexp(1) - logits_PS[:, 0]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                yield loss.detach()

        def score_histories(histories: Ragged) -> np.ndarray:
            self._set_vectors(*graph.item_vectors(vectors_MF))
            return self._scores(histories)

        train_to_best(
            module,
            epoch,
            score_histories,
            held_out,
            n_items=n_items,
            name=self.name,
            n_batches=n_batches,
            max_epochs=_MAX_EPOCHS,
            patience=_PATIENCE,
        )
        self._set_vectors(*graph.item_vectors(vectors_MF))

    def _set_vectors(self, passed_on_NF: np.ndarray, item_NF: np.ndarray) -> None:
        self._passed_on_NF, self._item_NF = passed_on_NF, item_NF
        self._items = ItemVectors.from_vectors(item_NF)

    def _scores(self, histories: Ragged) -> np.ndarray:
        weights_BN = decayed(histories, _DECAY, _MAX_ITEMS, len(self._count_N))
        return self._items.products(weights_BN @ self._passed_on_NF.astype(np.float64))


class Graph:
    """Bipartite graph of users and items, users first; an interaction is an edge of weight 1 / sqrt(degree x degree).

    Parameters
    ----------
    sequences
        U sequences of item ids.
    n_items
        N.
    """

    def __init__(self, sequences: Ragged, n_items: int) -> None:
        n_users = len(sequences)
        user = np.repeat(np.arange(n_users), sequences.lengths)
        pairs = np.unique(user * n_items + sequences.values)  # repeated interactions are one edge
        user, item = pairs // n_items, n_users + pairs % n_items
        ends = (np.concatenate([user, item]), np.concatenate([item, user]))
        n_nodes = n_users + n_items
        edges_MM = sparse.csr_array((np.ones(2 * len(pairs), dtype=np.float32), ends), shape=(n_nodes, n_nodes))
        scale = sparse.diags_array(1 / np.sqrt(np.maximum(edges_MM.sum(axis=1), 1)))
        self._edges_MM = sparse.csr_array(scale @ edges_MM @ scale, dtype=np.float32)
        self._degree_N = np.maximum(np.bincount(pairs % n_items, minlength=n_items), 1)
        self._n_users = n_users

    def layers(self, vectors_MF: Tensor) -> list[Tensor]:
        """(M, F) vectors of each layer, 0 to 3; layer 0 is `vectors_MF`."""
        layers = [vectors_MF]
        for _ in range(_LAYERS):
            layers.append(_Propagate.apply(self._edges_MM, layers[-1]))
        return layers

    def smooth(self, vectors_MF: Tensor) -> Tensor:
        """(M, F) mean over the layers (section 3.1.2)."""
        return torch.stack(self.layers(vectors_MF)).mean(0)

    @torch.no_grad()
    def item_vectors(self, vectors_MF: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """(N, F) each: the messages of items to their users, and the smoothed item vectors of unit length.

        A user's vector without its own layer 0 is proportional to the sum of its items' messages,
        sum over the layers 0 to 2 of the item's vector, divided by sqrt(degree of the item).
        """
        layers = [layer[self._n_users :].numpy() for layer in self.layers(vectors_MF)]
        passed_on_NF = sum(layers[:-1]) / np.sqrt(self._degree_N)[:, None]
        return passed_on_NF.astype(np.float32), F.normalize(torch.from_numpy(np.mean(layers, axis=0)), dim=-1).numpy()


class _Propagate(torch.autograd.Function):
    """Product with a symmetric sparse matrix A: the gradient of A x by x is A as well."""

    @staticmethod
    def forward(ctx: Any, edges_MM: sparse.csr_array, vectors_MF: Tensor) -> Tensor:
        """(M, F) edges @ vectors."""
        ctx.edges_MM = edges_MM
        return torch.from_numpy(edges_MM @ vectors_MF.detach().numpy())

    @staticmethod
    def backward(ctx: Any, gradient_MF: Tensor) -> tuple[None, Tensor]:
        """(M, F) edges @ gradient."""
        return None, torch.from_numpy(ctx.edges_MM @ gradient_MF.contiguous().numpy())
