"""How one catalogue differs from others: what its own users did last, solved for in closed form.

    reading, local = read_and_solve(network, embeddings_NE, sequences, times, texts, shortlist=150)
    logits_BM = network(evidence, local)

What a relation is worth differs from catalogue to catalogue more than a network can tell from the outside. The last
items of up to 3,000 users are held out, the rest is read, and the network says how likely each of the candidates was.
How what was taken differs from what the network expected, on average, over how much that varies, is a linear correction
of its logits: one Newton step of a ridge-penalised conditional logit that starts from the network, that is one linear
system. No weight of the network is touched, and nothing is iterated. (A closed-form learner on top of one that was
trained on many tasks: Bertinetto et al. 2019, "Meta-learning with differentiable closed-form solvers", section 3.)

The penalty is chosen by five-fold cross-validation, and the correction is kept only where it predicts the cases left
out better by two standard errors. Then what was held out is counted like all the rest.

Where times are known, nothing is solved for: a user's last known item came while others already did what the past
holds, but what is asked for comes after all of it, and weights that fit the one are wrong for the other.

Shapes: C cases, M candidates, I figures read of a candidate (`EvidenceDecoder.read`), K folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recgpt.data.dataset import Interactions
from recgpt.data.held_out import HeldOut, may_be_asked
from recgpt.data.ragged import Ragged
from recgpt.data.splits.base import sample
from recgpt.foundation.catalogue_features import Reading, repeat_share
from recgpt.foundation.episodes import Episode, collected
from recgpt.foundation.network import EvidenceDecoder, LocalWeights, is_known

MOST_USERS = 3_000
FEWEST_USERS = 100
FOLDS = 5
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)  # in cases: so many that say nothing are added
_SURE = 2.0  # standard errors
_CONSTANT = 1e-3  # figures that spread less are left out
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
    """Read a catalogue, and solve for what it adds to the network's logits; None where that is nothing.

    Parameters
    ----------
    embeddings_NE, sequences, times, texts
        As of `Reading.of`.
    shortlist
        Candidates of a case.

    Raises
    ------
    DataError
        See `Reading.of`.
    """
    has_times = times is not None and bool((times >= 0).any())
    users = may_be_asked(sequences)
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
    """What to add to the network's logits, from the cases of `episode`; None where that would not surely help.

    Items that nobody has taken are never among what was held out, so nothing is learned of them: what is added for them
    keeps their odds against the others as they are.
    """
    cases = _Cases.of(network, episode)
    if len(cases) < FEWEST_USERS // 2:
        return None
    system = _System.of(cases)
    before_C = cases.losses(cases.logits_CM)
    gains = [before_C - cases.losses(cases.logits_CM + system.left_out(cases, each)) for each in PENALTIES]
    best = int(np.argmax([float(gain_C.mean()) for gain_C in gains]))
    error = float(gains[best].std()) / len(cases) ** 0.5
    if float(gains[best].mean()) <= _SURE * error:
        return None
    weight_I = system.weights(PENALTIES[best])
    shift_CM = cases.figures_CMI @ weight_I
    log_odds_C = torch.logsumexp(torch.log_softmax(cases.logits_CM, 1) + shift_CM, 1)
    unscaled_I = weight_I / cases.spread_I
    return LocalWeights(unscaled_I, -float(cases.mean_I @ unscaled_I), float(log_odds_C.mean()))


@dataclass(frozen=True)
class _Cases:
    """Cases whose target and candidates somebody has taken before.

    Attributes
    ----------
    figures_CMI
        What is read of the candidates, standardised; 0 where there is no candidate.
    logits_CM
        By the network, each counted for all the candidates it stands for; -1e9 where there is no candidate.
    target_C
        Place of what was taken.
    mean_I, spread_I
        What the figures were standardised with; infinite spread for those left out.
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
        spread_I = torch.where(spread_I > _CONSTANT, spread_I, torch.inf)
        figures_CMI = (read_CMI - mean_I) / spread_I * usable_CM[..., None]
        return cls(figures_CMI, logits_CM, episode.target_C[kept_C], mean_I, spread_I)

    def __len__(self) -> int:
        return len(self.target_C)

    def fold(self, number: int) -> Tensor:
        """(C,) bool, the cases of one fold."""
        return torch.arange(len(self)) % FOLDS == number

    def losses(self, logits_CM: Tensor) -> Tensor:
        """(C,) cross-entropy of what was taken."""
        return F.cross_entropy(logits_CM, self.target_C, reduction="none")


@dataclass(frozen=True)
class _System:
    """The linear system of each fold, in float64.

    Attributes
    ----------
    missed_KI
        Sum over cases of the figures of what was taken, less those that the network expected.
    varied_KII
        Sum over cases of the covariance of the figures under the network.
    """

    missed_KI: Tensor
    varied_KII: Tensor

    @classmethod
    def of(cls, cases: _Cases) -> "_System":
        likely_CM = torch.softmax(cases.logits_CM, 1)
        expected_CI = torch.einsum("cm,cmi->ci", likely_CM, cases.figures_CMI)
        taken_CI = cases.figures_CMI[torch.arange(len(cases)), cases.target_C]
        missed, varied = [], []
        for fold in range(FOLDS):
            rows = cases.fold(fold)
            figures_XI = (cases.figures_CMI[rows] * likely_CM[rows].sqrt()[..., None]).flatten(0, 1).double()
            expected_XI = expected_CI[rows].double()
            missed.append((taken_CI[rows].double() - expected_XI).sum(0))
            varied.append(figures_XI.T @ figures_XI - expected_XI.T @ expected_XI)
        return cls(torch.stack(missed), torch.stack(varied))

    def weights(self, penalty: float, without: int | None = None) -> Tensor:
        """(I,) float32 the solution, from all folds but `without`."""
        folds = [fold for fold in range(FOLDS) if fold != without]
        missed_I, varied_II = self.missed_KI[folds].sum(0), self.varied_KII[folds].sum(0)
        return torch.linalg.solve(varied_II + penalty * torch.eye(len(missed_I), dtype=torch.float64), missed_I).float()

    def left_out(self, cases: _Cases, penalty: float) -> Tensor:
        """(C, M) what the solution of the other folds adds to the logits of each case."""
        shift_CM = torch.empty_like(cases.logits_CM)
        for fold in range(FOLDS):
            rows = cases.fold(fold)
            shift_CM[rows] = cases.figures_CMI[rows] @ self.weights(penalty, without=fold)
        return shift_CM
