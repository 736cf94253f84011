"""Simulated time: from the number of a step to seconds since the start of a run.

    clock = Clock(seconds_per_step=3600)
    clock.at(3)                                # 10800

A run has no other time: no world reads the clock of the machine.
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
