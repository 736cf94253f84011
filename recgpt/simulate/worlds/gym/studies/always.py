"""High and low: four personas who rate everything with the highest (lowest) rating, and remember what they gave.

Each sees all items of the preference study in order; in the quick form a subset of 20.
"""

import numpy as np

from recgpt.simulate.worlds.gym.studies.personas import ALL
from recgpt.simulate.worlds.gym.studies.questions import Block, StudySetting


def high(setting: StudySetting) -> list[Block]:
    """Questions to the personas who always give the highest rating."""
    return [_block(setting, "high")]


def low(setting: StudySetting) -> list[Block]:
    """Questions to the personas who always give the lowest rating."""
    return [_block(setting, "low")]


def _block(setting: StudySetting, study: str) -> Block:
    rows = setting.sets.subset if setting.quick else setting.sets.all_items
    personas = setting.personas[study, ALL]
    user_Q = np.repeat(personas, len(rows))
    return Block(study, "", [ALL] * len(user_Q), user_Q, np.tile(np.array(rows), len(personas)), thread_Q=user_Q)
