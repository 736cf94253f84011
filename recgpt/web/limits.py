"""Limits of requests by address and of open streams; both hold a bounded number of addresses.

requests = Buckets(per_second=50, burst=400)
if not requests.take("127.0.0.1"):
    ...  # 429
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

MOST_ADDRESSES = 4096


class Buckets:
    """Token buckets by address: `burst` at once, then `per_second`.

    Parameters
    ----------
    clock
        Monotonic clock in seconds.
    """

    def __init__(self, *, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def n_addresses(self) -> int:
        """Number of addresses with a count."""
        return len(self._levels)

    def level(self, address: str) -> float:
        """Requests that the address has left."""
        now = self._clock()
        level, then = self._levels.get(address, (self._burst, now))
        return min(self._burst, level + (now - then) * self._per_second)

    def take(self, address: str) -> bool:
        """Count a request; whether it is within the limit."""
        level = self.level(address)
        allowed = level >= 1
        self._levels[address] = (level - allowed, self._clock())
        self._levels.move_to_end(address)
        if len(self._levels) > MOST_ADDRESSES:
            self._levels.popitem(last=False)
        return allowed


class Slots:
    """Places for long requests, limited in all and by address; safe between threads."""

    def __init__(self, *, most: int, most_of_address: int) -> None:
        self._most, self._most_of_address = most, most_of_address
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, address: str) -> bool:
        """Take a place; False where all are taken."""
        with self._lock:
            if self._taken.total() >= self._most or self._taken[address] >= self._most_of_address:
                return False
            self._taken[address] += 1
            return True

    def give_back(self, address: str) -> None:
        """Free a place that was taken."""
        with self._lock:
            self._taken[address] -= 1
            if self._taken[address] <= 0:
                del self._taken[address]

    @property
    def n_taken(self) -> int:
        """Number of places taken."""
        return self._taken.total()


def network_of(address: str) -> str:
    """Key of limits for an address: itself, for IPv6 its /64 network."""
    return ":".join(address.split(":")[:4]) if address.count(":") > 3 else address
