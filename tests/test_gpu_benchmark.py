"""The GPU benchmark runs in small on any device, and its ways to train compute what the model computes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import flex_attention

from recgpt.benchmark.speed import flops
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.loss import IGNORE
from recgpt.generative.model import GenerativeModel
from recgpt.generative.trainer import TrainData

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import gpu
import gpu_attention
import gpu_ranking
import gpu_report
import gpu_training

SCRIPT = "benchmarks/gpu.py"
CONFIG = RecGPTConfig(codebook_size=60, embedding_dim=32, d_model=32, n_layers=2, n_heads=2, max_items=64)


def batches(seed: int = 0, rows: int = 2, row_items: int = 64) -> gpu_training.Batches:
    rng = np.random.default_rng(seed)
    sequences = Ragged.from_lists([rng.integers(0, 50, 1 + length) for length in rng.geometric(0.1, 60)])
    codes_NK = rng.integers(0, CONFIG.codebook_size, (50, CONFIG.n_codes)).astype(np.uint16)
    data = TrainData(sequences, codes_NK, rng.standard_normal((50, CONFIG.embedding_dim)).astype(np.float16))
    return gpu_training.Batches(data, row_items=row_items, rows_per_step=rows, codebook_size=60, seed=seed)


def untrained() -> GenerativeModel:
    torch.manual_seed(0)
    return GenerativeModel(CONFIG)


# --- the command ---


@pytest.mark.slow
def test_it_runs_in_small_and_stores_every_part(run_script, tiny, tmp_path):
    out = tmp_path / "gpu.json"
    done = run_script(SCRIPT, "--size", "small", "--workers", 1, "--data", tiny.data, "--json", out)
    assert done.code == 0, done.stderr
    report = json.loads(out.read_text())
    assert {"date", "hardware", "python", "torch", "seed", "size", "data"} <= report.keys()
    assert report["data"] == [tiny.data.name]
    parts = report["parts"]
    assert {part["status"] for part in parts.values()} == {"measured"}
    trained = [part for name, part in parts.items() if name.startswith("train: ")]
    assert len(trained) == len(gpu_training.VARIANTS) + 2
    for part in trained:
        assert part["agrees"]
        assert part["loss_off"] < 1e-5 and part["attention_gradient_off"] < 1e-4  # float32 here
        assert 0 < part["tokens_per_s_range"][0] <= part["tokens_per_s"] <= part["tokens_per_s_range"][1]
        assert 0 < part["mfu"]["measured"] < part["hfu"]["measured"]
        assert part["mfu"]["data_sheet"] is None  # no such processor in the list
        assert 0 <= part["padding"] < 0.2
    assert 0 <= parts["loader"]["waiting"] < 1
    for n_items in gpu.SIZES["small"].catalogues:
        part = parts[f"ranking {n_items:,} items"]
        for found in part["batches"].values():
            assert 0 < found["recommend"]["p50_ms"] <= found["recommend"]["p99_ms"]
            assert found["largest_difference_of_scores"] < 1e-4
    page = out.with_suffix(".md").read_text()
    assert "## Training" in page and "not measured" in page  # the targets are for the full size
    assert "varlen, compiled" in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="would measure")
def test_without_a_gpu_the_large_sizes_are_said_not_to_be_measured(run_script, tmp_path):
    done = run_script(SCRIPT, "--json", tmp_path / "gpu.json")
    assert done.code == 0
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert {"peak", "loader", "ranking 15,000,000 items"} <= parts.keys()
    assert {part["status"] for part in parts.values()} == {"not measured: no GPU here"}
    assert "not measured" in (tmp_path / "gpu.md").read_text()


def test_a_part_that_fails_or_has_no_time_does_not_stop_the_others(tmp_path):
    def fails() -> dict[str, float]:
        raise torch.OutOfMemoryError("2 | 3\nGB")

    journal = gpu.Journal({"date": "", "hardware": "", "torch": "", "command": "", "size": "full"}, tmp_path / "j", 5)
    journal.run("train: one", 1, fails)
    journal.run("train: two", 60, fails)
    journal.run("ranking 3 items", 1, lambda: {"figure": 1})
    stored = json.loads((tmp_path / "j").read_text())["parts"]
    assert stored["train: one"]["status"] == "failed: OutOfMemoryError: 2 | 3\nGB"
    assert stored["train: two"]["status"].startswith("skipped: 5 s are left, it needs 60")
    assert stored["ranking 3 items"] == {"status": "measured", "figure": 1, "seconds": pytest.approx(0, abs=1)}
    assert journal.failed == ["train: one"]
    assert "failed: OutOfMemoryError: 2 \\| 3 GB" in gpu_report.markdown(journal.report)


@pytest.mark.parametrize(
    ("mfu", "tokens", "agrees", "word"),
    [
        (0.41, 1.6e6, True, ": met"),
        (0.41, 1.4e6, True, ": missed"),
        (0.39, 1.6e6, True, ": missed"),
        (0.9, 9e6, False, "not measured"),
    ],
)
def test_the_verdict_counts_only_what_agrees(mfu, tokens, agrees, word):
    part = {"rows_per_step": 1, "agrees": agrees, "tokens_per_s": tokens, "mfu": {"data_sheet": mfu, "measured": 1.0}}
    assert word in gpu_report.verdict({"size": "full", "parts": {"train: it": part}})


# --- what is measured ---


@given(seed=st.integers(0, 100), row_items=st.sampled_from([32, 64, 128]))
@hypothesis_settings(max_examples=15)
def test_the_block_mask_is_the_dense_mask(seed, row_items):
    segments_BS = batches(seed, row_items=row_items)[0].inputs["segments_BS"]
    dense = gpu_attention.dense_mask(segments_BS, 4)
    mask = gpu_attention.packed_block_mask(segments_BS, 4)
    written = gpu_attention.written_out(mask)
    same_or_padding = (written == dense) | (segments_BS < 0).repeat_interleave(4, 1)[:, None, :, None]
    assert same_or_padding.all()
    tile = mask.BLOCK_SIZE[0]
    n = dense.shape[-1] // tile
    needed = dense.view(-1, n, tile, n, tile).any(4).any(2)
    assert (mask.to_dense()[:, 0].bool() >= needed).all()
    assert int(mask.kv_num_blocks.sum()) <= int(needed.sum()) + len(segments_BS) * n  # little beside padding


@torch.no_grad()
def test_flex_attention_reads_the_block_mask_as_it_is_written_out():
    torch.manual_seed(0)
    segments_BS = batches(row_items=128, rows=1)[0].inputs["segments_BS"]
    qkv = torch.randn(1, 512, 3, 2, 16)
    mask = gpu_attention.packed_block_mask(segments_BS, 4)
    q, k, v = (each.transpose(1, 2) for each in qkv.unbind(2))
    flex = flex_attention(q, k, v, block_mask=mask).transpose(1, 2)
    torch.testing.assert_close(flex, gpu_attention.attend(qkv, mask), atol=1e-5, rtol=1e-5)


def test_joined_flash_attention_is_dense_attention_with_its_gradients():
    torch.manual_seed(0)
    batch = batches()[0]
    segments_BS = batch.inputs["segments_BS"]
    qkv = torch.randn(2, 256, 3, 2, 16, requires_grad=True)
    weights = torch.randn(2, 256, 2, 16)
    found = []
    for structure in (
        gpu_attention.dense_mask(segments_BS, 4),
        gpu_attention.Sequences(batch.starts, batch.longest, 4),
    ):
        out = gpu_attention.attend(qkv, structure)
        (gradient,) = torch.autograd.grad((out * weights).sum(), qkv)
        found.append((out.detach(), gradient))
    for dense, joined in zip(*found, strict=True):
        torch.testing.assert_close(joined, dense, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("variant", gpu_training.VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_has_the_models_loss_and_gradients(variant):
    dataset, model = batches(), untrained().eval()
    trainer = gpu_training.Trainer(model, variant, torch.float32)
    for step in range(2):
        batch = dataset[step]
        expected = model(**batch.inputs).loss
        expected.backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
        model.zero_grad()
        loss, found = gpu.loss_and_gradients(trainer, batch)
        assert loss == pytest.approx(float(expected.detach()), rel=1e-6)
        for name, gradient in gradients.items():
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)


def test_compiled_parts_are_graphs_that_are_made_once():
    from torch._dynamo.utils import counters

    dataset, model = batches(), untrained().train()
    trainer = gpu_training.Trainer(model, gpu_training.FASTEST, torch.float32)
    trainer.step(dataset[0])
    counters.clear()
    for step in range(3):
        trainer.step(dataset[step])
    assert counters["stats"]["unique_graphs"] == 0


def test_steps_lower_the_loss():
    dataset, model = batches(), untrained().eval()
    trainer = gpu_training.Trainer(model, gpu_training.VARIANTS[3], torch.float32)
    trainer.optimizer.param_groups[0]["lr"] = 1e-2
    losses = [float(trainer.step(dataset[0])) for _ in range(10)]
    assert losses[-1] < losses[0] - 0.1


def test_batches_of_an_epoch_have_the_same_shapes_and_all_predictions():
    dataset = batches()
    shapes = set()
    for step in range(len(dataset)):
        batch = dataset[step]
        labels_Q = batch.inputs["labels_BSK"].flatten()
        assert batch.n_predicted == int((labels_Q != IGNORE).sum())
        assert batch.n_useful == 4 * int((batch.inputs["segments_BS"] >= 0).sum())
        assert torch.equal(labels_Q[batch.predicting_R[: batch.n_predicted]], batch.targets_R[: batch.n_predicted])
        assert (batch.targets_R[batch.n_predicted :] == IGNORE).all()
        assert batch.starts[-1] == labels_Q.numel() and (batch.starts.diff() >= 0).all()
        assert int(batch.starts.diff().max()) <= batch.longest
        shapes.add((len(batch.predicting_R), len(batch.starts), batch.longest))
    assert len(shapes) == 1
    with pytest.raises(DataError, match="less than one step of 1000"):
        batches(rows=1_000)


@given(st.integers(1, 300_000))
def test_the_chunks_of_the_loss_are_equal_and_hardly_larger_than_needed(rows):
    padded = gpu_training.padded_rows(rows)
    chunks = -(-padded // gpu_training.LOSS_ROWS)
    assert padded % chunks == 0 and padded % gpu_training.TILE == 0
    assert 0 <= padded - rows < chunks * gpu_training.TILE


def test_hardware_does_more_than_is_useful_and_dense_attention_most():
    dataset, model = batches(rows=2, row_items=128), untrained()
    staged = [dataset[0]]
    useful = gpu_training.useful_flops(model, staged)
    assert useful == flops.useful_training(CONFIG, staged[0].lengths)
    done = [gpu_training.hardware_flops(model, variant, staged) for variant in gpu_training.VARIANTS]
    assert useful < min(done)
    assert done[0] == max(done)
    assert gpu_training.attended_pairs(gpu_training.VARIANTS[0], staged[0]) == 2 * 512 * 512


def test_brute_force_finds_the_best_across_chunks(monkeypatch):
    monkeypatch.setattr(gpu_ranking, "CHUNK", 7)
    rng = np.random.default_rng(0)
    codes_NK = rng.integers(0, 60, (40, 4)).astype(np.uint16)
    logits_BKV = torch.from_numpy(rng.standard_normal((3, 4, 61)).astype(np.float32))
    brute = gpu_ranking.BruteForce(codes_NK, 61, torch.device("cpu"))
    scores, ids = brute.top_k(logits_BKV, 10)
    log_probs = logits_BKV.log_softmax(-1)
    expected = sum(log_probs[:, slot, codes_NK[:, slot].astype(int)] for slot in range(4)).sort(1, descending=True)
    torch.testing.assert_close(scores, expected.values[:, :10])
    assert torch.equal(ids, expected.indices[:, :10])
