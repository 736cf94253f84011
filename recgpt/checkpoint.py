"""Checkpoints of a training run that a kill cannot break: safetensors and JSON, written beside and then renamed.

A checkpoint is a folder `step-<n>` with the model (as `save_pretrained` writes it), `optimizer.safetensors` and
`training.json`. Random numbers are keyed by (seed, step, process), so there is no generator state to keep, and a run
may resume on another number of processes.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recgpt.errors import CheckpointError

KEPT = 2  # the newest, and one before it
PREFIX = "step-"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of a parameter


class StoredModel(Protocol):
    """A module that writes itself into a folder, its weights as `model.safetensors`."""

    def save_pretrained(self, folder: Path, /) -> Any:
        """Write the model."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """As of `torch.nn.Module`."""
        ...

    def load_state_dict(self, state: dict[str, torch.Tensor], /) -> Any:
        """As of `torch.nn.Module`."""
        ...


def save(folder: Path, model: StoredModel, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write checkpoint `step-<state['step']>` under `folder` and delete all but the newest `KEPT`."""
    final = folder / f"{PREFIX}{state['step']:08d}"
    draft = folder / f".{final.name}.draft"
    for left_by_a_kill in folder.glob(f".{PREFIX}*"):
        shutil.rmtree(left_by_a_kill)
    draft.mkdir(parents=True)
    model.save_pretrained(draft)
    save_file(_moments(model, optimizer), draft / "optimizer.safetensors")
    (draft / "training.json").write_text(json.dumps(state), encoding="utf-8")
    publish(draft, final)
    for old in complete(folder)[:-KEPT]:
        retired = old.replace(_retired(old))  # a deletion that is killed half-way must not look like a checkpoint
        shutil.rmtree(retired)


def publish(draft: Path, final: Path) -> None:
    """Put a finished folder in the place of `final`."""
    retired = _retired(final)
    if final.exists():
        shutil.rmtree(retired, ignore_errors=True)
        final.replace(retired)
    draft.replace(final)
    shutil.rmtree(retired, ignore_errors=True)


def save_model(final: Path, model: StoredModel) -> None:
    """Write the model alone, atomically."""
    draft = final.with_name(f".{final.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    publish(draft, final)


def complete(folder: Path) -> list[Path]:
    """The finished checkpoints under `folder`, oldest first."""
    return sorted(folder.glob(f"{PREFIX}*"))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """`training.json` of a checkpoint."""
    path = checkpoint / "training.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged ({error}): delete {checkpoint} to resume earlier"
        ) from error


def restore(checkpoint: Path, model: StoredModel, optimizer: torch.optim.Optimizer) -> None:
    """Load weights and optimizer moments in place.

    Raises
    ------
    CheckpointError : a file is missing, truncated or of another shape.
    """
    try:
        weights = load_file(checkpoint / "model.safetensors")
        moments = load_file(checkpoint / "optimizer.safetensors")
        model.load_state_dict(weights)
        state = {
            place: {key: moments[f"{name}/{key}"] for key in MOMENTS}
            for place, name in enumerate(_names(model, optimizer))
        }
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        what = " ".join(str(error).split())
        raise CheckpointError(f"{checkpoint} is damaged ({what}): delete it to resume from an earlier one") from error
    # Not set by hand: a fused optimizer wants even the step count on its device.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _moments(model: StoredModel, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{name}/{key}": state[place][key].contiguous()
        for place, name in enumerate(_names(model, optimizer))
        for key in MOMENTS
    }


def _names(model: StoredModel, optimizer: torch.optim.Optimizer) -> list[str]:
    """The names of what is trained, in the order in which the optimizer counts it."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _retired(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
