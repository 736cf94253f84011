"""Scores of a dump: shares of ratings that pass, total variation, 95 % intervals, and their mean.

    scores = score(dump)
    scores["studies"]["collection"]["score"], scores["aggregate"]["score"]

- A failed reply fails in every study, and is counted; so does a rating off the scale.
- preference, high, low and collection: share that passes; preference and collection: mean of their two parts, each the
  mean over tags (series), which have equally many questions.
- distribution: total variation ½ Σ |p − q| to the reference shares; ratings off the scale's grid make up a bucket of
  their own. `corrected` rescales the lower and upper half of the scale to the reference first, as a script of
  EmoSim-RL does: it hides the most common fault, so it stands beside, never alone.
- aggregate: mean of preference, high, low, collection and 1 − total variation; None where one is missing.

Intervals: bootstrap over users (distribution), personas (preference, high, low) or series (collection), 2,000
resamples. Where all personas do the same, the interval has no width, and holds for these personas alone.

Shapes: Q questions, P units, C sums of a unit, R resamples, V values of the scale.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from recgpt.evaluate.significance import LEVEL
from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.scale import Scale
from recgpt.simulate.worlds.gym.studies.protocol import PARTS, SCORED, PassRule, pass_rules

RESAMPLES, _SEED = 2_000, 0
UNITS = {"preference": "user", "high": "user", "low": "user", "collection": "item", "distribution": "user"}
"""Column of the dump whose values are resampled."""
UNIT_WORDS = {"preference": "personas", "high": "personas", "low": "personas", "collection": "series"}
_DIGITS = 6


def score(dump: pl.DataFrame, domain: Domain) -> dict[str, Any]:
    """Scores of a dump, JSON values.

    Returns
    -------
    `studies`: by name, `n`, `failed`, `score`, `low`, `high`, for shares also `parts` (share, passed, n and failed of
    each) and `groups` (share by tag or series and part), for the distribution `shares`, `reference`, `off_scale`,
    `corrected`; `aggregate`: `score`, `low`, `high`, None where a study is missing; `n`, `failed`.
    """
    rules, found, replicates = pass_rules(domain), {}, {}
    for study in [name for name in SCORED if len(dump.filter(pl.col("study") == name))]:
        rows = dump.filter(pl.col("study") == study)
        if study == "distribution":
            found[study], replicates[study] = _distribution(rows, domain)
        else:
            found[study], replicates[study] = _shares(rows, study, rules)
    n_failed = int(dump["rating"].is_null().sum())
    return {"studies": found, "aggregate": _aggregate(found, replicates), "n": len(dump), "failed": n_failed}


def ratings_of(rows: pl.DataFrame, column: str = "rating") -> np.ndarray:
    """(Q,) float64 ratings of a dump, NaN for failed replies."""
    return rows[column].cast(pl.Float64).fill_null(np.nan).to_numpy()


# --- shares that pass ---


def _shares(rows: pl.DataFrame, study: str, rules: dict[str, PassRule]) -> tuple[dict[str, Any], np.ndarray]:
    parts = PARTS[study]
    sums_PC = passed_sums(rows, study, rules)
    observed = _mean_share(sums_PC.sum(axis=0, keepdims=True))
    replicates_R = resampled(sums_PC, _mean_share)
    of_parts: dict[str, dict[str, Any]] = {}
    groups: dict[str, dict[str, float | None]] = {}
    for part in parts:
        own = rows.filter(pl.col("part") == part)
        passes_Q = rules[study + part].passes(ratings_of(own))
        of_parts[part] = {
            "share": _rounded(passes_Q.mean() if len(own) else None),
            "passed": int(passes_Q.sum()),
            "n": len(own),
            "failed": int(own["rating"].is_null().sum()),
            "should_be": rules[study + part].text,
        }
        by_group = own.with_columns(pl.Series("passes", passes_Q)).group_by("group", maintain_order=True)
        for name, share in by_group.agg(pl.col("passes").mean()).iter_rows():
            groups.setdefault(name, {})[part] = _rounded(share)
    about = _figure(float(observed[0]), replicates_R)
    return {**about, **_counts(rows), "parts": of_parts, "groups": groups}, replicates_R


def passed_sums(rows: pl.DataFrame, study: str, rules: dict[str, PassRule]) -> np.ndarray:
    """(P, 2 x parts) for each unit the number that passed and the number of questions, part by part."""
    units, unit_Q = np.unique(rows[UNITS[study]].to_numpy(), return_inverse=True)
    ratings_Q, part_Q = ratings_of(rows), rows["part"].to_numpy()
    columns = []
    for part in PARTS[study]:
        own_Q = part_Q == part
        passes_Q = rules[study + part].passes(ratings_Q) & own_Q
        columns += [np.bincount(unit_Q, passes_Q, len(units)), np.bincount(unit_Q, own_Q, len(units))]
    return np.stack(columns, axis=1)


def _mean_share(sums_RC: np.ndarray) -> np.ndarray:
    """(R,) mean over the parts of passed / questions."""
    with np.errstate(invalid="ignore"):
        return (sums_RC[:, 0::2] / sums_RC[:, 1::2]).mean(axis=1)


# --- distribution ---


def grid_counts(ratings_Q: np.ndarray, scale: Scale) -> np.ndarray:
    """(V + 1,) number of ratings at each value of the scale; the last place counts all others, without NaN."""
    ratings_Q = ratings_Q[~np.isnan(ratings_Q)]
    place_Q, n = _places(ratings_Q, scale), len(scale.values)
    return np.bincount(np.where(place_Q < 0, n, place_Q), minlength=n + 1)


def _places(ratings_Q: np.ndarray, scale: Scale) -> np.ndarray:
    """(Q,) place of each rating in the scale's values; -1 off the grid."""
    place_Q = np.round((ratings_Q - scale.lowest) / scale.step)
    is_on_Q = np.isclose(scale.lowest + place_Q * scale.step, ratings_Q, rtol=0, atol=1e-9)
    is_on_Q &= (place_Q >= 0) & (place_Q < len(scale.values))
    return np.where(is_on_Q, place_Q, -1).astype(np.int64)


def total_variation(counts: np.ndarray, reference: Sequence[float]) -> np.ndarray:
    """½ Σ |p − q| of (..., V + 1) counts, whose last place is off the grid, to V reference shares; NaN without any."""
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.abs(shares - np.append(reference, 0.0)).sum(axis=-1) / 2


def corrected_total_variation(counts: np.ndarray, reference: Sequence[float]) -> float | None:
    """Total variation after each half of the scale is rescaled to its reference share; None where a half is empty.

    As a script of EmoSim-RL has it, with off-grid ratings left out.
    """
    own_V, reference_V = np.asarray(counts, dtype=np.float64)[:-1], np.asarray(reference)
    half = len(own_V) // 2
    halves = (slice(0, half), slice(half, None))
    if not all(own_V[part].sum() for part in halves):
        return None
    shares_V = own_V.copy()
    for part in halves:
        shares_V[part] *= reference_V[part].sum() / own_V[part].sum()
    return float(np.abs(shares_V - reference_V).sum() / 2)


def _distribution(rows: pl.DataFrame, domain: Domain) -> tuple[dict[str, Any], np.ndarray]:
    ratings_Q = ratings_of(rows)
    counts = grid_counts(ratings_Q, domain.scale)
    about = {
        **_counts(rows),
        "shares": _rounded_all(counts[:-1] / max(counts.sum(), 1)),
        "off_scale": int(counts[-1]),
        "mean": _rounded(np.nanmean(ratings_Q) if counts.sum() else None),
        "sd": _rounded(np.nanstd(ratings_Q) if counts.sum() else None),
        "reference": None if domain.reference is None else _rounded_all(domain.reference),
    }
    if domain.reference is None or not counts.sum():
        return {"score": None, "low": None, "high": None, "corrected": None, **about}, np.full(RESAMPLES, np.nan)
    units, unit_Q = np.unique(rows["user"].to_numpy(), return_inverse=True)
    rated_Q = ~np.isnan(ratings_Q)
    place_Q = _places(ratings_Q[rated_Q], domain.scale)
    sums_PC = np.zeros((len(units), len(counts)))
    np.add.at(sums_PC, (unit_Q[rated_Q], place_Q), 1)  # -1 is the last column, off the grid
    reference = domain.reference
    observed = float(total_variation(counts, reference))
    # Resampling adds noise, which only adds to a distance: the interval is reflected at the estimate to undo it.
    replicates_R = np.clip(2 * observed - resampled(sums_PC, lambda sums: total_variation(sums, reference)), 0, 1)
    corrected = corrected_total_variation(counts, reference)
    return {**_figure(observed, replicates_R), **about, "corrected": _rounded(corrected)}, replicates_R


# --- intervals ---


def resampled(sums_PC: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], seed: int = _SEED) -> np.ndarray:
    """(R,) statistic of the summed rows of resampled units.

    Parameters
    ----------
    sums_PC
        (P, C) sums of each unit.
    statistic
        Maps (R, C) sums over units to (R,).
    """
    n_units = len(sums_PC)
    drawn_RP = np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=RESAMPLES)
    return statistic(drawn_RP @ sums_PC)


def interval(replicates_R: np.ndarray) -> tuple[float | None, float | None]:
    """Percentile interval of replicates; None where one is NaN."""
    low, high = np.quantile(replicates_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _rounded(low), _rounded(high)


def _figure(observed: float, replicates_R: np.ndarray) -> dict[str, float | None]:
    low, high = interval(replicates_R)
    return {"score": _rounded(observed), "low": low, "high": high}


def _aggregate(found: dict[str, dict[str, Any]], replicates: dict[str, np.ndarray]) -> dict[str, float | None]:
    if any(name not in found or found[name]["score"] is None for name in SCORED):
        return {"score": None, "low": None, "high": None}
    values = [1 - found[name]["score"] if name == "distribution" else found[name]["score"] for name in SCORED]
    parts_R = [1 - replicates[name] if name == "distribution" else replicates[name] for name in SCORED]
    return _figure(float(np.mean(values)), np.mean(parts_R, axis=0))


def _counts(rows: pl.DataFrame) -> dict[str, int]:
    return {"n": len(rows), "failed": int(rows["rating"].is_null().sum())}


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), _DIGITS)


def _rounded_all(values: Sequence[float] | np.ndarray) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
