"""Failures in words: which ones may pass, how many are too many, and their lines in messages.

reasons(replies)              # "8 not_json (the reply is not JSON), for example: “I like films”; 1 timeout (no ...)"
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from recgpt.errors import LLMError
from recgpt.simulate.llm.calls import FAILURES, LLMCall
from recgpt.simulate.llm.requests import Reply
from recgpt.simulate.llm.text import cleaned

PASSING = ("rate_limited", "server_error", "timeout", "connection")
"""Kinds of failure that may pass: they are tried again, and after a resume again."""
MALFORMED = ("truncated", "not_json", "schema_violation", "out_of_role", "refused")
"""Kinds of failure of a reply that came: the question is sent once more."""
MAX_FAILED = 0.05
"""Default of `MaxFailed`: one agent of twenty."""
_MAX_EXAMPLE_CHARS = 160

MaxFailed = Annotated[
    float,
    Field(ge=0, description="stop where more questions failed for a passing reason: below 1 a share, else a number"),
]


class Outage(LLMError):  # noqa: N818 (says what happened)
    """Too many questions have failed for reasons that may pass, so their decisions are missing."""


def allowed_failures(max_failed: float | None, n_questions: int) -> int:
    """How many of the questions may fail for a passing reason; all for None."""
    if max_failed is None:
        return n_questions
    return int(max_failed * n_questions + 1e-9) if max_failed < 1 else int(min(max_failed, n_questions))


def outage(replies: Iterable[Reply], model: str, max_failed: float, n_questions: int) -> Outage:
    """The error for failed replies, with their kinds and counts."""
    failed = [reply for reply in replies if reply.failure in PASSING]
    return Outage(
        f"{len(failed):,} of {n_questions:,} questions to {model!r} failed for reasons that may pass, {max_failed:g}"
        f" allows {allowed_failures(max_failed, n_questions):,}: {reasons(failed)}. Nothing was decided"
    )


def reasons(replies: Iterable[Reply]) -> str:
    """Kinds of failure of some replies with their counts and meanings, most frequent first, each with an example."""
    failed = [reply for reply in replies if reply.failure is not None]
    counts = Counter(reply.failure or "" for reply in failed)
    examples = {reply.failure: reply.calls[-1] for reply in reversed(failed) if reply.calls}
    return "; ".join(described(kind, count, examples.get(kind)) for kind, count in counts.most_common())


def described(kind: str, count: int, example: LLMCall | None, meaning: str | None = None) -> str:
    """One kind of failure: count, meaning, and what a server said."""
    meaning = meaning or FAILURES.get(kind, kind)
    said = cleaned(example.reply or "", _MAX_EXAMPLE_CHARS) if example is not None else ""
    return f"{count:,} {kind} ({meaning})" + (f", for example: “{said}”" if said else "")
