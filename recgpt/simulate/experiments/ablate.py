"""Persona ablation: effect of each part of the persona on the choice of items.

    recgpt experiment ablate --dataset data/demo

The same feed for agents with their whole persona, with another agent's, without taste, without features of the item,
and without memory. The intercept of each ablated agent is set to the acceptance rate of the whole one, so that only
its knowledge differs.

Shapes: A agents, S candidates.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.simulate.experiments.base import Experiment, FeedSettings, Lab, difference, first_pages, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates
from recgpt.simulate.experiments.taste_alignment import (
    NEGATIVES,
    accuracy_of,
    askable,
    best_guesses,
    draw_task,
    n_positives,
)
from recgpt.simulate.worlds.feed.minds.parameters import Parameters
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind

FULL, SHUFFLED, TASTELESS, RANDOM, FORGETFUL = "full", "shuffled", "no taste", "random", "no memory"
MEASURES = ("p_view", "p_like", "n_exit", "s_sat")
_LEVEL_ITEMS = 100  # items per agent on which acceptance rates are matched


class AblateSettings(FeedSettings):
    """Settings of `ablate`."""

    recommender: str = Field(default="hybrid_knn", description="registered name")
    candidates: int = Field(default=20, ge=2, description="items an agent judges, half of them really taken")


def run(lab: Lab, settings: AblateSettings) -> Result:
    """See the module."""
    n_real = n_positives(settings.candidates, 1)
    agent_A = askable(lab.setting.held_out, n_real)
    tasks = {
        negatives: draw_task(lab, agent_A, n_real, settings.candidates, negatives, settings.seed)  # type: ignore[arg-type]
        for negatives in NEGATIVES
    }
    found: dict[str, dict[str, np.ndarray]] = {}
    for arm, mind in _minds(lab, settings.seed).items():
        played = lab.play(settings.rules(), lab.fitted(settings.recommender), mind, name=arm)
        found[arm] = {name: played.per_agent[name] for name in MEASURES}
        for negatives, task in tasks.items():
            right_A = np.full(len(lab.setting.population), np.nan)
            right_A[agent_A] = accuracy_of(best_guesses(lab, mind, task, n_real), task.taken_AS)
            found[arm][_accuracy(negatives)] = right_A
    rows: list[Row] = []
    for arm, values in found.items():
        row: Row = {"agents": arm}
        for name in values:
            row |= {name: mean_of(values[name])}
            row |= {f"{name} to {FULL}": None if arm == FULL else difference(values[name], found[FULL][name])}
        rows.append(row)
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"Agents browse {settings.recommender}, which serves everyone by their own history, in five ways. “{FULL}”:"
            f" as they are. “{SHUFFLED}”: each decides with the whole persona (history, ratings, tastes, traits) of"
            f" another. “{TASTELESS}”: by popularity and quality alone. “{RANDOM}”: by nothing about the item."
            f" “{FORGETFUL}”: memories of the run are not read. The last three are as ready as the first to say yes to"
            " an item drawn as often as people take it. Beside it taste alignment, 1:1, of agents told the share:"
            f" {len(agent_A)} agents with {n_real} held-out items or more. Differences are paired over agents."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows),
        [
            "Scripted agents have only the taste that their fitted models read from a history: a language model’s"
            " personas may matter more, or less.",
            "A persona that changes what agents do need not make them like their persons: only taste alignment compares"
            " with people.",
            "Readiness is matched on items drawn by popularity, not on the pages of this feed; there agents who have"
            " taste say yes more often because the pages fit it.",
        ],
        lambda figure: _draw(figure, rows),
        {},
    )


def _minds(lab: Lab, seed: int) -> dict[str, ScriptedMind]:
    population, whole = lab.setting.population, lab.mind()
    order = np.random.default_rng([seed, 6]).permutation(len(population))
    preference, rating = lab.parameters.preference, lab.parameters.rating
    tasteless = lab.parameters.model_copy(
        update={
            "preference": preference.model_copy(update={"interest": 0.0, "category": 0.0}),
            "rating": rating.model_copy(update={"taste": 0.0}),
        }
    )
    blind = {"quality": 0.0, "popularity": 0.0}
    at_random = tasteless.model_copy(
        update={
            "preference": tasteless.preference.model_copy(update=blind),
            "align": tasteless.align.model_copy(update=blind),
            "rating": tasteless.rating.model_copy(update=blind),
        }
    )
    return {
        FULL: whole,
        SHUFFLED: lab.mind(population=population.rows(order)),
        TASTELESS: lab.mind(parameters=_as_ready(lab, tasteless, whole, seed)),
        RANDOM: lab.mind(parameters=_as_ready(lab, at_random, whole, seed)),
        FORGETFUL: lab.mind(uses_memory=False),
    }


def _as_ready(lab: Lab, parameters: Parameters, whole: ScriptedMind, seed: int) -> Parameters:
    """The parameters with the intercept that gives the mean log odds of `whole`, items as often as people take them."""
    count_N, n_agents = lab.setting.facts.count_N.astype(np.float64), len(lab.setting.population)
    rng = np.random.default_rng([seed, 7])
    items_AS = rng.choice(len(count_N), size=(n_agents, _LEVEL_ITEMS), p=count_N / count_N.sum())
    pages, memory = first_pages(np.arange(n_agents), items_AS), lab.no_memory()
    # The first slot gets as much from both, so that it does not count in the difference.
    lacking = whole.align_log_odds(pages, memory).mean(dtype=np.float64) - lab.mind(
        parameters=parameters
    ).align_log_odds(pages, memory).mean(dtype=np.float64)
    align = parameters.align
    return parameters.model_copy(
        update={"align": align.model_copy(update={"intercept": align.intercept + float(lacking)})}
    )


def _accuracy(negatives: str) -> str:
    return f"accuracy, {negatives}"


def _findings(rows: Sequence[Row]) -> list[str]:
    words = {1: "more", 0: "not surely more or fewer", -1: "fewer"}
    right = {1: "more often", 0: "not surely more or less often", -1: "less often"}
    said = []
    for row in rows:
        views, accuracy = row[f"p_view to {FULL}"], row[f"{_accuracy(NEGATIVES[1])} to {FULL}"]
        if isinstance(views, Estimate) and isinstance(accuracy, Estimate):
            said.append(
                f"{row['agents']}: they view {words[views.sign]} of the items shown than full agents (by {views}), and"
                f" tell real from equally popular items {right[accuracy.sign]} (by {accuracy})."
            )
    return said


def _draw(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(10, 2.4)
    names = [str(row["agents"]) for row in rows]
    columns = ("p_view", "s_sat", *map(_accuracy, NEGATIVES))
    for axes, column in zip(figure.subplots(1, len(columns), sharey=True), columns, strict=True):
        found = [row[column] for row in rows]
        draw_estimates(axes, names, [each if isinstance(each, Estimate) else None for each in found], label=column)


EXPERIMENT = Experiment("ablate", "Does the persona matter, or would any agent do?", AblateSettings, run)
