"""Fit of `preference` and `rating`: choices and ratings of real users.

Choice is learnt from each user's later events against items drawn at random and items as popular, stars from the same
events. Half stars are rounded up. Features are of the known part only.

Shapes: R events.
"""

from typing import Any

import numpy as np

from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.fitting.models import FloatArray, floats, logistic, ordinal
from recgpt.simulate.worlds.feed.minds.fitting.scores import judged, judged_levels, shares
from recgpt.simulate.worlds.feed.minds.fitting.sources import Source, is_held_out
from recgpt.simulate.worlds.feed.minds.parameters import Preference, Rating

MOST_EVENTS = 50  # of one user, so that frequent raters do not dominate


def negatives(source: Source, users: np.ndarray, items: np.ndarray, seed: int, *, as_popular: bool) -> np.ndarray:
    """An item for each event that its user never took: any, or one within 50 places of the event's by popularity."""
    generator = np.random.default_rng(seed)
    count_N, n_items = source.facts.count_N, source.dataset.n_items
    order_N = np.argsort(count_N, kind="stable")
    place_N = np.empty(n_items, dtype=np.int64)
    place_N[order_N] = np.arange(n_items)
    taken = source.pair_ids(source.dataset.interactions.user, source.dataset.interactions.item)
    drawn, todo, reach = np.empty(len(items), dtype=np.int64), np.arange(len(items)), 50
    while len(todo):
        if as_popular:
            near = place_N[items[todo]] + generator.integers(-reach, reach + 1, len(todo))
            drawn[todo] = order_N[np.clip(near, 0, n_items - 1)]
        else:
            drawn[todo] = generator.integers(n_items, size=len(todo))
        todo = todo[np.isin(source.pair_ids(users[todo], drawn[todo]), taken)]
        reach += 10  # who took everything around has to look further
    return drawn


def preference_features(affinities: Affinities, agents_R: np.ndarray, items_R: np.ndarray) -> FloatArray:
    """(R, 4) in the order of `Preference`."""
    columns = [
        affinities.interest(agents_R, items_R[:, None])[:, 0],
        affinities.category(agents_R, items_R[:, None])[:, 0],
        affinities.quality_N[items_R],
        affinities.popularity_N[items_R],
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def fit_people(source: Source, seed: int) -> tuple[Preference, Rating, dict[str, Any]]:
    """Fit both models, and judge them on users held out: the reports of `preference` and of `rating`."""
    held = source.dataset.interactions.select(source.held_events())
    place_R = np.arange(len(held)) - np.searchsorted(held.user, held.user)
    held = held.select(place_R < MOST_EVENTS)
    users, items = held.user, held.item.astype(np.int64)
    agents = source.agent_of_user[users]
    test = is_held_out(seed, users)
    features = {
        name: preference_features(source.affinities, agents, chosen)
        for name, chosen in {
            "taken": items,
            "at random": negatives(source, users, items, seed, as_popular=False),
            "as popular": negatives(source, users, items, seed + 1, as_popular=True),
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
    interest, category, quality, popularity = map(float, weights)
    preference = Preference(interest=interest, category=category, quality=quality, popularity=popularity)
    rating, of_rating = fit_rating(source, agents, items, np.asarray(held.rating), test)
    return preference, rating, {"preference": of_choice, "rating": of_rating}


def fit_rating(
    source: Source, agents: np.ndarray, items: np.ndarray, rated: np.ndarray, test: np.ndarray
) -> tuple[Rating, dict[str, Any]]:
    """Fit `rating` to events with stars; `test` marks the held-out ones, for the evaluation."""
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
        thresholds=floats(model.thresholds),
        own_mean=own_mean,
        quality=quality,
        taste=taste,
        popularity=popularity,
        spread_by_conformity=floats(model.spreads),
        mean_of_agents=center,
        deviation_of_agents=float(fitted_means.std()),
    )
    p = model.probabilities(x[test], kind[test])
    report: dict[str, Any] = judged_levels(p, level[test], level[~test])
    report["real_distribution"] = shares(level[test], 5)
    report["predicted_distribution"] = p.mean(axis=0).round(4).tolist()
    return rating, report
