"""Argument and option types that several topics share."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DatasetDir = Annotated[Path, typer.Argument(help="data set folder", exists=True, file_okay=False)]
Workers = Annotated[
    int,
    typer.Option(min=1, help="processes; more than one need Ray (extra `ray`), on the cluster at RAY_ADDRESS if set"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
OptionalRepeats = Annotated[
    Literal["keep", "drop-consecutive", "drop"] | None,
    typer.Option(
        help="repeated items in a user's sequence: keep, drop consecutive ones, or drop all; by default as the"
        " protocol prescribes, mostly drop"
    ),
]
OptionalModel = Annotated[
    str | None,
    typer.Option(
        help="model folder, hub repository, or published .pt; by default the shipped foundation model,"
        " ckpt/recgpt-minilm"
    ),
]
ItemsFile = Annotated[
    Path,
    typer.Option(
        help="catalogue: .csv, .tsv, .jsonl or .parquet with a column `title`; or a data set folder, whose interactions"
        " are read too"
    ),
]
InteractionsFile = Annotated[
    str | None,
    typer.Option(
        help="past interactions of all users: a file, a pattern in quotes (past-*.csv) or hf:// address, with user_id,"
        " item_id (as in the catalogue) and, if known, position or timestamp"
    ),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(
        help="format of the times, such as %d/%m/%Y, or s, ms, us, ns for Unix numbers; found out by default where it"
        " is not ambiguous"
    ),
]
History = Annotated[
    str | None,
    typer.Option(
        help="titles, oldest first, separated by semicolons (\\; inside a title); a part of a title will do if only"
        " one title contains it"
    ),
]
HistoryIds = Annotated[
    str | None,
    typer.Option(
        help="instead of --history: ids, oldest first, separated by commas: the catalogue's item_id, else row numbers"
        " from 0"
    ),
]
HistoryUser = Annotated[
    str | None, typer.Option("--user", help="instead of --history: a user_id of --interactions, whose history is read")
]
ItemColumn = Annotated[
    str | None, typer.Option(help="column of item ids in the catalogue and in the past, if it is not item_id")
]
TitleColumn = Annotated[str | None, typer.Option(help="column of titles, if it is not title")]
CategoriesColumn = Annotated[str | None, typer.Option(help="column of categories, if it is not categories")]
BrandColumn = Annotated[str | None, typer.Option(help="column of brands, if it is not brand")]
DescriptionColumn = Annotated[str | None, typer.Option(help="column of descriptions, if it is not description")]
UserColumn = Annotated[str | None, typer.Option(help="column of user ids, if it is not user_id")]
TimeColumn = Annotated[str | None, typer.Option(help="column of times, if it is not timestamp")]
PROTOCOL_NAMES = (
    "evaluation protocol, see docs/evaluation.md: leave_one_out, global_time, zero_shot, cold_user, cold_item,"
    " held_out_users, windows, published_steam_style, or published_99_negatives (each target among 99 drawn items, only"
    " to compare with figures published so)"
)
AllowTrained = Annotated[
    bool,
    typer.Option(
        "--allow-trained-on-targets",
        help="Evaluate a model although it was trained on targets of this split; the table is marked.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="seed of all random numbers")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings; --set and flags override it", dir_okay=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="any setting of the config file, nested ones with dots; repeat the flag for several",
        metavar="KEY=VALUE",
    ),
]


Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        help="class that a file or run names, to be imported: names in files alone are not; repeat the flag",
        metavar="MODULE:CLASS",
    ),
]


_PLUGIN_SETTINGS = ("recommender", "recommenders", "mind", "domain", "policy")


def allow_plugins(*names: str, overrides: Iterable[str] = ()) -> None:
    """Allow the import of the classes named on the command line: a comma-separated list each, or values of --set.

    Raises
    ------
    ConfigError
        A module does not exist.
    """
    from recgpt import plugins

    given = [override.partition("=")[::2] for override in overrides]
    texts = [*names, *(value for key, value in given if key.strip() in _PLUGIN_SETTINGS)]
    plugins.allow(name.strip(" []\"'") for text in texts for name in text.split(","))


def typed(context: typer.Context, settings: Mapping[str, str]) -> dict[str, Any]:
    """Values of the flags given on the command line, by setting: only they override a file and `--set`.

    Parameters
    ----------
    settings
        Parameter of the command -> dotted key of its setting.
    """
    given = (name for name in settings if context.get_parameter_source(name).name != "DEFAULT")  # type: ignore[union-attr]
    found = {settings[name]: context.params[name] for name in given}
    return {key: str(value) if isinstance(value, Path) else value for key, value in found.items()}


def resumable(run_id: str, step_name: str) -> AbstractContextManager[None]:
    """Say how to resume the run when the command is stopped."""
    from recgpt.program import resumable as stoppable

    def hint() -> str:
        from recgpt.simulate.store.file import run_path

        kept = f"every finished {step_name} is stored. To continue: recgpt runs resume {run_id}"
        return kept if run_path(run_id).is_file() else "the run had not begun: the same command starts it"

    return stoppable(hint)
