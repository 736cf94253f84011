"""Controls of a feed in a real browser, and the badge of a tab that has no stream yet."""

import re
from typing import Any

import pytest

from tests.web.browser.films import save_films

pytestmark = pytest.mark.slow
AGENTS = 30
"""All have left after six pages."""


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Folder of a data set."""
    folder = tmp_path_factory.mktemp("feed") / "films"
    save_films(folder)
    return folder


@pytest.fixture
def feed(served, films, request):
    """Address of a new feed, not played yet."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.feed.config import FeedConfig

    run = request.node.name.replace("_", "-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(served.runs))
        config = FeedConfig(dataset=str(films), agents=AGENTS, pages=40, page_size=1, recommender="popularity")
        runner.start("feed", run, config, until=0).close()
    return f"{served.address}/runs/{run}"


def badge(page: Any, text: str) -> None:
    page.locator("header .badge", has_text=re.compile(f"^{text}")).wait_for()


def button(page: Any, name: str) -> Any:
    return page.get_by_role("group", name="Run").get_by_role("button", name=re.compile(f"^{name}"))


def place(page: Any, text: str) -> None:
    page.locator(".place", has_text=re.compile(rf"^page {text}$")).wait_for()


def test_a_feed_is_played_stopped_played_on_and_reset(open_tab, feed):
    page = open_tab(feed)
    place(page, "0 / 0")
    button(page, "Play one page").click()
    place(page, "1 / 1")
    badge(page, "Paused")
    button(page, "Stop").click()
    badge(page, "Stopped")
    assert button(page, "Stop").is_disabled()
    page.get_by_role("combobox", name="Speed").select_option("0.5")
    button(page, "Play").first.click()
    badge(page, "Live")
    page.locator(".place", has_text=re.compile(r"^page [2-5]")).wait_for()
    button(page, "Stop").click()
    badge(page, "Stopped")
    page.reload()
    badge(page, "Stopped")
    kept = page.locator(".place").inner_text()
    button(page, "Reset").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert page.locator(".place").inner_text() == kept
    button(page, "Reset").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete and begin anew").click()
    badge(page, "Paused")
    place(page, "0 / 0")
    button(page, "Play one page").click()
    place(page, "1 / 1")


def test_a_finished_feed_is_reset(open_tab, feed):
    page = open_tab(feed)
    page.get_by_role("combobox", name="Speed").select_option("")  # as fast as possible
    button(page, "Play").first.click()
    badge(page, "Finished")
    assert button(page, "Play").first.is_disabled()
    assert button(page, "Stop").is_disabled()
    button(page, "Reset").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete and begin anew").click()
    badge(page, "Paused")
    place(page, "0 / 0")
    assert button(page, "Play").first.is_enabled()


def test_a_tab_that_waits_for_its_turn_has_lost_no_connection(open_tab, feed):
    page = open_tab(feed)
    badge(page, "Stopped")
    others = [page.context.new_page() for _ in range(2)]
    for tab in others:  # with the first tab they hold the three lasting places
        tab.goto(feed)
        badge(tab, "Stopped")
    page.evaluate(
        "void navigator.locks.request('recgpt-stream-turn', () => new Promise((free) => { window.free = free; }))"
    )
    waiting = page.context.new_page()
    waiting.goto(feed)
    badge(waiting, "Connecting")
    page.evaluate("window.free()")
    badge(waiting, "Stopped")
