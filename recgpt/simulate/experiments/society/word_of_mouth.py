"""Word of mouth: source of the first hearing of what agents watch, and cascades of talk.

    recgpt experiment word-of-mouth --dataset data/demo

Every hearing has a source: adoptions after a friend, a post or a feed are counted apart from adoptions by the ranking
alone. Each arm switches one channel off.

Shapes: A agents.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from recgpt.simulate.experiments.base import Experiment, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates
from recgpt.simulate.experiments.society.playing import LIMITS, SocietyLab, SocietySettings, society_lab
from recgpt.simulate.worlds.society.measures import SOURCES, society_measures

CASCADES = ("scale", "depth", "breadth", "virality", "steps_to_half")
ARMS: dict[str, dict[str, Any]] = {
    "all": {},
    "no recommender": {"recommends": False},
    "no social life": {"socialises": False},
    "no feed": {"feed_size": 0},
    "posts do not reach friends at once": {"posts_reach_friends": False},
}


def run(lab: SocietyLab, settings: SocietySettings) -> Result:
    """See the module."""
    rows: list[Row] = []
    base: np.ndarray | None = None
    watched_by_arm: dict[str, Estimate | None] = {}
    for name, options in ARMS.items():
        plays = [lab.play(seed=seed, name=name, **options) for seed in lab.seeds]
        measured = [society_measures(played.steps, lab.inputs.setting, played.society.rules) for played in plays]
        watched = np.mean([lab.per_agent(played.of_kind("watched")) for played in plays], axis=0)
        base = watched if base is None else base
        watched_by_arm[name] = mean_of(watched)
        rows.append(
            {
                "arm": name,
                "watched": watched_by_arm[name],
                "more than all": None if watched is base else difference(watched, base),
                **{f"first heard: {source}": _range(measured, "adoptions", source) for source in SOURCES},
                **{key: _range(measured, "cascades", key) for key in CASCADES},
            }
        )
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{settings.runs} runs of {settings.rounds} rounds an arm. Watched: items of an agent, mean over runs, with"
            " an interval over agents. Shares of items by the source of the agent's first hearing (none: first seen"
            " on a page); scale, depth, breadth, structural virality and rounds to half of a cascade, means over"
            " cascades of two agents and more. Of shares and cascades: mean, lowest and highest run."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows),
        [*LIMITS, "Having heard of an item before is no proof that it was watched for that reason."],
        lambda figure: _draw(figure, watched_by_arm),
        {},
        brackets="95 % intervals of the items watched; the lowest and the highest run of shares and cascades",
    )


def _range(measured: list[dict[str, Any]], group: str, key: str) -> Estimate | None:
    """Mean, lowest and highest value of the runs."""
    found = [each[group][key] if group == "adoptions" else (each[group]["mean"] or {}).get(key) for each in measured]
    values = [each["mean"] if isinstance(each, dict) else each for each in found]
    known = [float(value) for value in values if value is not None]
    return Estimate(float(np.mean(known)), min(known), max(known)) if known else None


def _findings(rows: list[Row]) -> list[str]:
    words = {1: "more", 0: "not surely more or fewer", -1: "fewer"}
    told = []
    for row in rows:
        more = row["more than all"]
        if isinstance(more, Estimate):
            told.append(f"{row['arm']}: agents watch {words[more.sign]} items than with all ({more}).")
    first = rows[0]
    told.append(
        f"With all, {first['first heard: none']} of what is watched was new to the agent, without a hearing before."
    )
    return told


def _draw(figure: Figure, watched: dict[str, Estimate | None]) -> None:
    figure.set_size_inches(6, 2.5)
    draw_estimates(figure.subplots(), list(watched), list(watched.values()), label="items watched by an agent")


EXPERIMENT = Experiment(
    "word-of-mouth", "Where had agents first heard of what they watch?", SocietySettings, run, society_lab
)
