"""Checks of a language-model server: whether it obeys the schema, and how fast it is.

recgpt llm check --base-url http://127.0.0.1:8080/v1 --model smollm2-135m
"""

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from recgpt.config import check_number
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.calls import CallsInMemory
from recgpt.simulate.llm.client import ATTEMPTS, LLMClient
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.failures import MALFORMED, described
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.servers import MOST_REJECTIONS, Server
from recgpt.simulate.llm.text import quoted

if TYPE_CHECKING:
    from rich.table import Table

_FILMS = ("Heat (1995)", "Alien (1979)", "Toy Story (1995)", "Amélie (2001)", "Casino (1995)", "Up (2009)")
_TRIES = 2  # so that an unreachable server is reported soon


class Pick(BaseModel):
    """What a probe asks for: as much as a decision about a page of a few items."""

    index: int = Field(ge=1, le=4)
    rating: int = Field(ge=1, le=5)
    watch: bool
    reason: str = Field(max_length=80)


@dataclass(frozen=True)
class CheckReport:
    """Measurements of a server.

    Attributes
    ----------
    obedience
        Share of the replies that were of the schema; None where no reply came.
    failures
        Calls that failed, by kind; requests that were rejected on the way to the dialect count as `rejected`.
    examples
        For each kind of failure, its meaning and what the server said once.
    dialect
        Form of the requests that the server takes; the usual one where no reply came.
    latency_s
        Median and 95 % of valid replies, one at a time.
    tokens_per_s
        Generated, one reply at a time.
    replies_per_s
        With `concurrency` calls at a time.
    """

    base_url: str
    model: str
    probes: int
    obedience: float | None
    failures: dict[str, int]
    examples: list[str]
    dialect: Dialect
    latency_p50_s: float | None
    latency_p95_s: float | None
    tokens_per_s: float | None
    concurrency: int
    replies_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "dialect": self.dialect.model_dump()}

    def table(self) -> "Table":
        """For a terminal."""
        from rich.markup import escape
        from rich.table import Table

        def number(value: float | None, unit: str) -> str:
            return "-" if value is None else f"{value:,.2f} {unit}"

        shown = Table("", escape(f"{self.model} at {self.base_url}"), box=None)
        shown.add_row("obeys the schema", "-" if self.obedience is None else f"{self.obedience:.1%} of the replies")
        failures = ", ".join(f"{count} {kind}" for kind, count in sorted(self.failures.items()))
        shown.add_row("takes requests with", escape(str(self.dialect)))
        shown.add_row("calls that failed", failures or "none")
        for example in self.examples:
            shown.add_row("", escape(example))
        shown.add_row("latency, median", number(self.latency_p50_s, "s"))
        shown.add_row("latency, 95 %", number(self.latency_p95_s, "s"))
        shown.add_row("speed", number(self.tokens_per_s, "tokens/s"))
        shown.add_row(f"throughput, {self.concurrency} at a time", number(self.replies_per_s, "replies/s"))
        return shown


def check(
    server: Server,
    model: str,
    *,
    probes: int = 20,
    concurrency: int = 8,
    max_tokens: int = 200,
    timeout_s: float = 60.0,
) -> CheckReport:
    """Send `probes` questions one at a time, then as many others `concurrency` at a time.

    Raises
    ------
    LLMError
        The server cannot be reached, or rejects the key, the model or every request.
    """
    check_number("timeout_s", timeout_s, above=0)
    log = CallsInMemory()

    def client(at_a_time: int) -> LLMClient:
        caps = Caps(calls=probes * ATTEMPTS * _TRIES + MOST_REJECTIONS)
        return LLMClient(
            [server],
            model,
            caps=caps,
            log=log,
            concurrency=at_a_time,
            max_tokens=max_tokens,
            timeout_s=timeout_s,
            tries=_TRIES,
        )

    one, many = client(1), client(concurrency)
    one.complete([_probe(number) for number in range(probes)], describe="one at a time")
    valid = [call for call in log.calls if call.failure is None]
    started = time.monotonic()
    replies = many.complete([_probe(number) for number in range(probes, 2 * probes)], describe="many at a time")
    seconds = time.monotonic() - started

    last = {call.failure: call for call in log.calls if call.failure is not None}
    failures = Counter(call.failure for call in log.calls if call.failure is not None)
    malformed = sum(failures[kind] for kind in MALFORMED)
    n_valid = len(log.calls) - failures.total()
    generating_s = sum(call.seconds for call in valid)
    return CheckReport(
        base_url=server.base_url,
        model=model,
        probes=2 * probes,
        obedience=n_valid / (n_valid + malformed) if n_valid + malformed else None,
        failures=dict(failures),
        examples=[described(kind, count, last[kind]) for kind, count in failures.most_common()],
        dialect=one.dialects[server.base_url],
        latency_p50_s=one.stats.latency_s(50),
        latency_p95_s=one.stats.latency_s(95),
        tokens_per_s=sum(call.tokens_out for call in valid) / generating_s if generating_s else None,
        concurrency=concurrency,
        replies_per_s=sum(reply.failure is None for reply in replies) / seconds,
    )


def _probe(number: int) -> Request:
    shown = [_FILMS[(number + place) % len(_FILMS)] for place in range(4)]
    page = "\n".join(f"{place}. {quoted(title)}" for place, title in enumerate(shown, start=1))
    return Request(
        [
            {"role": "system", "content": "You choose a film from a page. Reply in JSON."},
            {
                "role": "user",
                "content": f"Page {number}:\n{page}\nWhich one, how many stars, do you watch it, and why?",
            },
        ],
        Pick,
        purpose="check",
    )
