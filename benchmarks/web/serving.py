"""Latency of `recgpt serve` under load, its answers beside those one at a time, and beside an index built anew.

    recgpt encode games --encoder all-MiniLM-L6-v2       # a copy of ../shared/data/test/amazon_games
    python benchmarks/web/serving.py games

The server and one process of clients share this machine, over loopback. Each of the clients keeps a connection and
sends the last 20 items of a random user for 10 recommendations:

- closed: the next request as soon as the answer is there, the most that the service does;
- paced: at a fixed rate of all clients together; latency counts from the planned time, so that a late client hides
  nothing;
- with events: paced, while another client sends interactions.

Limits beside it: a call without a model (`/health`, paced), the model alone in batches, one request alone.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.device import hardware
from recgpt.encode import embeddings_for
from recgpt.files import write_text
from recgpt.foundation.model import SHIPPED
from recgpt.models import load_model
from recgpt.program import run
from recgpt.tables import print_tables

RESULT = Path(__file__).parents[1] / "results" / "web" / "serving.json"
HISTORY, K = 20, 10
COMPARED = 200
START_S = 900
HEALTH_RATE = 4_000.0  # below the 5,000 requests a second that one address may send


# --- clients ---


class Connection:
    """One kept connection of a client."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> "Connection":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    def close(self) -> None:
        """Disconnect."""
        self._writer.close()

    async def call(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of an answer."""
        method, content = ("GET", b"") if body is None else ("POST", body)
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\n"
        if body is not None:
            head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self._writer.write(head.encode() + b"\r\n" + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        found = re.search(r"content-length: (\d+)", answer, re.IGNORECASE)
        return int(answer[9:12]), await self._reader.readexactly(int(found[1]) if found else 0)


async def client(
    port: int, bodies: list[bytes], until: float, rng: np.random.Generator, gap_s: float, path: str
) -> list[tuple[float, float, int]]:
    """Latency, time and status of the requests of one client; `gap_s` 0: one after the other."""
    connection = await Connection(port).open()
    found = []
    planned = time.perf_counter() + gap_s * rng.random()
    while (start := max(time.perf_counter(), planned) if gap_s else time.perf_counter()) < until:
        if gap_s:
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            start, planned = planned, planned + gap_s
        body = bodies[rng.integers(len(bodies))] if path == "/recommend" else None
        status, _ = await connection.call(path, body)
        end = time.perf_counter()
        found.append((end - start, end, status))
    connection.close()
    return found


async def observer(port: int, events: list[bytes], until: float, gap_s: float) -> list[float]:
    """Latency of calls with new interactions."""
    connection, found = await Connection(port).open(), []
    for body in events:
        start = time.perf_counter()
        if start >= until:
            break
        status, answer = await connection.call("/observe", body)
        if status != 200:
            raise RuntimeError(answer.decode())
        found.append(time.perf_counter() - start)
        await asyncio.sleep(max(0.0, gap_s - (time.perf_counter() - start)))
    connection.close()
    return found


def load(
    port: int,
    bodies: list[bytes],
    *,
    clients: int,
    seconds: float,
    rate: float = 0.0,
    seed: int = 0,
    events: list[bytes] | None = None,
    path: str = "/recommend",
) -> dict[str, Any]:
    """Send requests, and summarise latency; the first fifth of the time is left out."""

    async def play() -> tuple[list[Any], list[float], float]:
        start = time.perf_counter()
        until = start + seconds
        gap_s = clients / rate if rate else 0.0
        rngs = np.random.default_rng(seed).spawn(clients)
        jobs = [client(port, bodies, until, rng, gap_s, path) for rng in rngs]
        watched = asyncio.create_task(observer(port, events or [], until, 0.05))
        answers, observed = await asyncio.gather(*jobs), await watched
        return [each for answer in answers for each in answer], observed, start

    found, observed, start = asyncio.run(play())
    kept = [(latency, status) for latency, end, status in found if end > start + seconds / 5]
    latency_ms = 1000 * np.array([latency for latency, _ in kept])
    p50, p95, p99 = np.percentile(latency_ms, [50, 95, 99]).tolist()
    return {
        "clients": clients,
        "rate": rate,
        "requests": len(kept),
        "failed": sum(status != 200 for _, status in kept),
        "per_second": len(kept) / (0.8 * seconds),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "max_ms": float(latency_ms.max()),
        "observe_calls": len(observed),
        "observe_p99_ms": float(1000 * np.percentile(observed, 99)) if observed else None,
    }


def in_process(**arguments: Any) -> dict[str, Any]:
    """`load` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(load, kwds=arguments)


async def one_at_a_time(port: int, bodies: list[bytes]) -> list[Any]:
    """Answers to requests that are sent alone."""
    connection = await Connection(port).open()
    answers = [json.loads((await connection.call("/recommend", body))[1]) for body in bodies]
    connection.close()
    return answers


async def together(port: int, bodies: list[bytes], clients: int) -> list[Any]:
    """Answers to requests that are sent by many clients at once."""
    parts = await asyncio.gather(*(one_at_a_time(port, bodies[start::clients]) for start in range(clients)))
    answers: list[Any] = [None] * len(bodies)
    for start, part in enumerate(parts):
        answers[start::clients] = part
    return answers


# --- the service and the model ---


@contextlib.contextmanager
def server(folder: Path, log: Path) -> Iterator[tuple[int, float]]:
    """Port of a server in a process of its own, and the seconds of its start."""
    command = [sys.executable, "-m", "recgpt.cli.main", "serve", "--items", str(folder), "--port", "0"]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--log", str(log)], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise RuntimeError(f"the server did not start: {line}")
        yield int(found[1]), time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(timeout=60)


def new_events(dataset: Dataset, log: Path) -> Interactions:
    """Events of a log as dense ids, in their order; new users follow the known ones."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    users = {user: row for row, user in enumerate(dataset.user_map.ids.to_list())}
    user = [users.setdefault(line["user_id"], len(users)) for line in lines]
    item = dataset.item_map.to_dense([line["item_id"] for line in lines])
    return Interactions(np.array(user, np.int32), item)


def differences(answers: list[Any], others: list[Any]) -> dict[str, Any]:
    """Answers with other items or another order, and the largest difference of a score."""
    pairs = [(one["recommendations"], other["recommendations"]) for one, other in zip(answers, others, strict=True)]
    different = sum([a["item_id"] for a in one] != [b["item_id"] for b in other] for one, other in pairs)
    gaps = [abs(a["score"] - b["score"]) for one, other in pairs for a, b in zip(one, other, strict=False)]
    return {"compared": len(pairs), "different": different, "largest_score_difference": max(gaps, default=0.0)}


def model_alone(catalogue: Any, rows: list[list[int]], batch: int, seconds: float = 3.0) -> float:
    """Milliseconds a ranking, in batches of this size."""
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        part = [rows[(done + place) % len(rows)] for place in range(batch)]
        catalogue.recommend(Ragged.from_lists(part), K, ids="rows")
        done += batch
    return 1000 * (time.perf_counter() - start) / done


def rebuilt(dataset: Dataset, log: Path, rows: list[list[int]]) -> tuple[list[Any], dict[str, float]]:
    """Answers of an index that counts past and events anew, and the speed of the model alone."""
    model = load_model(SHIPPED)
    encoder = model.text_encoder
    embeddings_NE = embeddings_for(dataset, encoder["encoder"], encoder.get("template", "fields"))
    past = dataset.interactions
    catalogue = model.index(dataset.items, interactions=past, embeddings=np.asarray(embeddings_NE))
    alone = {f"batch_{batch}": model_alone(catalogue, rows, batch) for batch in (1, 8, 64)}
    with tempfile.TemporaryDirectory() as folder:
        catalogue.observe(new_events(dataset, log))
        catalogue.save(Path(folder))
        again = model.open_index(Path(folder), np.asarray(embeddings_NE))
    ranking = again.recommend(Ragged.from_lists(rows[:COMPARED]), K, ids="rows")
    answers = [
        {"recommendations": [{"item_id": i, "score": s} for i, s in zip(ids, scores, strict=False)]}
        for ids, scores in zip(ranking.item_ids, ranking.scores.tolist(), strict=True)
    ]
    return answers, alone


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    dataset = Dataset.load(arguments.dataset)
    rng = np.random.default_rng(arguments.seed)
    users = rng.permutation(np.flatnonzero(dataset.sequences.lengths >= 3))[:2_000]
    rows = [dataset.sequences[user][-HISTORY:].tolist() for user in users]
    outside = dataset.item_map.ids.to_list()
    bodies = [json.dumps({"history": [outside[row] for row in history], "k": K}).encode() for history in rows]
    ids = dataset.user_map.ids.to_list()
    events = [
        json.dumps(
            {
                "events": [
                    {"user_id": ids[rng.integers(len(ids))], "item_id": outside[rng.integers(len(outside))]}
                    for _ in range(5)
                ]
            }
        ).encode()
        for _ in range(2_000)
    ]
    common: dict[str, Any] = {"bodies": bodies, "clients": arguments.clients, "seconds": arguments.seconds}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "observed.jsonl"
        with server(arguments.dataset, log) as (port, start_s):
            alone = asyncio.run(one_at_a_time(port, bodies[:COMPARED]))
            beside = asyncio.run(together(port, bodies[:COMPARED], arguments.clients))
            figures = {
                "health": in_process(port=port, **common, path="/health", rate=HEALTH_RATE),
                "one client": in_process(port=port, **{**common, "clients": 1}),
                "closed": in_process(port=port, **common),
            }
            for rate in arguments.rates:
                figures[f"paced {rate:g}/s"] = in_process(port=port, **common, rate=rate)
            rate = arguments.rates[0]
            figures[f"paced {rate:g}/s, with events"] = in_process(port=port, **common, rate=rate, events=events)
            after = asyncio.run(one_at_a_time(port, bodies[:COMPARED]))
        again, model_ms = rebuilt(dataset, log, rows)
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "http": [name for name in ("httptools", "uvloop") if find_spec(name)] or ["h11", "asyncio"],
        "load_of_the_machine": os.getloadavg()[1],
        "dataset": dataset.name,
        "items": dataset.n_items,
        "interactions": dataset.n_interactions,
        "seed": arguments.seed,
        "seconds": arguments.seconds,
        "start_s": start_s,
        "model_ms_a_ranking": model_ms,
        "load": figures,
        "together_and_one_at_a_time": differences(beside, alone),
        "after_events_and_an_index_built_anew": differences(after, again),
    }


def page(found: dict[str, Any]) -> str:
    """The figures as a page."""
    lines = [
        "# Serving",
        "",
        f"`python benchmarks/web/serving.py`, {found['made'][:10]}: {found['hardware']}; {found['dataset']},"
        f" {found['items']:,} items, {found['interactions']:,} interactions; histories of {HISTORY} items, k = {K};"
        f" seed {found['seed']}; HTTP by {' and '.join(found['http'])}. Server and clients"
        " share the machine, whose average load over the five minutes before"
        f" the end was {found['load_of_the_machine']:.1f}.",
        "",
        "| load | clients | requests/s | p50 | p95 | p99 | failed |",
        "|-|-:|-:|-:|-:|-:|-:|",
    ]
    for name, each in found["load"].items():
        latency = " | ".join(f"{each[key]:.1f} ms" for key in ("p50_ms", "p95_ms", "p99_ms"))
        lines.append(f"| {name} | {each['clients']} | {each['per_second']:,.0f} | {latency} | {each['failed']} |")
    model = ", ".join(f"{name.replace('_', ' of ')}: {ms:.2f} ms" for name, ms in found["model_ms_a_ranking"].items())
    lines += ["", f"The model alone, a ranking: {model}. Start of the service: {found['start_s']:.0f} s.", ""]
    for name in ("together_and_one_at_a_time", "after_events_and_an_index_built_anew"):
        each = found[name]
        lines.append(
            f"- {name.replace('_', ' ').capitalize()}: {each['different']} of {each['compared']} answers differ in"
            f" items or order; scores by at most {each['largest_score_difference']:.1e}."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the command line, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="data set folder")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each load")
    parser.add_argument("--rates", type=float, nargs="+", default=[400.0, 600.0], help="requests a second, paced")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=RESULT)
    arguments = parser.parse_args()
    found = measure(arguments)
    write_text(arguments.json, json.dumps(found, indent=2) + "\n")
    write_text(arguments.json.with_suffix(".md"), page(found))
    table = Table("load", "requests/s", "p50", "p99", box=None)
    for name, each in found["load"].items():
        table.add_row(name, f"{each['per_second']:,.0f}", f"{each['p50_ms']:.1f} ms", f"{each['p99_ms']:.1f} ms")
    print_tables(table)


if __name__ == "__main__":
    run(main, "serving.py")
