"""What a catalogue adds to the network's logits: the right linear system, where it helps, and exact counts."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recgpt.data.dataset import Interactions
from recgpt.data.held_out import HeldOut
from recgpt.data.ragged import Ragged
from recgpt.foundation import calibration as module
from recgpt.foundation.calibration import MAX_USERS, MIN_USERS, calibrate, index_and_calibrate
from recgpt.foundation.catalogue_features import CatalogueFeatures
from recgpt.foundation.episodes import Episode
from recgpt.foundation.explain import explain
from recgpt.foundation.model import FoundationCatalogue, FoundationConfig, FoundationModel
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    COSINES,
    HISTORY_FEATURES,
    QUERY_FEATURES,
    RELATIONS,
    CalibrationWeights,
    CandidateFeature,
    Evidence,
    FoundationNetwork,
    NetworkConfig,
)

S, M = 4, 20
NETWORK = NetworkConfig(history_items=S, d_model=8, n_heads=2, hidden=16, dropout=0.0)
FIRST_FEATURE = (NETWORK.patterns + 1) * len(RELATIONS)  # place of the candidate's features among the inputs
WIDTH = FIRST_FEATURE + len(CANDIDATE_FEATURES) + len(COSINES)
N, USERS, E = 90, 400, 12


def network_of(noise: float = 0.05) -> FoundationNetwork:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        network = FoundationNetwork(NETWORK).eval()
        for parameter in network.parameters():
            parameter.add_(noise * torch.randn(parameter.shape))
    return network


def episode_of(network: FoundationNetwork, n_cases: int, weight_I: torch.Tensor, seed: int = 0) -> Episode:
    """Cases whose targets are drawn as if `weight_I` had to be added to the network's logits; some items are new."""
    rng = torch.Generator().manual_seed(seed)
    items_BMF = torch.randn(n_cases, M, len(CANDIDATE_FEATURES), generator=rng)
    items_BMF[..., CandidateFeature.IS_KNOWN] = (torch.rand(n_cases, M, generator=rng) < 0.9).float()
    positions_BSP = torch.randn(n_cases, S, len(HISTORY_FEATURES), generator=rng)
    positions_BSP[..., 0] = 1
    evidence = Evidence(
        torch.randn(n_cases, S, M, len(RELATIONS), generator=rng).relu(),
        positions_BSP,
        items_BMF,
        torch.randn(n_cases, len(QUERY_FEATURES), generator=rng),
        torch.rand(n_cases, M, generator=rng) < 0.95,
    )
    with torch.no_grad():
        logits_BM, read_BMI = network.read(evidence)
        logits_BM = (logits_BM + read_BMI @ weight_I).masked_fill(
            items_BMF[..., CandidateFeature.IS_KNOWN] == 0, -torch.inf
        )
        logits_BM = logits_BM.masked_fill(~evidence.allowed_BM, -torch.inf)
    target_B = torch.multinomial(torch.softmax(logits_BM, 1), 1, generator=rng)[:, 0]
    return Episode(evidence, target_B, torch.zeros(n_cases, M).half())


def true_weights() -> torch.Tensor:
    weight_I = torch.zeros(WIDTH)
    weight_I[[5, FIRST_FEATURE + 1]] = torch.tensor([0.15, -0.8])
    return weight_I


def loss(network: FoundationNetwork, episode: Episode, local: CalibrationWeights | None) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(network(episode.evidence, local), episode.target_C))


def test_what_a_catalogue_does_otherwise_is_found():
    network, weight_I = network_of(), true_weights()
    local = calibrate(network, [episode_of(network, 1_500, weight_I)])
    fresh = episode_of(network, 1_500, weight_I, seed=1)
    perfect = loss(network, fresh, CalibrationWeights(weight_I, 0.0, -1e9))
    untouched = loss(network, fresh, None)
    known = local._replace(new=-1e9)  # new items are never taken here
    assert untouched - loss(network, fresh, known) > 0.7 * (untouched - perfect) > 0.05


def test_nothing_is_added_where_the_network_is_right_or_cases_are_few():
    network = network_of()
    assert calibrate(network, [episode_of(network, 1_500, torch.zeros(WIDTH))]) is None
    assert calibrate(network, [episode_of(network, MIN_USERS // 2 - 1, true_weights())]) is None


def test_the_solution_is_one_newton_step_of_the_penalised_loss(monkeypatch):
    """Against automatic differentiation, twice."""
    monkeypatch.setattr(module, "PENALTIES", (25.0,))
    monkeypatch.setattr(module, "_certainty", lambda gain_C: 1.0)
    network = network_of()
    episode = episode_of(network, 300, true_weights())
    local = calibrate(network, [episode])
    with torch.no_grad():
        logits_BM, read_BMI = network.read(episode.evidence)
    usable_BM = episode.evidence.allowed_BM & (read_BMI[..., FIRST_FEATURE + CandidateFeature.IS_KNOWN] > 0)
    mean_I, spread_I = read_BMI[usable_BM].mean(0), read_BMI[usable_BM].std(0)
    varies_I = spread_I > 1e-3
    assert not varies_I[FIRST_FEATURE + CandidateFeature.IS_KNOWN]
    figures_BMI = ((read_BMI - mean_I) / spread_I)[..., varies_I].double()
    logits_BM = logits_BM.double().masked_fill(~usable_BM, -1e9)

    def penalised(weight_I: torch.Tensor) -> torch.Tensor:
        shifted_BM = logits_BM + (figures_BMI @ weight_I).masked_fill(~usable_BM, 0)
        return F.cross_entropy(shifted_BM, episode.target_C, reduction="sum") + 12.5 * weight_I.square().sum()

    start_I = torch.zeros(int(varies_I.sum()), dtype=torch.float64)
    step_I = -torch.linalg.solve(torch.func.hessian(penalised)(start_I), torch.func.grad(penalised)(start_I))
    torch.testing.assert_close(local.weight_I[varies_I], (step_I / spread_I[varies_I]).float(), rtol=1e-3, atol=1e-4)
    assert not local.weight_I[~varies_I].any()
    assert local.bias == pytest.approx(-float(mean_I @ local.weight_I), abs=1e-4)


def test_new_items_keep_their_odds():
    network = network_of()
    episode = episode_of(network, 1_500, true_weights())
    local = calibrate(network, [episode])
    with torch.no_grad():
        logits_BM, read_BMI = network.read(episode.evidence)
        shift_BM = local.shift(read_BMI, episode.evidence.items_BMF)
    is_new_BM = read_BMI[..., FIRST_FEATURE + CandidateFeature.IS_KNOWN] == 0
    assert (shift_BM[is_new_BM] == local.new).all()
    known_BM = logits_BM.masked_fill(is_new_BM | ~episode.evidence.allowed_BM, -torch.inf)
    log_odds = (torch.logsumexp(known_BM + shift_BM, 1) - torch.logsumexp(known_BM, 1)).mean()
    assert float(log_odds) == pytest.approx(local.new, abs=1e-4)


# --- in a catalogue ---


def sequences_of(users: int = USERS) -> list[list[int]]:
    """Walks over a hidden circle of items, which an untrained network knows nothing of."""
    rng = np.random.default_rng(3)
    starts, lengths = rng.integers(0, N - 6, users), rng.integers(3, 9, users)
    return [((s + np.cumsum(rng.integers(1, 3, n))) % (N - 6)).tolist() for s, n in zip(starts, lengths, strict=True)]


def times_of(sequences: list[list[int]], *, at_once: bool = True) -> np.ndarray:
    """Users in parallel, each from a day of its own on, or one after the other."""
    lengths = np.array([len(each) for each in sequences])
    if not at_once:
        return 1_500_000_000 + np.arange(lengths.sum())
    days = [start + np.arange(n) for start, n in zip(np.arange(len(lengths)) % 8, lengths, strict=True)]
    return 1_500_000_000 + 86_400 * np.concatenate(days)


def events_of(sequences: list[list[int]], times: np.ndarray | None = None) -> Interactions:
    users = np.repeat(np.arange(len(sequences), dtype=np.int32), [len(s) for s in sequences])
    return Interactions(users, np.concatenate(sequences).astype(np.int32), times)


EMBEDDINGS_NE = np.random.default_rng(0).standard_normal((N, E)).astype(np.float32)
HISTORIES = [[3], [5, 7, 8], [86], list(range(12))]


def index(sequences: list[list[int]], times: np.ndarray | None = None) -> FoundationCatalogue:
    model = FoundationModel(FoundationConfig(NETWORK, 60, {"dim": E}))
    model.network.load_state_dict(network_of(0.3).state_dict())  # far from what suits the catalogue
    return model.index(EMBEDDINGS_NE, interactions=events_of(sequences, times))


@pytest.fixture(scope="module")
def adapted() -> FoundationCatalogue:
    return index(sequences_of())


def test_a_catalogue_without_times_gets_weights_and_ranks_its_users_better(adapted):
    assert adapted.calibration is not None
    unadapted = FoundationCatalogue(adapted.network, adapted.features, shortlist=adapted.shortlist)
    walks = sequences_of(900)[USERS:]
    histories, targets = [walk[:-1] for walk in walks], np.array([walk[-1] for walk in walks])

    def hits(catalogue: FoundationCatalogue) -> float:
        return float((catalogue.recommend(histories, 5).ids == targets[:, None]).any(1).mean())

    assert hits(adapted) > hits(unadapted) + 0.02


def test_with_times_the_events_of_the_latest_tenth_are_ranked_better_too():
    walks = sequences_of(2_000)
    times = times_of(walks)
    latest = HeldOut.from_latest_time(Ragged.from_lists(walks), times, 1_000)
    assert MIN_USERS < len(latest.users) <= 1_000
    past = Interactions(
        np.repeat(np.arange(len(latest.known), dtype=np.int32), latest.known.lengths),
        latest.known.values.astype(np.int32),
        latest.times,
    )
    model = FoundationModel(FoundationConfig(NETWORK, 60, {"dim": E}))
    model.network.load_state_dict(network_of(0.3).state_dict())
    adapted = model.index(EMBEDDINGS_NE, interactions=past)
    assert adapted.calibration is not None
    unadapted = FoundationCatalogue(adapted.network, adapted.features, shortlist=adapted.shortlist)
    hits = [(c.recommend(latest.histories, 5).ids == latest.targets[:, None]).any(1) for c in (unadapted, adapted)]
    assert hits[1].mean() > hits[0].mean() + 0.02


def test_held_out_targets_of_the_latest_time_are_first_new_items_after_everything_known():
    walks = [[1, 2, 3, 2], [4, 5, 4, 6], [7, 8], [9, 1, 2]]
    times = np.array([1, 2, 30, 31, 3, 4, 30, 32, 5, 6, 7, -1, 33])
    sequences = Ragged.from_lists(walks)
    held_out = HeldOut.from_latest_time(sequences, times, 100)
    assert [each.tolist() for each in held_out.known] == [[1, 2, 3], [4, 5, 4], [7, 8], [9, 1]]
    assert held_out.times.max() == 30, "the 90 % quantile, rounded down, is 31"
    assert held_out.users.tolist() == [1, 3], "the first user has nothing new, the third nothing after the moment"
    assert held_out.targets.tolist() == [6, 2]
    assert [each.tolist() for each in held_out.histories] == [[4, 5, 4], [9, 1]]


def test_an_index_for_now_is_calibrated_on_the_latest_time_alone(monkeypatch):
    walks = sequences_of(2_000)
    times = times_of(walks)
    sequences = Ragged.from_lists(walks)
    latest = HeldOut.from_latest_time(sequences, times, MAX_USERS)
    asked, whole = [], module.collected

    def spy(features: CatalogueFeatures, histories: Ragged, targets: np.ndarray, **options: Any) -> Episode | None:
        asked.append((features.past.sequences.values.tolist(), targets.tolist()))
        return whole(features, histories, targets, **options)

    monkeypatch.setattr(module, "collected", spy)
    found = index_and_calibrate(network_of(0.3), EMBEDDINGS_NE, sequences, times, None, shortlist=60, now=True)
    assert asked == [(latest.known.values.tolist(), latest.targets.tolist())]
    assert found[1] is not None
    assert found[0].past.sequences.values.tolist() == sequences.values.tolist()
    asked.clear()
    index_and_calibrate(network_of(0.3), EMBEDDINGS_NE, sequences, None, None, shortlist=60, now=True)
    assert len(asked) == 1 and asked[0][0] != latest.known.values.tolist(), "without times: last items, as ever"


def test_the_second_set_of_queries_weighs_as_much_as_the_first_and_must_not_lose():
    network, weight_I = network_of(), true_weights()
    many, few = episode_of(network, 1_500, weight_I), episode_of(network, 500, torch.zeros(WIDTH), seed=1)
    against = episode_of(network, 1_500, -3 * weight_I, seed=2)
    assert calibrate(network, [many]) is not None
    assert calibrate(network, [many, against]) is None
    assert calibrate(network, [many, few_cases(few, MIN_USERS // 2 - 1)]) is None


def few_cases(episode: Episode, n_cases: int) -> Episode:
    rows = slice(0, n_cases)
    return Episode(episode.evidence.rows(rows), episode.target_C[rows], episode.correction_CM[rows])


def test_with_times_of_another_kind_or_few_users_nothing_is_solved_for():
    walks = sequences_of()
    assert index(walks, times_of(walks, at_once=False)).calibration is None, "no user goes on after the 90 % quantile"
    assert index(sequences_of(MIN_USERS - 1)).calibration is None
    assert index([[3, 3]] * USERS).calibration is None, "users who only repeat have nothing to tell"


@pytest.mark.parametrize("times", [None, times_of(sequences_of())])
def test_what_was_held_out_is_counted_in_the_end(times):
    """All counts are those of a catalogue that was read at once; only what is found by search may differ."""
    whole = CatalogueFeatures.from_sequences(EMBEDDINGS_NE, Ragged.from_lists(sequences_of()), times)
    features = index(sequences_of(), times).features
    assert times is None or features.past.times.tolist() == times.tolist()
    recent, expected = (each.past.recent_counts(np.arange(N)) for each in (features, whole))
    np.testing.assert_allclose(recent, expected, rtol=1e-12)
    assert features.past.sequences.values.tolist() == whole.past.sequences.values.tolist()
    assert features.past.sequences.offsets.tolist() == whole.past.sequences.offsets.tolist()
    for name in ("near", "after", "before", "together"):
        (ours_NN,), (theirs_NN,) = getattr(features.past, name).parts, getattr(whole.past, name).parts
        assert abs(ours_NN - theirs_NN).max() == 0, name
    for name in ("count_N", "near_sum_N", "after_sum_N", "before_sum_N"):
        np.testing.assert_array_equal(getattr(features.past, name), getattr(whole.past, name))


def test_what_is_held_out_is_bounded_and_not_in_the_past_that_is_read(monkeypatch):
    asked = {}

    def spy(features: CatalogueFeatures, histories: Ragged, targets: np.ndarray, **_: object) -> None:
        known = [each.tolist() for each in features.past.sequences]
        shorter = [u for u, (now, whole) in enumerate(zip(known, walks, strict=True)) if now != whole]
        asked["known"] = [known[user] for user in shorter]
        asked["whole"] = [walks[user] for user in shorter]
        asked["cases"] = [[*h.tolist(), int(t)] for h, t in zip(histories, targets, strict=True)]

    walks = sequences_of(MAX_USERS + 500)
    monkeypatch.setattr(module, "collected", spy)
    _, local = index_and_calibrate(network_of(), EMBEDDINGS_NE, Ragged.from_lists(walks), None, None, shortlist=60)
    assert local is None
    assert len(asked["cases"]) == MAX_USERS
    assert asked["cases"] == asked["whole"]
    assert [[*known, whole[-1]] for known, whole in zip(asked["known"], asked["whole"], strict=True)] == asked["cases"]


def test_a_ranking_does_not_depend_on_the_batch_and_sessions_agree(adapted):
    together = adapted.recommend(HISTORIES, 10)
    for row, history in enumerate(HISTORIES):
        alone = adapted.recommend([history], 10)
        np.testing.assert_array_equal(alone.ids[0], together.ids[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])


def test_saved_catalogue_opened_ranks_the_same(adapted, tmp_path):
    adapted.save(tmp_path)
    again = FoundationCatalogue.open(tmp_path, adapted.network, shortlist=adapted.shortlist)
    assert again.calibration.bias == adapted.calibration.bias
    ours, theirs = adapted.recommend(HISTORIES, 10), again.recommend(HISTORIES, 10)
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_array_equal(ours.scores, theirs.scores)


@pytest.mark.parametrize("item", [9, 88], ids=["known", "new"])
def test_an_explanation_holds_what_the_catalogue_adds(adapted, item):
    found = explain(adapted, [3, 5, 7], item, [f"film {row}" for row in range(N)])
    assert found.scored_by == "network"
    added = sum(group.contribution for group in found.groups)
    assert added == pytest.approx(found.score - found.baseline, abs=5e-3)
    plain = explain(
        FoundationCatalogue(adapted.network, adapted.features, shortlist=adapted.shortlist),
        [3, 5, 7],
        item,
        [str(i) for i in range(N)],
    )
    assert plain.score != found.score
