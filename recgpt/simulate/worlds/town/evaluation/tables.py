"""Tables of an evaluation, for the terminal and for documents, beside the figures of the paper.

print_tables(*tables(found, measured))
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recgpt.evaluate.significance import bootstrap_ci
from recgpt.simulate.worlds.town.evaluation.battery import CATEGORIES
from recgpt.simulate.worlds.town.measures import PUBLISHED
from recgpt.tables import decimal, figure

if TYPE_CHECKING:
    from rich.table import Table

PUBLISHED_RATINGS = {
    "full": (29.89, 0.72),
    "no reflection": (26.88, None),
    "no reflection, no planning": (25.64, None),
    "no memory": (21.21, None),
}
"""Believability of the arms in the paper: TrueSkill mean, and deviation where given."""
_HEADINGS = ("self", "memory", "plans", "react", "reflect")
"""Of `CATEGORIES`, in the same order."""
_DIGITS = 3
_RESAMPLES = 1000

Value = Callable[[dict[str, Any]], float | None]


def tables(found: dict[str, Any], measured: Sequence[dict[str, Any]]) -> list["Table"]:
    """Tables of the arms, of the spread in town, and of the day held to the published one.

    Parameters
    ----------
    found
        Of `evaluating.evaluate`.
    measured
        Measures of the same runs.
    """
    return [arms_table(found), spread_table(found, measured), day_table(measured)]


def arms_table(found: dict[str, Any]) -> "Table":
    """Scores by arm and category."""
    unit = "residents" if len(found["runs"]) == 1 else "towns"
    moments = ", ".join(f"{run['run']} at {run['at']}" for run in found["runs"])
    table = _table(
        f"Interviews: {moments}",
        f"score: harmonic mean of precision and recall of claims; 95 % intervals over {unit}; paper: believable"
        " to people (TrueSkill)",
        ["arm", *_HEADINGS, "all", "", "right", "wrong", "paper"],
    )
    for arm, of in found["arms"].items():
        whole = of["all"]
        published, _ = PUBLISHED_RATINGS[arm]
        table.add_row(
            arm,
            *(_number(of[category]["mean"]) for category in CATEGORIES),
            _number(whole["mean"]),
            _interval(whole["low"], whole["high"], _number),
            *(f"{whole.get(name, 0):,}" for name in ("right", "wrong")),
            f"{published:.2f}",
        )
    return table


def spread_table(found: dict[str, Any], measured: Sequence[dict[str, Any]]) -> "Table":
    """Spread of facts, acquaintance and attendance."""
    table = _table(
        "Spread in town",
        "means over runs with 95 % intervals; published: two days of 25 residents (Park et al. 2023)",
        ["measure", "value", "", "published"],
    )
    for name, published, value in _SPREAD:
        _add(table, name, [value(each) for each in measured], PUBLISHED[published])
    false = [each["share"] for each in found["acquaintance"]]
    _add(table, "acquaintances claimed in interviews, share that is false", false, PUBLISHED["false acquaintance"])
    return table


def day_table(measured: Sequence[dict[str, Any]]) -> "Table":
    """A resident's day held to the ranges of the shipped one."""
    table = _table(
        "A resident's day",
        "published: least and most of a day of three residents; within: share of our days in that range",
        ["a day", "mean", "", "least", "most", "published", "within", ""],
    )
    with_days = [each["day"]["figures"] for each in measured if each["day"]["days"]]
    for name in with_days[0] if with_days else ():
        figures = [each[name] for each in with_days]
        mean = float(np.mean([each["mean"] for each in figures]))
        low, high = figures[0]["low"], figures[0]["high"]
        table.add_row(
            name,
            figure(mean),
            _interval_of([each["mean"] for each in figures], figure),
            f"{min(each['least'] for each in figures):,}",
            f"{max(each['most'] for each in figures):,}",
            f"{low:,}–{high:,}",
            _number(float(np.mean([each["within"] for each in figures]))),
            "hit" if low <= mean <= high else "missed",
        )
    return table


def _came(measures: dict[str, Any]) -> float | None:
    """Share of the guests of all gatherings that came."""
    invited = sum(each["invited"] for each in measures["gatherings"])
    return sum(each["came"] for each in measures["gatherings"]) / invited if invited else None


def _reasons(measures: dict[str, Any]) -> float | None:
    """Share of the absent guests of all gatherings that named a reason."""
    away = sum(each["stayed_away"] for each in measures["gatherings"])
    return sum(each["named_a_reason"] for each in measures["gatherings"]) / away if away else None


def _of(name: str, key: str) -> Value:
    return lambda measures: None if measures[name] is None else measures[name][key]


_SPREAD: tuple[tuple[str, str, Value], ...] = (
    ("know of the candidacy, start", "candidacy, start", _of("candidacy", "share_start")),
    ("know of the candidacy, end", "candidacy, end", _of("candidacy", "share_end")),
    ("know of the party, start", "party, start", _of("party", "share_start")),
    ("know of the party, end", "party, end", _of("party", "share_end")),
    ("density of acquaintance, start", "acquaintance, start", _of("acquaintance", "start")),
    ("density of acquaintance, end", "acquaintance, end", _of("acquaintance", "end")),
    ("names in talks and thoughts, share unknown", "false acquaintance", _of("false_acquaintance", "share")),
    ("guests that came, of those invited", "came", _came),
    ("absent guests with a reason (published: a conflict)", "named a reason", _reasons),
)
"""Name of a measure, its published figure, and its value in the measures of a run."""


def _add(table: "Table", name: str, values: Sequence[float | None], published: float) -> None:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    table.add_row(name, _number(mean), _interval_of(known, _number), decimal(published, _DIGITS))


def _table(title: str, caption: str, headings: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(
        title=title, caption=caption, title_justify="left", caption_justify="left", box=None, padding=(0, 1, 0, 0)
    )
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 else "right")
    return table


def _interval_of(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """Interval of the mean over runs; empty for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = bootstrap_ci(np.array(values), np.arange(len(values)), resamples=_RESAMPLES)
    return _interval(low, high, shown)


def _interval(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    return "" if low is None or high is None else f"({shown(low)}–{shown(high)})"


def _number(value: float | None) -> str:
    return "–" if value is None else decimal(value, _DIGITS)
