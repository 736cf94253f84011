"""The fixture `../shared/fixtures/seed_checkpoint`: weights made again by rule, and the published code's results.

The rule (key k): `x` standard normal from `default_rng(crc32(k))`; `1 + 0.1 x` for LayerNorm weights, `3 x` for
`quantizer.project_in.weight`, `0.02 x` otherwise; float32.
"""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("fixtures", "seed_checkpoint")
_LAYER_NORM_WEIGHT = re.compile(r"(.*\.)?(ln_1|ln_2|ln_f|norm_seq|norm_aux|norm)\.weight")


def weights(key: str, shape: list[int]) -> Tensor:
    """The fixture's tensor of this name."""
    x = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    if _LAYER_NORM_WEIGHT.fullmatch(key):
        x = 1 + 0.1 * x
    else:
        x *= 3 if key == "quantizer.project_in.weight" else 0.02
    return torch.from_numpy(x.astype(np.float32))


@dataclass(frozen=True)
class SeedCheckpoint:
    """State dicts with the published names, and the published code's results on them."""

    decoder: dict[str, Tensor]
    tokenizer: dict[str, Tensor]
    golden: dict[str, np.ndarray]

    @property
    def histories(self) -> list[list[int]]:
        """Nine histories of 1 to 255 items."""
        ends = np.cumsum(self.golden["history_lengths"])[:-1]
        return [part.tolist() for part in np.split(self.golden["history_flat"], ends)]


def load(shared: Path) -> SeedCheckpoint:
    """Make the state dicts (some seconds: the published token table has 50,257 rows) and read the results."""
    shapes = json.loads((shared / FOLDER / "state_dict_shapes.json").read_text(encoding="utf-8"))
    decoder, tokenizer = (
        {key: weights(key, shape) for key, shape in shapes[part].items()} for part in ("decoder", "tokenizer")
    )
    with np.load(shared / FOLDER / "golden.npz", allow_pickle=False) as golden:
        return SeedCheckpoint(decoder, tokenizer, dict(golden))
