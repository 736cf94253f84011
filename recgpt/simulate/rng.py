"""Random numbers that depend on what they are for, never on when they are asked for.

    uniform_AK = uniform(seed, agents_A, step=3, purpose="watch", n=4)

The number for (seed, agent, step, purpose, j) is always the same: whoever asks, in whatever order, in batches of any
size, in one process or in many, before or after a resume. A hash of the five by the finaliser of SplitMix64
(Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).

Shapes: A agents, K numbers for each.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def bits(seed: int, agents_A: np.ndarray, *, step: int, purpose: str, n: int = 1) -> np.ndarray:
    """(A, n) uint64 random bits.

    Parameters
    ----------
    agents_A
        (A,) non-negative integers.
    step
        Of the run.
    purpose
        What the numbers decide; another purpose has other numbers.
    n
        Numbers for each agent; the first j are the same whatever n is.
    """
    key = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=8).digest()
    of_agents_A = _mixed(np.frombuffer(key, dtype="<u8")[0] + np.asarray(agents_A).astype(np.uint64) * _GOLDEN)
    return _mixed(of_agents_A[:, None] + np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN)


def uniform(seed: int, agents_A: np.ndarray, *, step: int, purpose: str, n: int = 1) -> np.ndarray:
    """(A, n) float64 uniform in [0, 1), of 53 bits each. See `bits`."""
    return (bits(seed, agents_A, step=step, purpose=purpose, n=n) >> np.uint64(11)) * 2.0**-53


def normal(seed: int, agents_A: np.ndarray, *, step: int, purpose: str, n: int = 1) -> np.ndarray:
    """(A, n) float64 standard normal (Box and Muller 1958). See `bits`."""
    pairs_A2n = uniform(seed, agents_A, step=step, purpose=purpose, n=2 * n)
    return np.sqrt(-2 * np.log1p(-pairs_A2n[:, 0::2])) * np.cos(2 * np.pi * pairs_A2n[:, 1::2])


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
