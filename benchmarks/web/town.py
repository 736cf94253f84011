"""Speed of a town's page in Chromium without a window: frames a second, first view, any tick.

    python benchmarks/web/town.py

Plays towns of 25 people for a day and of 1,000 for ten hours with the scripted mind, serves each, and measures the
page: frames of the browser a second while the map plays at 60 and at 600 times real time, seconds to the first drawn
map, and for chosen ticks the milliseconds until the map and the selected resident show them. Writes
benchmarks/results/web/town.json.
"""

import argparse
import datetime
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from page import CHROMIUM, server

from recgpt.device import hardware
from recgpt.program import run

OUT = Path(__file__).parents[1] / "results" / "web" / "town.json"
RUN, SECONDS = "measured", 6
TOWNS = {25: 24, 1000: 10}
"""Residents -> hours that are played."""
DEFAULT_TOWN = 25
FRAMES = """(seconds) => new Promise((done) => {
    let frames = 0, began = null, before = null, longest = 0;
    const count = (now) => {
        if (began === null) began = now;
        else { frames += 1; longest = Math.max(longest, now - before); }
        before = now;
        if (now - began < seconds * 1000) requestAnimationFrame(count);
        else done([frames / ((now - began) / 1000), longest]);
    };
    requestAnimationFrame(count);
})"""
DRAWN = "document.querySelector('.town-note') && document.querySelector('.town-note').hidden"


def play(people: int, hours: int) -> None:
    """Play the town."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.town.config import TownConfig

    town = "default" if people <= DEFAULT_TOWN else "procedural"
    runner.start("town", RUN, TownConfig(people=people, hours=hours, town=town)).close()


def wait_for(page: Any, condition: str) -> float:
    """Seconds until a condition holds."""
    began = time.perf_counter()
    while not page.evaluate(f"Boolean({condition})"):
        page.wait_for_timeout(5)
    return time.perf_counter() - began


def measured(browser: Any, address: str, last: int) -> dict[str, Any]:
    """Figures of the page."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    found: dict[str, Any] = {}
    for name in ("first_view_s", "second_view_s"):
        began = time.perf_counter()
        page.goto("about:blank")
        page.goto(f"{address}/runs/{RUN}#tick={last // 2}&agent=3", wait_until="commit")
        wait_for(page, DRAWN)
        found[name] = round(time.perf_counter() - began, 2)
    for speed in ("60", "600"):
        page.get_by_role("combobox", name="Speed of time").select_option(speed)
        page.keyboard.press("Space")
        frames, longest = page.evaluate(FRAMES, SECONDS)
        page.keyboard.press("Space")
        found[f"frames_at_{speed}"], found[f"longest_ms_at_{speed}"] = round(frames, 1), round(longest)
    seeks = []
    for tick in (last // 7, last - 100, last // 3, last // 2 + 17, 100):
        began = time.perf_counter()
        page.evaluate(f"location.hash = 'tick={tick}&agent=3'")
        wait_for(page, f"document.querySelector('.town-clock').title.startsWith('tick {tick} ') && {DRAWN}")
        seeks.append(1000 * (time.perf_counter() - began))
    found["any_tick_ms"] = {"median": round(statistics.median(seeks)), "most": round(max(seeks))}
    return found


def town_figures(browser: Any, people: int, hours: int) -> dict[str, Any]:
    """Figures of the page of one town, of a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        play(people, hours)
        load = os.getloadavg()[0]
        with server() as (address, _):
            found = measured(browser, address, hours * 360)
    return {"people": people, "hours": hours, "load": round(load, 1), **found}


def main() -> None:
    """Measure both towns and write the figures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="file of the figures")
    out: Path = parser.parse_args().out
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        towns = [town_figures(browser, people, hours) for people, hours in TOWNS.items()]
        version = browser.version
        browser.close()
    found = {
        "command": "python benchmarks/web/town.py",
        "date": datetime.date.today().isoformat(),
        "hardware": f"{hardware()}; Chromium {version} without a window, 1,280 x 800",
        "seed": 0,
        "towns": towns,
    }
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    run(main, "town.py")
