"""What a measurement is: figures with their spread and their limit, targets, before and after, curves, checks.

    seconds = alternating({"plain": Way(plain), "fused": Way(fused)}, repetitions=3, say=print)
    Figure.rate("fused", "items/s", work=512, seconds=seconds["fused"], limit=Limit(least_seconds, "arithmetic"))

Ways are timed in turn, again and again, so that a slow minute of the machine falls on all of them.
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
    """One way to do some work.

    Attributes
    ----------
    run
        Does it; gets what `prepare` returned.
    prepare
        Makes, untimed, what each run starts from; None where a run starts from nothing.
    """

    run: Callable[..., object]
    prepare: Callable[[], object] | None = None

    def seconds(self, at_least: float) -> float:
        """Do it once; the mean of as many times as fill `at_least` seconds, where nothing has to be prepared."""
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
    """Seconds of each repetition of each way, taken in turn, after one round that is not kept.

    Parameters
    ----------
    at_least
        Seconds to fill with one repetition of something short.
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
    """What the machine would allow at best.

    Attributes
    ----------
    seconds
        The least that the same work takes.
    because
        What bounds it, in words with numbers.
    """

    seconds: float
    because: str


@dataclass(frozen=True)
class Figure:
    """One measured number; `limit` is in the same unit, `because` says what sets it."""

    name: str
    unit: str
    median: float
    lowest: float
    highest: float
    limit: float | None = None
    because: str = ""

    @classmethod
    def rate(cls, name: str, unit: str, work: float, seconds: Sequence[float], limit: Limit | None = None) -> "Figure":
        """`work` done a second; higher is better."""
        rates = [work / each for each in seconds]
        best = None if limit is None else work / limit.seconds
        return cls(name, unit, *_spread(rates), best, "" if limit is None else limit.because)

    @classmethod
    def cost(cls, name: str, unit: str, scale: float, seconds: Sequence[float], limit: Limit | None = None) -> "Figure":
        """`seconds` times `scale` (1,000 / users gives ms a user); lower is better."""
        costs = [scale * each for each in seconds]
        best = None if limit is None else scale * limit.seconds
        return cls(name, unit, *_spread(costs), best, "" if limit is None else limit.because)

    @classmethod
    def once(cls, name: str, unit: str, value: float) -> "Figure":
        """Measured a single time."""
        return cls(name, unit, value, value, value)

    @property
    def of_limit(self) -> float | None:
        """Share of the limit that is reached, 1 at best."""
        if self.limit is None:
            return None
        return self.median / self.limit if self.unit.endswith("/s") else self.limit / self.median

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "of_limit": self.of_limit}


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


@dataclass(frozen=True)
class Target:
    """What the work was meant to reach; `at_least` tells a floor from a ceiling."""

    what: str
    bound: float
    at_least: bool
    value: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it was reached; never by NaN."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "met": self.met}


@dataclass(frozen=True)
class Gain:
    """One optimisation: the plain variant and the fast one, measured in turn in one run."""

    what: str
    why: str
    before: float
    after: float
    unit: str

    @property
    def ratio(self) -> float:
        """How many times better, whichever way the unit points."""
        return self.after / self.before if self.unit.endswith("/s") else self.before / self.after

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Curve:
    """How a cost grows: `y[i]` and the peak private memory `gigabytes[i]` at `x[i]`."""

    name: str
    x_name: str
    unit: str
    x: list[float]
    y: list[float]
    gigabytes: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Check:
    """That the fast way gives what the plain one gives."""

    what: str
    passed: bool
    detail: str

    @classmethod
    def close(cls, what: str, ours: float, theirs: float, relative: float) -> "Check":
        """Two numbers that must agree to a relative tolerance."""
        passed = math.isclose(ours, theirs, rel_tol=relative)
        return cls(what, passed, f"{ours:.6g} and {theirs:.6g}, tolerance {relative:g}")


@dataclass
class Measured:
    """All that one part found; `facts` are numbers and words that explain the figures."""

    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    gains: list[Gain] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "figures": [each.to_dict() for each in self.figures],
            "targets": [each.to_dict() for each in self.targets],
            "gains": [each.to_dict() for each in self.gains],
            "curves": [asdict(each) for each in self.curves],
            "checks": [asdict(each) for each in self.checks],
            "facts": self.facts,
        }
