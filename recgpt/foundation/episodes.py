"""Episodes for meta-training: each treats a training data set as an unseen one.

An episode splits the interactions of a data set into a past, from which features are computed, and queries with their
targets. The share of users in the past varies from all to none, and some episodes split at one moment in time, so that
the network learns how much to rely on each feature in new and in old catalogues.

    spec = EpisodeSpec(name="amazon_health", protocol="leave_one_out", share=0.1, cases=1000)
    episode = make_episode(dataset, embeddings_NE, spec, n_positions=12, shortlist=400)
    episode.save(path)

Shapes: C queries, M candidates, others as in `recgpt.foundation.network`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.data.splits import Split, make_split
from recgpt.data.splits.base import draw, sample
from recgpt.errors import CheckpointError
from recgpt.files import new_file
from recgpt.foundation.catalogue_features import (
    CatalogueFeatures,
    HybridScores,
    batches_at_once,
    shortlist_candidates,
)
from recgpt.foundation.network import CandidateFeature, Evidence
from recgpt.parallel import on_threads

SHARES = (1.0, 0.3, 0.1, 0.01, 0.0)
"""Shares of the users whose interactions are in the past."""
ARRIVALS = "arrivals"
NEW_ITEMS = 0.1  # of the catalogue, as in the protocol `cold_item`
_ONE_NEW_OF = 4
EPISODE_WEIGHTS = {
    **{("leave_one_out", share): weight for share, weight in zip(SHARES, (1.0, 0.3, 0.3, 0.2, 0.6), strict=True)},
    (ARRIVALS, 1.0): 0.4,
    ("global_time", 1.0): 0.4,
}
"""Sampling weight of an episode by protocol and share."""
TOP_CANDIDATES, OTHER_CANDIDATES = 64, 64
_BATCH = 64


@dataclass(frozen=True)
class EpisodeSpec:
    """Specification of one episode: data set, protocol, share of users in the past, number of queries.

    Attributes
    ----------
    name
        Name of the data set.
    protocol
        `leave_one_out`, `global_time`, or `arrivals`: see `arrivals`.
    share
        Share of the users whose interactions are in the past.
    cases
        Users sampled for queries; for training, those whose target is not on the shortlist are dropped afterwards.
    seed
        Seed of the sampled users.
    parts
        Number of subdomains that the data set was divided into, if this is one of them; their weights sum to that of a
        whole data set.
    """

    name: str
    protocol: str
    share: float
    cases: int
    seed: int = 0
    parts: int = 1

    @property
    def weight(self) -> float:
        """Sampling weight of the episode."""
        return EPISODE_WEIGHTS[self.protocol, self.share] / self.parts

    @property
    def label(self) -> str:
        """Name of the episode's file, without suffix."""
        return f"{self.name}-{self.protocol}-{self.share:g}-{self.cases}-{self.seed}"


def specs_for(dataset: Dataset, cases: int, seed: int = 0, parts: int = 1) -> list[EpisodeSpec]:
    """Specifications for one data set: five shares of users, cold items, and a split in time if there are timestamps.

    Shares with fewer targets on the shortlist get more queries; each of several subdomains gets fewer.
    """
    cases = math.ceil(cases / parts)
    n_queries = dict(zip(SHARES, (cases, cases // 4, cases // 4, cases // 2, 2 * cases), strict=True))
    specs = [EpisodeSpec(dataset.name, "leave_one_out", share, n_queries[share], seed, parts) for share in SHARES]
    specs.append(EpisodeSpec(dataset.name, ARRIVALS, 1.0, cases, seed, parts))
    times = dataset.interactions.timestamp
    if times is not None and (times >= 0).any():
        specs.append(EpisodeSpec(dataset.name, "global_time", 1.0, cases // 2, seed, parts))
    return specs


@dataclass(frozen=True)
class Episode:
    """Evidence of C queries and their targets.

    Attributes
    ----------
    evidence
        Features of C queries, float16.
    target_C
        int64 column of the target among the candidates; -1 if it is none of them.
    correction_CM
        float16, log of the inverse sampling rate of each candidate (sampled softmax).
    """

    evidence: Evidence
    target_C: Tensor
    correction_CM: Tensor

    def __len__(self) -> int:
        return len(self.target_C)

    def save(self, path: Path) -> None:
        """Write the episode as safetensors, atomically."""
        tensors = {**self.evidence._asdict(), "target_C": self.target_C, "correction_CM": self.correction_CM}
        with new_file(path) as draft:
            save_file({name: values.contiguous() for name, values in tensors.items()}, draft)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load an episode written by `save`.

        Raises
        ------
        CheckpointError
            The file is damaged.
        """
        try:
            found = load_file(path)
            evidence = Evidence(**{name: found[name] for name in Evidence._fields})
            return cls(evidence, found["target_C"], found["correction_CM"])
        except (SafetensorError, KeyError) as error:
            raise CheckpointError(f"{path} is damaged ({error}): delete it, the next run makes it again") from error


def thinned(split: Split, share: float, seed: int) -> Split:
    """The split with only a share of the users in the past, sampled with `seed`."""
    if share >= 1:
        return split
    kept_U = np.random.default_rng([seed, 7]).random(split.dataset.n_users) < share
    in_past = split.in_past & kept_U[split.dataset.interactions.user]
    return Split(
        split.dataset,
        split.protocol,
        split.seed,
        {**split.params, "share": share},
        in_past,
        split.histories,
        split.target_rows,
    )


def arrivals(dataset: Dataset, most: int, seed: int) -> Split:
    """Leave-one-out split in which a tenth of the items are cold: removed from past and histories.

    A quarter of at most `most` queries have a cold target (fewer, if there are not so many), the others a known one:
    the network learns to rank a cold item by its text, not to prefer it for being cold.
    """
    split = make_split(dataset, "leave_one_out", seed=seed)
    is_new_N = draw(dataset.n_items, NEW_ITEMS, seed)
    histories = split.histories.filter(~is_new_N[split.histories.values])
    takes_new = is_new_N[split.targets]
    with_history = histories.lengths > 0
    new = sample(np.flatnonzero(takes_new & with_history), most // _ONE_NEW_OF, seed)
    known = sample(np.flatnonzero(~takes_new & with_history), (_ONE_NEW_OF - 1) * len(new), seed)
    chosen = np.sort(np.concatenate([new, known]))
    return Split(
        dataset,
        ARRIVALS,
        seed,
        {"new_items": NEW_ITEMS},
        split.in_past & ~is_new_N[dataset.interactions.item],
        histories[chosen],
        split.target_rows[chosen],
    )


def make_episode(
    dataset: Dataset,
    embeddings_NE: np.ndarray,
    texts: Sequence[str] | None,
    spec: EpisodeSpec,
    *,
    n_positions: int,
    shortlist: int,
    for_training: bool = True,
) -> Episode | None:
    """Split a data set and compute the evidence of every query whose target is new to its user.

    For training, only queries with the target on the shortlist are kept, each with the best 64 candidates and 64
    sampled from the others; otherwise all queries and the whole shortlist.

    Returns None if no query is left.
    """
    if spec.protocol == ARRIVALS:
        split = arrivals(dataset, spec.cases, spec.seed)
    else:
        split = make_split(dataset, spec.protocol, max_users=spec.cases, seed=spec.seed)
    split = thinned(split, spec.share, spec.seed)
    known = split.known.interactions
    features = CatalogueFeatures.from_sequences(embeddings_NE, split.past, known.timestamp, texts)
    queries = np.flatnonzero(~split.histories.contains(split.targets) & (split.histories.lengths > 0))
    return collected(
        features,
        split.histories[queries],
        split.targets[queries],
        n_positions=n_positions,
        shortlist=shortlist,
        rng=np.random.default_rng([spec.seed, 11]) if for_training else None,
    )


def collected(
    features: CatalogueFeatures,
    histories: Ragged,
    targets: np.ndarray,
    *,
    n_positions: int,
    shortlist: int,
    rng: np.random.Generator | None,
) -> Episode | None:
    """Evidence of these queries as an episode; None if no query is left.

    Parameters
    ----------
    histories
        Non-empty histories, one per query.
    rng
        Samples candidates for training, see `make_episode`; None keeps all queries and the whole shortlist.
    """
    starts = list(range(0, len(histories), _BATCH))
    # A few batches at a time: their scores are large, and candidates are drawn in their order.
    n_at_once = min(torch.get_num_threads(), batches_at_once(_BATCH, features.past.n_items))
    parts = []
    for first in range(0, len(starts), n_at_once):
        rows = [np.arange(start, min(start + _BATCH, len(histories))) for start in starts[first : first + n_at_once]]
        found = on_threads(partial(_shortlisted, features, histories, shortlist), rows)
        drawn = [each if rng is None else each.sampled(targets, rng) for each in found]
        parts += on_threads(partial(_read, features, histories, targets, n_positions), [each for each in drawn if each])
    if not parts:
        return None
    evidence = Evidence(*(torch.cat(values) for values in zip(*(part.evidence for part in parts), strict=True)))
    return Episode(
        evidence,
        torch.cat([part.target_C for part in parts]),
        torch.cat([part.correction_CM for part in parts]),
    )


class _Shortlisted(NamedTuple):
    """Queries of one batch: their rows, the hybrid scores, the candidates and the log of their sampling rates."""

    rows_B: np.ndarray
    scores: HybridScores
    candidates_BM: np.ndarray
    correction_BM: np.ndarray

    def sampled(self, targets: np.ndarray, rng: np.random.Generator) -> "_Shortlisted | None":
        """The queries with the target on the shortlist and some of their candidates, see `_sampled`; None without."""
        place_B = _places(self.candidates_BM, targets[self.rows_B])
        on_list = np.flatnonzero(place_B >= 0)
        if not len(on_list):
            return None
        candidates = _sampled(self.candidates_BM[on_list], place_B[on_list], rng)
        return _Shortlisted(self.rows_B[on_list], self.scores.rows(on_list), *candidates)


def _shortlisted(features: CatalogueFeatures, histories: Ragged, shortlist: int, rows_B: np.ndarray) -> _Shortlisted:
    scores = features.hybrid_scores(histories[rows_B])
    candidates_BM = shortlist_candidates(histories[rows_B], scores, shortlist, features.past.count_N)
    return _Shortlisted(rows_B, scores, candidates_BM, np.zeros(candidates_BM.shape, dtype=np.float32))


def _read(
    features: CatalogueFeatures, histories: Ragged, targets: np.ndarray, n_positions: int, queries: _Shortlisted
) -> Episode:
    rows_B, scores, candidates_BM, correction_BM = queries
    evidence = features.evidence(histories[rows_B], candidates_BM, scores, n_positions)
    halves = Evidence(*(v.half() if v.is_floating_point() else v for v in evidence))
    place_B = _places(candidates_BM, targets[rows_B])
    return Episode(halves, torch.from_numpy(place_B), torch.from_numpy(correction_BM).half())


def _places(candidates_BM: np.ndarray, target_B: np.ndarray) -> np.ndarray:
    """(B,) int64 column of the target, -1 if it is no candidate."""
    hit_BM = candidates_BM == target_B[:, None]
    return np.where(hit_BM.any(axis=1), hit_BM.argmax(axis=1), -1)


def _sampled(candidates_BM: np.ndarray, place_B: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The best candidates, the target and a sample of the others, with the log of the inverse sampling rate."""
    n_cases, n_candidates = candidates_BM.shape
    n_there_B1 = (candidates_BM >= 0).sum(axis=1, keepdims=True)
    if n_candidates <= TOP_CANDIDATES + OTHER_CANDIDATES:
        return candidates_BM, np.zeros(candidates_BM.shape, dtype=np.float32)
    priority_BM = 2 + rng.random((n_cases, n_candidates))
    priority_BM[candidates_BM < 0] = 4
    priority_BM[:, :TOP_CANDIDATES] = 1
    priority_BM[np.arange(n_cases), place_B] = 0
    kept_BM = np.sort(priority_BM.argsort(axis=1, kind="stable")[:, : TOP_CANDIDATES + OTHER_CANDIDATES], axis=1)
    stands_for_B1 = np.maximum((n_there_B1 - TOP_CANDIDATES) / OTHER_CANDIDATES, 1)
    correction_BM = np.where(kept_BM < TOP_CANDIDATES, 0.0, np.log(stands_for_B1)).astype(np.float32)
    return np.take_along_axis(candidates_BM, kept_BM, axis=1), correction_BM


def ndcg_at_10(logits_CM: Tensor, target_C: Tensor) -> Tensor:
    """(C,) NDCG@10 of the target among the candidates; 0 if it is none of them."""
    own_C1 = logits_CM.gather(1, target_C.clamp(min=0)[:, None])
    ahead_C = (logits_CM > own_C1).sum(1)
    return torch.where((target_C >= 0) & (ahead_C < 10), 1 / torch.log2(ahead_C + 2.0), 0.0)


def blend_logits(evidence: Evidence) -> Tensor:
    """(C, M) standardised hybrid scores as logits; -1e9 for padding."""
    return evidence.items_BMF[..., CandidateFeature.HYBRID_SCORE].float().masked_fill(~evidence.allowed_BM, -1e9)
