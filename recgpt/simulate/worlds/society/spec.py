"""The society as the runner, the store and the command line use it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec
from recgpt.simulate.worlds.society.artifacts import stored_setting
from recgpt.simulate.worlds.society.config import FIXED, NAME, SocietyConfig
from recgpt.simulate.worlds.society.inputs import Inputs, load_inputs
from recgpt.simulate.worlds.society.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.society.minds import make_mind
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.world import Society

if TYPE_CHECKING:
    from recgpt.simulate.world import State


def make_world(config: SocietyConfig, inputs: Inputs, run: Run, concurrency: int) -> Society:
    """The society before its first round."""
    rules, setting = config.rules(), inputs.setting
    mind = make_mind(config, setting, rules, seed=config.seed, run=run, schedule=config.schedule)
    return Society(
        rules,
        setting,
        inputs.recommender,
        mind,
        schedule=config.schedule,
        make_recommender=inputs.make_recommender,
        seed=config.seed,
    )


def load_state(run: Run) -> "Callable[[], State]":
    """Makes states before the first round, from the run's artifacts."""
    config, setting = SocietyConfig(**run.manifest.config), stored_setting(run)
    return lambda: SocietyState(config.rules(), setting, config.seed)


def _measures(run: Run) -> dict[str, Any]:
    from recgpt.simulate.worlds.society.measures import measures

    return measures(run)


def _view(run: Run, step: int) -> dict[str, Any]:
    from recgpt.simulate.worlds.society.view import view

    return view(run, step)


def _report(run: Run) -> Path:
    from recgpt.simulate.worlds.society.report import write_report

    return write_report(run)


def _summary(run: Run) -> Table:
    from recgpt.simulate.worlds.society.report import summary_table

    return summary_table(run)


def _export(run: Run, folder: Path, only_simulated: bool) -> list[Path]:
    from recgpt.simulate.worlds.society.export import export

    return export(run, folder, only_simulated)


WORLD = WorldSpec(
    name=NAME,
    step_name="round",
    config=SocietyConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=load_inputs,
    make_world=make_world,
    load_state=load_state,
    measures=_measures,
    view=_view,
    report=_report,
    summary=_summary,
    fixed=FIXED,
    export=_export,
)
