"""Pages of the service: try it out, and the list of its calls. All files come from this package."""

from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException
from starlette.responses import HTMLResponse, Response

from recgpt.errors import DataError
from recgpt.web.pages import static_file

_HERE = Path(__file__).parent / "static"
_KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def add_pages(app: FastAPI) -> None:
    """Add the pages and their files; some of them are those of `recgpt web`."""

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
            return Response(found, media_type=_KINDS[Path(name).suffix], headers={"cache-control": "no-cache"})
        try:
            return static_file(name)
        except DataError as error:
            raise HTTPException(404, str(error)) from error


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_HERE.iterdir()) if path.suffix in _KINDS}


@cache
def _page(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
