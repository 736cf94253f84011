"""The town as the runner, the store and the command line use it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred, page_report
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.config import FIXED, NAME, TownConfig
from recgpt.simulate.worlds.town.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.town.state import TownState

if TYPE_CHECKING:
    from recgpt.simulate.world import State


def load_state(run: Run) -> "Callable[[], State]":
    """Makes states before the first block, from the run's artifacts."""
    config, setting = TownConfig(**run.manifest.config), stored_setting(run)
    return lambda: TownState(config.rules(), setting, config.seed)


WORLD = WorldSpec(
    name=NAME,
    step_name="block",
    config=TownConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=deferred("recgpt.simulate.worlds.town.inputs:load_inputs"),
    make_world=deferred("recgpt.simulate.worlds.town.world:make_world"),
    load_state=load_state,
    measures=deferred("recgpt.simulate.worlds.town.measures:measures"),
    view=deferred("recgpt.simulate.worlds.town.view:view"),
    report=page_report("recgpt.simulate.worlds.town.report:html"),
    summary=deferred("recgpt.simulate.worlds.town.report:summary_table"),
    fixed=FIXED,
    watch=deferred("recgpt.simulate.worlds.town.watch:TownWatch"),
    export=deferred("recgpt.simulate.worlds.town.export:export"),
)
