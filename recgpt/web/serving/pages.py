"""Pages of the service: try it out, the list of its calls, login. All files come from this package."""

from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from recgpt.errors import DataError
from recgpt.web import pages as shared
from recgpt.web.access import Access, Guard
from recgpt.web.limits import network_of

_HERE = Path(__file__).parent / "static"
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


class LoginBody(BaseModel):
    """The token that was typed."""

    token: str


def login_page(access: Access, scope: Scope) -> HTMLResponse:
    """Login page, in place of a page without a session."""
    return shared.login_page(access, scope)


def add_pages(app: FastAPI, access: Access) -> None:
    """Add the pages, their files and the login."""

    @app.get("/", include_in_schema=False)
    async def try_out() -> Response:
        return HTMLResponse(_page("try_out.html"))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(_page("docs.html"))

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        found = _files().get(name)
        if found is not None:
            kind = _KINDS[Path(name).suffix]
            return Response(found, media_type=kind, headers={"cache-control": "no-cache"})
        try:
            return shared.static_file(name)
        except DataError as error:
            raise HTTPException(404, str(error)) from error

    @app.post("/api/login", include_in_schema=False)
    async def login(body: LoginBody, request: Request) -> Response:
        guard: Guard = app.state.guard
        guard.check_token(body.token, network_of(request.client.host if request.client else ""))
        response = Response(status_code=204)
        shared.session_cookie(access, response)
        return response


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_HERE.iterdir()) if path.suffix in _KINDS}


@cache
def _page(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
