"""Fit of a society's scripted mind to real people: the choice among items of a page, and stars.

    python benchmarks/society/calibration.py ../shared/data/simulate
    python benchmarks/society/calibration.py ../shared/data/simulate --write    # also replaces the coefficients

Choice: MovieLens-1M's later films of 6,040 people, each on a page beside two films at random and two as popular that
the person never took; the published films and their past as a society reads them. Mean ratings of films come from
Agent4Rec's table of the same films, as MovieLens-1M's ratings are not here. Stars: MovieLens (small). A fifth of the
users is held out; figures are means over them, with 95 % bootstrap intervals.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt.device import hardware
from recgpt.files import write_text
from recgpt.program import run
from recgpt.simulate.experiments.base import mean_of
from recgpt.simulate.worlds.feed.minds.parameters import Parameters as FeedParameters
from recgpt.simulate.worlds.feed.minds.parameters import Rating
from recgpt.simulate.worlds.society.minds import fitting
from recgpt.simulate.worlds.society.minds.fitting import FEATURES, Pages, RealPeople
from recgpt.simulate.worlds.society.minds.parameters import Parameters

RESULT = Path(__file__).parents[1] / "results" / "society" / "calibration.json"
PACKAGE = Path(fitting.__file__).with_name("scripted.json")
UNIFORM, POPULARITY, FEED, FITTED = "any item", "popularity", "the feed's preference", "fitted"
CHOICE = (
    "fitted: choices of 6,040 MovieLens-1M users among films taken, at random and as popular;"
    " benchmarks/society/calibration.py"
)
STARS = "fitted: ratings of MovieLens (small), with the society's vectors; benchmarks/society/calibration.py"


def mean_ratings(films: Path, table: Path) -> np.ndarray:
    """(N,) mean ratings of the films of item.csv by title and year; NaN where the table does not have them."""
    article = pl.col("title").str.extract(r"^(The|A|An) ")
    moved = pl.col("title").str.replace(r"^(The|A|An) ", "") + pl.concat_str(pl.lit(", "), article).fill_null("")
    year = pl.format(" ({})", pl.col("year"))
    items = pl.read_csv(films / "item.csv").join(pl.read_csv(films / "item_links.csv"), on="id", how="left")
    means = pl.read_parquet(table).select(name="title", mean="mean_rating").unique("name")
    found = items.with_columns(name=moved + year).join(means, on="name", how="left", maintain_order="left")
    return found["mean"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def judged(pages: Pages, weights: dict[str, np.ndarray], more: np.ndarray | None = None) -> dict[str, Any]:
    """Figures of each model on pages of held-out users."""
    x_RSF = pages.x_RSF if more is None else np.concatenate([pages.x_RSF, more], axis=2)
    return {
        name: {
            figure: vars(mean_of(values_U))
            for figure, values_U in fitting.judged_pages(x_RSF, weights_F, pages.user_R).items()
        }
        for name, weights_F in weights.items()
    }


def models(pages: Pages, fitted: np.ndarray) -> dict[str, np.ndarray]:
    """Coefficients of the controls and of the fit; popularity alone is fitted as well."""
    place = FEATURES.index("popularity")
    alone = np.zeros(len(FEATURES))
    alone[place] = fitting.conditional_logit(pages.x_RSF[~pages.is_held_out_R][:, :, [place]])[0]
    feed = FeedParameters.load().preference
    shipped = [0.0 if name == "recent" else getattr(feed, name) for name in FEATURES]
    return {UNIFORM: np.zeros(len(FEATURES)), POPULARITY: alone, FEED: np.array(shipped), FITTED: fitted}


def with_profile(people: RealPeople, pages: Pages, fitted: np.ndarray) -> dict[str, Any]:
    """The fit with age, gender and job beside it, whose coefficients are fitted with the others held."""
    profile_RS2 = fitting.profile_features(people, pages)
    train = ~pages.is_held_out_R
    own = fitting.conditional_logit(profile_RS2[train], pages.x_RSF[train] @ fitted)
    names = dict(zip(fitting.PROFILE, own.tolist(), strict=True))
    held = pages.where(pages.is_held_out_R)
    both = {"with age, gender and job": np.append(fitted, own)}
    return {"coefficients": names, **judged(held, both, profile_RS2[pages.is_held_out_R])}


def replaced(fitted: dict[str, float], rating: Rating) -> None:
    """Write the coefficients into the parameters of the package."""
    content = json.loads(PACKAGE.read_text(encoding="utf-8"))
    content["watch"] |= {name: round(value, 3) for name, value in fitted.items()}
    of_stars = json.loads(rating.model_dump_json(), parse_float=lambda text: round(float(text), 3))
    content["rating"] = of_stars
    content["sources"] |= {f"watch.{name}": CHOICE for name in FEATURES}
    content["sources"]["watch.interest"] = CHOICE + ", on the pages of newcomers without a film"
    content["sources"] |= {f"rating.{name}": STARS for name in of_stars}
    Parameters.model_validate(content)
    write_text(PACKAGE, json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the data sets recagent, agent4rec_ml1m and movielens_small")
    parser.add_argument("--past", type=Path, help="folder of MovieLens-1M; by default ../pretrain/movielens_1m")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="replace the coefficients in the package")
    parser.add_argument("--json", type=Path, default=RESULT)
    args = parser.parse_args()
    films, past = args.data / "recagent", args.past or args.data.parent / "pretrain" / "movielens_1m"
    mean_rating_N = mean_ratings(films, args.data / "agent4rec_ml1m" / "items.parquet")
    people = RealPeople.read(str(films), str(past), mean_rating_N)
    pages = fitting.pages_of(people, args.seed)
    newcomers = fitting.newcomers_of(people, pages, args.seed)
    weights = models(pages, fitting.fit_watch(pages, newcomers))
    fitted = dict(zip(FEATURES, weights[FITTED].tolist(), strict=True))
    rating, of_rating = fitting.fit_stars(args.data / "movielens_small", args.seed)
    new = newcomers.where(newcomers.is_held_out_R)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "seed": args.seed,
        "pages": len(pages.user_R),
        "held_out": {"pages": int(pages.is_held_out_R.sum()), "users": len(np.unique(new.user_R))},
        "films_with_mean_ratings": int(np.isfinite(mean_rating_N).sum()),
        "watch": fitted,
        "with a past": judged(pages.where(pages.is_held_out_R), weights),
        "newcomers": judged(new, weights),
        "newcomers without a film": judged(new.where(new.n_before_R == 0), weights),
        "age, gender, job": with_profile(people, pages, weights[FITTED]),
        "rating": rating.model_dump(),
        "stars": of_rating,
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(report), parse_float=lambda text: round(float(text), 4))
    write_text(args.json, json.dumps(rounded, indent=1, allow_nan=False) + "\n")
    if args.write:
        replaced(fitted, rating)


if __name__ == "__main__":
    run(main, "calibration.py")
