"""Inputs of a feed: data set, agents and recommender, read from its configuration.

inputs = load_inputs(FeedConfig(dataset="data/demo", agents=100))
setting = load_setting(FeedConfig(dataset="data/demo", agents=100))      # without a recommender
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recgpt import plugins
from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.evaluate.lineup import model_embeddings, recommenders_for
from recgpt.models import Model, about_model, load_model
from recgpt.recommenders import PLUGINS, check_names, registered_name
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.population import Population
from recgpt.simulate.agents.sources import agent4rec, from_agent4rec, from_dataset, known_part, synthetic
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.artifacts import artifacts_of
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.measures import stars_of
from recgpt.simulate.worlds.feed.minds import mind_class
from recgpt.simulate.worlds.feed.state import Setting


@dataclass(frozen=True)
class Inputs:
    """Inputs of a feed.

    Attributes
    ----------
    setting
        Catalogue, agents and their held-out items.
    recommender
        Recommender fitted on `setting.known`.
    real_stars
        (5,) numbers of real ratings with 1 to 5 stars among the training interactions.
    fingerprint
        Name and hashes of the data set, the source of the agents, and the model's path, hash and training past.
    """

    setting: Setting
    recommender: Recommender
    real_stars: np.ndarray
    fingerprint: dict[str, Any]

    def artifacts(self) -> dict[str, bytes]:
        """Files stored with the run, so that it can be read without its data set."""
        return artifacts_of(self.setting.population, self.setting.facts, self.real_stars)


def load_inputs(config: FeedConfig) -> Inputs:
    """Read the data set, make agents, and fit the recommender on the training interactions.

    The fingerprint has `plugins`, with the hash of each plug-in's module, where the run uses any.
    """
    check_names([config.recommender])
    own_mind = mind_class(config.mind)
    dataset, found, embeddings_NE, model = _read(config)
    if config.truth_first and not len(found.held_out.values):
        raise SimulationError(f"{config.dataset}: these agents have no held-out items: leave out --truth-first")
    chosen = recommenders_for([config.recommender], embeddings_NE=embeddings_NE, model=model, seed=config.seed)[0]
    real = found.known.interactions.rating
    fingerprint: dict[str, Any] = {
        "name": found.known.name,
        "items_sha256": found.known.items_sha256,
        "interactions_sha256": found.known.interactions_sha256,
        "content_sha256": dataset.content_sha256,
        "embeddings_sha256": hashlib.sha256(np.ascontiguousarray(embeddings_NE).data).hexdigest(),
        "people": found.population.made_from,
        "model": about_model(model),
    }
    used = {name: PLUGINS[name] for name in map(registered_name, [config.recommender]) if name in PLUGINS}
    used |= {} if own_mind is None else {config.mind: plugins.identity(own_mind)}
    if used:
        fingerprint["plugins"] = used
    stars = stars_of(np.empty(0) if real is None else real)
    return Inputs(found, chosen.fit(found.known), stars, fingerprint)


def load_setting(config: FeedConfig) -> Setting:
    """Catalogue and agents, without a recommender."""
    return _read(config)[1]


def _read(config: FeedConfig) -> tuple[Dataset, Setting, np.ndarray, Model]:
    folder = Path(config.dataset)
    published = (folder / "users.parquet").is_file()
    dataset, tables = agent4rec(folder) if published else (Dataset.load(folder, repeats="drop"), {})
    model = load_model(config.model)
    embeddings_NE = model_embeddings(dataset, model)
    known = known_part(dataset)
    facts = ItemFacts.of(known, embeddings_NE)
    if config.people == "synthetic":
        population = synthetic(config.agents, facts, seed=config.seed)
        population = replace(population, user_A=known.n_users + population.user_A)
        setting = Setting(known, facts, population, Ragged.from_lists([[]] * len(population)))
        return dataset, setting, embeddings_NE, model
    chosen = {"n_agents": config.agents, "seed": config.seed}
    population = (
        from_agent4rec(dataset, tables, facts, **chosen) if published else from_dataset(dataset, facts, **chosen)
    )
    held_out = _held_out(dataset, population)
    of_known = known.user_map.to_dense(dataset.user_map.to_outside(population.user_A))
    population = replace(population, user_A=of_known.astype(np.int64))
    return dataset, Setting(known, facts, population, held_out), embeddings_NE, model


def _held_out(dataset: Dataset, population: Population) -> Ragged:
    """Items that the agents' real users took after their histories, each once."""
    whole = dataset.sequences[population.user_A]

    def keys(sequences: Ragged) -> np.ndarray:
        return np.repeat(np.arange(len(sequences)), sequences.lengths) * dataset.n_items + sequences.values

    taken = keys(whole)
    return whole.filter(pl.Series(taken).is_first_distinct().to_numpy() & ~np.isin(taken, keys(population.histories)))
