"""A/B test: whether simulated users rank recommenders as the offline evaluation does.

    recgpt experiment ab --dataset data/demo --set recommenders=random,popularity,item_knn

The same agents browse a feed of each recommender; each also ranks the held-out items of the agents' users. The
question is whether both put the recommenders into the same order.

Shapes: A agents, M recommenders.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field
from scipy.stats import rankdata

from recgpt.errors import SimulationError
from recgpt.plotting import label_point, say_if_empty
from recgpt.simulate.experiments.base import (
    Experiment,
    FeedSettings,
    K,
    Lab,
    bootstrap,
    held_out_metrics,
    mean_of,
)
from recgpt.simulate.experiments.result import Estimate, Result, Row

OFFLINE = (f"hit@{K}", f"ndcg@{K}")
ONLINE = ("s_sat", "p_view", "p_like")


class ABSettings(FeedSettings):
    """Settings of `ab`."""

    recommenders: tuple[str, ...] = Field(
        default=("random", "popularity", "item_knn", "hybrid_knn", "recgpt"),
        min_length=3,
        description="registered names, three or more",
    )


def run(lab: Lab, settings: ABSettings) -> Result:
    """See the module."""
    if len(set(settings.recommenders)) < len(settings.recommenders):
        raise SimulationError(f"recommenders={settings.recommenders}: name each once")
    setting, found = lab.setting, {}
    for name in settings.recommenders:
        recommender = lab.fitted(name)
        ids_AK = recommender.rank(setting.population.histories, min(K, len(setting.facts)), exclude="history").ids
        offline = held_out_metrics(ids_AK, setting.held_out)
        found[name] = {**offline, **lab.play(settings.rules(), recommender, lab.mind()).per_agent}
    rows: list[Row] = [
        {"recommender": name, **{each: mean_of(values[each]) for each in (*OFFLINE, *ONLINE)}}
        for name, values in found.items()
    ]
    agreement = {
        online: bootstrap(
            lambda drawn, online=online: spearman(  # type: ignore[misc]
                *(np.array([_mean(values[each][drawn]) for values in found.values()]) for each in (OFFLINE[1], online))
            ),
            len(setting.population),
        )
        for online in ONLINE
    }
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            "The same agents, with the same random numbers, browse a feed of each recommender, which is told what they"
            f" watch. Offline: Hit@{K} and NDCG@{K} of a list for each agent’s known history, full catalogue, all"
            " that its person took later being relevant. Agreement is Spearman’s rank correlation of the recommenders’"
            f" means with their NDCG@{K}; its interval resamples agents, not recommenders."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        [
            f"By {online}, agents order the {len(found)} recommenders with a rank correlation of {each} to NDCG@{K}."
            for online, each in agreement.items()
            if each is not None
        ],
        [
            f"{len(found)} recommenders are few: an order of so many agrees by chance quite often, which the interval"
            " over agents does not show.",
            "Neither order is the truth. Offline figures reward what people found without the recommender; scripted"
            " agents reward what is like their history, popular and well rated.",
            "Agreement does not mean that differences between recommenders are of the right size.",
        ],
        lambda figure: draw(figure, rows),
        {"spearman": agreement},
    )


def spearman(left_M: np.ndarray, right_M: np.ndarray) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; NaN where one side is all equal."""
    left_M, right_M = rankdata(left_M), rankdata(right_M)
    left_M, right_M = left_M - left_M.mean(), right_M - right_M.mean()
    scale = np.sqrt((left_M**2).sum() * (right_M**2).sum())
    return float((left_M * right_M).sum() / scale) if scale else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def draw(figure: Figure, rows: Sequence[Row]) -> None:
    """Draw each online figure against the offline one, a point a recommender."""
    figure.set_size_inches(9, 3.2)
    for axes, online in zip(figure.subplots(1, len(ONLINE)), ONLINE, strict=True):
        points = []
        for row in rows:
            x, y = row[OFFLINE[1]], row[online]
            if not isinstance(x, Estimate) or not isinstance(y, Estimate):
                continue
            bars = {"xerr": [[x.mean - x.low], [x.high - x.mean]], "yerr": [[y.mean - y.low], [y.high - y.mean]]}
            axes.errorbar(x.mean, y.mean, **bars, fmt="o", ms=4, capsize=2)
            points.append((str(row["recommender"]), x.mean, y.mean))
        for point in points:
            label_point(axes, *point)
        axes.set(xlabel=f"NDCG@{K} offline", ylabel=online)
        say_if_empty(axes, "no figures")
        axes.grid(alpha=0.3)


EXPERIMENT = Experiment("ab", "Do simulated users rank recommenders as the offline evaluation does?", ABSettings, run)
