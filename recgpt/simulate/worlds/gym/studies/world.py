"""Studies in progress: one step is all questions that do not depend on each other's answers.

The state is the rating of each question. A question remembers its given items and the earlier answers of its thread,
and recalls some of them by the retrieval of the rules.

Shapes: Q questions of a step, M remembered items, k items recalled.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.gym import draws
from recgpt.simulate.worlds.gym.minds.base import Mind, Questions, Ratings
from recgpt.simulate.worlds.gym.retrieval import Remembered
from recgpt.simulate.worlds.gym.studies.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.gym.studies.recall import Perturb, Recall


class StudyState:
    """Rating of each question, NaN where none came.

    Parameters
    ----------
    n_questions
        Number of questions of all studies.
    """

    def __init__(self, n_questions: int) -> None:
        self.rating_Q = np.full(n_questions, np.nan)

    def apply(self, rows: pl.DataFrame) -> None:
        """Update the state with the events of one step."""
        for kind in ("rated", "perturbed"):
            found = rows.filter(pl.col("kind") == kind)
            self.rating_Q[found["agent"].to_numpy()] = found["value"].to_numpy()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole state as numeric arrays."""
        return {"rating_Q": self.rating_Q}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`."""
        self.rating_Q = arrays["rating_Q"].copy()


class Studies:
    """Studies as a world: see `recgpt.simulate.world.World`.

    Parameters
    ----------
    table
        Questions, see `questions`.
    recall, perturb
        See `recall`.
    seed
        Of the run.
    """

    def __init__(self, table: pl.DataFrame, mind: Mind, recall: Recall, perturb: Perturb, seed: int) -> None:
        self.state = StudyState(len(table))
        self.step = 0
        self._table = table
        self._mind = mind
        self._recall = recall
        self._perturb = perturb
        self._seed = seed
        self._threads: dict[int, list[int]] = {}
        for question, thread in table.select("question", "thread").iter_rows():
            self._threads.setdefault(thread, []).append(question)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return int(self._table["step"].max() or 0)  # type: ignore[arg-type]

    @property
    def over(self) -> bool:
        """Whether all questions have an answer."""
        return self.step >= self.n_steps

    @property
    def n_active(self) -> int:
        """Number of questions of the next step."""
        return len(self._table.filter(pl.col("step") == self.step + 1))

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of the remaining questions; None if no language model is called."""
        return self._mind.estimate(len(self._table.filter(pl.col("step") > self.step)))

    def play(self) -> pl.DataFrame:
        """Put the questions of the next step to the mind and return the events, without changing the state."""
        step = self.step + 1
        rows = self._table.filter(pl.col("step") == step)
        questions = self.questions(rows)
        ratings = self._mind.rate(questions)
        rating_Q = self._perturb(questions.key_E, questions.step_E, ratings.rating_E)
        return KINDS.assemble(step, _events(rows, questions, ratings, rating_Q), time=CLOCK.at(step))

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one step, from `play` or from the log."""
        self.step += 1
        self.state.apply(rows)

    def questions(self, rows: pl.DataFrame) -> Questions:
        """Questions of a step for the mind, with their recalled items."""
        user_Q, item_Q, thread_Q, place_Q = (rows[name].to_numpy() for name in ("user", "item", "thread", "place"))
        memories = [self._memory(row) for row in rows.iter_rows(named=True)]
        items_QM, ratings_QM, times_QM = _padded(memories)
        items_Qk, ratings_Qk = self._recall(item_Q, Remembered(items_QM, ratings_QM, times_QM))
        n_met_Q = 1 + (items_QM == item_Q[:, None]).sum(axis=1)
        key_Q = draws.episode_keys(np.full(len(rows), self._seed), thread_Q, user_Q)
        return Questions(user_Q, item_Q, place_Q, n_met_Q, key_Q, items_Qk, ratings_Qk)

    def _memory(self, row: dict[str, Any]) -> tuple[list[int], list[float], list[int]]:
        """Items, ratings and times of the memory of a question's user, oldest first."""
        items, ratings = list(row["known_items"]), list(row["known_ratings"])
        times = list(range(1, len(items) + 1))
        mates = self._threads[row["thread"]]
        for place, question in enumerate(mates[: mates.index(row["question"])], start=len(items) + 1):
            rating = float(self.state.rating_Q[question])
            if not np.isnan(rating):
                items.append(int(self._table["item"][question]))
                ratings.append(rating)
                times.append(place)
        return items, ratings, times


def _padded(memories: Sequence[tuple[list[int], list[float], list[int]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Q, M) items, ratings and times; -1, NaN and 0 beyond a memory."""
    longest = max((len(items) for items, _, _ in memories), default=0)
    shape = (len(memories), max(longest, 1))
    items_QM, ratings_QM, times_QM = np.full(shape, -1), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    for row, (items, ratings, times) in enumerate(memories):
        items_QM[row, : len(items)] = items
        ratings_QM[row, : len(items)] = ratings
        times_QM[row, : len(items)] = times
    return items_QM, ratings_QM, times_QM


def _events(rows: pl.DataFrame, questions: Questions, ratings: Ratings, rating_Q: np.ndarray) -> list[pl.DataFrame]:
    number_Q = rows["question"].to_numpy()
    n = len(number_Q)
    hashes = ratings.prompt_hashes or [None] * n
    failed_Q = np.isnan(ratings.rating_E)
    given_Q, moved_Q = ~failed_Q, ~failed_Q & (rating_Q != ratings.rating_E)
    asked = [
        _asked(items, recalled, prompt_hash)
        for items, recalled, prompt_hash in zip(
            questions.recalled_items_Ek.tolist(), questions.recalled_ratings_Ek.tolist(), hashes, strict=True
        )
    ]
    events = [
        KINDS.piece("asked", number_Q, other=questions.user_E, item=questions.item_E, text=asked),
        KINDS.piece(
            "rated", number_Q[given_Q], value=ratings.rating_E[given_Q], text=_some(ratings.explanations, given_Q)
        ),
        KINDS.piece("perturbed", number_Q[moved_Q], value=rating_Q[moved_Q]),
    ]
    if ratings.replies is not None:
        tokens_Q = np.full(n, np.nan) if ratings.tokens_E is None else np.asarray(ratings.tokens_E, dtype=np.float64)
        events.append(KINDS.piece("replied", number_Q, value=tokens_Q, text=list(ratings.replies)))
    if failed_Q.any():
        reasons = [reason or "unknown" for reason in _some(ratings.failures, failed_Q) or [None] * int(failed_Q.sum())]
        events.append(KINDS.piece("failed", number_Q[failed_Q], text=reasons))
    return events


def _asked(items: list[int], ratings: list[float], prompt_hash: str | None) -> str | None:
    known = [place for place, item in enumerate(items) if item >= 0]
    about: dict[str, Any] = {}
    if known:
        about = {"items": [items[place] for place in known], "ratings": [ratings[place] for place in known]}
    if prompt_hash is not None:
        about["prompt_hash"] = prompt_hash
    return json.dumps(about) if about else None


def _some(texts: Sequence[str | None] | None, chosen_Q: np.ndarray) -> list[str | None] | None:
    return None if texts is None else [texts[place] for place in np.flatnonzero(chosen_Q).tolist()]
