"""Statistics of a client: calls, failures, use, latency."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recgpt.simulate.llm.budget import Spent
from recgpt.simulate.llm.calls import LLMCall


@dataclass
class Stats:
    """Counts since the client was made.

    Attributes
    ----------
    asked
        Requests.
    known
        Requests for which nothing was sent: logged before, or equal to another.
    failed
        Requests without a value, by kind of failure.
    failed_calls
        HTTP requests that failed, by kind.
    spent
        Use by HTTP requests of this client.
    seconds
        Seconds of each HTTP request with a valid reply.
    """

    asked: int = 0
    known: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    failed_calls: Counter[str] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)
    seconds: list[float] = field(default_factory=list)

    def count(self, call: LLMCall) -> None:
        """Add an HTTP request."""
        self.spent += Spent(1, call.tokens_in + call.tokens_out, call.cost_usd)
        if call.failure is None:
            self.seconds.append(call.seconds)
        else:
            self.failed_calls[call.failure] += 1

    def latency_s(self, percentile: float) -> float | None:
        """Percentile of the seconds of valid replies; None without any."""
        return float(np.percentile(self.seconds, percentile)) if self.seconds else None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "asked": self.asked,
            "known": self.known,
            "failed": dict(sorted(self.failed.items())),
            "calls": self.spent.calls,
            "failed_calls": dict(sorted(self.failed_calls.items())),
            "tokens": self.spent.tokens,
            "cost_usd": self.spent.usd,
            "latency_s": {f"p{percentile}": self.latency_s(percentile) for percentile in (50, 95, 99)},
        }
