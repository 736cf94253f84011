"""Argument and option types that several topics share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

DatasetDir = Annotated[Path, typer.Argument(help="data set folder", exists=True, file_okay=False)]
Workers = Annotated[
    int, typer.Option(min=1, help="processes; more than one work on Ray (extra `ray`), RAY_ADDRESS naming a cluster")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
RepeatsIfSaid = Annotated[
    Literal["keep", "drop-consecutive", "drop"] | None,
    typer.Option(help="what becomes of items a user met before; by default as the protocol has it, mostly drop"),
]
ModelIfSaid = Annotated[
    str | None,
    typer.Option(help="model folder, hub repository, or published .pt; by default ours, ckpt/recgpt-minilm"),
]
ItemsFile = Annotated[Path, typer.Option(help="catalogue: .csv, .tsv, .jsonl or .parquet with a column `title`")]
InteractionsFile = Annotated[
    Path | None,
    typer.Option(help="what is known of the past: a file with user_id, item_id (the catalogue's) and maybe timestamp"),
]
History = Annotated[str, typer.Option(help="titles, oldest first, separated by `;`")]
PROTOCOL_NAMES = (
    "leave_one_out, global_time, zero_shot, cold_user, cold_item, held_out_users, windows or published_steam_style"
)
Seed = Annotated[int, typer.Option(help="seed of all random numbers")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML file of settings; --set and flags win over it", dir_okay=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE of any setting, dotted where it is in a group; repeat", metavar="KEY=VALUE"),
]


def typed(context: typer.Context, settings: Mapping[str, str]) -> dict[str, Any]:
    """Values of the flags that the command line names, by setting: only those win over a file and `--set`.

    Parameters
    ----------
    settings
        Parameter of the command -> dotted key of its setting.
    """
    given = (name for name in settings if context.get_parameter_source(name).name != "DEFAULT")  # type: ignore[union-attr]
    found = {settings[name]: context.params[name] for name in given}
    return {key: str(value) if isinstance(value, Path) else value for key, value in found.items()}


@contextmanager
def resumable(run_id: str, step_name: str) -> Iterator[None]:
    """End the command with code 130 on Ctrl-C, and print how to resume the run."""
    try:
        yield
    except KeyboardInterrupt:
        from recgpt.simulate.store.file import run_path

        kept = f"every finished {step_name} is kept. To go on: recgpt runs resume {run_id}"
        print(f"\nstopped; {kept if run_path(run_id).is_file() else 'the run had not begun'}")
        raise typer.Exit(130) from None
