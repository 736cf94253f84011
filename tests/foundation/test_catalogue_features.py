"""Evidence against a slow computation from its definitions, and what it may not depend on."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.features.hybrid_score import HybridFeatures, HybridIndex
from recgpt.features.interaction_counts import HALF_LIFE, RECENT
from recgpt.foundation.catalogue_features import (
    CatalogueFeatures,
    HybridScores,
    latest_items,
    neighbourhood,
    shortlist_candidates,
)
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    HISTORY_FEATURES,
    QUERY_FEATURES,
    RELATIONS,
    CandidateFeature,
    Evidence,
)

N, E, S = 24, 6, 4
YEAR = 365 * 86_400
START = 1_300_000_000
RNG = np.random.default_rng(0)
EMBEDDINGS_NE = RNG.standard_normal((N, E)).astype(np.float32)
# Items 20 to 23 have no past; the last user has more than 100 items, and repeats.
PAST = [
    ((s + np.arange(n)) % 20).tolist() for s, n in zip(RNG.integers(0, 20, 25), RNG.integers(1, 9, 25), strict=True)
]
PAST.append(RNG.integers(0, 20, 120).tolist())
# Over eleven years, more than differences are told apart; one in ten is unknown.
TIMES = [(START + np.sort(RNG.integers(0, 11 * YEAR, len(s)))).tolist() for s in PAST]
TIMES = [[-1 if RNG.random() < 0.1 else t for t in times] for times in TIMES]
HISTORIES = [[3], [5, 9, 5, 17, 2, 11], [21, 4], [1, 2, 3], RNG.integers(0, N, 40).tolist()]
COLOURS, TOYS = ("red", "green", "blue", "grey"), ("train", "bear", "kite", "drum", "doll")
TEXTS = [f"{COLOURS[i % 4]} {TOYS[i % 5]} number {i}" for i in range(N)]
CANDIDATES_BM = np.stack([RNG.permutation(N)[:12] for _ in HISTORIES])


def flat(times: list[list[int]] | None) -> np.ndarray | None:
    return None if times is None else np.array([t for each in times for t in each])


def read(times: list[list[int]] | None = TIMES) -> CatalogueFeatures:
    return CatalogueFeatures.from_sequences(
        EMBEDDINGS_NE, Ragged.from_lists(PAST), flat(times), TEXTS if times is TIMES else None
    )


def evidence_of(
    features: CatalogueFeatures, histories: list[list[int]] = HISTORIES, candidates_BM=CANDIDATES_BM
) -> Evidence:
    asked = Ragged.from_lists(histories)
    return features.evidence(asked, candidates_BM, features.hybrid_scores(asked), S)


def assert_same(first: Evidence, second: Evidence, atol: float = 0) -> None:
    for name, ours, theirs in zip(Evidence._fields, first, second, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=atol, err_msg=name)


class Slow:
    """Everything by its definition, one pair of items at a time."""

    def __init__(self, features: CatalogueFeatures, past: list[list[int]], times: list[list[int]] | None) -> None:
        self.unit_NE, self.near_NZ, self.weights_F = (
            features.hybrid_index.unit_NE,
            features.neighbourhood_NZ,
            features.weights_F,
        )
        self.words_NW = np.zeros((N, 1)) if features.words_NW is None else features.words_NW
        self.times = times
        self.count = np.bincount(list(itertools.chain.from_iterable(past)), minlength=N)
        self.after = np.zeros((N, N))
        self.together = np.zeros((N, N))
        for sequence in past:
            for place, i in enumerate(sequence):
                for gap, j in enumerate(sequence[place + 1 : place + 6], start=1):
                    self.after[i, j] += (i != j) / gap
            for i, j in itertools.permutations(set(sequence[-100:]), 2):
                self.together[i, j] += 1
        self.before = self.after.T
        self.met: dict[int, list[int]] = {item: [] for item in range(N)}
        for sequence, when in zip(past, times or [], strict=times is not None):
            for item, time in zip(sequence, when, strict=True):
                if time >= 0:
                    self.met[item].append(time)
        self.now = max((t for each in self.met.values() for t in each), default=None)

    def cosine(self, table: np.ndarray, i: int, j: int) -> float:
        return float(table[i].astype(float) @ table[j].astype(float))

    def relations(self, i: int, j: int) -> list[float]:
        damping = 1 / math.sqrt((self.count[i] + 10) * (self.count[j] + 10))
        after, before = self.after[i, j], self.before[i, j]
        return [
            math.log(1 + 200 * after / (self.after[i].sum() + 5)),
            math.log(1 + 200 * before / (self.before[i].sum() + 5)),
            math.log(1 + 30 * (after + before / 2) * damping),
            math.log(1 + 30 * (before + after / 2) * damping),
            math.log(1 + 30 * self.together[i, j] * damping),
            self.cosine(self.unit_NE, i, j),
            self.cosine(self.words_NW, i, j),
            self.cosine(self.near_NZ, i, j),
        ]

    def position(self, item: int, latest: int) -> list[float]:
        known = self.count[item] > 0
        to_latest = [self.cosine(table, item, latest) for table in (self.unit_NE, self.near_NZ)]
        return [1, math.log(1 + self.count[item]), known, *to_latest]

    def mean_year(self, item: int) -> float:
        return (np.mean(self.met[item]) - self.now) / YEAR if self.met[item] else 0.0

    def item(self, j: int, latest: int, features: list[np.ndarray], score_N: np.ndarray) -> list[float]:
        last = (max(self.met[j]) - self.now) / YEAR if self.met[j] else -20.0
        recent = self.recent(j, HALF_LIFE)
        relative = [math.log(1 + self.recent(j, each) / self.mean_recent(each)) for each in RECENT.values()]
        return [
            *(feature_N[j] for feature_N in features),
            (score_N[j] - score_N.mean()) / score_N.std(),
            math.log(1 + self.count[j]),
            math.log(1 + recent),
            np.clip(self.mean_year(j) - self.mean_year(latest), -8, 8),
            np.clip(last - self.mean_year(latest), -8, 8) if self.now is not None else 0.0,
            self.count[j] > 0,
            np.clip(self.mean_year(j), -8, 0),
            *(self.similar(j, features[f]) for f in (2, 3, 4)),
            *relative,
            relative[0] - relative[2],
        ]

    def recent(self, j: int, half_life: float) -> float:
        return sum(0.5 ** ((self.now - t) / half_life) for t in self.met[j])

    def mean_recent(self, half_life: float) -> float:
        return sum(self.recent(j, half_life) for j in range(N)) / N or 1.0

    def similar(self, j: int, feature_N: np.ndarray) -> float:
        if self.count[j]:
            return 0.0
        known = [i for i in range(N) if self.count[i]]
        best = sorted(known, key=lambda i: -self.cosine(self.unit_NE, i, j))[:10]
        weights = [math.exp(20 * self.cosine(self.unit_NE, i, j)) for i in best]
        return sum(w * float(feature_N[i]) for w, i in zip(weights, best, strict=True)) / sum(weights)

    def case(self, history: list[int]) -> list[float]:
        latest, *others = history[::-1][:S]
        n_read = 1 + len(others)
        return [
            self.now is not None,
            self.words_NW.any(),
            *(3 * self.weights_F),
            sum(count > 0 for count in self.count) / N,
            math.log(1 + sum(self.count) / N),
            math.log(1 + len(history)),
            sum(self.cosine(self.unit_NE, i, latest) for i in others) / n_read,
            sum(self.cosine(self.near_NZ, i, latest) for i in others) / n_read,
            sum(math.log(1 + self.count[i]) for i in (latest, *others)) / n_read,
        ]


@pytest.mark.parametrize("times", [TIMES, None], ids=["timed", "without times"])
def test_evidence_is_as_documented(times):
    features = read(times)
    found, slow = evidence_of(features), Slow(features, PAST, times)
    hybrid, score_BN = features.hybrid_scores(Ragged.from_lists(HISTORIES))
    # Cosines are of rounded text.
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    rounded = {"rtol": 0, "atol": 2e-3}
    for row, history in enumerate(HISTORIES):
        read_items, candidates = history[::-1][:S], CANDIDATES_BM[row].tolist()
        relations_SMR = np.zeros((S, len(candidates), len(RELATIONS)))
        positions_SP = np.zeros((S, len(HISTORY_FEATURES)))
        for place, i in enumerate(read_items):
            positions_SP[place] = slow.position(i, read_items[0])
            relations_SMR[place] = [slow.relations(i, j) for j in candidates]
        for r, name in enumerate(RELATIONS):
            close = rounded if name == "text" else tolerance
            np.testing.assert_allclose(found.relations_BSMR[row, ..., r], relations_SMR[..., r], **close, err_msg=name)
        np.testing.assert_allclose(found.positions_BSP[row], positions_SP, **rounded)
        of_case = [feature_BN[row] for feature_BN in hybrid]
        items_MF = np.array([slow.item(j, history[-1], of_case, score_BN[row]) for j in candidates])
        for f, name in enumerate(CANDIDATE_FEATURES):
            # Weights of similar items come from rounded cosines, too.
            close = {"rtol": 0, "atol": 1e-2} if name.startswith("similar") else tolerance
            np.testing.assert_allclose(found.items_BMF[row, :, f], items_MF[:, f], **close, err_msg=name)
        np.testing.assert_allclose(found.case_BX[row], slow.case(history), **rounded)
    assert found.case_BX.shape[1] == len(QUERY_FEATURES)
    assert found.allowed_BM.all()
    assert all(values.dtype == torch.float32 for values in found[:4])


def test_popularity_in_time_does_not_depend_on_the_origin_and_follows_a_permuted_catalogue():
    features = evidence_of(read()).items_BMF[..., CandidateFeature.POPULARITY_WEEK :]
    assert all(features[..., f].std() > 0 for f in range(4))
    moved = [[-1 if t < 0 else t + 7 * YEAR for t in times] for times in TIMES]
    later = CatalogueFeatures.from_sequences(EMBEDDINGS_NE, Ragged.from_lists(PAST), flat(moved), TEXTS)
    found = evidence_of(later).items_BMF[..., CandidateFeature.POPULARITY_WEEK :]
    torch.testing.assert_close(found, features, rtol=1e-4, atol=1e-5)
    place_N = RNG.permutation(N)  # item i moves to row place_N[i]
    rows = np.argsort(place_N)
    permuted = CatalogueFeatures.from_sequences(
        EMBEDDINGS_NE[rows],
        Ragged.from_lists([place_N[s].tolist() for s in PAST]),
        flat(TIMES),
        [TEXTS[i] for i in rows],
    )
    found = evidence_of(permuted, [place_N[s].tolist() for s in HISTORIES], place_N[CANDIDATES_BM]).items_BMF
    torch.testing.assert_close(found[..., CandidateFeature.POPULARITY_WEEK :], features, rtol=1e-4, atol=1e-5)


def test_hybrid_score_is_the_weighted_sum_of_its_features():
    features = read()
    hybrid, score_BN = features.hybrid_scores(Ragged.from_lists(HISTORIES))
    np.testing.assert_allclose(score_BN, np.einsum("f,fbn->bn", features.weights_F, np.stack(hybrid)), atol=1e-5)


def test_a_case_alone_has_the_same_evidence():
    features = read()
    together = evidence_of(features)
    for row, history in enumerate(HISTORIES):
        alone = evidence_of(features, [history], CANDIDATES_BM[row : row + 1])
        assert_same(alone, together.rows(slice(row, row + 1)), atol=1e-6)


def test_places_without_a_candidate_are_not_allowed_and_change_nothing():
    features = read()
    full = evidence_of(features)
    holes_BM = CANDIDATES_BM.copy()
    holes_BM[:, [0, 5, 11]] = -1
    holes_BM[1] = -1
    found = evidence_of(features, candidates_BM=holes_BM)
    np.testing.assert_array_equal(found.allowed_BM, holes_BM >= 0)
    kept_BM = torch.from_numpy(holes_BM >= 0)
    torch.testing.assert_close(found.items_BMF[kept_BM], full.items_BMF[kept_BM], rtol=0, atol=0)
    ours_BMSR, theirs_BMSR = (each.relations_BSMR.transpose(1, 2) for each in (found, full))
    torch.testing.assert_close(ours_BMSR[kept_BM], theirs_BMSR[kept_BM], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.case_BX, full.case_BX, rtol=0, atol=0)
    torch.testing.assert_close(found.positions_BSP, full.positions_BSP, rtol=0, atol=0)


EVENTS = Interactions(
    np.array([0, 3, 0, 25, 30, 30]), np.array([7, 22, 7, 3, 4, 21]), START + 12 * YEAR + np.arange(6) * 86_400
)


def continued() -> tuple[list[list[int]], list[list[int]]]:
    past = [list(s) for s in PAST] + [[] for _ in range(31 - len(PAST))]
    times = [list(t) for t in TIMES] + [[] for _ in range(31 - len(TIMES))]
    for user, item, time in zip(EVENTS.user, EVENTS.item, EVENTS.timestamp, strict=True):
        past[user].append(int(item))
        times[user].append(int(time))
    return past, times


def test_append_equals_indexing_the_longer_sequences():
    grown = read()
    before = evidence_of(grown)
    grown.append(EVENTS)
    past, times = continued()
    index = HybridIndex.from_sequences(grown.hybrid_index.unit_NE, Ragged.from_lists(past), flat(times))
    anew = dataclasses.replace(grown, hybrid_index=index)
    assert_same(evidence_of(grown), evidence_of(anew), atol=1e-5)
    assert not torch.equal(before.items_BMF, evidence_of(grown).items_BMF)


@pytest.mark.parametrize("times", [TIMES, None], ids=["timed", "without times"])
def test_from_arrays_restores_the_features(times):
    features = read(times)
    again = CatalogueFeatures.from_arrays(features.to_arrays())
    assert_same(evidence_of(again), evidence_of(features))
    for each in (features, again):
        each.append(EVENTS)
    once_more = CatalogueFeatures.from_arrays(features.to_arrays())
    assert_same(evidence_of(again), evidence_of(features))
    assert_same(evidence_of(once_more), evidence_of(features), atol=1e-5)
    assert all(isinstance(array, np.ndarray) for array in features.to_arrays().values())


def test_neighbourhoods_are_singular_directions_of_the_graph():
    features = read()
    slow = Slow(features, PAST, TIMES)
    damping_N = 1 / np.sqrt(slow.count + 10)
    left_NZ, strength_Z, _ = np.linalg.svd(damping_N[:, None] * (slow.together + slow.after + slow.before) * damping_N)
    rows_NZ = (left_NZ * np.sqrt(strength_Z))[:20, : N - 2]
    rows_NZ /= np.linalg.norm(rows_NZ, axis=1, keepdims=True)
    found_NZ = features.neighbourhood_NZ
    np.testing.assert_allclose(found_NZ[:20] @ found_NZ[:20].T, rows_NZ @ rows_NZ.T, atol=1e-3)
    assert not found_NZ[20:].any()
    assert found_NZ.dtype == np.float32


def test_items_without_a_past_have_no_neighbourhood_however_poor_the_graph():
    # Far fewer directions than are asked for: what is left over is noise, and must not become a direction.
    past = [np.random.default_rng(user).permutation(150)[:100].tolist() for user in range(3)] * 40
    index = HybridIndex.from_sequences(np.ones((400, 2), np.float32), Ragged.from_lists(past))
    rows_NZ = neighbourhood(index.past)
    assert not rows_NZ[150:].any()
    met = index.past.count_N > 0
    np.testing.assert_allclose(np.linalg.norm(rows_NZ[met], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("past", [[], [[], []], [[0]], [[0, 0]], [[0, 1]]])
@pytest.mark.parametrize("n_items", [1, 2, 3])
def test_the_smallest_catalogues_are_read(n_items, past):
    past = [[item % n_items for item in sequence] for sequence in past]
    features = CatalogueFeatures.from_sequences(EMBEDDINGS_NE[:n_items], Ragged.from_lists(past))
    candidates_BM = np.arange(n_items)[None]
    found = evidence_of(features, [[n_items - 1]], candidates_BM)
    assert all(torch.isfinite(values).all() for values in found[:4])


def test_an_embedding_that_is_no_number_is_named():
    broken_NE = EMBEDDINGS_NE.copy()
    broken_NE[7, 1] = np.nan
    with pytest.raises(DataError, match="item 7 holds NaN"):
        CatalogueFeatures.from_sequences(broken_NE, Ragged.from_lists(PAST))


def test_latest_items_come_first():
    items_BS = latest_items(Ragged.from_lists([[1, 2, 3, 4, 5], [7], []]), 3)
    np.testing.assert_array_equal(items_BS, [[5, 4, 3], [7, -1, -1], [-1, -1, -1]])


def hybrid_scores(text_BN: np.ndarray, score_BN: np.ndarray) -> HybridScores:
    return HybridScores(HybridFeatures(*[text_BN] * 5), score_BN)


def test_the_shortlist_is_best_first_without_the_history():
    score_BN = np.array([[5, 1, 4, 2, 3], [1, 2, 2, 0, 9]], dtype=np.float32)
    histories = Ragged.from_lists([[0, 2, 0], [4]])
    given_BN = score_BN.copy()
    scores, taken_N = hybrid_scores(np.zeros((2, 5)), score_BN), np.ones(5)
    np.testing.assert_array_equal(shortlist_candidates(histories, scores, 2, taken_N), [[4, 3], [1, 2]])
    np.testing.assert_array_equal(
        shortlist_candidates(histories, scores, 9, taken_N), [[4, 3, 1, -1, -1], [1, 2, 0, 3, -1]]
    )
    allowed_N = np.array([True, True, False, True, False])
    np.testing.assert_array_equal(
        shortlist_candidates(histories, scores, 3, taken_N, allowed_N), [[3, 1, -1], [1, 0, 3]]
    )
    np.testing.assert_array_equal(score_BN, given_BN)


def test_shortlist_ends_with_cold_items_by_text():
    score_BN = np.array([[5, 1, 4, 2, 3, 0], [1, 2, 2, 0, 9, 0]], dtype=np.float32)
    text_BN = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], dtype=np.float32)
    histories, scores = Ragged.from_lists([[0], [4]]), hybrid_scores(text_BN, score_BN)
    count_N = np.array([1, 0, 3, 0, 1, 0])
    found_BM = shortlist_candidates(histories, scores, 2, count_N)
    np.testing.assert_array_equal(found_BM, [[2, 4, 5, 3, 1], [1, 2, 3, 5, -1]])
    allowed_N = np.array([True, False, True, True, True, True])
    found_BM = shortlist_candidates(histories, scores, 2, count_N, allowed_N)
    np.testing.assert_array_equal(found_BM, [[2, 4, 5, 3, -1], [2, 0, 3, 5, -1]])
    assert shortlist_candidates(histories, scores, 2, np.zeros(6)).shape == (2, 2), "where all are new, none is newer"


def test_cold_item_takes_the_features_of_its_text_neighbours():
    features = read()
    cold_items, count_N = features.cold_items, features.past.count_N
    new, known = np.flatnonzero(count_N == 0), np.flatnonzero(count_N)
    assert len(new) >= 2
    np.testing.assert_array_equal(np.flatnonzero(cold_items.place_N >= 0), new)
    feature_BN = RNG.random((2, N), dtype=np.float32)
    candidates_BM = np.array([[new[0], known[0], new[1]], [known[1], new[1], known[2]]])
    figures_BM = cold_items.neighbour_means(feature_BN, candidates_BM, count_N)
    for case, place in np.ndindex(2, 3):
        item = candidates_BM[case, place]
        if count_N[item]:
            assert figures_BM[case, place] == 0
            continue
        cosine = features.hybrid_index.quantized_NE[known] @ features.hybrid_index.quantized_NE[item]
        best = np.argsort(-cosine)[:10]
        weight = np.exp(20 * cosine[best]) / np.exp(20 * cosine[best]).sum()
        assert figures_BM[case, place] == pytest.approx(feature_BN[case, known[best]] @ weight, rel=1e-5)
    count_N[new[1]] = 1  # observed meanwhile
    assert not cold_items.neighbour_means(feature_BN, candidates_BM, count_N)[0, 2]
