"""The society as the runner, the store and the command line use it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred
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


WORLD = WorldSpec(
    name=NAME,
    step_name="round",
    config=SocietyConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=load_inputs,
    make_world=make_world,
    load_state=load_state,
    measures=deferred("recgpt.simulate.worlds.society.measures:measures"),
    view=deferred("recgpt.simulate.worlds.society.view:view"),
    report=deferred("recgpt.simulate.worlds.society.report:write_report"),
    summary=deferred("recgpt.simulate.worlds.society.report:summary_table"),
    fixed=FIXED,
    export=deferred("recgpt.simulate.worlds.society.export:export"),
)
