"""Simulated time: which second of a run a step begins at.

    clock = Clock(seconds_per_step=3600)
    clock.at(3)                                # 10800

A run has no other time: nothing in a world reads the time of the machine.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Steps of equal length, counted from 1; second 0 lies one step before the first.

    Attributes
    ----------
    seconds_per_step
        3600 for a page of the feed, 10 for a step of a town.
    """

    seconds_per_step: int

    def at(self, step: int) -> int:
        """Simulated seconds at which `step` happens."""
        return step * self.seconds_per_step
