"""Runs the application with uvicorn until Ctrl-C.

with bound("127.0.0.1", 8000) as listener:
    serve(listener, Access("127.0.0.1", 8000))
"""

import os
import socket
from collections.abc import Sequence

from recgpt.errors import ConfigError
from recgpt.web.access import LOCAL, SHORTEST_TOKEN, TOKEN_ENV, Access
from recgpt.web.pages import new_token


def bound(host: str, port: int) -> socket.socket:
    """Socket that listens at an address.

    Raises
    ------
    ConfigError
        The address or port cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
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


def serve(listener: socket.socket, access: Access, *, run: str | None = None, plugin_names: Sequence[str] = ()) -> None:
    """Serve until Ctrl-C or SIGTERM; players end after the step that they are in."""
    import uvicorn

    from recgpt.web.app import create_app

    app = create_app(access, run=run, plugin_names=plugin_names)
    config = uvicorn.Config(
        app,
        http="h11",
        ws="auto",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16 << 10,
    )
    uvicorn.Server(config).run(sockets=[listener])
