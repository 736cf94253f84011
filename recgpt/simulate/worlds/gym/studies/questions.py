"""Questions of the studies, as a table: one row a question, made before the first answer.

    blocks = [Block("preference", "+", group_Q, user_Q, item_Q)]
    table = question_table(blocks, setting)

| column | meaning |
|-|-|
| question | number, from 0 |
| study, part, group | study, `+` or `-` or empty, and tag or series |
| step | step of the run, from 1 |
| thread | first question of the same memory: a thread with several questions remembers its own answers |
| place | time of the question in its thread, from 1, after the given memory |
| user, user_id, user_name, item, item_id, item_name | who rates what: rows, outside ids, names |
| user_about | description of the user, in the human study alone |
| should_be | ratings that pass, such as `8-10` |
| known_items, known_ratings | memory that is given, oldest first |

Shapes: Q questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from recgpt.simulate.worlds.gym.domain import Domain
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.studies.protocol import pass_rules
from recgpt.simulate.worlds.gym.studies.sets import StudySets
from recgpt.simulate.worlds.gym.users import Users

QUESTIONS_PER_STEP = 1024
"""Questions without memory of their answers that are asked in one step of a run."""


@dataclass(frozen=True)
class StudySetting:
    """Catalogue, people and sets of the studies.

    Attributes
    ----------
    users
        The population, then the personas.
    n_people
        Size of the population without the personas.
    personas
        Rows of the personas by study and group.
    seed
        Seed of the drawn users, items and orders.
    quick
        Whether the quick form of the protocols is taken.
    """

    domain: Domain
    items: Items
    users: Users
    n_people: int
    sets: StudySets
    personas: dict[tuple[str, str], np.ndarray]
    seed: int
    quick: bool


@dataclass(frozen=True)
class Block:
    """Questions of one part of a study, in order.

    Attributes
    ----------
    group_Q
        Tag or series of each question.
    thread_Q
        Number of each question's memory, equal for questions that remember the answers of earlier ones; None where
        each has its own.
    known_items, known_ratings
        Memory given to each question, oldest first; empty for none at all.
    """

    study: str
    part: str
    group_Q: Sequence[str]
    user_Q: np.ndarray
    item_Q: np.ndarray
    thread_Q: np.ndarray | None = None
    known_items: Sequence[Sequence[int]] = field(default_factory=tuple)
    known_ratings: Sequence[Sequence[float]] = field(default_factory=tuple)


def question_table(blocks: Sequence[Block], setting: StudySetting) -> pl.DataFrame:
    """All questions in one table. Questions of one thread come in successive steps, all others at once.

    Questions that share a step do not depend on each other; at most `QUESTIONS_PER_STEP` of those without a thread do.
    """
    rules = pass_rules(setting.domain)
    tables, start = [], 0
    for block in blocks:
        tables.append(_table(block, start, rules[name].text if (name := block.study + block.part) in rules else ""))
        start += len(block.item_Q)
    table = pl.concat(tables)
    return table.with_columns(_steps(table), *_names(table, setting))


def _table(block: Block, start: int, should_be: str) -> pl.DataFrame:
    n = len(block.item_Q)
    number_Q = np.arange(start, start + n)
    known_items = list(block.known_items) or [[]] * n
    known_ratings = list(block.known_ratings) or [[]] * n
    if block.thread_Q is None:
        thread_Q, before_Q = number_Q, np.array([len(items) for items in known_items], dtype=np.int64)
    else:
        first = {thread: row for row, thread in reversed(list(enumerate(block.thread_Q.tolist())))}
        thread_Q = start + np.array([first[thread] for thread in block.thread_Q.tolist()])
        before_Q = np.array([(thread_Q[:row] == thread_Q[row]).sum() for row in range(n)])
    return pl.DataFrame(
        {
            "question": number_Q,
            "study": [block.study] * n,
            "part": [block.part] * n,
            "group": list(block.group_Q),
            "thread": thread_Q,
            "place": before_Q + 1,
            "user": block.user_Q,
            "item": block.item_Q,
            "should_be": [should_be] * n,
            "known_items": known_items,
            "known_ratings": known_ratings,
        },
        schema_overrides={
            "question": pl.Int64,
            "thread": pl.Int64,
            "place": pl.Int64,
            "user": pl.Int64,
            "item": pl.Int64,
            "known_items": pl.List(pl.Int64),
            "known_ratings": pl.List(pl.Float64),
        },
    )


def _steps(table: pl.DataFrame) -> pl.Series:
    """Step of each question: single ones first, in their order, then the threads, one question of each a step."""
    is_threaded_Q = (table["thread"].is_duplicated()).to_numpy()
    single_Q = np.cumsum(~is_threaded_Q) - 1
    n_single_steps = -(-int((~is_threaded_Q).sum()) // QUESTIONS_PER_STEP)
    step_Q = np.where(is_threaded_Q, n_single_steps + table["place"].to_numpy(), single_Q // QUESTIONS_PER_STEP + 1)
    return pl.Series("step", step_Q, dtype=pl.Int64)


def _names(table: pl.DataFrame, setting: StudySetting) -> list[pl.Series]:
    user_Q, item_Q = table["user"].to_list(), table["item"].to_list()
    asked = zip(user_Q, table["study"].to_list(), strict=True)
    return [
        pl.Series("user_id", [setting.users.ids[user] for user in user_Q], dtype=pl.String),
        pl.Series("user_name", [setting.users.names[user] for user in user_Q], dtype=pl.String),
        pl.Series("user_about", [_about(setting.users, user) if one == "human" else "" for user, one in asked]),
        pl.Series("item_id", [setting.items.ids[item] for item in item_Q], dtype=pl.String),
        pl.Series("item_name", [setting.items.titles[item] for item in item_Q], dtype=pl.String),
    ]


def _about(users: Users, user: int) -> str:
    pronoun = "she" if users.gender_U[user] else "he"
    return f"{users.names[user]} is {users.age_U[user]} years old, {pronoun} is {users.descriptions[user]}"
