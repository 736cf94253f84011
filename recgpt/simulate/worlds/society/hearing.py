"""Who heard of which item from whom: derived from the events of one step.

    heard = hearings(rows, state)

A chat reaches its two, a post all friends of its author (or those whose feed it was in), a broadcast those that it was
sent to. Watching, feelings and searches reach nobody.

Shapes: H hearings.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hearings:
    """H hearings in the order of the log: by the event, then by the agent that hears.

    Attributes
    ----------
    agent_H
        (H,) int64 who hears.
    other_H
        (H,) int64 from whom; -1 for the schedule.
    item_H
        (H,) int64 item named; -1 for none.
    source_H
        (H,) int8 of `Source`: FRIEND, POST, FEED, INTERVENTION.
    post_H
        (H,) int64 number of the post; -1 for none.
    opinion_H
        (H,) float32 the opinion heard, from -1 to 1; NaN for none.
    event_H
        (H,) int64 row of the event in the frame of the step.
    """

    agent_H: np.ndarray
    other_H: np.ndarray
    item_H: np.ndarray
    source_H: np.ndarray
    post_H: np.ndarray
    opinion_H: np.ndarray
    event_H: np.ndarray

    def __len__(self) -> int:
        return len(self.agent_H)
