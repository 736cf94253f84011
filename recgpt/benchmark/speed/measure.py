"""Types of speed results: figures with spread and limit, targets, gains, curves, checks.

    seconds = alternating({"plain": Way(plain), "fused": Way(fused)}, repetitions=3, say=print)
    Figure.rate("fused", "items/s", work=512, seconds=seconds["fused"], limit=Limit(least_seconds, "arithmetic"))

Ways are timed in turns, so that a slow minute of the machine affects all of them.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Say = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """One implementation of some work.

    Attributes
    ----------
    run
        The timed function; its argument is the result of `prepare`.
    prepare
        Untimed preparation of each run; None without one.
    """

    run: Callable[..., object]
    prepare: Callable[[], object] | None = None

    def seconds(self, at_least: float) -> float:
        """Seconds of one run; without `prepare`, the mean over as many runs as fill `at_least` seconds."""
        arguments = () if self.prepare is None else (self.prepare(),)
        started, times = time.perf_counter(), 0
        while True:
            self.run(*arguments)
            times += 1
            taken = time.perf_counter() - started
            if self.prepare is not None or taken >= at_least:
                return taken / times


def alternating(
    ways: Mapping[str, Way], repetitions: int, say: Say, *, at_least: float = 0.0
) -> dict[str, list[float]]:
    """Seconds of each repetition of each way, timed in turns, after one discarded round.

    Parameters
    ----------
    at_least
        Minimum seconds of one repetition of short work.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            seconds = way.seconds(at_least)
            say(f"{repetition}/{repetitions} {name}: {seconds:,.4g} s")
            if repetition:
                taken[name].append(seconds)
    return taken


@dataclass(frozen=True)
class Limit:
    """Lower bound on the time of some work on this machine.

    Attributes
    ----------
    seconds
        Lower bound.
    because
        Reason: the limiting resource with numbers.
    """

    seconds: float
    because: str


@dataclass(frozen=True)
class Figure:
    """One measured number; `limit` is in the same unit and explained by `because`."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float
    limit: float | None = None
    because: str = ""

    @classmethod
    def rate(cls, name: str, unit: str, work: float, seconds: Sequence[float], limit: Limit | None = None) -> "Figure":
        """Rate: `work` a second; higher is better."""
        rates = [work / each for each in seconds]
        best = None if limit is None else work / limit.seconds
        return cls(name, unit, *_spread(rates), best, "" if limit is None else limit.because)

    @classmethod
    def cost(cls, name: str, unit: str, scale: float, seconds: Sequence[float], limit: Limit | None = None) -> "Figure":
        """Cost: `seconds` times `scale` (1,000 / users gives ms a user); lower is better."""
        costs = [scale * each for each in seconds]
        best = None if limit is None else scale * limit.seconds
        return cls(name, unit, *_spread(costs), best, "" if limit is None else limit.because)

    @classmethod
    def once(cls, name: str, unit: str, value: float) -> "Figure":
        """Figure of a single measurement."""
        return cls(name, unit, value, value, value)

    @property
    def of_limit(self) -> float | None:
        """Share of the limit, 1 at best; None without a limit."""
        if self.limit is None:
            return None
        return self.median / self.limit if self.unit.endswith("/s") else self.limit / self.median

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "of_limit": self.of_limit}


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


@dataclass(frozen=True)
class Target:
    """Target value of a measurement: a lower bound if `at_least`, else an upper bound."""

    what: str
    bound: float
    at_least: bool
    value: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the target is reached; False for NaN."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "met": self.met}


@dataclass(frozen=True)
class Gain:
    """Effect of one optimisation: the plain and the fast variant, timed in turns in one run."""

    what: str
    why: str
    before: float
    after: float
    unit: str

    @property
    def ratio(self) -> float:
        """Improvement factor: after/before for rates, before/after for costs."""
        return self.after / self.before if self.unit.endswith("/s") else self.before / self.after

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Curve:
    """Growth of a cost: `y[i]` and the peak private memory `gigabytes[i]` at `x[i]`."""

    name: str
    x_name: str
    unit: str
    x: list[float]
    y: list[float]
    gigabytes: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Check:
    """Check that the fast variant has the same result as the plain one."""

    what: str
    passed: bool
    detail: str

    @classmethod
    def close(cls, what: str, ours: float, theirs: float, relative: float) -> "Check":
        """Check that two numbers agree to a relative tolerance."""
        passed = math.isclose(ours, theirs, rel_tol=relative)
        return cls(what, passed, f"{ours:.6g} and {theirs:.6g}, tolerance {relative:g}")


@dataclass
class Measured:
    """Results of one part; `facts` are further numbers and words that explain the figures."""

    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    gains: list[Gain] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "figures": [each.to_dict() for each in self.figures],
            "targets": [each.to_dict() for each in self.targets],
            "gains": [each.to_dict() for each in self.gains],
            "curves": [asdict(each) for each in self.curves],
            "checks": [asdict(each) for each in self.checks],
            "facts": self.facts,
        }
