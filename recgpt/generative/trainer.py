"""Training of the generative model: packed sequences, next-item codes, on one process or many.

    accelerate launch -m recgpt.cli.main pretrain generative data/pre_train --tokenizer vae_ckpt/mine

Several sequences share a row (`recgpt.data.packing`); attention does not cross them. Everything random depends on
(seed, step, process) alone, and the loss of a step is divided by the number of predictions in the whole global batch.
So a resumed run has the losses of an uninterrupted one, and two processes give the losses of one with the same global
batch (except for dropout, which differs by process). `recgpt.generative.distributed` spreads the model over processes.

The published `--batch_size` counts sequences per process; here the rows of one step hold that many sequences.

Shapes: B rows, S items a row, K codes an item, W slice width.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate.tracking import get_available_trackers
from accelerate.utils import broadcast_object_list
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recgpt.config import MAX_SEED, Config
from recgpt.data.fingerprint import array_identity, check_embeddings_given
from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.device import computes_bfloat16, default_device
from recgpt.errors import CheckpointError, DataError
from recgpt.generative.decoder import RecGPTDecoder
from recgpt.generative.distributed import head_gathered, make_accelerator, prepare
from recgpt.generative.loss import IGNORE, next_item_labels
from recgpt.generative.tokenizer import check_codes
from recgpt.training.curves import training_curve
from recgpt.training.loop import Progress, TrainingLoop, learning_rate, parameter_groups, step_seed

Validate = Callable[[RecGPTDecoder], dict[str, float]]


class TrainConfig(Config):
    """Settings of a training run; the defaults are the published values, if there are any."""

    out: Path = Field(description="run folder: checkpoints/, best/, last/, curve.json, curve.png")
    epochs: int = Field(default=5, gt=0, description="passes over the sequences")
    batch_size: int = Field(default=40, gt=0, description="sequences a process and step, packed into fewer rows")
    gradient_accumulation: int = Field(default=1, gt=0, description="batches per optimizer step")
    lr: float = Field(default=1e-4, gt=0, description="peak learning rate")
    warmup: float = Field(default=0.05, ge=0, le=1, description="share of all steps over which the learning rate rises")
    final_lr: float = Field(default=0.1, ge=0, le=1, description="final learning rate as a share of the peak")
    weight_decay: float = Field(default=0.01, ge=0, description="weight decay of matrices; none for norms and biases")
    clip: float = Field(default=1.0, gt=0, description="maximum norm of the gradient")
    mixed_precision: Literal["auto", "bf16", "no"] = Field(
        default="auto", description="auto: bf16 if the hardware computes in it"
    )
    evaluations_per_epoch: float = Field(default=10, gt=0, description="validations per epoch, each with a checkpoint")
    patience: int = Field(
        default=0, ge=0, description="early stopping after so many evaluations without improvement; 0: never"
    )
    select_by: str = Field(
        default="loss", description="validation figure that selects `best`: loss (minimised) or another (maximised)"
    )
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="seed of weights, order and dropout")
    workers: int = Field(default=0, ge=0, description="data loader processes per training process")
    log_every: int = Field(default=10, gt=0, description="steps between two points of the training curve")
    tracker: str | None = Field(default=None, description="Accelerate tracker, such as tensorboard")

    def resume_key(self) -> dict[str, Any]:
        """Settings that must agree for a run to resume; the spread of a batch over processes may differ."""
        free = {"out", "workers", "tracker", "batch_size", "gradient_accumulation"}
        return self.model_dump(mode="json", exclude=free)


@dataclass(frozen=True)
class TrainData:
    """Training sequences with the codes and embeddings of their items.

    Attributes
    ----------
    sequences
        Dense item ids, oldest first.
    codes_NK
        (N, K) uint16 codes, may be a memory map.
    embeddings_NE
        (N, E) float16 text embeddings, may be a memory map.
    last_only
        Predict only the last item of each sequence, for sequences whose beginning was trained on.
    """

    sequences: Ragged
    codes_NK: np.ndarray
    embeddings_NE: np.ndarray
    last_only: bool = False


def windows(sequences: Ragged, max_items: int) -> Ragged:
    """Cut sequences longer than `max_items` into consecutive windows, counted from the end, so that none is lost."""
    if sequences.lengths.max(initial=0) <= max_items:
        return sequences  # uncopied: it may be a memory map, and every process has one
    n_windows = np.maximum(1, -(-sequences.lengths // max_items))
    owner = np.repeat(np.arange(len(sequences)), n_windows)
    from_end = np.arange(len(owner)) - np.repeat(offsets_from_lengths(n_windows)[:-1], n_windows)
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


class Trainer(TrainingLoop):
    """Training run of the generative model, from its first step or from its last checkpoint.

    Parameters
    ----------
    config
        Settings.
    model
        Decoder to train; its tokenizer is saved with it.
    data
        Training data. Sequences longer than the model reads are cut into windows.
    valid
        Held-out sets; the validation loss is the mean of their mean losses.
    validate
        Maps the model to further figures, such as ranking metrics on held-out users; runs on the main process.
    overwrite
        Discard the run in `config.out` instead of resuming it.

    Raises
    ------
    DataError
        Too few rows for the processes, nothing to predict, or a figure in `select_by` that is not computed.
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
            raise DataError(
                "no validation data: hold some users out (--holdout) or name a data set to validate on (--valid)"
            )
        if config.select_by != "loss" and validate is None:
            raise DataError(f"select_by={config.select_by!r} needs ranking on held-out users: use select_by='loss'")
        trackers = [str(tracker) for tracker in get_available_trackers()]
        if config.tracker is not None and config.tracker not in trackers:
            raise DataError(
                f"tracker {config.tracker!r} is not installed (installed: {trackers}): install it, or leave it out"
            )
        precision = config.mixed_precision
        if precision == "auto":
            precision = "bf16" if computes_bfloat16(default_device()) else "no"
        accelerator = make_accelerator(
            precision,
            gradient_accumulation=config.gradient_accumulation,
            tracker=config.tracker,
            project_dir=str(config.out),
        )
        self.accelerator = accelerator
        self.config = config
        max_items = model.config.max_items
        for each in (data, *valid):
            check_codes(each.codes_NK, model.config.codebook_size, "training data")
            check_embeddings_given(each.embeddings_NE, "training data")
        self.data = replace(data, sequences=windows(data.sequences, max_items))
        self.valid = valid
        self.validate = validate
        self._plan(max_items)
        self._valid_rows = [PackedDataset(each.sequences.tail(max_items), row_items=max_items) for each in valid]
        self._epoch: tuple[Iterator[dict[str, Tensor]], PackedDataset] | None = None
        resume_key = self._resume_key(model)
        groups = parameter_groups(model, config.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=accelerator.device.type in ("cpu", "cuda"))
        wrapped, prepared = prepare(accelerator, model, optimizer)
        super().__init__(
            config.out,
            accelerator,
            wrapped,
            accelerator.unwrap_model(wrapped),
            prepared,
            resume_key,
            total_steps=self.steps_per_epoch * config.epochs,
            evaluate_every=max(1, round(self.steps_per_epoch / config.evaluations_per_epoch)),
            log_every=config.log_every,
            steps_per_epoch=self.steps_per_epoch,
            select_by=config.select_by,
            patience=config.patience,
            overwrite=overwrite,
        )

    def _plan(self, max_items: int) -> None:
        """Compute rows per step and steps per epoch, equal on every process."""
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
        self.useful_fraction = rows.useful_fraction

    def _resume_key(self, model: RecGPTDecoder) -> dict[str, Any]:
        """Resume key: settings, model sizes, hashes of data and initial weights; the main process hashes the data."""
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
            **self.config.resume_key(),
            **{key: getattr(model.config, key) for key in ("n_layers", "d_model", "n_heads", "max_items", "dropout")},
            "rows_per_step": self.rows_per_step,
            "data_sha256": of_main[1],
            "valid_sha256": of_main[2],
            "initial_weights_sha256": of_main[0],
        }

    def run(self) -> Progress:
        """Train to the end, or to an early stop. Stores the selected model in `best/`, the final one in `last/`."""
        self.accelerator.init_trackers("recgpt", config={k: str(v) for k, v in self.resume_key.items()})
        self._train()
        self._save_model("last")
        self._finish()
        return self.progress

    def epoch_rows(self, epoch: int) -> PackedDataset:
        """Packed rows of one epoch, in training order."""
        return PackedDataset(
            self.data.sequences, row_items=self.bare.config.max_items, seed=self.config.seed, epoch=epoch
        )

    def batches(self, rows: PackedDataset, first_step: int) -> DataLoader[dict[str, Tensor]]:
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

    def _step(self) -> Tensor:
        """Optimizer step on the next rows of the epoch."""
        epoch, within = divmod(self.progress.step, self.steps_per_epoch)
        if self._epoch is None or within == 0:
            rows = self.epoch_rows(epoch)
            self._epoch = iter(self.batches(rows, within)), rows
        return self.step(*self._epoch, within)

    def step(self, batches: Iterator[dict[str, Tensor]], rows: PackedDataset, within: int) -> Tensor:
        """One optimizer step on its micro-batches; returns this process's share of the mean loss.

        Parameters
        ----------
        batches
            Micro-batches of this process, beginning with those of this step; see `batches`.
        rows
            Packed rows of the epoch.
        within
            Number of the step in its epoch.
        """
        accelerator, config = self.accelerator, self.config
        warmup = max(1, round(config.warmup * self.total_steps))
        self._set_learning_rate(
            learning_rate(self.progress.step, self.total_steps, peak=config.lr, warmup=warmup, final=config.final_lr)
        )
        torch.manual_seed(step_seed(config.seed, self.progress.step, accelerator.process_index))
        rows_of_step = np.arange(within * self.rows_per_step, (within + 1) * self.rows_per_step)
        averaged_over = accelerator.num_processes * config.gradient_accumulation  # by DDP and by accelerator.backward
        normaliser = rows.n_predicted(rows_of_step) * self.bare.config.n_codes / averaged_over
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

    def _validation_loss(self) -> float:
        """Mean loss per predicted code, averaged over the validation sets; each process reads its share of the rows."""
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

    def _measure(self) -> dict[str, float]:
        """Validation loss and the figures of `validate`."""
        figures = {"loss": self._validation_loss()}
        if self.validate is not None:
            takes_part = self.sharded or self.accelerator.is_main_process
            with head_gathered(self.bare):
                ranked = [self.validate(self.bare.eval()) if takes_part else {}]
            broadcast_object_list(ranked)
            figures.update(ranked[0])
        return figures

    def _draw(self, progress: dict[str, Any], path: Path) -> None:
        training_curve(progress, path)


def sha256(*data: TrainData) -> str:
    """Hash of sequences, codes and embeddings."""
    digest = hashlib.sha256()
    for each in data:
        for array in (each.sequences.offsets, each.sequences.values, each.codes_NK):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(array_identity(each.embeddings_NE).encode())
    return digest.hexdigest()


def row_shares(steps: range, rows_per_step: int, accumulated: int, *, process: int, processes: int) -> list[np.ndarray]:
    """Rows of the epoch that one process reads, an array per micro-batch, `accumulated` micro-batches per step.

    The rows of a step are the same for any number of processes; shares of unequal size do not change the loss.
    """
    shares = []
    for step in steps:
        of_step = np.arange(step * rows_per_step, (step + 1) * rows_per_step)
        shares += np.array_split(of_step, processes * accumulated)[process::processes]
    return shares


@torch.no_grad()
def summed_loss(
    model: RecGPTDecoder, data: TrainData, rows: PackedDataset, indices: np.ndarray, batch_rows: int, *, passes: int
) -> Tensor:
    """(2,) float64: the summed loss of the rows at `indices`, and the number of predicted codes.

    Makes `passes` forward passes of `batch_rows` rows, the surplus ones without labels, so that processes with a
    sharded model make equally many whatever their share of the rows.
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
    """Mean cross-entropy (nats) per predicted code over all rows."""
    passes = -(-len(rows) // batch_rows)
    total, count = summed_loss(model.eval(), data, rows, np.arange(len(rows)), batch_rows, passes=passes).tolist()
    return total / count
