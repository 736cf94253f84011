"""Measured limits of the machine: peak matrix rate, memory bandwidth and cache bandwidth.

Results are compared with them (roofline): FLOPs against the peak matrix rate, bytes against the bandwidth. The peak is
the best of several products at the decoder's own shapes, not the number of a data sheet.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F

from recgpt.benchmark.speed.measure import Limit
from recgpt.device import computes_bfloat16
from recgpt.generative.decoder import linear
from recgpt.generative.decoder_config import RecGPTConfig

ROWS = 2_048  # tokens of two packed rows, the height of a training step's products
BUFFER = 1 << 28  # bytes; several times any cache
TRIALS = 12
BATCH = 64  # histories a ranking batch


@dataclass(frozen=True)
class Limits:
    """Peak rates in FLOPs and bytes a second.

    Attributes
    ----------
    float32, bfloat16
        Matrix products, FLOPs a second; None without bfloat16 arithmetic.
    copy, read
        Memory bandwidth, bytes a second; a copy counts bytes read and written.
    table
        Bandwidth of repeated reads of an array as large as the logits of a batch (partly in caches), bytes a second.
    """

    float32: float
    bfloat16: float | None
    copy: float
    read: float
    table: float

    @classmethod
    def measured(
        cls, config: RecGPTConfig, *, rows: int = ROWS, buffer: int = BUFFER, trials: int = TRIALS
    ) -> "Limits":
        """Measure with torch's present number of threads, best of `trials`."""
        device = torch.device("cpu")
        bfloat16 = _matrix_rate(config, torch.bfloat16, rows, trials) if computes_bfloat16(device) else None
        source, target = torch.ones(buffer // 4), torch.empty(buffer // 4)
        table = torch.ones(config.vocab_size * config.n_codes * BATCH)
        return cls(
            float32=_matrix_rate(config, torch.float32, rows, trials),
            bfloat16=bfloat16,
            copy=2 * buffer / _least(lambda: target.copy_(source), trials),
            read=buffer / _least(source.sum, trials),
            table=table.nbytes / _least(table.sum, trials),
        )

    @property
    def best_matrix_rate(self) -> float:
        """FLOPs a second in bfloat16 if available, else in float32."""
        return self.bfloat16 or self.float32

    def arithmetic(self, flops: float, *, bfloat16: bool = False) -> Limit:
        """Lower bound on the time of `flops`."""
        rate = self.best_matrix_rate if bfloat16 else self.float32
        name = "bfloat16" if bfloat16 and self.bfloat16 else "float32"
        return Limit(flops / rate, f"{flops / 1e9:,.3g} GFLOP at {rate / 1e9:,.0f} GFLOP/s in {name}")

    def traffic(self, from_memory: float, from_table: float) -> Limit:
        """Lower bound on the time to read so many bytes from memory and from the logits."""
        return Limit(
            from_memory / self.read + from_table / self.table,
            f"{from_memory / 1e6:,.3g} MB from memory at {self.read / 1e9:,.0f} GB/s, {from_table / 1e6:,.3g} MB of "
            f"logits at {self.table / 1e9:,.0f} GB/s",
        )


def _matrix_rate(config: RecGPTConfig, dtype: torch.dtype, rows: int, trials: int) -> float:
    """FLOPs a second of the best of the decoder's products: D x 4D, 4D x D and a chunk of the head."""
    d = config.d_model
    best = 0.0
    for n_in, n_out in ((d, 4 * d), (4 * d, d), (d, config.vocab_size)):
        x, weight = torch.randn(rows, n_in, dtype=dtype), torch.randn(n_out, n_in, dtype=dtype)
        with (
            torch.inference_mode()
        ):  # without gradients `linear` uses oneDNN, which may be faster than PyTorch's choice
            ways = [partial(F.linear, x, weight), partial(linear, x, weight)]
            best = max(best, 2 * rows * n_in * n_out / min(_least(way, trials) for way in ways))
    return best


def _least(work: Callable[[], object], trials: int) -> float:
    work()
    taken = []
    for _ in range(trials):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
