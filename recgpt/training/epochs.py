"""Early stopping: train for the number of epochs with the best NDCG@10 on held-out next items.

    held_out = hold_out_last(dataset.sequences, seed=0)
    with seeded(0):
        module = ...                                    # trained on held_out.known, and on nothing else
        curve = train_to_best(module, epoch, scores_of, held_out, name="sasrec", max_epochs=50, patience=5)
    curve.best_epoch                                    # the module holds the weights it had then

Suffixes: U users, C held-out queries, N items in the catalogue.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from recgpt.data.held_out import HeldOut
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.progress import Meter
from recgpt.ranking import Request, rank_by_scores
from recgpt.training.loop import BestWeights

_K = 10


@dataclass
class Curve:
    """Training loss and validation NDCG of each epoch, the first at index 0.

    Attributes
    ----------
    losses
        Mean training loss of the epoch's batches.
    ndcgs
        NDCG@10 of the held-out items after it, over the full catalogue less the history.
    """

    losses: list[float] = field(default_factory=list)
    ndcgs: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The epoch of the highest NDCG, counted from 1; the first of them where several share it."""
        return int(np.argmax(self.ndcgs)) + 1


def ndcg_of(scores_of: Callable[[Ragged], np.ndarray], held_out: HeldOut, n_items: int) -> float:
    """Mean NDCG@10 of the held-out items over the full catalogue less the history.

    Parameters
    ----------
    scores_of
        Maps b histories to a fresh (b, N) float32 array, as in `rank_by_scores`.
    """
    request = Request.checked(held_out.histories, min(_K, n_items), "history", None, n_items=n_items)
    _, place = np.nonzero(rank_by_scores(request, n_items, scores_of).ids == held_out.targets[:, None])
    return float((1 / np.log2(place + 2)).sum() / len(held_out.targets))


def train_to_best(
    module: nn.Module,
    epoch: Callable[[], Iterator[Tensor]],
    scores_of: Callable[[Ragged], np.ndarray],
    held_out: HeldOut,
    *,
    n_items: int,
    name: str,
    n_batches: int,
    max_epochs: int,
    patience: int,
) -> Curve:
    """Train until `patience` epochs in a row rank the held-out items no better; keep the best epoch's weights.

    Parameters
    ----------
    module
        Module to train; in train mode during an epoch, in eval mode during validation and at the end.
    epoch
        Trains for one epoch, yielding the loss of each of its `n_batches` batches, without a gradient. They are read
        when the epoch is over: a GPU need not be waited for.
    scores_of
        Maps b histories to a fresh (b, N) float32 array of the scores that `module` now gives.
    name
        Name of the recommender, for the progress bar.

    Raises
    ------
    DataError
        The loss is not finite.
    """
    curve, best = Curve(), BestWeights()
    note = ""
    with Meter(f"{name}: batches of {max_epochs} epochs at most", max_epochs * n_batches) as meter:
        for number in range(1, max_epochs + 1):
            module.train()
            on_device = []
            for loss in epoch():
                on_device.append(loss)
                meter.update(note=f"epoch {number}{note}")
            losses = torch.stack(on_device).tolist()
            if not np.isfinite(losses).all():
                raise DataError(f"{name}: the loss of epoch {number} is not finite: choose a lower learning rate")
            module.eval()
            curve.losses.append(float(np.mean(losses)))
            with torch.no_grad():
                curve.ndcgs.append(ndcg_of(scores_of, held_out, n_items))
            best.offer(curve.ndcgs[-1], module)
            best_so_far = f"best NDCG@10 {max(curve.ndcgs):.4f} after epoch {curve.best_epoch}"
            note = f", loss before {curve.losses[-1]:.4f}, {best_so_far}"
            if number - curve.best_epoch >= patience:
                break
    best.restore(module)
    return curve


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from `seed` inside, and leave its global generators as they were outside."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
