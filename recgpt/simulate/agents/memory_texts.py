"""Texts of memories, each kept once, with embeddings whose cosines are exact.

    texts = Texts(width=384)
    texts.ids_of(["I watched Heat.", "I watched Babe."], unit_NE[[6, 7]])

Shapes: R texts at a time, T texts in the table, E embedding width.
"""

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np

from recgpt.errors import SimulationError
from recgpt.features.text_similarity import rough

Embed = Callable[[list[str]], np.ndarray]


class Texts:
    """Texts, each once, with an embedding for each.

    Parameters
    ----------
    width
        E.
    embed
        Makes embeddings (n, E) of texts that come without one; `hashed_words` where no encoder is at hand. All
        embeddings of one table must be of one space.
    """

    def __init__(self, width: int, embed: Embed | None = None) -> None:
        self.width = width
        self._embed = embed or (lambda texts: hashed_words(texts, width))
        self._texts: list[str] = []
        self._id_of: dict[str, int] = {}
        self._rows_TE = np.empty((0, width), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, text_id: int) -> str:
        return self._texts[text_id]

    @property
    def embeddings(self) -> np.ndarray:
        """(T, E) float32 `grid_rows`."""
        return self._rows_TE[: len(self)]

    def ids_of(self, texts: Sequence[str], embeddings_RE: np.ndarray | None = None) -> np.ndarray:
        """(R,) int64 numbers of texts in the table; what it does not hold yet is added.

        Parameters
        ----------
        embeddings_RE
            (R, E), of the items that the texts are about, say; a text that is known keeps the one it has.

        Raises
        ------
        SimulationError
            The embeddings are of another shape or not finite.
        """
        if embeddings_RE is not None and embeddings_RE.shape != (len(texts), self.width):
            raise SimulationError(
                f"embeddings {embeddings_RE.shape} for {len(texts)} texts: ({len(texts)}, {self.width}) is needed"
            )
        first_new = len(self)
        new_rows: list[int] = []
        ids = np.empty(len(texts), dtype=np.int64)
        for row, text in enumerate(texts):
            known = self._id_of.setdefault(text, len(self._id_of))
            if known == first_new + len(new_rows):
                new_rows.append(row)
            ids[row] = known
        if new_rows:
            new = [texts[row] for row in new_rows]
            try:
                rows = grid_rows(self._embed(new) if embeddings_RE is None else embeddings_RE[new_rows])
            except SimulationError:
                for text in new:
                    del self._id_of[text]
                raise
            self._texts += new
            if len(self) > len(self._rows_TE):
                grown = np.empty((max(2 * len(self._rows_TE), len(self)), self.width), dtype=np.float32)
                grown[:first_new] = self._rows_TE[:first_new]
                self._rows_TE = grown
            self._rows_TE[first_new : len(self)] = rows
        return ids


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
    return rough(rows_RE / np.where(lengths_R > 0, lengths_R, 1)[:, None]).astype(np.float32)


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
