"""Counter-based random numbers, keyed by seed, agent, step and purpose: independent of the order of calls.

    uniform_AK = uniform(seed, agents_A, step=3, purpose="watch", n=4)

The number for (seed, agent, step, purpose, j) is always the same: in any order and batch, in one process or in many,
before or after a resume. It is a hash of the five by the finaliser of SplitMix64, see `recgpt.splitmix`.

Shapes: A agents, K numbers for each.
"""

import hashlib

import numpy as np

from recgpt.splitmix import GOLDEN_GAMMA, finalized


def bits(seed: int, agents_A: np.ndarray, *, step: int, purpose: str, n: int = 1) -> np.ndarray:
    """(A, n) uint64 random bits.

    Parameters
    ----------
    agents_A
        (A,) non-negative integers.
    step
        Step of the run.
    purpose
        Name of the decision; each purpose has its own stream of numbers.
    n
        Numbers for each agent; the first j are the same for any n.
    """
    key = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=8).digest()
    state_A = np.frombuffer(key, dtype="<u8")[0] + np.asarray(agents_A).astype(np.uint64) * GOLDEN_GAMMA
    return finalized(finalized(state_A)[:, None] + np.arange(1, n + 1, dtype=np.uint64) * GOLDEN_GAMMA)


def uniform(seed: int, agents_A: np.ndarray, *, step: int, purpose: str, n: int = 1) -> np.ndarray:
    """(A, n) float64 uniform in [0, 1), of 53 bits each. See `bits`."""
    return (bits(seed, agents_A, step=step, purpose=purpose, n=n) >> np.uint64(11)) * 2.0**-53


def normal(seed: int, agents_A: np.ndarray, *, step: int, purpose: str) -> np.ndarray:
    """(A,) float64 standard normal, `sqrt(-2 ln(1 - u)) cos(2 pi v)` of uniform u, v (Box and Muller 1958)."""
    pair_A2 = uniform(seed, agents_A, step=step, purpose=purpose, n=2)
    return np.sqrt(-2 * np.log1p(-pair_A2[:, 0])) * np.cos(2 * np.pi * pair_A2[:, 1])
