"""Parts of a state that are a few numeric arrays."""

import copy
from typing import ClassVar, Self

import numpy as np


class ArrayPart:
    """Base of parts: copies and snapshots of the arrays named in `ARRAYS`.

    Attributes
    ----------
    PREFIX
        Name of the part in the snapshot of a state.
    """

    PREFIX: ClassVar[str]
    ARRAYS: ClassVar[tuple[str, ...]]

    def copy(self) -> Self:
        """The same part, which changes on its own from here on."""
        copied = copy.copy(self)
        for name in self.ARRAYS:
            setattr(copied, name, getattr(self, name).copy())
        return copied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole part as numeric arrays."""
        return {self._key(name): getattr(self, name).copy() for name in self.ARRAYS}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        for name in self.ARRAYS:
            setattr(self, name, arrays[self._key(name)].copy())

    def _key(self, name: str) -> str:
        return f"{self.PREFIX}_{name.strip('_')}"
