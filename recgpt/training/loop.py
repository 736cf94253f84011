"""Training loop of both models, with learning-rate schedule, weight-decay groups and random seeds.

`TrainingLoop` is the base of `recgpt.generative.trainer` and `recgpt.foundation.pretrain`: steps, periodic evaluation,
checkpoints, the best model, the training curve, and resumption after a kill. A run resumes only if its resume key
(settings, data, initial weights) equals that of the checkpoint.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from recgpt.data.fingerprint import write_json
from recgpt.data.identity import code_version, different, plain
from recgpt.errors import CheckpointError, DataError
from recgpt.files import only_writer
from recgpt.program import PendingStop, deferred_stops, resumable
from recgpt.progress import Meter, note
from recgpt.training import checkpoint


def learning_rate(
    step: int,
    total: int,
    *,
    peak: float,
    warmup: int = 0,
    final: float = 0.0,
    shape: Literal["cosine", "linear"] = "cosine",
    decay_from: Literal["warmup", "start"] = "warmup",
) -> float:
    """Learning rate of one step: linear warm-up, then a decay to `final` of the peak.

    Parameters
    ----------
    step
        From 0.
    total
        Steps of the run.
    warmup
        Steps over which the rate rises to `peak`.
    decay_from
        Where the decay begins: after the warm-up, or at step 0, so that it lowers the warm-up's rates too.
    """
    # Where rounding allows several orders of operations, each branch keeps the one that shipped weights learned with.
    if decay_from == "start":
        rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return peak * rising * _decay(step, total, final, shape)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * _decay((step - warmup) / max(1, total - warmup), 1, final, shape)


def _decay(done: float, total: int, final: float, shape: Literal["cosine", "linear"]) -> float:
    """Factor that falls from 1 to `final` while `done` rises from 0 to `total`."""
    left = 1 - done / total if shape == "linear" else (1 + math.cos(math.pi * done / total)) / 2
    return final + (1 - final) * left


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: matrices decay; norms, biases and other vectors do not."""
    return [
        {"params": [p for p in module.parameters() if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in module.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]


def step_seed(seed: int, step: int, process: int) -> int:
    """Seed of one process's random numbers in one step."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass
class Progress:
    """State of a run; a checkpoint holds it as JSON."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0  # evaluations since `best`
    stopped: bool = False
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)  # step, loss, lr
    evaluations: list[dict[str, float]] = field(default_factory=list)  # step and the figures measured there


class BestWeights:
    """Copy of a module's weights at its highest figure, kept in memory; the first of equals stays."""

    def __init__(self) -> None:
        self.figure = -math.inf
        self._weights: dict[str, Tensor] = {}

    def offer(self, figure: float, module: nn.Module) -> bool:
        """Copy the weights if `figure` is higher than all before; returns whether it is."""
        if not figure > self.figure:
            return False
        self.figure = figure
        self._weights = {name: value.clone() for name, value in module.state_dict().items()}
        return True

    def save(self, path: Path) -> None:
        """Write the weights as safetensors, the figure in the file's metadata."""
        save_file({k: v.contiguous() for k, v in self._weights.items()}, path, {"figure": repr(self.figure)})

    def load(self, path: Path) -> None:
        """Read what `save` wrote.

        Raises
        ------
        CheckpointError
            The file is missing or damaged.
        """
        try:
            with safe_open(path, "pt") as file:
                self.figure = float(file.metadata()["figure"])
                self._weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is missing or damaged ({error}): delete {path.parent} to resume earlier"
            ) from error

    def restore(self, module: nn.Module) -> None:
        """Load the best weights into the module."""
        module.load_state_dict(self._weights)


class TrainingLoop(ABC):
    """Base class of a training run in a folder; a subclass defines a step, the evaluation and the plot.

    Parameters
    ----------
    out
        Run folder: checkpoints/, best/, last/, curve.json, curve.png.
    accelerator
        Accelerator of this launch.
    model
        The wrapped module, as returned by `accelerator.prepare`.
    bare
        The model to store, unwrapped.
    optimizer
        The wrapped optimizer, as returned by `accelerator.prepare`.
    resume_key
        Must equal the key stored in a checkpoint for the run to resume.
    total_steps, evaluate_every, log_every
        Numbers of optimizer steps. The last step always evaluates.
    steps_per_epoch
        None if training has no epochs.
    select_by
        Figure that selects `best/`: "loss" is minimised, any other maximised. None: no best model is kept.
    patience
        Early stopping after so many evaluations without improvement; 0: never.
    overwrite
        Discard the run in `out` instead of resuming it.

    Raises
    ------
    CheckpointError
        `out` holds a run with another resume key.
    """

    name = "train"
    """Label of the progress."""
    measured = "held-out"
    """Heading of the figures in the log."""

    def __init__(
        self,
        out: Path,
        accelerator: Accelerator,
        model: nn.Module,
        bare: Any,
        optimizer: Any,
        resume_key: Mapping[str, Any],
        *,
        total_steps: int,
        evaluate_every: int,
        log_every: int,
        steps_per_epoch: int | None = None,
        select_by: str | None = None,
        patience: int = 0,
        overwrite: bool = False,
    ) -> None:
        self.out = out
        self.accelerator = accelerator
        self.model = model
        self.bare = bare
        self.optimizer = optimizer
        self.resume_key: dict[str, Any] = plain({**resume_key, **code_version()})
        self.total_steps = total_steps
        self.evaluate_every = evaluate_every
        self.log_every = log_every
        self.steps_per_epoch = steps_per_epoch or total_steps
        self.select_by = select_by
        self.patience = patience
        self.sharded = accelerator.is_fsdp2  # then all processes make every pass and every save together
        self.progress = Progress()
        self._losses: list[Tensor] = []  # of the steps since the last point of the curve
        self._replaces_checkpoints = False
        self._lock = ExitStack()
        if accelerator.is_main_process:
            self._lock.enter_context(only_writer(self._checkpoints))
        with self._unlocked_on_error():
            self._resume(overwrite)

    @contextmanager
    def _unlocked_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._lock.close()
            raise

    @abstractmethod
    def _step(self) -> Tensor:
        """One optimizer step; returns this process's share of the mean loss over all processes."""

    @abstractmethod
    def _measure(self) -> dict[str, float]:
        """Figures on held-out data, the same on every process."""

    @abstractmethod
    def _draw(self, progress: dict[str, Any], path: Path) -> None:
        """Draw the training curve to a PNG."""

    @property
    def _checkpoints(self) -> Path:
        return self.out / "checkpoints"

    def _resume(self, overwrite: bool) -> None:
        self.accelerator.wait_for_everyone()
        found = checkpoint.complete(self._checkpoints)
        if overwrite or not found:
            self._replaces_checkpoints = bool(found)  # the old ones stay until the first new one is written
            return
        state = checkpoint.read_state(found[-1])
        self._check_resume_key(state["identity"])
        checkpoint.restore(found[-1], self.bare, self.optimizer.optimizer)
        self.progress = Progress(**state["progress"])
        share = 1.0 if self.accelerator.is_main_process else 0.0  # of the losses, which are sums over the processes
        self._losses = [torch.tensor(loss * share, device=self.accelerator.device) for loss in state.get("losses", ())]
        if self.accelerator.is_main_process:
            note(f"resuming {self.out} at step {self.progress.step:,} of {self.total_steps:,}")

    def _check_resume_key(self, stored: Mapping[str, Any]) -> None:
        if differences := different(stored, self.resume_key, "{stored}, this one has {key}={wanted}"):
            raise CheckpointError(
                f"{self.out} holds a run with {'; '.join(differences)}: pass --overwrite to discard it, or choose"
                " another --out"
            )

    def _train(self) -> None:
        """Steps, points of the curve, evaluations and checkpoints, to the end or to an early stop."""
        progress = self.progress
        started = time.monotonic() - progress.seconds
        note = ""
        quiet = not self.accelerator.is_main_process
        meter = Meter(self.name, self.total_steps, done=progress.step, disable=quiet)
        with self._unlocked_on_error(), resumable(self._how_to_go_on), meter, deferred_stops() as pending:
            while progress.step < self.total_steps and not progress.stopped:
                self._losses.append(self._step())
                progress.step += 1
                evaluates = progress.step % self.evaluate_every == 0 or progress.step == self.total_steps
                logs = evaluates or progress.step % self.log_every == 0
                if logs:
                    loss = float(self.accelerator.reduce(torch.stack(self._losses).mean(), "sum"))
                    self._losses = []
                    if not math.isfinite(loss):
                        raise DataError(
                            f"{self.out}: the loss of step {progress.step:,} is not finite: choose a lower learning"
                            " rate"
                        )
                    self._log({"step": progress.step, "loss": loss, "lr": self.optimizer.param_groups[0]["lr"]})
                    note = f"loss {loss:.4f}"
                progress.seconds = time.monotonic() - started
                if evaluates:
                    self._evaluate()
                    self._save()
                if progress.step % self.steps_per_epoch == 0:
                    self._losses = []  # a point of the curve averages over steps of one epoch
                meter.update(1, note=note)
                if self._stops_here(pending, logs):
                    if not evaluates:
                        self._save_checkpoint()
                    pending.stop()

    def _stops_here(self, pending: PendingStop, logs: bool) -> bool:
        """Whether all processes end at this step, because one of them was told to stop."""
        if self.accelerator.num_processes == 1:
            return bool(pending)
        if not logs:  # the processes agree where they wait for each other anyway
            return False
        n_pending = torch.tensor(float(bool(pending)), device=self.accelerator.device)
        return float(self.accelerator.reduce(n_pending, "sum")) > 0

    def _how_to_go_on(self) -> str:
        found = [] if self._replaces_checkpoints else checkpoint.complete(self._checkpoints)
        if not found:
            return "the same command starts over"
        step = int(found[-1].name.removeprefix(checkpoint.PREFIX))
        return f"the same command goes on at step {step:,} (without --overwrite, which starts over)"

    def _finish(self) -> None:
        """Release the wrapper and the process group."""
        # Release the wrapper before its process group: in the other order gloo's threads and Python may deadlock
        # (pytorch/pytorch#56297).
        self.model = self.bare
        self.accelerator.free_memory()
        self.accelerator.end_training()
        self._lock.close()

    def _update(self, loss: Tensor, clip: float) -> Tensor:
        """One optimizer step down the gradient of a loss, its norm at most `clip`; returns what `_step` returns."""
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach() / self.accelerator.num_processes

    def _set_learning_rate(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def _log(self, point: dict[str, float]) -> None:
        self.progress.curve.append(point)
        self.accelerator.log({key: value for key, value in point.items() if key != "step"}, step=int(point["step"]))

    def _evaluate(self) -> None:
        """Measure on held-out data, keep the best model, count evaluations without a better one."""
        figures = {"step": self.progress.step, **self._measure()}
        if self.select_by is not None and self.select_by not in figures:
            raise DataError(
                f"select_by={self.select_by!r} is none of the measured figures: choose among"
                f" {', '.join(sorted(figures))}"
            )
        self.progress.evaluations.append(figures)
        self.accelerator.log({f"valid/{k}": v for k, v in figures.items() if k != "step"}, step=self.progress.step)
        better = self.select_by is not None and self._select(figures[self.select_by])
        if self.accelerator.is_main_process:
            shown = ", ".join(f"{key} {number:.4f}" for key, number in figures.items() if key != "step")
            best = " (best so far)" if better else ""
            note(f"step {self.progress.step:,}: {self.measured} {shown}{best}")

    def _select(self, value: float) -> bool:
        """Save the model as `best/` if the figure is the best so far; returns whether it is."""
        progress = self.progress
        better = progress.best is None or (value < progress.best if self.select_by == "loss" else value > progress.best)
        if better:
            progress.best, progress.best_step, progress.stale = value, progress.step, 0
            self._save_model("best")
        else:
            progress.stale += 1
            progress.stopped = 0 < self.patience <= progress.stale
        return better

    def _save_model(self, name: str) -> None:
        if self.sharded:
            checkpoint.save_sharded_model(self.out / name, self.bare)
        elif self.accelerator.is_main_process:
            checkpoint.save_model(self.out / name, self.bare)

    def _save(self) -> None:
        """Write a checkpoint and the training curve."""
        self._save_checkpoint()
        if self.accelerator.is_main_process:
            progress = asdict(self.progress)
            write_json(self.out / "curve.json", progress)
            self._draw(progress, self.out / "curve.png")
        self.accelerator.wait_for_everyone()

    def _save_checkpoint(self) -> None:
        losses = [float(self.accelerator.reduce(loss, "sum")) for loss in self._losses]
        progress = asdict(self.progress)
        state = {"step": self.progress.step, "progress": progress, "identity": self.resume_key, "losses": losses}
        alone, self._replaces_checkpoints = self._replaces_checkpoints, False
        if self.sharded:
            checkpoint.save_sharded(self._checkpoints, self.bare, self.optimizer.optimizer, state, alone=alone)
        elif self.accelerator.is_main_process:
            checkpoint.save(self._checkpoints, self.bare, self.optimizer.optimizer, state, alone=alone)
        self.accelerator.wait_for_everyone()
