"""Scores of history items: probabilities by their definition, fitted weights, files, observed events."""

import numpy as np
import pytest
import torch

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.repeats import OwnItems
from recgpt.foundation.catalogue import FoundationCatalogue
from recgpt.foundation.model import FoundationConfig, FoundationModel
from recgpt.foundation.network import NetworkConfig
from recgpt.foundation.repeats import PRIOR_WEIGHTS, newton

N, E = 30, 8
RNG = np.random.default_rng(0)
EMBEDDINGS_NE = RNG.standard_normal((N, E)).astype(np.float32)
# Half of the users return to the item of two interactions ago, the others go on.
PAST = [[a, b, a, b, a] for a, b in RNG.integers(0, N, (40, 2)) if a != b] + [
    ((start + np.arange(5)) % N).tolist() for start in RNG.integers(0, N, 40)
]
HISTORIES = [[3, 7, 3, 7], [1, 2, 4], [5]]


@pytest.fixture(scope="module")
def catalogue() -> FoundationCatalogue:
    torch.manual_seed(0)
    model = FoundationModel(
        FoundationConfig(NetworkConfig(history_items=4, d_model=8, n_heads=2, hidden=8), 400, {"dim": E})
    )
    users = np.repeat(np.arange(len(PAST), dtype=np.int32), [len(s) for s in PAST])
    return model.index(EMBEDDINGS_NE, interactions=Interactions(users, np.concatenate(PAST).astype(np.int32)))


def test_scores_give_repeats_their_counted_probability(catalogue):
    ranking = catalogue.recommend(HISTORIES, N, exclude="nothing")
    histories, past = Ragged.from_lists(HISTORIES), catalogue.features.past
    own = OwnItems.from_histories(histories, N)
    expected_B = past.repeats.probability(histories, own)
    for row, history in enumerate(HISTORIES):
        score_N = np.empty(N)
        score_N[ranking.ids[row]] = ranking.scores[row]
        is_own_N = np.isin(np.arange(N), history)
        again = np.exp(score_N[is_own_N]).sum()
        new = np.exp(score_N[~is_own_N]).sum() / catalogue.repeats.listed
        assert again / (again + new) == pytest.approx(expected_B[row], rel=1e-4)
    assert expected_B[0] > 0.8 > 0.3 > expected_B[1]
    assert ranking.ids[0, 0] == 3, "the item of two interactions ago"


def test_new_items_are_ranked_as_without_the_history(catalogue):
    full = catalogue.recommend(HISTORIES, N, exclude="nothing")
    without = catalogue.recommend(HISTORIES, N)
    for row, history in enumerate(HISTORIES):
        kept = ~np.isin(full.ids[row], history)
        np.testing.assert_array_equal(full.ids[row, kept], without.ids[row, : kept.sum()])


def test_restricted_candidates_keep_their_scores(catalogue):
    full = catalogue.recommend(HISTORIES, N, exclude="nothing")
    some = catalogue.recommend(HISTORIES, N, exclude="nothing", candidates=np.array([3, 2, 5, 9, 11]))
    for row in range(len(HISTORIES)):
        score = dict(zip(full.ids[row].tolist(), full.scores[row].tolist(), strict=True))
        for item, found in zip(some.ids[row, :5].tolist(), some.scores[row, :5].tolist(), strict=True):
            assert found == pytest.approx(score[item], abs=1e-4)


def test_saved_and_observed_catalogues_rank_alike(catalogue, tmp_path):
    catalogue.save(tmp_path)
    again = FoundationCatalogue.open(tmp_path, catalogue.network, shortlist=catalogue.shortlist)
    events = Interactions(np.array([0, 0, 99], dtype=np.int32), np.array([4, 4, 6], dtype=np.int32))
    for each in (catalogue, again):
        each.observe(events)
    first, second = (each.recommend(HISTORIES, N, exclude="nothing") for each in (catalogue, again))
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)


def test_newton_steps_end_at_the_most_likely_weights():
    rng = np.random.default_rng(1)
    examples = [(rng.standard_normal((6, 3)), int(rng.integers(0, 6))) for _ in range(60)]
    weight_W = torch.tensor(newton(examples), requires_grad=True)
    loss = 2.5 * (weight_W - torch.tensor(PRIOR_WEIGHTS, dtype=torch.float64)).square().sum()
    for features_MW, chosen in examples:
        loss = loss - torch.log_softmax(torch.from_numpy(features_MW) @ weight_W, 0)[chosen]
    loss.backward()
    assert weight_W.grad.abs().max() < 1e-6
