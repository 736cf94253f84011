"""SplitMix64: uint64 random bits as a function of a state, without a generator that has to be carried along.

    bits_N = finalized(key + np.arange(1, n + 1, dtype=np.uint64) * GOLDEN_GAMMA)

Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), section 4. Products and sums wrap
modulo 2^64.
"""

import numpy as np

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: the step from one state to the next


def finalized(state: np.ndarray) -> np.ndarray:
    """uint64 bits of uint64 states, elementwise: a bijection that changes half of the bits if one bit changes."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
