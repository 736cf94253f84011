"""Stream of a run as server-sent events: frames, status, progress of reading, and prompts.

The id of an event is its step, so that a browser that connects again goes on after the last frame it has. A slow reader
skips frames: nothing is queued for it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recgpt.web.followers import Follower, Reading

HEARTBEAT_S = 15.0
SEND_S = 30.0
"""Seconds in which a reader must take a piece, before its stream is closed."""
MOST_BEHIND = 100
"""Frames that a reader may be behind before it skips to the latest ones."""

Status = Callable[[], Mapping[str, Any]]
"""Status of the run, as `GET /api/runs/{id}`."""


class EventStream(Response):
    """Answer that sends pieces until they end, the reader leaves, or takes nothing for `SEND_S` seconds.

    Parameters
    ----------
    ended
        Called once at the end.
    """

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._pieces, self._ended = pieces, ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._ended()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with suppress(TimeoutError, OSError):
            async for piece in self._pieces:
                await asyncio.wait_for(send({"type": "http.response.body", "body": piece, "more_body": True}), SEND_S)
            await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(name: str, data: bytes, number: int | None = None) -> bytes:
    """A server-sent event; `data` is JSON on one line."""
    head = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)


async def events_of(follower: Follower, status: Status, prompt: Callable[[], str | None], after: int | None) -> Any:
    """Events of a run after a step; by default from the latest frame.

    Yields
    ------
    bytes
        Pieces of the stream.
    """
    yield b"retry: 1000\n\n"
    state = _Sent(after)
    with follower.listening() as changed:
        while not follower.is_closed:
            changed.clear()
            pieces = await asyncio.to_thread(state.news, follower, status, prompt)
            for piece in pieces:
                yield piece
            if pieces:
                continue
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT_S)
            except TimeoutError:
                yield b": alive\n\n"


class _Sent:
    """What a stream has sent, from which follows what is new."""

    def __init__(self, after: int | None) -> None:
        self._after = after
        self._number: int | None = None
        self._status = self._prompt = b""
        self._progress: tuple[int, int] | None = None

    def news(self, follower: Follower, status: Status, prompt: Callable[[], str | None]) -> list[bytes]:
        """Events that are new."""
        pieces = []
        reading = follower.reading
        if reading is not None:
            pieces += self._frames(reading)
        found = dict(status())
        state = json.dumps({**found, "n_steps": 0}, ensure_ascii=False).encode()
        if state != self._status:
            self._status = state
            pieces.append(event("status", json.dumps(found, ensure_ascii=False).encode()))
        asked = json.dumps({"text": prompt()}, ensure_ascii=False).encode()
        if asked != (self._prompt or b'{"text": null}'):
            pieces.append(event("prompt", asked))
        self._prompt = asked
        return pieces

    def _frames(self, reading: Reading) -> list[bytes]:
        pieces = []
        last = reading.last
        if self._number not in (None, reading.number) or (self._after or 0) > max(reading.n_stored, last):
            self._after = -1
            pieces.append(event("reset", b"{}"))
        self._number = reading.number
        begin = last if self._after is None else self._after + 1
        begin = max(begin, last - MOST_BEHIND + 1) if last - begin >= MOST_BEHIND else begin
        pieces += [event("frame", reading.frame(step), step) for step in range(begin, last + 1)]
        self._after = max(last, -1 if self._after is None else self._after)
        progress = (last, reading.n_stored)
        if progress != self._progress and (last < reading.n_stored or self._progress is not None):
            self._progress = progress if last < reading.n_stored else None
            pieces.append(event("reading", json.dumps({"done": last, "total": reading.n_stored}).encode()))
        return pieces
