"""Engine: E episodes as one array program. It knows nothing of Gymnasium; environments and runs are made of it.

    engine = Engine(inputs, mind, n_envs=256)
    engine.reset(np.arange(256))
    steps = engine.decide(items_E)       # asks the mind; changes nothing
    engine.apply(steps)                  # changes the state; reads user, item, rating and reason of leaving alone
    engine.begin(np.flatnonzero(steps.left_E))

A row is the same episode at any number of rows: random numbers are keyed by seed, episode, user, step and purpose.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recgpt.config import MAX_SEED
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.gym import draws
from recgpt.simulate.worlds.gym.emotions import emotions_of
from recgpt.simulate.worlds.gym.inputs import Inputs
from recgpt.simulate.worlds.gym.memory import Memory, Past
from recgpt.simulate.worlds.gym.minds.base import Mind, Questions, Ratings
from recgpt.simulate.worlds.gym.perturbation import perturbed
from recgpt.simulate.worlds.gym.policies.base import Views
from recgpt.simulate.worlds.gym.registry import PERTURBATORS, SHAPINGS, Meeting, retrieval_of
from recgpt.simulate.worlds.gym.retrieval import Remembered, Similarity, best, scores
from recgpt.simulate.worlds.gym.shaping import Churn, Satisfaction
from recgpt.simulate.worlds.gym.steps import Left, Steps

FAILURES_TO_END = 3
"""Failed replies in a row after which an episode is cut off."""

History = Sequence[tuple[int, float]]
"""Items with their ratings that a user remembers from before an episode, oldest first."""

_ARRAYS = (
    "seed_E",
    "episode_E",
    "drawn_E",
    "user_E",
    "key_E",
    "step_E",
    "n_shown_E",
    "failures_E",
    "left_E",
    "shown_EB",
)
_SATISFACTION = ("ema_E", "n_E", "low_streak_E", "high_streak_E")


class Engine:
    """E episodes.

    Parameters
    ----------
    inputs
        Rules, items and users.
    mind
        Rates for the users.
    n_envs
        E.
    users_in_order
        Whether episodes take users 0, 1, 2, ... (row e of E the users e, E + e, ...) instead of random ones.

    Attributes
    ----------
    user_E, key_E, episode_E
        (E,) user of each episode, its key for random numbers, and its number since the reset.
    step_E
        (E,) steps taken in each episode.
    left_E
        (E,) int8 of `Left`, why an episode ended.
    satisfaction
        Satisfaction in the episodes.
    memory
        What the users remember.
    """

    def __init__(self, inputs: Inputs, mind: Mind, n_envs: int, *, users_in_order: bool = False) -> None:
        self.inputs, self.mind, self.n_envs = inputs, mind, n_envs
        self.n_items, self.n_users = len(inputs.items), len(inputs.users)
        self.in_order = users_in_order
        rules = inputs.rules
        self._retrieval, self.k = retrieval_of(str(rules.retrieval))
        self._similarity = Similarity(inputs.items, inputs.domain.likeness)
        self._churn = Churn(
            float(rules.churn_low_threshold or 0),
            rules.churn_low_streak_threshold,
            rules.churn_min_steps,
            rules.churn_prob_scale,
            rules.churn_ema_min_samples,
            rules.churn_recovery_bonus,
        )
        self.seed_E, self.episode_E, self.drawn_E, self.user_E = np.zeros((4, n_envs), dtype=np.int64)
        self.step_E, self.n_shown_E, self.failures_E = np.zeros((3, n_envs), dtype=np.int64)
        self.key_E = np.zeros(n_envs, dtype=np.uint64)
        self.left_E = np.zeros(n_envs, dtype=np.int8)
        self.shown_EB = np.zeros((n_envs, -(-self.n_items // 8)), dtype=np.uint8)
        self.satisfaction = Satisfaction.fresh(n_envs)
        self.memory = Memory(n_envs)
        self._generators: list[np.random.Generator | None] = [None] * n_envs
        self._past: dict[tuple[int, int], Past] = {}

    # ------------------------------------------------------------------------------------------------------- episodes

    def reset(
        self,
        seed_R: np.ndarray | Sequence[int],
        users_R: np.ndarray | Sequence[int] | None = None,
        *,
        rows: np.ndarray | None = None,
        history: History = (),
    ) -> None:
        """Begin the first episodes of new seeds; the users of these rows forget everything.

        Parameters
        ----------
        seed_R
            (R,) seeds from 0, one for each row.
        users_R
            (R,) users of these episodes; by default drawn, or in order.
        rows
            Rows to reset, by default all.
        history
            What the users remember from before.
        """
        row_R = self._numbers(rows)
        self.seed_E[row_R] = _checked_seeds(seed_R, len(row_R))
        self.episode_E[row_R] = -1
        self.drawn_E[row_R] = 0
        self._past = {key: past for key, past in self._past.items() if key[0] not in set(row_R.tolist())}
        self.memory.forget(row_R)
        for row in row_R.tolist():
            self._generators[row] = None
        self.step_E[row_R] = 0
        self.begin(row_R, users_R, history=history)

    def begin(
        self, rows: np.ndarray, users_R: np.ndarray | Sequence[int] | None = None, *, history: History = ()
    ) -> None:
        """Begin the next episodes of some rows. Their users forget the last episode, unless `across_episodes`."""
        row_R = self._numbers(rows)
        if not len(row_R):
            return
        came_from_R = self.user_E[row_R].copy()
        self.episode_E[row_R] += 1
        self.user_E[row_R] = self._next_users(row_R) if users_R is None else self._checked_users(users_R, len(row_R))
        self.key_E[row_R] = draws.episode_keys(self.seed_E[row_R], self.episode_E[row_R], self.user_E[row_R])
        for array in (self.step_E, self.n_shown_E, self.failures_E, self.left_E, self.shown_EB):
            array[row_R] = 0
        for name in _SATISFACTION:
            getattr(self.satisfaction, name)[row_R] = 0
        if self.inputs.rules.across_episodes:
            self._change_memories(row_R, came_from_R)
        else:
            self.memory.forget(row_R)
        self._remember(row_R, history)

    def _next_users(self, row_R: np.ndarray) -> np.ndarray:
        """(R,) users of the next episodes: the n-th of a row is the n-th draw of NumPy's generator with its seed."""
        if self.in_order:
            return (row_R + self.episode_E[row_R] * self.n_envs) % self.n_users
        self.drawn_E[row_R] += 1
        return np.array([self._generator(row).integers(0, self.n_users) for row in row_R.tolist()], dtype=np.int64)

    def _generator(self, row: int) -> np.random.Generator:
        """The row's generator of users; after `restore` its earlier draws are made again."""
        found = self._generators[row]
        if found is None:
            found = np.random.Generator(np.random.PCG64(np.random.SeedSequence(int(self.seed_E[row]))))
            found.integers(0, self.n_users, size=int(self.drawn_E[row]) - 1)
            self._generators[row] = found
        return found

    def _checked_users(self, users_R: np.ndarray | Sequence[int], n: int) -> np.ndarray:
        users_R = np.asarray(users_R, dtype=np.int64)
        if users_R.shape != (n,) or ((users_R < 0) | (users_R >= self.n_users)).any():
            raise SimulationError(
                f"users {users_R.tolist()}: {n} of the users 0 to {self.n_users - 1} are needed, one for each episode"
            )
        return users_R

    def _change_memories(self, row_R: np.ndarray, came_from_R: np.ndarray) -> None:
        """Put away what the last users of rows remember, and let the next ones remember their earlier episodes."""
        for row, last_user in zip(row_R.tolist(), came_from_R.tolist(), strict=True):
            if self.episode_E[row] > 0:
                self._past[row, last_user] = self.memory.past(row)
            past = self._past.get((row, int(self.user_E[row])))
            if past is None:
                self.memory.forget(np.array([row]))
            else:
                self.memory.recall(row, past)

    def _remember(self, row_R: np.ndarray, history: History) -> None:
        for item, rating in history:
            item_R = np.full(len(row_R), item, dtype=np.int64)
            self._check_items(item_R)
            self.memory.add(row_R, item_R, np.full(len(row_R), float(rating)))
            self._show(row_R, item_R)

    # ---------------------------------------------------------------------------------------------------------- steps

    def questions(self, item_R: np.ndarray, rows: np.ndarray | None = None) -> Questions:
        """Questions to the mind if these items were shown."""
        return self._ask(_whole(item_R), self._all(rows))[0]

    def _ask(self, item_R: np.ndarray, rows: slice | np.ndarray) -> tuple[Questions, np.ndarray, np.ndarray]:
        """Questions, scores (R, k) of the recalled items, and interactions (R,) since the item was last met."""
        self._check_items(item_R)
        remembered = self.memory.remembered(rows)
        place_Rk, score_Rk = self._recalled(item_R, remembered)
        there_Rk, at_Rk = place_Rk >= 0, np.maximum(place_Rk, 0)
        times_met_R, gap_R = self.memory.met(rows, item_R)
        questions = Questions(
            user_E=self.user_E[rows].copy(),
            item_E=item_R,
            step_E=self.step_E[rows] + 1,
            times_met_E=times_met_R + 1,
            key_E=self.key_E[rows].copy(),
            recalled_items_Ek=np.where(there_Rk, np.take_along_axis(remembered.items_EM, at_Rk, axis=1), -1),
            recalled_ratings_Ek=np.where(there_Rk, np.take_along_axis(remembered.ratings_EM, at_Rk, axis=1), np.nan),
        )
        return questions, score_Rk, gap_R

    def _recalled(self, item_R: np.ndarray, remembered: Remembered) -> tuple[np.ndarray, np.ndarray]:
        """Places and scores (R, k) of what users recall."""
        score_RM = scores(
            self._retrieval, self._similarity, item_R, remembered, self.inputs.domain.scale, self.inputs.rules
        )
        return best(score_RM, remembered.is_there_EM, self.k)

    def decide(self, item_R: np.ndarray, rows: np.ndarray | None = None) -> Steps:
        """Show an item each and let the mind rate; changes nothing.

        Parameters
        ----------
        item_R
            (R,) items.
        rows
            Their rows, by default all.

        Raises
        ------
        SimulationError
            There is no such item, or an episode has ended.
        """
        at = self._all(rows)
        if self.left_E[at].any():
            raise SimulationError("an episode has ended: begin the next one (reset) before another step")
        questions, score_Rk, gap_R = self._ask(_whole(item_R), at)
        return self._outcome(questions, self.mind.rate(questions), score_Rk, gap_R, at)

    def _outcome(
        self, questions: Questions, answers: Ratings, score_Rk: np.ndarray, gap_R: np.ndarray, at: slice | np.ndarray
    ) -> Steps:
        rating_R = self._perturbed(questions, np.asarray(answers.rating_E, dtype=np.float64))
        now = self._satisfaction_at(at).after(
            rating_R, alpha=self.inputs.rules.churn_ema_alpha, threshold=self._churn.low_threshold
        )
        meeting = Meeting(
            rating_R,
            questions.times_met_E,
            gap_R,
            now,
            lambda purpose: draws.uniform(questions.key_E, questions.step_E, purpose),
        )
        shaped = SHAPINGS[self.inputs.rules.shaping].outcome(meeting, self.inputs.domain.scale, self._churn)
        failed_R = np.isnan(rating_R)
        valence_R, arousal_R = emotions_of(rating_R, self.inputs.domain.scale, self.inputs.rules)
        return Steps(
            user_E=questions.user_E,
            item_E=questions.item_E,
            step_E=questions.step_E,
            llm_rating_E=np.asarray(answers.rating_E, dtype=np.float64),
            rating_E=rating_R,
            reward_E=np.where(failed_R, 0.0, shaped.reward_E),
            left_E=self._left(questions.item_E, questions.step_E, failed_R, shaped.left_E, at),
            recalled_items_Ek=questions.recalled_items_Ek,
            recalled_scores_Ek=score_Rk,
            valence_E=valence_R,
            arousal_E=arousal_R,
            ema_E=now.ema_E,
            low_streak_E=now.low_streak_E,
            p_leave_E=shaped.p_leave_E,
            failures=answers.failures,
            explanations=answers.explanations,
            replies=answers.replies,
            prompt_hashes=answers.prompt_hashes,
            tokens_E=answers.tokens_E,
            usd_E=answers.usd_E,
        )

    def _perturbed(self, questions: Questions, rating_R: np.ndarray) -> np.ndarray:
        shift = PERTURBATORS[self.inputs.rules.perturbator].shift
        if shift is None:
            return rating_R.copy()
        return perturbed(rating_R, shift(questions.key_E, questions.step_E), self.inputs.domain.scale)

    def _left(
        self,
        item_R: np.ndarray,
        step_R: np.ndarray,
        failed_R: np.ndarray,
        by_user_R: np.ndarray,
        at: slice | np.ndarray,
    ) -> np.ndarray:
        """(R,) int8 of `Left`: what the user decided, else a limit that is reached."""
        row_R = self._numbers(at)
        new_R = (self.shown_EB[row_R, item_R >> 3] & _bit(item_R)) == 0
        by_rule_R = np.where(self.n_shown_E[row_R] + new_R >= self.n_items, Left.NOTHING_NEW, Left.NOT)
        by_rule_R = np.where(step_R >= self.inputs.rules.max_episode_steps, Left.TIME_LIMIT, by_rule_R)
        left_R = np.where(by_user_R != Left.NOT, by_user_R, by_rule_R)
        gives_up_R = self.failures_E[row_R] + 1 >= FAILURES_TO_END
        return np.where(failed_R, np.where(gives_up_R, Left.MIND_FAILED, Left.NOT), left_R).astype(np.int8)

    def apply(self, steps: Steps, rows: np.ndarray | None = None) -> None:
        """Change the state by decided steps; reads `user_E`, `item_E`, `rating_E` and `left_E` alone.

        Raises
        ------
        SimulationError
            The steps are of other users than the rows.
        """
        row_R = self._numbers(self._all(rows))
        if (steps.user_E != self.user_E[row_R]).any():
            raise SimulationError(
                "these steps are of other users than the engine's: apply them in order, from its reset"
            )
        failed_R = np.isnan(steps.rating_E)
        self.failures_E[row_R] = np.where(failed_R, self.failures_E[row_R] + 1, 0)
        self.left_E[row_R] = steps.left_E
        self.step_E[row_R] += ~failed_R
        taken_R = ~failed_R & (steps.item_E >= 0)
        if taken_R.all():
            item_R, rating_R = steps.item_E, steps.rating_E
        else:
            row_R, item_R, rating_R = row_R[taken_R], steps.item_E[taken_R], steps.rating_E[taken_R]
        self.memory.add(row_R, item_R, rating_R)
        self._show(row_R, item_R)
        now = self._satisfaction_at(row_R).after(
            rating_R, alpha=self.inputs.rules.churn_ema_alpha, threshold=self._churn.low_threshold
        )
        for name in _SATISFACTION:
            getattr(self.satisfaction, name)[row_R] = getattr(now, name)

    def _show(self, row_R: np.ndarray, item_R: np.ndarray) -> None:
        byte_R, bit_R = item_R >> 3, _bit(item_R)
        self.n_shown_E[row_R] += (self.shown_EB[row_R, byte_R] & bit_R) == 0
        self.shown_EB[row_R, byte_R] |= bit_R

    def _satisfaction_at(self, at: slice | np.ndarray) -> Satisfaction:
        return Satisfaction(*(getattr(self.satisfaction, name)[at] for name in _SATISFACTION))

    # ---------------------------------------------------------------------------------------------------------- views

    def allowed(self, rows: np.ndarray | None = None) -> np.ndarray:
        """(R, N) bool, whether an item is new to the episode."""
        return np.unpackbits(~self.shown_EB[self._all(rows)], axis=1, count=self.n_items).view(bool)

    def views(self, rows: np.ndarray | None = None) -> Views:
        """What policies see; with `across_episodes` the interactions of earlier episodes come first."""
        at = self._all(rows)
        items_RH, ratings_RH = self.memory.log(at)
        return Views(
            user_E=self.user_E[at].copy(),
            step_E=self.step_E[at] + 1,
            key_E=self.key_E[at].copy(),
            items_EH=items_RH,
            ratings_EH=ratings_RH,
            allowed=lambda: self.allowed(rows),
        )

    # ------------------------------------------------------------------------------------------------------ snapshots

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as numeric arrays."""
        own = {name: getattr(self, name).copy() for name in _ARRAYS}
        own |= {f"satisfaction_{name}": getattr(self.satisfaction, name).copy() for name in _SATISFACTION}
        own |= {f"memory_{name}": array for name, array in self.memory.to_arrays().items()}
        keys = sorted(self._past)
        own["past_keys"] = np.array(keys, dtype=np.int64).reshape(len(keys), 2)
        pasts = Past.flattened([self._past[key] for key in keys])
        return own | {f"past_{name}": array for name, array in pasts.items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from an engine with the same inputs and number of rows."""
        for name in _ARRAYS:
            getattr(self, name)[...] = arrays[name]
        self.satisfaction = replace(
            self.satisfaction, **{name: arrays[f"satisfaction_{name}"].copy() for name in _SATISFACTION}
        )
        self.memory.restore(_under("memory_", arrays))
        keys = [(int(row), int(user)) for row, user in arrays["past_keys"]]
        self._past = dict(zip(keys, Past.unflattened(_under("past_", arrays)), strict=True)) if keys else {}
        self._generators = [None] * self.n_envs

    # -------------------------------------------------------------------------------------------------------- helpers

    def _all(self, rows: np.ndarray | None) -> slice | np.ndarray:
        return slice(None) if rows is None else np.asarray(rows)

    def _numbers(self, rows: slice | np.ndarray | None) -> np.ndarray:
        return np.arange(self.n_envs)[slice(None) if rows is None else rows]

    def _check_items(self, item_R: np.ndarray) -> None:
        if ((item_R < 0) | (item_R >= self.n_items)).any():
            wrong = int(item_R[(item_R < 0) | (item_R >= self.n_items)][0])
            raise SimulationError(f"no item {wrong}: choose one of the items 0 to {self.n_items - 1}")


def _checked_seeds(seed_R: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """(n,) int64 seeds."""
    seeds = np.asarray(seed_R)
    if seeds.shape != (n,) or seeds.dtype.kind not in "iu" or (seeds < 0).any() or (seeds > MAX_SEED).any():
        raise SimulationError(f"seeds {seeds.tolist()}: {n} whole numbers from 0 to {MAX_SEED} are needed")
    return seeds.astype(np.int64)


def _whole(item_R: np.ndarray) -> np.ndarray:
    """(R,) int64 items."""
    items_R = np.asarray(item_R)
    if items_R.dtype.kind not in "iu":
        raise SimulationError(f"items {items_R.tolist()}: whole numbers are needed, the numbers of items")
    return items_R.astype(np.int64, copy=False)


def _bit(item_R: np.ndarray) -> np.ndarray:
    """(R,) uint8 with the bit of each item in its byte, in the order of `numpy.unpackbits`."""
    return np.uint8(128) >> (item_R & 7).astype(np.uint8)


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
