"""The published outputs of RecAgent: messages, log and interactions of a run.

    write_outputs(run, Path("output"), "messages.json", "simulation.log", logger="recagent")

`messages.json` of the export is copied; the log has a line for each of its messages.
"""

import io
import json
import tempfile
from pathlib import Path

import polars as pl

from recgpt.errors import StoreError
from recgpt.files import make_folder, new_file, write_text
from recgpt.simulate import runner
from recgpt.simulate.store import Run

MESSAGES = "messages.json"
"""Name of the file of messages among the files of an export."""


def write_outputs(run: Run, folder: Path, output_file: str, log_file: str, *, logger: str) -> list[Path]:
    """Write `message/OUTPUT_FILE` and `log/LOG_FILE` into a folder; returns both paths.

    Parameters
    ----------
    logger
        Name at the beginning of each line of the log.

    Raises
    ------
    StoreError
        The export of the run has no messages.
    """
    content = _exported_messages(run)
    paths = [folder / "message" / output_file, folder / "log" / log_file]
    for path, text in zip(paths, (content, log_of(json.loads(content), logger)), strict=True):
        make_folder(path.parent)
        write_text(path, text)
    return paths


def log_of(rounds: list[list[dict[str, object]]], logger: str) -> str:
    """Log of published messages: a line for each, line breaks in it escaped."""
    lines = [
        f"{logger} - round {number} - {each['action']} - agent {each['agent_id']}: {_one_line(each['content'])}"
        for number, messages in enumerate(rounds, start=1)
        for each in _flat(messages)
    ]
    return "\n".join([*lines, ""])


def write_interactions(run: Run, path: Path) -> int:
    """Write the CSV file of interactions, watched 1 and only shown 0; returns the number of its rows."""
    items = pl.read_parquet(io.BytesIO(run.artifact("items.parquet")))
    watched = run.events(kind="watched").select("agent", "item", rating=pl.lit(1))
    shown = run.events(kind="shown").select("agent", "item", rating=pl.lit(0))
    first = pl.concat([watched, shown]).unique(["agent", "item"], keep="first", maintain_order=True)
    table = first.select(user_id="agent", item_id=items["item_id"].gather(first["item"]), rating="rating")
    make_folder(path.parent)
    with new_file(path) as draft:
        table.sort("user_id", maintain_order=True).write_csv(draft)
    return len(table)


def _exported_messages(run: Run) -> str:
    with tempfile.TemporaryDirectory() as folder:
        found = [path for path in runner.export(run, Path(folder) / "export") if path.name == MESSAGES]
        if not found:
            raise StoreError(f"the export of run {run.run_id} has no {MESSAGES}: it is no run of a society")
        return found[0].read_text(encoding="utf-8")


def _flat(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    """Messages of a round; the published form has a list for each agent."""
    return [one for each in messages for one in (each if isinstance(each, list) else [each])]


def _one_line(text: object) -> str:
    return str(text).replace("\\", "\\\\").replace("\n", "\\n")
