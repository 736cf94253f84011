"""The page of a society in a real browser: start, watch, pause, step back, interview, edit, fork, reload, tabs."""

import re
import time

import pytest

from tests.web.browser.conftest import wait_until

pytestmark = pytest.mark.slow
RUN = "people"


def step_shown(page):
    """Step in the row under the slider."""
    return int(re.match(r"round ([\d,]+) /", page.locator(".place").inner_text())[1].replace(",", ""))


def wait_for_step(page, step):
    end = time.monotonic() + 60
    while step_shown(page) < step:
        assert time.monotonic() < end, f"still at step {step_shown(page)}"
        page.wait_for_timeout(30)


def resting_step(page):
    """Step shown once no late frame follows."""
    before = None
    while before != (before := step_shown(page)):
        page.wait_for_timeout(1000)
    return before


def badge(page, text):
    page.locator("header .badge", has_text=re.compile(f"^{text}")).wait_for()


def select_agent(page, number):
    page.keyboard.press("/")
    page.keyboard.type(str(number))
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.locator(".card-detail", has_text=f"Number {number} ").wait_for()


@pytest.fixture(scope="module")
def run_address(browser, served):
    """A run that was started in the form of the page, paused after a few rounds."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{served.address}/new")
    page.get_by_role("radio", name=re.compile("Society")).check()
    page.get_by_label("Name of the run").fill(RUN)
    assert page.locator("#field-recommender-names option[value=item_knn]").count() == 1
    for name, value in {"agents": "30", "rounds": "2000", "recommender": "popularity"}.items():
        page.locator(f"#field-{name}").fill(value)
    page.get_by_role("combobox", name="Speed").select_option("5")  # with 2,000 rounds it ends after all tests
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(f"**/runs/{RUN}*")
    wait_for_step(page, 6)
    page.keyboard.press("Space")
    badge(page, "Paused")
    page.close()
    return f"{served.address}/runs/{RUN}"


def test_a_run_is_watched_live_paused_and_stepped_back(open_tab, run_address):
    page = open_tab(run_address)
    badge(page, "Paused")
    before = step_shown(page)
    page.keyboard.press("Space")
    badge(page, "Live")
    wait_for_step(page, before + 3)
    page.keyboard.press("Space")
    badge(page, "Paused")
    last = resting_step(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    badge(page, f"Replay · round {last - 2}")
    assert step_shown(page) == last - 2
    slider = page.get_by_role("slider", name="Time")
    slider.fill("1")
    badge(page, "Replay · round 1")
    wait_until(page, "location.hash.includes('step=1')")
    slider.focus()
    page.keyboard.press("End")  # the newest step, and those to come
    badge(page, "Paused")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    wait_for_step(page, last + 1)


def test_an_agent_is_found_asked_and_edited_in_a_fork(open_tab, run_address):
    page = open_tab(run_address)
    badge(page, "Paused")
    at = resting_step(page)
    select_agent(page, 3)
    page.get_by_label("Question to the agent").fill("What do you like?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".chat-answer:not(.waiting)").wait_for()
    assert step_shown(page) == at
    page.get_by_role("button", name="Edit profile").click()
    form = page.locator(".edit-form")
    form.get_by_label("Interest", exact=False).first.fill("western")
    form.get_by_role("button", name="Save as a new run").click()
    page.wait_for_url(f"**/runs/{RUN}-2*")
    badge(page, "Paused")
    page.keyboard.press("n")
    wait_for_step(page, at + 1)
    page.locator(".card-profile", has_text="western").wait_for()


def test_a_fork_has_a_name_and_changed_settings(open_tab, run_address):
    page = open_tab(f"{run_address}#step=2")
    badge(page, "Replay")
    page.keyboard.press("f")
    dialog = page.get_by_role("dialog", name="Fork the run")
    dialog.get_by_label("Name", exact=True).fill("other")
    dialog.get_by_label("Changed settings", exact=False).fill("active_prob: 0.9")
    dialog.get_by_role("button", name="Fork").click()
    page.wait_for_url("**/runs/other*")
    assert step_shown(page) == 2
    page.goto(f"{run_address.rsplit('/', 2)[0]}/")
    page.get_by_role("link", name="other").wait_for()


def test_a_reload_goes_on_and_two_tabs_are_two_views_of_one_run(open_tab, run_address):
    one, two = open_tab(run_address), open_tab(f"{run_address}#step=2")
    badge(one, "Paused")
    one.keyboard.press("Space")
    badge(one, "Live")
    wait_for_step(one, step_shown(one) + 2)
    before = step_shown(one)
    one.reload()
    badge(one, "Live")
    wait_for_step(one, before + 2)
    assert step_shown(two) == 2  # a tab that looks back stays there
    two.keyboard.press("End")
    badge(two, "Live")
    two.keyboard.press("Space")
    badge(one, "Paused")
    wait_until(two, "document.querySelector('.place').textContent.startsWith('round')")
    one.keyboard.press("End")
    two.keyboard.press("End")
    assert resting_step(one) == resting_step(two)


def test_three_tabs_go_on_after_the_run_was_killed_and_resumed(open_tab, served, run_address):
    tabs = [open_tab(run_address) for _ in range(3)]
    badge(tabs[0], "Paused")
    tabs[0].keyboard.press("Space")
    for tab in tabs:
        badge(tab, "Live")
    known = step_shown(tabs[0])
    wait_for_step(tabs[0], known + 2)
    for player in served.players():
        player.kill()
    for tab in tabs:
        badge(tab, "Failed")
    tabs[1].keyboard.press("Space")
    for tab in tabs:
        badge(tab, "Live")
        wait_for_step(tab, known + 5)
    tabs[2].keyboard.press("Space")
    badge(tabs[0], "Paused")


def test_eight_tabs_of_a_browser_all_follow(open_tab, run_address):
    page = open_tab(run_address)
    badge(page, "Paused")
    before = step_shown(page)
    tabs = [page, *(page.context.new_page() for _ in range(7))]
    for tab in tabs[1:]:
        tab.set_default_timeout(60_000)
        tab.goto(run_address)
        tab.locator(".place", has_text=f"round {before:,} /").wait_for()
    page.keyboard.press("n")
    for tab in tabs:
        wait_for_step(tab, before + 1)
    for tab in tabs[1:]:
        tab.close()
