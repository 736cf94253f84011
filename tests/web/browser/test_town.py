"""The map of a town in a real browser: time, camera, residents, hostile names, addresses."""

import pytest

from tests.simulate.worlds.town.stored_town import HOSTILE, stored_town
from tests.web.browser.conftest import wait_until

pytestmark = pytest.mark.slow
BLOCKS, PEOPLE = 6, 8


@pytest.fixture(scope="module")
def town(served):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(served.runs))
        stored_town("small", BLOCKS, PEOPLE).close()
    return f"{served.address}/runs/small"


def open_town(open_tab, address, **options):
    page = open_tab(address, **options)
    page.locator(".town-people").wait_for()
    wait_until(page, "document.querySelector('.town-note').hidden")
    return page


def drawn(page):
    """Whether the canvas of residents holds anything."""
    return page.evaluate(
        "(() => { const canvas = document.querySelector('.town-people');"
        " const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        " return data.some((value) => value > 0); })()"
    )


def test_time_plays_steps_and_is_in_the_address(open_tab, town):
    page = open_town(open_tab, f"{town}#tick=100")
    assert drawn(page)
    assert page.get_by_role("tab", name="Map", exact=True).get_attribute("aria-selected") == "true"
    clock = page.locator(".town-clock")
    before = clock.inner_text()
    page.keyboard.press(".")
    page.keyboard.press(".")
    wait_until(page, "location.hash.includes('tick=102')")
    page.keyboard.press(",")
    wait_until(page, "location.hash.includes('tick=101')")
    assert clock.inner_text() != before
    page.get_by_role("combobox", name="Speed of time").select_option("600")
    page.keyboard.press("Space")
    wait_until(page, f"document.querySelector('.town-slider').value === '{BLOCKS * 60}'")
    wait_until(page, "document.querySelector('[aria-label=\"Play time (space)\"]')")


def test_an_address_entered_while_the_last_one_is_written_is_followed(open_tab, town):
    """The page writes its place a quarter of a second after a step; it must not replace an address not read yet."""
    page = open_town(open_tab, f"{town}#tick=100")
    page.evaluate(
        """() => {
            document.dispatchEvent(new KeyboardEvent('keydown', { key: '.', bubbles: true }));
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => (location.hash = 'tick=300');  // the next task; the write is due by then
            port2.postMessage(null);
            const until = performance.now() + 400;
            while (performance.now() < until);
        }"""
    )
    wait_until(page, "document.querySelector('.town-clock').title.startsWith('tick 300 ')")


def test_a_resident_with_a_hostile_name_is_shown_as_text(open_tab, town):
    page = open_town(open_tab, f"{town}#tick=300&agent=0")
    page.locator(".town-person h2").wait_for()
    assert page.locator(".town-person h2").inner_text() == HOSTILE
    assert page.locator("img").count() == 0
    for tab in ("Memory", "Relations", "Feed", "Profile", "Plan"):
        page.get_by_role("tab", name=tab).click()
        page.locator("#person > :first-child").wait_for()
    page.locator(".facts details").first.wait_for()
    page.get_by_role("tab", name="Heat map").click()
    page.locator("section[aria-label='Heat map'] li").first.wait_for()
    page.keyboard.press("c")
    wait_until(page, "document.querySelector('.town-tools [aria-pressed=true]')")


def test_the_map_moves_by_keyboard_and_fits_a_phone(open_tab, town):
    page = open_town(open_tab, f"{town}#tick=60", viewport={"width": 390, "height": 844})
    page.locator(".town-people").focus()
    for key in ("+", "+", "ArrowLeft", "w", "-", "0"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    wait_until(page, "location.hash.includes('agent=')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_published_address_opens_the_resident_it_names(open_tab, town, served):
    page = open_tab(f"{served.address}/replay/small/120/")
    page.locator(".town-people").wait_for()
    wait_until(page, "location.pathname === '/runs/small'")
    wait_until(page, "Number(document.querySelector('.town-slider').value) >= 120")


def test_two_runs_share_clock_and_differences(open_tab, town, served):
    page = open_tab(f"{served.address}/compare?left=small&right=small#tick=90")
    page.locator(".town-side").nth(1).wait_for()
    page.locator(".town-pair [role=status]", has_text="do the same").wait_for()
