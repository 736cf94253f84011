"""The figures of `inspect`, on data small enough to count by hand."""

import json

import polars as pl
import pytest
from rich.console import Console

from recgpt.data.dataset import Dataset
from recgpt.data.inspect import inspect, render

from .conftest import INTERACTIONS, ITEMS


def test_figures(small):
    report = inspect(small)
    assert report["counts"] == {"users": 3, "items": 5, "interactions": 9}
    assert report["density"] == pytest.approx(7 / 15)
    assert report["repeats"] == {"share": pytest.approx(2 / 9), "consecutive": pytest.approx(1 / 9)}
    assert report["lengths"]["q0"] == 1
    assert report["lengths"]["q50"] == 3
    assert report["lengths"]["q100"] == 5
    assert report["items_met"] == 1
    assert report["text"]["filled"] == {"title": 1, "categories": 0.8, "brand": 0.2, "description": 0.4}
    assert report["text"]["without_any"] == {"items": 0, "first": []}
    assert report["time"]["unknown"] == pytest.approx(1 / 9)
    assert report["time"]["ties"] == pytest.approx(1 / 4)
    assert (report["time"]["first"], report["time"]["last"]) == (10, 500)
    assert report["ratings"]["min"] == 1
    json.dumps(report)


def test_items_without_text_are_reported():
    items = ITEMS.with_columns(title=pl.when(pl.col("item_id") == 12).then(pl.lit("")).otherwise("title"))
    report = inspect(Dataset.from_frames("silent", INTERACTIONS, items.with_columns(description=pl.lit(""))))
    assert report["text"]["without_any"] == {"items": 1, "first": [12]}


def test_no_times_and_no_ratings():
    report = inspect(Dataset.from_frames("bare", INTERACTIONS.select("user_id", "item_id", "position"), ITEMS))
    assert report["time"] is None
    assert report["ratings"] is None


def test_rendered(small):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(render(inspect(small)))
    text = console.export_text()
    assert "small (repeats: keep)" in text
    assert "22.22% of events, 11.11% right after the same item" in text
    assert "1970-01-01 to 1970-01-01, unknown 11.1%" in text
