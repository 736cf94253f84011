"""Fine-tuning of the foundation model on the interactions of one data set.

    tuned = finetune(model, dataset, embeddings_NE)         # minutes on 2 cores; `dataset`: training interactions
    recgpt finetune data/mine --out runs/mine               # then: --model runs/mine

The last items of every user are the targets, in an index of the interactions before them. The number of steps is chosen
by NDCG@10 on a held-out fifth of the users; 0 steps, the unchanged network, is among the choices.
"""

import copy
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from recgpt.arguments import check_embeddings, check_type
from recgpt.config import MAX_SEED, Config, check_number
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import check_embeddings_given
from recgpt.data.identity import arrays_sha256, code_version, dataset_identity, different, plain
from recgpt.data.provenance import training_past
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.device import default_device
from recgpt.errors import CheckpointError, DataError
from recgpt.files import only_writer
from recgpt.foundation.catalogue_features import CatalogueFeatures
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.model import FoundationModel
from recgpt.foundation.network import FoundationNetwork
from recgpt.foundation.pretrain import case_loss, ranked_ndcg
from recgpt.program import deferred_stops, resumable
from recgpt.progress import Meter
from recgpt.training import checkpoint
from recgpt.training.loop import BestWeights, learning_rate

CUTS = (1, 2, 3)  # positions of the target from the end of a sequence, each with its own index
MAX_CASES = 8_000  # queries per cut
BATCH = 64
EVALUATIONS = 8


class FinetuneConfig(Config):
    """Settings of `recgpt finetune`."""

    past: Literal["train", "train+valid", "all"] = Field(
        default="train+valid",
        description="training interactions: without each user's last two, without the last one, or all of them; a model"
        " fine-tuned on all is for use, and cannot be evaluated on this data set",
    )
    steps: int = Field(default=800, ge=1, le=10**9, description="optimizer steps")
    lr: float = Field(default=5e-4, gt=0, description="initial learning rate, decayed to 0")
    seed: int = Field(default=0, ge=0, le=MAX_SEED, description="seed of the held-out users and the order of queries")


def finetune(
    model: FoundationModel,
    dataset: Dataset,
    embeddings_NE: np.ndarray,
    *,
    steps: int = 800,
    lr: float = 5e-4,
    seed: int = 0,
    checkpoints: Path | None = None,
    discard: bool = False,
) -> FoundationModel:
    """Return a copy of `model` trained on `dataset`; `model` is not changed.

    Parameters
    ----------
    dataset
        Training interactions; targets for evaluation must not be among them.
    embeddings_NE
        (N, E) from the encoder that the model was trained with.
    checkpoints
        Folder of checkpoints, from which a killed call of the same arguments goes on; None keeps none.
    discard
        Whether checkpoints of other arguments are discarded instead of refused.

    Raises
    ------
    DataError
        No query with its target on the shortlist, for training or for validation.
    CheckpointError
        `checkpoints` holds those of other arguments, or damaged ones.
    """
    check_type(dataset, Dataset, "dataset", "load one with Dataset.load(FOLDER)")
    check_embeddings(embeddings_NE, dataset.n_items)
    check_number("steps", steps, at_least=1, below=10**9 + 1, whole=True)
    check_number("lr", lr, above=0)
    check_number("seed", seed, at_least=0, whole=True)
    check_embeddings_given(embeddings_NE, dataset.name)
    tuned = copy.deepcopy(model)
    held_out_U = np.random.default_rng([seed, 3]).random(dataset.n_users) < 0.2
    episodes: list[Episode] = []
    validation: list[Episode] = []
    for cut in CUTS:
        training_episode, validation_episode = _episodes(model, dataset, embeddings_NE, cut, held_out_U, seed)
        episodes += [training_episode] if training_episode is not None else []
        validation += [validation_episode] if validation_episode is not None else []
    if not episodes or not validation:
        raise DataError(
            f"{dataset.name} has too few users with a history to fine-tune on: use the model without fine-tuning"
        )
    identity: dict[str, Any] = {**code_version(), **dataset_identity(dataset), "model_sha256": model.sha256}
    identity |= {"embeddings_sha256": arrays_sha256(embeddings_NE), "steps": steps, "lr": lr, "seed": seed}
    with torch.random.fork_rng():
        loop = _Loop(tuned, episodes, validation, identity, checkpoints, discard=discard)
        tuned.network = loop.trained()
    before = model.config.training
    catalogues = [*before.get("catalogues", []), dataset.items_sha256]
    trained_on = [*before.get("trained_on", []), training_past(dataset)]
    training = {**before, "fine-tuned on": dataset.name, "catalogues": catalogues, "trained_on": trained_on}
    tuned.config = replace(model.config, training=training)
    return tuned


@contextmanager
def finetuned_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Hold the lock of a folder for a fine-tuned model; yields the folder of its checkpoints, `out/checkpoints`.

    The model is to be saved in `out` inside the block, after `drop_checkpoints`.

    Raises
    ------
    CheckpointError
        `out` holds other files and `overwrite` is False.
    StorageError
        Another process is writing it.
    """
    kept = out / "checkpoints"
    with only_writer(kept):
        held = [entry.name for entry in out.iterdir() if entry != kept and not entry.name.startswith(".")]
        if held and not overwrite:
            raise CheckpointError(f"{out} is not empty: pass --overwrite, or choose another --out")
        yield kept


def drop_checkpoints(checkpoints: Path) -> None:
    """Delete the checkpoints of a finished fine-tuning: in one step, so that a kill leaves no half of them."""
    if checkpoints.is_dir():
        dropped = checkpoints.with_name(f".{checkpoints.name}.{uuid.uuid4().hex}.draft")
        shutil.rmtree(checkpoints.replace(dropped), ignore_errors=True)


def _episodes(
    model: FoundationModel, dataset: Dataset, embeddings_NE: np.ndarray, cut: int, held_out_U: np.ndarray, seed: int
) -> tuple[Episode | None, Episode | None]:
    """Two episodes, of training and of held-out users: the target is the item `cut` places from the end of a sequence.

    The past holds the items before it.
    """
    sequences, times = dataset.sequences, dataset.interactions.timestamp
    long_enough_U = sequences.lengths >= cut + 2
    starts_U, ends_U = sequences.offsets[:-1], sequences.offsets[1:] - np.where(long_enough_U, cut, 0)
    past_times = None if times is None else Ragged(times, sequences.offsets).spans(starts_U, ends_U).values
    texts = dataset.texts(model.template)
    features = CatalogueFeatures.from_sequences(embeddings_NE, sequences.spans(starts_U, ends_U), past_times, texts)

    def episode(chosen_U: np.ndarray) -> Episode | None:
        users = sample(np.flatnonzero(long_enough_U & chosen_U), MAX_CASES, seed)
        histories, targets = sequences.spans(starts_U[users], ends_U[users]), sequences.values[ends_U[users]]
        new = ~histories.contains(targets)
        return collected(
            features,
            histories[new],
            targets[new],
            n_positions=model.config.network.history_items,
            shortlist=model.config.shortlist,
            rng=np.random.default_rng([seed, cut, 5]),
        )

    return episode(~held_out_U), episode(held_out_U)


class _Loop:
    """Training steps, and the checkpoints from which they go on."""

    def __init__(
        self,
        model: FoundationModel,
        episodes: list[Episode],
        validation: list[Episode],
        identity: Mapping[str, Any],
        folder: Path | None,
        *,
        discard: bool,
    ) -> None:
        self.device = default_device()
        self.model, self.episodes, self.validation = model, episodes, validation
        self.identity, self.folder, self.discard = dict(identity), folder, discard
        self.steps, self.lr, seed = identity["steps"], identity["lr"], identity["seed"]
        self.network = model.network.to(self.device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.lr, weight_decay=0.02)
        self.rng = np.random.default_rng([seed, 9])
        sizes = np.array([len(episode) for episode in episodes])
        self.shares = sizes / sizes.sum()
        self.best = BestWeights()
        self.done = 0

    def trained(self) -> FoundationNetwork:
        """Train to the end; returns the network of the best evaluation."""
        if not self._resume():
            self.best.offer(_mean_ndcg(self.network, self.validation, self.device), self.network)
        every = max(1, self.steps // EVALUATIONS)
        meter = Meter("finetune", self.steps, done=self.done)
        with resumable(self._how_to_go_on), meter, deferred_stops() as pending:
            while self.done < self.steps:
                loss = self._step()
                note = ""
                if self.done % every == 0:
                    if not torch.isfinite(loss):
                        raise DataError(
                            f"the loss of step {self.done} is not finite: choose a lower learning rate than {self.lr:g}"
                        )
                    ndcg = _mean_ndcg(self.network, self.validation, self.device)
                    note = f"held-out NDCG@10 {ndcg:.4f}"
                    self.best.offer(ndcg, self.network)
                meter.update(1, note=note)
                if self.done % every == 0 or pending:
                    self._save()
                if pending:
                    pending.stop()
        self.best.restore(self.network)
        return self.network.cpu().eval()

    def _step(self) -> torch.Tensor:
        """One optimizer step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.done, self.steps, peak=self.lr, shape="linear")
        episode = self.episodes[self.rng.choice(len(self.episodes), p=self.shares)]
        self.network.train()
        torch.manual_seed(int(self.rng.integers(1 << 31)))
        rows = torch.from_numpy(self.rng.integers(0, len(episode), BATCH))
        loss = case_loss(self.network, episode, rows, self.device)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        return loss.detach()

    def _save(self) -> None:
        if self.folder is not None:
            state = {"step": self.done, "identity": self.identity, "rng": self.rng.bit_generator.state}
            checkpoint.save(self.folder, _WithBest(self.model, self.best), self.optimizer, state)

    def _resume(self) -> bool:
        """Go on from the newest checkpoint; returns whether there is one."""
        found = [] if self.folder is None else checkpoint.complete(self.folder)
        if not found:
            return False
        state = checkpoint.read_state(found[-1])
        differing = different(state.get("identity", {}), plain(self.identity))
        if differing and self.discard:
            drop_checkpoints(found[-1].parent)
            return False
        if differing:
            raise CheckpointError(
                f"{found[-1].parent} holds an unfinished fine-tuning with other settings ({', '.join(differing)}): "
                "pass --overwrite to discard it, or choose another --out"
            )
        checkpoint.restore(found[-1], self.model, self.optimizer)
        self.best.load(found[-1] / _BEST)
        self.rng.bit_generator.state = state["rng"]
        self.done = state["step"]
        return True

    def _how_to_go_on(self) -> str:
        if self.folder is None or not checkpoint.complete(self.folder):
            return "the same command starts over"
        return f"the same command goes on at step {self.done:,}"


_BEST = "best.safetensors"


class _WithBest:
    """The model in training with its best weights so far, as `checkpoint.save` stores them."""

    def __init__(self, model: FoundationModel, best: BestWeights) -> None:
        self._model, self._best = model, best
        self.named_parameters, self.load_state_dict = model.named_parameters, model.load_state_dict

    def save_pretrained(self, folder: Path, /) -> None:
        """Write both."""
        self._model.save_pretrained(folder)
        self._best.save(folder / _BEST)


def _mean_ndcg(network: torch.nn.Module, validation: list[Episode], device: torch.device) -> float:
    """Mean NDCG@10 over all queries with the target on the shortlist, among their candidates."""
    ndcgs = [ranked_ndcg(network, episode, device) for episode in validation]
    return float(np.average(ndcgs, weights=[len(episode) for episode in validation]))
