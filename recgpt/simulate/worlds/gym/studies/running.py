"""Runs of studies: start one, or go on with it by the same command.

with run_studies("books", StudyConfig(domain="books", quick=True)) as run:
    print(write_reports(run))
"""

from pathlib import Path
from typing import Any

from recgpt.errors import StoreError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.registry import check_rules
from recgpt.simulate.worlds.gym.studies.config import NAME, StudyConfig
from recgpt.simulate.worlds.gym.studies.dump import config_of, dump_of
from recgpt.simulate.worlds.gym.studies.tables import write_published

LIMITS = ("max_calls", "max_usd", "max_failed")
"""Options of the language model that may change when a run goes on; so may `concurrency`."""
_MAY_CHANGE = (*LIMITS, "concurrency", "timeout_s")


def run_studies(run_id: str, config: StudyConfig, *, overwrite: bool = False) -> Run:
    """Play the studies to their end, or go on with an unfinished run of the same configuration.

    Raises
    ------
    StoreError
        The run exists with another configuration.
    SimulationError, DataError
        A name in the rules is wrong, or the catalogue does not suit the studies.
    LLMError
        See `runner.start`; the same call goes on.
    """
    check_rules(config)
    if overwrite or not run_path(run_id).is_file():
        return runner.start(NAME, run_id, config, overwrite=overwrite)
    with Run.open(run_id) as run:
        is_empty, finished = run.is_empty and not run.finished, run.finished
        differing = [] if is_empty else _differing(config_of(run), config)
    if is_empty:
        return runner.start(NAME, run_id, config)
    if differing:
        raise StoreError(
            f"run {run_id} exists with other settings ({', '.join(differing)}): choose another --run, or --overwrite it"
        )
    if finished:
        return Run.open(run_id)
    run = Run.open(run_id, write=True)
    try:
        runner.resume(run, **({name: getattr(config.llm, name) for name in LIMITS} if config.mind == "llm" else {}))
    except BaseException:
        run.close()
        raise
    return run


def _differing(old: StudyConfig, new: StudyConfig) -> list[str]:
    """Settings that differ, but for limits of the language model."""
    before, after = _settings(old), _settings(new)
    return [name for name, value in before.items() if value != after[name]]


def _settings(config: StudyConfig) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    return {**values, "llm": {name: value for name, value in values["llm"].items() if name not in _MAY_CHANGE}}


def write_published_reports(run: Run, folder: Path) -> Path:
    """Write the files of a run in the published form into a folder of its configuration's name; returns that folder."""
    from recgpt.simulate.worlds.gym.studies.scoring import score

    frame, config = dump_of(run), config_of(run)
    target = folder / config.label
    write_published(frame, score(frame, domain_of(config.domain)), target)
    return target
