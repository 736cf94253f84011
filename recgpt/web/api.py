"""Calls that read: runs, frames, moments, graphs, agents, log lines, and the stream."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from recgpt.simulate.watch import LogLine
from recgpt.web.access import RefusedError
from recgpt.web.followers import Reading, to_json
from recgpt.web.limits import network_of
from recgpt.web.pages import client_of
from recgpt.web.runs import listed_runs, status_of
from recgpt.web.service import MissingError, service_of
from recgpt.web.stream import EventStream, events_of

T = TypeVar("T")
MOST_LINES, MOST_FOUND, MOST_CHARS = 1000, 200, 200
_PIECE_S, _PAUSE_S = 0.05, 0.003  # of a search of the log, about; for the reading of steps in between

router = APIRouter(prefix="/api")
Lines = Annotated[int, Query(ge=1, le=MOST_LINES)]
Text = Annotated[str, Query(max_length=MOST_CHARS)]
Step = Annotated[int, Query(ge=0)]
Live = Annotated[bool, Query(description="of the latest step that was read instead: its state is at hand")]


async def asked(request: Request, reading: Reading, question: Callable[[], T]) -> T:
    """Answer of a watch, between the steps that are read."""

    def answer() -> T:
        with reading.turns.first():
            return question()

    async with service_of(request).work:
        return await asyncio.to_thread(answer)


async def answered(request: Request, reading: Reading, question: Callable[[], Any]) -> Response:
    """Answer of a watch as JSON, which is made beside the server's loop."""
    return Response(await asked(request, reading, lambda: to_json(question())), media_type="application/json")


@router.get("/runs")
async def runs(request: Request) -> list[dict[str, Any]]:
    """All runs, live ones first."""
    service = service_of(request)
    async with service.work:
        return await asyncio.to_thread(listed_runs, service.players)


@router.get("/runs/{run}")
async def run(request: Request, run: str) -> dict[str, Any]:
    """A run: constants, status and manifest."""
    service = service_of(request)
    player = service.players.of(run)
    if player is not None and player.state == "starting":
        follower = service.follower(run)
        return await asyncio.to_thread(status_of, run, follower.reading, None, service.players)
    reading = await service.reading(run)
    return await asyncio.to_thread(status_of, run, reading, None, service.players)


@router.get("/runs/{run}/series")
async def series(request: Request, run: str) -> dict[str, Any]:
    """Values of all figures and all marks, of the steps read so far."""
    reading = await service_of(request).reading(run)
    return await asyncio.to_thread(reading.series)


@router.get("/runs/{run}/frames/{step}")
async def frame(request: Request, run: str, step: int) -> Response:
    """Frame of a step."""
    reading = await service_of(request).reading(run, step)
    return Response(reading.frame(step), media_type="application/json")


@router.get("/runs/{run}/steps/{step}")
async def moment(request: Request, run: str, step: int, live: Live = False) -> Any:
    """Panels as they were after a step."""
    reading = await service_of(request).reading(run, step)
    return await answered(request, reading, lambda: reading.watch.moment(reading.last if live else step))


@router.get("/runs/{run}/steps/{step}/graph")
async def graph(request: Request, run: str, step: int, ego: int | None = None, live: Live = False) -> Any:
    """Social graph as it was after a step, or of one agent and its friends; null without one."""
    reading = await service_of(request).reading(run, step)
    if ego is not None:
        _check_agent(reading, run, ego)
    return await answered(request, reading, lambda: reading.watch.graph(reading.last if live else step, ego))


@router.get("/runs/{run}/steps/{step}/agents/{agent}")
async def agent(request: Request, run: str, step: int, agent: int, live: Live = False) -> Any:
    """Card of an agent as it was after a step."""
    reading = await service_of(request).reading(run, step)
    _check_agent(reading, run, agent)
    return await answered(request, reading, lambda: reading.watch.agent(reading.last if live else step, agent))


def _check_agent(reading: Reading, run: str, agent: int) -> None:
    if not 0 <= agent < reading.about["n_agents"]:
        raise MissingError(f"run {run} has no agent {agent}: choose one from 0 to {reading.about['n_agents'] - 1}")


@router.get("/runs/{run}/agents")
async def agents(
    request: Request, run: str, query: Text = "", limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 20
) -> Any:
    """Agents by name or number."""
    reading = await service_of(request).reading(run)
    return await answered(request, reading, lambda: reading.watch.find(query, limit))


@router.get("/runs/{run}/log")
async def log(
    request: Request,
    run: str,
    step: Step,
    agent: int | None = None,
    kind: Text = "",
    text: Text = "",
    limit: Lines = 200,
) -> Any:
    """Latest log lines up to a step."""
    reading = await service_of(request).reading(run, step)

    def search(since: int, last: int, n: int) -> list[LogLine]:
        return reading.watch.log(last, agent=agent, kind=kind or None, text=text, limit=n, since=since)

    return JSONResponse(await _in_pieces(request, reading, search, step, limit))


async def _in_pieces(
    request: Request, reading: Reading, search: Callable[[int, int, int], list[LogLine]], step: int, limit: int
) -> list[LogLine]:
    """Lines found from the newest step back, a few steps at a time, with other turns at the watch in between."""
    found: list[LogLine] = []
    last, n_steps = step, 1
    while True:
        since, n_wanted = max(last - n_steps + 1, 1), limit - len(found)

        def piece(since: int = since, last: int = last, n: int = n_wanted) -> tuple[list[LogLine], float]:
            began = time.perf_counter()
            return search(since, last, n), time.perf_counter() - began

        lines, seconds = await asked(request, reading, piece)
        found, last = found + lines, since - 1
        if last < 1 or len(found) >= limit or await request.is_disconnected():
            return found
        n_steps = 2 * n_steps if seconds < _PIECE_S / 2 else max(n_steps // 2, 1) if seconds > _PIECE_S else n_steps
        await asyncio.sleep(_PAUSE_S)


@router.get("/runs/{run}/stream")
async def stream(request: Request, run: str, after: int | None = None) -> Response:
    """Events of the run from now on, or after a step."""
    service = service_of(request)
    follower = service.follower(run)
    address = network_of(client_of(request))
    last_id = request.headers.get("last-event-id", "")
    if last_id.isascii() and last_id.isdecimal() and len(last_id) < 12:
        after = int(last_id)
    if not service.streams.take(address):
        raise RefusedError(429, "too many open streams: close some tabs", {"retry-after": "10", "connection": "close"})

    def status() -> dict[str, Any]:
        return status_of(run, follower.reading, follower.error, service.players)

    def prompt() -> str | None:
        player = service.players.of(run)
        return None if player is None else player.prompt

    pieces = events_of(follower, status, prompt, after)
    return EventStream(pieces, ended=lambda: service.streams.give_back(address))
