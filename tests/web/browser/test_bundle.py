"""A bundle in a real browser, opened from its file: steps, cards and the log, without an error and without markup."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.gym.config import GymConfig
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.web.bundle import write_bundle
from tests.simulate.worlds.town.stored_town import stored_town
from tests.web.browser.conftest import wait_until

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


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], str]:
    """Writes the bundle of a run below a folder of runs of its own, and gives its address."""
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))

    def write(start: Callable[[], Run]) -> str:
        with start() as run:
            write_bundle(run, tmp_path / "site")
        return (tmp_path / "site" / "index.html").as_uri()

    return write


@pytest.mark.slow
def test_a_bundled_town_is_drawn_and_played(bundled: Callable[..., str], open_tab: Callable[..., Any]) -> None:
    address = bundled(lambda: stored_town("small", 6, 8))
    page = open_tab(f"{address}#tick=300&agent=1")
    page.locator(".town-people").wait_for()
    wait_until(page, "document.querySelector('.town-note').hidden")
    assert page.evaluate(
        "(() => { const canvas = document.querySelector('.town-people'), pen = canvas.getContext('2d');"
        " return pen.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0); })()"
    )
    page.locator(".plan").wait_for()
    page.locator(".facts details").first.wait_for()
    page.get_by_role("tab", name="Heat map").click()
    page.locator("section[aria-label='Heat map'] li").first.wait_for()
    page.get_by_role("combobox", name="Speed of time").select_option("600")
    page.get_by_role("button", name="Play time (space)").click()
    wait_until(page, "document.querySelector('.town-slider').value === '360'")
    assert "the map with every movement, all 8 residents" in page.locator(".bundle-note").inner_text()
    assert not page.get_by_role("button", name="Let something happen").is_visible()


@pytest.mark.slow
def test_a_bundled_society_has_its_graph(bundled: Callable[..., str], open_tab: Callable[..., Any]) -> None:
    config = SocietyConfig(agents=16, rounds=4, mean_friends=5, recommender="popularity")
    page = open_tab(f"{bundled(lambda: runner.start('society', 'talk', config))}#agent=3")
    page.get_by_text("Friends of", exact=False).first.wait_for()
    page.get_by_role("tab", name="Social").click()
    page.get_by_role("button", name="Step back").click()
    page.get_by_text("holds agents only as they were after round 4").wait_for()
    assert not page.get_by_role("button", name="Take over").is_visible()


@pytest.mark.slow
def test_a_bundled_gym_has_its_users(bundled: Callable[..., str], open_tab: Callable[..., Any]) -> None:
    config = GymConfig(policy="linucb", n_users=8, steps=5)
    page = open_tab(f"{bundled(lambda: runner.start('gym', 'rated', config))}#agent=3")
    page.get_by_role("heading", name="Emotional state", exact=True).wait_for()
    page.get_by_role("tab", name="Users").click()
    page.get_by_role("button", name="First step").click()
    page.locator(".clock").get_by_text("item 0").wait_for()
    assert "cards of all 8 users as after item 5" in page.locator(".bundle-note").inner_text()
