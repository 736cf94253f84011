"""How much a hostile file may cost: two seconds and 500 MB."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS, MEGABYTES = 2.0, 500
_NET = 8 << 30  # more address space than that is refused by the system, so that a failing test spares the machine


@contextmanager
def cheaply(seconds: float = SECONDS) -> Iterator[None]:
    """Run a block and fail if it took more time on a processor, or more memory."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    resident, start = _status("VmRSS"), time.thread_time()
    resource.setrlimit(resource.RLIMIT_AS, (held + _NET, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))
    taken, used = time.thread_time() - start, _status("VmHWM") - resident
    assert taken < seconds, f"{taken:.1f} s"
    assert used < MEGABYTES, f"{used:.0f} MB"


def _status(name: str) -> float:
    """Megabytes of this process, of a line in its status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))
