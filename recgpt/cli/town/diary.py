"""`recgpt town diary`: the days of residents as Markdown."""

from pathlib import Path
from typing import Annotated

import typer

from recgpt.cli.options import Overwrite
from recgpt.cli.runs import RunId
from recgpt.terminal import say


def diary(
    run_id: RunId,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="name of the resident, or its number; by default all")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for the diaries, a Markdown file each", file_okay=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print or write diaries of residents: activities, places, talks and thoughts of each day, from the log alone.

    Example: recgpt town diary hazelbrook "Nora Whitlock"

    Example: recgpt town diary hazelbrook --out diaries
    """
    from recgpt.errors import ConfigError
    from recgpt.files import file_name, new_folder
    from recgpt.simulate.store import Run
    from recgpt.simulate.world import stored_config
    from recgpt.simulate.worlds.town.artifacts import stored_setting
    from recgpt.simulate.worlds.town.config import NAME, TownConfig
    from recgpt.simulate.worlds.town.console import resident_of
    from recgpt.simulate.worlds.town.diary import diary as diary_of

    if name is None and out is None:
        raise ConfigError("NAME is missing: give it, or --out FOLDER for those of all residents")
    with Run.open(run_id) as run:
        stored_config(run, NAME, TownConfig)
        names = [resident.name for resident in stored_setting(run).people.residents]
        chosen = range(len(names)) if name is None else [resident_of(name, names)]
        texts = {agent: diary_of(run, agent) for agent in chosen}
    if out is None:
        say(*next(iter(texts.values())).split("\n"))
        return
    with new_folder(out, overwrite=overwrite, what="folder of diaries") as draft:
        for agent, text in texts.items():
            (draft / f"{agent:05}-{file_name(names[agent])}.md").write_text(text, encoding="utf-8")
    say(f"{out}: {len(texts):,} diaries")
