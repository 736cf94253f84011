"""Inputs of a town: map, people and catalogue, read from its configuration.

inputs = load_inputs(TownConfig(people=25))
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recgpt import plugins
from recgpt.errors import SimulationError
from recgpt.models import about_model
from recgpt.recommenders import PLUGINS, check_names, registered_name
from recgpt.simulate.worlds.town.artifacts import artifacts_of
from recgpt.simulate.worlds.town.catalogue import load_catalogue
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.edits import check_schedule
from recgpt.simulate.worlds.town.minds import mind_class
from recgpt.simulate.worlds.town.people import load_people
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.plan import load_default_map, load_plan
from recgpt.simulate.worlds.town.procedural import draw_people, draw_town
from recgpt.simulate.worlds.town.published.sources import read_town
from recgpt.simulate.worlds.town.recommending import TownRecommender, fitted, model_of
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
    def recommender(self) -> TownRecommender | None:
        """The recommender of the configuration, fitted on the past of the catalogue; None without one."""
        config, catalogue = self.config, self.setting.catalogue
        if config.recommender is None or catalogue is None:
            return None
        found = fitted(config.recommender, catalogue, model=config.model, seed=config.seed)
        return TownRecommender(found, catalogue, config.rules())

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Hashes of map, people, catalogue and its past, the model, and identities of plug-ins."""
        found: dict[str, Any] = {"name": self.setting.map.name}
        found |= {name: hashlib.sha256(content).hexdigest() for name, content in self._artifacts.items()}
        if self.setting.catalogue is not None and self.setting.catalogue.known is not None:
            found["content_sha256"] = self.setting.catalogue.known.content_sha256
        name, own_mind = self.config.recommender, mind_class(self.config.mind)
        used: dict[str, Any] = {}
        if name is not None:
            model = model_of(name, self.config.model)
            found["model"] = None if model is None else about_model(model)
            used |= {each: PLUGINS[each] for each in (registered_name(name),) if each in PLUGINS}
        if own_mind is not None:
            used[self.config.mind] = plugins.identity(own_mind)
        return {**found, "plugins": used} if used else found

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        return self._artifacts


def load_inputs(config: TownConfig) -> Inputs:
    """Read or draw map and people.

    Raises
    ------
    DataError
        The recommender is unknown.
    SimulationError
        A plan or a file of people is wrong, or the schedule names what does not exist.
    """
    setting = _setting(config)
    check_schedule(config.schedule, setting)
    check_names([] if config.recommender is None else [config.recommender])
    return Inputs(config, setting)


def _setting(config: TownConfig) -> Setting:
    town_map, people = _map_and_people(config)
    return Setting(town_map, people, load_catalogue(config, people, town_map))


def _map_and_people(config: TownConfig) -> tuple[TownMap, People]:
    if config.town == "default":
        town_map = load_default_map()
        return town_map, load_people(town_map, config.people, start_time=config.start_time)
    if config.town == "procedural":
        drawn = draw_town(config.people, config.seed, start_time=config.start_time)
        return drawn.map, drawn.people
    path = Path(config.town)
    if path.is_file():
        town_map = load_plan(path)
        return town_map, draw_people(town_map, config.people, config.seed, start_time=config.start_time)
    if path.is_dir():
        folder, history = (None if each is None else Path(each) for each in (config.map_folder, config.history))
        return read_town(path, map_folder=folder, history=history, n=config.people)
    raise SimulationError(
        f"town={config.town}: choose default, procedural, a plan file, or the folder of a published simulation"
    )
