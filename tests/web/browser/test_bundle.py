"""A bundle in a real browser, opened from its file: steps, cards and the log, without an error and without markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.web.bundle import write_bundle

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028 end"


@pytest.fixture
def site(feed_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Address of a bundle whose log is hostile."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))
    model = str(feed_folder / "model")
    config = FeedConfig(dataset=str(feed_folder), model=model, recommender="popularity", agents=12, pages=4)
    with runner.start("feed", "shown", config) as run:
        plain = Run.newest_events
        hostile = pl.lit(HOSTILE).alias("text")
        monkeypatch.setattr(
            Run, "newest_events", lambda *given, **options: plain(*given, **options).with_columns(hostile)
        )
        write_bundle(run, tmp_path / "site")
    return tmp_path / "site" / "index.html"


def test_a_bundle_opens_from_its_file(site: Path, open_tab: Callable[..., Any]) -> None:
    page = open_tab(f"{site.as_uri()}#step=2&agent=3&tab=log")
    page.get_by_role("heading", name="shown").wait_for()
    page.get_by_text("agent 3", exact=True).first.wait_for()
    page.get_by_text(HOSTILE.split("\u2028")[0]).first.wait_for()
    assert page.locator("img").count() == 0
    assert page.locator(".clock").inner_text().startswith("page 2")
    page.get_by_text("holds agents only as they were after page 4").wait_for()
    page.keyboard.press("ArrowRight")
    page.locator(".clock").get_by_text("page 3").wait_for()
    assert "cards of all 12 agents as after page 4" in page.locator(".bundle-note").inner_text()
    page.get_by_role("tab", name="Recommender").click()
    page.get_by_text("Measures so far").wait_for()
