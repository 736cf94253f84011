"""What all parts of the benchmark share: sizes, histories, a random catalogue, an untrained decoder, the limits."""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recgpt.benchmark.speed.limits import Limits
from recgpt.benchmark.speed.measure import Way, alternating
from recgpt.data.dataset import Dataset
from recgpt.data.packing import MIN_ITEMS
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.generative.catalogue import GenerativeCatalogue
from recgpt.generative.decoder import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.published import HEAD_WIDTH, PUBLISHED_LEVELS
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig, start_from_principal_axes
from recgpt.progress import console

TOP = 10
SYNTHETIC_MEAN_LENGTH = 10.6  # items a sequence of the published Steam test


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured; the defaults are the published sizes where there are any."""

    items: int = 15_066  # at least; the data's own where they are more
    d_model: int = 768
    embedding_dim: int = 768
    n_layers: int = 3
    levels: tuple[int, ...] = tuple(PUBLISHED_LEVELS)
    max_items: int = 256
    synthetic_users: int = 10_000
    history: int = 20  # items, where all histories are alike
    trained_sequences: int = 960  # packed: 24 published batches
    padded_sequences: int = 8  # of them, one a row
    ranked_users: int = 256
    published_users: int = 96  # real histories that both rank
    appended: int = 8  # items each session grows by
    large_items: int = 2_000_000
    huge_items: int = 15_000_000
    texts: int = 2_000
    plain_batches: tuple[int, ...] = (16, 32, 64, 128, 256)  # of the encoder's own
    startups: int = 10
    catalogue_curve: tuple[int, ...] = (10_000, 100_000, 1_000_000, 2_000_000, 15_000_000)
    history_curve: tuple[int, ...] = (1, 4, 16, 64, 128, 256)
    user_curve: tuple[int, ...] = (1, 10, 100, 1_000, 10_000, 100_000)
    user_history: int = 5  # items of a history in the curve of users
    process_curve: tuple[int, ...] = (1, 2)
    process_steps: int = 8  # steps timed of each
    limit_rows: int = 2_048
    limit_bytes: int = 1 << 28
    fill_s: float = 0.2  # seconds of one repetition of something short


QUICK = Sizes(
    items=300,
    d_model=64,
    embedding_dim=64,
    n_layers=1,
    levels=(8, 8, 8),
    max_items=16,
    synthetic_users=200,
    history=5,
    trained_sequences=80,
    padded_sequences=4,
    ranked_users=16,
    published_users=8,
    appended=2,
    large_items=140_000,
    huge_items=40_000,
    texts=8,
    plain_batches=(8,),
    startups=2,
    catalogue_curve=(1_000, 20_000),
    history_curve=(1, 16),
    user_curve=(1, 50),
    user_history=3,
    process_curve=(2,),
    process_steps=2,
    limit_rows=256,
    limit_bytes=1 << 22,
    fill_s=0.0,
)
"""Everything in seconds, to see that it runs; its figures mean nothing."""


class Setting:
    """One run's data, model and machine; each is made when first asked for, the same for the same seed.

    Parameters
    ----------
    data
        Data-set folder with the histories; None draws synthetic ones.
    sizes
        How much is measured.
    repetitions
        Of every measurement, after one that is not kept.
    seed
        Of everything random.
    """

    def __init__(self, data: Path | None, sizes: Sizes, *, repetitions: int, seed: int) -> None:
        self.sizes = sizes
        self.repetitions = repetitions
        self.seed = seed
        self.dataset = None if data is None else Dataset.load(data)
        self.n_items = max(sizes.items, 0 if self.dataset is None else self.dataset.n_items)

    def say(self, what: str) -> None:
        """A line on stderr."""
        console.print(what, markup=False, highlight=False, soft_wrap=True)

    def alternating(self, ways: dict[str, Way]) -> dict[str, list[float]]:
        """See `recgpt.benchmark.speed.measure.alternating`."""
        return alternating(ways, self.repetitions, self.say, at_least=self.sizes.fill_s)

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers for one purpose, the same whichever parts run."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    @cached_property
    def sequences(self) -> Ragged:
        """The users' sequences of at least two catalogue rows, cut to the last `max_items`."""
        if self.dataset is not None:
            sequences = self.dataset.sequences
        else:
            rng = self.rng("sequences")
            lengths = 1 + rng.geometric(1 / (SYNTHETIC_MEAN_LENGTH - 1), self.sizes.synthetic_users)
            sequences = Ragged(rng.integers(0, self.n_items, int(lengths.sum())), offsets_from_lengths(lengths))
        kept = sequences[np.flatnonzero(sequences.lengths >= MIN_ITEMS)]
        return kept.tail(self.sizes.max_items)

    def data_facts(self) -> dict[str, Any]:
        """Name and SHA-256 of the sequences."""
        digest = hashlib.sha256(np.ascontiguousarray(self.sequences.offsets, np.int64).data)
        digest.update(np.ascontiguousarray(self.sequences.values, np.int64).data)
        name = "synthetic" if self.dataset is None else self.dataset.name
        return {"name": name, "sha256": digest.hexdigest(), "sequences": len(self.sequences), "items": self.n_items}

    def real_histories(self, n_users: int) -> Ragged:
        """All but the last item of some sequences, at most 255 as published."""
        chosen = self.sequences[self.rng("histories").permutation(len(self.sequences))[:n_users]]
        return chosen.spans(chosen.offsets[:-1], chosen.offsets[1:] - 1)

    def even_histories(self, n_users: int, length: int) -> Ragged:
        """Histories of one length: runs of the data's items in their order, whoever met them."""
        stream = np.resize(self.sequences.values, max(len(self.sequences.values), n_users + length))
        starts = self.rng(f"histories of {length}").integers(0, len(stream) - length + 1, n_users)
        values = stream[starts[:, None] + np.arange(length)].astype(np.int64)
        return Ragged(values.reshape(-1), offsets_from_lengths(np.full(n_users, length)))

    @property
    def config(self) -> RecGPTConfig:
        """Shape of the decoder."""
        sizes = self.sizes
        return RecGPTConfig(
            codebook_size=math.prod(sizes.levels),
            embedding_dim=sizes.embedding_dim,
            d_model=sizes.d_model,
            n_layers=sizes.n_layers,
            n_heads=sizes.d_model // HEAD_WIDTH,
            max_items=sizes.max_items,
        )

    def new_model(self) -> GenerativeModel:
        """An untrained decoder, each time with the same weights."""
        torch.manual_seed(self.seed)
        return GenerativeModel(self.config)

    @cached_property
    def catalogue(self) -> GenerativeCatalogue:
        """Clustered embeddings, codes that follow them, and the untrained decoder."""
        embeddings_NE = clustered(self.n_items, self.sizes.embedding_dim, self.rng("embeddings"))
        tokenizer = self.tokenizer
        start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(embeddings_NE)))
        return self.new_model().index(embeddings_NE.astype(np.float16), tokenizer=tokenizer)

    @cached_property
    def tokenizer(self) -> FSQTokenizer:
        """A tokenizer of the sizes' shape."""
        torch.manual_seed(self.seed)
        shape = FSQTokenizerConfig(embedding_dim=self.sizes.embedding_dim, levels=list(self.sizes.levels))
        return FSQTokenizer(shape).eval()

    @cached_property
    def limits(self) -> Limits:
        """Of this machine, measured when first asked for."""
        self.say("measuring the machine's limits")
        return Limits.measured(self.config, rows=self.sizes.limit_rows, buffer=self.sizes.limit_bytes)


def clustered(n_items: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(n_items, width) float32 of unit length, 50 items around each centre."""
    centres = rng.standard_normal((max(1, n_items // 50), width), dtype=np.float32)
    embeddings_NE = centres[rng.integers(0, len(centres), n_items)]
    embeddings_NE += 0.8 * rng.standard_normal(embeddings_NE.shape, dtype=np.float32)
    return embeddings_NE / np.linalg.norm(embeddings_NE, axis=1, keepdims=True)


def clustered_codes(n_items: int, n_codes: int, codebook_size: int, rng: np.random.Generator) -> np.ndarray:
    """(n_items, n_codes) uint16: 50 items around each centre, each code with an even chance to be its centre's."""
    centres = rng.integers(0, codebook_size, (max(1, n_items // 50), n_codes), dtype=np.uint16)
    codes_NK = centres[rng.integers(0, len(centres), n_items)]
    strays = rng.random(codes_NK.shape, dtype=np.float32) < 0.5
    codes_NK[strays] = rng.integers(0, codebook_size, int(strays.sum()), dtype=np.uint16)
    return codes_NK
