"""The published outputs of RecAgent: messages, log and interactions of a run.

    write_outputs(run, Path("output"), "messages.json", "simulation.log", logger="recagent")

The log has a line for each message.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from recgpt.files import make_folder, new_file, write_text
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.society.export import interactions, message_rounds
from recgpt.simulate.worlds.society.measures import stored


def write_outputs(run: Run, folder: Path, output_file: str, log_file: str, *, logger: str) -> list[Path]:
    """Write `message/OUTPUT_FILE` and `log/LOG_FILE` into a folder; returns both paths.

    Parameters
    ----------
    logger
        Name at the beginning of each line of the log.
    """
    rounds = list(message_rounds(run, stored(run)))
    paths = [folder / "message" / output_file, folder / "log" / log_file]
    for path, text in zip(paths, (json.dumps(rounds, ensure_ascii=False), log_of(rounds, logger)), strict=True):
        make_folder(path.parent)
        write_text(path, text)
    return paths


def log_of(rounds: Sequence[Sequence[Sequence[Mapping[str, Any]]]], logger: str) -> str:
    """Log of published messages: a line for each, line breaks in it escaped."""
    lines = [
        f"{logger} - round {number} - {each['action']} - agent {each['agent_id']}: {_one_line(each['content'])}"
        for number, messages in enumerate(rounds, start=1)
        for each in chain.from_iterable(messages)
    ]
    return "\n".join([*lines, ""])


def write_interactions(run: Run, path: Path) -> None:
    """Write the CSV file of interactions, watched 1 and only shown 0, by numbers of agents and items."""
    make_folder(path.parent)
    with new_file(path) as draft:
        interactions(run.events()).write_csv(draft)


def _one_line(text: object) -> str:
    return str(text).replace("\\", "\\\\").replace("\n", "\\n")
