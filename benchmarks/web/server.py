"""Speed of the page's server: start, first view of a long run, and any past moment.

    python benchmarks/web/server.py

- `start`: `recgpt web` as a process, from its start to the first answer; median of five.
- `view`: a society of 1,000 agents and 50 rounds (scripted mind, popularity), from a server that has just started: time
  to its constants and figures, and until all rounds are read.
- `moments`: panels, graph, an agent's card and log lines after rounds in random order, one request at a time.

Writes `benchmarks/results/web/server.json`. On a machine that others use the figures are upper limits: the load and the
CPU time of the server are in the result.
"""

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

RESULT = Path(__file__).parents[1] / "results" / "web" / "server.json"
COMMAND = (sys.executable, "-m", "recgpt.cli.main", "web", "--port", "0")
TARGETS = {"start_s": 1.5, "first_view_s": 1.0, "moment_ms": 200}
AGENTS, ROUNDS, SEED = 1000, 50, 0


def get(port: int, path: str) -> tuple[float, Any]:
    """Seconds of a GET, and its JSON or text."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - began
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {content[:200]!r}")
    return seconds, json.loads(content) if "json" in response.headers["content-type"] else content


class Server:
    """`recgpt web` as a process, answering when the block begins."""

    def __enter__(self) -> "Server":
        began = time.perf_counter()
        self.process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        self.address_s = time.perf_counter() - began
        self.port = int(line.split(":")[2].split("/")[0])
        get(self.port, "/")
        self.start_s = time.perf_counter() - began
        return self

    @property
    def cpu_s(self) -> float:
        """CPU time of the server so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def starts(n: int = 5) -> dict[str, Any]:
    """Seconds to the printed address and to the first answer."""
    address, first, cpu = [], [], []
    for _ in range(n):
        with Server() as server:
            address.append(server.address_s)
            first.append(server.start_s)
            cpu.append(server.cpu_s)
    return {
        "address_s": statistics.median(address),
        "start_s": statistics.median(first),
        "fastest_start_s": min(first),
        "cpu_s": statistics.median(cpu),
    }


def views(rng: random.Random) -> dict[str, Any]:
    """First view of a run that the server has not read, then past moments."""
    with Server() as server:
        get(server.port, "/api/runs")
        time.sleep(3)  # the page is open
        began = time.perf_counter()
        get(server.port, "/api/runs/thousand")
        get(server.port, "/api/runs/thousand/series")
        first_view = time.perf_counter() - began
        get(server.port, f"/api/runs/thousand/frames/{ROUNDS}")
        all_read = time.perf_counter() - began
        parts: dict[str, list[float]] = {name: [] for name in ("panels", "graph", "card", "log", "frame")}
        before = server.cpu_s
        for step in rng.sample(range(ROUNDS + 1), ROUNDS + 1):
            base = f"/api/runs/thousand/steps/{step}"
            for name, path in (
                ("panels", base),
                ("graph", f"{base}/graph"),
                ("card", f"{base}/agents/{rng.randrange(AGENTS)}"),
                ("log", f"/api/runs/thousand/log?step={step}&limit=200"),
                ("frame", f"/api/runs/thousand/frames/{step}"),
            ):
                parts[name].append(get(server.port, path)[0] * 1000)
        cpu_ms = (server.cpu_s - before) * 1000 / (ROUNDS + 1)
    moments = {
        name: {"median_ms": statistics.median(each), "min_ms": min(each), "max_ms": max(each)}
        for name, each in parts.items()
    }
    return {"first_view_s": first_view, "all_read_s": all_read, "moments": moments, "cpu_ms_of_all_five": cpu_ms}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULT, help="file of the result")
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RECGPT_RUNS"] = folder
        from recgpt.simulate import runner
        from recgpt.simulate.worlds.society.config import SocietyConfig

        config = SocietyConfig(agents=AGENTS, rounds=ROUNDS, recommender="popularity", seed=SEED)
        runner.start("society", "thousand", config).close()
        found = {"start": starts(), "view": views(random.Random(SEED))}  # noqa: S311  # no secret
    result = {
        "command": "python benchmarks/web/server.py",
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "agents": AGENTS,
        "rounds": ROUNDS,
        "seed": SEED,
        "targets": TARGETS,
        **found,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
