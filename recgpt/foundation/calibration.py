"""Per-catalogue calibration: one ridge-regularised Newton step on the log-likelihood of held-out items.

    features, calibration = index_and_calibrate(network, embeddings_NE, sequences, times, texts, shortlist=150)
    logits_BM = network(evidence, calibration)

The best weight of a feature differs between catalogues more than the network can infer from its inputs. The last items
of up to 3,000 users are held out, the other interactions are counted, and the network scores the candidates. With
logits l + x w, x the inputs of a candidate, the log-likelihood of the held-out items has at w = 0 the gradient
g = sum(x_target - E[x]) and the Fisher information F = sum(Cov[x]), both under softmax(l). One Newton step with a ridge
penalty p, w = (F + p I)^-1 g, is one linear system: no weight of the network changes, and nothing is iterated. (A
closed-form learner on top of a meta-trained one: Bertinetto et al. 2019, "Meta-learning with differentiable closed-form
solvers", section 3.)

Where times are known, a user's last item lies among later interactions of others, whereas a query may come after all
of them; weights that fit the one lose on the other. So there are two sets of queries: last items of users, and the
first new items after the 90 % quantile of the times, with nothing after it indexed. Both sets have the same weight in
the one system; without enough queries of the second kind, a catalogue with times is not calibrated. An index for
queries that all come now, as in use, is calibrated on the second kind alone.

The penalty is chosen by five-fold cross-validation. Then w is shrunk by the certainty of its gain there: with a mean
gain of z standard errors, by z^2 / (1 + z^2) for the set of queries that gains least surely, and to nothing where one
loses. (The best linear estimate of a quantity from a noisy measurement has this factor. Where w is kept or dropped as a
whole, a rounding error can decide.) The weights of the hybrid score are those of the whole past: searched without the
held-out items, they cost 1 to 3 % of NDCG@10 where there is no calibration.

Shapes: C queries, M candidates, I inputs of a candidate (`FoundationNetwork.read`), K folds, X (query, candidate)
pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.held_out import HeldOut, users_with_novel_last_item
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.foundation.catalogue_features import CatalogueFeatures
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.network import CalibrationWeights, FoundationNetwork, is_known
from recgpt.parallel import on_threads

MAX_USERS = 3_000
MAX_TIMED, MAX_LATEST = 1_500, 1_000  # users of the two sets of a catalogue with times
MIN_USERS = 100
MOST_WEIGHT = 4.0  # of a query, where one set is smaller than the other
FOLDS = 5
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)  # in queries, for features of unit variance
MIN_SHARE = 0.1  # a calibration shrunk to less of its size is dropped
_MIN_SPREAD = 1e-3  # features of smaller standard deviation get weight 0
_ROWS = 256
_MASKED = -1e9
_LEAST_ERROR = 1e-9


def index_and_calibrate(
    network: FoundationNetwork,
    embeddings_NE: np.ndarray,
    sequences: Ragged,
    times: np.ndarray | None,
    texts: Sequence[str] | None,
    *,
    shortlist: int,
    now: bool = False,
) -> tuple[CatalogueFeatures, CalibrationWeights | None]:
    """Index a catalogue and calibrate the network's logits to it; None if calibration does not help.

    Parameters
    ----------
    embeddings_NE, sequences, times, texts
        See `CatalogueFeatures.from_sequences`.
    shortlist
        Number of candidates of a query.
    now
        All queries come after the whole past: where times are known, only the latest ones are held out.

    Raises
    ------
    DataError
        See `CatalogueFeatures.from_sequences`.
    """
    features = CatalogueFeatures.from_sequences(embeddings_NE, sequences, times, texts)
    users = users_with_novel_last_item(sequences)
    latest = None
    if times is not None and bool((times >= 0).any()):
        latest = HeldOut.from_latest_time(sequences, times, MAX_USERS if now else MAX_LATEST)
    if len(users) < MIN_USERS or (latest is not None and len(latest.users) < MIN_USERS):
        return features, None
    kinds = [] if latest is None else [latest]
    if latest is None or not now:
        users = sample(users, MAX_USERS if latest is None else MAX_TIMED, 0)
        kinds.insert(0, HeldOut.from_last_items(sequences, users, times))
    found = on_threads(partial(_episode, features, network, shortlist), kinds)
    episodes = [each for each in found if each is not None]
    return features, calibrate(network, episodes) if len(episodes) == len(found) else None


def _episode(
    features: CatalogueFeatures, network: FoundationNetwork, shortlist: int, held_out: HeldOut
) -> Episode | None:
    """Queries of the held-out items after the other interactions; None if no target is on its shortlist."""
    return collected(
        features.with_past(held_out.known, held_out.times),
        held_out.histories,
        held_out.targets,
        n_positions=network.config.history_items,
        shortlist=shortlist,
        rng=np.random.default_rng(0),
    )


@torch.no_grad()  # not inference mode: an explanation takes gradients through the weights
def calibrate(network: FoundationNetwork, episodes: Sequence[Episode]) -> CalibrationWeights | None:
    """Calibration weights from sets of queries, shrunk by their gain in cross-validation; None if it is uncertain.

    Cold items are never among the held-out targets, so no weight is fitted for them: their logits get a constant that
    keeps their odds against the other items, E[log sum exp(log softmax(l) + x w)].
    """
    sets = [_read(network, each) for each in episodes]
    sets = [each for each in sets if len(each.target_C) >= MIN_USERS // 2]
    if len(sets) < len(episodes):
        return None
    queries = _Queries.from_sets(sets)
    system = _NewtonSystem.from_queries(queries)
    before_C = queries.losses(queries.logits_CM)
    best, share, penalty = 0.0, 0.0, PENALTIES[-1]
    for each in PENALTIES:
        gain_C = before_C - queries.losses(queries.logits_CM + system.validation_shifts(queries, each))
        certainty = min(_certainty(part_C) for part_C in gain_C.split(queries.sizes))
        shrunk_gain = certainty * float((gain_C * queries.weight_C).mean())
        if shrunk_gain > best:
            best, share, penalty = shrunk_gain, certainty, each
    if share < MIN_SHARE:
        return None
    weight_I = share * system.weights(penalty)
    shift_CM = queries.inputs_CMI @ weight_I
    log_odds_C = torch.logsumexp(torch.log_softmax(queries.logits_CM, 1) + shift_CM, 1)
    # ((x - mean) / spread) w = x (w / spread) - mean (w / spread)
    unscaled_I = weight_I / queries.spread_I
    return CalibrationWeights(unscaled_I, -float(queries.mean_I @ unscaled_I), float(log_odds_C.mean()))


def _certainty(gain_C: Tensor) -> float:
    """z^2 / (1 + z^2) of a mean gain of z standard errors; 0 for a loss."""
    z_score = float(gain_C.mean() / (gain_C.std() / len(gain_C) ** 0.5).clamp(min=_LEAST_ERROR))
    return max(z_score, 0.0) ** 2 / (1 + z_score**2)


class _Set(NamedTuple):
    """Queries of one kind with a target that has interactions; cold candidates count as padding.

    Attributes
    ----------
    read_CMI
        (C, M, I) inputs of the candidates.
    logits_CM
        (C, M) logits of the network, corrected for the sampling of candidates; -1e9 for padding.
    target_C
        (C,) column of the target.
    """

    read_CMI: Tensor
    logits_CM: Tensor
    target_C: Tensor

    def padded(self, n_candidates: int) -> "_Set":
        """The same queries with columns of padding up to `n_candidates`."""
        more = n_candidates - self.logits_CM.shape[1]
        logits_CM = F.pad(self.logits_CM, (0, more), value=_MASKED)
        return _Set(F.pad(self.read_CMI, (0, 0, 0, more)), logits_CM, self.target_C)


def _read(network: FoundationNetwork, episode: Episode) -> _Set:
    device = next(network.parameters()).device
    parts = [
        network.read(episode.evidence.rows(slice(start, start + _ROWS)).to(device))
        for start in range(0, len(episode), _ROWS)
    ]
    logits_CM, read_CMI = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
    usable_CM = (is_known(episode.evidence.items_BMF) > 0) & episode.evidence.allowed_BM
    kept_C = usable_CM.gather(1, episode.target_C[:, None])[:, 0]
    logits_CM = (logits_CM + episode.correction_CM.float())[kept_C].masked_fill(~usable_CM[kept_C], _MASKED)
    return _Set(read_CMI[kept_C], logits_CM, episode.target_C[kept_C])


@dataclass(frozen=True)
class _Queries:
    """Queries of all sets, with standardised inputs.

    Attributes
    ----------
    inputs_CMI
        (C, M, I) standardised inputs of the candidates; 0 for padding.
    logits_CM, target_C
        See `_Set`.
    mean_I, spread_I
        (I,) mean and standard deviation before standardising; infinite for constant inputs, whose weight is then 0.
    weight_C
        (C,) weight of each query: 1 in the first set; the others are brought to its size, at most fourfold.
    sizes
        Number of queries of each set.
    """

    inputs_CMI: Tensor
    logits_CM: Tensor
    target_C: Tensor
    mean_I: Tensor
    spread_I: Tensor
    weight_C: Tensor
    sizes: list[int]

    @classmethod
    def from_sets(cls, sets: Sequence[_Set]) -> "_Queries":
        n_candidates = max(each.logits_CM.shape[1] for each in sets)
        read_CMI, logits_CM, target_C = map(torch.cat, zip(*(each.padded(n_candidates) for each in sets), strict=True))
        usable_CM = logits_CM > _MASKED / 2
        seen_XI = read_CMI[usable_CM]
        mean_I, spread_I = seen_XI.mean(0), seen_XI.std(0)
        spread_I = torch.where(spread_I > _MIN_SPREAD, spread_I, torch.inf)
        inputs_CMI = (read_CMI - mean_I) / spread_I * usable_CM[..., None]
        sizes = [len(each.target_C) for each in sets]
        ratios = [min(max(sizes[0] / size, 1 / MOST_WEIGHT), MOST_WEIGHT) for size in sizes]
        weight_C = torch.tensor(ratios).repeat_interleave(torch.tensor(sizes))
        return cls(inputs_CMI, logits_CM, target_C, mean_I, spread_I, weight_C, sizes)

    def __len__(self) -> int:
        return len(self.target_C)

    def fold(self, number: int) -> Tensor:
        """(C,) bool mask of the queries of one fold."""
        return torch.arange(len(self)) % FOLDS == number

    def losses(self, logits_CM: Tensor) -> Tensor:
        """(C,) cross-entropy of the target, nats."""
        return F.cross_entropy(logits_CM, self.target_C, reduction="none")


@dataclass(frozen=True)
class _NewtonSystem:
    """The linear system of each fold, in float64.

    Attributes
    ----------
    gradient_KI
        (K, I) gradient, weighted sum over queries of x_target - E[x] under softmax(l).
    fisher_KII
        (K, I, I) Fisher information, weighted sum over queries of Cov[x] under softmax(l).
    """

    gradient_KI: Tensor
    fisher_KII: Tensor

    @classmethod
    def from_queries(cls, queries: _Queries) -> "_NewtonSystem":
        likely_CM = torch.softmax(queries.logits_CM, 1)
        expected_CI = torch.einsum("cm,cmi->ci", likely_CM, queries.inputs_CMI)
        target_CI = queries.inputs_CMI[torch.arange(len(queries)), queries.target_C]
        gradients, fishers = [], []
        for fold in range(FOLDS):
            rows = queries.fold(fold)
            weight_C1 = queries.weight_C[rows, None]
            roots_CM = (likely_CM[rows] * weight_C1).sqrt()
            weighted_XI = (queries.inputs_CMI[rows] * roots_CM[..., None]).flatten(0, 1).double()
            gradients.append(((target_CI - expected_CI)[rows].double() * weight_C1).sum(0))
            expected_XI = (expected_CI[rows] * weight_C1.sqrt()).double()
            # Cov[x] = E[x x'] - E[x] E[x]', summed over the queries.
            fishers.append(weighted_XI.T @ weighted_XI - expected_XI.T @ expected_XI)
        return cls(torch.stack(gradients), torch.stack(fishers))

    def weights(self, penalty: float, without: int | None = None) -> Tensor:
        """(I,) float32 (F + penalty I)^-1 g over all folds but `without`."""
        folds = [fold for fold in range(FOLDS) if fold != without]
        gradient_I, fisher_II = self.gradient_KI[folds].sum(0), self.fisher_KII[folds].sum(0)
        ridge_II = penalty * torch.eye(len(gradient_I), dtype=torch.float64)
        return torch.linalg.solve(fisher_II + ridge_II, gradient_I).float()

    def validation_shifts(self, queries: _Queries, penalty: float) -> Tensor:
        """(C, M) shift x w of each query's logits, with w from the folds that do not hold the query."""
        shift_CM = torch.empty_like(queries.logits_CM)
        for fold in range(FOLDS):
            rows = queries.fold(fold)
            shift_CM[rows] = queries.inputs_CMI[rows] @ self.weights(penalty, without=fold)
        return shift_CM
