"""Calls that change: create, control, fork, edit, take over and interview."""

import asyncio
import json
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path, taken
from recgpt.web.config_forms import checked_config, overrides_of, schemas, settings_of_yaml, yaml_of
from recgpt.web.permits import Permits
from recgpt.web.players import BusyError, Player
from recgpt.web.service import READY_S, Service, service_of

router = APIRouter(prefix="/api")
RunId = Annotated[str, Field(min_length=1, max_length=64)]
Speed = Annotated[float | None, Field(gt=0, le=1000)]
MOST_YAML_CHARS, MOST_QUESTION_CHARS = 200_000, 1000


class Body(BaseModel):
    """Body of a call; unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class NewRun(Body):
    """A run to be created."""

    run: RunId
    world: str
    config: dict[str, Any]
    overwrite: bool = False
    play: bool = False
    speed: Speed = None


class Control(Body):
    """An action on a run."""

    action: Literal["play", "pause", "step", "stop", "reset", "speed"]
    speed: Speed = None


class Fork(Body):
    """A fork, with changed settings by dotted name."""

    run: RunId | None = None
    at: int = Field(ge=0)
    set: dict[str, Any] = {}


class Edit(Body):
    """Other values of fields of an agent's profile, from the next step on."""

    at: int = Field(ge=0)
    agent: int = Field(ge=0)
    values: dict[str, str | int]


class TakeOver(Body):
    """An agent that a person plays, or plays no longer, from the next step on."""

    at: int = Field(ge=0)
    agent: int = Field(ge=0)


class Answer(Body):
    """Answer to a prompt."""

    text: str = Field(max_length=MOST_QUESTION_CHARS)


class Question(Body):
    """Question to an agent as it was after a step, in a town at a tick."""

    step: int = Field(ge=0)
    tick: int | None = Field(default=None, ge=0)
    agent: int = Field(ge=0)
    question: str = Field(min_length=1, max_length=MOST_QUESTION_CHARS)


class Import(Body):
    """Settings of a world as YAML."""

    world: str
    yaml: str = Field(max_length=MOST_YAML_CHARS)


class Export(Body):
    """Settings of a world."""

    world: str
    config: dict[str, Any]


def _permits(request: Request) -> Permits:
    return Permits(service_of(request).plugin_names)


@router.get("/worlds")
async def worlds(request: Request) -> list[dict[str, Any]]:
    """Worlds with the schemas and defaults of their settings."""
    return await asyncio.to_thread(lambda: schemas(_permits(request)))


@router.post("/config/import")
async def import_config(request: Request, body: Import) -> dict[str, Any]:
    """Settings in a YAML text, checked."""
    return {"config": await asyncio.to_thread(lambda: settings_of_yaml(body.world, body.yaml, _permits(request)))}


@router.post("/config/export")
async def export_config(request: Request, body: Export) -> dict[str, str]:
    """YAML text of settings, checked."""
    return {"yaml": await asyncio.to_thread(lambda: yaml_of(body.world, body.config, _permits(request)))}


@router.post("/runs")
async def create(request: Request, body: NewRun) -> dict[str, Any]:
    """Create a run, paused before its first step or playing."""
    service = service_of(request)
    config = await asyncio.to_thread(lambda: checked_config(body.world, body.config, _permits(request)))
    if run_path(body.run).is_file() and not body.overwrite:
        with Run.open(body.run) as run:
            if not run.is_empty:
                raise taken(body.run)
    job = {"do": "create", "world": body.world, "config": config.model_dump(mode="json"), "overwrite": body.overwrite}
    return await _started(service, body.run, job, plays=body.play, speed=body.speed)


@router.post("/runs/{run}/control")
async def control(request: Request, run: str, body: Control) -> dict[str, Any]:
    """Play, pause, step, stop, reset, or set the speed."""
    service = service_of(request)
    service.check(run)
    player = service.players.of(run)
    if body.action == "reset":
        return await _reset(service, run)
    if player is not None and player.is_alive:
        await asyncio.to_thread(player.order, body.action, body.speed)
        return {"run": run}
    if body.action in ("play", "step"):
        with Run.open(run) as opened:
            if opened.finished:
                raise BusyError(f"run {run} is finished: fork it at one of its steps, or reset it")
        found = await _started(service, run, {"do": "resume"}, plays=body.action == "play", speed=body.speed)
        if body.action == "step" and (player := service.players.of(run)) is not None:
            await asyncio.to_thread(player.order, "step")
        return found
    raise BusyError(f"run {run} is not being played here: play it first")


async def _reset(service: Service, run_id: str) -> dict[str, Any]:
    """Make the run anew, paused before its first step, at the same speed."""
    speed = _speed_of(service, run_id)
    await asyncio.to_thread(service.players.end, run_id)
    with Run.open(run_id) as run:
        manifest = run.manifest
    job = {"do": "create", "world": manifest.world, "config": manifest.config, "overwrite": True}
    return await _started(service, run_id, job, plays=False, speed=speed)


def _speed_of(service: Service, run_id: str) -> float | None:
    """Steps a second at which a run was played here last."""
    player = service.players.of(run_id)
    return None if player is None else player.speed


async def _started(
    service: Service, run_id: str, job: dict[str, Any], *, plays: bool, speed: float | None = None
) -> dict[str, Any]:
    """Start a player and wait until the run is there; raise its error if it fails at once."""
    run_path(run_id)
    player = await asyncio.to_thread(service.players.play, run_id, job, plays=plays, speed=speed)
    await asyncio.to_thread(player.wait_until_ready, READY_S)
    if player.state == "failed":
        raise SimulationError(player.error or "the run failed")
    return {"run": run_id, "status": player.state}


# --- forks ---


@router.post("/runs/{run}/fork")
async def fork(request: Request, run: str, body: Fork) -> dict[str, Any]:
    """Fork a run, with changed settings."""
    service = service_of(request)
    service.check(run)

    def overrides() -> list[str]:
        with Run.open(run) as opened:
            return overrides_of(opened, body.set, _permits(request))

    changed = await asyncio.to_thread(overrides) if body.set else []
    return await _forked(service, run, body.at, changed, new_id=body.run)


@router.post("/runs/{run}/edit")
async def edit(request: Request, run: str, body: Edit) -> dict[str, Any]:
    """Fork a run, with an edit of an agent's profile from the next step on."""
    from recgpt.simulate.worlds.society.profiles import checked_values

    checked_values(body.values, "edit")
    entry = {"kind": "profile", "round": body.at + 1, "agents": [body.agent], "values": body.values}
    return await scheduled(service_of(request), run, body.at, [entry])


@router.post("/runs/{run}/take")
async def take(request: Request, run: str, body: TakeOver) -> dict[str, Any]:
    """Fork a run, with an agent played by a person from the next step on."""
    entry = {"kind": "person", "round": body.at + 1, "agent": body.agent}
    return await scheduled(service_of(request), run, body.at, [entry])


@router.post("/runs/{run}/give")
async def give(request: Request, run: str, body: TakeOver) -> dict[str, Any]:
    """Fork a run, with an agent handed back to its own mind from the next step on."""
    service = service_of(request)
    service.check(run)
    with Run.open(run) as opened:
        schedule = [dict(entry) for entry in opened.manifest.config.get("schedule", ())]
    changed = [entry for entry in map(partial(_handed_back, body), schedule) if entry is not None]
    if changed == schedule:
        raise SimulationError(f"run {run}: no person plays agent {body.agent} after step {body.at}")
    return await _forked(service, run, body.at, [f"schedule={json.dumps(changed)}"])


def _handed_back(body: TakeOver, entry: dict[str, Any]) -> dict[str, Any] | None:
    """An entry of a schedule, ended where it lets a person play the agent; None where it was to begin later."""
    if entry["kind"] != "person" or entry["agent"] != body.agent or (entry["until"] or body.at + 1) <= body.at:
        return entry
    return None if entry["round"] > body.at else {**entry, "until": body.at}


async def scheduled(service: Service, run_id: str, at: int, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Fork a run, with more entries of its schedule.

    Raises
    ------
    SimulationError
        Its world has no schedule.
    """
    service.check(run_id)
    with Run.open(run_id) as run:
        config, schedule = run.manifest.config, run.manifest.config.get("schedule")
        if schedule is None:
            raise SimulationError(f"the world {run.manifest.world!r} has no schedule: its agents cannot be changed")
    n_agents = config["agents"] if "agents" in config else config["people"]
    agents = [agent for entry in entries for agent in entry.get("agents", [entry.get("agent", 0)])]
    if missing := [agent for agent in agents if agent >= n_agents]:
        raise SimulationError(f"run {run_id} has no agent {missing[0]}: choose one from 0 to {n_agents - 1}")
    return await _forked(service, run_id, at, [f"schedule={json.dumps([*schedule, *entries])}"])


async def _forked(
    service: Service, run_id: str, at: int, overrides: list[str], *, new_id: str | None = None
) -> dict[str, Any]:
    service.check(run_id)
    new_id = new_id or service.new_id(run_id)
    if run_path(new_id).is_file():
        raise taken(new_id)
    job = {"do": "fork", "parent": run_id, "at": at, "overrides": overrides}
    return await _started(service, new_id, job, plays=False, speed=_speed_of(service, run_id))


# --- a person, and interviews ---


@router.post("/runs/{run}/answer")
async def answer(request: Request, run: str, body: Answer) -> dict[str, Any]:
    """Answer the prompt of the mind `person`."""
    player: Player | None = service_of(request).players.of(run)
    if player is None:
        raise BusyError(f"run {run} waits for no answer")
    await asyncio.to_thread(player.answer, body.text)
    return {"run": run}


@router.post("/runs/{run}/interview")
async def interview(request: Request, run: str, body: Question) -> dict[str, Any]:
    """Ask an agent a question, without a trace in the run."""
    service = service_of(request)
    service.check(run)
    async with service.work:
        return await asyncio.to_thread(interviewed, run, body.step, body.agent, body.question, tick=body.tick)


def interviewed(run_id: str, step: int, agent: int, question: str, *, tick: int | None = None) -> dict[str, Any]:
    """Answer of an agent as it was after a step, in a town at a tick.

    Raises
    ------
    SimulationError
        Agents of this world cannot be interviewed.
    """
    with Run.open(run_id) as run:
        if run.manifest.world == "town":
            from recgpt.simulate.worlds.town.config import TownConfig
            from recgpt.simulate.worlds.town.interviewing import interview as ask_resident

            per_block = TownConfig(**run.manifest.config).ticks_per_block
            found = ask_resident(run, step * per_block if tick is None else tick, agent, question)
        elif run.manifest.world == "society":
            from recgpt.simulate.worlds.society.interviewing import interview as ask

            found = ask(run, step, agent, question)
        else:
            raise SimulationError(
                f"agents of the world {run.manifest.world!r} cannot be interviewed: those of society and town can"
            )
    return {"text": found.text, "failure": found.failure, "calls": found.spent.calls, "cost_usd": found.spent.usd}
