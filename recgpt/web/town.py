"""Calls of a town's map and residents, `/api/runs/{run}/town/…`.

A page asks once for the map, then for blocks of movements ahead of the shown time, and draws every tick by itself.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.web.api import answered
from recgpt.web.controls import Body, scheduled
from recgpt.web.followers import Reading
from recgpt.web.service import MissingError, service_of

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.watch import TownWatch

TOWN = "town"
Number = Annotated[int, Query(ge=0)]

router = APIRouter(prefix="/api/runs/{run}/town")


def _watch(reading: Reading) -> "TownWatch":
    """Watch of a town.

    Raises
    ------
    MissingError
        The run is of another world.
    """
    from recgpt.simulate.worlds.town.watch import TownWatch

    if not isinstance(reading.watch, TownWatch):
        raise MissingError(f"run {reading.run.run_id} has no map: it is of the world {reading.about['world']!r}")
    return reading.watch


@router.get("/map")
async def town_map(request: Request, run: str) -> Response:
    """The static map: grids, places, residents, activities, facts."""
    return _zipped(_watch(await service_of(request).reading(run)).map_content)


@router.get("/blocks/{block}")
async def block(request: Request, run: str, block: int) -> Response:
    """Movements of a block, from which every tick of it can be drawn."""
    reading = await service_of(request).reading(run, block)
    return _zipped(_watch(reading).block(block))


def _zipped(content: bytes) -> Response:
    """JSON that is kept compressed."""
    return Response(content, media_type="application/json", headers={"content-encoding": "gzip"})


async def _read_to(request: Request, run: str, tick: int) -> Reading:
    """Reading of a run once it has the block of a tick."""
    reading = await service_of(request).reading(run)
    return await service_of(request).reading(run, _watch(reading).block_of(tick))


@router.get("/ticks/{tick}/residents/{agent}")
async def resident(request: Request, run: str, tick: int, agent: int) -> Any:
    """A resident at a tick: plan, memories, relations, facts, feed."""
    reading = await _read_to(request, run, tick)
    watch = _watch(reading)
    if not 0 <= agent < reading.about["n_agents"]:
        raise MissingError(f"run {run} has no agent {agent}: choose one from 0 to {reading.about['n_agents'] - 1}")
    return await answered(request, reading, lambda: watch.person(tick, agent))


@router.get("/ticks/{tick}/facts")
async def facts(request: Request, run: str, tick: int) -> Any:
    """Facts and the residents that know them at a tick, each with its source."""
    reading = await _read_to(request, run, tick)
    watch = _watch(reading)
    return await answered(request, reading, lambda: watch.facts(tick))


@router.get("/heat")
async def heat(request: Request, run: str, first: Number = 1, last: Number = 1) -> Any:
    """Tiles on which residents stood from one block to another."""
    reading = await service_of(request).reading(run, last)
    watch = _watch(reading)
    return await answered(request, reading, lambda: watch.heat(first, last))


class TownEdit(Body):
    """An entry of the schedule, from the block after `at` on; its fields are those of its kind."""

    at: int = Field(ge=0)
    entry: dict[str, Any]


@router.post("/edit")
async def edit(request: Request, run: str, body: TownEdit) -> dict[str, Any]:
    """Fork a run, with a whisper, a move or another edit from the next block on.

    Raises
    ------
    SimulationError
        The entry is none of a town's schedule.
    """
    from pydantic import TypeAdapter, ValidationError

    from recgpt.simulate.worlds.town.schedule import Edit

    service = service_of(request)
    service.check(run)

    def check_world() -> None:
        with Run.open(run) as opened:
            if opened.manifest.world != TOWN:
                raise SimulationError(f"run {run} is of the world {opened.manifest.world!r}: it has no town to edit")

    await asyncio.to_thread(check_world)
    entry = {**body.entry, "block": body.at + 1}
    try:
        checked: Any = TypeAdapter(Edit).validate_python(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "kind"
        raise SimulationError(f"{place}: {first['msg']}") from error
    return await scheduled(service, run, body.at, [checked.model_dump(mode="json")])
