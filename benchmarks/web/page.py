"""Speed of the page in a browser: first view, frames a second while it watches, memory of the tab, the time slider.

    python benchmarks/web/page.py                                  # a society of 1,000 agents, 100 rounds

Chromium without a window on this machine, 1,280 x 800. Measured:

- `view`: from the address to the controls, the figures and the drawn social graph of a run with all rounds;
- `frames`: frames a second by `requestAnimationFrame` while the run grows by 10 rounds a second, and the longest gap.
  The society takes longer for a round than a tenth of a second beside a browser: its stored rounds are written again,
  at that pace, into a run that the page watches;
- `memory`: JavaScript heap after it, and the private memory of the tab's process;
- `slider`: from the slider's movement to any past step until its frame and panels are there and drawn;
- `start`: `recgpt web` from its start to the first answer.

Writes `benchmarks/results/web/page.json` and page.md. On a machine that others use, all is slower: the
load is in the result.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from recgpt.device import hardware
from recgpt.files import write_text
from recgpt.program import run

RESULT = Path(__file__).parents[1] / "results" / "web" / "page.json"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
TARGETS = {"frames_s": 50, "first_view_s": 1.0, "tab_mb": 150, "slider_p99_ms": 200, "start_s": 1.5}
RATE, SEED = 10, 0
VIEW = """
const wanted = {
  controls: () => document.querySelector(".place")?.textContent,
  figures: () => document.querySelector(".panels dd, .panels td"),
  graph: () => document.querySelector(".graph-where")?.textContent,
};
window.seen = {};
const look = () => {
  for (const name of Object.keys(wanted)) {
    if (!(name in window.seen) && wanted[name]()) window.seen[name] = performance.now();
  }
  if (Object.keys(window.seen).length < 3) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
FRAMES = """(seconds) => new Promise((resolve) => {
  let frames = 0, longest = 0, last = performance.now();
  const start = last;
  const count = (now) => {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    if (now - start < 1000 * seconds) requestAnimationFrame(count);
    else resolve({ frames_s: (1000 * frames) / (now - start), longest_gap_ms: longest });
  };
  requestAnimationFrame(count);
})"""
SLIDE = """(step) => new Promise((resolve) => {
  performance.clearResourceTimings();
  const input = document.querySelector("input.slider"), start = performance.now();
  const isThere = (path) => performance.getEntriesByType("resource").some((one) => one.name.endsWith(path));
  const look = () => {
    if (isThere(`/steps/${step}`) && isThere(`/frames/${step}`)) {
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
    } else if (performance.now() - start > 20000) resolve(null);
    else setTimeout(look, 4);
  };
  input.value = step;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  look();
})"""


@contextmanager
def server() -> Iterator[tuple[str, float]]:
    """`recgpt web`: its address, and the seconds to its first answer."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "recgpt.cli.main", "web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is None:
            raise RuntimeError(f"recgpt web printed {line!r}")
        with urllib.request.urlopen(f"{found[0]}/", timeout=60):  # noqa: S310  # an address of our own
            yield found[0], time.perf_counter() - began
        process.terminate()


def simulate(agents: int, rounds: int) -> None:
    """Play the society."""
    from recgpt.simulate import runner
    from recgpt.simulate.worlds.society.config import SocietyConfig

    config = SocietyConfig(agents=agents, rounds=rounds, recommender="popularity", seed=SEED)
    runner.start("society", "thousand", config).close()


def write_again(seconds: float) -> threading.Thread:
    """Write the stored rounds into the run `live`, at the rate, in a thread."""
    from recgpt.simulate.runner import fork
    from recgpt.simulate.store import Run

    with Run.open("thousand") as source:
        steps = list(source.iter_steps())
        fork(source, "live", 0).close()

    def write() -> None:
        end = time.monotonic() + seconds
        with Run.open("live", write=True) as live:
            for number, rows in enumerate(steps):
                time.sleep(max(0.0, end - seconds + number / RATE - time.monotonic()))
                live.append(rows)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def view_of(browser: Any, address: str) -> dict[str, float]:
    """Seconds to the parts of the first view."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(VIEW)
    page.goto(f"{address}/runs/thousand")
    while len(seen := page.evaluate("window.seen")) < 3:
        page.wait_for_timeout(20)
    page.close()
    return {name: milliseconds / 1000 for name, milliseconds in seen.items()}


def watched(browser: Any, address: str, seconds: float) -> dict[str, Any]:
    """Frames a second and memory while the run grows."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}/runs/live#agent=5")
    page.locator(".card-detail").wait_for()
    first = page.locator(".place").inner_text()
    found: dict[str, Any] = page.evaluate(FRAMES, seconds)
    last = page.locator(".place").inner_text()
    rounds = [int(re.sub(r"\D", "", text.split("/")[0])) for text in (first, last)]
    client = page.context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    heap = client.send("Runtime.getHeapUsage")["usedSize"]
    found |= {
        "rounds_s": (rounds[1] - rounds[0]) / seconds,
        "heap_mb": heap / 1e6,
        "tab_mb": tab_mb(),
        "seconds": seconds,
    }
    page.close()
    return found


def tab_mb() -> float:
    """Private memory of the largest process of a tab."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        if "--type=renderer" in process.cmdline():
            sizes.append(process.memory_full_info().uss / 1e6)
    return max(sizes)


def slid(browser: Any, address: str, rng: random.Random) -> dict[str, float]:
    """Milliseconds until a past step is shown, over all steps in random order."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{address}/runs/thousand")
    page.locator(".panels dd, .panels td").first.wait_for()
    steps = list(range(int(page.locator("input.slider").get_attribute("max"))))
    rng.shuffle(steps)
    taken = [page.evaluate(SLIDE, step) for step in steps]
    page.close()
    if None in taken:
        raise RuntimeError(f"step {steps[taken.index(None)]} was not shown within 20 s")
    return {
        "n": len(taken),
        "p50_ms": statistics.median(taken),
        "p99_ms": statistics.quantiles(taken, n=100)[98],
        "max_ms": max(taken),
    }


def measure(agents: int, rounds: int, seconds: float) -> dict[str, Any]:
    """All figures."""
    from playwright.sync_api import sync_playwright

    simulate(agents, rounds)
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    starts = []
    for _ in range(5):
        with server() as (_, start_s):
            starts.append(start_s)
    with sync_playwright() as playwright, server() as (address, _):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        cold = view_of(browser, address)
        warm = view_of(browser, address)
        slider = slid(browser, address, random.Random(SEED))  # noqa: S311  # no secret
        thread = write_again(seconds)
        frames = watched(browser, address, seconds)
        thread.join()
        version = browser.version
        browser.close()
    start = {"start_s": statistics.median(starts), "all_start_s": starts}
    return {
        "chromium": version,
        "start": start,
        "view": {"first": cold, "again": warm},
        "frames": frames,
        "slider": slider,
    }


def table_of(result: dict[str, Any]) -> str:
    """The figures beside their targets, in Markdown."""
    view, frames, slider = result["view"], result["frames"], result["slider"]
    rows = [
        ("frames a second, society growing by 10 rounds/s", f"{frames['frames_s']:.0f}", f"≥ {TARGETS['frames_s']}"),
        ("rounds shown a second", f"{frames['rounds_s']:.1f}", "10"),
        ("longest gap between frames", f"{frames['longest_gap_ms']:.0f} ms", ""),
        ("first view: controls", f"{view['first']['controls']:.2f} s", f"≤ {TARGETS['first_view_s']:g} s"),
        ("first view: figures", f"{view['first']['figures']:.2f} s", ""),
        ("first view: graph", f"{view['first']['graph']:.2f} s", ""),
        (
            "second view: controls, figures, graph",
            ", ".join(f"{view['again'][name]:.2f} s" for name in ("controls", "figures", "graph")),
            "",
        ),
        ("JavaScript heap of the tab", f"{frames['heap_mb']:.0f} MB", ""),
        ("private memory of the tab", f"{frames['tab_mb']:.0f} MB", f"≤ {TARGETS['tab_mb']} MB"),
        ("any past step on the slider, p50", f"{slider['p50_ms']:.0f} ms", ""),
        ("any past step on the slider, p99", f"{slider['p99_ms']:.0f} ms", f"≤ {TARGETS['slider_p99_ms']} ms"),
        ("`recgpt web` to its first answer", f"{result['start']['start_s']:.2f} s", f"≤ {TARGETS['start_s']} s"),
    ]
    head = f"`{result['command']}`, {result['date']}, {result['hardware']}, load {result['load']['before']:.0f}"
    head += (
        f" to {result['load']['after']:.0f} (beside other work, which slows everything), Chromium {result['chromium']}"
    )
    lines = [f"| {name} | {figure} | {target} |" for name, figure, target in rows]
    size = f"A society of {result['agents']:,} agents, {result['rounds']} rounds, seed {result['seed']}."
    return "\n".join([head, "", size, "", "| | | target |", "|-|-:|-|", *lines, ""])


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000, help="agents of the society")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of the society")
    parser.add_argument("--seconds", type=float, default=10, help="time of watching")
    parser.add_argument("--out", type=Path, default=RESULT, help="file of the result")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        found = measure(args.agents, args.rounds, args.seconds)
    result = {
        "command": f"python benchmarks/web/page.py --agents {args.agents} --rounds {args.rounds}",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "load": {"before": before, "after": os.getloadavg()[0]},
        "agents": args.agents,
        "rounds": args.rounds,
        "seed": SEED,
        "targets": TARGETS,
        **found,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(args.out, json.dumps(result, indent=1) + "\n")
    write_text(args.out.with_suffix(".md"), table_of(result))
    print(table_of(result))


if __name__ == "__main__":
    run(main, "page.py")
