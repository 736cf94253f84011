"""`check_recommender` catches a recommender that breaks a rule, for each rule, and passes one that keeps all."""

import numpy as np
import pytest

from recgpt.data.dataset import Interactions
from recgpt.errors import DataError, NotFittedError
from recgpt.ranking import Ranking
from recgpt.recommenders.popularity import Popularity
from recgpt.recommenders.random import Random
from recgpt.testing import ContractError, check_recommender


class Unfitted(Popularity):
    def rank(self, histories, k, **options):
        if self._n_items is None:
            raise AttributeError("_count_N")
        return super().rank(histories, k, **options)


class UnknownSupervision(Popularity):
    supervision = "omniscient"


class WithoutItself(Popularity):
    def fit(self, dataset):
        super().fit(dataset)


class Ranked(Popularity):
    """Popularity with a ranking that `spoil` changes."""

    def rank(self, histories, k, *, exclude="history", candidates=None):
        found = super().rank(histories, k, exclude=exclude, candidates=candidates)
        return self.spoil(found, histories, exclude=exclude, candidates=candidates)


class Narrow(Ranked):
    def spoil(self, found, histories, **options):
        return Ranking(found.ids.astype(np.int32), found.scores)


class Rising(Ranked):
    def spoil(self, found, histories, **options):
        return Ranking(found.ids, -found.scores)


class Twice(Ranked):
    def spoil(self, found, histories, **options):
        found.ids[:, 1:2] = found.ids[:, :1]
        return found


class Unpadded(Ranked):
    def spoil(self, found, histories, **options):
        found.scores[found.ids < 0] = 0
        return found


class Repeating(Ranked):
    def rank(self, histories, k, *, exclude="history", candidates=None):
        return super().rank(histories, k, exclude="nothing" if exclude == "history" else exclude, candidates=candidates)

    def spoil(self, found, histories, **options):
        return found


class Forgetful(Popularity):
    def rank(self, histories, k, *, exclude="history", candidates=None):
        return super().rank(histories, k, exclude="history" if exclude == "nothing" else exclude, candidates=candidates)


class Deaf(Popularity):
    def rank(self, histories, k, *, exclude="history", candidates=None):
        return super().rank(histories, k, exclude=exclude)


class Batched(Ranked):
    def spoil(self, found, histories, **options):
        return Ranking(found.ids, np.where(found.ids >= 0, found.scores + len(histories), found.scores))


class Padded(Ranked):
    def spoil(self, found, histories, **options):
        longest = max((len(history) for history in histories), default=0)
        return Ranking(found.ids, np.where(found.ids >= 0, found.scores + (longest > 100), found.scores))


class Generous(Popularity):
    def rank(self, histories, k, **options):
        return super().rank(histories, max(1, min(k, self.n_items)), **options)


class Short(Popularity):
    def rank(self, histories, k, **options):
        if k > self.n_items:
            raise DataError(f"k={k} does not fit")
        return super().rank(histories, k, **options)


class Trusting(Popularity):
    def rank(self, histories, k, **options):
        known = [[item for item in history if 0 <= item < self.n_items] for history in histories]
        return super().rank(known, k, **options)


class Confused(Ranked):
    def spoil(self, found, histories, **options):
        if any(len(history) == 0 for history in histories):
            return Ranking(found.ids[::-1].copy(), found.scores[::-1].copy())
        return found


class Untied(Ranked):
    """Popularity with ties broken by the number of places, not by item id."""

    def spoil(self, found, histories, **options):
        if found.ids.shape[1] == 1:
            return Ranking(np.where(found.ids >= 0, 59, found.ids), found.scores)
        return found


class Amnesiac(Random):
    @classmethod
    def load(cls, path):
        loaded = super().load(path)
        loaded._seed += 1
        return loaded


class Unsteady(Random):
    made = 0

    def __init__(self, *, seed: int | None = None):
        type(self).made += 1
        super().__init__(seed=type(self).made if seed is None else seed)


class Credulous(Popularity):
    def observe(self, events: Interactions) -> None:
        known = events.item < self.n_items
        super().observe(Interactions(events.user[known], events.item[known]))


class LastOnly(Popularity):
    def observe(self, events: Interactions) -> None:
        super().observe(events)
        self._set_counts(np.bincount(events.item, minlength=self.n_items))


PLANTED = {
    Unfitted: "rank before fit raises NotFittedError",
    UnknownSupervision: "supervision is of",
    WithoutItself: "fit returns the recommender itself",
    Narrow: "ids are int64",
    Rising: "scores do not rise",
    Twice: "no item is ranked twice",
    Repeating: 'exclude="history" leaves out',
    Forgetful: 'exclude="nothing" ranks the items',
    Deaf: "candidates restrict",
    Batched: "does not depend on the other histories",
    Padded: r"beside a long one \(padding\)",
    Generous: "k=0 raises DataError",
    Short: "k is cut at the size of the catalogue",
    Trusting: "an unknown id raises DataError",
    Confused: "an empty history is ranked",
    Untied: "ties included",
    Amnesiac: "saved and loaded ranks the same",
    Unsteady: "two fits on the same data set",
    Credulous: "observe raises DataError for an item outside",
    LastOnly: "observe events in two calls",
}


@pytest.mark.parametrize("recommender", PLANTED, ids=lambda each: each.__name__)
def test_check_recommender_broken_rule_is_named(recommender):
    with pytest.raises(ContractError, match=PLANTED[recommender]):
        check_recommender(recommender)


def test_check_recommender_kept_rules_passes():
    check_recommender(Popularity)


@pytest.mark.parametrize("use", ["rank", "observe", "save"])
def test_recommender_not_fitted_says_what_to_do(use, tmp_path):
    recommender = Popularity()
    event = Interactions(np.zeros(1, dtype=np.int32), np.zeros(1, dtype=np.int32))
    arguments = {"rank": ([[0]], 1), "observe": (event,), "save": (tmp_path,)}[use]
    with pytest.raises(NotFittedError, match=r"popularity is not fitted: call fit\(dataset\) first"):
        getattr(recommender, use)(*arguments)


def test_recommender_failed_fit_is_not_fitted():
    class Failing(Popularity):
        def _fit(self, dataset):
            raise DataError("no")

    recommender = Failing()
    with pytest.raises(DataError):
        recommender.fit(None)
    with pytest.raises(NotFittedError):
        recommender.rank([[0]], 1)
