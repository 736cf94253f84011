"""Example recommendations: the histories, recommended titles and targets of a few users, as tables."""

import numpy as np
from rich.table import Table
from rich.text import Text

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split
from recgpt.recommenders.base import Recommender
from recgpt.tables import print_tables
from recgpt.terminal import plain

SHOWN_HISTORY = 6
SHOWN_ITEMS = 5


def show_examples(dataset: Dataset, split: Split, recommender: Recommender, n_users: int, *, seed: int = 0) -> None:
    """Print, for users drawn with `seed`, the end of the history and the top 5 new items, by title."""
    drawn = np.random.default_rng(seed).choice(len(split), min(n_users, len(split)), replace=False)
    cases = np.sort(drawn)
    ranking = recommender.rank(split.histories[cases], SHOWN_ITEMS)
    titles = dataset.items["title"]
    for row, case in enumerate(cases):
        history, target = split.histories[int(case)], int(split.targets[case])
        user = dataset.user_map.to_outside([int(split.users[case])])[0]
        title = Text(f"User {plain(user)}: {len(history)} items before")
        table = Table(title=title, title_justify="left", box=None)
        table.add_column("had last (newest at the bottom)")
        table.add_column(f"{recommender.name} recommends")
        table.add_column("took next")
        had = [plain(titles[int(item)]) for item in history[-SHOWN_HISTORY:]]
        best = [f"{plain(titles[int(i)])}{'  <- taken' if i == target else ''}" for i in ranking.ids[row] if i >= 0]
        for line in range(max(len(had), len(best))):
            cells = (had[line : line + 1], best[line : line + 1], [plain(titles[target])] if line == 0 else [])
            table.add_row(*(Text(cell[0] if cell else "") for cell in cells))
        print_tables(table, "")
