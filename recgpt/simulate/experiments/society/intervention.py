"""Intervention: do people whose profile is edited live by the new one? Wang et al., TOIS 43(2):55, 2025, section 4.6.

    recgpt experiment intervention --dataset data/demo

From one round on, some agents have another interest; the unedited branch has the same seed. Control: the same agents
get another name, which must change nothing. At the end of each round from then on, all score a film of the new genre.

Shapes: A agents.
"""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.errors import SimulationError
from recgpt.evaluate.beyond_accuracy import category_weights
from recgpt.simulate.experiments.base import Experiment, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates
from recgpt.simulate.experiments.society.playing import LIMITS, SocietyLab, SocietySettings, society_lab

WATCHED, NAMED, SCORE = "share of the genre, watched", "share of the genre, named", "score of a film of the genre"
FIGURES = (WATCHED, NAMED, SCORE)
QUESTION = "How much do you like it, from 1 to 10?"


class InterventionSettings(SocietySettings):
    """Settings of `intervention`."""

    starts: int = Field(default=6, ge=2, description="round in which the profiles are edited")
    edited: int = Field(default=30, ge=2, description="agents whose profile is edited, the first ones")


def run(lab: SocietyLab, settings: InterventionSettings) -> Result:
    """See the module."""
    agents = list(range(min(settings.edited, settings.agents)))
    genre, is_of_genre_N = _genre(lab)
    item = int(np.where(is_of_genre_N, lab.inputs.setting.facts.count_N, -1).argmax())
    edit = {"kind": "profile", "round": settings.starts, "agents": agents}
    arms = {
        "unedited": [],
        f"interest: {genre}": [{**edit, "values": {"interest": f"{genre} movies"}}],
        "another name": [{**edit, "values": {"name": "Alex Doe"}}],
    }
    survey = {"kind": "survey", "round": settings.starts, "every": 1, "item": item, "question": QUESTION}
    found = {name: _arm(lab, name, [*edits, survey], settings, is_of_genre_N) for name, edits in arms.items()}
    base = found["unedited"]
    rows: list[Row] = [
        {
            "arm": name,
            **{what: mean_of(values[agents]) for what, values in of.items()},
            **{
                f"more than unedited: {what}": None if of is base else difference(values[agents], base[what][agents])
                for what, values in of.items()
            },
        }
        for name, of in found.items()
    ]
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{len(agents)} agents get another interest ({genre}) at the start of round {settings.starts} of"
            f" {settings.rounds}; {settings.runs} runs an arm. Share of the genre among what each of them watched, and"
            " named in chats and posts, from that round on, and its scores from 1 to 10 of the film of the genre most"
            " often taken. Means over runs, intervals over the edited agents, paired."
        ),
        settings.model_dump(),
        {**lab.about(), "item": lab.inputs.setting.facts.items["title"][item]},
        rows,
        _findings(rows),
        [*LIMITS, "Memories and histories from before the edit stay, and so does what the recommender knows."],
        lambda figure: _draw(figure, rows),
        {},
    )


def _genre(lab: SocietyLab) -> tuple[str, np.ndarray]:
    """The word of a genre that a twentieth to a fifth of the items have, and (N,) bool of these items."""
    items = lab.inputs.setting.facts.items
    if category_weights(items) is None:
        raise SimulationError(f"{lab.about()['dataset']} has no categories: an interest is a genre")
    texts = items["categories"].fill_null("").cast(pl.String)
    words = texts.str.split(r"|").explode().str.split(",").explode().str.strip_chars()
    counts = words.filter(words != "").value_counts(sort=True)
    wanted = counts.filter(pl.col("count") <= 0.2 * len(items))[words.name]
    genre = str(wanted[0] if len(wanted) else counts[words.name][0])
    return genre.casefold(), texts.str.contains(genre, literal=True).to_numpy()


def _arm(
    lab: SocietyLab,
    name: str,
    schedule: list[dict[str, Any]],
    settings: InterventionSettings,
    is_of_genre_N: np.ndarray,
) -> dict[str, np.ndarray]:
    """By figure, (A,) share of the genre among items watched and named, and mean score, over all runs; NaN for none."""
    totals = {what: np.zeros((2, settings.agents)) for what in FIGURES}
    for seed in lab.seeds:
        played = lab.play(seed=seed, name=name, schedule=schedule)
        named = pl.concat([played.of_kind("said"), played.of_kind("posted")])
        for what, rows in ((WATCHED, played.of_kind("watched")), (NAMED, named)):
            after = rows.filter((pl.col("step") >= settings.starts) & pl.col("item").is_not_null())
            totals[what][0] += lab.per_agent(after)
            totals[what][1] += lab.per_agent(after.filter(pl.Series(is_of_genre_N[after["item"].to_numpy()])))
        scores = played.of_kind("answered").filter(pl.col("value").is_not_null())
        totals[SCORE][0] += lab.per_agent(scores)
        np.add.at(totals[SCORE][1], scores["agent"].to_numpy(), scores["value"].to_numpy())
    return {
        what: np.divide(of[1], of[0], out=np.full(settings.agents, np.nan), where=of[0] > 0)
        for what, of in totals.items()
    }


def _findings(rows: list[Row]) -> list[str]:
    words = {1: "higher", 0: "not surely higher or lower", -1: "lower"}
    return [
        f"{row['arm']}: {what} {words[change.sign]} than unedited ({change})."
        for row in rows
        for what in FIGURES
        if isinstance(change := row[f"more than unedited: {what}"], Estimate)
    ]


def _draw(figure: Figure, rows: list[Row]) -> None:
    figure.set_size_inches(9, 2.5)
    for axes, what in zip(figure.subplots(1, len(FIGURES), sharey=True), FIGURES, strict=True):
        found = [each if isinstance(each := row[what], Estimate) else None for row in rows]
        draw_estimates(axes, [str(row["arm"]) for row in rows], found, label=what)


EXPERIMENT = Experiment(
    "intervention", "Do people whose profile is edited live by the new one?", InterventionSettings, run, society_lab
)
