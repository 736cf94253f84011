"""A stored run of a small town that a restless mind played: many walks, talks and facts in few blocks."""

from dataclasses import replace

from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.world import world_of
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.inputs import Inputs
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.setting import Setting
from recgpt.simulate.worlds.town.world import Town
from tests.simulate.worlds.town.restless_mind import RestlessMind
from tests.simulate.worlds.town.small_town import hazelbrook

HOSTILE = '<img src=x onerror="alert(1)"> Moore\u202e'
"""Name of the first resident."""


def stored_town(run_id: str, n_blocks: int = 6, n_people: int = 8) -> Run:
    """Play blocks and store them as a run; the first resident has a hostile name."""
    config = TownConfig(people=n_people, hours=max(1, n_blocks // 6))
    town_map = hazelbrook()
    people = load_people(town_map, n_people)
    first, *others = people.residents
    people = replace(people, residents=(replace(first, name=HOSTILE), *others))
    inputs = Inputs(config, Setting(town_map, people))
    run = Run.create(run_id, runner.manifest_of(world_of("town"), run_id, config, inputs), overwrite=True)
    for name, content in inputs.artifacts().items():
        run.put_artifact(name, content)
    world = Town(config.rules(), inputs.setting, RestlessMind(), schedule=(), seed=1)
    for _ in range(n_blocks):
        rows = world.play()
        run.append(rows)
        world.apply(rows)
    return run
