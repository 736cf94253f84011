"""Recomputation of a dump from its configuration: questions, recalled items, prompts, and scripted ratings.

Shapes: Q questions.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from recgpt.data.identity import different
from recgpt.errors import RecGPTError, SimulationError
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.worlds.gym.minds import make_mind
from recgpt.simulate.worlds.gym.minds.base import Mind, Questions
from recgpt.simulate.worlds.gym.studies.config import StudyConfig
from recgpt.simulate.worlds.gym.studies.inputs import StudyInputs, load_inputs
from recgpt.simulate.worlds.gym.studies.recall import make_perturb, make_recall
from recgpt.simulate.worlds.gym.studies.scoring import ratings_of
from recgpt.simulate.worlds.gym.studies.world import Studies

_NOWHERE = "http://127.0.0.1:9/v1"  # of a client that renders prompts and sends nothing
_QUESTION = ("question", "step", "thread", "place", "study", "part", "group")
_WHO = ("user", "user_id", "user_name", "user_about", "item", "item_id", "item_name")


def recomputed_reasons(frame: pl.DataFrame, about: dict[str, Any], config: StudyConfig) -> Iterator[str]:
    """Reasons in all that the configuration of a dump determines."""
    try:
        inputs = load_inputs(config)
    except RecGPTError as error:
        yield f"it cannot be recomputed: {error}"
        return
    if differing := different(about["dataset"], inputs.fingerprint):
        yield f"catalogue, users or questions are not those of its configuration ({', '.join(differing)})"
    wanted = inputs.table
    if about["finished"] and len(frame) != len(wanted):
        yield f"{len(frame):,} questions, by the protocol {len(wanted):,}: a dump of another protocol, or a part of one"
        return
    reasons = list(
        question_reasons(frame, wanted.filter(pl.col("question").is_in(frame["question"].implode())), inputs)
    )
    yield from reasons
    if not reasons:
        yield from _answer_reasons(frame, config, inputs)


def question_reasons(frame: pl.DataFrame, wanted: pl.DataFrame, inputs: StudyInputs) -> Iterator[str]:
    """Reasons in the questions of a dump, against the protocol."""
    unknown = set(frame["item_id"].to_list()) - set(inputs.gym.items.ids)
    if unknown:
        yield f"{len(unknown):,} items are not in the catalogue, such as {min(unknown)!r}"
    strangers = set(frame["user_id"].to_list()) - set(inputs.gym.users.ids)
    if strangers:
        yield f"{len(strangers):,} users are not in the population, such as {min(strangers)!r}"
    if len(frame) != len(wanted) or not frame.select(_QUESTION).equals(wanted.select(_QUESTION)):
        yield "its questions are not those of the protocol: studies, groups or order differ"
        return
    for column in (*_WHO, "should_be", "known_items", "known_ratings"):
        differs = frame[column].ne_missing(wanted[column])
        if differs.any():
            row = int(differs.arg_max() or 0)
            who = _who(frame["study"][row], column)
            yield (
                f"{int(differs.sum()):,} questions of the study {frame['study'][row]} have another {who} than the"
                f" protocol: question {row} has {frame[column][row]!s:.80}, it should be {wanted[column][row]!s:.80}"
            )
            return


def _who(study: str, column: str) -> str:
    if column.startswith("user") and study in ("preference", "high", "low"):
        return f"persona ({column})"
    if column.startswith(("user", "item")) and study in ("collection", "distribution"):
        return f"drawn {column}"
    return column


def _answer_reasons(frame: pl.DataFrame, config: StudyConfig, inputs: StudyInputs) -> Iterator[str]:
    """Reasons in the answers: recalled items, prompts, and ratings of a mind without network."""
    mind = make_mind(config, inputs.gym, seed=config.seed) if config.mind == "scripted" else None
    perturb = make_perturb(inputs.gym)
    studies = Studies(inputs.table, mind or _Silent(), make_recall(inputs.gym), perturb, config.seed)
    # Questions of a thread come after the answers that they remember, so all answers may be known at once.
    studies.state.rating_Q[frame["question"].to_numpy()] = ratings_of(frame)
    prompts = Prompts(config, inputs) if config.mind == "llm" else None
    for _, rows in frame.group_by("step", maintain_order=True):
        questions = studies.questions(rows)
        yield from _step_reasons(rows, questions, config, mind, perturb, prompts)


def _step_reasons(
    rows: pl.DataFrame,
    questions: Questions,
    config: StudyConfig,
    mind: Mind | None,
    perturb: Any,
    prompts: "Prompts | None",
) -> Iterator[str]:
    for place, row in enumerate(rows.iter_rows(named=True)):
        known = questions.recalled_items_Ek[place] >= 0
        items, ratings = questions.recalled_items_Ek[place][known], questions.recalled_ratings_Ek[place][known]
        if items.tolist() != row["recalled_items"] or ratings.tolist() != row["recalled_ratings"]:
            yield f"question {row['question']}: what the user recalls does not follow from the memory by the retrieval"
            return
    hashes = rows["prompt_hash"].to_list()
    expected = [None] * len(rows) if prompts is None else prompts.hashes(questions)
    if hashes != expected:
        wrong = next(place for place, pair in enumerate(zip(hashes, expected, strict=True)) if pair[0] != pair[1])
        yield f"question {rows['question'][wrong]}: the prompt hash is not that of the question's prompt"
        return
    given_Q = ratings_of(rows, "llm_rating")
    if mind is not None and not np.array_equal(mind.rate(questions).rating_E, given_Q, equal_nan=True):
        yield f"step {rows['step'][0]}: the ratings are not those that the scripted mind gives"
        return
    if not np.array_equal(perturb(questions.key_E, questions.step_E, given_Q), ratings_of(rows), equal_nan=True):
        yield f"step {rows['step'][0]}: the ratings are not those that the perturbator {config.perturbator} gives"


class _Silent:
    """Mind without any rating."""

    name = "silent"

    def rate(self, questions: Questions) -> Any:
        raise NotImplementedError

    def estimate(self, n_questions: int) -> None:
        """No calls."""


class Prompts:
    """Prompts of the language-model mind, without sending any."""

    def __init__(self, config: StudyConfig, inputs: StudyInputs) -> None:
        from recgpt.simulate.worlds.gym.minds.llm import LLMMind, prompt_hash

        self._hash = prompt_hash
        client = LLMClient([Server(_NOWHERE, None)], config.llm.model, caps=Caps(calls=0))
        gym = inputs.gym
        self._mind = LLMMind(client, gym.domain, gym.items, gym.users, gym.rules)

    def request(self, questions: Questions, row: int) -> Request:
        """Request for one of the questions."""
        items, ratings = questions.recalled_items_Ek[row].tolist(), questions.recalled_ratings_Ek[row].tolist()
        recalled = [(item, rating) for item, rating in zip(items, ratings, strict=True) if item >= 0]
        user, item, times = (int(column[row]) for column in (questions.user_E, questions.item_E, questions.times_met_E))
        return self._mind.conversation(user, item, recalled, times)

    def hashes(self, questions: Questions) -> list[str]:
        """Hash of the prompt of each question."""
        return [self._hash(self.request(questions, row)) for row in range(len(questions))]


def first_prompt(config: StudyConfig) -> str:
    """Messages to the language model for the first question with a memory, else for the first one.

    Raises
    ------
    SimulationError
        The mind has no prompts.
    """
    if config.mind != "llm":
        raise SimulationError(
            f"--show-prompt: the mind {config.mind} has no prompts; name a language model with --llm-model"
        )
    inputs = load_inputs(config)
    studies = Studies(inputs.table, _Silent(), make_recall(inputs.gym), make_perturb(inputs.gym), config.seed)
    remembering = inputs.table.filter(pl.col("known_items").list.len() > 0)
    rows = (remembering if len(remembering) else inputs.table).head(1)
    messages = Prompts(config, inputs).request(studies.questions(rows), 0).messages
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in messages)
