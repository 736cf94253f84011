"""What the network may and may not depend on."""

import pytest
import torch

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

CONFIG = NetworkConfig(history_items=5, d_model=8, n_layers=2, n_heads=2, hidden=16)
LENGTHS = (5, 2, 0, 1, 4)
B, M, S = len(LENGTHS), 9, CONFIG.history_items


def evidence() -> Evidence:
    """Of histories of `LENGTHS`; the last two candidates of the first case are none."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    is_item_BS = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    positions_BSP = normal(B, S, len(HISTORY_FEATURES))
    positions_BSP[..., 0] = 1
    allowed_BM = torch.ones(B, M, dtype=torch.bool)
    allowed_BM[0, -2:] = False
    return Evidence(
        normal(B, S, M, len(RELATIONS)) * is_item_BS[..., None, None],
        positions_BSP * is_item_BS[..., None],
        normal(B, M, len(CANDIDATE_FEATURES)),
        normal(B, len(QUERY_FEATURES)),
        allowed_BM,
    )


def of_candidates(given: Evidence, places: torch.Tensor) -> Evidence:
    return given._replace(
        relations_BSMR=given.relations_BSMR[:, :, places],
        items_BMF=given.items_BMF[:, places],
        allowed_BM=given.allowed_BM[:, places],
    )


@pytest.fixture
def network() -> FoundationNetwork:
    """Far from its initialisation, so that every part of it speaks."""
    generator = torch.Generator().manual_seed(1)
    made = FoundationNetwork(CONFIG).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return made


def close(first: torch.Tensor, second: torch.Tensor) -> None:
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_a_candidate_does_not_depend_on_the_others(network):
    given = evidence()
    logits_BM = network(given)
    for places in (torch.tensor([3]), torch.tensor([6, 0, 3]), torch.arange(M).flip(0)):
        close(network(of_candidates(given, places)), logits_BM[:, places])


@torch.inference_mode()
def test_places_without_a_candidate_get_nothing_and_change_nothing(network):
    given = evidence()
    logits_BM = network(given)
    assert (logits_BM[0, -2:] == -1e9).all()
    assert (logits_BM[given.allowed_BM].abs() < 1e4).all()
    other = given._replace(items_BMF=given.items_BMF.clone(), relations_BSMR=given.relations_BSMR.clone())
    other.items_BMF[0, -2:] = 50
    other.relations_BSMR[0, :, -2:] = 50
    close(network(other), logits_BM)
    wider = of_candidates(given, torch.cat([torch.arange(M), torch.zeros(7, dtype=torch.int64)]))
    wider.allowed_BM[:, M:] = False
    close(network(wider)[:, :M], logits_BM)
    assert (network(wider)[:, M:] == -1e9).all()


@torch.inference_mode()
def test_a_case_does_not_depend_on_the_batch(network):
    given = evidence()
    logits_BM = network(given)
    for case in range(B):
        close(network(given.rows(slice(case, case + 1))), logits_BM[case : case + 1])
    order = torch.tensor([4, 1, 1, 0])
    close(network(given.rows(order)), logits_BM[order])


@torch.inference_mode()
def test_logits_of_the_shipped_size_are_the_same_bits_in_any_batch():
    generator = torch.Generator().manual_seed(2)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    config = NetworkConfig()
    network = FoundationNetwork(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * normal(*parameter.shape))
    n_cases, n_candidates = 16, 200
    many = Evidence(
        normal(n_cases, config.history_items, n_candidates, len(RELATIONS)),
        normal(n_cases, config.history_items, len(HISTORY_FEATURES)).abs(),
        normal(n_cases, n_candidates, len(CANDIDATE_FEATURES)),
        normal(n_cases, len(QUERY_FEATURES)),
        torch.ones(n_cases, n_candidates, dtype=torch.bool),
    )
    n_inputs = (config.patterns + 1) * len(RELATIONS) + len(CANDIDATE_FEATURES) + len(COSINES)
    calibration = CalibrationWeights(normal(n_inputs), 0.1, 0.2)
    with torch.inference_mode():
        together = network(many, calibration)
        for row in range(n_cases):
            assert torch.equal(network(many.rows(slice(row, row + 1)), calibration)[0], together[row])


def test_what_stands_beyond_the_history_does_not_matter(network):
    given = evidence()
    positions_BSP = given.positions_BSP.clone()
    beyond_BS = positions_BSP[..., 0] == 0
    positions_BSP[..., 1:][beyond_BS] = 7.0
    close(network(given._replace(positions_BSP=positions_BSP)), network(given))


@torch.inference_mode()
def test_what_stands_in_the_history_matters(network):
    given = evidence()
    logits_BM = network(given)
    for name in ("relations_BSMR", "positions_BSP", "items_BMF", "case_BX"):
        changed = given._replace(**{name: getattr(given, name) * 1.5})
        assert not torch.allclose(network(changed)[1], logits_BM[1], atol=1e-4), name


def test_an_empty_history_is_finite_even_in_training(network):
    network.train()
    empty = evidence().rows(torch.tensor([2]))
    loss = network(empty).logsumexp(1).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@torch.inference_mode()
def test_untrained_network_is_the_scaled_hybrid_score():
    untouched, given = FoundationNetwork(CONFIG).eval(), evidence()
    expected_BM = 1.5 * given.items_BMF[..., CandidateFeature.HYBRID_SCORE]
    close(untouched(given)[given.allowed_BM], expected_BM[given.allowed_BM])


@torch.inference_mode()
def test_half_precision_evidence_is_read(network):
    given = evidence()
    halves = Evidence(*(v.half() if v.is_floating_point() else v for v in given))
    found = network(halves)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, network(given), rtol=0.02, atol=0.02)


def test_the_shape_of_the_network_survives_json():
    assert NetworkConfig(**CONFIG.to_dict()) == CONFIG
