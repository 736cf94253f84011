"""Interaction counts of a catalogue (popularity, transitions, recency) that grow event by event.

    past = InteractionCounts(n_items, sequences, times)
    past.append(events)                        # 1 to 100 microseconds an event; equal to a full recount

Suffixes: N items, B histories, S items of a history, M candidates, H half-lives.
"""

import numpy as np
from scipy import sparse

from recgpt.data.dataset import Interactions
from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.features.co_visitation import LONG_ITEMS, NEAR, UNITS, near_pairs, together
from recgpt.features.repeats import RepeatCounts

_DAY = 86_400
HALF_LIFE = 0.25 * 365.25 * _DAY  # seconds in which an interaction loses half its weight in the recent count
RECENT = {"week": 7.0 * _DAY, "month": 365.25 / 12 * _DAY, "quarter": HALF_LIFE}
"""Half-life in seconds of each count of recent interactions."""
_HALF_LIVES_H = np.array(list(RECENT.values()))
_MOST_DOUBLINGS = 500  # weights reach 2^500 in units of the reference time before they are divided again
_RECOUNT = 0.05  # share of all events: from here on a full recount is cheaper than one by one


class GrowingCounts:
    """Sparse (N, N) count matrix with cheap addition of single entries.

    Entries added since the last merge are in a second, small matrix; the counts are the sum of both.
    """

    def __init__(self, counts_NN: sparse.csr_array) -> None:
        self._main_NN = counts_NN
        self._extra_NN: sparse.csr_array | None = None
        self._pending: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> None:
        """Add `values` at (rows, columns); values of duplicate entries add up."""
        self._pending.append((rows, columns, values))

    @property
    def parts(self) -> list[sparse.csr_array]:
        """Matrices whose sum is the count matrix."""
        if self._pending:
            rows, columns, values = (np.concatenate(parts) for parts in zip(*self._pending, strict=True))
            self._pending = []
            places = (rows.astype(np.int32), columns.astype(np.int32))
            added_NN = sparse.coo_array((values, places), shape=self._main_NN.shape).tocsr()
            self._extra_NN = added_NN if self._extra_NN is None else self._extra_NN + added_NN
            if self._extra_NN.nnz > 10_000 + self._main_NN.nnz // 8:
                self._main_NN, self._extra_NN = self._main_NN + self._extra_NN, None
        return [self._main_NN] if self._extra_NN is None else [self._main_NN, self._extra_NN]

    def merge(self) -> None:
        """Merge both matrices into one, which is read faster."""
        first, *others = self.parts
        self._main_NN, self._extra_NN = sum(others, start=first), None

    def products(self, weights_BN: sparse.csr_array, *scales_N: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Products (weights x scale) @ counts for each positive (N,) scale of the items; the counts are read once.

        Returns
        -------
        tuple
            (P,) places of the (B, N) products, flattened, that are not 0; (P,) float64 products at them for each scale.
        """
        items_R, shape = weights_BN.indices, weights_BN.shape
        case_R = np.repeat(np.arange(shape[0]), np.diff(weights_BN.indptr))
        products: list[np.ndarray] = []
        for part_NN in self.parts:
            # One row a weight, one column an item of a history: the products of all histories are a single vector.
            rows_RC = _side_by_side(part_NN[items_R], case_R, shape)
            added = [(weights_BN.data * scale_N[items_R]) @ rows_RC for scale_N in scales_N]
            products = [one_C + other_C for one_C, other_C in zip(products, added, strict=True)] if products else added
        places_P = np.flatnonzero(products[0] != 0)
        return places_P, [product_C[places_P] for product_C in products]

    def looked_up(self, items_BS: np.ndarray, place_BN: np.ndarray, n_places: int) -> np.ndarray:
        """(B, S, M) float32 counts C[items_BS, candidate]; `place_BN` maps items to candidate index (-1: no candidate).

        Rows of `items_BS` = -1 (padding) are 0.
        """
        width, n_cells = n_places + 1, items_BS.size * (n_places + 1)  # the first cell takes what is no candidate's
        row_R = np.flatnonzero(items_BS >= 0)
        items_R, case_R = items_BS.reshape(-1)[row_R], row_R // items_BS.shape[1]
        found = np.zeros(n_cells)
        for part_NN in self.parts:
            rows_RN = part_NN[items_R]
            lengths_R = np.diff(rows_RN.indptr)
            place = place_BN.reshape(-1)[rows_RN.indices + np.repeat(case_R * place_BN.shape[1], lengths_R)]
            found += np.bincount(place + np.repeat(row_R * width + 1, lengths_R), rows_RN.data, minlength=n_cells)
        return found.reshape(*items_BS.shape, width)[..., 1:].astype(np.float32)

    def row_sums(self) -> np.ndarray:
        """(N,) float64."""
        return np.sum([part_NN.sum(axis=1) for part_NN in self.parts], axis=0)


def _side_by_side(rows_RN: sparse.csr_array, case_R: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """(R, B N) `rows_RN`, each moved to the columns of its history `case_R`; shape is (B, N)."""
    n_columns = shape[0] * shape[1]
    first_R = (case_R * shape[1]).astype(np.int32 if n_columns <= np.iinfo(np.int32).max else np.int64)
    columns = rows_RN.indices + np.repeat(first_R, np.diff(rows_RN.indptr))
    return sparse.csr_array((rows_RN.data, columns, rows_RN.indptr), shape=(len(case_R), n_columns))


class InteractionCounts:
    """Popularity, transitions, co-occurrence and recency, counted over all users' sequences.

    Parameters
    ----------
    n_items
        Size of the catalogue, N.
    sequences
        Dense item ids, one sequence a user, oldest first.
    times
        (R,) Unix seconds of `sequences.values`, -1 where unknown; None without times.

    Attributes
    ----------
    count_N
        (N,) int64, interactions of each item (popularity).
    near
        Co-visitation C in units of 1/120: C[i, j] += 1/gap for j up to 5 positions after i, 1/(2 gap) for j before i.
    after, before
        Transitions in units of 1/120: 1/gap for j after i only, and for j before i only.
    together
        Number of users with both items among their last 100.
    near_sum_N, after_sum_N, before_sum_N
        (N,) float64 row sums.
    """

    def __init__(self, n_items: int, sequences: Ragged, times: np.ndarray | None = None) -> None:
        self.n_items = n_items
        self._count(sequences, times)

    def _count(self, sequences: Ragged, times: np.ndarray | None) -> None:
        self._sequences, self._times = sequences, times
        self._recent: dict[int, list[int]] = {}
        self._appended: list[Interactions] = []
        self._n_appended = 0
        self._repeats: RepeatCounts | None = None
        self._n_in_repeats = 0  # number of `_appended` that are counted in `_repeats`
        self.count_N = np.bincount(sequences.values, minlength=self.n_items)
        user = np.repeat(np.arange(len(sequences)), sequences.lengths)
        item = np.asarray(sequences.values, dtype=np.int32)  # half the size, so that the counts are read faster
        earlier, later, units = near_pairs(user, item, np.ones(len(item), dtype=bool))
        after_NN = sparse.coo_array((units, (earlier, later)), shape=(self.n_items, self.n_items)).tocsr()
        before_NN = after_NN.T.tocsr()
        self.after, self.before = GrowingCounts(after_NN), GrowingCounts(before_NN)
        self.near = GrowingCounts(after_NN + before_NN / 2)
        self.together = GrowingCounts(together(sequences, self.n_items))
        self.after_sum_N, self.before_sum_N = self.after.row_sums(), self.before.row_sums()
        self.near_sum_N = self.after_sum_N + self.before_sum_N / 2
        self.n_timed_N = np.zeros(self.n_items, dtype=np.int64)
        self._time_sum_N = np.zeros(self.n_items)
        self._last_time_N = np.full(self.n_items, -np.inf)
        self._recent_HN = np.zeros((len(RECENT), self.n_items))  # in weights of 1 at the reference time
        self._recent_sum_H = np.zeros(len(RECENT))
        self._reference = self._now = -np.inf
        if times is not None:
            self._count_times(sequences.values, times)

    @property
    def has_times(self) -> bool:
        """Whether any interaction's time is known."""
        return self._now > -np.inf

    @property
    def sequences(self) -> Ragged:
        """All counted events, one sequence a user."""
        sequences, _ = self._merged()
        return sequences

    @property
    def repeats(self) -> RepeatCounts:
        """Repeats within all sequences; counted when they are first read, then only for users with new events."""
        if self._repeats is None:
            self._repeats = RepeatCounts.from_sequences(self.n_items, self.sequences)
        elif self._n_in_repeats < len(self._appended):
            users = np.unique(np.concatenate([each.user for each in self._appended[self._n_in_repeats :]]))
            old, new = (self._sequences_of(users, n) for n in (self._n_in_repeats, len(self._appended)))
            self._repeats = self._repeats.changed(
                without=RepeatCounts.from_sequences(self.n_items, old),
                and_with=RepeatCounts.from_sequences(self.n_items, new),
            )
        self._n_in_repeats = len(self._appended)
        return self._repeats

    def _sequences_of(self, users: np.ndarray, n_appended: int) -> Ragged:
        """Sequences of `users`, ascending, with the first `n_appended` calls of `append`."""
        known = self._sequences[users[users < len(self._sequences)]]
        added = self._appended[:n_appended]
        user = np.concatenate([np.repeat(users[: len(known)], known.lengths), *(each.user for each in added)])
        item = np.concatenate([known.values, *(each.item for each in added)])
        wanted = np.flatnonzero(np.isin(user, users))
        order = wanted[np.argsort(user[wanted], kind="stable")]
        lengths = np.bincount(np.searchsorted(users, user[order]), minlength=len(users))
        return Ragged(item[order], offsets_from_lengths(lengths))

    @property
    def times(self) -> np.ndarray | None:
        """(R,) Unix seconds of `sequences.values`, -1 where unknown; None without times."""
        return self._merged()[1]

    def append(self, events: Interactions) -> None:
        """Append `events`, in order, to the sequences of their users; new users begin a sequence."""
        if self._n_appended + len(events) > max(1_000, _RECOUNT * len(self._sequences.values)):
            self._appended.append(events)
            self._count(*self._merged())
            return
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True):
            self._append(user, item)
        np.add.at(self.count_N, events.item, 1)
        if events.timestamp is not None:
            self._count_times(events.item, events.timestamp)
        self._appended.append(events)
        self._n_appended += len(events)

    def count_appended(self, *, repeats: bool) -> None:
        """Count appended events now instead of at the next reading, so that several threads may read the counts."""
        for counts in (self.near, self.after, self.before, self.together):
            _ = counts.parts
        if repeats:
            _ = self.repeats

    def merge(self) -> None:
        """Merge the appended counts into the main matrices; rankings are then as fast as after a full count."""
        for counts in (self.near, self.after, self.before, self.together):
            counts.merge()

    def _append(self, user: int, item: int) -> None:
        window = self._recent.get(user)
        if window is None:
            known = user < len(self._sequences)
            window = self._sequences[user][-LONG_ITEMS:].tolist() if known else []
            self._recent[user] = window
        for gap, other in enumerate(reversed(window[-NEAR:]), start=1):
            if other != item:
                self._add_near(other, item, UNITS / gap)
        gone = window.pop(0) if len(window) == LONG_ITEMS else None
        others = dict.fromkeys(window)
        if gone is not None and gone not in others and gone != item:
            self._add_together(gone, list(others), -1)
        if gone is not None and gone == item and gone not in others:
            others = {}  # it stays one of the last 100, beside the same items
        if item not in others:
            self._add_together(item, list(others), 1)
        window.append(item)

    def _add_near(self, earlier: int, later: int, units: float) -> None:
        there, back, value = np.array([earlier]), np.array([later]), np.array([units])
        self.after.add(there, back, value)
        self.before.add(back, there, value)
        self.near.add(np.array([earlier, later]), np.array([later, earlier]), np.array([units, units / 2]))
        self.after_sum_N[earlier] += units
        self.before_sum_N[later] += units
        self.near_sum_N[earlier] += units
        self.near_sum_N[later] += units / 2

    def _add_together(self, item: int, others: list[int], value: int) -> None:
        if others:
            one, beside = np.full(len(others), item), np.array(others)
            values = np.full(2 * len(others), float(value))
            self.together.add(np.concatenate([one, beside]), np.concatenate([beside, one]), values)

    def _count_times(self, items: np.ndarray, times: np.ndarray) -> None:
        known = times >= 0
        if not known.any():
            return
        items, times = items[known], times[known].astype(np.float64)
        np.add.at(self.n_timed_N, items, 1)
        np.add.at(self._time_sum_N, items, times)
        np.maximum.at(self._last_time_N, items, times)
        self._now = max(self._now, float(times.max()))
        doublings_H = (self._now - self._reference) / _HALF_LIVES_H
        if doublings_H.max() > _MOST_DOUBLINGS:  # infinite at first
            self._recent_HN *= np.exp2(-doublings_H)[:, None]
            self._recent_sum_H *= np.exp2(-doublings_H)
            self._reference = self._now
        for row, half_life in enumerate(_HALF_LIVES_H):
            weights = np.exp2((times - self._reference) / half_life)
            np.add.at(self._recent_HN[row], items, weights)
            self._recent_sum_H[row] += weights.sum()

    def recent_means(self) -> np.ndarray:
        """(H,) float64 mean over the catalogue of `recent_counts`."""
        return self._recent_sum_H / max(self.n_items, 1) * self._since_reference()

    def recent_counts(self, items: np.ndarray) -> np.ndarray:
        """(H, *items.shape) float64 sums of 2^-(age / half-life), by the half-lives `RECENT`; 0 without times.

        Ages are counted from the latest known time.
        """
        scale_H = self._since_reference()
        return np.stack([recent_N[items] * scale for recent_N, scale in zip(self._recent_HN, scale_H, strict=True)])

    def _since_reference(self) -> np.ndarray:
        """(H,) weight of an interaction at the reference time; 0 without times."""
        return np.exp2((self._reference - self._now) / _HALF_LIVES_H) if self.has_times else np.zeros(len(RECENT))

    def years(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) mean and last time of each item's interactions, in years before the latest known (so at most 0).

        An item without a known time has mean 0 (now) and last time -20.
        """
        year = 365 * 86_400
        timed_N = self.n_timed_N > 0
        now = self._now if self.has_times else 0.0
        mean_N = np.where(timed_N, (self._time_sum_N / np.maximum(self.n_timed_N, 1) - now) / year, 0.0)
        last_N = np.where(timed_N, (np.where(timed_N, self._last_time_N, 0) - now) / year, -20.0)
        return mean_N.astype(np.float32), last_N.astype(np.float32)

    def _merged(self) -> tuple[Ragged, np.ndarray | None]:
        if not self._appended:
            return self._sequences, self._times
        sequences, lengths = self._sequences, self._sequences.lengths
        user = np.concatenate([np.repeat(np.arange(len(lengths)), lengths), *(each.user for each in self._appended)])
        item = np.concatenate([sequences.values, *(each.item for each in self._appended)])
        order = np.argsort(user, kind="stable")
        merged = Ragged(item[order], offsets_from_lengths(np.bincount(user, minlength=len(lengths))))
        if self._times is None and all(each.timestamp is None for each in self._appended):
            return merged, None
        known = np.full(len(sequences.values), -1) if self._times is None else self._times
        added = [np.full(len(e), -1) if e.timestamp is None else e.timestamp for e in self._appended]
        return merged, np.concatenate([known, *added])[order]
