"""Whether the simulator orders recommenders as people's ratings do.

    python benchmarks/gym/order.py ../shared/data/simulate/movielens_small

The known part of each user's ratings (the first 80 %) makes catalogue, recommenders and users; the later ones are held
out. Every policy plays one episode of ten films with each user who has at least 20 held-out ratings:

- real: the films that the user rated later are on offer, and the user's own ratings are given. This is what people
  would have rated, on the films for which it is known.
- same_films: the same films are on offer, and the simulated user rates.
- catalogue: all films that the user had not rated before are on offer, and the simulated user rates, with five seeds.
- list: the first ten films of the catalogue without any feedback, compared with the held-out ratings: NDCG@10 of the
  liked ones, and the inverse-propensity estimate of the list's average rating (a film's propensity is the share of
  users who rated it; weights normalised to 1, Swaminathan and Joachims 2015). It uses the rated films of the lists, so
  policies with fewer than 30 of them have no estimate.

Orders are compared by Kendall's tau and Spearman's rho over policies; intervals resample users. The mind knows the
earlier ratings of the users; its few global parameters were fitted on all ratings.

Shapes: U users, T films of an episode, N films.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from recgpt.data.dataset import Dataset
from recgpt.device import hardware
from recgpt.evaluate.lineup import model_embeddings
from recgpt.evaluate.significance import bootstrap_ci
from recgpt.features.text_similarity import unit_rows
from recgpt.files import write_text
from recgpt.models import load_model
from recgpt.program import run
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domains.loading import on_scale, top_of
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.gym.minds.base import Mind, Questions, Ratings
from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.policies import make_policy
from recgpt.simulate.worlds.gym.policies.base import Policy, Setting, Views

RESULT = Path(__file__).parents[1] / "results" / "gym" / "order.json"
POLICIES = (
    *("random", "popularity", "average", "text_knn", "text_knn_white", "item_knn", "hybrid_knn"),
    *("mf", "mult_vae", "sasrec", "recgpt_text", "recgpt", "linucb", "thompson"),
)
PAIRS = (
    ("same_films", "real"),
    ("catalogue", "real"),
    ("catalogue", "ndcg@10"),
    ("catalogue", "ips"),
    ("ndcg@10", "real"),
)
STEPS, AT_LEAST, SEEDS, RESAMPLES, HITS = 10, 20, 5, 1000, 30


class RealRatings:
    """A mind that gives people's own ratings of the films that they rated later."""

    name = "real"

    def __init__(self, rating_UN: np.ndarray) -> None:
        self._rating_UN = rating_UN

    def rate(self, questions: Questions) -> Ratings:
        """See `Mind`."""
        return Ratings(self._rating_UN[questions.user_E, questions.item_E])

    def estimate(self, n_questions: int) -> None:
        """No calls. See `Mind`."""


def read(folder: Path) -> tuple[Inputs, np.ndarray]:
    """Inputs with embeddings of titles, and (U, N) held-out ratings, NaN where a film was not rated later."""
    inputs = load_inputs(GymRules(items=str(folder), users="dataset", shaping="identity"))
    whole = Dataset.load(folder, repeats="drop")
    unit_NE = unit_rows(model_embeddings(whole, load_model(None)))
    items = replace(inputs.items, unit_NE=unit_NE, made_from=f"data set {whole.name}, compared by text embeddings")
    inputs = Inputs(inputs.rules, inputs.domain, items, inputs.users)
    events, known = whole.interactions, inputs.items.dataset
    of_known_U = known.user_map.to_dense(whole.user_map.to_outside(np.arange(whole.n_users)))
    rating_UN = np.full((len(inputs.users), len(inputs.items)), np.nan)
    given_R = np.array(events.rating, dtype=np.float64)
    rating_UN[of_known_U[events.user], events.item] = on_scale(given_R, inputs.domain.scale, top_of(given_R))
    rating_UN[known.interactions.user, known.interactions.item] = np.nan
    return inputs, rating_UN


def offering(views: Views, allowed_UN: np.ndarray) -> Views:
    """The views with these items on offer."""
    return replace(views, allowed=allowed_UN.copy)


def played(
    inputs: Inputs, mind: Mind, policy: Policy, users: np.ndarray, offered_UN: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(U, T) films and ratings of one episode of each of these users, with these films on offer."""
    engine = Engine(inputs, mind, len(users))
    engine.reset(np.full(len(users), seed), users)
    items, ratings = np.empty((2, len(users), STEPS))
    for step in range(STEPS):
        views = offering(engine.views(), engine.allowed() & offered_UN)
        steps = engine.decide(policy.act(views))
        policy.observe(views, steps.item_E, steps.rating_E)
        engine.apply(steps)
        items[:, step], ratings[:, step] = steps.item_E, steps.rating_E
    return items.astype(np.int64), ratings


def lists(inputs: Inputs, policy: Policy, users: np.ndarray, offered_UN: np.ndarray) -> np.ndarray:
    """(U, T) the first films that a policy shows where it gets no feedback."""
    unrated = RealRatings(np.full((len(inputs.users), len(inputs.items)), np.nan))
    views = Engine(inputs, unrated, len(users))
    views.reset(np.zeros(len(users), dtype=np.int64), users)
    start, items = views.views(), np.empty((len(users), STEPS), dtype=np.int64)
    allowed_UN = start.allowed() & offered_UN
    for step in range(STEPS):
        items[:, step] = policy.act(offering(replace(start, step_E=start.step_E + step), allowed_UN))
        allowed_UN[np.arange(len(users)), items[:, step]] = False
    return items


def ndcg(item_UT: np.ndarray, rating_UN: np.ndarray, liked_from: float) -> np.ndarray:
    """(U,) NDCG of the lists; relevant: held-out films rated at least so. NaN without any."""
    liked_UN = rating_UN >= liked_from
    discount_T = 1 / np.log2(2 + np.arange(item_UT.shape[1]))
    gain_U = (np.take_along_axis(liked_UN, item_UT, axis=1) * discount_T).sum(axis=1)
    n_U = np.minimum(liked_UN.sum(axis=1), item_UT.shape[1])
    best_U = np.concatenate([[0], np.cumsum(discount_T)])[n_U]
    return np.where(n_U > 0, gain_U / np.where(n_U > 0, best_U, 1), np.nan)


def weighted(
    item_UT: np.ndarray, rating_UN: np.ndarray, propensity_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """(U,) sums of weighted ratings, (U,) sums of weights, and the number of rated films in the lists."""
    rating_UT = np.take_along_axis(rating_UN, item_UT, axis=1)
    there_UT = ~np.isnan(rating_UT)
    weight_UT = np.where(there_UT, 1 / propensity_N[item_UT], 0)
    return (weight_UT * np.nan_to_num(rating_UT)).sum(axis=1), weight_UT.sum(axis=1), int(there_UT.sum())


def measured(inputs: Inputs, rating_UN: np.ndarray, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Per-user values of every policy."""
    users = np.flatnonzero((~np.isnan(rating_UN)).sum(axis=1) >= AT_LEAST)
    real_UN = rating_UN[users]
    new_UN = np.ones(real_UN.shape, dtype=bool)
    for row, user in enumerate(users.tolist()):
        new_UN[row, inputs.users.histories[user]] = False
    propensity_N = ((~np.isnan(rating_UN)).sum(axis=0) + 1) / (len(rating_UN) + 1)
    simulated = ScriptedMind(inputs.domain, inputs.items, inputs.users, seed=0)
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        started = time.monotonic()
        setting = Setting(inputs.domain, inputs.items, inputs.users, simulated, 0)
        policy = make_policy(name, setting)

        def average(mind: Mind, offered_UN: np.ndarray, seed: int, policy: Policy = policy) -> np.ndarray:
            return played(inputs, mind, policy, users, offered_UN, seed)[1].mean(axis=1)

        rated_UN = ~np.isnan(real_UN)
        shown = lists(inputs, policy, users, new_UN)
        found[name] = {
            "real": average(RealRatings(rating_UN), rated_UN, 0),
            "same_films": average(simulated, rated_UN, 0),
            "catalogue": np.mean([average(simulated, new_UN, seed) for seed in range(SEEDS)], axis=0),
            "ndcg@10": ndcg(shown, real_UN, inputs.domain.liked_from),
            "weighted": weighted(shown, real_UN, propensity_N),
        }
        print(
            name,
            {key: round(float(np.nanmean(values)), 3) for key, values in found[name].items() if key != "weighted"},
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
    return found


def estimate(of: tuple[np.ndarray, np.ndarray, int], drawn: np.ndarray) -> float:
    """Inverse-propensity estimate of the average rating of a list, over the drawn users."""
    return float(of[0][drawn].sum() / max(of[1][drawn].sum(), 1e-12)) if of[2] >= HITS else np.nan


def orders(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rank correlations of pairs of measures over policies, with intervals over users."""
    names, n_users = list(found), len(next(iter(found.values()))["real"])
    draws = np.random.default_rng(0).integers(n_users, size=(RESAMPLES, n_users))

    def means(measure: str, drawn: np.ndarray) -> np.ndarray:
        if measure == "ips":
            return np.array([estimate(found[name]["weighted"], drawn) for name in names])
        return np.array([np.nanmean(found[name][measure][drawn]) for name in names])

    def correlation(first: np.ndarray, second: np.ndarray, rank: Callable[..., Any]) -> float:
        both = np.isfinite(first) & np.isfinite(second)
        return float(rank(first[both], second[both]).statistic)

    result = {}
    measures = ("real", "same_films", "catalogue", "ndcg@10", "ips")
    tables = {measure: [means(measure, drawn) for drawn in (np.arange(n_users), *draws)] for measure in measures}
    for simulated, real in PAIRS:
        of_pair: dict[str, Any] = {"policies": int(np.isfinite(tables[simulated][0] + tables[real][0]).sum())}
        for rank_name, rank in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):
            values = [correlation(one, two, rank) for one, two in zip(tables[simulated], tables[real], strict=True)]
            low, high = np.nanquantile(values[1:], [0.025, 0.975])
            of_pair[rank_name] = {"value": round(values[0], 3), "low": round(low, 3), "high": round(high, 3)}
        result[f"{simulated} ~ {real}"] = of_pair
    return result


def figures(values_U: np.ndarray) -> dict[str, float]:
    """Mean over users and its interval."""
    known = np.flatnonzero(np.isfinite(values_U))
    low, high = bootstrap_ci(values_U[known], known, resamples=RESAMPLES)
    return {"mean": round(float(values_U[known].mean()), 4), "low": round(low, 4), "high": round(high, 4)}


def main() -> None:
    """Run the comparison and write its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="data set folder with ratings, such as movielens_small")
    parser.add_argument("--policies", default=",".join(POLICIES), help="policies, separated by commas")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the result")
    options = parser.parse_args()
    inputs, rating_UN = read(options.folder)
    found = measured(inputs, rating_UN, options.policies.split(","))
    all_users = np.arange(len(next(iter(found.values()))["real"]))
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "data": inputs.items.made_from,
        "users": len(all_users),
        "films_per_user": STEPS,
        "seeds": SEEDS,
        "policies": {
            name: {
                **{measure: figures(of[measure]) for measure in ("real", "same_films", "catalogue", "ndcg@10")},
                "ips": None if of["weighted"][2] < HITS else round(estimate(of["weighted"], all_users), 3),
                "rated_in_lists": of["weighted"][2],
            }
            for name, of in found.items()
        },
        "orders": orders(found),
    }
    write_text(options.json, json.dumps(report, indent=2) + "\n")
    print(json.dumps(report["orders"], indent=1))


if __name__ == "__main__":
    run(main, "order.py")
