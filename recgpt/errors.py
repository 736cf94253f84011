"""Errors a user can act on: each message names the value, the place and the remedy.

The command line prints them without a traceback; anything else is a bug and keeps its traceback.
"""

from recgpt.terminal import message


class RecGPTError(Exception):
    """Base of every error that the user, not the programmer, has to act on.

    Each argument is one line of the message. Lines are printed neutral (control and direction characters of file
    names, titles and ids have no effect on a terminal) and bounded, see `recgpt.terminal`; `args` keeps the exact text.
    """

    def __str__(self) -> str:
        return "\n".join(message(str(line)) for line in self.args)


class ConfigError(RecGPTError, ValueError):
    """A setting is unknown, missing, or has a value that it cannot have."""


class DataError(RecGPTError, ValueError):
    """Data is missing, malformed or does not belong together (wrong fingerprint, unknown id, NaN, truncated file)."""


class NotFittedError(RecGPTError, RuntimeError):
    """A recommender is used before `fit`, or before it was read from a folder."""


class EncoderError(RecGPTError, RuntimeError):
    """The text encoder cannot be loaded or does not fit the model."""


class CheckpointError(RecGPTError, ValueError):
    """A checkpoint is missing, incomplete or does not fit the run that wants it."""


class UntrustedFileError(RecGPTError, ValueError):
    """A published `.pt`, `.pkl` or archive contains more than numbers, text and plain containers."""


class StorageError(RecGPTError, OSError):
    """A file or folder cannot be written: full or read-only disk, permissions, or another process at work on it."""


class StoreError(RecGPTError, RuntimeError):
    """A run cannot be made, read or continued: its folder, its file or its log is not as it must be."""


class LLMError(RecGPTError, RuntimeError):
    """A language model cannot be reached, refuses the key, or would cost more than is allowed."""


class SimulationError(RecGPTError, ValueError):
    """A simulation is impossible with its agents, items or recommender."""


class WorkerError(RecGPTError, RuntimeError):
    """Ray is missing or too small, or the workers of a bulk job died repeatedly."""
