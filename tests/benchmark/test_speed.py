"""`recgpt benchmark speed` runs in small, and what it times and counts is what it says."""

import json

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from recgpt.benchmark.speed import flops, published
from recgpt.benchmark.speed.limits import Limits
from recgpt.benchmark.speed.measure import Check, Figure, Gain, Limit, Target, Way, alternating
from recgpt.benchmark.speed.process import peak_memory
from recgpt.benchmark.speed.run import PARTS, SpeedRun, run_parts
from recgpt.benchmark.speed.setting import QUICK, Setting
from recgpt.benchmark.speed.training import _first_losses
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.generative.beam import CodeTrie, beam_scores
from recgpt.generative.trainer import TrainData

QUICKLY = ("benchmark", "speed", "--quick", "--repetitions", 1)


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(None, QUICK, repetitions=1, seed=0)


# --- the command ---


@pytest.mark.slow
def test_all_parts_run_and_are_reused(run_recgpt, tiny_minilm, tmp_path, fresh_accelerator):
    command = (*QUICKLY, "--data", tiny_minilm.data, "--out", tmp_path)
    done = run_recgpt(*command)
    assert done.code == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert {"data", "sizes", "seed", "hardware", "versions", "limits"} <= found.keys()
    assert list(found["parts"]) == list(PARTS)
    assert found["data"]["name"] == "tiny"
    targets = [target for part in found["parts"].values() for target in part["targets"]]
    assert len(targets) >= 10
    for target in targets:
        assert target["met"] is (
            target["value"] >= target["bound"] if target["at_least"] else target["value"] <= target["bound"]
        )
    for part in found["parts"].values():
        assert all(check["passed"] for check in part["checks"])
        assert all(0 < figure["lowest"] <= figure["median"] <= figure["highest"] for figure in part["figures"])
    assert {curve["x_name"] for curve in found["parts"]["growth"]["curves"]} == {
        "items",
        "items of history",
        "users",
        "processes",
    }
    report = (tmp_path / "speed.md").read_text()
    for target in targets:
        assert target["what"] in report
    assert str(tmp_path) not in report
    assert "/" not in found["data"]["name"]
    for name in ("speed_growth.png", "speed_gains.png"):
        assert (tmp_path / name).stat().st_size > 10_000

    again = run_recgpt(*command)
    assert again.stderr.count("measured before") == len(PARTS)
    assert json.loads((tmp_path / "speed.json").read_text()) == found


def test_a_part_joins_those_that_are_there(run_recgpt, tmp_path):
    first = run_recgpt(*QUICKLY, "--only", "session", "--out", tmp_path)
    assert first.code == 0, first.stderr
    before = json.loads((tmp_path / "speed.json").read_text())
    run_recgpt(*QUICKLY, "--only", "scoring", "--out", tmp_path)
    after = json.loads((tmp_path / "speed.json").read_text())
    assert after["parts"]["session"] == before["parts"]["session"]
    assert list(after["parts"]) == ["session", "scoring"]
    assert "| session append" in (tmp_path / "speed.md").read_text()

    refused = run_recgpt(*QUICKLY, "--only", "scoring", "--seed", 1, "--out", tmp_path)
    assert refused.code == 2
    assert "pass --overwrite" in refused.stderr
    assert json.loads((tmp_path / "speed.json").read_text()) == after
    anew = run_recgpt(*QUICKLY, "--only", "scoring", "--seed", 1, "--out", tmp_path, "--overwrite")
    assert anew.code == 0, anew.stderr
    assert list(json.loads((tmp_path / "speed.json").read_text())["parts"]) == ["scoring"]


def test_an_unknown_part_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="no part 'sorting': choose among training"):
        run_parts(SpeedRun(out=tmp_path, only=["sorting"], quick=True))


# --- what a measurement is ---


def test_ways_take_turns_and_the_first_round_is_not_kept():
    order: list[str] = []
    ways = {name: Way(lambda name=name: order.append(name)) for name in "ab"}
    taken = alternating(ways, 2, say=lambda _: None)
    assert order == list("ababab")
    assert all(len(seconds) == 2 for seconds in taken.values())


def test_preparing_is_not_timed_and_happens_for_each_run():
    prepared = iter(range(9))
    seen: list[object] = []
    alternating({"": Way(seen.append, prepare=lambda: next(prepared))}, 2, say=lambda _: None, at_least=1)
    assert seen == [0, 1, 2]


def test_figures_stand_beside_their_limit():
    rate = Figure.rate("", "items/s", 100, [2.0, 1.0, 4.0], Limit(0.5, "arithmetic"))
    assert (rate.lowest, rate.median, rate.highest, rate.limit) == (25, 50, 100, 200)
    assert rate.of_limit == 0.25
    cost = Figure.cost("", "ms/user", 1e3 / 10, [0.2, 0.1, 0.4], Limit(0.05, "traffic"))
    assert (cost.median, cost.limit, cost.of_limit) == (pytest.approx(20), pytest.approx(5), pytest.approx(0.25))


def test_targets_gains_and_checks_judge():
    assert Target("", 12, True, 12.0, "x").met
    assert not Target("", 0.3, False, 0.31, "s").met
    assert not Target("", 12, True, float("nan"), "x").met
    assert Gain("", "", 10, 30, "items/s").ratio == 3
    assert Gain("", "", 30, 10, "ms/user").ratio == 3
    assert Check.close("", 1.0, 1.00001, 1e-4).passed
    assert not Check.close("", 1.0, 1.001, 1e-4).passed


def test_the_limits_are_positive_and_bound_what_takes_time(setting):
    limits = Limits.measured(setting.config, rows=64, buffer=1 << 20, trials=2)
    assert min(limits.float32, limits.copy, limits.read, limits.table, limits.best_matrix_rate) > 0
    assert limits.arithmetic(2e9).seconds == pytest.approx(2e9 / limits.float32)
    assert limits.traffic(1e6, 1e7).seconds == pytest.approx(1e6 / limits.read + 1e7 / limits.table)


def test_peak_memory_sees_what_was_held_for_a_moment():
    with peak_memory() as before:
        pass
    with peak_memory() as memory:
        np.ones(1 << 25)  # 256 MB
    with peak_memory() as after:
        pass
    assert memory["peak_gigabytes"] > before["peak_gigabytes"] + 0.2
    assert after["peak_gigabytes"] < memory["peak_gigabytes"] - 0.2


# --- counting ---


def test_training_flops_are_those_that_torch_counts(setting):
    scheme = scheme_of(setting)
    k, n_items = setting.config.n_codes, setting.sizes.max_items
    sequences = setting.sequences[:3]
    with FlopCounterMode(display=False) as counter:
        scheme.loss(sequences, 1).backward()
    positions = len(sequences) * n_items * k
    assert counter.get_total_flops() == flops.training(setting.config, positions, positions * n_items * k, positions)


def test_visible_keys_are_the_open_places_of_the_mask():
    lengths, k = np.array([1, 4, 7]), 3
    expected = 0
    for length in lengths:
        item_T = np.arange(length * k) // k
        expected += int((item_T <= item_T[:, None]).sum())
    assert flops.visible_keys(lengths, k) == expected


def test_a_ranking_costs_what_the_last_layer_of_one_item_and_all_before_it_cost(setting):
    config = setting.config
    config.n_layers, k = 2, setting.config.n_codes
    lengths = np.array([5, 1])
    whole = flops.forward(config, 6 * k, flops.visible_keys(lengths, k), 2 * k)
    assert flops.ranking(config, lengths) < whole
    one = np.array([1])
    assert flops.ranking(config, one) == flops.forward(config, k, k * k, k)  # nothing to leave out
    assert flops.appending(config, 4) == flops.forward(config, k, 5 * k * k, 0)


# --- the published scheme ---


def scheme_of(setting: Setting) -> published.PublishedTraining:
    catalogue, n_items = setting.catalogue, setting.sizes.max_items
    return published.PublishedTraining(
        setting.new_model(), catalogue.codes_NK, catalogue.embeddings_NE, row_items=n_items
    )


def test_the_first_losses_are_ours(setting):
    catalogue = setting.catalogue
    data = TrainData(setting.sequences, catalogue.codes_NK.numpy(), catalogue.embeddings_NE)
    checks = _first_losses(setting, data)
    assert all(check.passed for check in checks), checks


def test_published_training_learns_and_its_loss_does_not_depend_on_the_micro_batch(setting):
    scheme, sequences = scheme_of(setting), setting.sequences[:11]
    whole = scheme.loss(sequences, published.predicted_codes(sequences, setting.config.n_codes)).item()
    scheme.model.eval()
    assert scheme.mean_loss(sequences) == pytest.approx(whole, rel=5e-2)  # `whole` had dropout
    first = scheme.mean_loss(sequences)
    for _ in range(3):
        scheme.step(sequences)
    assert scheme.mean_loss(sequences) < first


@torch.inference_mode()
def test_without_padding_the_published_logits_are_ours(setting):
    catalogue = setting.catalogue
    items_BS = np.random.default_rng(1).integers(0, len(catalogue), (3, 7))
    hidden = catalogue.model(*catalogue._inputs(items_BS)).hidden_BSKD[:, -1]
    theirs = published.logits(catalogue, items_BS)
    torch.testing.assert_close(theirs, catalogue.model.slot_logits(hidden), atol=1e-4, rtol=1e-4)
    longer = published.logits(catalogue, published.left_padded(Ragged.from_lists(items_BS), 9))
    assert (longer - theirs).abs().max() > 1e-2  # the padding shifts the positions: the published defect
    assert torch.isfinite(longer).all()


@torch.inference_mode()
def test_the_published_decoding_is_the_beam(setting):
    catalogue = setting.catalogue
    logits_BKV = published.logits(catalogue, np.random.default_rng(2).integers(0, len(catalogue), (6, 5)))
    trie = CodeTrie(catalogue.codes_NK)
    expected = torch.stack([beam_scores(logits_KV, trie) for logits_KV in logits_BKV])
    theirs = published.decoding(logits_BKV, published.Trie(catalogue.codes_NK))
    torch.testing.assert_close(theirs, expected, atol=1e-3, rtol=1e-5)


# --- the data ---


def test_the_same_seed_gives_the_same_histories_and_catalogue(setting):
    other = Setting(None, QUICK, repetitions=1, seed=0)
    assert other.data_facts() == setting.data_facts()
    assert np.array_equal(other.even_histories(7, 5).values, setting.even_histories(7, 5).values)
    assert torch.equal(other.catalogue.codes_NK, setting.catalogue.codes_NK)
    assert (setting.even_histories(7, 5).lengths == 5).all()
    assert Setting(None, QUICK, repetitions=1, seed=1).data_facts() != setting.data_facts()
