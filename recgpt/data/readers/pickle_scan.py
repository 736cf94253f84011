"""What a pickle would allocate, read from its operations before it is loaded.

    with path.open("rb") as file:
        check_pickle(file)

The C unpickler allocates what the file claims: a memo of four billion places, a text of a terabyte. Every length and
every place is checked against the bytes that the file has. Operations of a fixed length, nearly all of a pickle of
histories, are skipped at the speed of a regular expression.
"""

import re
from typing import IO

MAX_INTEGER_BYTES = 16
MAX_TEXT_INTEGER = 40
"""Bytes of a line that holds a number, in the oldest protocols."""

_FIXED = {
    0: b"()]}etblNusaoRQ012\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94\x81\x92d",
    1: b"Khq\x80",
    2: b"M",
    4: b"Jj",
    8: b"G",
}
"""Length of the argument -> operations; a memo place of one byte (`q`) is no danger."""
_RUN = re.compile(
    b"(?:" + b"|".join(b"[%s].{%d}" % (re.escape(codes), size) for size, codes in _FIXED.items()) + b")++", re.DOTALL
)
_COUNTED = {  # operation -> bytes of its length
    ord("T"): 4,
    ord("U"): 1,
    ord("X"): 4,
    ord("B"): 4,
    ord("C"): 1,
    0x8C: 1,
    0x8D: 8,
    0x8E: 8,
    0x96: 8,
}
_LINES = {ord("S"): 1, ord("V"): 1, ord("F"): 1, ord("c"): 2, ord("i"): 2, ord("P"): 1}
_NUMBER_LINES = frozenset(b"ILgp")
_LONG_PUT, _FRAME, _LONG1, _STOP = ord("r"), 0x95, 0x8A, ord(".")


def check_pickle(file: IO[bytes], *, parts: int = 1) -> None:
    """Refuse a pickle that claims more than it holds.

    Parameters
    ----------
    file
        Open at the start of the pickle.
    parts
        Most pickles that follow each other in the file.

    Raises
    ------
    ValueError
        A length beyond the end of the file, a memo place beyond its size, a number of more than `MAX_INTEGER_BYTES`,
        an operation that no pickle of data has, or no end.
    """
    content, place = file.read(), 0
    for part in range(parts):
        if part == 0 or place < len(content):
            place = _check(content, place)


def _check(content: bytes, place: int) -> int:
    """Check one pickle that starts at `place`; returns where it ends."""
    end = len(content)
    while place < end:
        run = _RUN.match(content, place)
        if run is not None:
            place = run.end()
            continue
        code, start = content[place], place
        place += 1
        if code == _STOP:
            return place
        if code in _COUNTED:
            place = _after(content, place, _COUNTED[code])
        elif code in _LINES:
            for _ in range(_LINES[code]):
                place = _next_line(content, place)
        elif code in _NUMBER_LINES:
            place = _next_line(content, place)
            _check_number(content[start + 1 : place - 1].rstrip(b"\rL"), start, end if code in b"gp" else None)
        elif code == _LONG1:
            if place < end and content[place] > MAX_INTEGER_BYTES:
                raise ValueError(f"an integer of {content[place]} bytes at byte {start:,}, at most 16 are read")
            place = _after(content, place, 1)
        elif code == _LONG_PUT:
            if int.from_bytes(content[place : place + 4], "little") > end:
                raise ValueError(f"a memo larger than the file at byte {start:,}")
            place += 4
        elif code == _FRAME:
            if int.from_bytes(content[place : place + 8], "little") > end - place - 8:
                raise ValueError(f"a frame beyond the end of the file at byte {start:,}")
            place += 8
        else:
            raise ValueError(f"operation {code:#04x} at byte {start:,}, which no pickle of data has")
    raise ValueError(f"no end after {end:,} bytes")


def _after(content: bytes, place: int, width: int) -> int:
    """Where an argument ends whose length stands at `place`."""
    length = int.from_bytes(content[place : place + width], "little")
    if length > len(content) - place - width:
        raise ValueError(f"a text of {length:,} bytes at byte {place:,}, beyond the end of the file")
    return place + width + length


def _next_line(content: bytes, place: int) -> int:
    found = content.find(b"\n", place)
    if found < 0:
        raise ValueError(f"a line without end at byte {place:,}")
    return found + 1


def _check_number(text: bytes, place: int, most: int | None) -> None:
    """Refuse a number written as text that is too long, or no place of a memo with `most` places."""
    if len(text) > MAX_TEXT_INTEGER or (most is not None and not (text.isdigit() and int(text) <= most)):
        raise ValueError(f"a number out of bounds at byte {place:,}")
