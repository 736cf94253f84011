"""Training and ranking on one GPU, in under eight minutes: tokens a second, model FLOPs utilisation, latency.

    python benchmarks/gpu.py                                           # 3 layers x 768, on the GPU
    python benchmarks/gpu.py --data ../shared/data/test/steam          # real histories, too
    python benchmarks/gpu.py --size small --json small.json            # the same code in seconds, on any device

The parts run in order of importance. Each is written to the JSON file, and to a Markdown file beside it, as soon as it
is done; parts without enough time left are skipped, a failed part keeps its message, and the rest go on.

Training: packed rows of 256 items (1,024 positions), vocabulary 15,361, bfloat16 autocast, dropout and clipping as in
`recgpt.generative.trainer`; histories of 2 items and more, 10.6 on average, geometric, as in the published Steam file.
A token is one of the 4 codes of an item; *useful* tokens hold an item. MFU counts useful operations
(`recgpt.benchmark.speed.flops`) against the peak: that of the data sheet, and that of a large matrix product measured
here. HFU counts all operations. Steps are timed between two waits for the device, batches already on it; `loader` then
feeds the same step from worker processes. "off" columns: loss and gradients without dropout against dense attention in
float32, relative. Without a GPU the large sizes are not measured. `gpu_training.py` and `gpu_attention.py` have the
variants, `gpu_ranking.py` the rankings, `gpu_report.py` the tables.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import gpu_ranking
import numpy as np
import torch
from gpu_report import markdown, show
from gpu_training import FASTEST, REFERENCE, VARIANTS, Batch, Batches, Trainer, Variant, hardware_flops, useful_flops
from torch import Tensor
from torch.utils.data import DataLoader

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import write_json
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.device import default_device, hardware
from recgpt.errors import DataError
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig
from recgpt.generative.trainer import TrainData
from recgpt.program import run
from recgpt.progress import console

RESULT = Path(__file__).parent / "results" / "gpu.json"
MEAN_LENGTH = 10.6
STAGED = 4  # batches on the device, used in turns
WARM_UP = 3
# Relative, bfloat16 against float32. Variants differ in attention, which is a small part of the whole gradient.
LOSS_TOLERANCE, GRADIENT_TOLERANCE, ATTENTION_TOLERANCE = 2e-3, 5e-2, 1e-1

# Dense bfloat16 TFLOP/s of the vendor's data sheets; the first name found in the device's counts.
DATA_SHEET = {
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H200 NVL": 835,
    "H100": 989,
    "H200": 989,
    "A100": 312,
}


@dataclass(frozen=True, kw_only=True)
class Size:
    """Sizes of the measurements."""

    model: dict[str, Any]
    levels: tuple[int, ...]
    items: int
    users: int
    rows_per_step: int
    other_rows: tuple[int, ...]
    steps: int
    repeats: int
    catalogues: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    product: int  # of matrices this wide the peak is measured
    copied: int  # bytes


SIZES = {
    "full": Size(
        model={"n_layers": 3, "d_model": 768, "n_heads": 12, "embedding_dim": 768, "max_items": 256},
        levels=(8, 8, 8, 6, 5),
        items=15_066,
        users=60_000,
        rows_per_step=64,
        other_rows=(128, 256, 32),
        steps=20,
        repeats=3,
        catalogues=(15_066, 2_000_000, 15_000_000),
        batch_sizes=(1, 64),
        product=8_192,
        copied=1 << 32,
    ),
    "small": Size(
        model={"n_layers": 2, "d_model": 32, "n_heads": 2, "embedding_dim": 64, "max_items": 32},
        levels=(4, 4, 4),
        items=200,
        users=400,
        rows_per_step=2,
        other_rows=(4,),
        steps=2,
        repeats=2,
        catalogues=(200, 3_000),
        batch_sizes=(1, 4),
        product=128,
        copied=1 << 20,
    ),
}


# --- parts, their time limits and results ---


@dataclass
class Journal:
    """Runs parts until a deadline and stores their results."""

    about: dict[str, Any]
    path: Path | None
    seconds: float
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def run(self, name: str, needs_s: float, work: Callable[[], dict[str, Any]]) -> None:
        """Run one part if `needs_s` seconds are left, and write all results so far."""
        left = self.started + self.seconds - time.monotonic()
        began = time.monotonic()
        if left < needs_s:
            self.note(name, {"status": f"skipped: {left:.0f} s are left, it needs {needs_s:.0f}"})
            return
        try:
            found = {"status": "measured", **work()}
        # An unknown device may make any of a dozen libraries fail; the other parts still count.
        except Exception as error:
            found = {"status": f"failed: {type(error).__name__}: {str(error)[:500]}"}
        self.note(name, {**found, "seconds": time.monotonic() - began})

    def note(self, name: str, found: dict[str, Any]) -> None:
        """Store the result of a part, also on disk."""
        self.parts[name] = found
        console.print(f"{name}: {found['status']}, {time.monotonic() - self.started:.0f} s since the start")
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, self.report)
            self.path.with_suffix(".md").write_text(markdown(self.report), encoding="utf-8")

    @property
    def report(self) -> dict[str, Any]:
        """All results so far."""
        return {**self.about, "parts": self.parts}

    @property
    def failed(self) -> list[str]:
        """Names of the parts that failed."""
        return [name for name, part in self.parts.items() if part["status"].startswith("failed")]


# --- measuring ---


def seconds(device: torch.device, work: Callable[[], object]) -> float:
    """Wall time of `work`, from an idle device to an idle device."""
    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started


def synchronize(device: torch.device) -> None:
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peaks(size: Size, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Matrix rate on random numbers and bandwidth of a copy (bytes read and written), medians."""
    n, calls = size.product, 10
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    source = torch.ones(size.copied, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)

    def rate(work: Callable[[], object], amount: float) -> float:
        def several() -> None:
            for _ in range(calls):
                work()

        several()
        return calls * amount / statistics.median(seconds(device, several) for _ in range(5))

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    sheet = next((1e12 * tera for part, tera in DATA_SHEET.items() if part in name), None)
    return {
        "matrix_flops": rate(lambda: a @ b, 2 * n**3),
        "copy_bytes": rate(lambda: target.copy_(source), 2 * size.copied),
        "data_sheet_flops": sheet,
        "dtype": str(dtype).removeprefix("torch."),
    }


@dataclass
class Bench:
    """Shared state of the training parts."""

    size: Size
    device: torch.device
    dtype: torch.dtype
    seed: int
    workers: int
    peak: dict[str, Any] = field(default_factory=dict)
    trainer: Trainer | None = None  # of the training part before, compiled
    staged_tokens_per_s: float | None = None  # its rate; None if it failed
    reference: tuple[float, dict[str, Tensor]] | None = None  # loss and gradients of a batch

    def config(self) -> RecGPTConfig:
        """Shape of the decoder."""
        return RecGPTConfig(codebook_size=int(np.prod(self.size.levels)), **self.size.model)

    def data(self, sequences: Ragged | None = None) -> TrainData:
        """Sequences over items with random codes and embeddings; synthetic sequences unless some are given."""
        rng, config = np.random.default_rng(self.seed), self.config()
        n_items = self.size.items
        if sequences is None:
            lengths = 1 + rng.geometric(1 / (MEAN_LENGTH - 1), self.size.users)
            sequences = Ragged(rng.integers(0, n_items, lengths.sum()), offsets_from_lengths(lengths))
        n_items = max(n_items, int(sequences.values.max()) + 1)
        codes_NK = rng.integers(0, config.codebook_size, (n_items, config.n_codes), dtype=np.uint16)
        embeddings_NE = rng.standard_normal((n_items, config.embedding_dim), dtype=np.float32)
        embeddings_NE /= np.linalg.norm(embeddings_NE, axis=1, keepdims=True)
        return TrainData(sequences, codes_NK, embeddings_NE.astype(np.float16))

    def batches(self, data: TrainData, rows_per_step: int) -> Batches:
        """The batches of an epoch."""
        config = self.config()
        return Batches(
            data,
            row_items=config.max_items,
            rows_per_step=rows_per_step,
            codebook_size=config.codebook_size,
            seed=self.seed,
        )

    def new_model(self) -> GenerativeModel:
        """Untrained model with the same weights on each call."""
        torch.manual_seed(self.seed)
        return GenerativeModel(self.config()).to(self.device)  # type: ignore[arg-type]

    def training(self, variant: Variant, dataset: Batches) -> dict[str, Any]:
        """Speed of one variant, then its loss and gradients."""
        self.trainer = self.staged_tokens_per_s = None  # frees the memory before the next takes it
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        staged = [dataset[i % len(dataset)] for i in range(STAGED)]
        on_device = [batch.to(self.device) for batch in staged]
        trainer = self.trainer = Trainer(self.new_model().train(), variant, self.dtype)

        def steps(count: int) -> None:
            for step in range(count):
                trainer.step(on_device[step % STAGED])

        first_s = seconds(self.device, lambda: steps(1))
        steps(WARM_UP)
        taken = sorted(seconds(self.device, lambda: steps(self.size.steps)) for _ in range(self.size.repeats))
        done = [staged[step % STAGED] for step in range(self.size.steps)]
        figures = self.rates(trainer, done, taken[len(taken) // 2])
        figures |= {
            "tokens_per_s_range": [figures["tokens_per_s"] * taken[len(taken) // 2] / t for t in (taken[-1], taken[0])],
            "rows_per_step": dataset.rows_per_step,
            "first_step_s": first_s,
            "padding": 1 - sum(b.n_useful for b in staged) / sum(b.inputs["codes_BSK"].numel() for b in staged),
            "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else None,
        }
        self.staged_tokens_per_s = figures["tokens_per_s"]
        return figures | self.parity(trainer, dataset)

    def rates(self, trainer: Trainer, done: list[Batch], taken: float) -> dict[str, Any]:
        """Figures of the batches `done` in `taken` seconds."""
        useful, all_done = useful_flops(trainer.model, done), hardware_flops(trainer.model, trainer.variant, done)
        against = {"measured": self.peak.get("matrix_flops"), "data_sheet": self.peak.get("data_sheet_flops")}
        return {
            "tokens_per_s": sum(batch.n_useful for batch in done) / taken,
            "ms_per_step": 1e3 * taken / len(done),
            "useful_flops_per_s": useful / taken,
            "mfu": {name: useful / taken / peak if peak else None for name, peak in against.items()},
            "hfu": {name: all_done / taken / peak if peak else None for name, peak in against.items()},
        }

    def parity(self, trainer: Trainer, dataset: Batches) -> dict[str, Any]:
        """Loss and gradients without dropout on untrained weights, against dense attention in float32."""
        trainer.model.load_state_dict(self.new_model().state_dict())
        batch = dataset[0].to(self.device)
        if self.reference is None:
            self.reference = loss_and_gradients(Trainer(self.new_model(), REFERENCE, torch.float32), batch)
        loss, gradients = loss_and_gradients(trainer, batch)
        true_loss, true_gradients = self.reference
        off = {
            "loss_off": abs(loss / true_loss - 1),
            "gradient_off": distance(gradients, true_gradients, ""),
            "attention_gradient_off": distance(gradients, true_gradients, ".qkv."),
        }
        agrees = all(
            value < most
            for value, most in zip(off.values(), (LOSS_TOLERANCE, GRADIENT_TOLERANCE, ATTENTION_TOLERANCE), strict=True)
        )
        return {"loss": loss, **off, "agrees": agrees}

    def loader(self, dataset: Batches) -> dict[str, Any]:
        """The same step fed by worker processes: time spent waiting for batches."""
        if self.trainer is None or self.staged_tokens_per_s is None:
            raise DataError("the training part that this one goes on from was skipped or failed")
        on_gpu = self.device.type == "cuda"
        trainer, n_steps = self.trainer, self.size.steps * self.size.repeats
        trainer.model.train()
        loader = DataLoader(
            dataset, batch_size=None, num_workers=self.workers, pin_memory=on_gpu, persistent_workers=True
        )
        batches, done, waited = forever(loader), [], 0.0
        for _ in range(WARM_UP):
            trainer.step(next(batches).to(self.device))
        synchronize(self.device)
        started = time.perf_counter()
        for _ in range(n_steps):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            trainer.step(batch.to(self.device))
            megabytes = sum(tensor.nbytes for tensor in batch.inputs.values()) / 1e6
            done.append(batch.without_slices())
        synchronize(self.device)
        taken = time.perf_counter() - started
        figures = self.rates(trainer, done, taken)
        return {
            **figures,
            "workers": self.workers,
            "waiting": waited / taken,
            "of_staged": figures["tokens_per_s"] / self.staged_tokens_per_s,
            "megabytes_per_step": megabytes,
        }

    def ranking(self, n_items: int) -> dict[str, Any]:
        """Latency on a catalogue of `n_items`."""
        self.trainer = None
        model = self.new_model().to(self.dtype)  # type: ignore[arg-type]
        tokenizer = FSQTokenizer(
            FSQTokenizerConfig(embedding_dim=model.config.embedding_dim, levels=[*self.size.levels])
        )
        rng = np.random.default_rng(self.seed)
        return gpu_ranking.ranking(model, tokenizer, n_items, self.size.batch_sizes, rng)


def loss_and_gradients(trainer: Trainer, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients, dropout off."""
    trainer.model.eval().zero_grad(set_to_none=True)
    loss = trainer.loss(batch)
    loss.backward()
    gradients = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
    trainer.model.zero_grad(set_to_none=True)
    return float(loss.detach()), gradients


def distance(gradients: dict[str, Tensor], true: dict[str, Tensor], part: str) -> float:
    """Relative Euclidean distance, of the parameters with `part` in their names."""
    pairs = [(gradients[name].float(), true[name]) for name in true if part in name]
    squared = sum(float((ours - theirs).square().sum()) for ours, theirs in pairs)
    return (squared / sum(float(theirs.square().sum()) for _, theirs in pairs)) ** 0.5


def forever(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """Batches, epoch after epoch."""
    while True:
        yield from loader


# --- the command ---


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--minutes", type=float, default=8.0, help="no part starts that would end later")
parser.add_argument("--size", choices=SIZES, default="full")
parser.add_argument("--data", type=Path, nargs="*", default=[], help="data-set folders, for their histories")
parser.add_argument("--workers", type=int, default=4, help="of the data loader; each keeps 50 MB in /dev/shm")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--json", type=Path, help=f"the default, at full size, is {RESULT.name} in results/; else none")


def planned(bench: Bench, sequences: dict[str, Ragged]) -> Iterator[tuple[str, float, Callable[[], dict[str, Any]]]]:
    """Name, maximum seconds at full size and function of every part, in order of importance."""
    size = bench.size
    synthetic = bench.batches(bench.data(), size.rows_per_step)

    def peak() -> dict[str, Any]:
        bench.peak = peaks(size, bench.device, bench.dtype)
        return bench.peak

    yield "peak", 15, peak
    yield f"train: {FASTEST.name}", 120, partial(bench.training, FASTEST, synthetic)
    yield "loader", 30, partial(bench.loader, synthetic)
    for n_items, needs in zip(size.catalogues, (20, 30, 50), strict=False):
        yield f"ranking {n_items:,} items", needs, partial(bench.ranking, n_items)
    for variant, needs in zip(VARIANTS, (30, 60, 60, 40, 0, 80), strict=True):
        if variant != FASTEST:
            yield f"train: {variant.name}", needs, partial(bench.training, variant, synthetic)
    for name, each in sequences.items():
        yield f"train: {name} histories", 60, partial(on_other_batches, bench, each, size.rows_per_step)
    for rows in size.other_rows:
        yield f"train: {rows} rows a step", 60, partial(on_other_batches, bench, None, rows)


def on_other_batches(bench: Bench, sequences: Ragged | None, rows: int) -> dict[str, Any]:
    """The fastest variant on other batches, with their own reference."""
    bench.reference = None
    return bench.training(FASTEST, bench.batches(bench.data(sequences), rows))


def main() -> None:
    """Measure, print, write."""
    args = parser.parse_args()
    device = default_device()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/gpu.py --size {args.size}",
        "hardware": hardware(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "size": args.size,
        "seed": args.seed,
        "data": [path.resolve().name for path in args.data],
    }
    path = args.json or (RESULT if args.size == "full" else None)
    journal = Journal(about, path, 60 * args.minutes)
    bench = Bench(SIZES[args.size], device, dtype, args.seed, args.workers)
    sequences = {folder.resolve().name: Dataset.load(folder).sequences for folder in args.data}
    for name, needs_s, work in planned(bench, sequences):
        if args.size == "full" and device.type != "cuda":
            journal.note(name, {"status": "not measured: no GPU here"})
        else:
            journal.run(name, needs_s if args.size == "full" else 0, work)
    show(journal.report)
    if journal.failed:
        sys.exit(f"failed: {', '.join(journal.failed)}; the messages are in the tables and the JSON file")


if __name__ == "__main__":
    run(main, "gpu.py")
