"""State of a society, a function of its events: parts, each with its own arrays and file.

    state = SocietyState(rules, setting, seed=0)
    for rows in run.iter_steps():
        state.apply(rows)

`activity` (who is busy until when), `viewing` (shown, watched, heard of), `social` (ties, posts, mutes, opinions),
`profiles` (edits, who is played by a person), `memory` (None without one).
"""

import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.activity import Activity, seconds_of_round
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.hearing import hearings
from recgpt.simulate.worlds.society.kinds import SCHEDULE_KINDS
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.profiles import Profiles
from recgpt.simulate.worlds.society.rounds import date_of_round
from recgpt.simulate.worlds.society.social import SocialState
from recgpt.simulate.worlds.society.ties import Ties
from recgpt.simulate.worlds.society.viewing import Viewing

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.memory import SocietyMemory
