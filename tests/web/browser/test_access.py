"""The page for everybody: hostile titles are text, keys alone suffice, axe finds nothing serious, on each page."""

import re

import pytest

from tests.web.browser.conftest import wait_until
from tests.web.browser.films import save_films

pytestmark = pytest.mark.slow
TITLE = "<img src=x onerror=alert(1)> & \"'</script><script>alert(2)</script>"
ADDRESSES = {
    "runs": "/",
    "new": "/new",
    "society": "/runs/people#agent=2",
    "feed": "/runs/shop#agent=1&tab=log",
    "compare": "/compare?left=people&right=shop",
}


@pytest.fixture(scope="module")
def address(served, tmp_path_factory):
    """The server over a society and over a feed whose items all have a hostile title."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.feed.config import FeedConfig
    from recgpt.simulate.worlds.society.config import SocietyConfig

    folder = tmp_path_factory.mktemp("hostile") / "films"
    save_films(folder, TITLE, "<b>x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(served.runs))
        runner.start("society", "people", SocietyConfig(agents=20, rounds=4, recommender="popularity")).close()
        config = FeedConfig(dataset=str(folder), agents=8, pages=2, recommender="popularity")
        runner.start("feed", "shop", config).close()
    return served.address


def loaded(page, name):
    """Wait until the page shows its data."""
    marks = {"runs": ".run-link", "new": ".field", "compare": ".compare-figures td"}
    page.locator(marks.get(name, ".card-detail")).first.wait_for()
    page.wait_for_timeout(300)  # drawings and late panels


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_tab, address, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `dev`").Axe()
    page = open_tab(address, color_scheme=theme)
    found = []
    for name, path in ADDRESSES.items():
        page.goto("about:blank")
        page.goto(address + path)
        loaded(page, name)
        for problem in axe.run(page).response["violations"]:
            if problem["impact"] in ("serious", "critical"):
                found += [
                    (name, problem["id"], node["html"][:150], node["failureSummary"]) for node in problem["nodes"]
                ]
    assert found == [], "\n".join(map(str, found))


def test_a_hostile_title_is_text(open_tab, address):
    page = open_tab(f"{address}/runs/shop#agent=1&tab=log")
    loaded(page, "feed")
    page.get_by_text(TITLE, exact=False).first.wait_for()
    tabs = page.get_by_role("tab")
    for number in range(tabs.count()):
        tabs.nth(number).click()
        page.wait_for_timeout(100)
    assert page.evaluate("document.querySelectorAll('main img, main script, main b').length") == 0


def test_a_run_is_found_replayed_and_asked_with_keys_alone(open_tab, address):
    page = open_tab(address)
    loaded(page, "runs")
    page.keyboard.press("/")
    page.keyboard.type("people")
    page.get_by_text("1 of 2 runs").wait_for()
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('run-link')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/people*")
    page.locator(".place").wait_for()
    page.keyboard.press("ArrowLeft")
    page.locator("header .badge", has_text="Replay · round 3").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("5")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.locator(".card-detail", has_text=re.compile(r"^Number 5 ")).wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    wait_until(page, "!document.querySelector('dialog')")
    page.locator("canvas.graph").focus()
    before = page.locator(".card-detail").inner_text()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    wait_until(page, f"document.querySelector('.card-detail').textContent !== {before!r}")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(open_tab, address, width):
    page = open_tab(address, viewport={"width": width, "height": 800})
    for name, path in ADDRESSES.items():
        page.goto("about:blank")
        page.goto(address + path)
        page.locator("main[class]").wait_for()
        page.wait_for_timeout(500)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} wide"
