"""`recgpt serve`: a catalogue over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from recgpt.cli.options import (
    BrandColumn,
    CategoriesColumn,
    DescriptionColumn,
    InteractionsFile,
    ItemColumn,
    ItemsFile,
    OptionalModel,
    TimeColumn,
    TimeFormat,
    TitleColumn,
    UserColumn,
    typed,
)
from recgpt.cli.recommend import COLUMNS
from recgpt.cli.web import check_extra


def serve(
    ctx: typer.Context,
    items: ItemsFile,
    model: OptionalModel = None,
    interactions: InteractionsFile = None,
    time_format: TimeFormat = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="file that keeps observed events, made if it does not exist; they are read again at the next start."
            " Without it they are lost when the service ends",
            dir_okay=False,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen at; any but 127.0.0.1 needs a token, RECGPT_WEB_TOKEN or a new one")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the server; 0: any free one")] = 8000,
    item_column: ItemColumn = None,
    title_column: TitleColumn = None,
    categories_column: CategoriesColumn = None,
    brand_column: BrandColumn = None,
    description_column: DescriptionColumn = None,
    user_column: UserColumn = None,
    time_column: TimeColumn = None,
) -> None:
    """Serve recommendations for a catalogue over HTTP, with a page to try them out, until Ctrl-C (docs/serving.md).

    Example: recgpt serve --items items.csv

    Example: recgpt serve --items items.csv --interactions past.csv --log observed.jsonl --port 8080

    Example: recgpt serve --items shop.csv --item-column sku --title-column name
    """
    check_extra("recgpt serve")
    from contextlib import ExitStack

    from recgpt.cli.sources import Source
    from recgpt.progress import note
    from recgpt.web.server import bound, token_for

    token_for(host)
    with ExitStack() as stack:
        listener = stack.enter_context(bound(host, port, listens=False))
        source = Source(items, interactions, typed(ctx, COLUMNS), time_format)
        from recgpt.web.serving.event_log import EventLog
        from recgpt.web.serving.server import run

        kept = None if log is None else stack.enter_context(EventLog.open(log))
        service = source.service(model)
        if kept is not None:
            if kept.torn:
                note(f"{log}: {kept.torn:,} bytes at its end, of a call that a kill had torn, were cut off", "yellow")
            service.keep_in(kept)
            note(f"{log}: {service.n_observed:,} observed events were taken in")
        run(service, listener, host)
