"""Runs the application with uvicorn until Ctrl-C.

with bound("127.0.0.1", 8000) as listener:
    serve(listener, Access("127.0.0.1", 8000))
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from recgpt.errors import ConfigError
from recgpt.web.access import LOCAL, SHORTEST_TOKEN, TOKEN_ENV, Access
from recgpt.web.pages import new_token

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 500
FIRST_S = 10.0
"""Seconds in which a connection must bring a request."""


def bound(host: str, port: int, *, listens: bool = True) -> socket.socket:
    """Socket at an address.

    Parameters
    ----------
    listens
        Whether it listens already; otherwise it only holds the port.

    Raises
    ------
    ConfigError
        The address or port cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)  # with its protocol, asyncio sends small pieces at once
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if listens:
            listener.listen(256)
    except OSError as error:
        raise ConfigError(f"{host} port {port} cannot be used ({error.strerror}): choose another --port") from error
    return listener


def token_for(host: str) -> tuple[str | None, bool]:
    """Token for a host, and whether it is new: of the environment; made where the host is not this machine alone.

    Raises
    ------
    ConfigError
        The token of the environment is too short.
    """
    given = os.environ.get(TOKEN_ENV)
    if given:
        if len(given) < SHORTEST_TOKEN:
            raise ConfigError(f"{TOKEN_ENV} has {len(given)} characters: at least {SHORTEST_TOKEN} are needed")
        return given, False
    return (None, False) if host in LOCAL else (new_token(), True)


def address_of(host: str, port: int) -> str:
    """Address of the page."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class ImpatientProtocol(H11Protocol):
    """HTTP that closes connections without a request after `FIRST_S` seconds, and those beyond `MOST_CONNECTIONS`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            asyncio.get_running_loop().call_later(FIRST_S, self._close_idle)

    def _close_idle(self) -> None:
        if self in self.connections and self.cycle is None:
            self.transport.close()


class PageServer(uvicorn.Server):
    """Server that ends streams before it waits for open connections.

    Parameters
    ----------
    ending
        Called when the server begins to end.
    """

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._ending()
        await super().shutdown(sockets)


def server_of(app: "ASGIApp", ending: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """HTTP server of an application, to be run on sockets of `bound`."""
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        loop="asyncio",
        ws="auto",
        ws_max_size=16 << 10,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16 << 10,
    )
    return PageServer(config, ending)


def serve(listener: socket.socket, access: Access, *, run: str | None = None, plugin_names: Sequence[str] = ()) -> None:
    """Serve until Ctrl-C or SIGTERM; players end after the step that they are in."""
    from recgpt.web.app import create_app

    _allow_connections()
    app = create_app(access, run=run, plugin_names=plugin_names)
    server_of(app, app.end_streams).run(sockets=[listener])


def _allow_connections() -> None:
    """Raise the limit of open files of this process as far as it may, for `MOST_CONNECTIONS`."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 4 * MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, 4 * MOST_CONNECTIONS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
