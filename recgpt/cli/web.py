"""`recgpt web`: the page over all runs, live and replayed."""

from typing import Annotated

import typer

from recgpt.cli.options import Plugins, allow_plugins
from recgpt.errors import ConfigError
from recgpt.terminal import say


def web(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="run to open; by default the list of all runs")
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen at; any but this machine alone needs the token that is printed")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the page; 0: any free one")] = 8000,
    plugin: Plugins = None,
) -> None:
    """Serve the page over all runs: watch, replay, start, pause, fork, interview. Until Ctrl-C.

    Example: recgpt web

    Example: recgpt web demo --port 8001
    """
    allow_plugins(*(plugin or ()))
    check_extra("recgpt web")
    from recgpt.web.access import TOKEN_ENV, Access
    from recgpt.web.server import address_of, bound, serve, token_for

    if run_id is not None:
        from recgpt.simulate.store.file import run_path

        if not run_path(run_id).is_file():
            raise ConfigError(f"there is no run {run_id}: see `recgpt runs list`")
    token, is_new = token_for(host)
    with bound(host, port) as listener:
        port = listener.getsockname()[1]
        say(f"{address_of(host, port)}{f'runs/{run_id}' if run_id else ''} until Ctrl-C")
        if is_new:
            say(f"token, to be typed on the page: {token} (set {TOKEN_ENV} to choose it)")
        serve(listener, Access(host, port, token), run=run_id, plugin_names=plugin or ())
    say("stopped")


def check_extra(command: str) -> None:
    """Refuse a command whose packages, those of the extra `web`, are not installed."""
    from importlib.util import find_spec

    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise ConfigError(f"{command} needs {' and '.join(missing)}: pip install 'recgpt[web]'")
