"""Process of the service: port, token, start and end.

    serve(create_service("items.csv"), port=8000)       # until Ctrl-C or SIGTERM; requests in hand are answered

`recgpt serve` takes the port before it indexes, so that a port in use is refused at once.
"""

import asyncio
import gc
import socket
import sys
from importlib.util import find_spec

import torch
import uvicorn

from recgpt.terminal import say
from recgpt.web.access import TOKEN_ENV, Access
from recgpt.web.server import address_of, bound, token_for
from recgpt.web.serving.app import create_app
from recgpt.web.serving.service import Service

GRACE_S = 30
"""Seconds in which requests in hand are answered after a stop."""
MOST_CONNECTIONS = 1_024
BACKLOG = 2_048
"""Connections that may wait to be accepted."""
SWITCH_S = 0.0005
"""Python's switch interval: each answer is a system call, after which the loop waits so long for the ranking thread."""
IDLE_S = 75
"""Seconds of an idle connection: longer than common proxies keep theirs, so that none is reused while it closes."""


def serve(service: Service, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve at an address until Ctrl-C or SIGTERM.

    Parameters
    ----------
    host
        Any but 127.0.0.1 needs a token: that of RECGPT_WEB_TOKEN, or a new one, which is printed.
    port
        0 for any free one.

    Raises
    ------
    ConfigError
        The address cannot be used.
    """
    with bound(host, port, listens=False) as listener:
        run(service, listener, host)


def run(service: Service, listener: socket.socket, host: str) -> None:
    """Print the address and, if it is new, the token; serve until Ctrl-C or SIGTERM."""
    port = int(listener.getsockname()[1])
    token, is_new = token_for(host)
    server = server_of(service, Access(host, port, token))
    listener.listen(BACKLOG)
    sys.setswitchinterval(SWITCH_S)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(min(threads, 2), threads - 1))  # of more than two cores one is left for HTTP
    gc.collect()
    gc.freeze()  # else each full collection reads the whole catalogue, and all threads wait 0.2 s for it
    say(f"{len(service):,} items are served at {address_of(host, port)} until Ctrl-C")
    if is_new:
        say(f"token, for the login page or `Authorization: Bearer`: {token} (set {TOKEN_ENV} to choose it)")
    server.run(sockets=[listener])


def server_of(service: Service, access: Access) -> uvicorn.Server:
    """Server that is not started yet, for a thread or process of your own."""
    config = uvicorn.Config(
        create_app(service, access),
        http=_protocol(),
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=16 << 10,
    )
    return uvicorn.Server(config)


def _protocol() -> type[asyncio.Protocol]:
    """Protocol of a connection: httptools, where it is installed."""
    if find_spec("httptools") is not None:
        from recgpt.web.serving.protocol import BoundedProtocol

        return BoundedProtocol
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return H11Protocol
