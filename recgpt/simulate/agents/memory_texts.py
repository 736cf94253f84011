"""Texts of memories, each kept once, with embeddings whose cosines are exact.

    texts = Texts(width=384)
    texts.ids_of(["I watched Heat.", "I watched Babe."], unit_NE[[6, 7]])

Shapes: R texts at a time, T texts in the table, E embedding width.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from recgpt.data.ragged import offsets_from_lengths
from recgpt.errors import SimulationError
from recgpt.features.text_similarity import quantize_rows

Embed = Callable[[list[str]], np.ndarray]
GRID = 2.0**11  # of `quantize_rows`: embeddings are multiples of 1 / GRID


class StringTable:
    """Strings by number, each kept once."""

    REQUIRED = ("bytes", "offsets")  # arrays of a snapshot

    def __init__(self) -> None:
        self._strings: list[str] = []
        self._number_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._strings)

    def __getitem__(self, number: int) -> str:
        return self._strings[number]

    def __contains__(self, string: str) -> bool:
        return string in self._number_of

    def number(self, string: str) -> int:
        """The number of a string, which is added if it is new."""
        found = self._number_of.setdefault(string, len(self._strings))
        if found == len(self._strings):
            self._strings.append(string)
        return found

    def to_arrays(self) -> dict[str, np.ndarray]:
        """`bytes`, the UTF-8 of all strings, and `offsets`, int64 where each begins and the last ends."""
        encoded = [string.encode("utf-8", "surrogatepass") for string in self._strings]
        lengths = np.array([len(each) for each in encoded], dtype=np.int64)
        return {"bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), "offsets": offsets_from_lengths(lengths)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "StringTable":
        """Rebuild a table from the arrays of `to_arrays`."""
        content, offsets = arrays["bytes"].tobytes(), arrays["offsets"].tolist()
        table = cls()
        for begin, end in pairwise(offsets):
            table.number(content[begin:end].decode("utf-8", "surrogatepass"))
        return table


class Texts:
    """Texts, each kept once, with an embedding for each.

    Parameters
    ----------
    width
        E.
    embed
        Function from n texts to embeddings (n, E), for texts that come without one; by default `hashed_words`, for
        use without an encoder. All embeddings of one table have to be of one space.
    """

    REQUIRED = (*StringTable.REQUIRED, "embeddings")  # arrays of a snapshot

    def __init__(self, width: int, embed: Embed | None = None) -> None:
        self.width = width
        self._embed = embed or (lambda texts: hashed_words(texts, width))
        self._strings = StringTable()
        self._rows_TE = np.empty((0, width), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._strings)

    def __getitem__(self, text_id: int) -> str:
        return self._strings[text_id]

    @property
    def embeddings(self) -> np.ndarray:
        """(T, E) float32 `grid_rows`."""
        return self._rows_TE[: len(self)]

    def ids_of(self, texts: Sequence[str], embeddings_RE: np.ndarray | None = None) -> np.ndarray:
        """(R,) int64 numbers of texts in the table, to which new ones are added.

        Parameters
        ----------
        embeddings_RE
            (R, E), for example of the items that the texts are about. A text keeps the embedding it was added with.

        Raises
        ------
        SimulationError
            The embeddings are of another shape or not finite.
        """
        if embeddings_RE is not None and embeddings_RE.shape != (len(texts), self.width):
            raise SimulationError(
                f"embeddings {embeddings_RE.shape} for {len(texts)} texts: ({len(texts)}, {self.width}) is needed"
            )
        row_of_new: dict[str, int] = {}
        for row, text in enumerate(texts):
            if text not in self._strings:
                row_of_new.setdefault(text, row)
        if row_of_new:
            new = list(row_of_new)
            vectors = self._embed(new) if embeddings_RE is None else embeddings_RE[list(row_of_new.values())]
            self._append(grid_rows(vectors))
        return np.array([self._strings.number(text) for text in texts], dtype=np.int64)

    def embedded(self, texts: list[str]) -> np.ndarray:
        """(R, E) embeddings of texts that are not added to the table."""
        return self._embed(texts)

    def _append(self, rows_nE: np.ndarray) -> None:
        """Append embeddings to the table, in an array that doubles where it is full."""
        n_before, n_after = len(self), len(self) + len(rows_nE)
        if n_after > len(self._rows_TE):
            grown_TE = np.empty((max(2 * len(self._rows_TE), n_after), self.width), dtype=np.float32)
            grown_TE[:n_before] = self._rows_TE[:n_before]
            self._rows_TE = grown_TE
        self._rows_TE[n_before:n_after] = rows_nE

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The strings as in `StringTable.to_arrays`, and `embeddings` in int16 units of 2^-11, which is exact."""
        return self._strings.to_arrays() | {"embeddings": (self.embeddings * GRID).astype(np.int16)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], embed: Embed | None = None) -> "Texts":
        """Rebuild a table from the arrays of `to_arrays`."""
        texts = cls(arrays["embeddings"].shape[1], embed)
        texts._strings = StringTable.from_arrays(arrays)
        texts._rows_TE = arrays["embeddings"].astype(np.float32) / GRID
        return texts


def grid_rows(vectors_RE: np.ndarray) -> np.ndarray:
    """Scale rows to unit length, as float32 multiples of 2^-11; rows of zeros stay.

    Products of two such numbers are multiples of 2^-22 and no partial sum of a cosine exceeds 2, so float32 holds every
    step exactly: a cosine is the same to the last bit in any batch and in any order. It is off by about .0002.

    Raises
    ------
    SimulationError
        NaN or infinity.
    """
    rows_RE = np.asarray(vectors_RE, dtype=np.float64)
    lengths_R = np.linalg.norm(rows_RE, axis=1)
    if not np.isfinite(lengths_R).all():
        raise SimulationError(f"embedding {int(np.argmin(np.isfinite(lengths_R)))} holds NaN or infinity: encode again")
    return quantize_rows(rows_RE / np.where(lengths_R > 0, lengths_R, 1)[:, None]).astype(np.float32)


def hashed_words(texts: Sequence[str], width: int) -> np.ndarray:
    """(n, width) float32 signed counts of hashed words (Weinberger et al., "Feature hashing", ICML 2009).

    Stands in for an encoder: texts are alike as far as they share words.
    """
    counts = np.zeros((len(texts), width), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.casefold()):
            digest = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
            counts[row, (digest >> 1) % width] += 1 if digest & 1 else -1
    return counts
