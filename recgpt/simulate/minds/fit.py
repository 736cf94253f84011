"""Fits what `scripted` knows of people, and says how well it holds for people it was not fitted on.

    content = fit("movielens_small", "agent4rec_ml1m", encoder="all-MiniLM-L6-v2", seed=0)
    save(content, Path("scripted.json"))

Two sources, each for what it alone can tell:

- Ratings of real people drive what is liked: which items they take next (held-out events against items drawn at random
  and items as popular) and how many stars they give. Half stars are rounded up. Features are of the known part only.
- The published trace of 1,000 GPT-3.5 agents drives how a page is gone through: how often something fits, what of that
  is watched, when an agent leaves, what it says at the end. `align` gets people's preference as one feature, and is
  held to the published means on random and popular pages too, which the trace has none of. Stars of the trace are not
  used: none is below 3.

A fifth of the users of each source is never fitted on; every figure of the report is of them. What comes out of the
whole, `browse` tells: agents go through pages of random, popular and personal items.

Shapes: U users or agents, R rows, F features, P pages, S slots, L items of a list.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import optimize, stats

from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import write_json
from recgpt.encode import embeddings_for
from recgpt.errors import DataError
from recgpt.recommenders import make
from recgpt.simulate import rng
from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.agents.populate import agent4rec, from_agent4rec, from_dataset, known_part
from recgpt.simulate.agents.profile import Population
from recgpt.simulate.agents.texts import grid_rows
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.minds.base import Decisions, Pages
from recgpt.simulate.minds.scripted import (
    LIKED,
    PUBLISHED_PAGE,
    TEXT_DIMENSIONS,
    Affinities,
    Align,
    Exit,
    Interview,
    LikesPerWatch,
    Parameters,
    Preference,
    Rating,
    ScriptedMind,
    Watch,
    recalled,
)

HELD_OUT_USERS = 0.2
DISLIKED_VALENCE = -0.5  # of a memory of an item that did not fit; of a watched one it is the feeling
MAX_PAGES = 5
MEMORY_CAPACITY = 50
RIDGE = 1.0  # of every coefficient but intercepts and thresholds: what is not seen in the data stays finite
PUBLISHED_VIEWS = {"random": 0.312, "popular": 0.398}  # P_view, Zhang et al. 2024, table 2
MOMENT_WEIGHT = 12_000.0  # answers behind each: 1,000 agents, 3 pages of 4 items
LEAST_GAIN = 0.0005  # in log loss, for memory to be used
MOST_EVENTS = 50  # of one user, lest those who rate thousands speak for all
_FOLDS = 5
_SEEDS = 5
_EVALUATED_AGENTS = 500

FloatArray = np.ndarray


# --- the models ---


@dataclass(frozen=True)
class Moment:
    """Of rows that were not published one by one: the mean answer, worth as much as `weight` answers."""

    x_RF: FloatArray
    mean: float
    weight: float


def logistic(
    x_RF: FloatArray, y_R: np.ndarray, *, ridge: float = RIDGE, moments: Sequence[Moment] = ()
) -> tuple[FloatArray, float]:
    """Coefficients (F,) and intercept of a logistic regression on rows and, beside them, on mean answers."""
    signs_R = np.where(y_R, 1.0, -1.0)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margin_R = signs_R * (x_RF @ weights[:-1] + weights[-1])
        slope_R = -signs_R / (1 + np.exp(margin_R))
        penalty = ridge * weights[:-1]
        value = np.logaddexp(0, -margin_R).sum() + penalty @ weights[:-1] / 2
        slope = np.append(x_RF.T @ slope_R + penalty, slope_R.sum())
        for moment in moments:
            p_R = 1 / (1 + np.exp(-(moment.x_RF @ weights[:-1] + weights[-1])))
            mean, spread_R = p_R.mean(), p_R * (1 - p_R) / len(p_R)
            value -= moment.weight * (moment.mean * np.log(mean) + (1 - moment.mean) * np.log(1 - mean))
            pull = moment.weight * (mean - moment.mean) / (mean * (1 - mean))
            slope += pull * np.append(moment.x_RF.T @ spread_R, spread_R.sum())
        return float(value), slope

    found = optimize.minimize(loss, np.zeros(x_RF.shape[1] + 1), jac=True, method="L-BFGS-B", options=_PRECISE)
    return found.x[:-1], float(found.x[-1])


@dataclass(frozen=True)
class Ordinal:
    """P(y <= s) = 1 / (1 + exp(-(threshold_s - x · coefficients) / spread of the row's class))."""

    thresholds: FloatArray
    coefficients: FloatArray
    spreads: FloatArray

    def probabilities(self, x_RF: FloatArray, class_R: np.ndarray) -> FloatArray:
        """(R, levels)."""
        return _levels(self.thresholds, x_RF @ self.coefficients, self.spreads[class_R])


def ordinal(x_RF: FloatArray, level_R: np.ndarray, n_levels: int, class_R: np.ndarray) -> Ordinal:
    """Fit thresholds, coefficients and one spread a class (the first is 1), with half an observation on each level."""
    n_features, n_classes = x_RF.shape[1], int(class_R.max()) + 1
    mean_F = x_RF.mean(axis=0)

    def unpacked(weights: FloatArray) -> Ordinal:
        thresholds = weights[0] + np.concatenate([[0], np.cumsum(np.exp(weights[1 : n_levels - 1]))])
        coefficients = weights[n_levels - 1 : n_levels - 1 + n_features]
        return Ordinal(thresholds, coefficients, np.exp(np.append(0, weights[n_levels - 1 + n_features :])))

    def loss(weights: FloatArray) -> float:
        model = unpacked(weights)
        of_rows_R = model.probabilities(x_RF, class_R)[np.arange(len(level_R)), level_R]
        of_mean = _levels(model.thresholds, np.array([mean_F @ model.coefficients]), np.ones(1))[0]
        fit_ = np.log(np.maximum(of_rows_R, 1e-12)).sum() + 0.5 * np.log(np.maximum(of_mean, 1e-12)).sum()
        return float(-fit_ + RIDGE / 2 * (model.coefficients @ model.coefficients))

    share = np.cumsum(np.bincount(level_R, minlength=n_levels) + 0.5)[:-1]
    start_thresholds = np.log(share / (len(level_R) + 0.5 * n_levels - share))
    start = np.zeros(n_levels - 1 + n_features + n_classes - 1)
    start[0], start[1 : n_levels - 1] = start_thresholds[0], np.log(np.diff(start_thresholds))
    return unpacked(optimize.minimize(loss, start, method="L-BFGS-B", options=_PRECISE).x)


_PRECISE = {"maxiter": 2000, "maxfun": 100_000, "ftol": 1e-11, "gtol": 1e-5}


def _levels(thresholds: FloatArray, sum_R: FloatArray, spread_R: FloatArray) -> FloatArray:
    below = 1 / (1 + np.exp(-np.clip((thresholds - sum_R[:, None]) / spread_R[:, None], -500, 500)))
    return np.diff(below, prepend=0.0, append=1.0, axis=1)


# --- how good they are ---


def judged(log_odds_R: FloatArray, y_R: np.ndarray, base_rate: float) -> dict[str, float]:
    """Log loss beside that of a constant, area under the ROC curve, and expected calibration error in ten bins."""
    p_R = np.clip(1 / (1 + np.exp(-log_odds_R)), 1e-9, 1 - 1e-9)
    n_yes = int(y_R.sum())
    ranks_R = stats.rankdata(p_R)
    edges = np.quantile(p_R, np.linspace(0, 1, 11)[1:-1])
    bin_R = np.searchsorted(edges, p_R)
    size = np.bincount(bin_R, minlength=10)
    gap = np.abs(np.bincount(bin_R, p_R - y_R, minlength=10))
    return _rounded(
        {
            "rows": len(y_R),
            "log_loss": -np.log(np.where(y_R, p_R, 1 - p_R)).mean(),
            "log_loss_of_constant": -np.log(np.where(y_R, base_rate, 1 - base_rate)).mean(),
            "auc": (ranks_R[y_R].sum() - n_yes * (n_yes + 1) / 2) / max(n_yes * (len(y_R) - n_yes), 1),
            "calibration_error": gap.sum() / max(size.sum(), 1),
        }
    )


def _judged_levels(p_RL: FloatArray, level_R: np.ndarray, fitted_levels: np.ndarray) -> dict[str, Any]:
    n_levels = p_RL.shape[1]
    constant = (np.bincount(fitted_levels, minlength=n_levels) + 0.5) / (len(fitted_levels) + 0.5 * n_levels)
    real = np.bincount(level_R, minlength=n_levels) / len(level_R)
    expected_R = p_RL @ np.arange(n_levels)
    return _rounded(
        {
            "rows": len(level_R),
            "log_loss": -np.log(np.maximum(p_RL[np.arange(len(level_R)), level_R], 1e-9)).mean(),
            "log_loss_of_constant": -np.log(constant[level_R]).mean(),
            "r2": 1 - ((level_R - expected_R) ** 2).mean() / ((level_R - level_R.mean()) ** 2).mean(),
            "total_variation": total_variation(p_RL.mean(axis=0), real),
        }
    )


def total_variation(p: FloatArray, q: FloatArray) -> float:
    """Half the sum of absolute differences of two distributions."""
    return float(np.abs(p - q).sum() / 2)


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(float(value), 4) if not isinstance(value, int) else value for name, value in figures.items()}


def _is_held_out(seed: int, users: np.ndarray) -> np.ndarray:
    return rng.uniform(seed, users, step=0, purpose="held out")[:, 0] < HELD_OUT_USERS


# --- what real people choose and how they rate ---


@dataclass(frozen=True)
class _Source:
    dataset: Dataset
    known: Dataset
    embeddings_NE: np.ndarray
    facts: ItemFacts
    population: Population
    affinities: Affinities
    agent_of_user: np.ndarray


def _source(dataset: Dataset, encoder: str, seed: int, tables: dict[str, pl.DataFrame] | None = None) -> _Source:
    known = known_part(dataset)
    embeddings_NE = embeddings_for(dataset, encoder)
    facts = ItemFacts.of(known, embeddings_NE)
    if tables is None:
        population = from_dataset(dataset, facts, n_agents=known.n_users, seed=seed)
    else:
        population = from_agent4rec(dataset, tables, facts, n_agents=known.n_users, seed=seed)
    agent_of_user = np.full(dataset.n_users, -1)
    agent_of_user[population.user_A] = np.arange(len(population))
    return _Source(dataset, known, embeddings_NE, facts, population, Affinities(population, facts), agent_of_user)


def _held_events(source: _Source) -> np.ndarray:
    """(R,) mask of the events of the whole data set that are not in its known part."""
    known, events = source.known.interactions, source.dataset.interactions
    users = source.dataset.user_map.to_dense(source.known.user_map.ids)[known.user]
    return ~np.isin(_pairs(source, events.user, events.item), _pairs(source, users, known.item))


def _pairs(source: _Source, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    return users.astype(np.int64) * source.dataset.n_items + items


def _negatives(source: _Source, users: np.ndarray, items: np.ndarray, seed: int, *, as_popular: bool) -> np.ndarray:
    """An item for each event that its user never took: any, or one within 50 places of the event's by popularity."""
    generator = np.random.default_rng(seed)
    count_N, n_items = source.facts.count_N, source.dataset.n_items
    order_N = np.argsort(count_N, kind="stable")
    place_N = np.empty(n_items, dtype=np.int64)
    place_N[order_N] = np.arange(n_items)
    taken = _pairs(source, source.dataset.interactions.user, source.dataset.interactions.item)
    drawn, todo, reach = np.empty(len(items), dtype=np.int64), np.arange(len(items)), 50
    while len(todo):
        if as_popular:
            near = place_N[items[todo]] + generator.integers(-reach, reach + 1, len(todo))
            drawn[todo] = order_N[np.clip(near, 0, n_items - 1)]
        else:
            drawn[todo] = generator.integers(n_items, size=len(todo))
        todo = todo[np.isin(_pairs(source, users[todo], drawn[todo]), taken)]
        reach += 10  # who took everything around has to look further
    return drawn


def _preference_features(affinities: Affinities, agents_R: np.ndarray, items_R: np.ndarray) -> FloatArray:
    columns = [
        affinities.interest(agents_R, items_R[:, None])[:, 0],
        affinities.category(agents_R, items_R[:, None])[:, 0],
        affinities.quality_N[items_R],
        affinities.popularity_N[items_R],
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _fit_people(source: _Source, seed: int) -> tuple[Preference, Rating, dict[str, Any]]:
    held = source.dataset.interactions.select(_held_events(source))
    place_R = np.arange(len(held)) - np.searchsorted(held.user, held.user)
    held = held.select(place_R < MOST_EVENTS)
    users, items = held.user, held.item.astype(np.int64)
    agents = source.agent_of_user[users]
    test = _is_held_out(seed, users)
    features = {
        name: _preference_features(source.affinities, agents, chosen)
        for name, chosen in {
            "taken": items,
            "at random": _negatives(source, users, items, seed, as_popular=False),
            "as popular": _negatives(source, users, items, seed + 1, as_popular=True),
        }.items()
    }
    # Events count twice, so that half of all rows are taken: the level is `align`'s to set.
    x = np.concatenate([features["taken"], features["taken"], features["at random"], features["as popular"]])
    y, in_test = np.arange(len(x)) < 2 * len(items), np.tile(test, 4)
    weights, intercept = logistic(x[~in_test], y[~in_test])
    of_choice: dict[str, Any] = {"all": judged(x[in_test] @ weights + intercept, y[in_test], 0.5)}
    for name in ("at random", "as popular"):
        pair = np.concatenate([features["taken"][test], features[name][test]])
        against = judged(pair @ weights + intercept, np.arange(len(pair)) < test.sum(), 0.5)
        # The level is that of both kinds of negatives together, so that only the order can be judged here.
        of_choice[f"auc against items {name}"] = against["auc"]
    preference = Preference(
        **dict(zip(("interest", "category", "quality", "popularity"), map(float, weights), strict=True))
    )

    rating, of_rating = _fit_rating(source, agents, items, np.asarray(held.rating), test)
    return preference, rating, {"preference": of_choice, "rating": of_rating}


def _fit_rating(
    source: _Source, agents: np.ndarray, items: np.ndarray, rated: np.ndarray, test: np.ndarray
) -> tuple[Rating, dict[str, Any]]:
    population, affinities = source.population, source.affinities
    fitted_means = population.mean_rating_A[np.unique(agents[~test])].astype(np.float64)
    center = float(fitted_means.mean())
    x = np.stack(
        [
            population.mean_rating_A[agents] - center,
            affinities.quality_N[items],
            affinities.taste(agents, items),
            affinities.popularity_N[items],
        ],
        axis=1,
    ).astype(np.float64)
    level, kind = np.ceil(rated).astype(np.int64) - 1, population.conformity_A[agents].astype(np.int64) - 1
    model = ordinal(x[~test], level[~test], 5, kind[~test])
    own_mean, quality, taste, popularity = map(float, model.coefficients)
    rating = Rating(
        thresholds=_tuple(model.thresholds),
        own_mean=own_mean,
        quality=quality,
        taste=taste,
        popularity=popularity,
        spread_by_conformity=_tuple(model.spreads),
        mean_of_agents=center,
        deviation_of_agents=float(fitted_means.std()),
    )
    p = model.probabilities(x[test], kind[test])
    report: dict[str, Any] = _judged_levels(p, level[test], level[~test])
    report["real_distribution"] = _shares(level[test], 5)
    report["predicted_distribution"] = p.mean(axis=0).round(4).tolist()
    return rating, report


def _shares(level_R: np.ndarray, n_levels: int) -> list[float]:
    return (np.bincount(level_R, minlength=n_levels) / len(level_R)).round(4).tolist()


def _tuple(values: FloatArray) -> Any:
    return tuple(map(float, values))


# --- what the published agents did with their pages ---


@dataclass(frozen=True)
class Trace:
    """P pages of the published trace, by agent and page, and what was said at the end by A agents (NaN: nothing)."""

    agent_P: np.ndarray
    page_P: np.ndarray
    items_PS: np.ndarray
    aligned_PS: np.ndarray
    watched_PS: np.ndarray
    liked_PS: np.ndarray
    rating_PS: np.ndarray
    satisfaction_A: np.ndarray

    def before(self, values_PS: np.ndarray) -> np.ndarray:
        """(P,) sums over the agent's pages before each page."""
        sum_P = values_PS.sum(axis=1)
        total_P = np.cumsum(sum_P) - sum_P
        return total_P - total_P[np.searchsorted(self.agent_P, self.agent_P)]

    @property
    def last_P(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(P,) whether a page is its agent's last."""
        return np.append(self.agent_P[1:] != self.agent_P[:-1], True)


def read_trace(source_tables: Mapping[str, pl.DataFrame], dataset: Dataset, agent_of_user: np.ndarray) -> Trace:
    """The trace and the interviews in dense ids. Pages with a missing slot are left out."""
    table = source_tables["gpt35_trace"]
    table = table.with_columns(
        agent=pl.Series(agent_of_user[dataset.user_map.to_dense(table["user_id"])]),
        item=pl.Series(dataset.item_map.to_dense(table["item_id"]).astype(np.int64)),
    )
    whole = table.filter(pl.len().over("agent", "page") == PUBLISHED_PAGE).sort("agent", "page", "slot")
    column = {name: whole[name].to_numpy().reshape(-1, PUBLISHED_PAGE) for name in ("item", "aligned", "watched")}
    rating = whole["rating"].cast(pl.Float64).fill_null(np.nan).to_numpy().reshape(-1, PUBLISHED_PAGE)
    # What was watched fits, whatever the agent said of it (1 of 12,936 rows).
    aligned = column["aligned"] | column["watched"]
    interviews = source_tables["gpt35_interviews"]
    satisfaction_A = np.full(len(agent_of_user), np.nan)
    satisfaction_A[agent_of_user[dataset.user_map.to_dense(interviews["user_id"])]] = interviews["satisfaction"]
    agent_P = whole["agent"].to_numpy()[::PUBLISHED_PAGE]
    page_P = whole["page"].to_numpy()[::PUBLISHED_PAGE]
    liked = np.nan_to_num(rating) >= LIKED
    return Trace(agent_P, page_P, column["item"], aligned, column["watched"], liked, rating, satisfaction_A)


def _likes_of_people(rating: Rating, trace: Trace, source: _Source, test_P: np.ndarray, seed: int) -> float:
    """Which part of what the trace's agents watched people would have liked."""
    row, slot = np.nonzero(trace.watched_PS & ~test_P[:, None])
    agents, items = trace.agent_P[row], trace.items_PS[row, slot]
    own_mean = (
        rating.own_mean * rating.deviation_of_agents * rng.normal(seed, agents, step=0, purpose="own mean rating")
    )
    sum_R = own_mean[:, 0] + rating.quality * source.affinities.quality_N[items]
    sum_R = sum_R + rating.popularity * source.affinities.popularity_N[items]
    spread_R = np.array(rating.spread_by_conformity)[source.population.conformity_A[agents].astype(np.int64) - 1]
    p = _levels(np.array(rating.thresholds), sum_R, spread_R)
    return float(p[:, int(LIKED) - 1 :].sum(axis=1).mean())


def _memory(facts: ItemFacts, n_agents: int) -> tuple[Memory, np.ndarray]:
    """An empty memory that knows the titles, and their numbers in it."""
    memory = Memory(n_agents, MEMORY_CAPACITY, PRESETS["recgpt"], width=facts.unit_NE.shape[1])
    return memory, memory.texts.ids_of(
        [f"{number} {title}" for number, title in enumerate(facts.items["title"])], facts.unit_NE
    )


def _remember(memory: Memory, text_N: np.ndarray, pages: Pages, decisions: Decisions) -> None:
    """What was watched with its feeling, what did not fit with displeasure."""
    valence_AS = np.where(decisions.watched_AS, decisions.feeling_AS, DISLIKED_VALENCE)
    row, slot = np.nonzero((pages.items_AS >= 0) & (decisions.watched_AS | ~decisions.aligned_AS))
    item = pages.items_AS[row, slot]
    memory.add(
        pages.agent_A[row],
        Kind.EVENT,
        text_N[item],
        created=pages.step,
        importance=5,
        valence=valence_AS[row, slot],
        item=item,
    )


def _recalled_in(trace: Trace, source: _Source, mean_of_agents: float) -> np.ndarray:
    """(P, S) what the mind's own memory would have recalled at each page of the trace."""
    memory, text_N = _memory(source.facts, len(source.population))
    text_NE = grid_rows(source.facts.unit_NE)
    found_PS = np.zeros(trace.items_PS.shape)
    feeling_PS = np.clip((trace.rating_PS - mean_of_agents) / 2, -1, 1)
    for page in range(1, int(trace.page_P.max()) + 1):
        rows = np.flatnonzero(trace.page_P == page)
        pages = _pages(page, trace.agent_P[rows], trace.items_PS[rows], np.zeros((4, len(rows)), dtype=np.int64))
        found_PS[rows] = recalled(memory, pages, text_NE)[0]
        none = np.zeros(len(rows), dtype=bool)
        decided = Decisions(
            trace.aligned_PS[rows], trace.watched_PS[rows], trace.rating_PS[rows], feeling_PS[rows], none, none, none
        )
        _remember(memory, text_N, pages, decided)
    return found_PS


def _pages(step: int, agent_A: np.ndarray, items_AS: np.ndarray, before_4A: np.ndarray) -> Pages:
    return Pages(step, agent_A, items_AS, np.zeros(items_AS.shape, dtype=bool), None, *before_4A)


def _align_features(
    source: _Source, preference: Preference, agents_P: np.ndarray, items_PS: np.ndarray, memory_PS: FloatArray | None
) -> FloatArray:
    """A row an item, pages end to end; the columns are `_ALIGN`, without the last where `memory_PS` is None."""
    n_slots = items_PS.shape[1]
    agents, items = np.repeat(agents_P, n_slots), items_PS.ravel()
    weights = np.array([preference.interest, preference.category, preference.quality, preference.popularity])
    columns = [
        _preference_features(source.affinities, agents, items) @ weights,
        source.affinities.quality_N[items],
        source.affinities.popularity_N[items],
        np.tile(np.arange(n_slots) == 0, len(agents_P)),
        source.population.diversity_A[agents] - 2.0,
        source.population.activity_A[agents] == 3,
        *([] if memory_PS is None else [memory_PS.ravel()]),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _fit_align(
    trace: Trace, source: _Source, preference: Preference, memory_PS: FloatArray, test_P: np.ndarray, seed: int
) -> tuple[Align, dict[str, Any]]:
    x = _align_features(source, preference, trace.agent_P, trace.items_PS, memory_PS)
    n_slots = trace.items_PS.shape[1]
    y, test = trace.aligned_PS.ravel(), np.repeat(test_P, n_slots)
    moments = _published_moments(trace, source, preference, test_P, seed)
    without_memory = [Moment(each.x_RF[:, :-1], each.mean, each.weight) for each in moments]

    # Memory costs time at every page, so it has to help with agents that were not fitted on, fold by fold.
    fold = np.repeat(trace.agent_P, n_slots)[~test] % _FOLDS
    gain = 0.0
    for number in range(_FOLDS):
        left, out = fold != number, fold == number
        for sign, columns, of in ((-1, x, moments), (1, x[:, :-1], without_memory)):
            weights, level = logistic(columns[~test][left], y[~test][left], moments=of)
            gain += sign * _log_loss(columns[~test][out] @ weights + level, y[~test][out]) / _FOLDS
    coefficients, intercept = logistic(x[~test], y[~test], moments=moments)
    alone_weights, alone_level = logistic(x[~test][:, :-1], y[~test], moments=without_memory)
    base = float(y[~test].mean())
    with_it = judged(x[test] @ coefficients + intercept, y[test], base)
    without_it = judged(x[test][:, :-1] @ alone_weights + alone_level, y[test], base)
    if gain < LEAST_GAIN:
        coefficients, intercept, with_it = np.append(alone_weights, 0.0), alone_level, without_it
    align = Align(intercept=intercept, **dict(zip(_ALIGN, map(float, coefficients), strict=True)))
    report: dict[str, Any] = {**with_it, "without_memory": without_it}
    report["gain_of_memory_in_folds"] = round(gain, 5)
    rows_only, level = logistic(x[~test][:, :-1], y[~test])
    report["without_published_means"] = judged(x[test][:, :-1] @ rows_only + level, y[test], base)
    alone, level = logistic(x[~test][:, :1], y[~test])
    report["preference_alone"] = judged(x[test][:, :1] @ alone + level, y[test], base)
    return align, report


_ALIGN = ("preference", "quality", "popularity", "first_slot", "diversity", "activity_3", "memory")


def _log_loss(log_odds_R: FloatArray, y_R: np.ndarray) -> float:
    return float(np.logaddexp(0, np.where(y_R, -log_odds_R, log_odds_R)).mean())


def _published_moments(
    trace: Trace, source: _Source, preference: Preference, test_P: np.ndarray, seed: int
) -> list[Moment]:
    """How much fits on pages of random and of popular items, from the published share that was watched.

    The trace has pages of one good recommender only, on which popularity and fit go together. The more of a page fits,
    the smaller the part of it that is watched: as in the trace, by the number that fit.
    """
    fit_n, viewed = trace.aligned_PS[~test_P].sum(axis=1), trace.watched_PS[~test_P].sum(axis=1)
    viewed_at = np.array([viewed[fit_n == n].mean() for n in range(PUBLISHED_PAGE + 1)])
    agents_A = np.unique(trace.agent_P[~test_P])
    lists = _lists(source, agents_A, seed)
    moments = []
    for name, share in PUBLISHED_VIEWS.items():
        x = _align_features(source, preference, agents_A, lists[name], np.zeros(lists[name].shape))
        x[:, _ALIGN.index("first_slot")] = np.tile(np.arange(lists[name].shape[1]) % PUBLISHED_PAGE == 0, len(agents_A))
        fits = np.interp(share * PUBLISHED_PAGE, np.maximum.accumulate(viewed_at), np.arange(PUBLISHED_PAGE + 1))
        moments.append(Moment(x, float(fits / PUBLISHED_PAGE), MOMENT_WEIGHT))
    return moments


def _by_class(activity: np.ndarray, place: np.ndarray) -> FloatArray:
    """(R, 12) one of twelve: three classes of activity, four places."""
    return np.eye(12)[(activity - 1) * 4 + place]


def _fit_watch(trace: Trace, population: Population, test_P: np.ndarray) -> tuple[Watch, dict[str, Any]]:
    place_PS = np.cumsum(trace.aligned_PS, axis=1) - trace.aligned_PS
    row, slot = np.nonzero(trace.aligned_PS)
    table = _by_class(population.activity_A[trace.agent_P[row]].astype(np.int64), place_PS[row, slot])
    x = np.column_stack([table, trace.page_P[row] - 1.0])
    y, test = trace.watched_PS[row, slot], test_P[row]
    weights, intercept = logistic(x[~test], y[~test])
    watch = Watch(by_activity_and_place=_table(weights[:12] + intercept), page=float(weights[12]))
    return watch, judged(x[test] @ weights + intercept, y[test], float(y[~test].mean()))


def _table(values: FloatArray) -> Any:
    return tuple(map(_tuple, values.reshape(3, 4)))


def _fit_exit(trace: Trace, population: Population, test_P: np.ndarray) -> tuple[Exit, dict[str, Any]]:
    shown_P = trace.page_P * PUBLISHED_PAGE
    share_P = (trace.before(trace.aligned_PS) + trace.aligned_PS.sum(axis=1)) / shown_P
    free = trace.page_P < MAX_PAGES  # after the last page all had to leave
    activity = population.activity_A[trace.agent_P[free]].astype(np.int64)
    test, y = test_P[free], trace.last_P[free]
    center = float(share_P[free][~test].mean())
    x = np.column_stack([_by_class(activity, trace.page_P[free] - 1), share_P[free] - center])
    weights, intercept = logistic(x[~test], y[~test])
    exit_ = Exit(
        by_activity_and_page=_table(weights[:12] + intercept),
        share_aligned=float(weights[12]),
        mean_share_aligned=center,
    )
    return exit_, judged(x[test] @ weights + intercept, y[test], float(y[~test].mean()))


def _fit_interview(
    trace: Trace, population: Population, likes_per_watch: float, seed: int
) -> tuple[Interview, dict[str, Any]]:
    last = trace.last_P & np.isfinite(trace.satisfaction_A[trace.agent_P])
    agents, n_pages = trace.agent_P[last], trace.page_P[last]
    shown = n_pages * PUBLISHED_PAGE
    aligned, liked = (
        (trace.before(values)[last] + values[last].sum(axis=1)) / shown for values in (trace.aligned_PS, trace.liked_PS)
    )
    activity = population.activity_A[agents]
    x = np.column_stack([activity == 2, activity == 3, aligned, liked / likes_per_watch, n_pages, n_pages == 1])
    x, level = x.astype(np.float64), trace.satisfaction_A[agents].astype(np.int64) - 1
    test, one_class = _is_held_out(seed, population.user_A[agents]), np.zeros(len(agents), dtype=np.int64)
    model = ordinal(x[~test], level[~test], 10, one_class[~test])
    names = ("activity_2", "activity_3", "share_aligned", "share_liked", "pages", "one_page")
    interview = Interview(
        thresholds=_tuple(model.thresholds),
        typical_pages=float(n_pages[~test].mean()),
        **dict(zip(names, map(float, model.coefficients), strict=True)),
    )
    return interview, _judged_levels(model.probabilities(x[test], one_class[test]), level[test], level[~test])


# --- what comes out of the whole ---


def browse(mind: ScriptedMind, facts: ItemFacts, agents_A: np.ndarray, lists_AL: np.ndarray) -> pl.DataFrame:
    """Let agents go through lists page by page until they leave or the list ends; a row for each.

    Columns `agent, pages, shown, viewed, liked, satisfaction`, and `ratings`, of each star.
    """
    memory, text_N = _memory(facts, int(agents_A.max()) + 1)
    counts_4A = np.zeros((4, len(agents_A)), dtype=np.int64)
    pages_A = np.zeros(len(agents_A), dtype=np.int64)
    stars_A5 = np.zeros((len(agents_A), 5), dtype=np.int64)
    here = np.arange(len(agents_A))
    for step in range(1, lists_AL.shape[1] // PUBLISHED_PAGE + 1):
        items_AS = lists_AL[here, (step - 1) * PUBLISHED_PAGE : step * PUBLISHED_PAGE]
        pages = _pages(step, agents_A[here], items_AS, counts_4A[:, here])
        decided = mind.decide(pages, memory)
        _remember(memory, text_N, pages, decided)
        stars_AS5 = decided.rating_AS[:, :, None] == np.arange(1, 6)
        stars_A5[here] += stars_AS5.sum(axis=1)
        happened = (items_AS >= 0, decided.aligned_AS, decided.watched_AS, decided.rating_AS >= LIKED)
        counts_4A[:, here] += [each.sum(axis=1) for each in happened]
        pages_A[here] = step
        here = here[~decided.exit_A]
    said = mind.interview(_pages(MAX_PAGES, agents_A, np.full((len(agents_A), 0), -1), counts_4A), memory)
    return pl.DataFrame(
        {
            "agent": agents_A,
            "pages": pages_A,
            "shown": counts_4A[0],
            "viewed": counts_4A[2],
            "liked": counts_4A[3],
            "satisfaction": said.satisfaction_A,
            "ratings": pl.Series(stars_A5, dtype=pl.Array(pl.Int64, 5)),
        }
    )


def figures(sessions: pl.DataFrame) -> dict[str, float]:
    """The published figures of a run (Zhang et al. 2024, section 4.2): means over agents."""
    return _rounded(
        sessions.select(
            P_view=(pl.col("viewed") / pl.col("shown")).mean(),
            N_like=pl.col("liked").mean(),
            P_like=(pl.col("liked") / pl.col("shown")).mean(),
            N_exit=pl.col("pages").mean(),
            S_sat=pl.col("satisfaction").mean(),
        ).row(0, named=True)
    )


def _traced(trace: Trace) -> pl.DataFrame:
    """The sessions of the trace, as `browse` gives them."""
    last = trace.last_P
    sums = {
        name: (trace.before(values) + values.sum(axis=1))[last]
        for name, values in (("viewed", trace.watched_PS), ("liked", trace.liked_PS))
    }
    agent, pages = trace.agent_P[last], trace.page_P[last]
    shown = pages * PUBLISHED_PAGE
    return pl.DataFrame(
        {"agent": agent, "pages": pages, "shown": shown, **sums, "satisfaction": trace.satisfaction_A[agent]}
    )


def _lists(source: _Source, agents_A: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """(A, L) lists in several orders, without what the agent knows. `own`: held-out items between a ranking's."""
    length = MAX_PAGES * PUBLISHED_PAGE
    histories = source.population.histories[agents_A]
    recommenders = {"popular": make("popularity"), "hybrid_knn": make("hybrid_knn", embeddings=source.embeddings_NE)}
    lists = {
        name: recommender.fit(source.known).rank(histories, length, exclude="history").ids
        for name, recommender in recommenders.items()
    }
    generator = np.random.default_rng(seed)
    is_known = np.zeros((len(agents_A), source.dataset.n_items), dtype=bool)
    is_known[np.repeat(np.arange(len(agents_A)), histories.lengths), histories.values] = True
    lists["random"] = np.argsort(np.where(is_known, 2, generator.random(is_known.shape)), axis=1)[:, :length]
    held = source.dataset.interactions.select(_held_events(source))
    own = [
        np.stack([mine[: length // 2], ranked[: len(mine[: length // 2])]], axis=1).ravel()
        for mine, ranked in zip(
            (generator.permutation(held.item[held.user == user]) for user in source.population.user_A[agents_A]),
            lists["hybrid_knn"],
            strict=True,
        )
    ]
    lists["own"] = _filled(own, lists["hybrid_knn"], length)
    return lists


def _filled(first: Sequence[np.ndarray], then_AK: np.ndarray, length: int) -> np.ndarray:
    rows = [
        list(dict.fromkeys([*map(int, head), *map(int, tail)]))[:length]
        for head, tail in zip(first, then_AK, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def _browsed(
    parameters: Parameters, source: _Source, agents_A: np.ndarray, lists_AL: np.ndarray, seed: int
) -> pl.DataFrame:
    """Sessions of several seeds, one after another."""
    minds = [ScriptedMind(source.population, source.facts, seed=seed + n, parameters=parameters) for n in range(_SEEDS)]
    return pl.concat([browse(mind, source.facts, agents_A, lists_AL) for mind in minds])


def _outcomes(parameters: Parameters, source: _Source, trace: Trace, seed: int) -> dict[str, Any]:
    """Sessions of held-out users beside the trace's, by activity; and of pages in other orders."""
    population = source.population
    held_A = np.flatnonzero(_is_held_out(seed, population.user_A))
    real = _traced(trace)
    held_A = held_A[np.isin(held_A, real["agent"])]
    traced = [trace.items_PS[trace.agent_P == agent].ravel() for agent in held_A]
    ranked_AL = _lists(source, held_A, seed)["hybrid_knn"]  # for pages that the real agent left before
    simulated = _browsed(parameters, source, held_A, _filled(traced, ranked_AL, ranked_AL.shape[1]), seed)
    by_activity = {}
    for activity in (1, 2, 3):
        chosen = pl.col("agent").is_in(held_A[population.activity_A[held_A] == activity])
        by_activity[f"activity {activity}"] = {
            "trace": figures(real.filter(chosen)),
            "simulated": figures(simulated.filter(chosen)),
        }
    by_activity["all"] = {"trace": figures(real.filter(pl.col("agent").is_in(held_A))), "simulated": figures(simulated)}
    some_A = np.arange(min(_EVALUATED_AGENTS, len(population)))
    orders = {
        name: figures(_browsed(parameters, source, some_A, lists_AL, seed))
        for name, lists_AL in _lists(source, some_A, seed).items()
    }
    stars = np.sum(simulated["ratings"].to_numpy(), axis=0)
    return {"held_out_users": by_activity, "orders": orders, "simulated_stars": (stars / stars.sum()).round(4).tolist()}


def fit(ratings_folder: str | Path, agent4rec_folder: str | Path, *, encoder: str, seed: int) -> dict[str, Any]:
    """Fit every model and judge it on held-out users.

    Parameters
    ----------
    ratings_folder : a data set folder with ratings from .5 to 5, such as MovieLens.
    agent4rec_folder : see `populate.agent4rec`.
    encoder : of the items' texts, see `recgpt.encode.find_encoder`.
    seed : of everything that is drawn, which users are held out among it.

    Returns
    -------
    What `Parameters` reads.

    Raises
    ------
    DataError : a folder is not whole, or has no ratings.
    """
    dataset = Dataset.load(ratings_folder)
    if dataset.interactions.rating is None or not np.isfinite(dataset.interactions.rating).all():
        raise DataError(f"{ratings_folder} has events without a rating: the fit needs one with every event")
    people = _source(dataset, encoder, seed)
    preference, rating, report = _fit_people(people, seed)
    published, tables = agent4rec(agent4rec_folder)
    source = _source(published, encoder, seed, tables)
    trace = read_trace(tables, published, source.agent_of_user)
    test_P = _is_held_out(seed, source.population.user_A[trace.agent_P])
    likes_of_trace = float(trace.liked_PS[~test_P].sum() / trace.watched_PS[~test_P].sum())

    likes_of_people = _likes_of_people(rating, trace, source, test_P, seed)
    memory_PS = _recalled_in(trace, source, rating.mean_of_agents)
    align, report["align"] = _fit_align(trace, source, preference, memory_PS, test_P, seed)
    watch, report["watch"] = _fit_watch(trace, source.population, test_P)
    exit_, report["exit"] = _fit_exit(trace, source.population, test_P)
    interview, report["interview"] = _fit_interview(trace, source.population, likes_of_trace, seed)
    parameters = Parameters(
        preference=preference,
        align=align,
        watch=watch,
        rating=rating,
        exit=exit_,
        interview=interview,
        likes_per_watch=LikesPerWatch(trace=likes_of_trace, people=likes_of_people),
        text_dimensions=TEXT_DIMENSIONS,
    )
    report.update(_outcomes(parameters, source, trace, seed))
    stars = trace.rating_PS[np.isfinite(trace.rating_PS)].astype(np.int64) - 1
    real = np.array(report["rating"]["real_distribution"])
    report["rating"]["total_variation_of_trace"] = round(total_variation(np.array(_shares(stars, 5)), real), 4)
    report["rating"]["total_variation_of_simulated"] = round(
        total_variation(np.array(report["simulated_stars"]), real), 4
    )
    fitted_on = {
        "ratings": _fingerprint(dataset),
        "agent4rec": {
            **_fingerprint(published),
            "trace_sha256": _sha256(Path(agent4rec_folder) / "gpt35_trace.parquet"),
        },
        "encoder": encoder,
        "seed": seed,
        "drives": "ratings of people: preference, rating. Published GPT-3.5 agents: align, watch, exit, interview",
        "stars": "half stars are rounded up; those of the trace are not used",
        "published_views": PUBLISHED_VIEWS,
        "held_out": f"{HELD_OUT_USERS:.0%} of the users of each source, never fitted on; the report is of them",
    }
    return parameters.model_copy(update={"fitted_on": fitted_on, "report": report}).model_dump(mode="json")


def _fingerprint(dataset: Dataset) -> dict[str, str]:
    return {"items_sha256": dataset.items_sha256, "interactions_sha256": dataset.interactions_sha256}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(content: Mapping[str, Any], path: Path) -> None:
    """Write what `fit` returned. `Parameters.load` reads it."""
    write_json(path, content)
