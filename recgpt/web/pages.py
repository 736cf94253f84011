"""Shells of the pages and their static files; only listed files are served.

The page's modules are served as one script, `app.js`: sixty requests of a browser take longer than all else of a view.
"""

import secrets
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from recgpt.errors import DataError
from recgpt.version import __version__
from recgpt.web.access import Access
from recgpt.web.scripts import one_script

_HERE = Path(__file__).parent
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@cache
def _app_script() -> str:
    return one_script(_HERE / "static", "main.js")


@cache
def static_files() -> dict[str, Path]:
    """The files that are served under /static, by name."""
    return {path.name: path for path in sorted((_HERE / "static").iterdir()) if path.suffix in _KINDS}


def static_file(name: str) -> Response:
    """A static file.

    Raises
    ------
    DataError
        No file has this name.
    """
    if name == "app.js":
        return Response(_app_script(), media_type=_KINDS[".js"], headers={"cache-control": "no-cache"})
    path = static_files().get(name)
    if path is None:
        raise DataError("there is no such file")
    content = path.read_bytes()
    return Response(content, media_type=_KINDS[path.suffix], headers={"cache-control": "no-cache"})


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=select_autoescape(default=True))


def shell(access: Access, scope: Scope, page: str, title: str, *, status: int = 200) -> HTMLResponse:
    """HTML of a page, which its script fills.

    Parameters
    ----------
    page
        Name of the page: runs, run, compare, new or login.
    """
    csrf = access.csrf(access.cookie_of(scope))
    content = {"page": page, "title": title, "csrf": csrf, "version": __version__, "has_token": bool(access.token)}
    return HTMLResponse(_templates().get_template("shell.html.j2").render(content), status)


def login_page(access: Access, scope: Scope) -> HTMLResponse:
    """Login page, in place of any page without a session."""
    csrf = access.csrf("")
    return HTMLResponse(_templates().get_template("login.html.j2").render(csrf=csrf, title="Log in"), 401)


def session_cookie(access: Access, response: Response) -> None:
    """Put a new session into an answer."""
    response.set_cookie(access.cookie_name, access.new_session(), httponly=True, samesite="strict", path="/")


def new_token() -> str:
    """A random token."""
    return secrets.token_urlsafe(24)


def client_of(request: Request) -> str:
    """Address of a client."""
    return request.client.host if request.client else ""
