"""Artifacts of a run: its catalogue, people and ties, readable without the data set.

setting = stored_setting(run)
"""

import io
from dataclasses import replace
from typing import Any

import numpy as np

from recgpt.bounds import load_npz
from recgpt.evaluate.beyond_accuracy import category_weights
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.artifacts import FACTS, ITEMS, POPULATION, stored_facts, stored_population
from recgpt.simulate.worlds.feed.artifacts import artifacts_of as feed_artifacts
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.state import Setting
from recgpt.simulate.worlds.society.ties import Ties

PEOPLE, FRIENDS = "people.parquet", "friends.npz"


def artifacts_of(setting: Setting) -> dict[str, bytes]:
    """Content of each artifact by its name."""
    population = setting.people.population
    shared = feed_artifacts(population, setting.facts, np.empty(0))
    friends = io.BytesIO()
    arrays: dict[str, Any] = setting.friends.to_arrays("friends")
    np.savez(friends, **arrays)
    found = {name: shared[name] for name in (POPULATION, ITEMS, FACTS)}
    return {**found, PEOPLE: setting.people.to_parquet(), FRIENDS: friends.getvalue()}


def stored_setting(run: Run) -> Setting:
    """Catalogue, people and ties of a run; without the interactions before it."""
    facts = stored_facts(run)
    people = People.from_parquet(run.artifact(PEOPLE), stored_population(run))
    friends = Ties.from_arrays(load_npz(run.artifact(FRIENDS), f"{run.path}: {FRIENDS}"), "friends")
    return Setting(None, replace(facts, categories_NC=category_weights(facts.items)), people, friends)
