"""A fork may change the schedule after the rounds that it shares, not before."""

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.society.config import SocietyConfig

FIRST = {"kind": "broadcast", "round": 2, "text": "Everybody talks about it.", "item": 0}
LATER = {"kind": "recommender", "round": 4, "name": "random"}


def config_of(*schedule: dict) -> SocietyConfig:
    return SocietyConfig(schedule=schedule)


def test_later_entries_may_change() -> None:
    before = config_of(FIRST, LATER)
    before.check_fork(config_of(FIRST), 3)
    before.check_fork(config_of(FIRST, {**LATER, "round": 6}, {**LATER, "round": 8}), 3)
    before.check_fork(config_of(), 1)


@pytest.mark.parametrize(
    "schedule",
    [(LATER,), (LATER, FIRST), ({**FIRST, "text": "Nobody does."}, LATER), (FIRST, {**LATER, "round": 3})],
    ids=["removed", "moved", "changed", "added"],
)
def test_entries_of_the_shared_rounds_may_not(schedule: tuple[dict, ...]) -> None:
    with pytest.raises(SimulationError, match="its 1 entries up to round 3 shaped the rounds that the fork shares"):
        config_of(FIRST, LATER).check_fork(config_of(*schedule), 3)


def test_the_end_of_a_persons_play_may_change_after_the_fork():
    played = {"kind": "person", "round": 1, "agent": 2}
    before = config_of(played)
    before.check_fork(config_of({**played, "until": 3}), 3)
    config_of({**played, "until": 5}).check_fork(config_of(played), 3)
    with pytest.raises(SimulationError, match="up to round 3"):
        before.check_fork(config_of({**played, "until": 2}), 3)
