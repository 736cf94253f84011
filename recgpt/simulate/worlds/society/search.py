"""Search over titles and descriptions: an exact title first, then the nearest items.

search = Search(facts)
search.by_text("space station")        # up to 50 items, best first
search.by_item(12)                     # the item, then others by the similarity of text embeddings
"""

from functools import cached_property
from typing import Any

import numpy as np

from recgpt.simulate.items import ItemFacts

N_FOUND = 50
"""Items of a result."""


class Search:
    """Search in one catalogue.

    Parameters
    ----------
    facts
        Titles, descriptions and embeddings of the items.
    """

    def __init__(self, facts: ItemFacts) -> None:
        self._facts = facts
        self._titles = [str(title).casefold().strip() for title in facts.items["title"].to_list()]
        self._of_item: dict[int, np.ndarray] = {}

    def by_item(self, item: int) -> np.ndarray:
        """(n,) int64 the item, and then others by the similarity of text embeddings."""
        found = self._of_item.get(item)
        if found is None:
            score_N = self._facts.unit_NE @ self._facts.unit_NE[item]
            score_N[item] = np.inf
            found = self._of_item[item] = _best(score_N)
        return found

    def by_text(self, query: str) -> np.ndarray:
        """(n,) int64 items of exactly this title, then others by similarity of words; empty without a known word."""
        words, rows_NV = self._words
        score_N = np.asarray((rows_NV @ words.transform([query]).T).todense(), dtype=np.float64).ravel()
        wanted = query.casefold().strip()
        is_title = np.array([title == wanted for title in self._titles])
        score_N[is_title] = np.inf
        return _best(np.where(score_N > 0, score_N, -np.inf))

    @cached_property
    def _words(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer  # its import takes seconds

        items = self._facts.items
        texts = items["title"].fill_null("").cast(str)
        if "description" in items.columns:
            texts = texts + " " + items["description"].fill_null("").cast(str)
        words = TfidfVectorizer(token_pattern=r"(?u)\w+", sublinear_tf=True)  # noqa: S106  # words, not a secret
        return words, words.fit_transform(texts.to_list())


def _best(score_N: np.ndarray) -> np.ndarray:
    """Items of the greatest finite or infinite scores, ties by id; without scores of minus infinity."""
    n_found = min(N_FOUND, int((score_N > -np.inf).sum()))
    order = np.lexsort((np.arange(len(score_N)), -score_N))
    return order[:n_found].astype(np.int64)
