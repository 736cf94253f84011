"""HTTP application of a served catalogue: calls, pages, errors in one line, figures for Prometheus.

    app = create_app(service, Access(host="127.0.0.1", port=8000))     # an ASGI application

Each call is checked by `recgpt.web.access`, waits in one line (`recgpt.web.serving.waiting`) and is counted.
"""

import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic_core import ValidationError, to_json
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recgpt.errors import RecGPTError, StorageError
from recgpt.terminal import plain
from recgpt.version import __version__
from recgpt.web.access import Access, Guard, RefusedError, replayed
from recgpt.web.app import add_login
from recgpt.web.limits import Buckets
from recgpt.web.pages import login_page
from recgpt.web.serving import pages
from recgpt.web.serving.event_log import Event
from recgpt.web.serving.metrics import Metrics
from recgpt.web.serving.schemas import (
    LONGEST_ID,
    ExplainBody,
    Explanation,
    Health,
    ItemDetails,
    Items,
    ObserveBody,
    Observed,
    Problem,
    Recommendations,
    RecommendBody,
)
from recgpt.web.serving.service import ExplainRequest, RankRequest, Service
from recgpt.web.serving.waiting import BusyError, WaitingLine

CALLS = ("/recommend", "/observe", "/explain", "/items", "/health", "/metrics", "/openapi.json", "/api/")
PER_SECOND, BURST = 5_000, 10_000
"""Requests of one address: the waiting line is the tighter limit."""
_LONGEST_PROBLEM = 500
_ID_BRANCHES = {"int", "str", "constrained-int", "constrained-str"}  # names of types of an id in places of pydantic
_REFUSALS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "an unknown id or a value that is not allowed"},
    503: {"model": Problem, "description": "too many requests wait; the header Retry-After has the seconds to wait"},
}
_DESCRIPTION = """Recommendations, explanations and new interactions for one catalogue. Items and users have the ids of
its files. Calls with a body take JSON (`content-type: application/json`); a refusal is `{"error": one line}`."""


def create_app(service: Service, access: Access, waiting: WaitingLine | None = None) -> ASGIApp:
    """HTTP application of a service.

    Parameters
    ----------
    access
        Addresses at which it answers, and its token.
    waiting
        The waiting line; None for one with the usual limits.
    """
    metrics = Metrics()
    metrics.items.set(len(service))
    line = WaitingLine() if waiting is None else waiting
    line.on_batch = metrics.batches.observe
    metrics.waiting.set_function(lambda: len(line))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        line.start()
        yield
        await line.close()

    app = FastAPI(
        title="RecGPT",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_REFUSALS,
    )
    _add_calls(app, service, line, metrics)
    pages.add_pages(app)
    _add_errors(app)
    app.add_middleware(DirectRecommend, service=service, line=line)
    guard = Guard(
        Counted(app, metrics),
        access,
        lambda scope: login_page(access, scope),
        calls=CALLS,
        csrf=False,
        requests=Buckets(per_second=PER_SECOND, burst=BURST),
    )
    add_login(app, access, guard)
    return guard


def _add_calls(app: FastAPI, service: Service, line: WaitingLine, metrics: Metrics) -> None:
    @app.post("/recommend", response_model=Recommendations)
    async def recommend(body: RecommendBody) -> Response:
        """Recommend items after a history or for a known user."""
        return await _recommended(service, line, body)

    @app.post("/explain", response_model=Explanation)
    async def explain(body: ExplainBody) -> Response:
        """Explain the score of an item by kinds of evidence and by items of the history."""
        request = ExplainRequest(body.item, body.history, body.user)
        return _json(await line.call(service.explain, request))

    @app.post("/observe", response_model=Observed)
    async def observe(body: ObserveBody) -> Response:
        """Take in new interactions: later rankings count them, and users' histories grow. All of a call, or none."""
        events = [Event(each.user_id, each.item_id, each.timestamp) for each in body.events]
        observed = await line.call(service.observe, events)
        metrics.observed.inc(observed)
        return _json({"observed": observed})

    @app.get("/items", response_model=Items)
    async def items(
        search: Annotated[str, Query(max_length=200, description="words of a title; empty for the first items")] = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """Items whose titles contain all words."""
        return _json({"items": service.search(search, limit)})

    @app.get("/items/{item_id:path}", response_model=ItemDetails, responses={404: {"model": Problem}})
    async def item(item_id: str) -> Response:
        """Title and texts of an item."""
        try:
            return _json(service.item(service.typed_id(item_id)))
        except RecGPTError as error:
            raise HTTPException(404, str(error)) from error

    @app.get("/health", response_model=Health)
    async def health() -> Response:
        """State of the service; it answers as soon as the catalogue is indexed."""
        about = service.about() | {"waiting": len(line), "version": __version__}
        return _json({"status": "ready", **about})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def figures() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _recommended(service: Service, line: WaitingLine, body: RecommendBody) -> Response:
    request = RankRequest(body.history, body.user, body.k, body.exclude)
    return _json({"recommendations": await line.call(service.rank, request)})


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, media_type="application/json")


# --- errors ---


def _add_errors(app: FastAPI) -> None:
    answers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        RecGPTError: _refused,
        StorageError: _not_stored,
        BusyError: _busy,
        RefusedError: _not_let_in,
        RequestValidationError: _invalid,
        StarletteHTTPException: _http_problem,
        Exception: _fault,
    }
    for kind, answer in answers.items():
        app.add_exception_handler(kind, answer)


class DirectRecommend:
    """Middleware that answers `POST /recommend` itself: the layers below cost more than all the rest of such a request.

    The answers are the same. Other calls go on, and bodies that are not valid, which are described there.
    """

    def __init__(self, app: ASGIApp, service: Service, line: WaitingLine) -> None:
        self._app, self._service, self._line = app, service, line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it go on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/recommend":
            await self._app(scope, receive, send)
            return
        message = await receive()  # the guard has read the whole body
        try:
            body = RecommendBody.model_validate_json(message.get("body", b""))
        except ValidationError:
            await self._app(scope, replayed(message, receive), send)
            return
        try:
            response = await _recommended(self._service, self._line, body)
        except BusyError as error:
            response = await _busy(Request(scope), error)
        except RecGPTError as error:
            response = await _refused(Request(scope), error)
        await response(scope, receive, send)


def problem(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    """Answer with an error of one line."""
    return _json({"error": plain(text, _LONGEST_PROBLEM)}, status, headers)


async def _refused(_request: Request, error: RecGPTError) -> Response:
    return problem(str(error), 422)


async def _not_stored(_request: Request, _error: StorageError) -> Response:
    return problem("the events cannot be stored (disk full or failing), so they were not taken in", 503, _LATER)


async def _busy(_request: Request, error: BusyError) -> Response:
    return problem(str(error), 503, _LATER)


async def _not_let_in(_request: Request, refused: RefusedError) -> Response:
    return refused.response


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    places = [str(part) for part in first["loc"] if part not in ("body", "query")]
    text = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        places, text = [], f"the body is no JSON, from character {places[-1]} on: {first['ctx']['error']}"
    elif _ID_BRANCHES.intersection(places):
        places = [part for part in places if part not in _ID_BRANCHES]
        text = f"an id is a whole number of 64 bits, or text of at most {LONGEST_ID} characters"
    return problem(": ".join([".".join(places), text]) if places else text, 422)


async def _http_problem(request: Request, error: StarletteHTTPException) -> Response:
    texts = {
        400: "the body is no JSON in UTF-8, is nested too deeply, or has a number of too many digits",
        405: f"{request.method} is not a method of this call: /docs lists the calls",
    }
    text = "there is no such page or call: /docs lists the calls" if error.detail == "Not Found" else str(error.detail)
    return problem(texts.get(error.status_code, text), error.status_code)


async def _fault(_request: Request, error: Exception) -> Response:
    traceback.print_exception(error, file=sys.stderr)
    return problem("a fault of the service; its terminal shows the details", 500)


_LATER = {"retry-after": "1"}


class Counted:
    """Middleware that counts answers and their seconds, by call."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, call = time.perf_counter(), _call(scope["path"])

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(call, str(message["status"])).inc()
                self._metrics.latency.labels(call).observe(time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, counting)


def _call(path: str) -> str:
    """Name of a call in the figures; paths are unbounded, names are not."""
    if path.startswith("/items/"):
        return "/items/{id}"
    return path if path in CALLS else "pages"
