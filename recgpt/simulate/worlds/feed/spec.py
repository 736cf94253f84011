"""The feed as the runner, the store and the command line use it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population
from recgpt.simulate.worlds.feed.config import NAME, FeedConfig
from recgpt.simulate.worlds.feed.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.measures import measures
from recgpt.simulate.worlds.feed.minds import make_mind
from recgpt.simulate.worlds.feed.state import FeedRules, FeedState
from recgpt.simulate.worlds.feed.world import Feed


def make_world(config: FeedConfig, inputs: Inputs, run: Run, concurrency: int) -> Feed:
    """The feed before its first page."""
    setting = inputs.setting
    mind = make_mind(config, setting.population, setting.facts, seed=config.seed, run=run)
    # A language model's calls run together in its client, and a person answers one question at a time.
    threads = min(concurrency, os.cpu_count() or 1) if config.mind == "scripted" else 1
    return Feed(config.part(FeedRules), setting, inputs.recommender, mind, concurrency=threads)


def load_state(run: Run) -> Callable[[], FeedState]:
    """Makes states before the first page, from the run's artifacts."""
    rules = FeedConfig(**run.manifest.config).part(FeedRules)
    population, facts = stored_population(run), stored_facts(run)
    return lambda: FeedState(rules, population, facts)


def _view(run: Run, step: int) -> dict[str, Any]:
    from recgpt.simulate.worlds.feed.view import view

    return view(run, step)


def _report(run: Run) -> Path:
    from recgpt.simulate.worlds.feed.report import write_report

    return write_report(run)


def _summary(run: Run) -> Table:
    from recgpt.simulate.worlds.feed.report import summary_table

    return summary_table(run)


def _export(run: Run, folder: Path, only_simulated: bool) -> list[Path]:
    from recgpt.simulate.worlds.feed.export import export

    return export(run, folder, only_simulated)


FIXED = ("dataset", "model", "agents", "people", "page_size", "memory", "truth_first", "advert")
"""Settings that a fork may not change."""

WORLD = WorldSpec(
    name=NAME,
    step_name="page",
    config=FeedConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=load_inputs,
    make_world=make_world,
    load_state=load_state,
    measures=measures,
    view=_view,
    report=_report,
    summary=_summary,
    fixed=FIXED,
    export=_export,
)
