"""Inputs of a run of studies: catalogue, population with personas, sets of items, and the questions that follow.

inputs = load_inputs(StudyConfig(domain="books", study="high,low"))
inputs.table                                      # one row a question
"""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from recgpt.simulate.worlds.gym import inputs as gym_inputs
from recgpt.simulate.worlds.gym.domain import domain_of
from recgpt.simulate.worlds.gym.studies import always, collection, distribution, human, preference
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.dump import ITEMS, QUESTIONS
from recgpt.simulate.worlds.gym.studies.personas import with_personas
from recgpt.simulate.worlds.gym.studies.questions import StudySetting, question_table
from recgpt.simulate.worlds.gym.studies.sets import study_folder, study_sets

BLOCKS = {
    "preference": preference.blocks,
    "high": always.high,
    "low": always.low,
    "collection": collection.blocks,
    "distribution": distribution.blocks,
    "human": human.blocks,
}
"""Makers of the questions of each study."""


@dataclass(frozen=True)
class StudyInputs:
    """Inputs of a run.

    Attributes
    ----------
    gym
        Rules, domain, catalogue, and users: the population, then the personas.
    setting
        Sets, personas and seed of the studies.
    studies
        Names of the studies.
    """

    gym: gym_inputs.Inputs
    setting: StudySetting
    studies: tuple[str, ...]

    @cached_property
    def table(self) -> pl.DataFrame:
        """Questions, see `questions`."""
        return question_table([block for name in self.studies for block in BLOCKS[name](self.setting)], self.setting)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Names and hashes of the data; see `recgpt.simulate.world.Inputs`."""
        name = self.gym.items.made_from
        return {
            "name": name,
            **self.gym.fingerprint,
            "sets": self.setting.sets.made_from,
            "questions": _hash(self.table),
        }

    def artifacts(self) -> dict[str, bytes]:
        """The questions, and the ids and titles of the items in them."""
        rows = pl.concat([self.table["item"], self.table["known_items"].explode().drop_nulls()]).unique().sort()
        items = pl.DataFrame(
            {
                "item": rows,
                "item_id": [self.gym.items.ids[row] for row in rows],
                "item_name": [self.gym.items.titles[row] for row in rows],
            }
        )
        return {QUESTIONS: _parquet(self.table), ITEMS: _parquet(items)}


def load_inputs(config: StudyConfig) -> StudyInputs:
    """Read or make catalogue and users, and the studies' sets and personas.

    Raises
    ------
    DataError, SimulationError
        A file is missing or damaged, or the catalogue does not suit the studies.
    """
    domain = domain_of(config.domain)
    folder = study_folder(config.study_data, config.items, domain)
    rules = config if folder is None or config.items is not None else config.changed(flags={"items": str(folder)})
    loaded = gym_inputs.load_inputs(rules)
    sets = study_sets(domain, loaded.items, folder)
    users, personas = with_personas(domain, loaded.users, sets, folder)
    setting = StudySetting(
        domain, loaded.items, users, len(loaded.users), sets, personas, seed=config.seed, quick=config.quick
    )
    return StudyInputs(replace(loaded, users=users), setting, config.study)


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def _hash(table: pl.DataFrame) -> str:
    """Hash of the values of a table, which does not depend on how it is stored."""
    return hashlib.sha256(table.write_json().encode()).hexdigest()
