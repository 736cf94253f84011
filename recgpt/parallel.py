"""Independent pieces of work side by side, on as many threads as torch uses.

    rankings = on_threads(rank, batches)     # in the order of the batches

NumPy, SciPy and torch release Python's lock in their inner loops, but most of them use one core: their calls for other
rows run beside them. Each thread computes with one thread of torch, so that there are never more than it was given, and
work that divides itself again stays on its thread.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def on_threads(work: Callable[[T], R], arguments: Sequence[T], most: int | None = None) -> list[R]:
    """Results of `work` for each argument, in their order; the first error is raised when all threads have ended.

    Parameters
    ----------
    work
        Function that may run on several threads at once.
    arguments
        One for each call.
    most
        Largest number of threads; None for torch's.
    """
    threads = torch.get_num_threads()
    n = min(threads, len(arguments), threads if most is None else most)
    if n <= 1:
        return [work(each) for each in arguments]
    try:
        with ThreadPoolExecutor(n, "recgpt", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, arguments))
    finally:
        torch.set_num_threads(threads)  # the threads' own setting is also that of threads to come
