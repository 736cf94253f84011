"""Shared inputs of the speed benchmark: sizes, histories, a random catalogue, an untrained decoder, the limits."""

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
from recgpt.generative.decoder_config import RecGPTConfig
from recgpt.generative.model import GenerativeModel
from recgpt.generative.published import HEAD_WIDTH, PUBLISHED_LEVELS
from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig, start_from_principal_axes
from recgpt.progress import note

TOP = 10
SYNTHETIC_MEAN_LENGTH = 10.6  # items a sequence of the published Steam test


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of all measurements; the defaults are the published sizes where they exist."""

    items: int = 15_066  # at least; more for a larger data set
    d_model: int = 768
    embedding_dim: int = 768
    n_layers: int = 3
    levels: tuple[int, ...] = tuple(PUBLISHED_LEVELS)
    max_items: int = 256
    synthetic_users: int = 10_000
    history: int = 20  # items, for histories of equal length
    trained_sequences: int = 960  # packed: 24 published batches
    padded_sequences: int = 8  # of them, in rows of their own
    ranked_users: int = 256
    published_users: int = 96  # with real histories, ranked by both
    appended: int = 8  # items appended to each session
    large_items: int = 2_000_000
    huge_items: int = 15_000_000
    texts: int = 2_000
    plain_batches: tuple[int, ...] = (16, 32, 64, 128, 256)  # batch sizes of the encoder's own `encode`
    startups: int = 10
    catalogue_curve: tuple[int, ...] = (10_000, 100_000, 1_000_000, 2_000_000, 15_000_000)
    history_curve: tuple[int, ...] = (1, 4, 16, 64, 128, 256)
    user_curve: tuple[int, ...] = (1, 10, 100, 1_000, 10_000, 100_000)
    user_history: int = 5  # items of a history in the curve of users
    process_curve: tuple[int, ...] = (1, 2)
    process_steps: int = 8  # steps timed of each
    limit_rows: int = 2_048
    limit_bytes: int = 1 << 28
    fill_s: float = 0.2  # minimum seconds of one repetition of short work


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
"""Tiny sizes that run in seconds, for tests; the figures have no meaning."""


class Setting:
    """Data, model and machine limits of one run, each made on first use and determined by the seed.

    Parameters
    ----------
    data
        Data set folder with the histories; None draws synthetic ones.
    sizes
        Sizes of the measurements.
    repetitions
        Repetitions of every measurement, after one discarded round.
    seed
        Seed of all random numbers.
    """

    def __init__(self, data: Path | None, sizes: Sizes, *, repetitions: int, seed: int) -> None:
        self.sizes = sizes
        self.repetitions = repetitions
        self.seed = seed
        self.dataset = None if data is None else Dataset.load(data)
        self.n_items = max(sizes.items, 0 if self.dataset is None else self.dataset.n_items)

    def say(self, text: str) -> None:
        """Print a line on stderr."""
        note(text)

    def alternating(self, ways: dict[str, Way]) -> dict[str, list[float]]:
        """See `recgpt.benchmark.speed.measure.alternating`."""
        return alternating(ways, self.repetitions, self.say, at_least=self.sizes.fill_s)

    def rng(self, purpose: str) -> np.random.Generator:
        """Random generator for one purpose, independent of the parts that run."""
        return np.random.default_rng([self.seed, *purpose.encode()])

    @cached_property
    def sequences(self) -> Ragged:
        """Users' sequences of at least two items, cut to the last `max_items`."""
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
        """Random sequences without their last item; at most 255 items, as published."""
        chosen = self.sequences[self.rng("histories").permutation(len(self.sequences))[:n_users]]
        return chosen.spans(chosen.offsets[:-1], chosen.offsets[1:] - 1)

    def even_histories(self, n_users: int, length: int) -> Ragged:
        """Histories of equal length, cut from the concatenated sequences of all users."""
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
        """Untrained decoder with the same weights on each call."""
        torch.manual_seed(self.seed)
        return GenerativeModel(self.config)

    @cached_property
    def catalogue(self) -> GenerativeCatalogue:
        """Catalogue of clustered embeddings and their codes, with the untrained decoder."""
        embeddings_NE = clustered(self.n_items, self.sizes.embedding_dim, self.rng("embeddings"))
        tokenizer = self.tokenizer
        start_from_principal_axes(tokenizer.quantizer, tokenizer.slices(torch.from_numpy(embeddings_NE)))
        return self.new_model().index(embeddings_NE.astype(np.float16), tokenizer=tokenizer)

    @cached_property
    def tokenizer(self) -> FSQTokenizer:
        """Tokenizer of the sizes' shape."""
        torch.manual_seed(self.seed)
        shape = FSQTokenizerConfig(embedding_dim=self.sizes.embedding_dim, levels=list(self.sizes.levels))
        return FSQTokenizer(shape).eval()

    @cached_property
    def limits(self) -> Limits:
        """Limits of this machine, measured on first use."""
        self.say("measuring the machine's limits")
        return Limits.measured(self.config, rows=self.sizes.limit_rows, buffer=self.sizes.limit_bytes)


def clustered(n_items: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(n_items, width) float32 unit rows in clusters of about 50 items."""
    centres = rng.standard_normal((max(1, n_items // 50), width), dtype=np.float32)
    embeddings_NE = centres[rng.integers(0, len(centres), n_items)]
    embeddings_NE += 0.8 * rng.standard_normal(embeddings_NE.shape, dtype=np.float32)
    return embeddings_NE / np.linalg.norm(embeddings_NE, axis=1, keepdims=True)


def clustered_codes(n_items: int, n_codes: int, codebook_size: int, rng: np.random.Generator) -> np.ndarray:
    """(n_items, n_codes) uint16 codes in clusters of about 50 items; half of the codes are those of the centre."""
    centres = rng.integers(0, codebook_size, (max(1, n_items // 50), n_codes), dtype=np.uint16)
    codes_NK = centres[rng.integers(0, len(centres), n_items)]
    strays = rng.random(codes_NK.shape, dtype=np.float32) < 0.5
    codes_NK[strays] = rng.integers(0, codebook_size, int(strays.sum()), dtype=np.uint16)
    return codes_NK
