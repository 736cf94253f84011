"""`recgpt data ...`: import public sources, inspect and split data set folders."""

import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from recgpt.cli.options import PROTOCOL_NAMES, DatasetDir, OptionalRepeats, Seed
from recgpt.tables import print_tables
from recgpt.terminal import print_json, say

data_app = typer.Typer(help="Import public data sets, inspect and split them.", no_args_is_help=True)


@data_app.command(
    "import", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def data_import(ctx: typer.Context) -> None:
    """Read a public source into a data set folder. `recgpt data import --help` lists the sources.

    Example: recgpt data import movielens ml-1m --out data/ml-1m
    """
    import inspect

    from recgpt.data.readers import readers

    sources = typer.Typer(
        no_args_is_help=True, add_completion=False, help="Read a public source into a data set folder."
    )
    for name, reader in readers().items():
        parameters = inspect.signature(reader.read, eval_str=True).parameters.values()

        def command(reader: Any = reader, **options: Any) -> None:
            reader.read(**options)

        command.__signature__ = inspect.Signature([_as_option(p) for p in parameters])  # type: ignore[attr-defined]
        sources.command(name, help=reader.description)(command)
    sources(args=ctx.args, prog_name="recgpt data import")


IMPORT_OPTIONS = {
    "out": "data set folder to write",
    "min_records": "leave out users with fewer interactions",
    "overwrite": "replace existing output",
    "category": "category of Amazon, such as Magazine_Subscriptions",
    "state": "state of the USA, as in the names of the files",
    "sequences": "train, test or cold_test; by default train and test together",
    "items": "file of the catalogue",
    "user": "column of user ids",
    "item": "column of item ids",
    "position": "column that orders the interactions of a user",
    "time": "column of timestamps: dates, ISO 8601 texts or Unix numbers",
    "time_format": "format of timestamps, such as '%d/%m/%Y', or s, ms, us, ns for Unix numbers; found out by default",
    "rating": "column of ratings",
    "ids": "auto: ids are numbers if all of them are canonical ones, else text; text: always text",
    "holes": "rows that cannot be used: refuse lists them, drop leaves them out and counts them in manifest.json",
    "separator": "separator of fields, one character or `tab`; recognised by default",
    "encoding": "encoding of text files, such as cp1252; UTF-8, UTF-16 and cp1252 are recognised",
    "catalogue_item": "column of item ids in the catalogue, if it has another name there",
    "title": "column of titles in the catalogue",
    "categories": "column of categories in the catalogue",
    "brand": "column of brands in the catalogue",
    "description": "column of descriptions in the catalogue",
}
"""Help of the options of `recgpt data import`, by parameter of a reader."""


def _as_option(parameter: Any) -> Any:
    """A reader's parameter for the command line: `source` stays an argument, `out` and keywords become options."""
    import inspect

    optional = type(None) in typing.get_args(parameter.annotation)
    if parameter.name == "source":
        default = None if optional else parameter.default
        help_text = "file or folder of the source" + (" (optional: fetched, or not needed)" if optional else "")
        declared = typer.Argument(help=help_text)
        return parameter.replace(annotation=Annotated[parameter.annotation, declared], default=default)
    declared = typer.Option(f"--{parameter.name.replace('_', '-')}", help=IMPORT_OPTIONS.get(parameter.name))
    return parameter.replace(annotation=Annotated[parameter.annotation, declared], kind=inspect.Parameter.KEYWORD_ONLY)


@data_app.command("inspect")
def data_inspect(
    dataset: DatasetDir,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show counts, density, repeats, sequence lengths, text coverage and equal timestamps of a data set folder.

    Example: recgpt data inspect data/demo

    Example: recgpt data inspect data/demo --json
    """
    from recgpt.data.dataset import Dataset
    from recgpt.data.inspect import inspect, render

    found = inspect(Dataset.load(dataset))
    if as_json:
        print_json(found)
    else:
        print_tables(render(found))


@data_app.command("split")
def data_split(
    dataset: DatasetDir,
    protocol: Annotated[str, typer.Argument(help=PROTOCOL_NAMES)],
    out: Annotated[Path, typer.Option(help="folder for the split")],
    repeats: OptionalRepeats = None,
    seed: Seed = 0,
    export: Annotated[
        Literal["csv", "parquet", "recbole"] | None,
        typer.Option(help="also write the split with outside ids into OUT/FORMAT, for other tools"),
    ] = None,
) -> None:
    """Make an evaluation split and store it: histories, targets, and the past interactions to learn from.

    Example: recgpt data split data/demo leave_one_out --out data/demo/splits/leave_one_out

    Example: recgpt data split data/demo cold_item --seed 1 --out data/demo/splits/cold_item_1

    Example: recgpt data split data/demo leave_one_out --out data/demo/splits/loo --export recbole
    """
    from recgpt.data.splits import load_for, make_split

    split = make_split(load_for(protocol, dataset, repeats=repeats), protocol, seed=seed)
    split.save(out)
    say(f"{out}: {len(split):,} queries, {len(split.past.values):,} past interactions")
    if export is not None:
        from recgpt.data.splits.export import export_split

        say(", ".join(map(str, export_split(split, out / export, export, overwrite=True))))
