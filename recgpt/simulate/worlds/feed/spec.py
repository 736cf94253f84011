"""The feed as the runner, the store and the command line use it."""

from collections.abc import Callable

from recgpt.simulate.store import Run
from recgpt.simulate.world import WorldSpec, deferred, page_report
from recgpt.simulate.worlds.feed.artifacts import stored_facts, stored_population
from recgpt.simulate.worlds.feed.config import NAME, FeedConfig
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.measures import measures
from recgpt.simulate.worlds.feed.state import FeedRules, FeedState


def load_state(run: Run) -> Callable[[], FeedState]:
    """Makes states before the first page, from the run's artifacts."""
    rules = FeedConfig(**run.manifest.config).part(FeedRules)
    population, facts = stored_population(run), stored_facts(run)
    return lambda: FeedState(rules, population, facts)


FIXED = ("dataset", "model", "agents", "people", "page_size", "memory", "truth_first", "advert")
"""Settings that a fork may not change."""

WORLD = WorldSpec(
    name=NAME,
    step_name="page",
    config=FeedConfig,
    kinds=KINDS,
    clock=CLOCK,
    load_inputs=deferred("recgpt.simulate.worlds.feed.inputs:load_inputs"),
    make_world=deferred("recgpt.simulate.worlds.feed.world:make_world"),
    load_state=load_state,
    measures=measures,
    view=deferred("recgpt.simulate.worlds.feed.view:view"),
    report=page_report("recgpt.simulate.worlds.feed.report:html"),
    summary=deferred("recgpt.simulate.worlds.feed.report:summary_table"),
    fixed=FIXED,
    export=deferred("recgpt.simulate.worlds.feed.export:export"),
    watch=deferred("recgpt.simulate.worlds.feed.watch:FeedWatch"),
)
