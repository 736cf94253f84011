"""The shuffled-history control changes the order of a history and nothing else."""

import numpy as np

from recgpt.data.ragged import Ragged
from recgpt.evaluate.control import ShuffledHistories
from recgpt.ranking import Ranking


class Spy:
    """Keeps the histories it was asked about."""

    name = "spy"
    supervision = "zero-shot"

    def rank(self, histories, k, *, exclude="history", candidates=None):
        self.seen = [history.tolist() for history in histories]
        return Ranking(np.zeros((len(histories), k), np.int64), np.zeros((len(histories), k), np.float32))


def test_items_stay_order_goes_and_company_does_not_matter():
    spy, histories = Spy(), [list(range(20)), [5, 3, 3, 8, 1, 9, 0], [7]]
    control = ShuffledHistories(spy, seed=1)
    control.rank(histories, 1)
    together = spy.seen
    assert [sorted(seen) for seen in together] == [sorted(history) for history in histories]
    assert together[0] != histories[0]
    control.rank(Ragged.from_lists(histories[1:2]), 1)
    assert spy.seen == together[1:2]
    assert control.name == "shuffled"
