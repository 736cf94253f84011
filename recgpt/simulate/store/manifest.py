"""Manifest of a run (inputs and versions) and its one-line summary."""

import importlib.metadata
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recgpt.data.identity import code_version
from recgpt.simulate.llm.dialect import Dialect

_MADE_WITH = ("numpy", "polars", "torch", "scipy")


def versions() -> dict[str, str]:
    """Versions of recgpt and of the libraries that shape a run."""
    return {**code_version(), **{name: importlib.metadata.version(name) for name in _MADE_WITH}}


class Manifest(BaseModel):
    """Inputs of a run: the same manifest and versions reproduce the same run."""

    model_config = ConfigDict(frozen=True)

    run: str = Field(description="id of the run")
    world: str = Field(description="registered name of the world")
    config: dict[str, Any] = Field(description="configuration of the world; JSON values")
    seed: int
    made_with: dict[str, str] = Field(description="versions of recgpt and its main dependencies")
    dataset: dict[str, Any] = Field(description="name and fingerprints of the data set and the model; JSON values")
    intervals: str = Field(default="agents", description="what the bootstrap of the metrics resamples: agents or users")
    forked_from: str | None = Field(default=None, description="run@step that it was forked from")
    changed: dict[str, tuple[Any, Any]] = Field(
        default={}, description="settings that the fork changed, by name: before and after; JSON values"
    )
    kinds: dict[str, dict[str, str]] = Field(
        default={}, description="the world's table of events, see `EventKinds.to_dict`; empty in format 1"
    )
    repeatable: str = Field(description="one sentence on what makes the run come out the same again")
    dialects: dict[str, Dialect] = Field(
        default={}, description="form of requests to each language model and server, found out at the first reply"
    )
    retries: int = Field(default=0, description="times that agents whose mind had failed were asked again, by forks")


class RunSummary(BaseModel):
    """One line of `recgpt runs list`; for an unreadable run, only the id and the error."""

    model_config = ConfigDict(frozen=True)

    run: str
    world: str | None = None
    n_steps: int = 0
    n_rows: int = 0
    finished: bool = False
    forked_from: str | None = None
    hash: str = ""
    error: str | None = None
