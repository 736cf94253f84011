"""Process of the service: port, token, start and end.

    with bound("127.0.0.1", 8000) as holder:                  # refused at once where the port is taken
        service = create_service("items.csv")                 # may take a while
        run(service, holder, access_to(holder, "127.0.0.1"))  # until Ctrl-C or SIGTERM; requests in hand are answered

A second Ctrl-C ends it at once.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from recgpt.errors import ConfigError
from recgpt.terminal import say
from recgpt.web.access import LOCAL, SHORTEST_TOKEN, TOKEN_ENV, Access
from recgpt.web.pages import new_token
from recgpt.web.serving.app import create_app
from recgpt.web.serving.service import Service

GRACE_S = 30
"""Seconds in which requests in hand are answered after a stop."""
MOST_CONNECTIONS = 1_024
_IDLE_S = 75  # longer than the idle time of common proxies, so that they never reuse a connection that is being closed


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that holds a port and does not listen yet.

    Raises
    ------
    ConfigError
        The port is taken or not allowed, or the host is no address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"--host {host!r} is no address of this machine: 127.0.0.1 is") from error
    with socket.socket(family, kind, protocol) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(address)
        except OSError as error:
            raise _not_bound(error, host, port) from error
        yield holder


def _not_bound(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(f"--port {port} is taken by another program: choose another one, or 0 for any free one")
    if error.errno == errno.EACCES:
        return ConfigError(f"--port {port} is not allowed to this user: choose one from 1024 on")
    return ConfigError(f"--host {host!r} is no address of this machine ({error.strerror}): 127.0.0.1 is")


def access_to(holder: socket.socket, host: str) -> Access:
    """Access to a server: other hosts than this machine need a token, that of RECGPT_WEB_TOKEN or a new one.

    Raises
    ------
    ConfigError
        The token of the environment is too short.
    """
    port = int(holder.getsockname()[1])
    if host in LOCAL:
        return Access(host, port)
    token = os.environ.get(TOKEN_ENV) or new_token()
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"{TOKEN_ENV} has {len(token)} characters: take {SHORTEST_TOKEN} or more, or leave it out")
    return Access(host, port, token)


def address_of(access: Access) -> str:
    """Address to open in a browser."""
    host = f"[{access.host}]" if ":" in access.host else access.host
    return f"http://{host}:{access.port}"


def run(service: Service, holder: socket.socket, access: Access) -> None:
    """Serve until Ctrl-C or SIGTERM, whose handlers are called in the end."""
    uvicorn_server(service, access).run(sockets=[holder])


def serve(service: Service, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve at an address until Ctrl-C or SIGTERM.

    Parameters
    ----------
    host
        Any other than 127.0.0.1 needs a token, which is printed unless RECGPT_WEB_TOKEN has one.
    port
        0 for any free one.

    Raises
    ------
    ConfigError
        The address cannot be taken.
    """
    with bound(host, port) as holder:
        access = access_to(holder, host)
        announce(service, access)
        run(service, holder, access)


def announce(service: Service, access: Access) -> None:
    """Print the address and, if it is a new one, the token."""
    say(f"{len(service):,} items are served at {address_of(access)} until Ctrl-C; calls: {address_of(access)}/docs")
    if access.token is not None and not os.environ.get(TOKEN_ENV):
        say(f"token, for the login page or `Authorization: Bearer`: {access.token}")


def uvicorn_server(service: Service, access: Access) -> uvicorn.Server:
    """Server of the service, to be run in a thread or process of your own."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(service, access),
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
