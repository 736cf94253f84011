"""Causal discovery among quality, popularity, exposure, views and ratings. Zhang et al., SIGIR 2024, section 4.4.

    recgpt experiment causal --dataset data/demo         # needs `pip install -e '.[causal]'`

A feed gives each item an exposure, views and ratings. DirectLiNGAM (Shimizu et al. 2011) reads a linear causal graph
from these five figures of many items, where errors are independent and not Gaussian. In a simulation the answer is
known from the code, so that the method itself is on trial.

Shapes: X items, V variables.
"""

import importlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.errors import SimulationError
from recgpt.evaluate.significance import holm
from recgpt.progress import track
from recgpt.simulate.experiments.base import Experiment, FeedSettings, Lab, Played
from recgpt.simulate.experiments.result import Estimate, Result, Row
from recgpt.simulate.items import ItemFacts

VARIABLES = ("quality", "popularity", "exposure", "views", "rating")
BEFORE = ("quality", "popularity")
"""Variables fixed before the run, which nothing in it can cause."""
IN_THE_CODE: dict[tuple[str, str], Literal["yes", "recommender", "no"]] = {
    ("quality", "exposure"): "recommender",
    ("popularity", "exposure"): "recommender",
    ("quality", "views"): "yes",
    ("popularity", "views"): "yes",
    ("quality", "rating"): "yes",
    ("popularity", "rating"): "yes",
    ("exposure", "views"): "yes",
    ("exposure", "rating"): "no",
    ("views", "exposure"): "recommender",
    ("views", "rating"): "no",
    ("rating", "exposure"): "no",
    ("rating", "views"): "no",
}
"""Whether the first causes the second where scripted agents decide; `recommender`: if the recommender makes it so."""
LEAST_EFFECT = 0.05  # of standard deviations, for an edge to count
LEAST_FREQUENCY = 0.1  # of resamples that have an edge, for it to be in the table
FEWEST_ITEMS = 30


class CausalSettings(FeedSettings):
    """Settings of `causal`."""

    recommender: str = Field(default="hybrid_knn", description="registered name")
    min_exposures: int = Field(default=5, ge=1, description="of an item, to count")
    min_ratings: int = Field(default=2, ge=1, description="of an item in the feed, to count")
    resamples: int = Field(default=200, ge=20, description="of items, for frequencies and intervals")
    time_order: bool = Field(default=True, description="tell the method that nothing in the run causes what was before")


def run(lab: Lab, settings: CausalSettings) -> Result:
    """See the module.

    Raises
    ------
    SimulationError
        The library `lingam` is not installed, ratings are unknown, or too few items count.
    """
    _library("lingam")
    played = lab.play(settings.rules(), lab.fitted(settings.recommender), lab.mind())
    table = of_items(played, lab.setting.facts, settings)
    values_XV = standardised(table)
    effect_VV, dependent = _graph(values_XV, settings)
    rng = np.random.default_rng([settings.seed, 5])
    effect_RVV = np.array(
        [
            _fitted(values_XV[rng.integers(len(values_XV), size=len(values_XV))], settings).adjacency_matrix_
            for _ in track(range(settings.resamples), "resamples", total=settings.resamples)
        ]
    )
    frequency_VV = (np.abs(effect_RVV) >= LEAST_EFFECT).mean(axis=0)
    rows: list[Row] = []
    for cause in range(len(VARIABLES)):
        for effect in range(len(VARIABLES)):
            pair = VARIABLES[cause], VARIABLES[effect]
            frequency = float(frequency_VV[effect, cause])
            if cause == effect or max(frequency, abs(effect_VV[effect, cause])) < LEAST_FREQUENCY:
                continue
            low, high = np.quantile(effect_RVV[:, effect, cause], [0.025, 0.975])
            rows.append(
                {
                    "cause": pair[0],
                    "effect": pair[1],
                    "strength": Estimate(float(effect_VV[effect, cause]), float(low), float(high)),
                    "in resamples": frequency,
                    "in the code": IN_THE_CODE.get(pair, "data"),
                }
            )
    if not rows:
        raise SimulationError(
            f"no two of {', '.join(VARIABLES)} depend on each other in this run: use more agents or pages"
        )
    rows.sort(key=lambda row: -float(row["in resamples"]))  # type: ignore[arg-type]
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"Scripted agents browse {settings.recommender}. Of each of {len(table)} items (shown"
            f" {settings.min_exposures} times or more, rated {settings.min_ratings} times or more) five figures:"
            " quality (mean known rating), popularity (log of known interactions), exposure (log of times shown), views"
            " (log of times watched), rating (mean in the feed), all standardised. DirectLiNGAM reads a graph from them"
            + (", told that nothing in the run causes quality or popularity" if settings.time_order else "")
            + f". An edge counts from a strength of {LEAST_EFFECT} standard deviations; frequencies and intervals are"
            f" over {settings.resamples} resamples of the items. “In the code” says what the simulator really does;"
            " “recommender”: if the recommender makes it so; “data”: both were there before."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows, dependent),
        [
            "Items that were hardly shown or rated are left out; choosing items by what was caused can itself make or"
            " hide dependence.",
            "The method supposes linear effects, no hidden common cause (what an item is about is one) and independent"
            " errors; where the errors depend on each other, an arrow is a guess.",
            "Intervals are percentiles over resamples in which the graph itself changes.",
        ],
        lambda figure: _draw(figure, effect_VV, frequency_VV),
        {"items": len(table), "pairs of dependent errors": dependent, "frequency": frequency_VV.tolist()},
    )


def of_items(played: Played, facts: ItemFacts, settings: CausalSettings) -> pl.DataFrame:
    """The five variables of each item that is used.

    Raises
    ------
    SimulationError
        Fewer than 30 do.
    """
    counted = (
        played.of_kind(kind).group_by("item").agg(pl.len().alias(name))
        for kind, name in (("shown", "exposure"), ("watched", "views"))
    )
    rated = played.of_kind("rated").group_by("item").agg(pl.col("value").mean().alias("rating"), pl.len().alias("n"))
    exposure, views = counted
    found = exposure.join(views, on="item").join(rated, on="item").sort("item")
    item = found["item"].to_numpy()
    table = found.with_columns(
        quality=facts.mean_rating_N[item].astype(np.float64),
        popularity=np.log1p(facts.count_N[item].astype(np.float64)),
    ).filter(
        (pl.col("exposure") >= settings.min_exposures)
        & (pl.col("n") >= settings.min_ratings)
        & pl.col("quality").is_finite()
    )
    if len(table) < FEWEST_ITEMS:
        raise SimulationError(
            f"{len(table)} items have a known mean rating, {settings.min_exposures} exposures and"
            f" {settings.min_ratings} ratings; {FEWEST_ITEMS} are needed: use more agents or pages"
        )
    return table.with_columns(pl.col("exposure", "views").log())


def standardised(table: pl.DataFrame) -> np.ndarray:
    """(X, V) float64 of `VARIABLES`, mean 0 and deviation 1.

    Raises
    ------
    SimulationError
        A variable is the same for every item.
    """
    values_XV = table.select(VARIABLES).to_numpy().astype(np.float64)
    deviation_V = values_XV.std(axis=0)
    if (deviation_V == 0).any():
        name = VARIABLES[int((deviation_V == 0).argmax())]
        raise SimulationError(f"every item has the same {name}, so its effects cannot be estimated: use more agents")
    return (values_XV - values_XV.mean(axis=0)) / deviation_V


def _graph(values_XV: np.ndarray, settings: CausalSettings) -> tuple[np.ndarray, int]:
    """(V, V) strength of the column on the row, and how many pairs of errors depend on each other (5 %, Holm)."""
    model = _fitted(values_XV, settings)
    p_VV = model.get_error_independence_p_values(values_XV)
    return model.adjacency_matrix_, int((holm(p_VV[np.triu_indices(len(VARIABLES), 1)]) < 0.05).sum())


def _fitted(values_XV: np.ndarray, settings: CausalSettings) -> Any:
    prior = None
    if settings.time_order:
        after = [name for name in VARIABLES if name not in BEFORE]
        pairs = [(VARIABLES.index(late), VARIABLES.index(early)) for late in after for early in BEFORE]
        prior = _library("lingam.utils").make_prior_knowledge(len(VARIABLES), no_paths=pairs)
    return _library("lingam").DirectLiNGAM(random_state=settings.seed, prior_knowledge=prior).fit(values_XV)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SimulationError(
            "causal needs the library lingam, which is not installed: pip install 'recgpt[causal]'"
        ) from error


def _findings(rows: Sequence[Row], dependent: int) -> list[str]:
    stable = {(str(row["cause"]), str(row["effect"])) for row in rows if float(row["in resamples"]) >= 0.5}  # type: ignore[arg-type]
    surely = {pair for pair, truth in IN_THE_CODE.items() if truth == "yes"}
    wrong = [f"{cause} → {effect}" for cause, effect in sorted(stable) if IN_THE_CODE.get((cause, effect)) == "no"]
    missed = [f"{cause} → {effect}" for cause, effect in sorted(surely - stable)]
    n_pairs = len(VARIABLES) * (len(VARIABLES) - 1) // 2
    return [
        "In half of the resamples or more: "
        + ", ".join(f"{cause} → {effect}" for cause, effect in sorted(stable))
        + ".",
        f"Of the {len(surely)} edges that are surely in the code it finds {len(surely & stable)}"
        + (f"; it misses {', '.join(missed)}" if missed else "")
        + (f"; it adds {', '.join(wrong)}, which is not there." if wrong else ", and adds none that is not there."),
        f"{dependent} of {n_pairs} pairs of errors depend on each other, which the method supposes they do not"
        + (": its arrows are not to be trusted on their own." if dependent else ": none contradicts it."),
    ]


def _draw(figure: Figure, effect_VV: np.ndarray, frequency_VV: np.ndarray) -> None:
    figure.set_size_inches(5.5, 4.5)
    axes = figure.subplots()
    place = {"quality": (0, 1), "popularity": (0, -1), "exposure": (1, -1), "views": (2, -0.2), "rating": (1.2, 1)}
    for cause, source in enumerate(VARIABLES):
        for effect, target in enumerate(VARIABLES):
            strength, frequency = effect_VV[effect, cause], frequency_VV[effect, cause]
            if abs(strength) < LEAST_EFFECT or frequency < LEAST_FREQUENCY:
                continue
            (x0, y0), (x1, y1) = place[source], place[target]
            arrow = {
                "arrowstyle": "-|>",
                "lw": 0.5 + 4 * min(abs(strength), 1),
                "color": "C0" if strength > 0 else "C3",
                "alpha": 0.2 + 0.8 * frequency,
                "shrinkA": 24,
                "shrinkB": 24,
                "connectionstyle": "arc3,rad=0.08",
            }
            axes.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=arrow)
            at = 0.6 * x0 + 0.4 * x1, 0.6 * y0 + 0.4 * y1
            axes.text(*at, f"{strength:.2f}\n{frequency:.0%}", fontsize=7, ha="center", va="center")
    for name, (x, y) in place.items():
        axes.text(x, y, name, ha="center", va="center", bbox={"boxstyle": "round", "fc": "white", "ec": "0.4"})
    axes.set(xlim=(-0.5, 2.4), ylim=(-1.4, 1.4))
    axes.set_title("strength, and share of resamples with the edge", fontsize=9)
    axes.axis("off")


EXPERIMENT = Experiment(
    "causal", "What causes what between quality, popularity, exposure, views and ratings?", CausalSettings, run
)
