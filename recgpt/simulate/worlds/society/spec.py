"""The society as the runner, the store and the command line use it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred, page_report
from recgpt.simulate.worlds.society.artifacts import stored_setting
from recgpt.simulate.worlds.society.config import FIXED, NAME, SocietyConfig
from recgpt.simulate.worlds.society.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.society.state import SocietyState

if TYPE_CHECKING:
    from recgpt.simulate.world import State


def load_state(run: Run) -> "Callable[[], State]":
    """Makes states before the first round, from the run's artifacts."""
    config, setting = SocietyConfig(**run.manifest.config), stored_setting(run)
    return lambda: SocietyState(config.rules(), setting, config.seed)


WORLD = WorldSpec(
    name=NAME,
    step_name="round",
    config=SocietyConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=deferred("recgpt.simulate.worlds.society.inputs:load_inputs"),
    make_world=deferred("recgpt.simulate.worlds.society.world:make_world"),
    load_state=load_state,
    measures=deferred("recgpt.simulate.worlds.society.measures:measures"),
    view=deferred("recgpt.simulate.worlds.society.view:view"),
    report=page_report("recgpt.simulate.worlds.society.report:html"),
    summary=deferred("recgpt.simulate.worlds.society.report:summary_table"),
    fixed=FIXED,
    watch=deferred("recgpt.simulate.worlds.society.watch:SocietyWatch"),
    export=deferred("recgpt.simulate.worlds.society.export:export"),
)
