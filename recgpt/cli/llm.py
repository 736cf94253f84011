"""`recgpt llm ...`: serve a small language model on this machine, check any server."""

from typing import Annotated

import typer

from recgpt.tables import print_tables
from recgpt.terminal import print_json, say

llm_app = typer.Typer(
    help="Language models for agents: serve a small one on this machine, check any server.", no_args_is_help=True
)


@llm_app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the server; 0: any free one")] = 8080,
    host: Annotated[
        str, typer.Option(help="only 127.0.0.1 is allowed, because the server requires no key")
    ] = "127.0.0.1",
    parallel: Annotated[int, typer.Option(min=1, help="replies generated at the same time")] = 2,
    context: Annotated[int, typer.Option(min=256, help="maximum tokens of a prompt and its reply together")] = 2048,
) -> None:
    """Serve SmolLM2-135M on this machine, on one thread, until Ctrl-C. Needs no key and no network.

    Example: recgpt llm serve --port 8080
    """
    import threading

    from recgpt.simulate.llm.serve import MODEL, local_server

    with local_server(port, host=host, parallel=parallel, context=context) as base_url:
        say(f"{MODEL} is served at {base_url} until Ctrl-C. Try in another terminal:")
        say(f"  recgpt llm check --base-url {base_url} --model {MODEL}")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            say("stopped")


@llm_app.command()
def check(
    base_url: Annotated[str, typer.Option(help="address of the server, usually ending in /v1")],
    model: Annotated[str, typer.Option(help="name of the model on the server")],
    key_env: Annotated[
        str | None, typer.Option(help="environment variable that holds the API key; without it no key is sent")
    ] = None,
    probes: Annotated[int, typer.Option(min=1, help="calls sent one at a time, and as many again concurrently")] = 20,
    concurrency: Annotated[int, typer.Option(min=1, help="calls in flight in the concurrent half")] = 8,
    max_tokens: Annotated[int, typer.Option(min=1, help="maximum tokens of a reply")] = 200,
    timeout: Annotated[float, typer.Option(min=0.001, max=86_400, help="seconds allowed for one call")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Measure how often replies of a server follow a JSON schema, and its speed. Costs 2 x --probes calls.

    Example: recgpt llm check --base-url http://127.0.0.1:8080/v1 --model smollm2-135m

    Example: recgpt llm check --base-url https://api.openai.com/v1 --model gpt-4o-mini --key-env OPENAI_API_KEY
    """
    from recgpt.simulate.llm.check import check as run
    from recgpt.simulate.llm.servers import Server

    report = run(
        Server(base_url, key_env),
        model,
        probes=probes,
        concurrency=concurrency,
        max_tokens=max_tokens,
        timeout_s=timeout,
    )
    if as_json:
        print_json(report.to_dict())
    else:
        print_tables(report.table())
