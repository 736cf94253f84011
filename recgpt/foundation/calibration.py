"""Per-catalogue calibration: one ridge-regularised Newton step on the log-likelihood of users' last items.

    features, calibration = index_and_calibrate(network, embeddings_NE, sequences, times, texts, shortlist=150)
    logits_BM = network(evidence, calibration)

The best weight of a feature differs between catalogues more than the network can infer from its inputs. The last items
of up to 3,000 users are held out, the other interactions are indexed, and the network scores the candidates. With
logits l + x w, x the inputs of a candidate, the log-likelihood of the held-out items has at w = 0 the gradient
g = sum(x_target - E[x]) and the Fisher information F = sum(Cov[x]), both under softmax(l). One Newton step with a ridge
penalty p, w = (F + p I)^-1 g, is one linear system: no weight of the network changes, and nothing is iterated. (A
closed-form learner on top of a meta-trained one: Bertinetto et al. 2019, "Meta-learning with differentiable closed-form
solvers", section 3.)

The penalty is chosen by five-fold cross-validation, and w is kept only if it lowers the loss of the validation folds by
two standard errors. Then the held-out interactions are counted like all others.

Catalogues with timestamps are not calibrated: a user's last item is held out while later interactions of other users
are indexed, but a query comes after all of them, so that w would be fitted to another distribution than it is used on.

Shapes: C queries, M candidates, I inputs of a candidate (`FoundationNetwork.read`), K folds, X (query, candidate)
pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.dataset import Interactions
from recgpt.data.held_out import HeldOut, users_with_novel_last_item
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.foundation.catalogue_features import CatalogueFeatures, repeat_share
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.network import CalibrationWeights, FoundationNetwork, is_known

MAX_USERS = 3_000
MIN_USERS = 100
FOLDS = 5
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)  # in queries, for features of unit variance
MIN_Z_SCORE = 2.0  # of the mean gain in cross-validation, in standard errors
_MIN_SPREAD = 1e-3  # features of smaller standard deviation get weight 0
_ROWS = 256


def index_and_calibrate(
    network: FoundationNetwork,
    embeddings_NE: np.ndarray,
    sequences: Ragged,
    times: np.ndarray | None,
    texts: Sequence[str] | None,
    *,
    shortlist: int,
) -> tuple[CatalogueFeatures, CalibrationWeights | None]:
    """Index a catalogue and calibrate the network's logits to it; None if calibration does not help.

    Parameters
    ----------
    embeddings_NE, sequences, times, texts
        See `CatalogueFeatures.from_sequences`.
    shortlist
        Number of candidates of a query.

    Raises
    ------
    DataError
        See `CatalogueFeatures.from_sequences`.
    """
    has_times = times is not None and bool((times >= 0).any())
    users = users_with_novel_last_item(sequences)
    if has_times or len(users) < MIN_USERS:
        return CatalogueFeatures.from_sequences(embeddings_NE, sequences, times, texts), None
    held_out = HeldOut.from_last_items(sequences, sample(users, MAX_USERS, seed=0))
    features = CatalogueFeatures.from_sequences(embeddings_NE, held_out.known, None, texts)
    episode = collected(
        features,
        held_out.histories,
        held_out.targets,
        n_positions=network.config.history_items,
        shortlist=shortlist,
        rng=np.random.default_rng(0),
    )
    calibration = None if episode is None else calibrate(network, episode)
    features.append(Interactions(held_out.users.astype(np.int32), held_out.targets.astype(np.int32)))
    features.past.merge()
    features.repeat_share = repeat_share(sequences)
    return features, calibration


@torch.no_grad()  # not inference mode: an explanation takes gradients through the weights
def calibrate(network: FoundationNetwork, episode: Episode) -> CalibrationWeights | None:
    """Calibration weights from the queries of `episode`; None if they do not help in cross-validation.

    Cold items are never among the held-out targets, so no weight is fitted for them: their logits get a constant that
    keeps their odds against the other items, E[log sum exp(log softmax(l) + x w)].
    """
    queries = _Queries.from_episode(network, episode)
    if len(queries) < MIN_USERS // 2:
        return None
    system = _NewtonSystem.from_queries(queries)
    before_C = queries.losses(queries.logits_CM)
    gains = [
        before_C - queries.losses(queries.logits_CM + system.validation_shifts(queries, each)) for each in PENALTIES
    ]
    best = int(np.argmax([float(gain_C.mean()) for gain_C in gains]))
    error = float(gains[best].std()) / len(queries) ** 0.5
    if float(gains[best].mean()) <= MIN_Z_SCORE * error:
        return None
    weight_I = system.weights(PENALTIES[best])
    shift_CM = queries.inputs_CMI @ weight_I
    log_odds_C = torch.logsumexp(torch.log_softmax(queries.logits_CM, 1) + shift_CM, 1)
    # ((x - mean) / spread) w = x (w / spread) - mean (w / spread)
    unscaled_I = weight_I / queries.spread_I
    return CalibrationWeights(unscaled_I, -float(queries.mean_I @ unscaled_I), float(log_odds_C.mean()))


@dataclass(frozen=True)
class _Queries:
    """Queries with a target that has interactions; cold candidates count as padding.

    Attributes
    ----------
    inputs_CMI
        (C, M, I) standardised inputs of the candidates; 0 for padding.
    logits_CM
        (C, M) logits of the network, corrected for the sampling of candidates; -1e9 for padding.
    target_C
        (C,) column of the target.
    mean_I, spread_I
        (I,) mean and standard deviation before standardising; infinite for constant inputs, whose weight is then 0.
    """

    inputs_CMI: Tensor
    logits_CM: Tensor
    target_C: Tensor
    mean_I: Tensor
    spread_I: Tensor

    @classmethod
    def from_episode(cls, network: FoundationNetwork, episode: Episode) -> "_Queries":
        device = next(network.parameters()).device
        parts = [
            network.read(episode.evidence.rows(slice(start, start + _ROWS)).to(device))
            for start in range(0, len(episode), _ROWS)
        ]
        logits_CM, read_CMI = (torch.cat(each).cpu() for each in zip(*parts, strict=True))
        usable_CM = (is_known(read_CMI) > 0) & episode.evidence.allowed_BM
        kept_C = usable_CM.gather(1, episode.target_C[:, None])[:, 0]
        usable_CM, read_CMI = usable_CM[kept_C], read_CMI[kept_C]
        logits_CM = (logits_CM + episode.correction_CM.float())[kept_C].masked_fill(~usable_CM, -1e9)
        seen_XI = read_CMI[usable_CM]
        mean_I, spread_I = seen_XI.mean(0), seen_XI.std(0)
        spread_I = torch.where(spread_I > _MIN_SPREAD, spread_I, torch.inf)
        inputs_CMI = (read_CMI - mean_I) / spread_I * usable_CM[..., None]
        return cls(inputs_CMI, logits_CM, episode.target_C[kept_C], mean_I, spread_I)

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
        (K, I) gradient, sum over queries of x_target - E[x] under softmax(l).
    fisher_KII
        (K, I, I) Fisher information, sum over queries of Cov[x] under softmax(l).
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
            weighted_XI = (queries.inputs_CMI[rows] * likely_CM[rows].sqrt()[..., None]).flatten(0, 1).double()
            expected_XI = expected_CI[rows].double()
            gradients.append((target_CI[rows].double() - expected_XI).sum(0))
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
