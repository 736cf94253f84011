"""Speed of text encoding, against the encoder's own `encode` at its best batch size."""

from typing import Any

import numpy as np
import torch

from recgpt.benchmark.speed import flops
from recgpt.benchmark.speed.measure import Check, Figure, Measured, Target, Way
from recgpt.benchmark.speed.setting import Setting
from recgpt.encode import PACKAGED, TextEncoder

WITHIN = 0.85
TOLERANCE = 2e-2  # of a cosine: bfloat16 rounding depends on the padding of the batch


def measure(setting: Setting) -> Measured:
    """Measure the encoding of real texts by the packaged encoder."""
    texts = _texts(setting)
    encoder = TextEncoder.load(PACKAGED)
    model = encoder._model

    def plain(batch_size: int) -> torch.Tensor:
        return model.encode(
            texts, batch_size=batch_size, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )

    ways = {f"its own, batches of {size}": Way(lambda size=size: plain(size)) for size in setting.sizes.plain_batches}
    ways["ours"] = Way(lambda: encoder.encode(texts, progress=False))
    tokens = model.tokenizer(texts, truncation=True, max_length=encoder.max_tokens)["input_ids"]
    transformer: Any = model[0]
    shape, lengths = transformer.auto_model.config, np.fromiter(map(len, tokens), dtype=np.int64)
    useful = flops.encoding(shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers, lengths)
    limit = setting.limits.arithmetic(useful, bfloat16=encoder.precision == "bfloat16")
    figures = {
        name: Figure.rate(name, "texts/s", len(texts), each, limit) for name, each in setting.alternating(ways).items()
    }
    ours = figures.pop("ours")
    best = max(figures.values(), key=lambda figure: figure.median)
    cosines = (
        torch.from_numpy(encoder.encode(texts, progress=False)).float() * plain(setting.sizes.plain_batches[0]).float()
    ).sum(1)
    least = float(cosines.min())
    return Measured(
        figures=[*figures.values(), ours],
        targets=[
            Target("text encoding, of the encoder's own best batch rate", WITHIN, True, ours.median / best.median, "x")
        ],
        checks=[Check("our embeddings are the encoder's", least >= 1 - TOLERANCE, f"smallest cosine {least:.4f}")],
        facts={
            "encoder": encoder.name,
            "precision": encoder.precision,
            "texts": len(texts),
            "tokens_a_text": float(lengths.mean()),
        },
    )


def _texts(setting: Setting) -> list[str]:
    """Distinct item texts of the data set; synthetic texts without a data set."""
    n = setting.sizes.texts
    if setting.dataset is None:
        words = [f"word{number}" for number in range(200)]
        rng = setting.rng("texts")
        return [" ".join(rng.choice(words, rng.integers(4, 60))) for _ in range(n)]
    texts = list(dict.fromkeys(setting.dataset.iter_texts()))
    return [texts[row] for row in setting.rng("texts").permutation(len(texts))[:n]]
