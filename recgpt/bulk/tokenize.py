"""Bulk tokenizing: from `embeddings.npy` to `tokens.npy`, in shards of items.

recgpt tokenize data/demo --tokenizer vae_ckpt/demo

Shapes: N items, E embedding width, K codes an item.
"""

import functools
from pathlib import Path

import numpy as np

from recgpt.bounds import load_npy
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import fingerprint_sha256, read_fingerprint
from recgpt.errors import DataError
from recgpt.files import only_writer
from recgpt.generative.tokenizer import ENCODE_CHUNK, FSQTokenizer
from recgpt.hub import local_folder
from recgpt.jobs.job import Job
from recgpt.jobs.shards import Counts, Shard, Work
from recgpt.progress import Meter, note

SHARD_ITEMS = 8 * ENCODE_CHUNK


def tokenize_dataset(
    dataset: Dataset, tokenizer: str | Path, *, workers: int = 1, shard_size: int = SHARD_ITEMS
) -> np.ndarray:
    """Write `tokens.npy` and its fingerprint into the data set's folder, replacing existing ones.

    Parameters
    ----------
    dataset
        Data set with a folder that holds `embeddings.npy`.
    tokenizer
        Folder or repository of an `FSQTokenizer`.
    workers
        Number of processes; more than 1 run on Ray. See `recgpt.jobs.ray_workers`.
    shard_size
        Items a shard; a killed run repeats at most one shard.

    Returns
    -------
    (N, K) uint16.

    Raises
    ------
    DataError
        No embeddings of these items, or embeddings of another width than the tokenizer's.
    CheckpointError, WorkerError
        See `FSQTokenizer.from_pretrained`, `Job.run`.
    """
    if dataset.path is None:
        raise DataError(f"{dataset.name} was made in memory, so it has no embeddings: save it to a folder first")
    source = dataset.path / "embeddings.npy"
    embeddings_NE = dataset.embeddings()
    made_from = read_fingerprint(source, f"run `recgpt encode {dataset.path}`")
    folder = local_folder(tokenizer).resolve()
    fsq = FSQTokenizer.from_pretrained(folder)
    identity = {"tokenizer_sha256": fsq.sha256, "embeddings_sha256": fingerprint_sha256(made_from)}
    title, parts, row_bytes = f"tokenize {dataset.name}", dataset.path / ".tokens.parts", 2 * fsq.config.n_codes
    job = Job(title, parts, identity, len(embeddings_NE), shard_size, row_bytes)
    with only_writer(dataset.path / "tokens.npy"):
        if not job.resumes():
            if job.is_begun():
                note(f"{job.folder}: an unfinished job with other embeddings or another tokenizer is dropped")
            job.begin(overwrite=True, remedy="")
        job.run(functools.partial(_open, folder, source.resolve()), _same, workers=workers)
        tokens_NK = np.concatenate([load_npy(job.path(shard), mmap=False) for shard in job.shards])
        dataset.save_tokens(tokens_NK, tokenizer_sha256=fsq.sha256, embeddings=made_from)
        job.finish()
    return tokens_NK


def _same(shard: Shard) -> Shard:
    return shard


def _open(tokenizer: Path, embeddings: Path) -> Work:
    fsq = FSQTokenizer.from_pretrained(tokenizer)
    rows_NE = fsq.catalogue_rows(load_npy(embeddings))  # of the whole catalogue, which may be whitened as one

    def work(shard: Shard, path: Path, meter: Meter) -> Counts:
        codes_NK = fsq.encode(rows_NE[shard.start : shard.stop])
        with path.open("wb") as file:
            np.save(file, codes_NK, allow_pickle=False)
        meter.update(len(shard))
        return {}

    return work
