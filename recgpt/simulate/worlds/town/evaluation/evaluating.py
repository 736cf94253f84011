"""Interviews of all residents of one run or more, in every arm, and their summary.

    found = evaluate([Run.open("demo")], at=time(18))
    found["arms"]["full"]["all"]               # {"mean": .9, "low": .88, "high": .92, ...}

Intervals are 95 % bootstrap intervals: over residents for one run, over runs for several, as residents of one town are
not independent. Differences of an arm to the full one are paired by resident, or by run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, cast

import numpy as np

from recgpt.errors import SimulationError
from recgpt.evaluate.significance import bootstrap_ci, paired_bootstrap
from recgpt.progress import track
from recgpt.simulate.store import Run
from recgpt.simulate.world import States, stored_config
from recgpt.simulate.worlds.town.answering import answer as answer_by_rule
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, NAME, TownConfig
from recgpt.simulate.worlds.town.evaluation.arms import ARMS, FULL, memory_in, scene_in
from recgpt.simulate.worlds.town.evaluation.battery import CATEGORIES, KNOWS, Battery
from recgpt.simulate.worlds.town.evaluation.scoring import Question, Scored, says_yes, score
from recgpt.simulate.worlds.town.evaluation.truth import Truth
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.state import TownState

DEFAULT_TIME = time(18)
_DIGITS = 4
_RESAMPLES = 1000
_ALL = "all"

Answer = Callable[[Scene, str], str | None]
"""Answers a question; None for a failure."""
Judge = Callable[[Question, str], bool | None]
"""Whether an answer is true, by a language model; None for a failure."""


@dataclass(frozen=True)
class Answered:
    """A question, its answer and its score.

    Attributes
    ----------
    run
        Place of the run among those evaluated.
    answer
        None for a failure.
    judged
        Verdict of the judge; None without one, or if it failed.
    """

    run: int
    agent: int
    arm: str
    question: Question
    answer: str | None
    scored: Scored
    judged: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "run": self.run,
            "agent": self.agent,
            "arm": self.arm,
            "category": self.question.category,
            "question": self.question.text,
            "answer": self.answer,
            "right": sorted(self.scored.right),
            "wrong": sorted(self.scored.wrong),
            "lacking": sorted(self.scored.lacking),
            "score": round(self.scored.score, _DIGITS),
            **({} if self.judged is None else {"judged": self.judged}),
        }


def evaluate(
    runs: Sequence[Run],
    *,
    at: time = DEFAULT_TIME,
    arms: Iterable[str] = tuple(ARMS),
    answer: Answer = answer_by_rule,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Interview the residents of runs, and summarise their answers, JSON values.

    Parameters
    ----------
    at
        Time of day of the interviews, on the last day of a run that has it.

    Returns
    -------
    dict
        `runs` : of each run its id, the `block` after which, and the time `at` which it was interviewed.
        `arms` : by arm and category, and for all: `mean` score of the questions with its interval `low` to `high`,
        numbers of `questions`, `right`, `wrong` and `lacking` claims, and of `failed` answers; with a judge the share
        `judged` true. `lost` : by arm the mean score lost against the full arm, with interval and p-value.
        `acquaintance` : by run, of all pairs of residents: `answers` yes, of those `false` ones and their `share`, and
        the `density` of pairs that both affirm. `answers` : all answers, see `Answered.to_json`.

    Raises
    ------
    SimulationError
        A run is of another world, or has not begun.
    """
    interviewed = [_Interviewed(number, run, at) for number, run in enumerate(runs)]
    chosen = list(arms)
    answered = [each for one in interviewed for each in one.answers(chosen, answer, judge)]
    return {
        "runs": [one.summary for one in interviewed],
        "arms": {arm: _summary([each for each in answered if each.arm == arm], len(runs)) for arm in chosen},
        "lost": _lost(answered, len(runs)),
        "acquaintance": [one.acquaintance() for one in interviewed],
        "answers": [each.to_json() for each in answered],
    }


class _Interviewed:
    """A run at the moment of its interviews."""

    def __init__(self, number: int, run: Run, at: time) -> None:
        config = stored_config(run, NAME, TownConfig)
        if not run.n_steps:
            raise SimulationError(f"run {run.run_id} has not begun: play it first, `recgpt town run {run.run_id}`")
        self._number, self._run_id = number, run.run_id
        self._block = block_at_time(config.start_time, at, run.n_steps)
        self._state = cast(TownState, States(run).at(self._block))
        self._truth = Truth(self._state.setting.people)
        for rows in run.iter_steps():
            if len(rows) and int(rows["step"][0]) <= self._block:
                self._truth.add(rows)
        self._second = self._block * BLOCK_SECONDS
        self._start_time, self._seed = config.start_time, config.seed

    @property
    def summary(self) -> dict[str, Any]:
        moment = self._start_time + timedelta(seconds=self._second)
        return {"run": self._run_id, "seed": self._seed, "block": self._block, "at": f"{moment:%Y-%m-%d %H:%M}"}

    def answers(self, arms: Sequence[str], answer: Answer, judge: Judge | None) -> list[Answered]:
        """Answers of all residents in the arms."""
        battery = Battery(
            self._state.setting, self._truth, seed=self._seed, second=self._second, start_time=self._start_time
        )
        questions = [battery.questions(agent) for agent in range(len(self._state.residents))]
        found = []
        for arm in arms:
            memory = memory_in(ARMS[arm], self._state.memory)
            for agent in track(range(len(questions)), f"{self._run_id}: {arm}", total=len(questions)):
                scene = scene_in(ARMS[arm], self._state, agent, memory)
                for question in questions[agent]:
                    said = answer(scene, question.text)
                    judged = judge(question, said) if judge is not None and said is not None else None
                    found.append(
                        Answered(self._number, agent, arm, question, said, score(said or "", question), judged)
                    )
        return found

    def acquaintance(self) -> dict[str, Any]:
        """Acquaintance that residents claim, by rule, held to the log."""
        n = len(self._state.residents)
        scenes = [scene_in(ARMS[FULL], self._state, agent, self._state.memory) for agent in range(n)]
        names = [resident.name for resident in self._state.residents]
        says_MM = np.array(
            [
                [
                    other != agent and says_yes(answer_by_rule(scene, KNOWS.format(name=name)))
                    for other, name in enumerate(names)
                ]
                for agent, scene in enumerate(scenes)
            ]
        )
        truly_MM = np.array([[self._truth.is_aware_of(agent, other) for other in range(n)] for agent in range(n)])
        answers, false = int(says_MM.sum()), int((says_MM & ~truly_MM).sum())
        pairs = n * (n - 1) // 2
        mutual = int(np.triu(says_MM & says_MM.T, 1).sum())
        return {
            "run": self._run_id,
            "answers": answers,
            "false": false,
            "share": round(false / answers, _DIGITS) if answers else None,
            "density": round(mutual / pairs, _DIGITS) if pairs else None,
        }


def block_at_time(start_time: datetime, at: time, n_blocks: int) -> int:
    """Block that ends at a time of day, on the last day that has it; the last block if none does."""
    first = datetime.combine(start_time.date(), at)
    if first <= start_time:
        first += timedelta(days=1)
    blocks = int((first - start_time).total_seconds()) // BLOCK_SECONDS
    day = 86_400 // BLOCK_SECONDS
    return n_blocks if blocks > n_blocks else blocks + (n_blocks - blocks) // day * day


def _summary(answered: Sequence[Answered], n_runs: int) -> dict[str, Any]:
    parts = {category: [each for each in answered if each.question.category == category] for category in CATEGORIES}
    return {
        **{category: _figures(part, n_runs) for category, part in parts.items()},
        _ALL: _figures(answered, n_runs),
    }


def _figures(answered: Sequence[Answered], n_runs: int) -> dict[str, Any]:
    if not answered:
        return {"mean": None, "low": None, "high": None, "questions": 0}
    scores_B = np.array([each.scored.score for each in answered])
    low, high = _interval(scores_B, _units(answered, n_runs))
    judged = [each.judged for each in answered if each.judged is not None]
    return {
        "mean": round(float(scores_B.mean()), _DIGITS),
        "low": low,
        "high": high,
        "questions": len(answered),
        "right": sum(len(each.scored.right) for each in answered),
        "wrong": sum(len(each.scored.wrong) for each in answered),
        "lacking": sum(len(each.scored.lacking) for each in answered),
        "failed": sum(each.answer is None for each in answered),
        **({"judged": round(float(np.mean(judged)), _DIGITS)} if judged else {}),
    }


def _units(answered: Sequence[Answered], n_runs: int) -> np.ndarray:
    """Dense numbers of the units that are resampled: runs, or residents of a single one."""
    units = [each.run if n_runs > 1 else each.agent for each in answered]
    return np.unique(units, return_inverse=True)[1]


def _interval(values_B: np.ndarray, units_B: np.ndarray) -> tuple[float | None, float | None]:
    if units_B.max() < 1:
        return None, None
    low, high = bootstrap_ci(values_B, units_B, resamples=_RESAMPLES)
    return round(low, _DIGITS), round(high, _DIGITS)


def _lost(answered: Sequence[Answered], n_runs: int) -> dict[str, Any]:
    """Score lost by each arm against the full one, paired by question."""
    full = [each for each in answered if each.arm == FULL]
    found = {}
    for arm in dict.fromkeys(each.arm for each in answered if each.arm != FULL):
        part = [each for each in answered if each.arm == arm]
        units_B = _units(part, n_runs)
        if not full or units_B.max() < 1:
            continue
        full_B, part_B = (np.array([each.scored.score for each in group]) for group in (full, part))
        result = paired_bootstrap(full_B, part_B, units_B)
        figures = {"mean": result.difference, "low": result.low, "high": result.high, "p_value": result.p_value}
        found[arm] = {name: round(value, _DIGITS) for name, value in figures.items()}
    return found
