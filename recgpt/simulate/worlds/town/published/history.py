"""Histories: CSV files of sentences that personas know from the start, `Name,Whisper`.

    entries = read_history(Path("agent_history_init_n3.csv"), names=["Maria Lopez", ...])
    entries[0]                                  # ("Maria Lopez", "This is very important -- ...")

Sentences are separated by `;`. A comma without quotation marks does not cut a row, as it does in the published reader,
and empty sentences are left out.
"""

import csv
import difflib
import io
from collections.abc import Sequence
from pathlib import Path

from recgpt.errors import DataError

HEADER = ("Name", "Whisper")
MAX_BYTES = 16 << 20


def parse_history(text: str, where: str) -> list[tuple[str, str]]:
    """Name and sentence of each entry, in the order of the file.

    Raises
    ------
    DataError
        It is no CSV text, or its header is not `Name,Whisper`.
    """
    try:
        rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True))
    except csv.Error as error:
        raise DataError(f"{where} is no CSV file ({error}): write a header Name,Whisper and a row a persona") from error
    if not rows or tuple(cell.strip() for cell in rows[0]) != HEADER:
        raise DataError(f"{where} begins with {','.join(rows[0]) if rows else 'nothing'!r}: write Name,Whisper")
    entries = []
    for row in rows[1:]:
        name, sentences = row[0].strip() if row else "", ", ".join(cell.strip() for cell in row[1:])
        entries += [(name, sentence.strip()) for sentence in sentences.split(";") if sentence.strip()]
    return entries


def read_history(path: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """Name and sentence of each entry of a file.

    Parameters
    ----------
    names
        Residents of the town.

    Raises
    ------
    DataError
        The file is missing or damaged, or a name is unknown.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has {path.stat().st_size:,} bytes, at most {MAX_BYTES:,} are read: split it")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text ({error}): save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a CSV file with Name,Whisper") from error
    entries = parse_history(text, str(path))
    for name, _ in entries:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0)
            raise DataError(f"{path}: nobody has the name {name!r}: did you mean {near[0] if near else 'another run'}?")
    return entries
