"""Repeats: probability that the next interaction of a user is a repeat, and hazard of each earlier item, by counting.

    counts = RepeatCounts.from_sequences(n_items, sequences)
    own = OwnItems.from_histories(histories, n_items)
    p_B = counts.probability(histories, own)                    # the next interaction is a repeat
    log_hazard_P = counts.log_hazard(own)                       # which item it repeats, up to a constant

An item is *at risk* after each interaction until it is taken again. The hazard at an age of a interactions is the
share of items at risk at that age with a repeat then (Kaplan and Meier 1958, in discrete time); it is counted by age
and by the number of earlier interactions of the user with the item. Counts are whole numbers and sums over users, so
they grow exactly with new interactions.

Shapes: U users, N items, B histories, P pairs of a history and one of its distinct items, A classes of age, K numbers
of times taken, S classes of a user's share of repeats, L classes of length.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from recgpt.data.ragged import Ragged

AGES = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129)
"""Smallest age of each class, in interactions; the last class has no end."""
LENGTHS = (1, 2, 3, 5, 9, 17, 33, 65)
"""Smallest number of interactions of each class of length."""
TIMES_TAKEN = 4  # 4 stands for 4 and more
SHARES = 12  # 0; above 0 up to .1; ...; above .9 below 1; 1
PRIOR_SHARE, PRIOR_INTERACTIONS = 0.02, 50  # share of repeats, and the number of interactions that it counts as
_OWN = 10  # interactions that the catalogue's share counts as, beside a user's own
_CLASS = 20  # interactions that the parent of a class counts as
_AGE = 5  # interactions that the prior hazard of an age counts as
_ITEM = 30  # interactions that the catalogue's share counts as, beside an item's own


class OwnItems(NamedTuple):
    """Pairs of a history and one of its distinct items, by history and then by item.

    Attributes
    ----------
    case, item
        (P,) int64 number of the history, and the item.
    age
        (P,) int64 interactions since the latest with the item; 1 if it is the last of the history.
    times
        (P,) int64 interactions with the item.
    """

    case: np.ndarray
    item: np.ndarray
    age: np.ndarray
    times: np.ndarray

    @classmethod
    def from_histories(cls, histories: Ragged, n_items: int) -> Self:
        """Distinct items of each history."""
        case = np.repeat(np.arange(len(histories)), histories.lengths)
        keys, place = case * n_items + histories.values, np.arange(len(case))
        order = np.argsort(keys, kind="stable")
        is_last = np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]
        latest = order[is_last]
        times = np.diff(np.flatnonzero(is_last), prepend=-1)
        age = histories.offsets[1:][case[latest]] - place[latest]
        return cls(case[latest], histories.values[latest].astype(np.int64), age, times)


@dataclass(frozen=True)
class RepeatCounts:
    """Counts of repeats over users' sequences; see the top of the file.

    Attributes
    ----------
    taken_KA, at_risk_KA
        (K, A) int64 repeats, and items at risk, by times taken and age.
    repeats_SL, all_SL
        (S, L) int64 repeats, and all interactions after each user's first, by the share of repeats among the earlier
        interactions (after the first) and their number.
    retaken_N
        (N,) int64 repeats of each item.
    """

    taken_KA: np.ndarray
    at_risk_KA: np.ndarray
    repeats_SL: np.ndarray
    all_SL: np.ndarray
    retaken_N: np.ndarray

    @classmethod
    def from_sequences(cls, n_items: int, sequences: Ragged) -> Self:
        """Count over `sequences`, one a user, oldest first; linear in their length, but for one sort."""
        values, lengths = np.asarray(sequences.values, dtype=np.int64), sequences.lengths
        user = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(values)) - sequences.offsets[:-1][user]
        keys = user * n_items + values
        order = np.argsort(keys, kind="stable")
        is_again = np.zeros(len(values), dtype=bool)
        is_again[1:] = keys[order][1:] == keys[order][:-1]
        first = np.maximum.accumulate(np.where(is_again, 0, np.arange(len(values))))
        times = np.minimum(np.arange(len(values)) - first + 1, TIMES_TAKEN) - 1
        gap = np.zeros(len(values), dtype=np.int64)  # to the next interaction with the item; 0 if there is none
        gap[:-1] = np.where(is_again[1:], np.diff(place[order]), 0)
        at_risk = np.where(gap > 0, gap, (lengths[user] - 1 - place)[order])
        is_taken = gap > 0
        taken_KA = _table(times[is_taken], _classes(AGES, gap[is_taken]), (TIMES_TAKEN, len(AGES)))
        starts, ends = np.array(AGES), np.append(AGES[1:], np.iinfo(np.int64).max)
        at_risk_KA = np.empty((TIMES_TAKEN, len(AGES)), dtype=np.int64)
        for column, (start, end) in enumerate(zip(starts, ends, strict=True)):
            ages = np.maximum(np.minimum(at_risk, end - 1) - (start - 1), 0)
            at_risk_KA[:, column] = np.rint(np.bincount(times, ages, minlength=TIMES_TAKEN))
        repeat = np.zeros(len(values), dtype=np.int64)
        repeat[order] = is_again
        so_far = np.cumsum(repeat) - repeat
        so_far -= np.append(so_far, 0)[sequences.offsets[:-1]][user]
        later = place > 0
        classes = _shares(so_far[later], place[later] - 1), _classes(LENGTHS, place[later])
        shape = SHARES, len(LENGTHS)
        again = repeat[later] > 0
        return cls(
            taken_KA,
            at_risk_KA,
            _table(classes[0][again], classes[1][again], shape),
            _table(*classes, shape),
            np.bincount(values, repeat, minlength=n_items).astype(np.int64),
        )

    def changed(self, *, without: "RepeatCounts", and_with: "RepeatCounts") -> "RepeatCounts":
        """Counts after the sequences of some users were replaced: less the old ones, plus the new ones."""
        pairs = zip(vars(self).values(), vars(without).values(), vars(and_with).values(), strict=True)
        return RepeatCounts(*(mine - old + new for mine, old, new in pairs))

    @property
    def share(self) -> float:
        """Share of repeats among the interactions after each user's first, shrunk toward .02 as of 50 interactions."""
        repeats = self.repeats_SL.sum() + PRIOR_SHARE * PRIOR_INTERACTIONS
        return float(repeats / (self.all_SL.sum() + PRIOR_INTERACTIONS))

    def probability(self, histories: Ragged, own: OwnItems) -> np.ndarray:
        """(B,) probability that the next interaction is a repeat, by the history's share of repeats and its length.

        A class is shrunk to that of the same share at all lengths, this one to the user's own share, and that to the
        catalogue's. Histories are not empty.
        """
        lengths = histories.lengths
        repeats = lengths - np.bincount(own.case, minlength=len(lengths))
        share, length = _shares(repeats, lengths - 1), _classes(LENGTHS, lengths)
        mine = (repeats + _OWN * self.share) / (lengths - 1 + _OWN)
        of_share = (self.repeats_SL.sum(axis=1)[share] + _CLASS * mine) / (self.all_SL.sum(axis=1)[share] + _CLASS)
        found = (self.repeats_SL[share, length] + _CLASS * of_share) / (self.all_SL[share, length] + _CLASS)
        return np.clip(found, 1e-6, 1 - 1e-6)

    def log_hazard(self, own: OwnItems) -> np.ndarray:
        """(P,) log of the hazard of each item, by times taken and age; those of one age are shrunk to each other."""
        prior_A = PRIOR_SHARE / np.sqrt(AGES)  # of a catalogue without interactions: falls with the age
        of_age_A = (self.taken_KA.sum(axis=0) + _AGE * prior_A) / (self.at_risk_KA.sum(axis=0) + _AGE)
        hazard_KA = (self.taken_KA + _CLASS * of_age_A) / (self.at_risk_KA + _CLASS)
        return np.log(hazard_KA[np.minimum(own.times, TIMES_TAKEN) - 1, _classes(AGES, own.age)])

    def log_factor(self, items: np.ndarray, count_N: np.ndarray) -> np.ndarray:
        """(P,) log of each item's share of repeats over the catalogue's, shrunk to 0; `count_N` are interactions."""
        share = (self.retaken_N.sum() + 1) / (count_N.sum() + PRIOR_INTERACTIONS)
        return np.log((self.retaken_N[items] + _ITEM * share) / (count_N[items] + _ITEM) / share)


def _classes(starts: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    """Class of each value: the last one that starts at or below it."""
    return np.searchsorted(starts, values, side="right") - 1


def _shares(repeats: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Class of repeats / of: 0 for none, SHARES - 1 for all, else by tenths."""
    tenths = -(-10 * repeats // np.maximum(of, 1))  # rounded up
    return np.where((repeats == of) & (of > 0), SHARES - 1, tenths)


def _table(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)
