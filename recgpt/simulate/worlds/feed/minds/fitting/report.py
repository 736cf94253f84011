"""The report of a fit, for the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from recgpt.simulate.worlds.feed.report import HEADINGS

_LOOK: dict[str, Any] = {"box": None, "pad_edge": False, "title_justify": "left", "caption_justify": "left"}
_SCORES = {
    "rows": "rows",
    "log_loss": "log loss",
    "log_loss_of_constant": "of a constant",
    "auc": "AUC",
    "calibration_error": "calibration error",
    "r2": "R²",
}
_ORDERS = {"random": "random items", "popular": "popular items", "hybrid_knn": "hybrid_knn", "own": "held-out items"}


def report_tables(report: Mapping[str, Any]) -> Group:
    """Predicted beside real, of users that were not fitted on: the models, the sessions and the stars.

    Parameters
    ----------
    report
        Report of `fit`, or `Parameters.report`.
    """
    stars = _stars(report["rating"], report["simulated_stars"])
    return Group(_models(report), _sessions(report), stars, _satisfaction(report["stars"], report["visits"]["visits"]))


def _models(report: Mapping[str, Any]) -> Table:
    table = _table("Models on held-out users", "model", _SCORES.values())
    for name in ("preference", "rating", "align", "watch", "exit", "satisfaction", "interview"):
        scores = report[name].get("all", report[name])
        table.add_row(name, *(_cell(scores.get(score)) for score in _SCORES))
    preference = report["preference"]
    table.caption = (
        f"AUC of preference against items drawn at random {preference['auc against items at random']:.3f}, "
        f"against items as popular {preference['auc against items as popular']:.3f}."
    )
    return table


def _sessions(report: Mapping[str, Any]) -> Table:
    headings = [heading.replace(" / ", " /\n") for heading in HEADINGS.values()]
    table = _table("\nSessions of four items a page", "agents", headings)
    figures_of = {
        **{f"{who}, {whose}": of for who, both in report["held_out_users"].items() for whose, of in both.items()},
        **{words: report["orders"][order] for order, words in _ORDERS.items()},
    }
    for words, figures in figures_of.items():
        lower = {name.lower(): value for name, value in figures.items()}
        table.add_row(words, *(_cell(lower[name]) for name in HEADINGS))
    table.caption = "Trace and simulated: the same held-out users and pages. Below: simulated, other pages, any users."
    return table


def _stars(rating: Mapping[str, Any], simulated: list[float]) -> Table:
    table = _table("\nStars", "shares", [*map(str, range(1, 6)), "total variation"])
    table.add_row("real", *map(_cell, rating["real_distribution"]))
    predicted = [*rating["predicted_distribution"], rating["total_variation"]]
    table.add_row("predicted for the same items", *map(_cell, predicted))
    table.add_row("simulated on the trace's pages", *map(_cell, [*simulated, rating["total_variation_of_simulated"]]))
    table.caption = (
        f"Total variation from the real shares; the stars of the trace: {rating['total_variation_of_trace']:.3f}."
    )
    return table


def _satisfaction(stars: Mapping[str, Any], n_visits: int) -> Table:
    table = _table("\nSatisfaction by the mean of the stars", "", ["correlation", *map(str, range(1, 6))])
    page, interview = stars["page"], stars["interview"]
    for words, figures in (
        ("page pleased, people", page["people"]),
        ("page pleased, simulated", page["simulated"]),
        ("interview, people", interview["people"]),
        ("interview, trace", interview["trace"]),
        ("interview, simulated", interview["simulated"]),
    ):
        table.add_row(words, _cell(figures["correlation"]), *map(_cell, figures.get("by_stars", [])))
    table.caption = (
        "People, page: two of four ratings in a row, pleased if the other two are liked on average; interview: the "
        f"halves of {n_visits:,} visits. The trace has no answers about pages, and no mean below 3 stars."
    )
    return table


def _table(title: str, first: str, others: Iterable[str]) -> Table:
    table = Table(title=title, **_LOOK)
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
