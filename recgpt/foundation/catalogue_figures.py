"""Figures of a catalogue that tell its kind: size, popularity, texts, and how one interaction leads to the next.

    figures_Y = catalogue_figures(embeddings_NE, sequences, times)    # in the order of `CATALOGUE_FIGURES`

A shop, concerts' set lists and careers differ in how predictive texts, order and popularity are. The network reads
these figures with each query, so that it can weigh its features as in catalogues of a similar kind.

Shapes: N items, E embedding width, T transitions (an interaction and the next one of the same user), Y figures.
"""

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.features.text_similarity import unit_rows

CATALOGUE_FIGURES = (
    "log_items",
    "log_users",
    "log_mean_length",
    "popularity_entropy",
    "top_share",
    "text_spectrum",
    "transition_text",
    "seen_transitions",
    "transition_direction",
    "log_transitions_per_item",
    "log_gap_days",
    "tied_gaps",
)
_DAY = 86_400
_SAMPLED = 20_000  # rows and transitions for the figures of texts
_MIN_TRANSITIONS = 50  # fewer say nothing: the figures of transitions are 0


def catalogue_figures(embeddings_NE: np.ndarray, sequences: Ragged, times: np.ndarray | None) -> np.ndarray:
    """(Y,) float32 figures; those of the past are 0 without one, and those of times without times.

    Parameters
    ----------
    embeddings_NE
        (N, E) text embeddings of the items.
    sequences
        Dense item ids, one sequence a user, oldest first; may be empty.
    times
        Unix seconds of `sequences.values`, -1 if unknown; None without times.
    """
    n_items = len(embeddings_NE)
    found = dict.fromkeys(CATALOGUE_FIGURES, 0.0)
    found["log_items"] = np.log(n_items) / 10
    found["text_spectrum"] = _text_spectrum(embeddings_NE)
    if len(sequences.values):
        found |= _popularity(np.bincount(sequences.values, minlength=n_items), sequences)
        found |= _transitions(embeddings_NE, sequences, times)
    return np.array([found[name] for name in CATALOGUE_FIGURES], dtype=np.float32)


def _text_spectrum(embeddings_NE: np.ndarray) -> float:
    """Share of the dimensions that texts spread over: tr(C)^2 / tr(C^2) / E, with C the covariance of unit rows."""
    sampled = np.random.default_rng(0).permutation(len(embeddings_NE))[:_SAMPLED]
    rows_NE = unit_rows(np.asarray(embeddings_NE[np.sort(sampled)], dtype=np.float32))
    covariance_EE = np.atleast_2d(np.cov(rows_NE, rowvar=False, ddof=0))
    squares = float((covariance_EE**2).sum())
    return float(np.trace(covariance_EE) ** 2 / squares / len(covariance_EE)) if squares > 0 else 0.0


def _popularity(count_N: np.ndarray, sequences: Ragged) -> dict[str, float]:
    share_N = count_N[count_N > 0] / count_N.sum()
    n_top = max(1, len(count_N) // 100)
    n_users = int((sequences.lengths > 0).sum())
    return {
        "log_users": np.log1p(n_users) / 10,
        "log_mean_length": np.log(count_N.sum() / n_users) / 5,
        "popularity_entropy": float(-(share_N * np.log(share_N)).sum() / np.log(max(len(count_N), 2))),
        "top_share": float(np.sort(share_N)[-n_top:].sum()),
    }


def _transitions(embeddings_NE: np.ndarray, sequences: Ragged, times: np.ndarray | None) -> dict[str, float]:
    """Figures of neighbouring interactions of one user."""
    user = np.repeat(np.arange(len(sequences)), sequences.lengths)
    follows_T = np.flatnonzero(user[1:] == user[:-1])
    if len(follows_T) < _MIN_TRANSITIONS:
        return {}
    n_items = len(embeddings_NE)
    from_T, to_T = sequences.values[follows_T].astype(np.int64), sequences.values[follows_T + 1].astype(np.int64)
    pairs, counts = np.unique(from_T * n_items + to_T, return_counts=True)
    back = np.searchsorted(pairs, (pairs % n_items) * n_items + pairs // n_items)
    back = np.minimum(back, len(pairs) - 1)
    reverse = np.where(pairs[back] == (pairs % n_items) * n_items + pairs // n_items, counts[back], 0)
    repeated = counts > 1
    asymmetry = np.abs(counts - reverse)[repeated].sum() / max((counts + reverse)[repeated].sum(), 1)
    rng = np.random.default_rng(0)
    drawn = rng.choice(len(follows_T), min(len(follows_T), _SAMPLED), replace=False)
    others = rng.permutation(to_T[drawn])
    rows_NE = np.asarray(embeddings_NE, dtype=np.float32)
    start_TE = unit_rows(rows_NE[from_T[drawn]])
    next_text = (start_TE * unit_rows(rows_NE[to_T[drawn]])).sum(1).mean()
    other_text = (start_TE * unit_rows(rows_NE[others])).sum(1).mean()
    found = {
        "transition_text": 3 * float(next_text - other_text),
        "seen_transitions": float(counts[repeated].sum() / counts.sum()),
        "transition_direction": float(asymmetry),
        "log_transitions_per_item": np.log1p(len(pairs) / n_items) / 5,
    }
    return found | _gaps(times, follows_T)


def _gaps(times: np.ndarray | None, follows_T: np.ndarray) -> dict[str, float]:
    if times is None:
        return {}
    before_T, after_T = times[follows_T], times[follows_T + 1]
    gap_T = (after_T - before_T)[(before_T >= 0) & (after_T >= 0)] / _DAY
    if len(gap_T) < _MIN_TRANSITIONS:
        return {}
    return {
        "log_gap_days": np.log1p(max(float(np.median(gap_T)), 0.0)) / 5,
        "tied_gaps": float((gap_T <= 0).mean()),
    }
