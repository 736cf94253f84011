"""Counter-based random numbers of episodes: keyed by seed, episode, user, step and purpose, never by call order.

    key_E = episode_keys(seed_E, episode_E, user_E)
    uniform(key_E, step_E, "rate")          # (E,) equal at any number of environments

The same hash as `recgpt.simulate.rng`, for seeds and steps that differ between rows.
"""

import hashlib

import numpy as np

from recgpt.splitmix import GOLDEN_GAMMA, finalized


def episode_keys(seed_E: np.ndarray, episode_E: np.ndarray, user_E: np.ndarray) -> np.ndarray:
    """(E,) uint64 keys of episodes."""
    key_E = finalized(np.asarray(seed_E).astype(np.uint64) + GOLDEN_GAMMA)
    for part_E in (episode_E, user_E):
        key_E = finalized(key_E + np.asarray(part_E).astype(np.uint64) * GOLDEN_GAMMA)
    return key_E


def bits(key_E: np.ndarray, step_E: np.ndarray, purpose: str, n: int = 1) -> np.ndarray:
    """(E, n) uint64 random bits; the first j are the same for any n."""
    salt = np.frombuffer(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), dtype="<u8")[0]
    state_E = finalized(key_E ^ salt) + np.asarray(step_E).astype(np.uint64) * GOLDEN_GAMMA
    return finalized(finalized(state_E)[:, None] + np.arange(1, n + 1, dtype=np.uint64) * GOLDEN_GAMMA)


def uniform(key_E: np.ndarray, step_E: np.ndarray, purpose: str) -> np.ndarray:
    """(E,) float64 uniform in [0, 1)."""
    return (bits(key_E, step_E, purpose)[:, 0] >> np.uint64(11)) * 2.0**-53


def normal(key_E: np.ndarray, step_E: np.ndarray, purpose: str) -> np.ndarray:
    """(E,) float64 standard normal (Box and Muller 1958)."""
    pair_E2 = (bits(key_E, step_E, purpose, 2) >> np.uint64(11)) * 2.0**-53
    return np.sqrt(-2 * np.log1p(-pair_E2[:, 0])) * np.cos(2 * np.pi * pair_E2[:, 1])
