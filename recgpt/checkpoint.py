"""Checkpoints of a training run that a kill cannot break: safetensors and JSON, written beside and then renamed.

A checkpoint is a folder `step-<n>` with the model (as `save_pretrained` writes it), `optimizer.safetensors` and
`training.json`. Random numbers are keyed by (seed, step, process), so there is no generator state to keep, and a run
may resume on another number of processes.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from recgpt.errors import CheckpointError
from recgpt.model import RecGPTDecoder

KEPT = 2  # the newest, and one before it
PREFIX = "step-"


def save(folder: Path, model: RecGPTDecoder, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Write checkpoint `step-<state['step']>` under `folder` and delete all but the newest `KEPT`."""
    final = folder / f"{PREFIX}{state['step']:08d}"
    draft = folder / f".{final.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    model.save_pretrained(draft)
    save_file(_moments(model, optimizer), draft / "optimizer.safetensors")
    (draft / "training.json").write_text(json.dumps(state), encoding="utf-8")
    publish(draft, final)
    for old in complete(folder)[:-KEPT]:
        shutil.rmtree(old)


def publish(draft: Path, final: Path) -> None:
    """Put a finished folder in the place of `final`."""
    if final.exists():
        retired = final.with_name(f".{final.name}.old")
        shutil.rmtree(retired, ignore_errors=True)
        final.replace(retired)
        draft.replace(final)
        shutil.rmtree(retired)
    else:
        draft.replace(final)


def save_model(final: Path, model: RecGPTDecoder) -> None:
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
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged ({error}): delete {checkpoint} to resume earlier"
        ) from error


def restore(checkpoint: Path, model: RecGPTDecoder, optimizer: torch.optim.Optimizer) -> None:
    """Load weights and optimizer moments in place.

    Raises
    ------
    CheckpointError : a file is missing, truncated or of another shape.
    """
    try:
        weights = load_file(checkpoint / "model.safetensors")
        moments = load_file(checkpoint / "optimizer.safetensors")
        model.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{checkpoint} is damaged ({error}): delete it to resume from an earlier one") from error
    optimizer.state.clear()
    for name, parameter in _named(model, optimizer):
        optimizer.state[parameter] = {
            "step": moments[f"{name}/step"],
            "exp_avg": moments[f"{name}/exp_avg"].to(parameter.device),
            "exp_avg_sq": moments[f"{name}/exp_avg_sq"].to(parameter.device),
        }


def _moments(model: RecGPTDecoder, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": value.detach().contiguous()
        for name, parameter in _named(model, optimizer)
        for key, value in optimizer.state[parameter].items()
    }


def _named(model: RecGPTDecoder, optimizer: torch.optim.Optimizer) -> list[tuple[str, nn.Parameter]]:
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [(name, parameter) for name, parameter in model.named_parameters() if id(parameter) in trained]
