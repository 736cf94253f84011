"""Decisions of the published agents about their pages, in dense ids.

Shapes: P pages, S slots, A agents.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recgpt.simulate.worlds.feed.minds.fitting.sources import Source
from recgpt.simulate.worlds.feed.minds.scripted import PUBLISHED_PAGE
from recgpt.simulate.worlds.feed.state import LIKED


@dataclass(frozen=True)
class Trace:
    """P pages of the published trace, by agent and page, and the final satisfaction of A agents (NaN: none)."""

    agent_P: np.ndarray
    page_P: np.ndarray
    items_PS: np.ndarray
    aligned_PS: np.ndarray
    watched_PS: np.ndarray
    liked_PS: np.ndarray
    rating_PS: np.ndarray
    satisfaction_A: np.ndarray

    def so_far(self, values_PS: np.ndarray) -> np.ndarray:
        """(P,) sums over the agent's pages up to each page, this one too."""
        sum_P = values_PS.sum(axis=1)
        total_P = np.cumsum(sum_P)
        first_P = np.searchsorted(self.agent_P, self.agent_P)
        return total_P - (total_P - sum_P)[first_P]

    @property
    def last_P(self) -> np.ndarray:  # noqa: N802  # shape suffix
        """(P,) whether a page is its agent's last."""
        return np.append(self.agent_P[1:] != self.agent_P[:-1], True)


def read_trace(published: Mapping[str, pl.DataFrame], source: Source) -> Trace:
    """The trace and the interviews in dense ids. Pages with a missing slot are left out."""
    dataset, agent_of_user = source.dataset, source.agent_of_user
    table = published["gpt35_trace"]
    table = table.with_columns(
        agent=pl.Series(agent_of_user[dataset.user_map.to_dense(table["user_id"])]),
        item=pl.Series(dataset.item_map.to_dense(table["item_id"]).astype(np.int64)),
    )
    whole = table.filter(pl.len().over("agent", "page") == PUBLISHED_PAGE).sort("agent", "page", "slot")
    column = {name: whole[name].to_numpy().reshape(-1, PUBLISHED_PAGE) for name in ("item", "aligned", "watched")}
    rating = whole["rating"].cast(pl.Float64).fill_null(np.nan).to_numpy().reshape(-1, PUBLISHED_PAGE)
    # Watched items count as fitting, against the reply in 1 of 12,936 rows.
    aligned = column["aligned"] | column["watched"]
    interviews = published["gpt35_interviews"]
    satisfaction_A = np.full(len(agent_of_user), np.nan)
    satisfaction_A[agent_of_user[dataset.user_map.to_dense(interviews["user_id"])]] = interviews["satisfaction"]
    agent_P = whole["agent"].to_numpy()[::PUBLISHED_PAGE]
    page_P = whole["page"].to_numpy()[::PUBLISHED_PAGE]
    liked = np.nan_to_num(rating) >= LIKED
    return Trace(agent_P, page_P, column["item"], aligned, column["watched"], liked, rating, satisfaction_A)
