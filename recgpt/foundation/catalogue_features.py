"""Candidate features of one catalogue: relations between history items and candidates, from texts and counts.

    reading = Reading.of(embeddings_NE, sequences, times)               # seconds; nothing is learned by gradient
    blended = reading.blended(histories)                                # hybrid score of every item
    evidence = reading.evidence(histories, candidates_BM, blended, 12)  # inputs of the network

All features are relations within the catalogue, so that they mean the same in another one. The `RELATIONS` between a
history item i and a candidate j:

- bought_after, bought_before: log(1 + 200 x share) of what came up to 5 places after (before) i that was j.
- co_visited_after, co_visited_before: log(1 + 30 x cosine) of the same counts, the other direction counted half.
- taken_by_the_same: log(1 + 30 x cosine) of how many users have both among their last 100 items.
- text: cosine of the whitened text embeddings.
- words: cosine of the telling words, see `recgpt.features.tfidf`; 0 where texts are unknown.
- neighbourhood: cosine in the leading singular directions of the co-visitation graph.

Cold items, without interactions, take the counts of the items with most similar texts (`ColdItems`).

Shapes: B histories, N items, M candidates, S history items, R relations, E embedding width, Z singular directions,
L items without a past, K similar items of each, W dimensions of words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged
from recgpt.features.co_visitation import UNITS
from recgpt.features.hybrid_score import (
    COSINE_SCALE,
    COUNT_DAMPING,
    FEATURES,
    RATE_SCALE,
    SHRINKAGE,
    Blend,
    tuned_weights,
    weighted_sum,
)
from recgpt.features.interaction_counts import InteractionCounts
from recgpt.features.text_similarity import whitened_unit_rows
from recgpt.features.tfidf import WIDTH, word_rows
from recgpt.foundation.network import CANDIDATE_FEATURES, QUERY_FEATURES, RELATIONS, Evidence
from recgpt.ranking import top_k

NEIGHBOURHOOD_WIDTH = 64
SIMILAR_ITEMS = 10
NEW_CANDIDATES = 64  # beside the shortlist: the best by text of the items that nobody has taken
_TUNING_CASES = 1_500  # half of what hybrid_knn takes: the network corrects what they miss
_YEARS = 8  # differences in age beyond are all the same
_OTHER_DIRECTION = 1.5  # `near` counts so much of what `after` counts, on average
_WEIGHT_SCALE = 3  # brings five weights that sum to 1 to about 1 each
_NO_LENGTH = 1e-6
_TEXT = FEATURES.index("text")
_COUNTED = ("co_visitation", "cosine_co_visitation", "co_occurrence")
_SHARPNESS = 20.0  # of the softmax over the cosines of similar items
_ROWS = 1024
_USUAL_REPEATS, _USUAL_CASES = 0.02, 50


@dataclass(frozen=True)
class ColdItems:
    """Cold items, without interactions, each with the items of most similar text that have some.

    Attributes
    ----------
    place_N
        (N,) int64 row of an item below; -1 for items with a past.
    similar_LK
        (L, K) int64 known items.
    weight_LK
        (L, K) float32 softmax of 20 x the cosine of the texts.
    """

    place_N: np.ndarray
    similar_LK: np.ndarray
    weight_LK: np.ndarray

    @classmethod
    def of(cls, rough_NE: np.ndarray, count_N: np.ndarray) -> Self:
        """Find the similar items; K is less where fewer items have interactions."""
        new, known = np.flatnonzero(count_N == 0), np.flatnonzero(count_N)
        place_N = np.full(len(count_N), -1, dtype=np.int64)
        place_N[new] = np.arange(len(new))
        known_EN = torch.from_numpy(rough_NE[known]).T
        width = min(SIMILAR_ITEMS, len(known))
        similar_LK = np.empty((len(new), width), dtype=np.int64)
        weight_LK = np.empty((len(new), width), dtype=np.float32)
        for start in range(0, len(new), _ROWS):
            rows = slice(start, start + _ROWS)
            best = (torch.from_numpy(rough_NE[new[rows]]) @ known_EN).topk(width, dim=1)
            similar_LK[rows] = known[best.indices.numpy()]
            weight_LK[rows] = torch.softmax(_SHARPNESS * best.values, dim=1).numpy()
        return cls(place_N, similar_LK, weight_LK)

    def figures(self, feature_BN: np.ndarray, candidates_BM: np.ndarray, count_N: np.ndarray) -> np.ndarray:
        """(B, M) float32 weighted mean of `feature_BN` over the similar items; 0 for candidates with interactions."""
        figures_BM = np.zeros(candidates_BM.shape, dtype=np.float32)
        asked_BM = (self.place_N[candidates_BM] >= 0) & (count_N[candidates_BM] == 0)
        if self.similar_LK.size and asked_BM.any():
            case, place = np.nonzero(asked_BM)
            row = self.place_N[candidates_BM[case, place]]
            figures_BM[case, place] = (feature_BN[case[:, None], self.similar_LK[row]] * self.weight_LK[row]).sum(1)
        return figures_BM


@dataclass
class Reading:
    """Features of one catalogue: whitened texts, counts and neighbourhoods.

    Attributes
    ----------
    blend
        Whitened text and counted past; `blend.past.append` adds to it at once.
    weights_F
        How much each feature of the blend counts here, tuned on what is known.
    neighbourhood_NZ
        (N, Z) float32 unit rows, zero for items without a past.
    cold_items
        The items without a past when the catalogue was read.
    words_NW
        See `recgpt.features.tfidf`; None where the texts are unknown.
    repeat_share
        Of the known interactions after a user's first, those with an item that the user had before.
    """

    blend: Blend
    weights_F: np.ndarray
    neighbourhood_NZ: np.ndarray
    cold_items: ColdItems
    words_NW: np.ndarray | None = None
    repeat_share: float = 0.0

    @classmethod
    def of(
        cls,
        embeddings_NE: np.ndarray,
        sequences: Ragged,
        times: np.ndarray | None = None,
        texts: Sequence[str] | None = None,
    ) -> Self:
        """Read a catalogue.

        Parameters
        ----------
        embeddings_NE
            (N, E) text embeddings, of any length.
        sequences
            Dense item ids, one sequence a user, oldest first; may be empty.
        times
            Unix seconds of `sequences.values`, -1 where unknown; None where no time is known.
        texts
            N, as they were embedded; None where they are not at hand.

        Raises
        ------
        DataError
            An embedding with NaN or infinity.
        """
        unit_NE = whitened_unit_rows(embeddings_NE)
        blend = Blend.of(unit_NE, sequences, times)
        weights_F = tuned_weights(sequences, unit_NE, most_cases=_TUNING_CASES)
        cold_items = ColdItems.of(blend.rough_NE, blend.past.count_N)
        words_NW = None if texts is None else word_rows(texts)
        return cls(blend, weights_F, neighbourhood(blend.past), cold_items, words_NW, repeat_share(sequences))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs to read the catalogue again without its embeddings."""
        sequences, times = self.past.sequences, self.past.times
        return {
            "unit_NE": self.blend.unit_NE,
            "weights_F": self.weights_F,
            "neighbourhood_NZ": self.neighbourhood_NZ,
            "place_N": self.cold_items.place_N,
            "similar_LK": self.cold_items.similar_LK,
            "weight_LK": self.cold_items.weight_LK,
            "words_NW": np.empty((0, WIDTH), dtype=np.float32) if self.words_NW is None else self.words_NW,
            "repeat_share": np.array([self.repeat_share]),
            "values": sequences.values,
            "offsets": sequences.offsets,
            "times": np.empty(0, dtype=np.int64) if times is None else times,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The reading that `to_arrays` described, counted anew."""
        times = arrays["times"] if len(arrays["times"]) else None
        blend = Blend.of(arrays["unit_NE"], Ragged(arrays["values"], arrays["offsets"]), times)
        cold_items = ColdItems(arrays["place_N"], arrays["similar_LK"], arrays["weight_LK"])
        words_NW = arrays["words_NW"] if len(arrays["words_NW"]) else None
        share = float(arrays["repeat_share"][0])
        return cls(blend, arrays["weights_F"], arrays["neighbourhood_NZ"], cold_items, words_NW, share)

    @property
    def past(self) -> InteractionCounts:
        """What is counted."""
        return self.blend.past

    def append(self, events: Interactions) -> None:
        """Count `events` at once; weights and neighbourhoods stay as they were found."""
        self.past.append(events)

    def blended(self, histories: Ragged) -> tuple[list[np.ndarray], np.ndarray]:
        """The features of the blend, (B, N) each, and their weighted sum; no history is empty."""
        features = self.blend.features(histories)
        return features, weighted_sum(features, self.weights_F)

    def evidence(
        self,
        histories: Ragged,
        candidates_BM: np.ndarray,
        blended: tuple[list[np.ndarray], np.ndarray],
        n_positions: int,
    ) -> Evidence:
        """What relates each history to its candidates.

        Parameters
        ----------
        candidates_BM
            (B, M) items, none twice in a row; -1 for none.
        blended
            What `blended` gave for these histories.
        n_positions
            S, how many of the latest items are read.
        """
        items_BS = latest_items(histories, n_positions)
        relations_BSMR = self._relations(items_BS, candidates_BM)
        log_count_N = np.log1p(self.past.count_N).astype(np.float32)
        positions_BSP = self._positions(items_BS, log_count_N)
        return Evidence(
            torch.from_numpy(relations_BSMR),
            torch.from_numpy(positions_BSP),
            torch.from_numpy(self._items(items_BS, np.maximum(candidates_BM, 0), blended, log_count_N)),
            torch.from_numpy(self._case(positions_BSP, histories.lengths)),
            torch.from_numpy(candidates_BM >= 0),
        )

    def _relations(self, items_BS: np.ndarray, candidates_BM: np.ndarray) -> np.ndarray:
        """(B, S, M, R) float32."""
        past = self.past
        n_cases, n_candidates = candidates_BM.shape
        none = past.n_items  # a column beside the catalogue's, for places without a candidate
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

        def put(name: str, values_BSM: np.ndarray) -> None:
            relations_BSMR[..., RELATIONS.index(name)] = values_BSM

        # Shares and cosines span decades: log(1 + scale x value) brings them to the range of the text cosines.
        put("bought_after", np.log1p(rate_scale * after_BSM / follows_BS1))
        put("bought_before", np.log1p(rate_scale * before_BSM / precedes_BS1))
        put("co_visited_after", np.log1p(COSINE_SCALE * (after_BSM + before_BSM / 2) * damping_BSM))
        put("co_visited_before", np.log1p(COSINE_SCALE * (before_BSM + after_BSM / 2) * damping_BSM))
        put("taken_by_the_same", np.log1p(COSINE_SCALE * together_BSM * damping_BSM))
        put("text", _cosines(self.blend.rough_NE, rows_BS, candidates_BM) * there_BS1)
        if self.words_NW is not None:
            put("words", _cosines(self.words_NW, rows_BS, candidates_BM) * there_BS1)
        put("neighbourhood", _cosines(self.neighbourhood_NZ, rows_BS, candidates_BM) * there_BS1)
        return relations_BSMR

    def _positions(self, items_BS: np.ndarray, log_count_N: np.ndarray) -> np.ndarray:
        """(B, S, P) float32, 0 where there is no item."""
        rows_BS = np.where(items_BS >= 0, items_BS, 0)
        count_BS = log_count_N[rows_BS]
        text_BSE, near_BSZ = self.blend.rough_NE[rows_BS], self.neighbourhood_NZ[rows_BS]
        text_BS = np.einsum("bse,be->bs", text_BSE, text_BSE[:, 0])
        neighbourhood_BS = np.einsum("bsz,bz->bs", near_BSZ, near_BSZ[:, 0])
        figures_BSP = np.stack([np.ones_like(count_BS), count_BS, count_BS > 0, text_BS, neighbourhood_BS], axis=-1)
        return (figures_BSP * (items_BS >= 0)[..., None]).astype(np.float32)

    def _items(
        self,
        items_BS: np.ndarray,
        candidates_BM: np.ndarray,
        blended: tuple[list[np.ndarray], np.ndarray],
        log_count_N: np.ndarray,
    ) -> np.ndarray:
        """(B, M, F) float32."""
        mean_year_N, last_year_N = self.past.years()
        features, blend_BN = blended
        spread_B1 = blend_BN.std(axis=1, keepdims=True)
        standing_BN = (blend_BN - blend_BN.mean(axis=1, keepdims=True)) / np.where(spread_B1 > 0, spread_B1, 1)
        latest_year_B1 = mean_year_N[items_BS[:, 0]][:, None]
        since_mean_BM = np.clip(mean_year_N[candidates_BM] - latest_year_B1, -_YEARS, _YEARS)
        since_last_BM = np.clip(last_year_N[candidates_BM] - latest_year_B1, -_YEARS, _YEARS)
        by_name = {
            name: np.take_along_axis(each_BN, candidates_BM, axis=1)
            for name, each_BN in zip((*FEATURES, "blend"), (*features, standing_BN), strict=True)
        } | {
            "log_count": log_count_N[candidates_BM],
            "log_recent_count": np.log1p(self.past.recent_count_N)[candidates_BM],
            "years_after_latest": since_mean_BM,
            "last_seen_years_after_latest": since_last_BM if self.past.has_times else np.zeros_like(since_last_BM),
            "is_known": log_count_N[candidates_BM] > 0,
            "age_years": np.clip(mean_year_N[candidates_BM], -_YEARS, 0),
        }
        for name in _COUNTED:
            counted_BN = features[FEATURES.index(name)]
            by_name[f"similar_{name}"] = self.cold_items.figures(counted_BN, candidates_BM, self.past.count_N)
        return np.stack([by_name[name] for name in CANDIDATE_FEATURES], axis=-1).astype(np.float32)

    def _case(self, positions_BSP: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B, X) float32."""
        is_item_BS, log_count_BS, _, text_BS, neighbourhood_BS = np.moveaxis(positions_BSP, -1, 0)
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


def repeat_share(sequences: Ragged) -> float:
    """Share of repeats among all but the first of each sequence; as if one in 50 of 50 more were one."""
    if not len(sequences.values):
        return _USUAL_REPEATS
    user = np.repeat(np.arange(len(sequences)), sequences.lengths)
    different = len(np.unique(user * (int(sequences.values.max()) + 1) + sequences.values))
    could_repeat = len(sequences.values) - int((sequences.lengths > 0).sum())
    repeats = len(sequences.values) - different
    return (repeats + _USUAL_REPEATS * _USUAL_CASES) / (could_repeat + _USUAL_CASES)


def neighbourhood(past: InteractionCounts) -> np.ndarray:
    """(N, Z) float32 unit rows: each item by the leading singular directions of what it is taken with.

    Of co-visitation in both directions and of co-occurrence, divided by sqrt(count + 10) of both items. Items without
    a past have zero rows. Items that share no user can lie near each other by what both are taken with.
    """
    damping_NN = sparse.diags_array(1 / np.sqrt(past.count_N + COUNT_DAMPING))
    (after_NN,), (before_NN,), (together_NN,) = past.after.parts, past.before.parts, past.together.parts
    graph_NN = damping_NN @ (together_NN + (after_NN + before_NN) / UNITS) @ damping_NN
    width = min(NEIGHBOURHOOD_WIDTH, past.n_items - 2)
    if graph_NN.nnz == 0 or width < 1:
        return np.zeros((past.n_items, NEIGHBOURHOOD_WIDTH), dtype=np.float32)
    left_NZ, strength_Z, _ = randomized_svd(sparse.csr_matrix(graph_NN), width, n_iter=3, random_state=0)
    rows_NZ = left_NZ * np.sqrt(strength_Z)
    length_N1 = np.linalg.norm(rows_NZ, axis=1, keepdims=True)
    return np.where(length_N1 > _NO_LENGTH, rows_NZ / np.maximum(length_N1, _NO_LENGTH), 0).astype(np.float32)


def shortlisted(
    histories: Ragged,
    blended: tuple[list[np.ndarray], np.ndarray],
    most: int,
    count_N: np.ndarray,
    allowed_N: np.ndarray | None = None,
) -> np.ndarray:
    """(B, M) candidates: the best items by the hybrid score, best first, then the cold items of most similar text.

    -1 for none. Items of the history are not among them, so that leaving these out of a ranking changes nothing else.

    Parameters
    ----------
    blended
        What `Reading.blended` gave for these histories.
    most
        How many of the best by the hybrid score.
    count_N
        (N,) interactions known of each item.
    """
    features, blend_BN = blended
    best_BN = blend_BN.copy()
    best_BN[np.repeat(np.arange(len(histories)), histories.lengths), histories.values] = -np.inf
    if allowed_N is not None:
        best_BN[:, ~allowed_N] = -np.inf
    best_BM = top_k(best_BN, min(most, best_BN.shape[1])).ids
    new = np.flatnonzero(count_N == 0)
    if len(new) in (0, len(count_N)) or best_BM.shape[1] == len(count_N):
        return best_BM
    case, place = np.nonzero(best_BM >= 0)
    best_BN[case, best_BM[case, place]] = -np.inf
    text_BL = np.where(np.isfinite(best_BN[:, new]), features[_TEXT][:, new], -np.inf)
    newest = top_k(text_BL, min(NEW_CANDIDATES, len(new))).ids
    return np.concatenate([best_BM, np.where(newest >= 0, new[newest], -1)], axis=1)


def latest_items(histories: Ragged, n_positions: int) -> np.ndarray:
    """(B, S) int64, the latest item of each history first, -1 where it has no more."""
    tails = histories.tail(n_positions)
    items_BS = np.full((len(tails), n_positions), -1, dtype=np.int64)
    age = np.repeat(tails.offsets[1:], tails.lengths) - 1 - np.arange(len(tails.values))
    items_BS[np.repeat(np.arange(len(tails)), tails.lengths), age] = tails.values
    return items_BS


def _cosines(rows_NE: np.ndarray, items_BS: np.ndarray, candidates_BM: np.ndarray) -> np.ndarray:
    """(B, S, M) products of the rows of items and candidates."""
    table_NE = torch.from_numpy(rows_NE)
    products_BSM = torch.empty((*items_BS.shape, candidates_BM.shape[1]))
    for case, (items_S, candidates_M) in enumerate(zip(items_BS, candidates_BM, strict=True)):
        # One case at a time: its candidates' rows then stay in the cache.
        candidates_ME = table_NE.index_select(0, torch.from_numpy(candidates_M))
        torch.mm(table_NE[torch.from_numpy(items_S)], candidates_ME.T, out=products_BSM[case])
    return products_BSM.numpy()
