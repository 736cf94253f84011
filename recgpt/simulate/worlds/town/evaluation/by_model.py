"""Answers and verdicts of a language model, for the evaluation of a town.

    with CallFile(path) as calls:
        answer = by_model(config, setting, calls)
        found = evaluate(runs, answer=answer, judge=judging(config.llm, calls, seed=0))

Equal calls are kept in the file, so that a second evaluation costs nothing.
"""

from pydantic import BaseModel, Field

from recgpt.simulate.llm.requests import Message, Request
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import client_from_options
from recgpt.simulate.minds.options import LLMOptions
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.evaluation.evaluating import Answer, Judge
from recgpt.simulate.worlds.town.evaluation.scoring import Question
from recgpt.simulate.worlds.town.minds.base import Scene
from recgpt.simulate.worlds.town.minds.llm import LLMMind
from recgpt.simulate.worlds.town.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.town.setting import Setting

_MOST_CHARS = 2000
_SYSTEM = (
    "You compare an answer with the truth. Reply whether the answer holds nothing that contradicts the truth, and at"
    " least a part of it. If the truth is empty, only an answer without a claim is right."
)


class Verdict(BaseModel):
    """Verdict on an answer."""

    is_right: bool = Field(description="whether the answer agrees with the truth")


def by_model(config: TownConfig, setting: Setting, calls: CallFile) -> Answer:
    """Answers by the language model of a configuration, one call a question."""
    rules = config.rules()
    scripted = ScriptedMind(setting, rules, seed=config.seed)
    mind = LLMMind.from_options(config, setting, rules, scripted=scripted, seed=config.seed, run=calls)

    def answer(scene: Scene, question: str) -> str | None:
        return mind.answer(scene, question)[0]

    return answer


def judging(options: LLMOptions, calls: CallFile, *, seed: int) -> Judge:
    """Verdicts by a language model, one call an answer."""
    client = client_from_options(options, seed=seed, run=calls)

    def judge(question: Question, answer: str) -> bool | None:
        text = (
            f"Question: {quoted(question.text, _MOST_CHARS)}\n"
            f"Truth: {quoted('; '.join(sorted(question.true)), _MOST_CHARS)}\n"
            f"Answer: {quoted(answer, _MOST_CHARS)}"
        )
        messages: list[Message] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]
        verdict = client.complete([Request(messages, Verdict, purpose="judge")])[0].value
        return verdict.is_right if isinstance(verdict, Verdict) else None

    return judge
