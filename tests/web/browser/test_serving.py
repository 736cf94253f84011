"""The try-out page of `recgpt serve`: pick, rank, explain; keys alone; hostile titles; narrow and dark; accessible."""

import pytest

from tests.web.browser.conftest import wait_until
from tests.web.serving.conftest import HOSTILE, new_shop, running

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `dev`")


@pytest.fixture(scope="module")
def client():
    """Client of a service that runs in a thread."""
    with running(new_shop().service()) as client:
        yield client


@pytest.fixture
def page(open_tab, client):
    page = open_tab(f"http://127.0.0.1:{client.port}/")
    page.wait_for_selector(".ranked")
    return page


def pick(page, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.wait_for_selector(f"#found-0:has-text({words!r})")
    page.keyboard.press("Enter")


def test_keyboard_alone_picks_ranks_explains_and_a_reload_keeps_the_history(page, client):
    pick(page, "Heat (1995)")
    page.keyboard.press("Escape")
    page.locator("h1").click()
    pick(page, "Film 12")
    sync_api.expect(page.locator(".picked li")).to_have_count(2)
    expected = client("/recommend", {"history": ["sku-04", "sku-12"]}).json["recommendations"]
    titles = page.locator(".ranked-title")
    sync_api.expect(titles.first).to_have_text(expected[0]["title"])
    assert titles.all_inner_texts() == [each["title"] for each in expected]
    page.locator(".ranked button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".effect")
    assert "Film 12" in page.locator(".why").first.inner_text()
    page.reload()
    page.wait_for_selector(".picked li")
    assert page.locator(".picked .words").all_inner_texts() == ["Heat (1995)", "Film 12"]
    page.locator("h1").click()
    page.keyboard.press("c")
    sync_api.expect(page.locator(".picked li")).to_have_count(0)


def wait_for_own_ranking(page):
    """Wait until the ranking of the picked items has taken the place of the most popular ones."""
    wait_until(page, "!document.body.innerText.includes('The items with most interactions')")


def test_a_title_is_text_wherever_it_stands(page):
    pick(page, "<img src=x")
    page.wait_for_selector(".picked li")
    assert page.locator(".picked .words").inner_text() == HOSTILE
    wait_for_own_ranking(page)
    page.locator(".ranked button").first.click()
    page.wait_for_selector(".effect")
    assert page.title() == "Try it out · RecGPT"
    assert page.locator("main img").count() == 0


def test_it_is_readable_at_390_pixels_and_in_the_dark(page):
    page.set_viewport_size({"width": 390, "height": 844})
    pick(page, "Heat (1995)")
    wait_for_own_ranking(page)
    page.locator(".ranked button").first.click()
    page.wait_for_selector(".effect")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("h1").click()
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_axe_finds_nothing_serious(page, client, path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra `dev`").Axe()
    page.goto(f"http://127.0.0.1:{client.port}{path}")
    page.wait_for_selector(".ranked, .call")
    page.evaluate("document.querySelector('.ranked button')?.click()")
    found = axe.run(page).response["violations"]
    assert [(each["id"], each["impact"]) for each in found if each["impact"] in ("serious", "critical")] == []


def test_the_list_of_calls_comes_from_the_description(page, client):
    page.goto(f"http://127.0.0.1:{client.port}/docs")
    page.wait_for_selector(".call")
    assert page.locator(".call h2 code").all_inner_texts()[:3] == ["/recommend", "/explain", "/observe"]
