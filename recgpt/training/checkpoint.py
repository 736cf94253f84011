"""Atomic checkpoints of a training run: safetensors and JSON, written to a temporary folder and then renamed.

A checkpoint is a folder `step-<n>` with the model (as `save_pretrained` writes it), `optimizer.safetensors` and
`training.json`. Of a model that is sharded over processes (FSDP), each process writes the rows it has of every weight
and moment, `shard-<rank>-of-<processes>.safetensors`, with the first row of each in the file's metadata; no process
holds the whole. torch's own distributed checkpoints keep their index in a pickle, so they are not used.

Either kind is read by rows, so that a run resumes on another number of processes, sharded or not. Random numbers are
keyed by (seed, step, process), so there is no generator state to keep.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard

from recgpt.bounds import parse_json, read_json
from recgpt.errors import CheckpointError, DataError
from recgpt.files import make_folder, put_folder

KEPT = 2  # the newest, and one before it
PREFIX = "step-"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # AdamW's state of a parameter


class StoredModel(Protocol):
    """A module that writes itself into a folder, its weights as `model.safetensors`."""

    def save_pretrained(self, folder: Path, /) -> Any:
        """Write the model."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """As of `torch.nn.Module`."""
        ...

    def load_state_dict(self, state: dict[str, Tensor], /) -> Any:
        """As of `torch.nn.Module`."""
        ...


class ShardedModel(Protocol):
    """A module that writes itself into a folder with weights that it is given, for it has only a part of its own."""

    def save_pretrained(self, folder: Path, /, *, state_dict: dict[str, Tensor]) -> Any:
        """Write the model with the weights `state_dict`."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """As of `torch.nn.Module`."""
        ...


def save(
    folder: Path, model: StoredModel, optimizer: torch.optim.Optimizer, state: dict[str, Any], *, alone: bool = False
) -> None:
    """Write checkpoint `step-<state['step']>` under `folder` and delete all but the newest `KEPT`.

    Parameters
    ----------
    alone
        Replace all checkpoints of the folder, which are of an earlier run, in one step.
    """
    draft = _draft(folder, state, alone=alone)
    _start(draft)
    model.save_pretrained(draft)
    save_file(_moments(model, optimizer), draft / "optimizer.safetensors")
    _finish(draft, state, folder)


def save_sharded(
    folder: Path,
    model: ShardedModel,
    optimizer: torch.optim.Optimizer,
    state: Mapping[str, Any],
    *,
    alone: bool = False,
) -> None:
    """`save` for a model that is sharded over the default process group; all its processes call this together.

    `folder` is one that they share. The checkpoint lands when all have written.
    """
    rank, draft = dist.get_rank(), _draft(folder, state, alone=alone)
    if rank == 0:
        _start(draft)
    dist.barrier()
    tensors = {**dict(model.named_parameters()), **_moments(model, optimizer)}
    write_shard(draft, rank, dist.get_world_size(), {name: rows_held(tensor) for name, tensor in tensors.items()})
    dist.barrier()
    if rank == 0:
        _finish(draft, state, folder)
    dist.barrier()


def write_shard(folder: Path, rank: int, processes: int, pieces: Mapping[str, tuple[int, Tensor]]) -> None:
    """Write one process's part of a checkpoint: by name, the first row it has and its rows (or a number, whole)."""
    starts = {name: start for name, (start, _) in pieces.items()}
    rows = {name: rows.detach().cpu().contiguous() for name, (_, rows) in pieces.items()}
    save_file(rows, folder / _shard_name(rank, processes), metadata={"starts": json.dumps(starts)})


def rows_held(tensor: Tensor) -> tuple[int, Tensor]:
    """The first row that this process has of a tensor, and its rows: all of them unless it is sharded.

    Raises
    ------
    CheckpointError
        The tensor is sharded otherwise than by rows over one dimension of processes.
    """
    if not isinstance(tensor, DTensor):
        return 0, tensor
    if tensor.placements != (Shard(0),):
        raise CheckpointError(f"weights placed as {tensor.placements} cannot be saved: shard by rows (FSDP) alone")
    share = -(-tensor.shape[0] // tensor.device_mesh.size())  # as torch.chunk: the last may have fewer, or none
    return min(tensor.device_mesh.get_local_rank() * share, tensor.shape[0]), tensor.to_local()


def _draft(folder: Path, state: Mapping[str, Any], *, alone: bool) -> Path:
    name = f"{PREFIX}{state['step']:08d}"
    return _draft_of_all(folder) / name if alone else folder / f".{name}.draft"


def _draft_of_all(folder: Path) -> Path:
    """Draft of the whole folder, with a name that all processes know and `recgpt.files.only_writer` deletes."""
    return folder.with_name(f".{folder.name}.{0:032x}.draft")


def _start(draft: Path) -> None:
    is_alone = draft.parent.name.endswith(".draft")
    for left_by_a_kill in [draft.parent] if is_alone else draft.parent.glob(f".{PREFIX}*"):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)
    make_folder(draft)


def _finish(draft: Path, state: Mapping[str, Any], folder: Path) -> None:
    (draft / "training.json").write_text(json.dumps(state), encoding="utf-8")
    if draft.parent != folder:
        put_folder(draft.parent, folder, keep_others=False)
        return
    put_folder(draft, draft.with_name(draft.name.removeprefix(".").removesuffix(".draft")), keep_others=False)
    for old in complete(folder)[:-KEPT]:
        retired = old.replace(_retired(old))  # a deletion that is killed half-way must not look like a checkpoint
        shutil.rmtree(retired)


def save_model(final: Path, model: StoredModel) -> None:
    """Write the model alone, atomically."""
    model.save_pretrained(final)


def save_sharded_model(final: Path, model: ShardedModel) -> None:
    """`save_model` for a sharded model; all processes call this together. The first one holds the weights to write."""
    first, weights = dist.get_rank() == 0, {}
    for name, parameter in model.named_parameters():
        whole = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
        if first:
            weights[name] = whole.detach().cpu()
    if first:
        model.save_pretrained(final, state_dict=weights)
    dist.barrier()


def complete(folder: Path) -> list[Path]:
    """The finished checkpoints under `folder`, oldest first."""
    return sorted(folder.glob(f"{PREFIX}*"))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """`training.json` of a checkpoint."""
    path = checkpoint / "training.json"
    try:
        return read_json(path)
    except DataError as error:
        raise CheckpointError(
            f"{path} is missing or damaged ({error}): delete {checkpoint} to resume earlier"
        ) from error


def restore(checkpoint: Path, model: StoredModel, optimizer: torch.optim.Optimizer) -> None:
    """Load weights and optimizer moments in place; of a sharded model, the rows that this process has.

    Raises
    ------
    CheckpointError
        A file is missing, truncated or of another shape.
    """
    parameters = dict(model.named_parameters())
    try:
        with ExitStack() as files:
            stored = StoredRows(checkpoint, files)
            model.load_state_dict({name: stored.as_held(name, parameters.get(name)) for name in stored.weights})
            state = {
                place: {
                    key: stored.as_held(f"{name}/{key}", None if key == "step" else parameters[name]) for key in MOMENTS
                }
                for place, name in enumerate(_names(model, optimizer))
            }
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
        what = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint} is damaged ({what}): delete it to resume from an earlier one") from error
    # Not set by hand: a fused optimizer wants even the step count on its device.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


class StoredRows:
    """The tensors of a checkpoint, of one process or of many, read by rows.

    Parameters
    ----------
    checkpoint
        Folder `step-<n>`.
    files
        Keeps the files open.

    Raises
    ------
    OSError
        A file is missing or truncated.
    """

    def __init__(self, checkpoint: Path, files: ExitStack) -> None:
        self._pieces: dict[str, list[tuple[int, Any]]] = {}
        for path in _files(checkpoint):
            try:
                file = files.enter_context(safe_open(path, "pt"))
            except (OSError, SafetensorError) as error:
                raise OSError(f"{path.name}: {error}") from error
            names = set(file.keys())
            starts = dict.fromkeys(names, 0)
            if path.name.startswith("shard-"):
                starts = parse_json((file.metadata() or {}).get("starts", "{}"), path.name)
            if not _are_first_rows(starts, names):
                raise OSError(f"{path.name} does not hold the tensors that it names")
            for name, start in starts.items():
                self._pieces.setdefault(name, []).append((start, file))

    @property
    def weights(self) -> list[str]:
        """The names of the model's own tensors."""
        return [name for name in self._pieces if "/" not in name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of the whole tensor."""
        shapes = [(start, file.get_slice(name).get_shape()) for start, file in self._pieces[name]]
        tail = shapes[0][1][1:]
        return (max(start + shape[0] for start, shape in shapes), *tail) if shapes[0][1] else ()

    def as_held(self, name: str, parameter: Tensor | None) -> Tensor:
        """The tensor `name`, placed like `parameter`; whole where that is None or whole.

        Raises
        ------
        KeyError
            The checkpoint has no such tensor.
        ValueError
            Its shape is not that of `parameter`, or some of its rows are missing.
        """
        shape = self.shape(name)
        if parameter is not None and shape != tuple(parameter.shape):
            raise ValueError(f"{name} has shape {shape}, the model wants {tuple(parameter.shape)}")
        if not shape:
            return self._pieces[name][0][1].get_tensor(name)
        if not isinstance(parameter, DTensor):
            return self.rows(name, 0, shape[0])
        start, held = rows_held(parameter)
        rows = self.rows(name, start, start + len(held)).to(held.device)
        return DTensor.from_local(
            rows,
            parameter.device_mesh,
            parameter.placements,
            run_check=False,
            shape=parameter.shape,
            stride=parameter.stride(),
        )

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` of the tensor `name`."""
        found = []
        for first, file in self._pieces[name]:
            piece = file.get_slice(name)
            found.append(piece[max(start - first, 0) : max(min(stop - first, piece.get_shape()[0]), 0)])
        rows = found[0] if len(found) == 1 else torch.cat(found)
        if len(rows) != stop - start:
            raise ValueError(f"{name} has {len(rows)} of the rows {start} to {stop}")
        return rows


def _files(checkpoint: Path) -> list[Path]:
    """The tensor files that a checkpoint must have; each shard names the number of shards."""
    shards = sorted(checkpoint.glob("shard-*-of-*.safetensors"))
    if shards:
        processes = int(shards[0].stem.rpartition("-")[2])
        ranks = range(min(processes, len(shards) + 1))  # the first that is missing is named, however many there are
        return [checkpoint / _shard_name(rank, processes) for rank in ranks]
    return [checkpoint / "model.safetensors", checkpoint / "optimizer.safetensors"]


def _are_first_rows(starts: Any, names: set[str]) -> bool:
    """Whether these are the first rows of tensors with these names."""
    return isinstance(starts, dict) and set(starts) == names and all(type(row) is int for row in starts.values())


def _shard_name(rank: int, processes: int) -> str:
    return f"shard-{rank:05d}-of-{processes:05d}.safetensors"


def _moments(model: StoredModel | ShardedModel, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{name}/{key}": state[place][key].contiguous()
        for place, name in enumerate(_names(model, optimizer))
        for key in MOMENTS
    }


def _names(model: StoredModel | ShardedModel, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the trained parameters, in the order of the optimizer."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _retired(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
