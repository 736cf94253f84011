"""Speed of training: useful items a second of our and the published steps, and the gain of each optimisation."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.benchmark.speed import flops
from recgpt.benchmark.speed.measure import Check, Figure, Gain, Measured, Target, Way
from recgpt.benchmark.speed.process import peak_memory
from recgpt.benchmark.speed.published import LR, TRAIN_BATCH, PublishedTraining
from recgpt.benchmark.speed.setting import Setting
from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.device import computes_bfloat16
from recgpt.generative.decoder import Mask, RecGPTDecoder, sequence_groups
from recgpt.generative.loss import IGNORE
from recgpt.generative.trainer import TrainConfig, TrainData, Trainer, batch_tensors

TIMES_PUBLISHED = 12.0
SHARE_OF_PEAK = 0.45
FLOAT32_TOLERANCE = 1e-4
BFLOAT16_TOLERANCE = 1e-2


class TrainerSteps:
    """Optimizer steps of the trainer, without evaluations and checkpoints.

    Attributes
    ----------
    n_steps
        Number of steps in one epoch of the data.
    items
        Number of items in these steps.
    lengths
        (sequences,) lengths of the sequences in these steps, in items.
    """

    def __init__(self, setting: Setting, model: RecGPTDecoder, data: TrainData, out: Path) -> None:
        config = TrainConfig(out=out, epochs=1, batch_size=TRAIN_BATCH, seed=setting.seed)
        self._trainer = Trainer(config, model, data, [data])
        self._rows = self._trainer.epoch_rows(0)
        self.n_steps = self._trainer.steps_per_epoch
        segments = self._rows.rows(np.arange(self.n_steps * self._trainer.rows_per_step)).segment_ids
        owners = segments + np.arange(len(segments))[:, None] * (segments.max() + 1)
        self.lengths = np.unique(owners[segments >= 0], return_counts=True)[1]
        self.items = int(self.lengths.sum())

    def run(self, n_steps: int) -> None:
        """Take `n_steps` steps, cycling through the epoch; the weights keep their values between calls."""
        for step in range(n_steps):
            if step % self.n_steps == 0:
                batches = iter(self._trainer.batches(self._rows, 0))
            self._trainer.step(batches, self._rows, step % self.n_steps)

    def close(self) -> None:
        """Free the memory held by Accelerate."""
        self._trainer.accelerator.free_memory()


def measure(setting: Setting) -> Measured:
    """Measure training steps."""
    found = Measured()
    catalogue = setting.catalogue
    picked = setting.rng("trained").permutation(len(setting.sequences))[: setting.sizes.trained_sequences]
    data = TrainData(setting.sequences[picked], catalogue.codes_NK.numpy(), np.asarray(catalogue.embeddings_NE))
    found.checks += _first_losses(setting, data)
    with tempfile.TemporaryDirectory() as folder:
        _against_published(setting, data, Path(folder), found)
    found.gains += [*_gains(setting, data), _attention_gain(setting, data), _optimizer_gain(setting)]
    return found


def _against_published(setting: Setting, data: TrainData, folder: Path, found: Measured) -> None:
    published = PublishedTraining(
        setting.new_model(), torch.from_numpy(data.codes_NK), data.embeddings_NE, row_items=setting.sizes.max_items
    )
    ours = TrainerSteps(setting, setting.new_model(), data, folder)
    batches = _published_batches(data.sequences)
    seconds = setting.alternating(
        {
            f"published, {TRAIN_BATCH} sequences": Way(lambda: published.step(next(batches))),
            f"ours, {ours.n_steps} steps": Way(lambda: ours.run(ours.n_steps)),
        }
    )
    theirs_s, ours_s = seconds.values()
    ours.close()
    mean_length = float(data.sequences.lengths.mean())
    k, config, limits = setting.config.n_codes, setting.config, setting.limits
    positions = TRAIN_BATCH * setting.sizes.max_items * k
    hardware = flops.training(config, positions, positions * setting.sizes.max_items * k, positions)
    useful = flops.useful_training(config, ours.lengths)
    published_items = TRAIN_BATCH * mean_length  # the time of a padded row does not depend on its content
    figures = [
        Figure.rate("published scheme", "items/s", published_items, theirs_s, limits.arithmetic(hardware)),
        Figure.rate("ours", "items/s", ours.items, ours_s, limits.arithmetic(useful, bfloat16=True)),
        Figure.rate("published scheme, all positions", "GFLOP/s", hardware / 1e9, theirs_s),
        Figure.rate("ours, useful", "GFLOP/s", useful / 1e9, ours_s),
    ]
    found.figures += figures
    found.targets += [
        Target(
            "training, useful items/s of the published scheme",
            TIMES_PUBLISHED,
            True,
            figures[1].median / figures[0].median,
            "x",
        ),
        Target(
            "training, useful FLOPs of the peak matrix rate",
            100 * SHARE_OF_PEAK,
            True,
            100 * 1e9 * figures[3].median / limits.best_matrix_rate,
            "%",
        ),
    ]
    packed = PackedDataset(setting.sequences, row_items=setting.sizes.max_items, seed=setting.seed)
    n_sequences = len(setting.sequences)
    found.facts |= {
        "sequences": len(data.sequences),
        "mean_items": mean_length,
        "useful_positions_published": float(setting.sequences.lengths.mean()) / setting.sizes.max_items,
        "useful_positions_ours": packed.useful_fraction,
        "rows_saved": n_sequences / len(packed),
        "useful_gigaflops_an_item": useful / ours.items / 1e9,
        "published_gigaflops_an_item": hardware / published_items / 1e9,
    }


def _published_batches(sequences: Ragged) -> Iterator[Ragged]:
    """Endless batches of 40 sequences, in a cycle."""
    start = 0
    while True:
        yield sequences[np.arange(start, start + TRAIN_BATCH) % len(sequences)]
        start += TRAIN_BATCH


def _first_losses(setting: Setting, data: TrainData) -> list[Check]:
    """Check that the loss of the first batch, without dropout, agrees: published, ours, ours in bfloat16."""
    model = setting.new_model().eval()
    first = data.sequences[:TRAIN_BATCH]
    published = PublishedTraining(
        model, torch.from_numpy(data.codes_NK), data.embeddings_NE, row_items=setting.sizes.max_items
    ).mean_loss(first)
    batch = _batch(setting, TrainData(first, data.codes_NK, data.embeddings_NE))
    with torch.no_grad():
        ours = float(model(**batch).loss)
        checks = [Check.close("first training loss, ours and published", ours, published, FLOAT32_TOLERANCE)]
        if computes_bfloat16(torch.device("cpu")):
            with torch.autocast("cpu", torch.bfloat16):
                halved = float(model(**batch).loss)
            what = "first training loss, ours in bfloat16 and published"
            checks.append(Check.close(what, halved, published, BFLOAT16_TOLERANCE))
    return checks


def _batch(setting: Setting, data: TrainData) -> dict[str, Tensor]:
    """Decoder inputs of all sequences, packed into rows."""
    rows = PackedDataset(data.sequences, row_items=setting.sizes.max_items, seed=setting.seed)
    return batch_tensors(data, rows, np.arange(len(rows)), setting.config.codebook_size)


def _one_a_row(setting: Setting, data: TrainData) -> dict[str, Tensor]:
    """Decoder inputs with each sequence alone in a row."""
    alone = [
        _batch(setting, TrainData(data.sequences[place : place + 1], data.codes_NK, data.embeddings_NE))
        for place in range(len(data.sequences))
    ]
    return {name: torch.cat([each[name] for each in alone]) for name in alone[0]}


@contextmanager
def _precision(bfloat16: bool) -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16 and computes_bfloat16(torch.device("cpu"))):
        yield


def _gains(setting: Setting, data: TrainData) -> list[Gain]:
    """Gains of packing, bfloat16 and the chunked loss: gradients with one optimisation switched off at a time."""
    sizes = setting.sizes
    model = setting.new_model().train()
    n_packed = min(len(data.sequences), 2 * TRAIN_BATCH)
    few = TrainData(data.sequences[: sizes.padded_sequences], data.codes_NK, data.embeddings_NE)
    many = TrainData(data.sequences[:n_packed], data.codes_NK, data.embeddings_NE)
    packed = _batch(setting, many)
    padded = _one_a_row(setting, few)
    mean_length = float(data.sequences.lengths.mean())

    def gradients(batch: dict[str, Tensor], *, bfloat16: bool = True, whole: bool = False) -> None:
        model.zero_grad()
        with _precision(bfloat16):
            (_whole_loss(model, batch) if whole else model(**batch).loss).backward()

    ways = {
        "packed": Way(lambda: gradients(packed)),
        "padded": Way(lambda: gradients(padded)),
        "float32": Way(lambda: gradients(packed, bfloat16=False)),
        "whole logits": Way(lambda: gradients(packed, whole=True)),
    }
    seconds = setting.alternating(ways)
    items = int(many.sequences.lengths.sum())
    rates = {name: Figure.rate(name, "items/s", items, each).median for name, each in seconds.items()}
    rates["padded"] = Figure.rate("padded", "items/s", sizes.padded_sequences * mean_length, seconds["padded"]).median
    held = []
    for whole in (True, False):
        with peak_memory() as memory:
            gradients(packed, whole=whole)
        held.append(memory["private_gigabytes"])
    gains = [
        Gain("packing", "sequences share rows instead of padding", rates["padded"], rates["packed"], "items/s"),
        Gain("bfloat16", "products in half the bits", rates["float32"], rates["packed"], "items/s"),
        Gain("loss in chunks", "logits never exist at once", rates["whole logits"], rates["packed"], "items/s"),
    ]
    if not math.isnan(sum(held)):
        gains.append(Gain("loss in chunks, memory", "the process's peak in a step", held[0], held[1], "GB"))
    return gains


def _whole_loss(model: RecGPTDecoder, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of all logits at once."""
    labels_R = batch["labels_BSK"].reshape(-1)
    inputs = {name: value for name, value in batch.items() if name != "labels_BSK"}
    hidden_RD = model(**inputs).hidden_BSKD.flatten(0, 2)
    predicts_R = labels_R != IGNORE
    return F.cross_entropy(model.head(hidden_RD[predicts_R]).float(), labels_R[predicts_R])


def _attention_gain(setting: Setting, data: TrainData) -> Gain:
    """Gain of attention inside each sequence over a dense mask, for one block on two packed rows."""
    config = setting.config
    block = setting.new_model().blocks[0].eval()
    segments_BS = _batch(setting, data)["segments_BS"][:2]
    k, (b, s) = config.n_codes, segments_BS.shape
    grouped = sequence_groups(segments_BS, k)
    same_BSS = (segments_BS.unsqueeze(2) == segments_BS.unsqueeze(1)) & torch.ones(s, s, dtype=torch.bool).tril()
    dense_B1TT = same_BSS.repeat_interleave(k, 1).repeat_interleave(k, 2).unsqueeze(1)
    x_BTD = torch.randn(b, s * k, config.d_model, requires_grad=True)

    def gradients(mask: Mask) -> None:
        with _precision(True):
            block(x_BTD, mask).sum().backward()

    ways = {"dense mask": Way(lambda: gradients(dense_B1TT)), "by sequence": Way(lambda: gradients(grouped))}
    before, after = (Figure.cost("", "ms", 1e3, each).median for each in setting.alternating(ways).values())
    return Gain("attention by sequence", "no scores between sequences of a row", before, after, "ms a block, two rows")


def _optimizer_gain(setting: Setting) -> Gain:
    """Gain of fused AdamW: one step over all weights."""
    ways = {}
    for name, fused in (("plain", False), ("fused", True)):
        model = setting.new_model()
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)
        ways[f"AdamW, {name}"] = Way(torch.optim.AdamW(model.parameters(), lr=LR, fused=fused).step)
    plain, fused_s = setting.alternating(ways).values()
    before, after = (Figure.cost("", "ms a step", 1e3, each).median for each in (plain, fused_s))
    return Gain("fused AdamW", "one pass over weights and moments", before, after, "ms a step")
