"""Human: ten interactions with reasons, for people who judge whether a person would rate so.

Four lovers of a tag (two liked items, two others), two users after a series that they loved or hated, four users of the
population and a random item each.
"""

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.studies import collection, preference
from recgpt.simulate.worlds.gym.studies.questions import Block, StudySetting

NAME = "human"
FREE_USERS = (110, 419, 565, 77)  # as published


def blocks(setting: StudySetting) -> list[Block]:
    """The ten questions.

    Raises
    ------
    SimulationError
        The catalogue has fewer than two series.
    """
    collection.check_series(setting)
    return [_lovers(setting), *_series(setting), _free(setting)]


def _lovers(setting: StudySetting) -> Block:
    names = list(setting.sets.groups)
    groups = [names[place * len(names) // 4] for place in range(4)]
    users = [setting.personas[preference.NAME, name][place] for place, name in enumerate(groups)]
    found = [setting.sets.groups[name] for name in groups]
    rows = [group.liked if place % 2 == 0 else group.others for place, group in enumerate(found)]
    items = [each[_drawn(setting, len(each), place)] for place, each in enumerate(rows)]
    return Block(NAME, "preference", groups, np.array(users), np.array(items))


def _series(setting: StudySetting) -> list[Block]:
    scale, n = setting.domain.scale, len(setting.sets.series)
    first = _drawn(setting, n, 10)
    blocks = []
    for part, number, of_parts in (("loved", first, scale.highest), ("hated", (first + 1) % n, scale.lowest)):
        user = _drawn(setting, setting.n_people, number)
        memory = collection.known_items(setting, number, user)
        blocks.append(
            Block(
                NAME,
                part,
                [collection.name_of(setting, number)],
                np.array([user]),
                np.array([setting.sets.series[number][-1]]),
                known_items=[memory],
                known_ratings=[collection.known_ratings(setting, number, memory, of_parts)],
            )
        )
    return blocks


def _free(setting: StudySetting) -> Block:
    users = np.array(FREE_USERS) % setting.n_people
    items = [_drawn(setting, len(setting.items), 20 + place) for place in range(len(users))]
    return Block(NAME, "free", [""] * len(users), users, np.array(items))


def _drawn(setting: StudySetting, n: int, place: int) -> int:
    return int(rng.uniform(setting.seed, np.array([place]), step=0, purpose="human study")[0, 0] * n)
