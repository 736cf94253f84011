"""Preference: four lovers of each tag rate 20 items with the tag and 20 without; their memory is emptied each time."""

import numpy as np

from recgpt.simulate.worlds.gym.studies.questions import Block, StudySetting

NAME = "preference"


def blocks(setting: StudySetting) -> list[Block]:
    """Questions on liked items, and on others. The quick form is the full one."""
    return [_block(setting, "+", "liked"), _block(setting, "-", "others")]


def _block(setting: StudySetting, part: str, which: str) -> Block:
    group, users, items = [], [], []
    for name, found in setting.sets.groups.items():
        rows = getattr(found, which)
        for persona in setting.personas[NAME, name].tolist():
            group += [name] * len(rows)
            users += [persona] * len(rows)
            items += rows
    return Block(NAME, part, group, np.array(users), np.array(items))
