"""State of a society, a function of its events: parts, each with its own arrays and file.

    state = SocietyState(rules, setting, seed=0)
    for rows in run.iter_steps():
        state.apply(rows)

`activity` (who is busy until when), `viewing` (shown, watched, heard of), `social` (ties, posts, mutes, opinions),
`profiles` (edits, who is played by a person), `memory` (None without one).
"""

import copy
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from recgpt.simulate.events import by_kind
from recgpt.simulate.worlds.society.activity import Activity, seconds_of_round
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.hearing import Hearings, hearings
from recgpt.simulate.worlds.society.memory import SocietyMemory
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.profiles import Profiles
from recgpt.simulate.worlds.society.rounds import date_of_round
from recgpt.simulate.worlds.society.setting import Setting
from recgpt.simulate.worlds.society.social import SocialState
from recgpt.simulate.worlds.society.viewing import Viewing

__all__ = ["Setting", "SocietyState"]

_PARTS = ("activity", "viewing", "social", "profiles", "memory")


class SocietyState:
    """State of a society after the events so far.

    Attributes
    ----------
    rules
        Rules of the society.
    setting
        Catalogue, people and ties before the first round.
    step
        Rounds so far.
    """

    def __init__(self, rules: SocietyRules, setting: Setting, seed: int) -> None:
        self.rules = rules
        self.setting = setting
        self.step = 0
        self.activity = Activity(rules, len(setting.people))
        self.viewing = Viewing(setting.people.population.histories, len(setting.facts))
        self.social = SocialState(setting)
        self.profiles = Profiles(setting.people)
        self.memory = None if rules.memory in ("none", "auto") else SocietyMemory(rules.memory, setting, seed)

    @property
    def people(self) -> People:
        """The agents, with the edits of their profiles."""
        return self.profiles.people

    @property
    def time(self) -> int:
        """Seconds from the start of the run to the next round."""
        return seconds_of_round(self.rules, self.step + 1)

    @property
    def now(self) -> datetime:
        """Date of the next round."""
        return date_of_round(self.rules.start_time, self.rules.interval, self.step + 1)

    def apply(self, rows: pl.DataFrame) -> None:
        """Update with the events of one round, and advance the clock to the next one."""
        of_kind, heard = by_kind(rows), hearings(rows, self)
        self.profiles.apply(of_kind, rows, self.step + 1)
        self.social.apply(of_kind)
        self.apply_own(of_kind, rows, heard)

    def apply_own(self, of_kind: dict[str, pl.DataFrame], rows: pl.DataFrame, heard: Hearings) -> None:
        """Update all parts but `profiles` and `social`, which another reader of the events has updated, and the clock.

        Parameters
        ----------
        of_kind
            The rows by kind.
        heard
            Their hearings on the state before them.
        """
        self.viewing.apply(of_kind, heard)
        if self.memory is not None:
            self.memory.apply(of_kind, rows, heard, hours=self.time / 3600)
        self.step += 1
        self.activity.apply(of_kind, self.step)

    def after_start(self, rows: pl.DataFrame) -> Self:
        """Copy of the state with the effects of the schedule at the start of a round, in which agents then decide."""
        state, of_kind = self.copy(), by_kind(rows)
        state.viewing.apply(of_kind, hearings(rows, self))
        state.profiles.apply(of_kind, rows, self.step + 1)
        state.social.apply(of_kind)
        return state

    def copy(self) -> Self:
        """The same state, which changes on its own from here on."""
        copied = copy.copy(self)
        for name in _PARTS:
            part = getattr(self, name)
            setattr(copied, name, None if part is None else part.copy())
        return copied

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as numeric arrays."""
        arrays = {"step": np.array([self.step])}
        for name in _PARTS:
            part = getattr(self, name)
            arrays |= {} if part is None else part.to_arrays()
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state with the same rules and setting."""
        self.step = int(arrays["step"][0])
        for name in _PARTS:
            part = getattr(self, name)
            if part is not None:
                part.restore(arrays)
