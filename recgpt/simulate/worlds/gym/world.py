"""Stored runs of the gym: every user plays one episode, an item a step, with one policy.

    recgpt gym evaluate --policies random,linucb --run demo

A step of the run shows one item to every user who is still there, none that the user rated before the run while others
are left. The engine's state and the policy follow from the
events alone, so that a run resumes from its log.

Shapes: E users of a step, k items recalled.
"""

import json
from dataclasses import replace

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym.engine import Engine
from recgpt.simulate.worlds.gym.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.gym.minds.base import Mind
from recgpt.simulate.worlds.gym.policies.base import Policy, Views
from recgpt.simulate.worlds.gym.state import GymState, Outcome
from recgpt.simulate.worlds.gym.steps import LEFT_TEXTS, Left, Steps

_UNKNOWN = "unknown: the mind gave no reason"


class GymWorld:
    """A run in progress.

    Parameters
    ----------
    engine
        Engine with one environment a user, in order, before its first step.
    policy
        What recommends.
    n_items
        Items that each user is shown.
    """

    def __init__(self, engine: Engine, mind: Mind, policy: Policy, *, n_users: int, n_items: int) -> None:
        self.engine = engine
        self.mind = mind
        self.policy = policy
        self.state = GymState(n_users, n_items)
        self.step = 0

    @property
    def n_steps(self) -> int:
        """Number of steps if no question fails from here on."""
        active_U = self.state.active_U
        return self.step + int((self.state.item_UT.shape[1] - self.state.n_rated_U[active_U]).max(initial=0))

    @property
    def n_active(self) -> int:
        """Number of users in the next step."""
        return int(self.state.active_U.sum())

    @property
    def over(self) -> bool:
        """Whether every user has left, or rated all items."""
        return not self.state.active_U.any()

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of the remaining steps; None if no language model is called."""
        active_U = self.state.active_U
        return self.mind.estimate(int((self.state.item_UT.shape[1] - self.state.n_rated_U[active_U]).sum()))

    def play(self) -> pl.DataFrame:
        """Decide the next step and return its events, without changing the state."""
        users = np.flatnonzero(self.state.active_U)
        item_E = self.policy.act(self._views(users))
        steps = self.engine.decide(item_E, users)
        return KINDS.assemble(self.step + 1, events_of(steps), time=CLOCK.at(self.step + 1))

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one step, from `play` or from the log; nothing else changes the state."""
        self.step += 1
        self.state.apply(rows)
        found = Outcome.of(rows)
        if len(found.user_E):
            views = self._views(found.user_E)
            self.policy.observe(views, found.item_E, found.rating_E)
            self.engine.apply(_steps_of(found, views.step_E), found.user_E)

    def _views(self, users: np.ndarray) -> Views:
        return without_known(self.engine.views(users), self.engine.inputs.users.histories[users])


def without_known(views: Views, known: Ragged) -> Views:
    """Views that allow only items outside the users' histories, given in the order of the rows.

    A user who rated all the allowed items before is allowed them again.
    """

    def allowed() -> np.ndarray:
        allowed_EN = views.allowed()
        new_EN = allowed_EN.copy()
        new_EN[np.repeat(np.arange(len(known)), known.lengths), known.values] = False
        return np.where(new_EN.any(axis=1, keepdims=True), new_EN, allowed_EN)

    return replace(views, allowed=allowed) if len(known.values) else views


def events_of(steps: Steps) -> list[pl.DataFrame]:
    """Pieces of the events of one step, for `KINDS.assemble`."""
    user_E, item_E, rating_E = steps.user_E, steps.item_E, steps.rating_E
    rated, failed = np.flatnonzero(~steps.failed_E), np.flatnonzero(steps.failed_E)
    perturbed = rated[steps.llm_rating_E[rated] != rating_E[rated]]
    shaped = rated[steps.reward_E[rated] != rating_E[rated]]
    left = np.flatnonzero(steps.left_E != Left.NOT)
    recalled = np.flatnonzero((steps.recalled_items_Ek >= 0).any(axis=1))
    memories = [json.dumps({"items": row[row >= 0].tolist()}) for row in steps.recalled_items_Ek[recalled]]
    why = None if steps.explanations is None else [steps.explanations[row] for row in rated.tolist()]
    reasons = [(steps.failures[row] if steps.failures is not None else None) or _UNKNOWN for row in failed.tolist()]
    return [
        KINDS.piece("shown", user_E, item=item_E),
        KINDS.piece("recalled", user_E[recalled], text=memories),
        KINDS.piece("rated", user_E[rated], item=item_E[rated], value=rating_E[rated], text=why),
        KINDS.piece("unperturbed", user_E[perturbed], item=item_E[perturbed], value=steps.llm_rating_E[perturbed]),
        KINDS.piece("rewarded", user_E[shaped], item=item_E[shaped], value=steps.reward_E[shaped]),
        KINDS.piece("failed", user_E[failed], item=item_E[failed], text=reasons),
        KINDS.piece(
            "left",
            user_E[left],
            value=steps.step_E[left] - steps.failed_E[left],
            text=[LEFT_TEXTS[reason] for reason in steps.left_E[left].tolist()],
        ),
    ]


def _steps_of(found: Outcome, step_E: np.ndarray) -> Steps:
    """The columns of a step that the engine applies; all others are unknown."""
    n_rows = len(found.user_E)
    unknown_E = np.full(n_rows, np.nan)
    return Steps(
        user_E=found.user_E,
        item_E=found.item_E,
        step_E=step_E,
        llm_rating_E=found.rating_E,
        rating_E=found.rating_E,
        reward_E=found.reward_E,
        left_E=found.left_E,
        recalled_items_Ek=np.full((n_rows, 0), -1, dtype=np.int64),
        recalled_scores_Ek=np.full((n_rows, 0), np.nan),
        valence_E=unknown_E.astype(np.float32),
        arousal_E=unknown_E.astype(np.float32),
        ema_E=unknown_E,
        low_streak_E=unknown_E,
        p_leave_E=unknown_E,
    )
