"""Per-catalogue calibration: one ridge-regularised Newton step on the log-likelihood of users' last items.

    reading, local = read_and_solve(network, embeddings_NE, sequences, times, texts, shortlist=150)
    logits_BM = network(evidence, local)

The weight of a feature differs between catalogues more than the network can infer from its inputs. The last items of
up to 3,000 users are held out, the other interactions are indexed, and the network scores the candidates. With logits
l + x w, x the features of a candidate, the log-likelihood of the held-out items has at w = 0 the gradient
g = sum(x_target - E[x]) and the Fisher information F = sum(Cov[x]), both under softmax(l). One Newton step with a ridge
penalty p, w = (F + p I)^-1 g, is one linear system: no weight of the network changes, and nothing is iterated. (A
closed-form learner on top of a meta-trained one: Bertinetto et al. 2019, "Meta-learning with differentiable closed-form
solvers", section 3.)

The penalty is chosen by five-fold cross-validation, and w is kept only where it lowers the loss of the folds left out
by two standard errors. Then the held-out interactions are counted like all others.

Where interactions have times, nothing is solved: a user's last item was held out while later interactions of other
users were indexed, but a query comes after all of them, so that weights fitted to the one are wrong for the other.

Shapes: C queries, M candidates, I features of a candidate (`EvidenceDecoder.read`), K folds.
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
from recgpt.foundation.catalogue_features import Reading, repeat_share
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.network import EvidenceDecoder, LocalWeights, is_known

MOST_USERS = 3_000
FEWEST_USERS = 100
FOLDS = 5
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)  # in queries: as if so many without information were added
MIN_Z_SCORE = 2.0  # of the mean gain in cross-validation
_MIN_SPREAD = 1e-3  # features with a smaller standard deviation are left out
_ROWS = 256


def read_and_solve(
    network: EvidenceDecoder,
    embeddings_NE: np.ndarray,
    sequences: Ragged,
    times: np.ndarray | None,
    texts: Sequence[str] | None,
    *,
    shortlist: int,
) -> tuple[Reading, LocalWeights | None]:
    """Index a catalogue and solve for its calibration weights; None where these do not help.

    Parameters
    ----------
    embeddings_NE, sequences, times, texts
        As of `Reading.of`.
    shortlist
        Candidates of a query.

    Raises
    ------
    DataError
        See `Reading.of`.
    """
    has_times = times is not None and bool((times >= 0).any())
    users = users_with_novel_last_item(sequences)
    if has_times or len(users) < FEWEST_USERS:
        return Reading.of(embeddings_NE, sequences, times, texts), None
    held_out = HeldOut.of(sequences, sample(users, MOST_USERS, seed=0))
    reading = Reading.of(embeddings_NE, held_out.known, None, texts)
    episode = collected(
        reading,
        held_out.histories,
        held_out.targets,
        n_positions=network.config.history_items,
        shortlist=shortlist,
        rng=np.random.default_rng(0),
    )
    local = None if episode is None else solved(network, episode)
    reading.append(Interactions(held_out.users.astype(np.int32), held_out.targets.astype(np.int32)))
    reading.past.merge()
    reading.repeat_share = repeat_share(sequences)
    return reading, local


@torch.no_grad()  # not inference mode: an explanation takes gradients through the weights
def solved(network: EvidenceDecoder, episode: Episode) -> LocalWeights | None:
    """Calibration weights from the queries of `episode`; None where they do not help in cross-validation.

    Cold items are never among the held-out targets, so nothing is learned about them: a constant is added to their
    logits that keeps their odds against the other items, E[log sum exp(log softmax(l) + x w)].
    """
    cases = _Cases.of(network, episode)
    if len(cases) < FEWEST_USERS // 2:
        return None
    system = _System.of(cases)
    before_C = cases.losses(cases.logits_CM)
    gains = [before_C - cases.losses(cases.logits_CM + system.left_out(cases, each)) for each in PENALTIES]
    best = int(np.argmax([float(gain_C.mean()) for gain_C in gains]))
    error = float(gains[best].std()) / len(cases) ** 0.5
    if float(gains[best].mean()) <= MIN_Z_SCORE * error:
        return None
    weight_I = system.weights(PENALTIES[best])
    shift_CM = cases.figures_CMI @ weight_I
    log_odds_C = torch.logsumexp(torch.log_softmax(cases.logits_CM, 1) + shift_CM, 1)
    unscaled_I = weight_I / cases.spread_I
    return LocalWeights(unscaled_I, -float(cases.mean_I @ unscaled_I), float(log_odds_C.mean()))


@dataclass(frozen=True)
class _Cases:
    """Queries whose target and candidates have interactions.

    Attributes
    ----------
    figures_CMI
        Features of the candidates, standardised; 0 where there is no candidate.
    logits_CM
        Of the network, corrected for the sampling of candidates; -1e9 where there is no candidate.
    target_C
        Place of the target among the candidates.
    mean_I, spread_I
        Mean and standard deviation before standardising; infinite for features left out.
    """

    figures_CMI: Tensor
    logits_CM: Tensor
    target_C: Tensor
    mean_I: Tensor
    spread_I: Tensor

    @classmethod
    def of(cls, network: EvidenceDecoder, episode: Episode) -> "_Cases":
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
        figures_CMI = (read_CMI - mean_I) / spread_I * usable_CM[..., None]
        return cls(figures_CMI, logits_CM, episode.target_C[kept_C], mean_I, spread_I)

    def __len__(self) -> int:
        return len(self.target_C)

    def fold(self, number: int) -> Tensor:
        """(C,) bool, the queries of one fold."""
        return torch.arange(len(self)) % FOLDS == number

    def losses(self, logits_CM: Tensor) -> Tensor:
        """(C,) cross-entropy of the target."""
        return F.cross_entropy(logits_CM, self.target_C, reduction="none")


@dataclass(frozen=True)
class _System:
    """The linear system of each fold, in float64.

    Attributes
    ----------
    gradient_KI
        Gradient: sum over queries of the target's features less their mean under the network.
    fisher_KII
        Fisher information: sum over queries of the covariance of the features under the network.
    """

    gradient_KI: Tensor
    fisher_KII: Tensor

    @classmethod
    def of(cls, cases: _Cases) -> "_System":
        likely_CM = torch.softmax(cases.logits_CM, 1)
        expected_CI = torch.einsum("cm,cmi->ci", likely_CM, cases.figures_CMI)
        target_CI = cases.figures_CMI[torch.arange(len(cases)), cases.target_C]
        gradients, fishers = [], []
        for fold in range(FOLDS):
            rows = cases.fold(fold)
            figures_XI = (cases.figures_CMI[rows] * likely_CM[rows].sqrt()[..., None]).flatten(0, 1).double()
            expected_XI = expected_CI[rows].double()
            gradients.append((target_CI[rows].double() - expected_XI).sum(0))
            # Cov[x] = E[x x'] - E[x] E[x]', summed over the queries.
            fishers.append(figures_XI.T @ figures_XI - expected_XI.T @ expected_XI)
        return cls(torch.stack(gradients), torch.stack(fishers))

    def weights(self, penalty: float, without: int | None = None) -> Tensor:
        """(I,) float32 (F + penalty I)^-1 g over all folds but `without`."""
        folds = [fold for fold in range(FOLDS) if fold != without]
        gradient_I, fisher_II = self.gradient_KI[folds].sum(0), self.fisher_KII[folds].sum(0)
        ridge_II = penalty * torch.eye(len(gradient_I), dtype=torch.float64)
        return torch.linalg.solve(fisher_II + ridge_II, gradient_I).float()

    def left_out(self, cases: _Cases, penalty: float) -> Tensor:
        """(C, M) shift of each query's logits by the weights from the other folds."""
        shift_CM = torch.empty_like(cases.logits_CM)
        for fold in range(FOLDS):
            rows = cases.fold(fold)
            shift_CM[rows] = cases.figures_CMI[rows] @ self.weights(penalty, without=fold)
        return shift_CM
