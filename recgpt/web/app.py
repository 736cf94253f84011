"""The server's application: pages, calls, and the guard in front of them.

app = create_app(Access(host="127.0.0.1", port=8000))
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from recgpt.errors import DataError, RecGPTError
from recgpt.web import pages
from recgpt.web.access import CALLS, Access, Guard, RefusedError
from recgpt.web.limits import network_of
from recgpt.web.town_routes import add_published_pages

_PAGES = {
    "/": ("runs", "Runs"),
    "/runs/{run}": ("run", "Run"),
    "/compare": ("compare", "Compare"),
    "/new": ("new", "New run"),
}


class Login(BaseModel):
    """Body of a login."""

    token: str


class GuardedApp(Guard):
    """The application behind its guard."""

    def __init__(self, app: FastAPI, access: Access) -> None:
        super().__init__(app, access, lambda scope: pages.login_page(access, scope))
        self._state = app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; calls wait until their modules are loaded."""
        if scope["type"] != "lifespan" and scope["path"].startswith(CALLS):
            await asyncio.shield(self._state.calls)
        await super().__call__(scope, receive, send)

    def end_streams(self) -> None:
        """End all open streams."""
        if hasattr(self._state, "service"):
            self._state.service.followers.close()


def create_app(access: Access, *, run: str | None = None, plugin_names: Sequence[str] = ()) -> "GuardedApp":
    """Application of the page.

    Parameters
    ----------
    run
        Run of the published calls without a run in their path.
    plugin_names
        Classes `module:Class` that runs may import.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The first page does not wait for the modules of runs.
        app.state.calls = asyncio.ensure_future(asyncio.to_thread(_add_calls, app, access, run, plugin_names))
        try:
            yield
        finally:
            await app.state.calls
            await asyncio.to_thread(app.state.service.close)

    app = FastAPI(title="RecGPT", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    guard = GuardedApp(app, access)
    _add_pages(app, access)
    add_published_pages(app, run)
    add_login(app, access, guard)
    _add_errors(app)
    return guard


def _add_calls(app: FastAPI, access: Access, run: str | None, plugin_names: Sequence[str]) -> None:
    from recgpt.web import api, controls, recagent, town
    from recgpt.web.service import Service

    app.state.service = Service(access, run=run, plugin_names=plugin_names)
    for router in (api.router, controls.router, recagent.router, town.router):
        app.include_router(router)
    threading.Thread(target=app.state.service.warm, daemon=True).start()


def _add_pages(app: FastAPI, access: Access) -> None:
    for path, (name, title) in _PAGES.items():

        async def page(request: Request, name: str = name, title: str = title) -> Response:
            return pages.shell(access, request.scope, name, request.path_params.get("run", title))

        app.add_route(path, page, methods=["GET", "HEAD"])

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        return pages.static_file(name)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}


def add_login(app: FastAPI, access: Access, guard: Guard) -> None:
    """Add the call of the login page."""

    @app.post("/api/login", include_in_schema=False)
    async def login(request: Request, body: Login) -> Response:
        if access.token is not None:
            guard.check_token(body.token, network_of(pages.client_of(request)))
        response = JSONResponse({"ok": True})
        pages.session_cookie(access, response)
        return response


def _add_errors(app: FastAPI) -> None:
    """Every error is one line of JSON, without paths of this machine."""

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> Response:
        return error.response

    @app.exception_handler(RecGPTError)
    async def user_error(_request: Request, error: RecGPTError) -> Response:
        return _problem(_status_of(error), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        return _problem(422, f"{place}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def fault(_request: Request, error: Exception) -> Response:
        traceback.print_exception(error, file=sys.stderr)
        return _problem(500, "a fault of the program: the terminal of `recgpt web` shows it")


def _status_of(error: RecGPTError) -> int:
    from recgpt.web.players import BusyError
    from recgpt.web.service import MissingError

    if isinstance(error, MissingError | DataError):
        return 404
    return 409 if isinstance(error, BusyError) else 422


def _problem(status: int, text: str, headers: object = None) -> Response:
    from recgpt.web.cleaning import cleaned_text

    line = " ".join(cleaned_text(text).split())
    return JSONResponse({"error": line}, status, headers if isinstance(headers, dict) else None)
