"""Inputs of a town: map, people and catalogue, read from its configuration.

inputs = load_inputs(TownConfig(people=25))
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.artifacts import artifacts_of
from recgpt.simulate.worlds.town.catalogue import load_catalogue
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.edits import check_schedule
from recgpt.simulate.worlds.town.minds import mind_class
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.plan import load_default_map
from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.setting import Setting


@dataclass(frozen=True)
class Inputs:
    """Inputs of a town.

    Attributes
    ----------
    config
        Configuration that they were read by.
    setting
        Map, people and catalogue.
    """

    config: TownConfig
    setting: Setting

    @cached_property
    def _artifacts(self) -> dict[str, bytes]:
        return artifacts_of(self.setting)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Hashes of map, people and catalogue, and identity of a plug-in's mind."""
        found: dict[str, Any] = {"name": self.setting.map.name}
        found |= {name: hashlib.sha256(content).hexdigest() for name, content in self._artifacts.items()}
        own_mind = mind_class(self.config.mind)
        if own_mind is not None:
            found["plugins"] = {self.config.mind: plugins.identity(own_mind)}
        return found

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        return self._artifacts


def load_inputs(config: TownConfig) -> Inputs:
    """Read or draw map and people.

    Raises
    ------
    SimulationError
        A plan or a file of people is wrong, or the schedule names what does not exist.
    """
    setting = _setting(config)
    check_schedule(config.schedule, setting)
    return Inputs(config, setting)


def _setting(config: TownConfig) -> Setting:
    town_map, people = _map_and_people(config)
    return Setting(town_map, people, load_catalogue(config, people, town_map))


def _map_and_people(config: TownConfig) -> tuple[TownMap, People]:
    if config.town == "default":
        town_map = load_default_map()
        return town_map, load_people(town_map, config.people, start_time=config.start_time)
    raise SimulationError(f"town={config.town}: unknown: choose default")
