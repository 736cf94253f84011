"""Interviews of agents of a stored run at any round, without a trace in the run.

    with Run.open("town") as run:
        print(interview(run, step=3, agent=7, question="What did you watch lately?").text)

The state after the round is rebuilt from the log. With a language model the question is one call, which is logged and
counted in `interviews.sqlite` beside the run, so that an equal question costs nothing a second time; a scripted mind
has no words, so that its answer is a sentence of facts.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.llm.text import cleaned
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.minds.base import Questions
from recgpt.simulate.worlds.society.minds.llm import LLMMind
from recgpt.simulate.worlds.society.minds.scenes import newest_first
from recgpt.simulate.worlds.society.state import SocietyState

_CALLS = "interviews.sqlite"
_MAX_QUESTION_CHARS = 1000
_MOST_TITLES = 3


@dataclass(frozen=True)
class Interviewed:
    """Outcome of an interview.

    Attributes
    ----------
    text
        The answer; None where the language model gave none.
    failure
        Kind and meaning of the failure; None for an answer.
    spent
        Calls, tokens and money of this interview.
    """

    text: str | None
    failure: str | None
    spent: Spent


def interview(run: Run, step: int, agent: int, question: str, options: MindOptions | None = None) -> Interviewed:
    """Ask an agent a question as it was after round `step`; the run does not change.

    Parameters
    ----------
    step
        0 for before the first round.
    options
        Mind that answers, `scripted` or `llm`; by default that of the run.

    Raises
    ------
    SimulationError
        The run has no such round or agent, the question is empty, or the mind cannot be interviewed.
    LLMError
        No server can be reached, or a cap is reached.
    """
    config = SocietyConfig(**run.manifest.config)
    options = options or config
    question = cleaned(question, _MAX_QUESTION_CHARS)
    if not question:
        raise SimulationError("the question of the interview is empty: ask something")
    if options.mind not in ("scripted", "llm"):
        raise SimulationError(f"the mind {options.mind} cannot be interviewed: choose scripted or llm")
    state = cast("SocietyState", States(run).at(step))
    if not 0 <= agent < len(state.people):
        raise SimulationError(f"run {run.run_id} has no agent {agent}: choose one from 0 to {len(state.people) - 1}")
    if options.mind == "scripted":
        return Interviewed(facts_of(state, agent), None, Spent())
    with CallFile(run.path.parent / _CALLS) as calls:
        return _answered_by_model(state, agent, question, options, config, calls, step)


def _answered_by_model(
    state: SocietyState,
    agent: int,
    question: str,
    options: MindOptions,
    config: SocietyConfig,
    calls: CallFile,
    step: int,
) -> Interviewed:
    before = calls.spent
    mind = LLMMind.from_options(
        options.llm,
        state.setting,
        config.part(SocietyRules),
        seed=config.seed,
        run=calls,
        uses_memory=options.uses_memory,
    )
    said = mind.answer(Questions(step, np.array([agent]), state, question, item=-1, options=(), in_words=True))
    after = calls.spent
    spent = Spent(after.calls - before.calls, after.tokens - before.tokens, after.usd - before.usd)
    return Interviewed((said.texts or [None])[0], (said.failures or [None])[0], spent)


def facts_of(state: SocietyState, agent: int) -> str:
    """Profile of an agent, titles watched and heard of, numbers of friends and posts, in sentences."""
    people, posts = state.people, state.social.posts
    profile: dict[str, Any] = people.profile(agent)
    titles = state.setting.facts.items["title"]

    def named(buffer: np.ndarray) -> str:
        items = newest_first(buffer)[:_MOST_TITLES]
        return ", ".join(cleaned(titles[item]) for item in items) or "nothing"

    age = f", {profile['age']} years old" if profile["age"] >= 0 else ""
    status = f", {cleaned(profile['status'])}" if profile["status"] else ""
    return (
        f"I am {cleaned(people.label(agent))}{age}{status}. Lately I watched {named(state.viewing.watched_AB[agent])}"
        f" and heard of {named(state.viewing.heard_AB[agent])}. I have {int(state.social.friends.degree_A[agent])}"
        f" friends and posted {int((posts.author_M == agent).sum())} times."
    )
