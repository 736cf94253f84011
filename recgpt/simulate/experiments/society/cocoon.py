"""Information cocoon: do genres narrow while a recommender learns from its users? Wang et al., TOIS 2025, section 4.4.

    recgpt experiment cocoon --dataset data/demo --set rounds=20

The paper: entropy of the genres recommended, mean over users, peaks near round 5 and falls by 8.5 %; random items and
friends of other interest raise it. Here beside two controls: a recommender that never learns, and no social life.

Shapes: A agents, T rounds.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.errors import SimulationError
from recgpt.evaluate.beyond_accuracy import category_weights, entropies
from recgpt.simulate.experiments.base import Experiment, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row
from recgpt.simulate.experiments.society.playing import LIMITS, SocietyLab, SocietySettings, society_lab
from recgpt.simulate.worlds.society.sources import Source


class CocoonSettings(SocietySettings):
    """Settings of `cocoon`."""

    starts: int = Field(default=6, ge=2, description="round from which the arms differ from the base")


def arms(starts: int) -> dict[str, dict[str, Any]]:
    """Options of each arm."""

    def random(n: int, every: int = 1) -> dict[str, Any]:
        return {"kind": "random_items", "round": starts, "every": every, "n": n}

    friend = {"kind": "rewire", "round": starts, "n": 1, "interest": "different"}
    return {
        "base": {},
        "1 random item": {"schedule": [random(1)]},
        "1 random item, every 5 rounds": {"schedule": [random(1, 5)]},
        "3 random items": {"schedule": [random(3)]},
        "1 friend of other interest": {"schedule": [friend]},
        "both": {"schedule": [random(1), friend]},
        "frozen recommender": {"is_frozen": True},
        "no social life": {"socialises": False},
    }


def run(lab: SocietyLab, settings: CocoonSettings) -> Result:
    """See the module."""
    genres_NC = category_weights(lab.inputs.setting.facts.items)
    if genres_NC is None:
        raise SimulationError(f"{lab.about()['dataset']} has no categories: entropy of genres needs them")
    found = {name: _arm(lab, name, options, settings, genres_NC) for name, options in arms(settings.starts).items()}
    base = found["base"]
    rows: list[Row] = [
        {
            "arm": name,
            "entropy before": mean_of(of["before"]),
            "entropy after": mean_of(of["after"]),
            "more than before": difference(of["after"], of["before"]),
            "more than base": None if name == "base" else difference(of["after"], base["after"]),
            "stars": mean_of(of["stars"]),
        }
        for name, of in found.items()
    ]
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{settings.runs} runs of {settings.rounds} rounds an arm; the recommender is refitted after every round."
            " Entropy in bits of the genres of the items that it showed to an agent in one round; an agent's mean over"
            f" its rounds before round {settings.starts}, and over those from it on; random items count, as in the"
            " paper. Means over runs, intervals over agents,"
            " differences paired."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows),
        [*LIMITS, "Entropy counts random items of the page: that they raise it follows partly from its definition."],
        lambda figure: _draw(figure, {name: of["series"] for name, of in found.items()}, settings.starts),
        {"entropy by round": {name: of["series"].tolist() for name, of in found.items()}},
    )


def _arm(
    lab: SocietyLab, name: str, options: Mapping[str, Any], settings: CocoonSettings, genres_NC: Any
) -> dict[str, np.ndarray]:
    runs = []
    for seed in lab.seeds:
        played = lab.play(seed=seed, name=name, **options)
        shown = played.of_kind("shown").filter(pl.col("place") != Source.SEARCH)
        bits_TA = entropies_by_round(shown, genres_NC, settings.rounds, settings.agents)
        before, after = _mean(bits_TA[: settings.starts - 1]), _mean(bits_TA[settings.starts - 1 :])
        rated = played.of_kind("rated")
        sums = np.bincount(rated["agent"].to_numpy(), rated["value"].to_numpy(), minlength=settings.agents)
        counts = lab.per_agent(rated)
        stars = np.divide(sums, counts, out=np.full(settings.agents, np.nan), where=counts > 0)
        runs.append({"before": before, "after": after, "stars": stars, "series": _mean(bits_TA.T)})
    return {key: _mean(np.stack([each[key] for each in runs])) for key in runs[0]}


def _mean(values_TA: np.ndarray) -> np.ndarray:
    """Mean over the first axis, without NaN; NaN where there is nothing else."""
    known = np.isfinite(values_TA)
    total = np.where(known, values_TA, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))


def entropies_by_round(shown: pl.DataFrame, genres_NC: Any, n_rounds: int, n_agents: int) -> np.ndarray:
    """(T, A) entropy of the genres shown to each agent in each round; NaN where nothing was shown.

    Rounds are not pooled: the more items, the higher their entropy, so that a longer time would seem more diverse.
    """
    bits_TA = np.full((n_rounds, n_agents), np.nan)
    place_S = (shown["step"].to_numpy().astype(np.int64) - 1) * n_agents + shown["agent"].to_numpy()
    place, bits = entropies(place_S, shown["item"].to_numpy(), genres_NC)
    bits_TA.flat[place] = bits
    return bits_TA


def _findings(rows: list[Row]) -> list[str]:
    words = {1: "rises", 0: "neither surely rises nor falls", -1: "falls"}
    against = {1: "above", 0: "not surely apart from", -1: "below"}
    told = []
    for row in rows:
        change, more = row["more than before"], row["more than base"]
        if isinstance(change, Estimate):
            told.append(f"{row['arm']}: entropy {words[change.sign]} ({change}).")
        if isinstance(more, Estimate):
            told[-1] += f" Afterwards it is {against[more.sign]} the base ({more})."
    return told


def _draw(figure: Figure, series: Mapping[str, np.ndarray], starts: int) -> None:
    figure.set_size_inches(8, 4)
    axes = figure.subplots()
    for name, values in series.items():
        axes.plot(range(1, len(values) + 1), values, label=name, lw=2 if name == "base" else 1)
    axes.axvline(starts - 0.5, color="0.5", ls=":", lw=1)
    axes.set_xlabel("round")
    axes.set_ylabel("entropy of genres shown, bits")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))  # beside the lines, not on them


EXPERIMENT = Experiment(
    "cocoon", "Do recommended genres narrow, and what widens them?", CocoonSettings, run, society_lab
)
