"""Pictures of the page's views, for its guide: 1,280 and 390 pixels wide, light and dark.

    python benchmarks/web/screenshots.py ../shared/data/simulate/movielens_small

Plays a society, a feed on the data set, a gym, a town, and forks of two of them, serves them, and writes
`docs/images/web/*.png`, at most 150 kB each.
"""

import argparse
import io
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from page import CHROMIUM, server
from PIL import Image

from recgpt.errors import RecGPTError
from recgpt.program import run

OUT = Path(__file__).parents[2] / "docs" / "images" / "web"
MOST_BYTES, COLORS = 150_000, (256, 128, 64, 32)
SIZES = {1280: 800, 390: 844}
SETTLED_MS = 6000  # the layout of the graph, without motion
MOST_READING_S = 600
VIEWS = {
    "society": "/runs/people#agent=12",
    "feed": "/runs/films#agent=3",
    "gym": "/runs/gym#agent=3",
    "compare": "/compare?left=people&right=people-active",
    "new": "/new",
    "runs": "/",
    "town": "/runs/hazelbrook#tick=3000&agent=4",
    "town-night": "/runs/hazelbrook#tick=7200&agent=4",
    "town-person": "/runs/hazelbrook#tick=4200&agent=4",
    "town-ties": "/runs/hazelbrook#tick=5000&tab=ties",
    "town-compare": "/compare?left=hazelbrook&right=hazelbrook-move#tick=4330",
}
PRESSED = {"town-person": "c"}
"""Keys pressed before a picture: the map follows the selected resident."""
SHOWN = [("society", 1280, "light"), ("society", 1280, "dark"), ("society", 390, "light"), ("society", 390, "dark")]
SHOWN += [("feed", 1280, "light"), ("feed", 390, "dark"), ("gym", 1280, "dark"), ("gym", 390, "light")]
SHOWN += [("compare", 1280, "light"), ("compare", 390, "dark"), ("new", 1280, "dark"), ("new", 390, "light")]
SHOWN += [("runs", 1280, "light"), ("runs", 390, "dark")]
SHOWN += [("town", 1280, "light"), ("town", 390, "light"), ("town-night", 1280, "dark"), ("town-night", 390, "dark")]
SHOWN += [("town-person", 1280, "light"), ("town-ties", 1280, "dark"), ("town-compare", 1280, "light")]
SHOWN += [("town-compare", 390, "dark")]


def play(dataset: Path) -> None:
    """Play the runs."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.feed.config import FeedConfig
    from recgpt.simulate.worlds.gym.config import GymConfig
    from recgpt.simulate.worlds.society.config import SocietyConfig

    schedule: Any = [{"kind": "broadcast", "round": 12, "item": 3, "text": "Everyone talks of this film"}]
    society = SocietyConfig(agents=150, rounds=30, recommender="item_knn", schedule=schedule)
    parent = runner.start("society", "people", society)
    with parent, runner.fork(parent, "people-active", 10, overrides=["active_prob=0.9"]) as fork:
        runner.resume(fork)
    runner.start("feed", "films", FeedConfig(dataset=str(dataset), agents=100, recommender="item_knn")).close()
    from recgpt.simulate.worlds.town.config import TownConfig

    town = runner.start("town", "hazelbrook", TownConfig())
    move: Any = '[{"kind": "move", "block": 73, "agent": 4, "place": "Hazelbrook:Riverside Park:park"}]'
    with town, runner.fork(town, "hazelbrook-move", 72, overrides=[f"schedule={move}"]) as branch:
        runner.resume(branch)
    runner.start("gym", "gym", GymConfig(policy="linucb", n_users=100, steps=30)).close()


def compressed(png: bytes) -> bytes:
    """The picture with as many colours as the limit of bytes allows."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for n_colors in COLORS:
        small = io.BytesIO()
        picture.quantize(n_colors, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= MOST_BYTES:
            return small.getvalue()
    raise RecGPTError(f"a picture has {small.tell():,} bytes with {COLORS[-1]} colours: the limit is {MOST_BYTES:,}")


def read(address: str) -> None:
    """Wait until the server has read all runs to their ends."""
    end = time.monotonic() + MOST_READING_S
    with urlopen(f"{address}/api/runs") as answer:  # noqa: S310  # an address of our own
        left = {each["run"]: each["n_steps"] for each in json.load(answer)}
    while left:
        run_id, last = next(iter(left.items()))
        with suppress(HTTPError), urlopen(f"{address}/api/runs/{run_id}/frames/{last}"):  # noqa: S310
            del left[run_id]
        if left and time.monotonic() > end:
            raise RecGPTError(f"run {run_id} is not read within {MOST_READING_S} s")


def take(browser: Any, address: str, name: str, width: int, theme: str) -> None:
    """Picture of a view."""
    size = {"width": width, "height": SIZES[width]}
    page = browser.new_page(viewport=size, color_scheme=theme, reduced_motion="reduce")
    page.goto(address + VIEWS[name])
    page.locator("main[class]").wait_for()
    if name in PRESSED:
        page.keyboard.press(PRESSED[name])
    page.wait_for_timeout(SETTLED_MS)
    (OUT / f"{name}-{width}-{theme}.png").write_bytes(compressed(page.screenshot()))
    page.close()


def main() -> None:
    """Play, serve and take the pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="data set folder of the feed")
    dataset: Path = parser.parse_args().dataset
    OUT.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        play(dataset)
        with sync_playwright() as playwright, server() as (address, _):
            read(address)
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for name, width, theme in SHOWN:
                take(browser, address, name, width, theme)
            browser.close()
    print(f"{len(SHOWN)} pictures, {sum(each.stat().st_size for each in OUT.glob('*.png')) / 1000:,.0f} kB")


if __name__ == "__main__":
    run(main, "screenshots.py")
