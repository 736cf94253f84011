"""Addresses of the pages of Generative Agents, which lead to the view of a run.

`/simulator_home`, `/replay/{sim}/{step}/`, `/demo/{sim}/{step}/{speed}/`, `/replay_persona_state/{sim}/{step}/{name}/`:
the simulation is the id of a run, a step a tick.
"""

import re
from urllib.parse import urlencode

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STEP = re.compile(r"\d{1,9}", re.ASCII)
_FAST = 600
"""Simulated seconds a second of the published speeds 4 to 6, 8 to 32 pixels a frame; the others are 60."""


def view_of(sim: str, step: str = "", **place: str | int) -> Response:
    """Redirect to the page of a run at a tick; what can be no run leads to the list of runs."""
    if not _RUN_ID.fullmatch(sim):
        return RedirectResponse("/", 307)
    shown = {"tick": step, **place} if _STEP.fullmatch(step) else place
    return RedirectResponse(f"/runs/{sim}#{urlencode(shown)}" if shown else f"/runs/{sim}", 307)


def add_published_pages(app: FastAPI, run: str | None) -> None:
    """Add the published addresses.

    Parameters
    ----------
    run
        Run that the server was started with, for the live page.
    """

    @app.get("/simulator_home")
    @app.get("/simulator_home/")
    async def simulator_home() -> Response:
        return RedirectResponse("/", 307) if run is None else view_of(run)

    @app.get("/replay/{sim}/{step}")
    @app.get("/replay/{sim}/{step}/")
    async def replay(sim: str, step: str) -> Response:
        return view_of(sim, step, play=60)

    @app.get("/demo/{sim}/{step}/{speed}")
    @app.get("/demo/{sim}/{step}/{speed}/")
    async def demo(sim: str, step: str, speed: str) -> Response:
        return view_of(sim, step, play=_FAST if speed in ("4", "5", "6") else 60)

    @app.get("/replay_persona_state/{sim}/{step}/{name}")
    @app.get("/replay_persona_state/{sim}/{step}/{name}/")
    async def persona_state(sim: str, step: str, name: str) -> Response:
        return view_of(sim, step, name=name.replace("_", " ")[:100])
