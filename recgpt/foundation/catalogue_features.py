"""Candidate features of one catalogue: relations between history items and candidates, from texts and counts.

    features = CatalogueFeatures.from_sequences(embeddings_NE, sequences, times)    # seconds, no gradient step
    scores = features.hybrid_scores(histories)                                      # hybrid score of every item
    evidence = features.evidence(histories, candidates_BM, scores, 12)              # inputs of the network

All features are relations within the catalogue, so that they mean the same in another one. The `RELATIONS` between a
history item i and a candidate j:

- bought_after, bought_before: log(1 + 200 x share), the share of j among the items up to 5 places after (before) i.
- co_visited_after, co_visited_before: log(1 + 30 x cosine) of the same counts, the other direction counted half.
- taken_by_the_same: log(1 + 30 x cosine) of the number of users with both among their last 100 items.
- text: cosine of the whitened text embeddings.
- words: cosine of the tf-idf vectors, see `recgpt.features.tfidf`; 0 without texts.
- neighbourhood: cosine in the leading singular directions of the co-visitation graph.

Popularity changes in time: popularity_week is log(1 + c / mean of c over the catalogue), c the count in which an
interaction loses half of its weight in a week; likewise popularity_month and popularity_quarter. popularity_trend is
popularity_week - popularity_quarter. They do not depend on the origin of times, and are 0 without times.

Cold items, without interactions, take the counts of the items with most similar texts (`ColdItems`).

Shapes: as `recgpt.foundation` defines them; besides, Z singular directions, L cold items, K similar items of each,
W tf-idf dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from scipy import sparse

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import UNITS
from recgpt.features.hybrid_score import (
    COSINE_SCALE,
    COUNT_DAMPING,
    FEATURES,
    RATE_SCALE,
    SHRINKAGE,
    HybridFeatures,
    HybridIndex,
    tuned_weights,
    weighted_sum,
)
from recgpt.features.interaction_counts import RECENT, InteractionCounts
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.features.tfidf import WIDTH, word_rows
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    HISTORY_FEATURES,
    QUERY_FEATURES,
    RELATIONS,
    Evidence,
    HistoryFeature,
    Relation,
)
from recgpt.parallel import on_threads
from recgpt.ranking import top_k

NEIGHBOURHOOD_WIDTH = 64
SIMILAR_ITEMS = 10
COLD_CANDIDATES = 64  # cold items of most similar text, added to the shortlist
CELLS_AT_ONCE = 1 << 28  # histories x items of the batches on all threads; their features take about 24 bytes each
_TUNING_CASES = 1_500  # half as many as hybrid_knn: the network corrects the rest of the error
_MAX_YEARS = 8  # differences in age are clipped to +-8 years
_OTHER_DIRECTION = 1.5  # `near` counts both directions, 1 + 1/2: `after` alone gets 1 / 1.5 of its scale
_WEIGHT_SCALE = 3  # brings five weights that sum to 1 to about 1 each
_MIN_NORM = 1e-6
_LEAST_COUNT = 1e-9  # of a mean that is divided by
_COUNT_FEATURES = ("co_visitation", "cosine_co_visitation", "co_occurrence")
_INVERSE_TEMPERATURE = 20.0  # of the softmax over the cosines of similar items
_ROWS = 1024


class HybridScores(NamedTuple):
    """Hybrid score of every item after each history.

    Attributes
    ----------
    features
        The five features, (B, N) each.
    score_BN
        (B, N) float32, their weighted sum.
    """

    features: HybridFeatures
    score_BN: np.ndarray

    def rows(self, rows: np.ndarray) -> "HybridScores":
        """Scores of the histories at `rows`."""
        return HybridScores(HybridFeatures(*(each_BN[rows] for each_BN in self.features)), self.score_BN[rows])


@dataclass(frozen=True)
class ColdItems:
    """Text neighbours of the cold items, the items without interactions; they lend them their counts.

    Attributes
    ----------
    place_N
        (N,) int64 row of an item in the two tables below; -1 for items with interactions.
    similar_LK
        (L, K) int64 the items with interactions of most similar text.
    weight_LK
        (L, K) float32 their weights, softmax(20 x text cosine).
    """

    place_N: np.ndarray
    similar_LK: np.ndarray
    weight_LK: np.ndarray

    @classmethod
    def from_counts(cls, quantized_NE: np.ndarray, count_N: np.ndarray) -> Self:
        """Find the text neighbours of items with count 0; K is below 10 if fewer items have interactions."""
        new, known = np.flatnonzero(count_N == 0), np.flatnonzero(count_N)
        place_N = np.full(len(count_N), -1, dtype=np.int64)
        place_N[new] = np.arange(len(new))
        known_EN = torch.from_numpy(quantized_NE[known]).T
        width = min(SIMILAR_ITEMS, len(known))
        similar_LK = np.empty((len(new), width), dtype=np.int64)
        weight_LK = np.empty((len(new), width), dtype=np.float32)
        for start in range(0, len(new), _ROWS):
            rows = slice(start, start + _ROWS)
            best = (torch.from_numpy(quantized_NE[new[rows]]) @ known_EN).topk(width, dim=1)
            similar_LK[rows] = known[best.indices.numpy()]
            weight_LK[rows] = torch.softmax(_INVERSE_TEMPERATURE * best.values, dim=1).numpy()
        return cls(place_N, similar_LK, weight_LK)

    def neighbour_means(self, feature_BN: np.ndarray, candidates_BM: np.ndarray, count_N: np.ndarray) -> np.ndarray:
        """(B, M) float32 weighted mean of a feature over the text neighbours; 0 for candidates with interactions."""
        means_BM = np.zeros(candidates_BM.shape, dtype=np.float32)
        is_cold_BM = (self.place_N[candidates_BM] >= 0) & (count_N[candidates_BM] == 0)
        if self.similar_LK.size and is_cold_BM.any():
            query, place = np.nonzero(is_cold_BM)
            row = self.place_N[candidates_BM[query, place]]
            means_BM[query, place] = (feature_BN[query[:, None], self.similar_LK[row]] * self.weight_LK[row]).sum(1)
        return means_BM


@dataclass
class CatalogueFeatures:
    """Text and interaction features of one catalogue.

    Attributes
    ----------
    hybrid_index
        Whitened texts and interaction counts.
    weights_F
        (5,) weights of the hybrid score, tuned on this catalogue's interactions.
    neighbourhood_NZ
        (N, Z) float32 unit rows, zero for cold items; see `neighbourhood`.
    cold_items
        Text neighbours of the items that had no interactions when the catalogue was indexed.
    words_NW
        (N, W) tf-idf vectors, see `recgpt.features.tfidf`; None without texts.
    """

    hybrid_index: HybridIndex
    weights_F: np.ndarray
    neighbourhood_NZ: np.ndarray
    cold_items: ColdItems
    words_NW: np.ndarray | None = None

    @classmethod
    def from_sequences(
        cls,
        embeddings_NE: np.ndarray,
        sequences: Ragged,
        times: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
    ) -> Self:
        """Index a catalogue from its text embeddings and past interactions.

        Parameters
        ----------
        embeddings_NE
            (N, E) text embeddings, of any norm.
        sequences
            Dense item ids, one sequence a user, oldest first; may be empty.
        times
            Unix seconds of `sequences.values`, -1 if unknown; None without times.
        texts
            The N embedded texts; None leaves out the tf-idf vectors.

        Raises
        ------
        DataError
            An embedding with NaN or infinity.
        """
        unit_NE = whitened_unit_rows(embeddings_NE)
        index = HybridIndex.from_sequences(unit_NE, sequences, times)
        cold_items = ColdItems.from_counts(index.quantized_NE, index.past.count_N)
        tasks: list[Callable[[], Any]] = [  # the longest first
            partial(tuned_weights, sequences, unit_NE, most_cases=_TUNING_CASES),
            lambda: None if texts is None else word_rows(texts),
            partial(neighbourhood, index.past),
        ]
        weights_F, words_NW, neighbourhood_NZ = on_threads(lambda task: task(), tasks)
        return cls(index, weights_F, neighbourhood_NZ, cold_items, words_NW)

    def with_past(self, sequences: Ragged, times: np.ndarray | None) -> "CatalogueFeatures":
        """Features of the same catalogue with other interactions; the weights of the hybrid score stay."""
        index = self.hybrid_index.with_past(sequences, times)
        cold_items = ColdItems.from_counts(index.quantized_NE, index.past.count_N)
        return CatalogueFeatures(index, self.weights_F, neighbourhood(index.past), cold_items, self.words_NW)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays for `from_arrays`, which needs no embeddings and texts."""
        sequences, times = self.past.sequences, self.past.times
        return {
            "unit_NE": self.hybrid_index.unit_NE,
            "weights_F": self.weights_F,
            "neighbourhood_NZ": self.neighbourhood_NZ,
            "place_N": self.cold_items.place_N,
            "similar_LK": self.cold_items.similar_LK,
            "weight_LK": self.cold_items.weight_LK,
            "words_NW": np.empty((0, WIDTH), dtype=np.float32) if self.words_NW is None else self.words_NW,
            "values": sequences.values,
            "offsets": sequences.offsets,
            "times": np.empty(0, dtype=np.int64) if times is None else times,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild the features from `to_arrays`; the interactions are counted again."""
        times = arrays["times"] if len(arrays["times"]) else None
        index = HybridIndex.from_sequences(arrays["unit_NE"], Ragged(arrays["values"], arrays["offsets"]), times)
        cold_items = ColdItems(arrays["place_N"], arrays["similar_LK"], arrays["weight_LK"])
        words_NW = arrays["words_NW"] if len(arrays["words_NW"]) else None
        return cls(index, arrays["weights_F"], arrays["neighbourhood_NZ"], cold_items, words_NW)

    @property
    def past(self) -> InteractionCounts:
        """Interaction counts of the catalogue."""
        return self.hybrid_index.past

    def append(self, events: Interactions) -> None:
        """Add `events` to the counts; tuned weights, neighbourhoods and text neighbours stay."""
        self.past.append(events)

    def hybrid_scores(self, histories: Ragged) -> HybridScores:
        """Hybrid scores of all items and their five features; histories must not be empty."""
        features = self.hybrid_index.features(histories)
        return HybridScores(features, weighted_sum(features, self.weights_F))

    def evidence(
        self,
        histories: Ragged,
        candidates_BM: np.ndarray,
        scores: HybridScores,
        n_positions: int,
    ) -> Evidence:
        """Inputs of the network for histories and their candidates.

        Parameters
        ----------
        candidates_BM
            (B, M) item ids, distinct within a row; -1 for padding.
        scores
            `hybrid_scores(histories)`.
        n_positions
            S, the number of latest history items to use.
        """
        items_BS = latest_items(histories, n_positions)
        relations_BSMR = self._relations(items_BS, candidates_BM)
        log_count_N = np.log1p(self.past.count_N).astype(np.float32)
        positions_BSP = self._positions(items_BS, log_count_N)
        return Evidence(
            torch.from_numpy(relations_BSMR),
            torch.from_numpy(positions_BSP),
            torch.from_numpy(self._items(items_BS, np.maximum(candidates_BM, 0), scores, log_count_N)),
            torch.from_numpy(self._case(positions_BSP, histories.lengths)),
            torch.from_numpy(candidates_BM >= 0),
        )

    def _relations(self, items_BS: np.ndarray, candidates_BM: np.ndarray) -> np.ndarray:
        """(B, S, M, R) float32 relations of each history item with each candidate."""
        past = self.past
        n_cases, n_candidates = candidates_BM.shape
        none = past.n_items  # an extra column that takes the padding
        place_BN = np.full((n_cases, past.n_items + 1), -1, dtype=np.int32)
        places_1M = np.arange(n_candidates, dtype=np.int32)[None]
        np.put_along_axis(place_BN, np.where(candidates_BM >= 0, candidates_BM, none), places_1M, axis=1)
        candidates_BM = np.maximum(candidates_BM, 0)
        after_BSM = past.after.looked_up(items_BS, place_BN, n_candidates) / UNITS
        before_BSM = past.before.looked_up(items_BS, place_BN, n_candidates) / UNITS
        together_BSM = past.together.looked_up(items_BS, place_BN, n_candidates)

        there_BS1 = (items_BS >= 0)[..., None]
        rows_BS = np.where(items_BS >= 0, items_BS, 0)
        damping_N = (1 / np.sqrt(past.count_N + COUNT_DAMPING)).astype(np.float32)
        damping_BSM = damping_N[rows_BS][..., None] * damping_N[candidates_BM][:, None]
        follows_BS1 = (past.after_sum_N[rows_BS] / UNITS + SHRINKAGE)[..., None].astype(np.float32)
        precedes_BS1 = (past.before_sum_N[rows_BS] / UNITS + SHRINKAGE)[..., None].astype(np.float32)
        rate_scale = RATE_SCALE / _OTHER_DIRECTION
        relations_BSMR = np.zeros((*after_BSM.shape, len(RELATIONS)), dtype=np.float32)

        def put(relation: Relation, values_BSM: np.ndarray) -> None:
            relations_BSMR[..., relation] = values_BSM

        # Shares and cosines span decades: log(1 + scale x value) brings them to the range of the text cosines.
        put(Relation.BOUGHT_AFTER, np.log1p(rate_scale * after_BSM / follows_BS1))
        put(Relation.BOUGHT_BEFORE, np.log1p(rate_scale * before_BSM / precedes_BS1))
        put(Relation.CO_VISITED_AFTER, np.log1p(COSINE_SCALE * (after_BSM + before_BSM / 2) * damping_BSM))
        put(Relation.CO_VISITED_BEFORE, np.log1p(COSINE_SCALE * (before_BSM + after_BSM / 2) * damping_BSM))
        put(Relation.TAKEN_BY_THE_SAME, np.log1p(COSINE_SCALE * together_BSM * damping_BSM))
        put(Relation.TEXT, _cosines(self.hybrid_index.quantized_NE, rows_BS, candidates_BM) * there_BS1)
        if self.words_NW is not None:
            put(Relation.WORDS, _cosines(self.words_NW, rows_BS, candidates_BM) * there_BS1)
        put(Relation.NEIGHBOURHOOD, _cosines(self.neighbourhood_NZ, rows_BS, candidates_BM) * there_BS1)
        return relations_BSMR

    def _positions(self, items_BS: np.ndarray, log_count_N: np.ndarray) -> np.ndarray:
        """(B, S, P) float32 features of the history items; 0 for padding."""
        rows_BS = np.where(items_BS >= 0, items_BS, 0)
        count_BS = log_count_N[rows_BS]
        text_BSE, near_BSZ = self.hybrid_index.quantized_NE[rows_BS], self.neighbourhood_NZ[rows_BS]
        text_BS = np.einsum("bse,be->bs", text_BSE, text_BSE[:, 0])
        neighbourhood_BS = np.einsum("bsz,bz->bs", near_BSZ, near_BSZ[:, 0])
        by_name = {
            "is_item": np.ones_like(count_BS),
            "log_count": count_BS,
            "is_known": count_BS > 0,
            "text_to_latest": text_BS,
            "neighbourhood_to_latest": neighbourhood_BS,
        }
        positions_BSP = np.stack([by_name[name] for name in HISTORY_FEATURES], axis=-1)
        return (positions_BSP * (items_BS >= 0)[..., None]).astype(np.float32)

    def _items(
        self,
        items_BS: np.ndarray,
        candidates_BM: np.ndarray,
        scores: HybridScores,
        log_count_N: np.ndarray,
    ) -> np.ndarray:
        """(B, M, F) float32 features of the candidates."""
        mean_year_N, last_year_N = self.past.years()
        recent_HBM, mean_H = self.past.recent_counts(candidates_BM), self.past.recent_means()
        score_BN = scores.score_BN
        # The scale of hybrid scores differs between catalogues: z = (score - mean) / standard deviation over the items.
        mean_B1 = score_BN.mean(axis=1, keepdims=True)
        spread_B1 = score_BN.std(axis=1, keepdims=True, mean=mean_B1)
        score_BM = np.take_along_axis(score_BN, candidates_BM, axis=1)
        z_score_BM = (score_BM - mean_B1) / np.where(spread_B1 > 0, spread_B1, 1)
        latest_year_B1 = mean_year_N[items_BS[:, 0]][:, None]
        since_mean_BM = np.clip(mean_year_N[candidates_BM] - latest_year_B1, -_MAX_YEARS, _MAX_YEARS)
        since_last_BM = np.clip(last_year_N[candidates_BM] - latest_year_B1, -_MAX_YEARS, _MAX_YEARS)
        by_name = {
            name: np.take_along_axis(each_BN, candidates_BM, axis=1)
            for name, each_BN in zip(FEATURES, scores.features, strict=True)
        } | {
            "hybrid_score": z_score_BM,
            "log_count": log_count_N[candidates_BM],
            "log_recent_count": np.log1p(recent_HBM[-1]),
            "years_after_latest": since_mean_BM,
            "last_seen_years_after_latest": since_last_BM if self.past.has_times else np.zeros_like(since_last_BM),
            "is_known": log_count_N[candidates_BM] > 0,
            "age_years": np.clip(mean_year_N[candidates_BM], -_MAX_YEARS, 0),
        }
        for name, recent_BM, mean in zip(RECENT, recent_HBM, mean_H, strict=True):
            by_name[f"popularity_{name}"] = np.log1p(recent_BM / max(mean, _LEAST_COUNT))
        by_name["popularity_trend"] = by_name["popularity_week"] - by_name["popularity_quarter"]
        for name in _COUNT_FEATURES:
            count_BN = getattr(scores.features, name)
            by_name[f"similar_{name}"] = self.cold_items.neighbour_means(count_BN, candidates_BM, self.past.count_N)
        return np.stack([by_name[name] for name in CANDIDATE_FEATURES], axis=-1).astype(np.float32)

    def _case(self, positions_BSP: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, X) float32 features of the queries."""
        is_item_BS = positions_BSP[..., HistoryFeature.IS_ITEM]
        log_count_BS = positions_BSP[..., HistoryFeature.LOG_COUNT]
        text_BS = positions_BSP[..., HistoryFeature.TEXT_TO_LATEST]
        neighbourhood_BS = positions_BSP[..., HistoryFeature.NEIGHBOURHOOD_TO_LATEST]
        n_read_B = np.maximum(is_item_BS.sum(axis=1), 1)
        count_N = self.past.count_N
        weights_F = _WEIGHT_SCALE * self.weights_F
        by_name = {f"weight_{name}": weight for name, weight in zip(FEATURES, weights_F, strict=True)} | {
            "has_times": self.past.has_times,
            "has_words": self.words_NW is not None,
            "share_known": (count_N > 0).mean(),
            "log_events_per_item": np.log1p(count_N.mean()),
            "log_history_length": np.log1p(lengths),
            "text_coherence": text_BS[:, 1:].sum(axis=1) / n_read_B,
            "neighbourhood_coherence": neighbourhood_BS[:, 1:].sum(axis=1) / n_read_B,
            "mean_log_count": log_count_BS.sum(axis=1) / n_read_B,
        }
        columns = [np.broadcast_to(by_name[name], lengths.shape) for name in QUERY_FEATURES]
        return np.stack(columns, axis=1).astype(np.float32)


def neighbourhood(past: InteractionCounts) -> np.ndarray:
    """(N, Z) float32 unit rows: items in the leading singular directions of the co-visitation graph.

    The graph is D (co-occurrence + co-visitation in both directions) D, D = diag(1 / sqrt(count + 10)). Cold items have
    zero rows. Two items without a common user are similar here if they co-occur with the same other items.
    """
    damping_NN = sparse.diags_array(1 / np.sqrt(past.count_N + COUNT_DAMPING))
    (after_NN,), (before_NN,), (together_NN,) = past.after.parts, past.before.parts, past.together.parts
    graph_NN = damping_NN @ (together_NN + (after_NN + before_NN) / UNITS) @ damping_NN
    width = min(NEIGHBOURHOOD_WIDTH, past.n_items - 2)
    if graph_NN.nnz == 0 or width < 1:
        return np.zeros((past.n_items, NEIGHBOURHOOD_WIDTH), dtype=np.float32)
    from sklearn.utils.extmath import randomized_svd  # its import takes seconds

    left_NZ, strength_Z, _ = randomized_svd(sparse.csr_matrix(graph_NN), width, n_iter=3, random_state=0)
    rows_NZ = left_NZ * np.sqrt(strength_Z)
    length_N1 = np.linalg.norm(rows_NZ, axis=1, keepdims=True)
    return np.where(length_N1 > _MIN_NORM, rows_NZ / np.maximum(length_N1, _MIN_NORM), 0).astype(np.float32)


def batches_at_once(batch_size: int, n_items: int) -> int:
    """Number of batches of histories, at least 1, whose hybrid scores may be in memory together."""
    return max(1, CELLS_AT_ONCE // (batch_size * n_items))


def shortlist_candidates(
    histories: Ragged,
    scores: HybridScores,
    most: int,
    count_N: np.ndarray,
    allowed_N: np.ndarray | None = None,
) -> np.ndarray:
    """(B, M) shortlist: the best items by the hybrid score, best first, then the cold items of most similar text.

    -1 is padding. Items of the history are excluded, so that the shortlist is the same whether or not they are ranked.

    Parameters
    ----------
    scores
        `CatalogueFeatures.hybrid_scores(histories)`.
    most
        Number of items by the hybrid score.
    count_N
        (N,) interactions of each item.
    allowed_N
        (N,) bool, the items that may be recommended; None for all.
    """
    best_BN = scores.score_BN.copy()
    best_BN[np.repeat(np.arange(len(histories)), histories.lengths), histories.values] = -np.inf
    if allowed_N is not None:
        best_BN[:, ~allowed_N] = -np.inf
    best_BM = top_k(best_BN, min(most, best_BN.shape[1])).ids
    cold = np.flatnonzero(count_N == 0)
    if len(cold) in (0, len(count_N)) or best_BM.shape[1] == len(count_N):
        return best_BM
    case, place = np.nonzero(best_BM >= 0)
    best_BN[case, best_BM[case, place]] = -np.inf
    text_BL = np.where(np.isfinite(best_BN[:, cold]), scores.features.text[:, cold], -np.inf)
    best_cold = top_k(text_BL, min(COLD_CANDIDATES, len(cold))).ids
    return np.concatenate([best_BM, np.where(best_cold >= 0, cold[best_cold], -1)], axis=1)


def latest_items(histories: Ragged, n_positions: int) -> np.ndarray:
    """(B, S) int64 last items of each history, the latest first; -1 for padding."""
    tails = histories.tail(n_positions)
    items_BS = np.full((len(tails), n_positions), -1, dtype=np.int64)
    age = np.repeat(tails.offsets[1:], tails.lengths) - 1 - np.arange(len(tails.values))
    items_BS[np.repeat(np.arange(len(tails)), tails.lengths), age] = tails.values
    return items_BS


def _cosines(rows_NE: np.ndarray, items_BS: np.ndarray, candidates_BM: np.ndarray) -> np.ndarray:
    """(B, S, M) inner products of the rows of history items and candidates."""
    table_NE = torch.from_numpy(rows_NE)
    products_BSM = torch.empty((*items_BS.shape, candidates_BM.shape[1]))
    for case, (items_S, candidates_M) in enumerate(zip(items_BS, candidates_BM, strict=True)):
        # One query at a time: its candidates' rows then stay in the cache.
        candidates_ME = table_NE.index_select(0, torch.from_numpy(candidates_M))
        torch.mm(table_NE[torch.from_numpy(items_S)], candidates_ME.T, out=products_BSM[case])
    return products_BSM.numpy()
