"""People and ties made up: interests, features and friends drawn with a seed.

    rows = drawn_people(100_000, tags_of_items, seed=0)
    ties = drawn_ties(rows, mean_friends=20, seed=0)

Numbers are chosen after the published people and ties: 1 to 5 features, interests and traits; 4 to 39 friends, 20.8 in
the mean. Friends are more often than by chance of similar age and of the same first interest.

Shapes: A agents, G interests, P pairs.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.worlds.gym.domains.made_up_words import FIRST_NAMES, LAST_NAMES
from recgpt.simulate.worlds.society.people import Feature
from recgpt.simulate.worlds.society.published import Rows
from recgpt.simulate.worlds.society.ties import Ties

JOBS = [
    "actor",
    "artist",
    "designer",
    "doctor",
    "engineer",
    "entrepreneur",
    "farmer",
    "lawyer",
    "musician",
    "nurse",
    "photographer",
    "retired",
    "scientist",
    "student",
    "teacher",
    "writer",
]
TRAITS = [
    "adventurous",
    "ambitious",
    "analytical",
    "caring",
    "compassionate",
    "creative",
    "empathetic",
    "energetic",
    "fun-loving",
    "independent",
    "introspective",
    "meticulous",
    "optimistic",
    "outgoing",
    "patient",
    "practical",
]
FEATURE_SHARES = {
    Feature.WATCHER: 0.542,
    Feature.EXPLORER: 0.347,
    Feature.CRITIC: 0.359,
    Feature.CHATTER: 0.347,
    Feature.POSTER: 0.445,
}
"""Shares of the published people that have each feature."""

YOUNGEST, OLDEST = 20, 70
MOST_INTERESTS = 5
SAME_GROUP = 0.6  # probability that a friend is drawn from the same interest and age group
YEARS_A_GROUP = 10
DEGREE_SPREAD = 0.45  # standard deviation of the logarithm of popularity: heavy tail, published range within A = 1,000
LABELS = ("colleague", "family", "friend")
LABEL_SHARES = (0.1, 0.25)  # colleague, family; the rest are friends


def drawn_people(n_agents: int, tags: Sequence[Sequence[str]], seed: int) -> Rows:
    """People with 1 to 5 interests each; frequent tags of the catalogue are frequent interests."""
    agents = np.arange(n_agents)
    gender_A = rng.uniform(seed, agents, step=0, purpose="person: gender")[:, 0] < 0.5
    age_A = _whole(seed, agents, "age", YOUNGEST, OLDEST)
    first_A = _whole(seed, agents, "first name", 0, len(FIRST_NAMES) - 1)
    last_A = _whole(seed, agents, "last name", 0, len(LAST_NAMES) - 1)
    job_A = _whole(seed, agents, "job", 0, len(JOBS) - 1)
    return Rows(
        name=[f"{FIRST_NAMES[a]} {LAST_NAMES[b]}" for a, b in zip(first_A.tolist(), last_A.tolist(), strict=True)],
        gender=np.where(gender_A, "female", "male").tolist(),
        traits=_drawn_lists(seed, agents, "traits", TRAITS, np.ones(len(TRAITS))),
        status=[JOBS[job] for job in job_A.tolist()],
        interest=drawn_interests(agents, tags, seed),
        age_A=age_A,
        feature_A=drawn_features(agents, seed),
    )


def drawn_interests(agents: np.ndarray, tags: Sequence[Sequence[str]], seed: int) -> list[str]:
    """Lists of 1 to 5 tags of the catalogue for each agent."""
    count = Counter(tag for each in tags for tag in each)
    if not count:
        return [""] * len(agents)
    names = sorted(count)
    return _drawn_lists(seed, agents, "interests", names, np.array([count[name] for name in names], dtype=float))


def drawn_features(agents: np.ndarray, seed: int) -> np.ndarray:
    """(A,) uint8 sets of features, each with its published share; Watcher for people without any."""
    u_AF = rng.uniform(seed, agents, step=0, purpose="person: features", n=len(FEATURE_SHARES))
    shares, bits = list(FEATURE_SHARES.values()), np.array([int(each) for each in FEATURE_SHARES])
    feature_A = (u_AF < shares) @ bits
    return np.where(feature_A > 0, feature_A, int(Feature.WATCHER)).astype(np.uint8)


def drawn_ties(rows: Rows, mean_friends: float, seed: int) -> Ties:
    """Mutual ties, `mean_friends` for each agent in the mean.

    The popularity of agents is lognormal. Each pair has a first agent, drawn by popularity (everybody is first
    once, where the mean allows), and a second one, drawn by popularity from the first one's group (age within ten years
    and first interest) with probability 0.6, else from all.
    """
    n_agents = len(rows)
    n_pairs = int(min(round(n_agents * mean_friends / 2), n_agents * (n_agents - 1) // 2))
    if n_pairs == 0:
        nobody = np.empty(0, dtype=np.int64)
        return Ties.from_edges(n_agents, nobody, nobody)
    low_P, high_P = _pairs(rows, n_pairs, seed)
    label_P, closeness_P = _labels(rows, low_P, high_P, seed)
    labels = np.array(LABELS, dtype=object)[np.tile(label_P, 2)].tolist()
    both = np.concatenate([low_P, high_P]), np.concatenate([high_P, low_P])
    return Ties.from_edges(n_agents, *both, np.tile(closeness_P, 2), labels)


def _pairs(rows: Rows, n_pairs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two agents of each pair; the lower number first, no pair twice."""
    n_agents = len(rows)
    if n_pairs > n_agents * (n_agents - 1) // 4:  # dense: choose among all pairs
        low, high = np.triu_indices(n_agents, 1)
        key = rng.uniform(seed, np.arange(len(low)), step=0, purpose="ties: all pairs")[:, 0]
        kept = np.argsort(key, kind="stable")[:n_pairs]
        return low[kept], high[kept]
    order_A, start_A, end_A, ends_A = _groups(rows, seed)
    total, keys, attempt = ends_A[-1], np.empty(0, dtype=np.int64), 0
    first = np.arange(n_agents) if n_pairs >= n_agents else np.empty(0, dtype=np.int64)
    while len(keys) < n_pairs:
        draws = np.arange(max(1024, int(1.1 * (n_pairs - len(keys)))))
        u_P4 = rng.uniform(seed, draws, step=attempt, purpose="ties: pairs", n=3)
        source = order_A[np.minimum(np.searchsorted(ends_A, u_P4[:, 0] * total, side="right"), n_agents - 1)]
        if attempt == 0:
            source[: len(first)] = first
        near = u_P4[:, 1] < SAME_GROUP
        low = np.where(near, start_A[source], 0)
        high = np.where(near, end_A[source], total)
        place = np.searchsorted(ends_A, low + u_P4[:, 2] * (high - low), side="right")
        target = order_A[np.minimum(place, n_agents - 1)]
        fresh = np.minimum(source, target) * n_agents + np.maximum(source, target)
        keys = np.concatenate([keys, fresh[source != target]])
        _, places = np.unique(keys, return_index=True)
        keys, attempt = keys[np.sort(places)], attempt + 1
    return np.divmod(keys[:n_pairs], n_agents)


def _groups(rows: Rows, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Agents in order of their group, where the popularity of each one's group begins and ends, and its running sum."""
    n_agents = len(rows)
    weight_A = np.exp(DEGREE_SPREAD * rng.normal(seed, np.arange(n_agents), step=0, purpose="ties: popularity"))
    first = [text.split(",", 1)[0] for text in rows.interest]
    number_of = {name: number for number, name in enumerate(sorted(set(first)))}
    group_A = np.array([number_of[name] for name in first]) * 1000 + rows.age_A // YEARS_A_GROUP
    order_A = np.argsort(group_A, kind="stable")
    ends_A = np.cumsum(weight_A[order_A])
    sorted_group = group_A[order_A]
    begins = np.searchsorted(sorted_group, group_A, side="left")
    ends = np.searchsorted(sorted_group, group_A, side="right")
    return order_A, np.concatenate([[0.0], ends_A])[begins], ends_A[ends - 1], ends_A


def _labels(rows: Rows, low_P: np.ndarray, high_P: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Label of each pair (half of the pairs of one job are colleagues as well) and its closeness, as published.

    Closeness: family .9, colleague .6, friend .5 to 1.
    """
    key_P = low_P * len(rows) + high_P
    u_P3 = rng.uniform(seed, key_P, step=0, purpose="ties: label", n=3)
    number_of = {name: number for number, name in enumerate(sorted(set(rows.status)))}
    job_A = np.array([number_of[name] for name in rows.status])
    label_P = np.searchsorted(np.cumsum(LABEL_SHARES), u_P3[:, 0], side="right")
    label_P[(job_A[low_P] == job_A[high_P]) & (u_P3[:, 1] < 0.5)] = 0
    return label_P, np.choose(label_P, [np.full(len(key_P), 0.6), np.full(len(key_P), 0.9), 0.5 + u_P3[:, 2] / 2])


def _whole(seed: int, agents: np.ndarray, purpose: str, lowest: int, highest: int) -> np.ndarray:
    u_A = rng.uniform(seed, agents, step=0, purpose=f"person: {purpose}")[:, 0]
    return (lowest + np.floor(u_A * (highest - lowest + 1))).astype(np.int64)


def _drawn_lists(seed: int, agents: np.ndarray, purpose: str, names: Sequence[str], mass: np.ndarray) -> list[str]:
    """1 to 5 of the names for each agent, without repeats, by exponential races (Efraimidis and Spirakis 2006)."""
    most = min(MOST_INTERESTS, len(names))
    number_A = _whole(seed, agents, f"{purpose}: number", 1, most)
    texts: list[str] = []
    for start in range(0, len(agents), 4096):
        block = slice(start, start + 4096)
        u = rng.uniform(seed, agents[block], step=0, purpose=f"person: {purpose}", n=len(names))
        order = np.argsort(-np.log1p(-u) / mass, axis=1, kind="stable")[:, :most]
        texts += [
            ", ".join([names[place] for place in row[:number]])
            for row, number in zip(order.tolist(), number_A[block].tolist(), strict=True)
        ]
    return texts
