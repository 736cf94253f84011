"""What the page says of a run: its status and its manifest, without secrets and paths."""

from typing import Any

from recgpt.simulate.runner import changeable
from recgpt.simulate.store import Run, list_runs
from recgpt.simulate.store.file import is_being_written
from recgpt.simulate.world import world_of
from recgpt.web.cleaning import cleaned_value
from recgpt.web.followers import Reading
from recgpt.web.players import Player, Players


def status_of(run_id: str, reading: Reading | None, error: str | None, players: Players) -> dict[str, Any]:
    """Answer of `GET /api/runs/{id}`; `about` and `manifest` are None before the run can be read."""
    player = players.of(run_id)
    run = None if reading is None else reading.run
    status = _status(run, player)
    elsewhere = status == "playing" and (player is None or not player.is_alive)
    failure = player.error if player is not None and status == "failed" else error
    return {
        "run": run_id,
        "about": None if reading is None else reading.about,
        "n_steps": 0 if reading is None else reading.n_stored,
        "status": status,
        "speed": None if player is None else player.speed,
        "controllable": not elsewhere and status != "finished" and (run is None or run.format > 1),
        "error": failure,
        "prompt": None if player is None else player.prompt,
        "forked_from": None if run is None else run.manifest.forked_from,
        "changeable": [] if run is None else changeable(world_of(run.manifest.world)),
        "manifest": None if reading is None else reading.manifest,
    }


def _status(run: Run | None, player: Player | None) -> str:
    if player is not None and player.is_alive:
        return player.state
    if run is not None and run.finished:
        return "finished"
    if run is not None and is_being_written(run.path):
        return "playing"
    return "failed" if player is not None and player.state == "failed" else "stopped"


def listed_runs(players: Players) -> list[dict[str, Any]]:
    """All runs for the list, live ones first, the others by id."""
    found = []
    for summary in list_runs():
        entry: dict[str, Any] = {**cleaned_value(summary.model_dump()), "status": "unreadable"}
        if summary.error is None:
            with Run.open(summary.run) as run:
                entry["status"] = _status(run, players.of(summary.run))
        found.append(entry)
    return sorted(found, key=lambda entry: (entry["status"] not in LIVE, entry["run"]))


LIVE = ("starting", "playing", "paused")
