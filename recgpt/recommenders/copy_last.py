"""Copy-Last: recommends the latest items of the history again; a baseline that measures repeat consumption."""

import numpy as np

from recgpt.data.dataset import Dataset
from recgpt.ranking import Ranking, Request
from recgpt.recommenders.base import RecommenderBase, Supervision


class CopyLast(RecommenderBase):
    """The distinct items of the history, most recent first; an item's score is minus its age in events.

    Nothing is ranked under `exclude="history"` or after an empty history (ids -1). `observe` ignores events: rankings
    depend on the histories only.
    """

    name = "copy_last"
    supervision: Supervision = "zero-shot"

    def _fit(self, dataset: Dataset) -> None:
        """Nothing to fit: the base class keeps the size of the catalogue."""

    def _rank(self, request: Request) -> Ranking:
        ranking = request.unranked()
        if request.exclude == "history":
            return ranking
        items, ends = request.histories.values, request.histories.offsets[1:]
        row = np.repeat(np.arange(len(request.histories)), request.histories.lengths)

        newest_first = (row * request.n_items + items)[::-1]
        latest = np.sort(len(items) - 1 - np.unique(newest_first, return_index=True)[1])
        if request.allowed_N is not None:
            latest = latest[request.allowed_N[items[latest]]]
        row = row[latest]
        place = np.searchsorted(row, row, side="right") - 1 - np.arange(len(row))  # 0 for the most recent of its row

        kept = place < request.k
        ranking.ids[row[kept], place[kept]] = items[latest[kept]]
        ranking.scores[row[kept], place[kept]] = latest[kept] - (ends[row[kept]] - 1)
        return ranking
