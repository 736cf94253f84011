"""Fine-tuning of the foundation model on the interactions of one data set.

    tuned = finetune(model, dataset, embeddings_NE)         # minutes on 2 cores; `dataset`: training interactions
    recgpt finetune data/mine --out runs/mine               # then: --model runs/mine

The last items of every user are the targets, in an index of the interactions before them. The number of steps is chosen
by NDCG@10 on a held-out fifth of the users; 0 steps, the unchanged network, is among the choices.
"""

import copy
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from recgpt.config import Config
from recgpt.data.dataset import Dataset
from recgpt.data.provenance import training_past
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.device import default_device
from recgpt.errors import DataError
from recgpt.foundation.catalogue_features import CatalogueFeatures
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.model import FoundationModel
from recgpt.foundation.network import FoundationNetwork
from recgpt.foundation.pretrain import case_loss, ranked_ndcg
from recgpt.progress import Meter
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
    steps: int = Field(default=800, ge=1, description="optimizer steps")
    lr: float = Field(default=5e-4, gt=0, description="initial learning rate, decayed to 0")
    seed: int = Field(default=0, description="seed of the held-out users and the order of queries")


def finetune(
    model: FoundationModel,
    dataset: Dataset,
    embeddings_NE: np.ndarray,
    *,
    steps: int = 800,
    lr: float = 5e-4,
    seed: int = 0,
) -> FoundationModel:
    """Return a copy of `model` trained on `dataset`; `model` is not changed.

    Parameters
    ----------
    dataset
        Training interactions; targets for evaluation must not be among them.
    embeddings_NE
        (N, E) from the encoder that the model was trained with.

    Raises
    ------
    DataError
        No query with its target on the shortlist, for training or for validation.
    """
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
    with torch.random.fork_rng():
        tuned.network = _trained(tuned, episodes, validation, steps=steps, lr=lr, seed=seed)
    before = model.config.training
    catalogues = [*before.get("catalogues", []), dataset.items_sha256]
    trained_on = [*before.get("trained_on", []), training_past(dataset)]
    training = {**before, "fine-tuned on": dataset.name, "catalogues": catalogues, "trained_on": trained_on}
    tuned.config = replace(model.config, training=training)
    return tuned


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


def _trained(
    model: FoundationModel, episodes: list[Episode], validation: list[Episode], *, steps: int, lr: float, seed: int
) -> FoundationNetwork:
    device = default_device()
    network = model.network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.02)
    sizes = np.array([len(episode) for episode in episodes])
    rng = np.random.default_rng([seed, 9])
    best = BestWeights()
    best.offer(_mean_ndcg(network, validation, device), network)
    every = max(1, steps // EVALUATIONS)
    with Meter("finetune", steps) as meter:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, peak=lr, shape="linear")
            episode = episodes[rng.choice(len(episodes), p=sizes / sizes.sum())]
            network.train()
            torch.manual_seed(int(rng.integers(1 << 31)))
            loss = case_loss(network, episode, torch.from_numpy(rng.integers(0, len(episode), BATCH)), device)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            note = ""
            if (step + 1) % every == 0:
                ndcg = _mean_ndcg(network, validation, device)
                note = f"held-out NDCG@10 {ndcg:.4f}"
                best.offer(ndcg, network)
            meter.update(1, note=note)
    best.restore(network)
    return network.cpu().eval()


def _mean_ndcg(network: torch.nn.Module, validation: list[Episode], device: torch.device) -> float:
    """Mean NDCG@10 over all queries with the target on the shortlist, among their candidates."""
    ndcgs = [ranked_ndcg(network, episode, device) for episode in validation]
    return float(np.average(ndcgs, weights=[len(episode) for episode in validation]))
