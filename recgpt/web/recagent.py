"""RecAgent's published HTTP calls over a stored society, `/recagent/…` or `/recagent/{run}/…`.

Safer than published: questions and reads leave no trace, changes go into a fork and need the CSRF header or a token,
and the configuration is sent without keys. Without a run in the path the calls are of the run that the server was
started with, and after a change of its fork.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response

from recgpt.errors import RecGPTError, SimulationError
from recgpt.web.config_forms import shown_config
from recgpt.web.controls import (
    MOST_QUESTION_CHARS,
    Control,
    Edit,
    Fork,
    control,
    edit,
    fork,
    interviewed,
    scheduled,
)
from recgpt.web.pictures import picture
from recgpt.web.service import MissingError, Service, service_of

if TYPE_CHECKING:
    from recgpt.web.published_state import PublishedState

MAX_MESSAGE_CHARS = 1000


router = APIRouter(prefix="/recagent")


class Shown:
    """The run of a published call, and its state after the last stored round."""

    def __init__(self, service: Service, run_id: str, state: "PublishedState", *, is_default: bool) -> None:
        self.service, self.run_id, self.state = service, run_id, state
        self.is_default = is_default

    def follow(self, answer: dict[str, Any]) -> str:
        """Go on with a fork, where the call named no run; returns its id."""
        forked: str = answer["run"]
        if self.is_default:
            self.service.run = forked
        return forked


async def shown_of(request: Request) -> Shown:
    """The society that a call is of."""
    service = service_of(request)
    named = request.path_params.get("run")
    run_id = named or service.run
    if run_id is None:
        raise MissingError("no run was named: start `recgpt web RUN`, or call /recagent/RUN/...")
    reading = await service.reading(run_id)
    async with service.work:
        state = await asyncio.to_thread(service.published.of, reading)
    return Shown(service, run_id, state, is_default=named is None)


Society = Annotated[Shown, Depends(shown_of)]
Words = Annotated[str, Query(max_length=MOST_QUESTION_CHARS)]


async def _agents(shown: Society, query: Words = "") -> Any:
    return JSONResponse(await asyncio.to_thread(shown.state.agents, query))


async def _agent(shown: Society, agent: int) -> Any:
    return shown.state.agent(agent)


async def _replace(request: Request, shown: Society, agent: int, values: dict[str, Any]) -> Any:
    """Values of an agent's profile, in a fork from the last round on."""
    before = shown.state.agent(agent)
    known = {name: value for name, value in values.items() if name not in ("id", "role", "event")}
    known = {name: value for name, value in known.items() if not name.endswith("_url")}
    changed = {name: value for name, value in known.items() if before.get(name) != value}
    if not changed:
        return before
    answer = await edit(request, shown.run_id, Edit(at=shown.state.step, agent=agent, values=changed))
    return {**before, **changed, "run": shown.follow(answer)}


async def _active(shown: Society) -> Any:
    return shown.state.active_agents()


async def _watched(shown: Society, agent: int) -> Any:
    return shown.state.watched(agent)


async def _heard(shown: Society, agent: int) -> Any:
    return shown.state.heard(agent)


async def _relationships(shown: Society) -> Any:
    return JSONResponse(await asyncio.to_thread(shown.state.relationships))


async def _relate(
    request: Request, shown: Society, source: int, target: int, label: Annotated[str, Query(max_length=100)]
) -> Any:
    """A tie, in a fork from the last round on."""
    for agent in (source, target):
        shown.state.check(agent)
    step = shown.state.step
    entry = {"kind": "tie", "round": step + 1, "source": source, "target": target, "label": label}
    answer = await scheduled(service_of(request), shown.run_id, step, [entry])
    return {"source": source, "target": target, "name": label, "run": shown.follow(answer)}


async def _interview(shown: Society, agent: int, query: Words) -> Any:
    """An answer, without a trace in the run."""
    shown.state.check(agent)
    async with shown.service.work:
        found = await asyncio.to_thread(interviewed, shown.run_id, shown.state.step, agent, query)
    if found["text"] is None:
        raise SimulationError(f"agent {agent} gave no answer: {found['failure'] or 'unknown'}")
    return JSONResponse(found["text"])


async def _messages(shown: Society, round: int | None = None) -> Any:  # name in the address
    return JSONResponse(await asyncio.to_thread(shown.state.messages, round))


async def _rounds(shown: Society) -> Any:
    return shown.state.step


async def _system_stat(shown: Society) -> Any:
    return await asyncio.to_thread(shown.state.system_stat)


async def _configs(shown: Society) -> Any:
    return shown_config(shown.state.config)


async def _change(request: Request, shown: Society, settings: dict[str, Any]) -> Any:
    """Other settings, in a fork from the last round on."""
    answer = await fork(request, shown.run_id, Fork(at=shown.state.step, set=settings))
    return {**shown_config(shown.state.config), **settings, "run": shown.follow(answer)}


async def _start(request: Request, shown: Society) -> Any:
    return await control(request, shown.run_id, Control(action="play"))


async def _pause(request: Request, shown: Society) -> Any:
    """Pause, or go on: a toggle, as published."""
    player = shown.service.players.of(shown.run_id)
    action: Any = "pause" if player is not None and player.state == "playing" else "play"
    return await control(request, shown.run_id, Control(action=action))


async def _reset(request: Request, shown: Society) -> Any:
    return await control(request, shown.run_id, Control(action="reset"))


async def _role(shown: Society) -> Any:
    return shown.state.played()


CALLS = (
    ("/agents", "GET", _agents),
    ("/agents/{agent:int}", "GET", _agent),
    ("/agents/{agent:int}", "PUT", _replace),
    ("/search/", "GET", _agents),
    ("/active-agents", "GET", _active),
    ("/watched-history/{agent:int}", "GET", _watched),
    ("/heared-history/{agent:int}", "GET", _heard),
    ("/relationships", "GET", _relationships),
    ("/relationships", "PATCH", _relate),
    ("/interview-agents/{agent:int}", "GET", _interview),
    ("/messages", "GET", _messages),
    ("/rounds", "GET", _rounds),
    ("/system-stat", "GET", _system_stat),
    ("/configs", "GET", _configs),
    ("/configs", "PATCH", _change),
    ("/start", "POST", _start),
    ("/pause", "POST", _pause),
    ("/reset", "POST", _reset),
    ("/role-play", "GET", _role),
)
"""Published calls: path, method and function."""
for _prefix in ("", "/{run}"):
    for _path, _method, _call in CALLS:
        router.add_api_route(_prefix + _path, _call, methods=[_method], response_model=None)


@router.get("/asset/{name}.svg")
async def asset(name: str) -> Response:
    """A picture."""
    found = picture(name)
    if found is None:
        raise MissingError("there is no such picture")
    return Response(found, media_type="image/svg+xml")


@router.websocket("/role-play/{agent}")
@router.websocket("/{run}/role-play/{agent}")
async def role_play(socket: WebSocket, agent: int) -> None:
    """Dialogue of an agent that a person plays: prompts come as texts, an answer is a text."""
    service: Service = socket.app.state.service
    run_id = socket.path_params.get("run") or service.run
    player = None if run_id is None else service.players.of(run_id)
    if player is None or run_id is None or not service.streams.take(""):
        await socket.close(1008)
        return
    await socket.accept()
    showing = asyncio.ensure_future(_show_prompts(socket, service, run_id))
    try:
        while len(text := await socket.receive_text()) <= MAX_MESSAGE_CHARS:
            try:
                await asyncio.to_thread(player.answer, text)
            except RecGPTError as error:
                await socket.send_text(str(error))
        await socket.close(1009)
    except WebSocketDisconnect:
        return
    finally:
        showing.cancel()
        service.streams.give_back("")


async def _show_prompts(socket: WebSocket, service: Service, run_id: str) -> None:
    shown: str | None = None
    follower = service.follower(run_id)
    with follower.listening() as changed:
        while True:
            changed.clear()
            player = service.players.of(run_id)
            prompt = None if player is None else player.prompt
            if prompt is not None and prompt != shown:
                await socket.send_text(prompt)
            shown = prompt
            await changed.wait()
