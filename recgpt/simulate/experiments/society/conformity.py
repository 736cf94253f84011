"""Conformity: do opinions of a film draw together while people talk? Wang et al., TOIS 43(2):55, 2025, section 4.5.

    recgpt experiment conformity --dataset data/demo

Some of the best-connected agents praise a film; a survey of each round has a score of it, from 1 to 10, of all agents.
The paper: scores of 3 to 8 become 6 to 7, and agents with more friends change theirs more often. Controls: opinions
that do not follow others, and no social life.

Shapes: A agents, T rounds, M runs.
"""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from pydantic import Field
from scipy.stats import spearmanr

from recgpt.simulate.experiments.base import Experiment, bootstrap, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row
from recgpt.simulate.experiments.society.playing import LIMITS, SocietyLab, SocietySettings, society_lab
from recgpt.simulate.worlds.society.minds.parameters import Parameters


class ConformitySettings(SocietySettings):
    """Settings of `conformity`."""

    praising: int = Field(default=5, ge=1, description="best-connected agents that post praise of the film each round")


def arms() -> dict[str, dict[str, Any]]:
    """Options of each arm."""
    shipped = Parameters.load()
    deaf = shipped.model_copy(update={"opine": shipped.opine.model_copy(update={"conformity": 0.0})})
    return {
        "base": {},
        "opinions do not follow others": {"parameters": deaf},
        "no social life": {"socialises": False, "posts_reach_friends": False},
    }


def run(lab: SocietyLab, settings: ConformitySettings) -> Result:
    """See the module."""
    item = int(np.argmax(lab.inputs.setting.facts.count_N))
    friends_A = lab.inputs.setting.friends.degree_A
    found = {name: _arm(lab, name, options, settings, item) for name, options in arms().items()}
    rows: list[Row] = []
    base_A = changes(found["base"])
    for name, scores_MTA in found.items():
        scores_TA, away_TA, changed_A = scores_MTA.mean(axis=0), distances(scores_MTA), changes(scores_MTA)
        rows.append(
            {
                "arm": name,
                "first score": mean_of(scores_TA[0]),
                "last score": mean_of(scores_TA[-1]),
                "distance from the mean, last less first": difference(away_TA[-1], away_TA[0]),
                "share of rounds with a change": mean_of(changed_A),
                "more changes than base": None if name == "base" else difference(changed_A, base_A),
                "rank correlation with friends": _correlation(changed_A, friends_A),
            }
        )
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"The {settings.praising} best-connected agents post praise of the film with the most interactions, in"
            " every round from the second; a survey in each round has a score from 1 to 10 of all agents."
            f" {settings.runs} runs of {settings.rounds} rounds an arm. Distances and changes are of the scores of one"
            " run; then means over runs, intervals over agents."
        ),
        settings.model_dump(),
        {**lab.about(), "item": lab.inputs.setting.facts.items["title"][item]},
        rows,
        _findings(rows),
        [
            *LIMITS,
            "That opinions follow others is a parameter of the scripted mind: the effect is built in, its size"
            " here follows from who talks to whom.",
        ],
        lambda figure: _draw(figure, found),
        {
            "mean score by round": {name: scores.mean(axis=(0, 2)).tolist() for name, scores in found.items()},
            "spread by round": {name: scores.std(axis=2).mean(axis=0).tolist() for name, scores in found.items()},
            "share of changes by number of friends": {
                name: _by_friends(changes(scores), friends_A) for name, scores in found.items()
            },
        },
    )


def _arm(lab: SocietyLab, name: str, options: dict[str, Any], settings: ConformitySettings, item: int) -> np.ndarray:
    """(M, T, A) scores."""
    survey = {"kind": "survey", "round": 1, "every": 1, "item": item, "question": "How much do you like it, 1 to 10?"}
    praise = {"kind": "post", "round": 2, "every": 1, "item": item, "opinion": 1.0}
    schedule = [survey, {**praise, "n_best_connected": settings.praising}]
    runs = []
    for seed in lab.seeds:
        answered = lab.play(seed=seed, name=name, schedule=schedule, **options).of_kind("answered")
        scores_TA = np.full((settings.rounds, settings.agents), np.nan)
        places = answered.filter(pl.col("value").is_not_null())
        scores_TA[places["step"].to_numpy() - 1, places["agent"].to_numpy()] = places["value"].to_numpy()
        runs.append(scores_TA)
    return np.stack(runs)


def distances(scores_MTA: np.ndarray) -> np.ndarray:
    """(T, A) distance of a score from the mean of its run and round, mean over runs."""
    away_TA: np.ndarray = np.abs(scores_MTA - scores_MTA.mean(axis=2, keepdims=True)).mean(axis=0)
    return away_TA


def changes(scores_MTA: np.ndarray) -> np.ndarray:
    """(A,) share of the rounds after the first in which an agent's score changed within a run."""
    changed_A: np.ndarray = (np.diff(scores_MTA, axis=1) != 0).mean(axis=(0, 1))
    return changed_A


def _correlation(changed_A: np.ndarray, friends_A: np.ndarray) -> Estimate | None:
    def statistic(drawn: np.ndarray) -> float:
        changed, friends = changed_A[drawn], friends_A[drawn]
        if np.ptp(changed) == 0 or np.ptp(friends) == 0:
            return float("nan")
        return float(spearmanr(changed, friends).statistic)

    return bootstrap(statistic, len(changed_A))


def _by_friends(changed_A: np.ndarray, friends_A: np.ndarray) -> dict[str, float]:
    """Mean share of changes of the agents of each number of friends, the paper's AC."""
    return {str(n): float(changed_A[friends_A == n].mean()) for n in np.unique(friends_A).tolist()}


def _findings(rows: list[Row]) -> list[str]:
    words = {1: "drift apart", 0: "neither surely draw together nor drift apart", -1: "draw together"}
    told = []
    for row in rows:
        change = row["distance from the mean, last less first"]
        if isinstance(change, Estimate):
            told.append(
                f"{row['arm']}: scores go from {row['first score']} to {row['last score']} and"
                f" {words[change.sign]} ({change})."
            )
        told.append(
            f"{row['arm']}: {row['share of rounds with a change']} of the scores change from one round to the next;"
            f" rank correlation with friends {row['rank correlation with friends'] or 'unknown'}."
        )
    return told


def _draw(figure: Figure, found: dict[str, np.ndarray]) -> None:
    figure.set_size_inches(6, 4)
    axes = figure.subplots()
    for name, scores_MTA in found.items():
        rounds, middle = range(1, scores_MTA.shape[1] + 1), scores_MTA.mean(axis=(0, 2))
        spread = scores_MTA.std(axis=2).mean(axis=0)
        line = axes.plot(rounds, middle, label=name)[0]
        axes.fill_between(rounds, middle - spread, middle + spread, alpha=0.12, color=line.get_color(), lw=0)
    axes.set_xlabel("round")
    axes.set_ylabel("score, mean and standard deviation over agents")
    axes.legend(fontsize=7)


EXPERIMENT = Experiment(
    "conformity", "Do opinions draw together while people talk?", ConformitySettings, run, society_lab
)
