"""What all calls share: followers, players and limits of one server."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request

from recgpt.errors import RecGPTError
from recgpt.simulate.store.file import run_path
from recgpt.simulate.world import WORLDS, world_of
from recgpt.web.access import Access
from recgpt.web.followers import Follower, Followers, Reading
from recgpt.web.limits import Slots
from recgpt.web.players import BusyError, Players

if TYPE_CHECKING:
    from recgpt.web.published_state import PublishedState

_MOST_STATES = 4
READY_S = 20.0
"""Seconds that an answer waits for a new run."""


class MissingError(RecGPTError):
    """There is no such run, step or agent."""


class PublishedStates:
    """States of the latest rounds that published calls asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], PublishedState] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, reading: Reading) -> "PublishedState":
        """State after the last stored round of a run.

        Raises
        ------
        SimulationError
            The run is of another world.
        """
        from recgpt.web.published_state import PublishedState

        key = (reading.run.run_id, reading.number, reading.run.n_steps)
        with self._turn:
            if key not in self._kept:
                self._kept[key] = PublishedState(reading.run)
                if len(self._kept) > _MOST_STATES:
                    self._kept.popitem(last=False)
            return self._kept[key]


class Service:
    """Followers, players and limits of one server.

    Parameters
    ----------
    run
        Run of the published calls without a run in their path; None for the first one.
    """

    def __init__(self, access: Access, *, run: str | None = None, plugin_names: Sequence[str] = ()) -> None:
        self.access, self.run, self.plugin_names = access, run, plugin_names
        self.followers = Followers()
        self.players = Players(self.followers.wake, plugin_names)
        self.published = PublishedStates()
        self.streams = Slots(most=200, most_of_address=60)
        self.work = asyncio.Semaphore(16)

    def warm(self) -> None:
        """Load all worlds, and begin to read the run of the server: the first view waits for neither."""
        if self.run is not None:
            self.followers.of(self.run)
        for name in WORLDS:
            world_of(name)

    def close(self) -> None:
        """End players and followers."""
        self.players.close()
        self.followers.close()

    def check(self, run_id: str) -> None:
        """Refuse an id of no run.

        Raises
        ------
        MissingError
            Neither a file nor a player has this id.
        """
        player = self.players.of(run_id)
        if not _exists(run_id) and (player is None or not player.is_alive):
            raise MissingError(f"there is no run {run_id!r}: see the list of runs")

    def follower(self, run_id: str) -> Follower:
        """Follower of an existing run."""
        self.check(run_id)
        return self.followers.of(run_id)

    async def reading(self, run_id: str, step: int | None = None) -> Reading:
        """Reading of a run once it has a step.

        Raises
        ------
        BusyError
            The step is not read yet.
        """
        follower = self.follower(run_id)
        try:
            return await follower.reached(step)
        except TimeoutError as error:
            raise BusyError(f"run {run_id} is still being read: try again in a moment") from error

    def new_id(self, run_id: str) -> str:
        """An id for a fork: the id and the first free number."""
        stem, dash, number = run_id.rpartition("-")
        if not (dash and stem and number.isdecimal()):
            stem = run_id
        stem = stem[:56]
        count = 2
        while _exists(f"{stem}-{count}") or self.players.of(f"{stem}-{count}") is not None:
            count += 1
        return f"{stem}-{count}"


def _exists(run_id: str) -> bool:
    try:
        return run_path(run_id).is_file()
    except RecGPTError:
        return False


def service_of(request: Request) -> Service:
    """Service of the server that answers a request."""
    found: Service = request.app.state.service
    return found
