"""Plots on made-up data: every text lies within its figure, shares run from 0 to 1, empty data say so."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from recgpt.benchmark.accuracy.plots import accuracy_plots
from recgpt.benchmark.speed.plots import gains_plot, growth_plot
from recgpt.simulate.experiments import ab
from recgpt.simulate.experiments.result import Estimate
from recgpt.simulate.worlds.feed.report_plots import lorenz_plot, measures_plot, page_plots, ratings_plot
from recgpt.simulate.worlds.feed.view import HEADINGS, published
from recgpt.training.curves import pretraining_curve, training_curve

NAMES = ("recgpt_generative", "recgpt_finetuned", "popularity_recent", "text_knn_white", "item_knn", "random", "mf")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that were saved, in order."""
    figures: list[Figure] = []
    save = Figure.savefig

    def saving(figure: Figure, *args: Any, **options: Any) -> None:
        save(figure, *args, **options)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", saving)
    return figures


def check(figures: list[Figure], shares: tuple[str, ...] = ()) -> None:
    """All texts lie within the figure; axes with one of these labels run from 0 to 1."""
    assert figures
    for figure in figures:
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        hidden = undrawn(figure)
        for text in figure.findobj(Text):
            if not text.get_visible() or not text.get_text().strip() or id(text) in hidden:
                continue
            box, frame = text.get_window_extent(renderer), figure.bbox
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1
            assert inside, f"{text.get_text()!r} at {box} leaves the figure {frame}"
        for axes in figure.axes:
            for label, limits in ((axes.get_xlabel(), axes.get_xlim()), (axes.get_ylabel(), axes.get_ylim())):
                if label.startswith(shares):
                    assert tuple(limits) == (0, 1), (label, limits)


def undrawn(figure: Figure) -> set[int]:
    """Labels of ticks outside the limits, which matplotlib keeps and does not draw, by `id`."""
    found = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        found |= {
            id(label) for tick in ticks if not low <= tick.get_loc() <= high for label in (tick.label1, tick.label2)
        }
    return found


def benchmark_data(n_queries: int = 400) -> tuple[dict[str, Any], Any]:
    rng = np.random.default_rng(0)
    rows = [
        {"recommender": name, "popular_tenth": share, "metrics": {"ndcg@10": {"mean": 0.05 + 0.01 * place}}}
        for place, (name, share) in enumerate(zip(NAMES, (1.0, 0.98, 0.0, 0.5, 0.52, 0.02, None), strict=True))
    ]
    table = pl.DataFrame(
        {"history_items": rng.integers(1, 60, n_queries), "target_count": rng.integers(0, 200, n_queries)}
    )
    cells = SimpleNamespace(
        reports={name: [SimpleNamespace(in_slice=lambda part: table)] for name in NAMES},
        values=lambda name, part, metric: rng.random(n_queries) / 10,
    )
    return {"rows": rows, "headline": "all"}, cells


@pytest.mark.parametrize("n_queries", [400, 3])
def test_benchmark_plots(drawn: list[Figure], n_queries: int) -> None:
    svgs = accuracy_plots(*benchmark_data(n_queries))
    check(drawn, ("share",))
    assert len(svgs) == 3
    said = [text.get_text() for figure in drawn for text in figure.axes[0].texts]
    assert ("fewer than 30 queries in every bin" in said) == (n_queries < 30)


def test_benchmark_without_popular_shares_says_so(drawn: list[Figure]) -> None:
    dataset, cells = benchmark_data()
    dataset["rows"] = [{**row, "popular_tenth": None} for row in dataset["rows"]]
    accuracy_plots(dataset, cells)
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["no lists were measured"]


def test_speed_plots(drawn: list[Figure], tmp_path: Path) -> None:
    curves = [
        {
            "name": name,
            "unit": unit,
            "x_name": x_name,
            "x": list(x),
            "y": [0.0004 * each**0.7 for each in x],
            "gigabytes": gigabytes,
        }
        for x_name, x in (("items", (1e4, 1e5, 1e6, 2e6, 1.5e7)), ("processes", (1, 2)))
        for name, unit, gigabytes in (
            ("end to end, history 20", "ms/user", [0.58 + 0.1 * place for place in range(len(x))]),
            ("index, codes given", "s", [None] * len(x)),
        )
    ]
    growth_plot(curves, tmp_path / "growth.png")
    long = "maxima of blocks of the whole catalogue, 15,000,000 items"
    gains = [{"what": what, "ratio": ratio} for what, ratio in ((long, 2345.6), ("packing", 1.5), ("slower", 0.02))]
    gains_plot(gains, tmp_path / "gains.png")
    check(drawn)


@pytest.mark.parametrize("n", [0, 1, 20])
def test_training_curves(drawn: list[Figure], tmp_path: Path, n: int) -> None:
    domains = [f"amazon_{kind}" for kind in ("books", "electronics", "health", "clothing", "phones")]
    loss = [{"step": step, "loss": 5 / (1 + step)} for step in range(n)]
    domain_figures = [{"step": step, "gain": -0.01 * step, **dict.fromkeys(domains, 0.08)} for step in range(n)]
    pretraining_curve({"curve": loss, "evaluations": domain_figures, "best_step": 3}, tmp_path / "pre.png")
    ranked = [{"step": step, "loss": 4.0, "ndcg@10": 0.05, "hit@10": 0.1} for step in range(n)]
    training_curve({"curve": loss, "evaluations": ranked, "best_step": 3}, tmp_path / "train.png")
    check(drawn)
    said = {text.get_text() for figure in drawn for axes in figure.axes for text in axes.texts}
    assert said == (set() if n else {"nothing was recorded", "nothing was evaluated"})
    if n == 20:
        assert drawn[0].axes[1].get_ylim()[0] < -0.1, "a negative gain is in sight"


@pytest.mark.parametrize("share", [None, 0.0, 0.4, 1.0])
def test_report_plots(drawn: list[Figure], share: float | None) -> None:
    known = published()
    interval = {"mean": share, "low": share, "high": share}
    beside = {**known["recommenders"], "GPT-3.5 trace": known["trace"]["corrected"]}
    measures_plot(dict.fromkeys(HEADINGS, interval), HEADINGS, beside)
    figures = dict.fromkeys(("p_view", "p_like", "satisfied"), share)
    page_plots([{"page": page, "agents": 10, "left": 2, "failed": 1, **figures} for page in range(1, 6)])
    stars = None if share is None else [0, 0, 0, 1 - share, share]
    ratings_plot({"this run": stars, "real": stars, "GPT-3.5 trace": stars})
    lorenz_plot({"items": [0, 0.5, 1], "shown": [0, 0, 1]})
    check(drawn, ("share of impressions", "share of agents", "share of the catalogue"))
    for axes in drawn[0].axes:
        low, high = axes.get_xlim()
        assert low >= 0 and (high <= 1 or "/ shown" not in axes.get_title())
    said = {text.get_text() for figure in drawn for axes in figure.axes for text in axes.texts}
    assert said == ({"nothing was rated"} if share is None else set())


def test_labels_of_an_ab_test(drawn: list[Figure]) -> None:
    rows = [
        {"recommender": name, "hit@10": None, "ndcg@10": at, "s_sat": at, "p_view": at, "p_like": at}
        for name, at in zip(NAMES, (Estimate(x, x - 0.01, x + 0.01) for x in np.linspace(0, 0.1, 7)), strict=True)
    ]
    figure = Figure(layout="constrained")
    ab.draw(figure, rows)
    check([figure])
