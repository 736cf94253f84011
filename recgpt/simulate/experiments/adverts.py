"""Adverts: their views, and their cost in satisfaction. Zhang et al., SIGIR 2024, section 4.3.

    recgpt experiment adverts --dataset data/demo

The first slot of every page is taken by an item that is popular or not and rated high or low, with words beside it or
without. The same agents without advertisements are the baseline for the first slot and for satisfaction.

Shapes: A agents.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.simulate.experiments.base import Experiment, FeedSettings, Lab, LLMSettings, Played, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates

TYPES: tuple[Literal["pop_high", "pop_low", "unpop_high", "unpop_low"], ...] = (
    "pop_high",
    "pop_low",
    "unpop_high",
    "unpop_low",
)
NONE = "none"
FITS, WATCHED, SATISFACTION, VIEWS = "fits", "watched", "satisfaction", "p_view"


class AdvertsSettings(FeedSettings, LLMSettings):
    """Settings of `adverts`."""

    recommender: str = Field(default="hybrid_knn", description="registered name")
    text: str = Field(default="Recommended for everybody: do not miss it!", description="beside advertisements")


def run(lab: Lab, settings: AdvertsSettings) -> Result:
    """See the module."""
    llm_minds = settings.llm_minds()
    mind = llm_minds(lab.setting.population, lab.setting.facts) if llm_minds else lab.mind()
    played = lab.play(settings.rules(), lab.fitted(settings.recommender), mind, name=NONE)
    found, failed = {(NONE, "no"): _measured(played)}, {f"{NONE}, text no": len(played.of_kind("failed"))}
    for kind in TYPES:
        for with_text in (False, True):
            rules = settings.rules(advert=kind, advert_text=settings.text if with_text else None)
            played = lab.play(rules, lab.fitted(settings.recommender), mind, name=kind)
            text = "yes" if with_text else "no"
            found[kind, text] = _measured(played)
            failed[f"{kind}, text {text}"] = len(played.of_kind("failed"))
    without = found[NONE, "no"]
    rows: list[Row] = []
    for (advert, text), measures in found.items():
        row: Row = {"advert": advert, "text": text}
        row |= {f"first slot {name}": mean_of(measures[name]) for name in (FITS, WATCHED)}
        row[f"{FITS}, to no advert"] = None if advert == NONE else difference(measures[FITS], without[FITS])
        row[f"{FITS}, to no text"] = None if text == "no" else difference(measures[FITS], found[advert, "no"][FITS])
        for name in (SATISFACTION, VIEWS):
            change = None if advert == NONE else difference(measures[name], without[name])
            row |= {name: mean_of(measures[name]), f"{name}, to no advert": change}
        rows.append(row)
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"The same agents browse {settings.recommender} nine times: without advertisements, and with each page’s"
            " first item replaced by one drawn from the known items with more or fewer interactions (pop, unpop) and"
            " better or worse ratings (high, low) than the median, each without and with a text. “Fits” and “watched”"
            " are shares of an agent’s pages, of whatever is in the first slot. Differences are paired over agents;"
            f" agents decide by {'the language model' if llm_minds else 'the scripted mind'}."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows, is_scripted=llm_minds is None),
        [
            "Agents are not told to dislike advertisements, and nothing in the data says how people take them; to the"
            " scripted mind an advert is another item.",
            "Whatever comes first is taken more often, by the published trace; compare with the first slot without"
            " adverts, not with 0.",
            "Clicks are of simulated users: no forecast of a click rate.",
        ],
        lambda figure: _draw(figure, rows),
        {} if llm_minds is None else {"agents failed, left out": failed},
    )


def _measured(played: Played) -> dict[str, np.ndarray]:
    """(A,) of each measure."""
    n_agents = len(played.feed.setting.population)

    def in_first_slot(kind: str) -> np.ndarray:
        rows = played.of_kind(kind)
        return np.bincount(rows.filter(rows["slot"] == 0)["agent"].to_numpy(), minlength=n_agents)

    n_pages_A, failed_A = in_first_slot("shown"), np.zeros(n_agents, dtype=bool)
    failed_A[played.of_kind("failed")["agent"].to_numpy()] = True  # no answer is no refusal
    seen_A = np.where((n_pages_A > 0) & ~failed_A, n_pages_A, np.nan)
    return {
        FITS: in_first_slot("aligned") / seen_A,
        WATCHED: in_first_slot("watched") / seen_A,
        SATISFACTION: played.per_agent["s_sat"],
        VIEWS: played.per_agent["p_view"],
    }


def _findings(rows: Sequence[Row], *, is_scripted: bool) -> list[str]:
    said = []
    for row in rows:
        fits, cost = row[f"{FITS}, to no advert"], row[f"{SATISFACTION}, to no advert"]
        if isinstance(fits, Estimate) and isinstance(cost, Estimate) and row["text"] == "no":
            more = {1: "more", 0: "not surely more or less", -1: "less"}[fits.sign]
            costs = {1: "raises satisfaction", 0: "does not surely change satisfaction", -1: "lowers satisfaction"}
            said.append(
                f"{row['advert']}: the first slot fits {more} often than without adverts (by {fits}); it"
                f" {costs[cost.sign]} (by {cost} of 10)."
            )
    if is_scripted:
        said.append("Scripted agents read no texts: with a text everything is the same by construction.")
    return said


def _draw(figure: Figure, rows: Sequence[Row]) -> None:
    figure.set_size_inches(9, 3.2)
    names = [f"{row['advert']}{', text' if row['text'] == 'yes' else ''}" for row in rows]
    for axes, column in zip(figure.subplots(1, 2, sharey=True), (f"first slot {FITS}", SATISFACTION), strict=True):
        found = [row[column] for row in rows]
        draw_estimates(axes, names, [each if isinstance(each, Estimate) else None for each in found], label=column)


EXPERIMENT = Experiment("adverts", "What do advertisements get, and what do they cost?", AdvertsSettings, run)
