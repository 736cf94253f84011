"""Pre-training and fine-tuning on Accelerate; `pre_train.py` is its command.

    accelerate launch pre_train.py --data data/pre_train --batch_size 40 --epoch 5 --tf_layer 3

Sequences share rows (`recgpt.data.packing`), attention is closed around each. Whatever is random depends on (seed,
step, process) alone, and the loss of a step is divided by the number of predictions in the whole global batch. So a run
that was killed resumes to the losses of an unbroken one, and two processes give the losses of one with the same global
batch (but for dropout, which differs by process). How processes share the model, `recgpt.generative.distributed` says.

The published `--batch_size` counts sequences a process; here that many sequences, packed, are one step's rows.

Shapes: B rows, S items a row, K codes an item, W slice width.
"""

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate.tracking import get_available_trackers
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recgpt.data.fingerprint import write_json
from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged, offsets_of
from recgpt.device import computes_bfloat16, default_device
from recgpt.errors import CheckpointError, DataError
from recgpt.generative.decoder import RecGPTDecoder
from recgpt.generative.distributed import head_gathered, make_accelerator, prepare
from recgpt.generative.loss import IGNORE, next_item_labels
from recgpt.progress import Meter, console
from recgpt.training import checkpoint
from recgpt.training.curves import training_curve

Validate = Callable[[RecGPTDecoder], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; the defaults are the published ones where there are any."""

    out: Path  # run folder: checkpoints/, best/, last/, curve.json, curve.png
    epochs: int = 5
    batch_size: int = 40  # sequences a process and step, as published; they are packed into fewer rows
    gradient_accumulation: int = 1  # steps of `batch_size` before the weights move
    lr: float = 1e-4  # peak
    warmup: float = 0.05  # share of all steps over which the learning rate rises
    final_lr: float = 0.1  # share of the peak at the end of the cosine
    weight_decay: float = 0.01  # of matrices; norms and biases have none
    clip: float = 1.0  # of the gradient's norm
    mixed_precision: Literal["auto", "bf16", "no"] = "auto"  # auto: bf16 where the hardware multiplies in it
    evaluations_per_epoch: float = 10  # each writes a checkpoint; the published run saved at every tenth
    patience: int = 0  # evaluations without a better `select_by` before stopping; 0 never stops early
    select_by: str = "loss"  # validation figure that picks `best`; "loss" is minimised, any other maximised
    seed: int = 0
    workers: int = 0  # processes that prepare batches, for each training process
    log_every: int = 10  # steps a point of the training curve
    tracker: str | None = None  # an Accelerate tracker such as "tensorboard"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation", "log_every", "evaluations_per_epoch"):
            value = getattr(self, name)
            if value <= 0:
                raise DataError(f"{name}={value}: a number above 0 is needed")

    def decisive(self) -> dict[str, Any]:
        """The settings that must agree for a run to resume; how a batch is spread over processes need not."""
        free = ("out", "workers", "tracker", "batch_size", "gradient_accumulation")
        return {key: value for key, value in asdict(self).items() if key not in free}


@dataclass(frozen=True)
class TrainData:
    """A catalogue's tables and the sequences over it.

    Attributes
    ----------
    sequences
        Dense item ids, oldest first.
    codes_NK
        (N, K) uint16, may be a memory map.
    embeddings_NE
        (N, E) float16, may be a memory map.
    last_only
        Score only the last item of each sequence (the rest of it was trained on).
    """

    sequences: Ragged
    codes_NK: np.ndarray
    embeddings_NE: np.ndarray
    last_only: bool = False


@dataclass
class Progress:
    """What a run has done so far; a checkpoint carries it as JSON."""

    step: int = 0
    best: float | None = None
    best_step: int = 0
    stale: int = 0  # evaluations since `best`
    stopped: bool = False
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)  # step, loss, lr
    evaluations: list[dict[str, float]] = field(default_factory=list)  # step, loss, ranking metrics


def windows(sequences: Ragged, max_items: int) -> Ragged:
    """Cut sequences longer than `max_items` into consecutive windows, counted from the end, so that none is lost."""
    if sequences.lengths.max(initial=0) <= max_items:
        return sequences  # uncopied: it may be a memory map, and every process has one
    n_windows = np.maximum(1, -(-sequences.lengths // max_items))
    owner = np.repeat(np.arange(len(sequences)), n_windows)
    from_end = np.arange(len(owner)) - np.repeat(offsets_of(n_windows)[:-1], n_windows)
    stops = sequences.offsets[owner + 1] - from_end * max_items
    return sequences.spans(np.maximum(sequences.offsets[owner], stops - max_items), stops)


class MicroBatches(Dataset[dict[str, Tensor]]):
    """The micro-batches of one process over one epoch: a map-style dataset, so that workers can prepare ahead.

    Every process knows the epoch's whole packing and builds only its own rows; none feeds the others.
    """

    def __init__(self, data: TrainData, rows: PackedDataset, shares: list[np.ndarray], codebook_size: int) -> None:
        self.data = data
        self.rows = rows
        self.shares = shares
        self.codebook_size = codebook_size

    def __len__(self) -> int:
        return len(self.shares)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return batch_tensors(self.data, self.rows, self.shares[index], self.codebook_size)


def batch_tensors(data: TrainData, rows: PackedDataset, indices: np.ndarray, padding: int) -> dict[str, Tensor]:
    """The decoder's inputs for packed rows: codes, labels (B, S, K), slices (B, S, K, W), segments, positions."""
    packed = rows.rows(indices)
    items_BS = np.maximum(packed.item_ids, 0)
    segments_BS = torch.from_numpy(packed.segment_ids.astype(np.int64))
    codes_BSK = torch.from_numpy(np.asarray(data.codes_NK[items_BS], dtype=np.int64))
    codes_BSK[segments_BS < 0] = padding
    embeddings_BSE = torch.from_numpy(np.asarray(data.embeddings_NE[items_BS]))
    labels_BSK = next_item_labels(codes_BSK, segments_BS)
    if data.last_only:
        labels_BSK[:, :-2][segments_BS[:, 2:] == segments_BS[:, :-2]] = IGNORE
    n_codes = codes_BSK.shape[-1]
    return {
        "codes_BSK": codes_BSK,
        "slices_BSKW": embeddings_BSE.view(*items_BS.shape, n_codes, -1),
        "segments_BS": segments_BS,
        "positions_BS": torch.from_numpy(packed.position_ids),
        "labels_BSK": labels_BSK,
    }


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine down to `final_lr` of the peak."""
    warmup = max(1, round(config.warmup * total))
    if step < warmup:
        return config.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return config.lr * (config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * done)) / 2)


class Trainer:
    """One training run, from its first step or from its last checkpoint.

    Parameters
    ----------
    config
        How to train.
    model
        What to train; its tokenizer is saved with it.
    data
        What to train on. Sequences longer than the model reads are cut into windows.
    valid
        Held-out sets; the validation loss is the mean of their mean losses.
    validate
        Maps the model to further figures, such as ranking metrics on held-out users; runs on the main process.
    overwrite
        Discard what `config.out` holds instead of resuming it.

    Raises
    ------
    DataError
        Too few rows for the processes, nothing to predict, `select_by` without the figure.
    CheckpointError
        `config.out` holds a run with other settings or data.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: RecGPTDecoder,
        data: TrainData,
        valid: list[TrainData],
        validate: Validate | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        if not valid:
            raise DataError("no validation data: hold some users out or name a data set to validate on")
        if config.select_by != "loss" and validate is None:
            raise DataError(f"select_by={config.select_by!r} needs ranking on held-out users: use select_by='loss'")
        trackers = [str(tracker) for tracker in get_available_trackers()]
        if config.tracker is not None and config.tracker not in trackers:
            raise DataError(f"tracker {config.tracker!r} is not here (there are: {trackers}): install it, or use none")
        precision = config.mixed_precision
        if precision == "auto":
            precision = "bf16" if computes_bfloat16(default_device()) else "no"
        self.accelerator = make_accelerator(
            precision,
            gradient_accumulation=config.gradient_accumulation,
            tracker=config.tracker,
            project_dir=str(config.out),
        )
        self.config = config
        self.data = replace(data, sequences=windows(data.sequences, model.config.max_items))
        self.valid = valid
        self.validate = validate
        self.progress = Progress()
        self._plan(model.config.max_items)
        max_items = model.config.max_items
        self._valid_rows = [PackedDataset(each.sequences.tail(max_items), row_items=max_items) for each in valid]
        self.identity = self._identity(model)

        matrices = [p for p in model.parameters() if p.dim() > 1]
        vectors = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=self.accelerator.device.type in ("cpu", "cuda"))
        self.model, self.optimizer = prepare(self.accelerator, model, optimizer)
        self.bare: RecGPTDecoder = self.accelerator.unwrap_model(self.model)
        self.sharded = self.accelerator.is_fsdp2  # then `bare` is `model`: all processes together, or a deadlock
        self._resume(overwrite)

    def _plan(self, max_items: int) -> None:
        """How many rows make a step, and how many steps the run has; the same on every process."""
        rows = PackedDataset(self.data.sequences, row_items=max_items, seed=self.config.seed)
        micro_batches = self.accelerator.num_processes * self.config.gradient_accumulation
        if len(rows) < micro_batches:
            raise DataError(
                f"{len(rows)} packed rows cannot feed {self.accelerator.num_processes} processes x "
                f"{self.config.gradient_accumulation} accumulation steps: use fewer of either"
            )
        wanted = round(self.config.batch_size * micro_batches * len(rows) / rows.n_sequences)
        self.rows_per_step = min(max(micro_batches, wanted), len(rows))
        self.steps_per_epoch = len(rows) // self.rows_per_step
        self.total_steps = self.steps_per_epoch * self.config.epochs
        self.evaluate_every = max(1, round(self.steps_per_epoch / self.config.evaluations_per_epoch))
        self.useful_fraction = rows.useful_fraction

    def _identity(self, model: RecGPTDecoder) -> dict[str, Any]:
        """What must agree for a run to resume, before the weights move; the first process reads the data for all."""
        weights = hashlib.sha256()
        for parameter in model.state_dict().values():
            weights.update(parameter.detach().float().cpu().contiguous().numpy().data)
        data = ["", ""]
        if self.accelerator.is_main_process:
            data = [sha256(self.data), sha256(*self.valid)]
        of_main = [weights.hexdigest(), *data]
        broadcast_object_list(of_main)
        if of_main[0] != weights.hexdigest():
            raise CheckpointError(
                f"process {self.accelerator.process_index} starts from other weights than process 0: give all machines "
                f"the same checkpoint, seed and versions"
            )
        return {
            **self.config.decisive(),
            **{key: getattr(model.config, key) for key in ("n_layers", "d_model", "n_heads", "max_items", "dropout")},
            "rows_per_step": self.rows_per_step,
            "data_sha256": of_main[1],
            "valid_sha256": of_main[2],
            "initial_weights_sha256": of_main[0],
        }

    @property
    def _checkpoints(self) -> Path:
        return self.config.out / "checkpoints"

    def _resume(self, overwrite: bool) -> None:
        if overwrite and self.accelerator.is_main_process:
            for name in ("checkpoints", "best", "last"):
                shutil.rmtree(self.config.out / name, ignore_errors=True)
            for name in ("curve.json", "curve.png"):
                (self.config.out / name).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()
        found = checkpoint.complete(self._checkpoints)
        if not found:
            return
        state = checkpoint.read_state(found[-1])
        ours, theirs = self.identity, state["identity"]
        differing = [key for key in ours if ours[key] != theirs.get(key)]
        if differing:
            key = differing[0]
            raise CheckpointError(
                f"{self.config.out} holds a run with {key}={theirs.get(key)!r}, this one has {key}={ours[key]!r}: "
                f"pass --overwrite to discard it, or choose another --out"
            )
        checkpoint.restore(found[-1], self.bare, self.optimizer.optimizer)
        self.progress = Progress(**state["progress"])
        if self.accelerator.is_main_process:
            console.print(f"resuming {self.config.out} at step {self.progress.step:,} of {self.total_steps:,}")

    def run(self) -> Progress:
        """Train to the end, or to an early stop. `best/` then holds the model to use, `last/` the final one."""
        started = time.monotonic() - self.progress.seconds
        self.accelerator.init_trackers("recgpt", config={k: str(v) for k, v in self.identity.items()})
        first_epoch = self.progress.step // self.steps_per_epoch
        quiet = not self.accelerator.is_main_process
        with Meter("train", self.total_steps, done=self.progress.step, disable=quiet) as meter:
            for epoch in range(first_epoch, self.config.epochs):
                if not self.progress.stopped:
                    self._epoch(epoch, meter, started)
        self._save_model("last")
        # The wrapper around several processes goes before their group: the other way round gloo's threads and Python
        # may wait for each other for ever (pytorch/pytorch#56297).
        self.model = self.bare
        self.accelerator.free_memory()
        self.accelerator.end_training()
        return self.progress

    def _epoch(self, epoch: int, meter: Meter, started: float) -> None:
        progress, every = self.progress, self.config.log_every
        rows = self._rows(epoch)
        first = progress.step - epoch * self.steps_per_epoch
        batches = iter(self._loader(rows, first))
        losses: list[Tensor] = []
        note = ""
        for within in range(first, self.steps_per_epoch):
            losses.append(self._step(batches, rows, within))
            progress.step += 1
            evaluates = progress.step % self.evaluate_every == 0 or progress.step == self.total_steps
            if evaluates or progress.step % every == 0:
                loss = float(self.accelerator.reduce(torch.stack(losses).mean(), "sum"))
                losses = []
                self._log({"step": progress.step, "loss": loss, "lr": self.optimizer.param_groups[0]["lr"]})
                note = f"loss {loss:.4f}"
            if evaluates:
                progress.seconds = time.monotonic() - started
                self._evaluate()
                self._save()
            meter.update(1, note=note)
            if progress.stopped:
                return

    def _rows(self, epoch: int) -> PackedDataset:
        return PackedDataset(
            self.data.sequences, row_items=self.bare.config.max_items, seed=self.config.seed, epoch=epoch
        )

    def _loader(self, rows: PackedDataset, first_step: int) -> DataLoader[dict[str, Tensor]]:
        """Micro-batches of one epoch for this process, from step `first_step` on."""
        shares = row_shares(
            range(first_step, self.steps_per_epoch),
            self.rows_per_step,
            self.config.gradient_accumulation,
            process=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
        )
        batches = MicroBatches(self.data, rows, shares, self.bare.config.codebook_size)
        on_gpu = self.accelerator.device.type == "cuda"
        return DataLoader(batches, batch_size=None, shuffle=False, num_workers=self.config.workers, pin_memory=on_gpu)

    def _step(self, batches: Iterator[dict[str, Tensor]], rows: PackedDataset, within: int) -> Tensor:
        """Move the weights once; returns this process's share of the global batch's mean loss."""
        accelerator, config = self.accelerator, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.progress.step, self.total_steps, config)
        torch.manual_seed(stream(config.seed, self.progress.step, accelerator.process_index))
        of_step = np.arange(within * self.rows_per_step, (within + 1) * self.rows_per_step)
        averaged_over = accelerator.num_processes * config.gradient_accumulation  # by DDP and by accelerator.backward
        normaliser = rows.n_predicted(of_step) * self.bare.config.n_codes / averaged_over
        self.model.train()
        loss = torch.zeros((), device=accelerator.device)
        for _ in range(config.gradient_accumulation):
            batch = {name: value.to(accelerator.device, non_blocking=True) for name, value in next(batches).items()}
            with accelerator.accumulate(self.model):
                out = self.model(**batch, loss_normaliser=normaliser)
                accelerator.backward(out.loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.model.parameters(), config.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
            loss += out.loss.detach() / averaged_over
        return loss

    def _log(self, point: dict[str, float]) -> None:
        self.progress.curve.append(point)
        self.accelerator.log({key: value for key, value in point.items() if key != "step"}, step=int(point["step"]))

    def _validation_loss(self) -> float:
        """Mean over the held-out sets of their mean loss a predicted code; each process reads its share of the rows."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        batch_rows = max(1, self.rows_per_step // (world * self.config.gradient_accumulation))
        means = []
        for data, rows in zip(self.valid, self._valid_rows, strict=True):
            total = summed_loss(
                self.bare.eval(),
                data,
                rows,
                np.arange(len(rows))[rank::world],
                batch_rows,
                passes=-(-len(rows) // (world * batch_rows)),
            )
            total = self.accelerator.reduce(total, "sum")
            means.append(float(total[0] / total[1]))
        return sum(means) / len(means)

    def _evaluate(self) -> None:
        """Measure on the held-out sets, keep the best model, count evaluations without a better one."""
        figures: dict[str, float] = {"step": self.progress.step, "loss": self._validation_loss()}
        if self.validate is not None:
            takes_part = self.sharded or self.accelerator.is_main_process
            with head_gathered(self.bare):
                ranked = [self.validate(self.bare.eval()) if takes_part else {}]
            broadcast_object_list(ranked)
            figures.update(ranked[0])
        if self.config.select_by not in figures:
            raise DataError(f"select_by={self.config.select_by!r} is none of the figures {sorted(figures)}")
        progress, value = self.progress, figures[self.config.select_by]
        progress.evaluations.append(figures)
        self.accelerator.log({f"valid/{k}": v for k, v in figures.items() if k != "step"}, step=progress.step)
        better = progress.best is None or (
            value < progress.best if self.config.select_by == "loss" else value > progress.best
        )
        if better:
            progress.best, progress.best_step, progress.stale = value, progress.step, 0
            self._save_model("best")
        else:
            progress.stale += 1
            progress.stopped = 0 < self.config.patience <= progress.stale
        if self.accelerator.is_main_process:
            shown = ", ".join(f"{key} {number:.4f}" for key, number in figures.items() if key != "step")
            console.print(f"step {progress.step:,}: held-out {shown}{' (best so far)' if better else ''}")

    def _save_model(self, name: str) -> None:
        if self.sharded:
            checkpoint.save_sharded_model(self.config.out / name, self.bare)
        elif self.accelerator.is_main_process:
            checkpoint.save_model(self.config.out / name, self.bare)

    def _save(self) -> None:
        state = {"step": self.progress.step, "progress": asdict(self.progress), "identity": self.identity}
        if self.sharded:
            checkpoint.save_sharded(self._checkpoints, self.bare, self.optimizer.optimizer, state)
        elif self.accelerator.is_main_process:
            checkpoint.save(self._checkpoints, self.bare, self.optimizer.optimizer, state)
        if self.accelerator.is_main_process:
            write_json(self.config.out / "curve.json", asdict(self.progress))
            training_curve(asdict(self.progress), self.config.out / "curve.png")
        self.accelerator.wait_for_everyone()


def sha256(*data: TrainData) -> str:
    """Hash of who met what and of the items' codes; what the codes were made of, `Dataset.tokens` has checked."""
    digest = hashlib.sha256()
    for each in data:
        for array in (each.sequences.offsets, each.sequences.values, each.codes_NK):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def row_shares(steps: range, rows_per_step: int, accumulated: int, *, process: int, processes: int) -> list[np.ndarray]:
    """Which of the epoch's rows one process reads in its micro-batches of `steps`, `accumulated` to a step.

    The rows of a step are the same for any number of processes; a row more or less in a share changes no loss.
    """
    shares = []
    for step in steps:
        of_step = np.arange(step * rows_per_step, (step + 1) * rows_per_step)
        shares += np.array_split(of_step, processes * accumulated)[process::processes]
    return shares


def stream(seed: int, step: int, process: int) -> int:
    """The seed of one process's random numbers in one step."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@torch.no_grad()
def summed_loss(
    model: RecGPTDecoder, data: TrainData, rows: PackedDataset, indices: np.ndarray, batch_rows: int, *, passes: int
) -> Tensor:
    """(2,) float64: the loss summed over what the rows at `indices` predict, and how many codes that is.

    The model makes `passes` passes of `batch_rows` rows, enough for all; those that are left over predict nothing. So
    processes that share a model make equally many, whatever their share of the rows is.
    """
    total = torch.zeros(2, device=model.device, dtype=torch.float64)
    for start in range(0, passes * batch_rows, batch_rows):
        share = indices[start : start + batch_rows]
        batch = batch_tensors(data, rows, share if len(share) else np.zeros(1, int), model.config.codebook_size)
        if not len(share):
            batch["labels_BSK"].fill_(IGNORE)
        batch = {name: value.to(model.device) for name, value in batch.items()}
        total[0] += model(**batch, loss_normaliser=1.0).loss
        total[1] += (batch["labels_BSK"] != IGNORE).sum()
    return total


def mean_loss(model: RecGPTDecoder, data: TrainData, rows: PackedDataset, batch_rows: int) -> float:
    """Mean cross-entropy (nats) a predicted code over all rows."""
    passes = -(-len(rows) // batch_rows)
    total, count = summed_loss(model.eval(), data, rows, np.arange(len(rows)), batch_rows, passes=passes).tolist()
    return total / count
