"""Inputs of a society: catalogue, people, ties and recommender, read from its configuration.

inputs = load_inputs(SocietyConfig(agents=100))
setting = load_setting(SocietyConfig(agents=100))      # without a recommender

The vectors of items are hashed words and tags, whatever the recommender, so that runs with different recommenders have
the same people; a recommender with a model gets the embeddings of its model's encoder.

Shapes: N items, E embedding width.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from recgpt import plugins
from recgpt.data.dataset import Dataset
from recgpt.errors import DataError, SimulationError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import Model, about_model, load_model
from recgpt.recommenders import PLUGINS, REGISTRY, check_names, registered_name
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.sources import known_part
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.artifacts import artifacts_of
from recgpt.simulate.worlds.society.catalogue import load_catalogue
from recgpt.simulate.worlds.society.config import SocietyConfig
from recgpt.simulate.worlds.society.minds import mind_class
from recgpt.simulate.worlds.society.schedule import SwapRecommender
from recgpt.simulate.worlds.society.schedule_check import check_schedule
from recgpt.simulate.worlds.society.sources_of_people import load_people
from recgpt.simulate.worlds.society.state import Setting


@dataclass(frozen=True)
class Inputs:
    """Inputs of a society.

    Attributes
    ----------
    config
        Configuration that they were read by.
    setting
        Catalogue, people and ties.
    files
        Hashes of the files besides the data set's own.
    """

    config: SocietyConfig
    setting: Setting
    files: dict[str, str]

    @cached_property
    def recommender(self) -> Recommender:
        """The recommender of the configuration, fitted on `setting.known`."""
        return self.make_recommender(self.config.recommender).fit(self._known)

    def make_recommender(self, name: str) -> Recommender:
        """A recommender by its registered name, not yet fitted, for swaps of the schedule.

        Raises
        ------
        DataError
            No recommender has this name, or it needs a model of the other kind.
        """
        model = self._model_of(name)
        vectors = self.setting.facts.unit_NE if model is None else model_embeddings(self._known, model)
        return recommenders_for([name], embeddings_NE=vectors, model=model, seed=self.config.seed)[0]

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Names and hashes of data set, files, people, ties, model and plug-ins."""
        known, people, friends = self._known, self.setting.people, self.setting.friends
        model = self._model_of(self.config.recommender)
        found: dict[str, Any] = {
            "name": known.name,
            "items_sha256": known.items_sha256,
            "interactions_sha256": known.interactions_sha256,
            "content_sha256": known.content_sha256,
            "files": self.files,
            "people": people.made_from,
            "people_sha256": _sha256(
                json.dumps([people.profile(agent) for agent in range(len(people))]).encode(),
                people.population.taste_AE,
                people.population.histories.values,
            ),
            "ties_sha256": _sha256(friends.offsets, friends.target_R, friends.closeness_R, friends.label_R),
            "model": None if model is None else about_model(model),
            "embeddings_sha256": None if model is None else _sha256(model_embeddings(known, model)),
        }
        swaps = [entry.name for entry in self.config.schedule if isinstance(entry, SwapRecommender)]
        names = [registered_name(name) for name in (self.config.recommender, *swaps)]
        used: dict[str, Any] = {name: PLUGINS[name] for name in names if name in PLUGINS}
        own_mind = mind_class(self.config.mind)
        used |= {} if own_mind is None else {self.config.mind: plugins.identity(own_mind)}
        if used:
            found["plugins"] = used
        return found

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        return artifacts_of(self.setting)

    @property
    def _known(self) -> Dataset:
        if self.setting.known is None:
            raise DataError("a stored setting has no interactions: read it with load_inputs")
        return self.setting.known

    def _model_of(self, name: str) -> Model | None:
        """Model of a recommender that uses one."""
        check_names([name])
        kind = REGISTRY[registered_name(name)].model_kind
        if kind is None:
            return None
        model = self._model
        if model.kind != kind:
            raise DataError(f"{self.config.model}: the recommender {name} needs a {kind} model, not a {model.kind} one")
        return model

    @cached_property
    def _model(self) -> Model:
        return load_model(self.config.model)


def load_inputs(config: SocietyConfig) -> Inputs:
    """Read catalogue, people and ties, and fit the recommender.

    Raises
    ------
    DataError
        A file is missing or damaged, or the recommender is unknown.
    SimulationError
        The data do not have the people that the configuration wants, or the recommender ranks nothing for them.
    """
    check_names([config.recommender])
    setting, files = _read(config)
    check_schedule(config.schedule, setting, config.rules())  # before a recommender is fitted, which may take minutes
    inputs = Inputs(config, setting, files)
    histories = setting.people.population.histories
    if not histories.lengths.any() and (inputs.recommender.rank([[]], 1).ids < 0).all():
        raise SimulationError(
            f"recommender={config.recommender}: it ranks nothing for people without a past, so nobody would ever see an"
            " item: choose another, such as item_knn or recgpt, or people=users"
        )
    return inputs


def load_setting(config: SocietyConfig) -> Setting:
    """Catalogue, people and ties, without a recommender."""
    return _read(config)[0]


def _read(config: SocietyConfig) -> tuple[Setting, dict[str, str]]:
    source = load_catalogue(config)
    known = known_part(source.dataset)
    # In the precision of the stored run, so that a state rebuilt from it is the same to the last bit.
    unit_NE = source.unit_NE.astype(np.float16).astype(np.float32)
    facts = replace(ItemFacts.of(known, source.unit_NE), unit_NE=unit_NE)
    people, friends, files = load_people(config, source, known, facts)
    return Setting(known, facts, people, friends), {**source.files, **files}


def _sha256(*values: bytes | np.ndarray) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(value if isinstance(value, bytes) else np.ascontiguousarray(value).data)
    return digest.hexdigest()
