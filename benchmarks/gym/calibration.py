"""Fit of the scripted mind, and how much its ratings are like people's.

    python benchmarks/gym/calibration.py ../shared/data/simulate/movielens_small --emosim ../shared/data/simulate/emosim
    python benchmarks/gym/calibration.py ... --write          # also replaces the parameters in the package

Films: ratings from .5 to 5, doubled. Users are split into five folds. Each fold is simulated with parameters fitted on
the others: the first half of a user's ratings is the past, the later half is predicted, pair by pair, one draw a pair.
Averages of films are those of the other folds and of the pasts. The figures are over the pairs of all folds. The
parameters that are written are fitted on all users.

Books: no data set here has people's ratings of books. The spreads are those of films, in proportion; the thresholds
give the reference distribution of the distribution study, on half of the users and books; the other half is the check.
"""

import argparse
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.device import hardware
from recgpt.errors import DataError
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.domains.loading import on_scale
from recgpt.simulate.worlds.gym.draws import episode_keys
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds import parameters as shipped
from recgpt.simulate.worlds.gym.minds.base import Questions
from recgpt.simulate.worlds.gym.minds.fitting.compare import Summary
from recgpt.simulate.worlds.gym.minds.fitting.pasts import Rated, users_of, with_averages
from recgpt.simulate.worlds.gym.minds.fitting.pipeline import fitted
from recgpt.simulate.worlds.gym.minds.fitting.thresholds import quantile_thresholds
from recgpt.simulate.worlds.gym.minds.parameters import Parameters
from recgpt.simulate.worlds.gym.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.gym.minds.tastes import Tastes
from recgpt.simulate.worlds.gym.users import Users

mpl.use("Agg")
import matplotlib.pyplot as plt

RESULT = Path(__file__).parents[1] / "results" / "gym" / "calibration.json"
FOLDS = 5
POPULATIONS = 5  # draws of the held-out users
PEOPLE_ITEMS = 100  # films shown to each user without a past
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def questions(user_R: np.ndarray, item_R: np.ndarray, seed: int) -> Questions:
    """One question a pair, nothing recalled."""
    zeros_R, ones_R = np.zeros_like(user_R), np.ones_like(user_R)
    none_R1 = np.full((len(user_R), 1), -1)
    keys_R = episode_keys(zeros_R + seed, zeros_R, user_R)
    return Questions(user_R, item_R, ones_R, ones_R, keys_R, none_R1, np.full(none_R1.shape, np.nan))


def rated_by_people(folder: Path, domain: Domain) -> Rated:
    """The ratings of a data set on the domain's scale."""
    dataset = Dataset.load(folder, repeats="drop")
    events = dataset.interactions
    if events.rating is None:
        raise DataError(f"{folder} has no ratings: name a data set of rated films")
    ratings = domain.scale.project(on_scale(events.rating, domain.scale))
    return Rated(events.item.astype(np.int64), ratings, np.asarray(dataset.offsets))


def cross_validated(items: Items, rated: Rated, domain: Domain, seed: int) -> dict[str, Any]:
    """Simulated and real later ratings of all users, each with parameters from the other folds, and baselines."""
    order = np.random.default_rng(seed).permutation(len(rated))
    parts: dict[str, list[Pairs]] = {name: [] for name in ("real", "scripted", "constant", "average", "user_and_item")}
    expected, best, folds = [], [], []
    populations: list[list[Pairs]] = [[] for _ in range(POPULATIONS)]
    for fold in range(FOLDS):
        held = np.sort(order[fold::FOLDS])
        others = rated.select(np.setdiff1d(order, held))
        past, later = rated.select(held).halves()
        known = with_averages(items, others, past)
        parameters, users = fitted(items, others, domain.scale), users_of(past)
        user_R, item_R = later.user_R, later.item_R
        minds = [ScriptedMind(domain, known, users, seed + n, parameters=parameters) for n in range(POPULATIONS)]
        for n, mind in enumerate(minds):
            drawn_R = mind.rate(questions(user_R, item_R, seed + n)).rating_E
            populations[n].append((held[user_R], item_R, drawn_R))
        rating_R = populations[0][-1][2]
        constant = float(others.rating_R.mean())
        average_R = np.nan_to_num(known.average_N[item_R], nan=constant)
        level_U = np.bincount(past.user_R, weights=past.rating_R - known.average_N[past.item_R]) / np.bincount(
            past.user_R
        )
        predicted = {
            "real": later.rating_R,
            "scripted": rating_R,
            "constant": np.full(len(user_R), constant),
            "average": average_R,
            "user_and_item": average_R + level_U[user_R],
        }
        for name, value_R in predicted.items():
            parts[name].append((held[user_R], item_R, domain.scale.project(value_R)))
        expected.append(minds[0].expected(user_R, item_R))
        means = Tastes.means(known, users, domain.scale, parameters, seed=seed)
        best.append(minds[0].ordinal.means(means.latent(user_R, item_R)))
        real, own = (summary(parts[name][-1], domain) for name in ("real", "scripted"))
        folds.append({"users": len(held), "pairs": len(user_R), "real_mean": real.mean, **own.against(real)})
        print(f"fold {fold}: total variation {folds[-1]['total_variation']:.3f}, {folds[-1]['ratios']}", flush=True)
    whole = {name: joined(pairs) for name, pairs in parts.items()}
    real, real_R = summary(whole["real"], domain), whole["real"][2]
    rows = {name: summary(pairs, domain).against(real) for name, pairs in whole.items()}
    for name, row in rows.items():
        row.update(agreement(whole[name][2], real_R))
    rows["scripted"]["noise_free"] = agreement(np.concatenate(expected), real_R)
    rows["scripted"]["most_probable"] = agreement(np.concatenate(best), real_R)
    drawn = [summary(joined(pairs), domain).against(real) for pairs in populations]
    return {
        "pairs": len(real_R),
        "users": len(rated),
        "rows": rows,
        "folds": folds,
        "populations": [{name: each[name] for name in ("mean", "total_variation", "ratios")} for each in drawn],
    }


def joined(parts: list[Pairs]) -> Pairs:
    """The pairs of all folds."""
    users, items, ratings = (np.concatenate(each) for each in zip(*parts, strict=True))
    return users, items, ratings


def summary(pairs: Pairs, domain: Domain) -> Summary:
    """Figures of users, items and ratings."""
    user_R, item_R, rating_R = pairs
    return Summary.of(user_R, item_R, rating_R, domain.scale)


def agreement(rating_R: np.ndarray, real_R: np.ndarray) -> dict[str, float]:
    """Correlation over pairs, root mean squared and mean absolute difference."""
    difference_R = rating_R - real_R
    varies = rating_R.std() > 0
    return {
        "correlation": float(np.corrcoef(rating_R, real_R)[0, 1]) if varies else 0.0,
        "rmse": float((difference_R**2).mean() ** 0.5),
        "mae": float(np.abs(difference_R).mean()),
    }


def people_without_past(
    domain: Domain, items: Items, users: Users, rated: Rated, parameters: Parameters, seed: int
) -> dict[str, Any]:
    """Simulated ratings of people without a past: of films at random, and of films as often as people rate them."""
    mind = ScriptedMind(domain, items, users, seed, parameters=parameters)
    generator = np.random.default_rng(seed)
    everyone = np.repeat(np.arange(len(users)), PEOPLE_ITEMS)
    at_random = generator.integers(0, len(items), len(everyone))
    watched = generator.choice(rated.item_R, len(everyone))
    real = summary((rated.user_R, rated.item_R, rated.rating_R), domain)
    result: dict[str, Any] = {"people": users.made_from, "real": real.against(real)}
    for name, item_R in (("at_random", at_random), ("as_watched", watched)):
        rating_R = mind.rate(questions(everyone, item_R, seed)).rating_E
        result[name] = summary((everyone, item_R, rating_R), domain).against(real)
    result["at_random"]["total_variation_to_reference"] = to_reference(result["at_random"]["shares"], domain)
    result["tags"] = liked_against_disliked(mind, items, users, seed)
    return result


def liked_against_disliked(mind: ScriptedMind, items: Items, users: Users, seed: int) -> dict[str, float]:
    """Mean ratings of items with a liked tag and no disliked one, of those with neither, and the reverse."""
    user_R = np.repeat(np.arange(len(users)), len(items) // 8)
    item_R = np.random.default_rng(seed).integers(0, len(items), len(user_R))
    rating_R = mind.rate(questions(user_R, item_R, seed)).rating_E
    tags = [set(each) for each in items.tags]
    likes = np.array([not tags[i].isdisjoint(users.liked[u]) for u, i in zip(user_R, item_R, strict=True)])
    dislikes = np.array([not tags[i].isdisjoint(users.disliked[u]) for u, i in zip(user_R, item_R, strict=True)])
    groups = {"liked": likes & ~dislikes, "neither": ~likes & ~dislikes, "disliked": dislikes & ~likes}
    return {name: float(rating_R[rows].mean()) for name, rows in groups.items()}


def to_reference(shares: tuple[float, ...], domain: Domain) -> float | None:
    """Total variation to the reference distribution of the domain."""
    return None if domain.reference is None else float(np.abs(np.array(shares) - domain.reference).sum() / 2)


def of_language_model(path: Path, domain: Domain, rated: Rated) -> dict[str, Any]:
    """Figures of the stored ratings of a language model, against the real ones of all users."""
    table = pl.read_parquet(path)
    user_R, item_R, rating_R = (table[name].cast(pl.Int64).to_numpy() for name in ("user", "item", "rating"))
    own = summary((user_R, item_R, rating_R.astype(np.float64)), domain)
    real = summary((rated.user_R, rated.item_R, rated.rating_R), domain)
    return {**own.against(real), "total_variation_to_reference": to_reference(own.shares, domain)}


def fitted_books(domain: Domain, items: Items, users: Users, films: Parameters) -> Parameters:
    """Parameters of films with the level, the spread and the thresholds of books."""
    average_N = domain.scale.unit(items.average_N)
    count_N = np.maximum(items.count_N, 1)
    known_N = np.isfinite(average_N)
    observed = float(average_N[known_N].var())
    true = max(observed - float((films.noise**2 / count_N[known_N]).mean()), 0.0)
    usual = float(average_N[known_N].mean())
    start = films.model_copy(
        update={
            "average": usual,
            "level": usual,
            "quality_deviation": true**0.5,
            "quality_count": films.noise**2 / true,
        }
    )
    mind = ScriptedMind(domain, items, users, 0, parameters=start)
    latent_UN = mind.tastes.latent_all(np.arange(0, len(users), 2))[:, ::2]
    noise_UN = films.noise * np.random.default_rng(0).normal(size=latent_UN.shape)
    shares_V = np.array(domain.reference)
    return start.model_copy(update={"thresholds": quantile_thresholds((latent_UN + noise_UN).ravel(), shares_V)})


def checked_books(domain: Domain, items: Items, users: Users, parameters: Parameters, seed: int) -> dict[str, Any]:
    """Simulated ratings of the users and books that the thresholds were not fitted on."""
    mind = ScriptedMind(domain, items, users, seed, parameters=parameters)
    user_R, item_R = (each.ravel() for each in np.meshgrid(np.arange(1, len(users), 2), np.arange(1, len(items), 2)))
    rating_R = mind.rate(questions(user_R, item_R, seed)).rating_E
    own = summary((user_R, item_R, rating_R), domain)
    tags = liked_against_disliked(mind, items, users, seed)
    return {**asdict(own), "people": users.made_from, "total_variation": to_reference(own.shares, domain), "tags": tags}


def plot(report: dict[str, Any], path: Path) -> None:
    """Shares of ratings, and spreads relative to people's."""
    films, books = domain_of("movies"), domain_of("books")
    rows, people = report["films"]["held_out"]["rows"], report["films"]["people"]
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8))
    values = films.scale.values
    for shift, (label, shares) in enumerate(
        {
            "people": rows["real"]["shares"],
            "scripted": rows["scripted"]["shares"],
            "language model": report["llm"]["shares"],
        }.items()
    ):
        axes[0].bar(values + (shift - 1) * 0.28, shares, width=0.28, label=label)
    axes[0].set(title="films: ratings of held-out users", xlabel="rating", ylabel="share", xticks=values)
    names = ("deviation", "between_users", "between_items")
    for shift, (label, row) in enumerate(
        {
            "scripted, users with a past": rows["scripted"],
            "scripted, people without": people["as_watched"],
            "language model": report["llm"],
            "user + item mean": rows["user_and_item"],
        }.items()
    ):
        axes[1].bar(np.arange(3) + (shift - 1.5) * 0.2, [row["ratios"][name] for name in names], width=0.2, label=label)
    axes[1].axhspan(0.9, 1.1, color="grey", alpha=0.25, lw=0)
    axes[1].axhline(1, color="grey", lw=0.8)
    axes[1].set(title="spread, relative to people's", ylim=(0, 1.45))
    axes[1].set_xticks(range(3), ["all ratings", "between users", "between films"])
    values = books.scale.values
    axes[2].bar(values - 0.2, books.reference or (), width=0.4, label="reference")
    axes[2].bar(values + 0.2, report["books"]["shares"], width=0.4, label="scripted")
    axes[2].set(title="books: ratings", xlabel="rating", xticks=values)
    for axis in axes:
        axis.legend(fontsize="x-small", frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def rounded(value: Any) -> Any:
    """JSON with numbers of six digits, and null where a figure has no cases."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


def write_parameters(name: str, parameters: Parameters, report: dict[str, Any]) -> None:
    """Replace the parameters of a domain in the package."""
    path = Path(shipped.__file__).parent / f"{name}.json"
    content = {**parameters.model_dump(), "report": report}
    write_text(path, json.dumps(rounded(content), indent=1, allow_nan=False) + "\n")


def main() -> None:
    """Fit, check, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, help="data set folder with ratings of films")
    parser.add_argument("--emosim", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="replace the parameters in the package")
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    os.environ["RECGPT_EMOSIM"] = str(args.emosim)
    movies, books = domain_of("movies"), domain_of("books")
    films, rated = movies.load_items(str(args.films)), rated_by_people(args.films, movies)
    held_out = cross_validated(films, rated, movies, args.seed)
    of_films = fitted(films, rated, movies.scale)
    known = with_averages(films, rated)
    users = movies.load_users("sampled_genres", films)
    catalogue = books.load_items(str(args.emosim))
    readers = books.load_users("detailed", catalogue)
    of_books = fitted_books(books, catalogue, readers, of_films)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "seed": args.seed,
        "films": {
            "data": args.films.name,
            "held_out": held_out,
            "people": people_without_past(movies, known, users, rated, of_films, args.seed),
            "parameters": of_films.model_dump(exclude={"report"}),
        },
        "books": {
            **checked_books(books, catalogue, readers, of_books, args.seed),
            "parameters": of_books.model_dump(exclude={"report"}),
        },
        "llm": of_language_model(args.emosim / "llm_ratings.parquet", movies, rated),
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    write_text(args.json, json.dumps(rounded(report), indent=1, allow_nan=False) + "\n")
    plot(report, args.json.with_suffix(".png"))
    if args.write:
        own = held_out["rows"]["scripted"]
        brief = {name: own[name] for name in ("total_variation", "ratios", "mean", "correlation")}
        write_parameters("movies", of_films, {"held_out": brief, "real_mean": held_out["rows"]["real"]["mean"]})
        write_parameters("books", of_books, {"total_variation": report["books"]["total_variation"]})


if __name__ == "__main__":
    run(main, "calibration.py")
