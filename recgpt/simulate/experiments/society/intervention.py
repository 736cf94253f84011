"""Intervention: do people whose profile is edited live by the new one? Wang et al., TOIS 43(2):55, 2025, section 4.6.

    recgpt experiment intervention --dataset data/demo

From one round on, some agents have another interest; the unedited branch has the same seed. Control: the same agents
get another name, which must change nothing.

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


class InterventionSettings(SocietySettings):
    """Settings of `intervention`."""

    starts: int = Field(default=6, ge=2, description="round in which the profiles are edited")
    edited: int = Field(default=30, ge=2, description="agents whose profile is edited, the first ones")


def run(lab: SocietyLab, settings: InterventionSettings) -> Result:
    """See the module."""
    agents = list(range(min(settings.edited, settings.agents)))
    genre, is_of_genre_N = _genre(lab)
    edit = {"kind": "profile", "round": settings.starts, "agents": agents}
    arms = {
        "unedited": [],
        f"interest: {genre}": [{**edit, "values": {"interest": f"{genre} movies"}}],
        "another name": [{**edit, "values": {"name": "Alex Doe"}}],
    }
    shares = {name: _shares(lab, name, schedule, settings, is_of_genre_N) for name, schedule in arms.items()}
    base = shares["unedited"]
    rows: list[Row] = [
        {
            "arm": name,
            **{f"{what} of the genre": mean_of(values[agents]) for what, values in of.items()},
            **{
                f"more {what} than unedited": None if of is base else difference(values[agents], base[what][agents])
                for what, values in of.items()
            },
        }
        for name, of in shares.items()
    ]
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{len(agents)} agents get another interest ({genre}) at the start of round {settings.starts} of"
            f" {settings.rounds}; {settings.runs} runs an arm. Share of the genre among what each of them watched, and"
            " named in chats and posts, from that round on. Means over runs, intervals over the edited agents, paired."
        ),
        settings.model_dump(),
        lab.about(),
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


def _shares(
    lab: SocietyLab,
    name: str,
    schedule: list[dict[str, Any]],
    settings: InterventionSettings,
    is_of_genre_N: np.ndarray,
) -> dict[str, np.ndarray]:
    """(A,) share of the genre among items watched and named, over all runs; NaN for none."""
    totals = {what: np.zeros((2, settings.agents)) for what in ("watched", "named")}
    for seed in lab.seeds:
        played = lab.play(seed=seed, name=name, schedule=schedule)
        named = pl.concat([played.of_kind("said"), played.of_kind("posted")])
        for what, rows in (("watched", played.of_kind("watched")), ("named", named)):
            after = rows.filter((pl.col("step") >= settings.starts) & pl.col("item").is_not_null())
            totals[what][0] += lab.per_agent(after)
            totals[what][1] += lab.per_agent(after.filter(pl.Series(is_of_genre_N[after["item"].to_numpy()])))
    return {
        what: np.divide(of[1], of[0], out=np.full(settings.agents, np.nan), where=of[0] > 0)
        for what, of in totals.items()
    }


def _findings(rows: list[Row]) -> list[str]:
    words = {1: "more", 0: "not surely more or less", -1: "less"}
    return [
        f"{row['arm']}: {what} {words[change.sign]} of the genre than unedited ({change})."
        for row in rows
        for what in ("watched", "named")
        if isinstance(change := row[f"more {what} than unedited"], Estimate)
    ]


def _draw(figure: Figure, rows: list[Row]) -> None:
    figure.set_size_inches(7, 2.5)
    for axes, what in zip(figure.subplots(1, 2, sharey=True), ("watched", "named"), strict=True):
        found = [each if isinstance(each := row[f"{what} of the genre"], Estimate) else None for row in rows]
        draw_estimates(axes, [str(row["arm"]) for row in rows], found, label=f"share of the genre, {what}")


EXPERIMENT = Experiment(
    "intervention", "Do people whose profile is edited live by the new one?", InterventionSettings, run, society_lab
)
