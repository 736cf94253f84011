"""Memory presets: the parameters and formulas of published systems, applied by `memory`.

PRESETS["generative_agents"].weights  # of recency, relevance and importance
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

N_NEAREST = 100
"""Entries to which RecAgent's code gives a relevance."""


@dataclass(frozen=True)
class Stages:
    """Thresholds of RecAgent's three stages (Wang et al. 2023, section 2.1.2), applied by `memory_stages`."""

    sensory_threshold: float = 0.62  # observations of greater scaled importance are kept: 7 of 10 and more
    short_capacity: int = 10  # beyond it the least important short-term entry is dropped
    similar: float = (
        0.70  # sigmoid(cosine) from which an observation enhances a short-term entry, with this probability
    )
    enhancements: int = 3  # from which an entry is promoted to long-term memory
    duplicate: float = 0.72  # sigmoid(cosine) from which an entry is merged into a long-term entry
    exponent: float = 1.5  # of recency, in `forgetting_strength`
    least_strength: float = 0.01
    never_younger: float = 24.0  # hours since access within which nothing is forgotten
    most_forgotten: float | None = 0.1  # probability of an entry of strength 0 in one pass; None: as published
    # What the published code does otherwise; see `recagent_code`.
    newest_bonus: float = 0.0  # added to the similarity of the newest short-term entry
    reading_enhances: bool = False  # whether retrieved entries enhance short-term entries, see `Memory.enhance_by`
    merges_on_entry: bool = True  # else only cited entries are merged, see `Memory.merge_cited`
    keeps_shells: bool = False  # whether forgotten and merged entries still count when the others are forgotten
    insights_count: bool = False  # whether insights of promotion count towards the next reflection


@dataclass(frozen=True)
class Preset:
    """Scoring, reflection and overflow rules of one memory.

    `recency` is `decay` to the power of the time since the entry was made, or last read where `reading_renews`;
    `relevance` the cosine of query and entry; `importance` the points from 1 to 10 times `importance_scale`.

    Parameters
    ----------
    score
        How the three are combined. "relevance": relevance alone. "sum": weighted. "distance sum": weighted, with the
        relevance of RecAgent's code, see `distance_relevance`. "scaled sum": weighted, after each was scaled from 0 to
        1 over the agent's entries (.5 where all are equal). "emotional": see `emotional_score`; age counts from the
        agent's newest entry. "product": max(relevance, 0) × recency × (1/2 + importance / 2).
    weights
        Of recency, relevance and importance in the sums.
    reading_renews
        Whether recency counts from the last reading (`Memory.touch`) instead of the creation.
    reflects_at
        Accumulated importance (or entries, where `counts_entries`) at which a reflection is due. Thoughts do not count.
    overflow
        Entry that is overwritten when all slots are taken: the oldest, or the one of least strength. Strength is
        recency × (1/2 + importance / 2), or RecAgent's, see `forgetting_strength`.
    """

    name: str
    source: str
    unit: Literal["hours", "interactions"]
    score: Literal["relevance", "sum", "distance sum", "scaled sum", "emotional", "product"]
    decay: float = 1.0
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    importance_scale: float = 0.1
    reading_renews: bool = False
    reflects_at: float = 150.0
    counts_entries: bool = False
    arousal_weight: float = 0.0
    stages: Stages | None = None
    overflow: Literal["oldest", "weakest"] = "oldest"


_PUBLISHED = [
    # The paper declares recency and importance as well; in the published code they never take effect.
    Preset(
        "agent4rec",
        "Zhang et al., On Generative Agents in Recommendation, SIGIR 2024, section 3.1, as published in code",
        "hours",
        "relevance",
        reflects_at=4,
        counts_entries=True,
    ),
    # .09 points make no sum of whole importances equal to 10, so that "at 10" is the published "above 10".
    #
    # `recagent` departs from the published code, `recagent_code`, in seven lines:
    # - relevance is the cosine, instead of a squared distance taken for a distance, which falls to -1.83;
    # - the newest short-term entry has no bonus of .1, by which anything said twice in a row was enhanced;
    # - reading changes no short-term entry, so that an agent that retrieves more does not promote and forget more;
    # - near-duplicates are merged when they enter long-term memory, not only where a reflection happens to cite them;
    # - insights do not count towards the next reflection, so that memory does not feed on its own conclusions;
    # - what is forgotten or merged is gone, instead of staying as an entry of greatest importance;
    # - each entry is forgotten with a probability of its own, .1 · (1 - strength) in a pass; published ones sum to one
    #   over the entries, so that a lone old entry goes for sure and each of a hundred hardly ever. At .1 a memory of
    #   ten weak entries loses about one in a pass, as published.
    Preset(
        "recagent",
        "Wang et al., User Behavior Simulation with Large Language Model-based Agents, 2023, section 2.1.2",
        "hours",
        "sum",
        decay=0.99,
        importance_scale=0.09,
        reading_renews=True,
        reflects_at=10,
        stages=Stages(),
        overflow="weakest",
    ),
    Preset(
        "recagent_code",
        "Wang et al., User Behavior Simulation with Large Language Model-based Agents, 2023, as published in code",
        "hours",
        "distance sum",
        decay=0.99,
        importance_scale=0.09,
        reading_renews=True,
        reflects_at=10,
        stages=Stages(
            newest_bonus=0.1,
            reading_enhances=True,
            merges_on_entry=False,
            keeps_shells=True,
            insights_count=True,
            most_forgotten=None,
        ),
        overflow="weakest",
    ),
    Preset(
        "generative_agents",
        "Park et al., Generative Agents, UIST 2023, section 4.1",
        "hours",
        "scaled sum",
        decay=0.995,
        importance_scale=1.0,
        reading_renews=True,
    ),
    # The weights of the published code, without its fault of counting recency from the wrong end.
    Preset(
        "generative_agents_code",
        "Park et al., Generative Agents, UIST 2023, weights of the published code",
        "hours",
        "scaled sum",
        decay=0.995,
        weights=(0.5, 3.0, 2.0),
        importance_scale=1.0,
        reading_renews=True,
    ),
    Preset("emosim", "EmoSim-RL, retrieval decay_emotion_k", "interactions", "emotional"),
    Preset(
        "emosim_arousal",
        "EmoSim-RL, retrieval decay_emotion_k with arousal",
        "interactions",
        "emotional",
        arousal_weight=0.1,
    ),
]
# Ours is a product, for three reasons. An entry that has nothing to do with the query scores 0, however fresh or
# important; in a sum, importance up to 1 and recency near 1 outweigh the few tenths by which cosines differ. No score
# changes because another entry came or went, as it does where parts are scaled over the entries. And reading leaves no
# trace, so that an agent's memory is a function of its events alone.
# A reflection is due after about four things that mattered: ten points count as one.
_OURS = Preset("recgpt", "this project", "hours", "product", decay=0.995, reflects_at=2, overflow="weakest")
PRESETS: dict[str, Preset] = {preset.name: preset for preset in [*_PUBLISHED, _OURS]}


def emotional_score(
    cosine: np.ndarray,
    age: np.ndarray,
    valence_match: np.ndarray,
    arousal_match: np.ndarray,
    arousal_weight: float,
    *,
    decay: float = 0.15,
    bonus: float = 0.2,
) -> np.ndarray:
    """`cosine · exp(-decay · age) · (1 + bonus · valence_match + arousal_weight · arousal_match)` (EmoSim-RL).

    Matches are from 0 to 1: 1 - |v - v'| / 2 for valences from -1 to 1, 1 - |a - a'| for arousals from 0 to 1.
    """
    return cosine * np.exp(-decay * age) * (1 + bonus * valence_match + arousal_weight * arousal_match)


def emotion_of_ratings(ratings: np.ndarray, lowest: float, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """Valence in {-1, 0, 1} and arousal in {0, .5, 1} of ratings on a scale (EmoSim-RL).

    On a scale from 1 to 10: glad from 7, sad to 4, roused from 8, calm to 3; in proportion on others.
    """
    ninths = 9 * (np.asarray(ratings, dtype=np.float64) - lowest)  # compared unscaled: 6/9 has no exact float
    span = highest - lowest
    valence = (ninths >= 6 * span).astype(np.float32) - (ninths <= 3 * span)
    arousal = 0.5 + 0.5 * (ninths >= 7 * span) - 0.5 * (ninths <= 2 * span)
    return valence, arousal.astype(np.float32)


def forgetting_strength(recency: np.ndarray, importance: np.ndarray, stages: Stages) -> np.ndarray:
    """`max(recency^1.5, .01) · (importance + recency) / 2`, from 0 to 1 (RecAgent); importance is the scaled one."""
    return np.maximum(recency**stages.exponent, stages.least_strength) * (importance + recency) / 2


def distance_relevance(cosine_RC: np.ndarray, valid_RC: np.ndarray) -> np.ndarray:
    """`1 - d² / √2` of the 100 nearest entries by Euclidean distance d of unit vectors, 0 of all others.

    As published (RecAgent): meant is `1 - d / √2`, but the index returns squared distances. With d² = 2 - 2 cos it is
    `1 - √2 (1 - cos)`, from 1 down to -1.83, so that an entry beyond the 100 nearest may score higher than one of them.
    """
    relevance_RC = 1 - np.sqrt(2) * (1 - cosine_RC)
    if valid_RC.shape[1] > N_NEAREST:
        rank_RC = np.argsort(np.argsort(np.where(valid_RC, -cosine_RC, np.inf), axis=1, kind="stable"), axis=1)
        relevance_RC = np.where(rank_RC < N_NEAREST, relevance_RC, 0)
    return relevance_RC


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))
