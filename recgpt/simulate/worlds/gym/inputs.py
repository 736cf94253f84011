"""Inputs of an environment: domain, items and users, read from its rules.

inputs = load_inputs(GymRules(domain="movies"))
engine = Engine(inputs, make_mind(MindOptions(), inputs), n_envs=64)
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Domain, domain_of
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.registry import check_rules
from recgpt.simulate.worlds.gym.users import Users


@dataclass(frozen=True)
class Inputs:
    """Inputs of an environment.

    Attributes
    ----------
    rules
        Rules, completed by the domain's defaults (`check_rules`).
    domain, items, users
        What is rated, and by whom.
    """

    rules: GymRules
    domain: Domain
    items: Items
    users: Users

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Sources and hashes of items and users, for the manifest of a run and for checkpoints."""
        items, users = self.items, self.users
        return {
            "domain": self.domain.name,
            "items": items.made_from,
            "items_sha256": _hash(
                [items.ids, items.titles, items.descriptions, items.tags, items.people, items.directors],
                items.average_N,
                items.unit_NE,
            ),
            "users": users.made_from,
            "users_sha256": _hash(
                [users.ids, users.names, users.descriptions, users.liked, users.disliked, users.persona],
                users.gender_U,
                users.age_U,
                users.activity_U,
                users.conformity_U,
                users.diversity_U,
                users.histories.values,
                users.histories.offsets,
                users.ratings,
            ),
        }


def load_inputs(rules: GymRules) -> Inputs:
    """Check the rules, and read items and users.

    Raises
    ------
    SimulationError
        A name in the rules is unknown, or there are no items or no users.
    """
    rules = check_rules(rules)
    domain = domain_of(rules.domain)
    items = domain.load_items(rules.items)
    users = domain.load_users(str(rules.users), items)
    for what, found in (("items", items), ("users", users)):
        if not len(found):
            raise SimulationError(f"{domain.name}: there are no {what}: name another source of {what}")
    return Inputs(rules, domain, items, users)


def _hash(texts: list[Any], *arrays: np.ndarray) -> str:
    digest = hashlib.sha256(json.dumps(texts).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
