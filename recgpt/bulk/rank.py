"""Bulk ranking: recommendations for every user of a data set.

recgpt rank data/demo --model runs/demo/model/best --out runs/ranked

The index of the catalogue is made once, by the first process, and read by every worker. A shard's users are ranked in
batches of fixed bounds and with one BLAS thread, because the last bits of a score may depend on the batch size and on
the number of threads.

Shapes: U users, N items, k results.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from recgpt.bounds import load_npy, read_json
from recgpt.config import check_number
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import fingerprint_path, fingerprint_sha256, json_text
from recgpt.data.identity import code_version, dataset_identity, different
from recgpt.data.ragged import Ragged
from recgpt.encode import embeddings_for
from recgpt.errors import DataError
from recgpt.files import new_files, only_writer
from recgpt.jobs.job import Job
from recgpt.jobs.shards import Counts, Work
from recgpt.models import Model, about_model, load_model
from recgpt.progress import Meter
from recgpt.ranking import Exclude, Ranking, Request

SHARD_USERS = 4_096
BATCH_USERS = 64
PLACE = np.dtype([("item", np.int32), ("score", np.float32)])  # one entry of a ranking in a shard's file
Ranks = Callable[[Ragged], Ranking]
_ID_TYPES: dict[pl.DataType, pa.DataType] = {pl.String(): pa.string(), pl.Int64(): pa.int64(), pl.UInt64(): pa.uint64()}
_DONE = "done"  # an empty file, written last


def rank_dataset(
    dataset: Dataset,
    model: str | Path,
    out: Path,
    *,
    k: int = 100,
    exclude: Exclude = "history",
    batch_size: int = BATCH_USERS,
    shard_size: int = SHARD_USERS,
    overwrite: bool = False,
    workers: int = 1,
) -> Path:
    """Write `rankings.parquet`: the best k items after each user's whole history.

    Columns `user_id`, `item_id` (outside ids), `rank` from 1 on, `score` of the model; users in the data set's order,
    each best first. A user with fewer than k candidates has fewer rows. `rankings.json` beside it is the fingerprint.
    A foundation model is indexed with all interactions.

    Parameters
    ----------
    model
        Folder, hub repository or published file of either kind of model.
    k
        Results a user, at least 1; more than N are cut at N.
    exclude
        "history" excludes items of the user's history, "nothing" excludes none.
    batch_size
        Users ranked at once; the last bits of the generative model's scores depend on it.
    shard_size
        Users a shard; a killed run repeats at most one shard.
    overwrite
        Whether existing rankings, finished or not, are replaced instead of reused or refused.
    workers
        Number of processes; more than 1 run on Ray, and each loads the model. See `recgpt.jobs.ray_workers`.

    Returns
    -------
    The file. Finished rankings with the same fingerprint are reused.

    Raises
    ------
    DataError
        The folder holds rankings with another fingerprint, or `k` is smaller than 1.
    CheckpointError, EncoderError, WorkerError
        See `load_model`, `embeddings_for`, `Job.run`.
    """
    for name, number in (("batch_size", batch_size), ("shard_size", shard_size), ("workers", workers)):
        check_number(name, number, at_least=1, whole=True)
    path, loaded = out / "rankings.parquet", load_model(model)
    embeddings_NE = _embeddings(dataset, loaded)
    source = Path(str(embeddings_NE.filename)).resolve()
    k = Request.checked([], k, exclude, None, n_items=dataset.n_items).k
    identity = {
        **code_version(),
        **dataset_identity(dataset),
        "model_sha256": loaded.sha256,
        "embeddings_sha256": fingerprint_sha256(read_json(fingerprint_path(source))),
        "k": k,
        "exclude": exclude,
        "batch_size": batch_size,
    }
    title, row_bytes = f"rank {dataset.name}", k * PLACE.itemsize
    job = Job(title, out / ".rankings.parts", identity, dataset.n_users, shard_size, row_bytes)
    stated = {**identity, "shard_size": shard_size}
    remedy = f"rank again with overwrite=True (`recgpt rank {dataset.path} --out {out} --overwrite`)"
    with only_writer(path):
        if not job.start(path, overwrite=overwrite, remedy=remedy):
            _require(path, stated, remedy)
            return path
        index = job.folder.resolve() / "index"
        _write_index(dataset, loaded, embeddings_NE, index)
        where = Path(model).resolve() if Path(model).exists() else model
        ranks = functools.partial(_open_ranks, where, source, index, k, exclude, batch_size)
        sequences = dataset.sequences
        job.run(functools.partial(_open, ranks), lambda shard: sequences[shard.start : shard.stop], workers=workers)
        with new_files(path, fingerprint_path(path)) as (table, note):
            _assemble(dataset, job, table)
            note.write_text(json_text({**stated, "model": about_model(loaded)}), encoding="utf-8")
        job.finish()
    return path


def _embeddings(dataset: Dataset, model: Model) -> np.memmap:
    encoder = model.text_encoder
    if "encoder" not in encoder:
        return cast(np.memmap, dataset.embeddings())  # no encoder recorded in the model: the data set's embeddings
    return cast(np.memmap, embeddings_for(dataset, encoder["encoder"], encoder.get("template", "fields")))


def _require(path: Path, expected: dict[str, Any], remedy: str) -> None:
    found = read_json(fingerprint_path(path)) if fingerprint_path(path).is_file() else {}
    if differences := different(found, expected, "{stored}, but {key}={wanted} is needed"):
        raise DataError(f"{path} was made with {'; '.join(differences)}: {remedy}")


# --- once ---


def _write_index(dataset: Dataset, model: Model, embeddings_NE: np.ndarray, folder: Path) -> None:
    if (folder / _DONE).is_file():
        return
    with threadpool_limits(1, "blas"):
        texts = dataset.texts(model.text_encoder.get("template", "fields"))
        past = dataset.interactions if model.reads_interactions else None
        model.index(texts, interactions=past, embeddings=embeddings_NE).save(folder)
    (folder / _DONE).touch()


# --- in each process ---


def _open(open_ranks: Callable[[], Ranks]) -> Work:
    with threadpool_limits(1, "blas"):
        ranks = open_ranks()

    def work(histories: Ragged, path: Path, meter: Meter) -> Counts:
        with threadpool_limits(1, "blas"):
            ranking = ranks(histories)
        places_Uk = np.empty(ranking.ids.shape, PLACE)
        places_Uk["item"], places_Uk["score"] = ranking.ids, ranking.scores
        with path.open("wb") as file:
            np.save(file, places_Uk, allow_pickle=False)
        meter.update(len(histories))
        return {}

    return work


def _open_ranks(model: str | Path, embeddings: Path, index: Path, k: int, exclude: Exclude, batch_size: int) -> Ranks:
    embeddings_NE = load_npy(embeddings)
    catalogue = load_model(model).open_index(index, embeddings_NE)
    return functools.partial(catalogue.recommend, k=k, exclude=exclude, batch_size=batch_size)


# --- joining the shards ---


def _assemble(dataset: Dataset, job: Job, path: Path) -> None:
    """Join the shards into one file with outside ids: a row group a shard, one shard in memory at a time."""
    user_map, item_map = dataset.user_map, dataset.item_map
    ids = [("user_id", user_map), ("item_id", item_map)]
    kinds = [pa.field(name, _ID_TYPES[id_map.ids.dtype]) for name, id_map in ids]
    schema = pa.schema([*kinds, pa.field("rank", pa.int32()), pa.field("score", pa.float32())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for shard in job.shards:
            places_Uk = load_npy(job.path(shard), mmap=False)
            user, place = np.nonzero(places_Uk["item"] >= 0)
            kept = places_Uk[user, place]
            columns = {
                "user_id": user_map.to_outside(shard.start + user).to_arrow(),
                "item_id": item_map.to_outside(kept["item"]).to_arrow(),
                "rank": place + 1,
                "score": kept["score"],
            }
            writer.write_table(pa.table(columns).cast(schema))
