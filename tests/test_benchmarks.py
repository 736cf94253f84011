"""The benchmark against the published system runs in small, and what it times gives what it should."""

import json
import runpy

import numpy as np
import pytest
import torch

from recgpt.beam import CodeTrie, beam_scores
from recgpt.data.ragged import Ragged

SCRIPT = "benchmarks/against_published.py"
SMALL = ("--items", 60, "--users", 5, "--d_model", 64, "--layers", 1, "--repetitions", 2)


@pytest.fixture(scope="module")
def benchmark(repo):
    """The script's functions, and a small random catalogue."""
    script = runpy.run_path(str(repo / SCRIPT))
    args = script["parser"].parse_args([str(value) for value in SMALL])
    return script, script["random_catalogue"](args, np.random.default_rng(0))


def test_it_runs_and_writes_what_it_measured(run_script, tmp_path):
    done = run_script(SCRIPT, *SMALL, "--json", tmp_path / "out.json")
    assert done.code == 0
    assert "times fewer positions wasted" in done.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    assert {"date", "hardware", "python", "torch", "numpy", "seed", "data"} <= report.keys()
    assert report["data"]["name"] == "synthetic"
    assert report["positions"]["times_fewer_wasted"] >= 10
    assert report["positions"]["our_useful"] > 0.95
    for part in ("users_per_second", "decoding_users_per_second"):
        for rate in report[part].values():
            assert 0 < rate["lowest"] <= rate["median"] <= rate["highest"]
        assert report[part]["ours"]["ours_is_faster"] == 1
    assert report["equal_ids_at_batch_1"] == 1
    assert 1 <= report["beam"]["items_ranked"] <= 60


def test_it_takes_the_histories_of_a_data_set(run_script, tiny, tmp_path):
    done = run_script(SCRIPT, *SMALL, "--data", tiny.data, "--json", tmp_path / "out.json")
    assert done.code == 0
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["data"]["name"] == tiny.data.name
    assert report["positions"]["sequences"] == 40
    assert "/" not in report["data"]["name"]
    few = run_script(SCRIPT, *SMALL, "--data", tiny.data, "--items", 3)
    assert few.code == 1
    assert "has 24 items: give --items 24 or more" in few.stderr


@torch.inference_mode()
def test_without_padding_the_published_logits_are_ours(benchmark):
    script, catalogue = benchmark
    items_BS = np.random.default_rng(1).integers(0, 60, (3, 7))
    hidden = catalogue.model(*catalogue._inputs(items_BS)).hidden_BSKD[:, -1]
    published = script["published_logits"](catalogue, items_BS)
    torch.testing.assert_close(published, catalogue.model.slot_logits(hidden), atol=1e-4, rtol=1e-4)
    longer = script["published_logits"](catalogue, script["left_padded"](Ragged.from_lists(items_BS), 9))
    assert (longer - published).abs().max() > 1e-2  # the padding shifts the positions: the published defect
    assert torch.isfinite(longer).all()


@torch.inference_mode()
def test_the_published_decoding_is_the_beam(benchmark):
    script, catalogue = benchmark
    logits_BKV = script["published_logits"](catalogue, np.random.default_rng(2).integers(0, 60, (6, 5)))
    trie = CodeTrie(catalogue.codes_NK)
    expected = torch.stack([beam_scores(logits_KV, trie) for logits_KV in logits_BKV])
    torch.testing.assert_close(script["published_decoding"](logits_BKV, trie), expected, atol=1e-3, rtol=1e-5)
