"""Paged feed of Agent4Rec: agents browse pages of recommended items until they leave.

    recgpt simulate feed --dataset data/demo --recommender recgpt --agents 100 --run demo

Zhang et al., "On Generative Agents in Recommendation" (SIGIR 2024). One step of a run is one page of every agent that
has not left. The recommender is online: it observes the items watched on earlier pages, and ranks again for each page.
The state is a function of the event log only (`FeedState.apply`), so that a run resumes from its log.

Shapes: A agents, S slots of a page, P slots of all pages, N items, k items ranked.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from recgpt.data.dataset import Dataset
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.recommenders.base import Recommender
from recgpt.simulate import rng
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.config import FeedConfig
from recgpt.simulate.worlds.feed.kinds import CLOCK, KINDS
from recgpt.simulate.worlds.feed.minds import make_mind
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Mind, Pages
from recgpt.simulate.worlds.feed.state import LIKED, Advert, FeedRules, FeedState, Setting
from recgpt.simulate.worlds.online import LiveRecommender, first_usable

if TYPE_CHECKING:
    from recgpt.simulate.worlds.feed.inputs import Inputs

__all__ = ["Advert", "Feed", "FeedRules", "FeedState", "Setting"]

AGENTS_AT_A_TIME = 1024  # agents per call of a mind
_RANKED_AT_A_TIME = 4096
_NO_PAGES_LEFT = "no pages are left"
_NOTHING_TO_SHOW = "nothing new is left to show"

T = TypeVar("T")


class Feed:
    """A feed in progress.

    Parameters
    ----------
    recommender
        Recommender fitted on `setting.known`; `observe` is called after each page, in the order of agents.
    concurrency
        Blocks of agents processed at the same time; the log does not depend on it.

    Attributes
    ----------
    live
        The recommender, and what it has observed.

    Raises
    ------
    SimulationError
        No item belongs to the advertised class.
    """

    def __init__(
        self, rules: FeedRules, setting: Setting, recommender: Recommender, mind: Mind, *, concurrency: int = 1
    ) -> None:
        self.rules = rules
        self.setting = setting
        self.mind = mind
        self.state = FeedState(rules, setting.population, setting.facts)
        self.step = 0
        self._concurrency = concurrency
        self.live = LiveRecommender(recommender, setting.known, setting.population)
        self._adverts = _advert_pool(setting.facts, rules.advert)

    @property
    def n_steps(self) -> int:
        """Maximum number of pages."""
        return self.rules.pages

    @property
    def n_active(self) -> int:
        """Number of agents that have not left."""
        return int(self.state.active_A.sum())

    @property
    def over(self) -> bool:
        """Whether all agents have left, or seen all pages."""
        return self.step >= self.rules.pages or not self.state.active_A.any()

    def estimate(self) -> CostEstimate | None:
        """Expected calls and cost of the remaining pages; None if no language model is called."""
        return self.mind.estimate(self.n_active, self.n_steps - self.step, self.rules.page_size)

    def play(self) -> pl.DataFrame:
        """Decide the next page and return its events, without changing the state."""
        step = self.step + 1
        pages = self._pages(step, np.flatnonzero(self.state.active_A))
        is_empty_A = (pages.items_AS < 0).all(axis=1)
        empty, others = pages.rows(np.flatnonzero(is_empty_A)), pages.rows(np.flatnonzero(~is_empty_A))
        parts = [*self._rejected_events(empty), *self._page_events(others)]
        return KINDS.assemble(step, parts, time=CLOCK.at(step))

    def apply(self, rows: pl.DataFrame) -> None:
        """Apply the events of one step, from `play` or from the log; nothing else changes the state."""
        self.step += 1
        self.state.apply(rows)
        self._update_recommender(rows)

    # --- pages ---

    def _pages(self, step: int, agents: np.ndarray) -> Pages:
        state = self.state
        starts = range(0, len(agents), _RANKED_AT_A_TIME)
        items_AS = np.concatenate([self._served(step, agents[start : start + _RANKED_AT_A_TIME]) for start in starts])
        advert_AS = np.zeros(items_AS.shape, dtype=bool)
        if len(self._adverts):
            advert_A = self._advertised(step, agents)
            # The advert replaces the best item, which is appended if the advert was on the page already.
            others_AS = np.concatenate([items_AS[:, 1:], items_AS[:, :1]], axis=1)
            usable_AS = (others_AS >= 0) & (others_AS != advert_A[:, None])
            with_advert_AS = first_usable(
                np.concatenate([advert_A[:, None], others_AS], axis=1),
                np.concatenate([np.ones((len(agents), 1), dtype=bool), usable_AS], axis=1),
                items_AS.shape[1],
            )
            advert_AS[:, 0] = advert_A >= 0
            items_AS = np.where(advert_AS[:, :1], with_advert_AS, items_AS)
        return Pages(
            step,
            agents,
            items_AS,
            advert_AS,
            self.rules.advert_text,
            state.n_shown_A[agents],
            state.n_aligned_A[agents],
            state.n_watched_A[agents],
            state.n_liked_A[agents],
            state.n_rated_A[agents],
            state.stars_A[agents],
        )

    def _served(self, step: int, agents: np.ndarray) -> np.ndarray:
        """(A, S) the best items not shown before; -1 where the recommender has no more."""
        size, n_items = self.rules.page_size, len(self.setting.facts)
        most = size * step  # enough: at most size * (step - 1) of them were shown before
        ids_Ak = self.recommender.rank(self.state.histories(agents), min(n_items, most), exclude="history").ids
        if self.rules.truth_first:
            true_Ak = _padded(self.setting.held_out[agents], most)
            ids_Ak = np.concatenate([true_Ak, np.where(_among(ids_Ak, true_Ak), -1, ids_Ak)], axis=1)
        is_new_Ak = ~_among(ids_Ak, self.state.shown_AP[agents, : size * (step - 1)])
        return first_usable(ids_Ak, (ids_Ak >= 0) & is_new_Ak, size)

    def _advertised(self, step: int, agents: np.ndarray) -> np.ndarray:
        """(A,) a random advert for each agent among the items it neither took nor was shown; -1 for none."""
        histories, shown_AP = self.state.histories(agents), self.state.shown_AP[agents]
        drawn_A2 = rng.uniform(self.rules.seed, agents, step=step, purpose="advert", n=2)
        advert_A = self._adverts[(drawn_A2[:, 0] * len(self._adverts)).astype(np.int64)]
        met_A = histories.contains(advert_A) | (shown_AP == advert_A[:, None]).any(axis=1)
        for row in np.flatnonzero(met_A).tolist():
            new = np.setdiff1d(self._adverts, np.concatenate([histories[row], shown_AP[row]]))
            advert_A[row] = new[int(drawn_A2[row, 1] * len(new))] if len(new) else -1
        return advert_A

    # --- decisions ---

    def _rejected_events(self, pages: Pages) -> list[pl.DataFrame]:
        """Events of agents without a page: they leave after the pages seen so far."""
        if not len(pages):
            return []
        n_seen_A, reasons = np.full(len(pages), pages.step - 1), [_NOTHING_TO_SHOW] * len(pages)
        return [KINDS.piece("exited", pages.agent_A, value=n_seen_A, text=reasons), self._interviewed(pages)]

    def _page_events(self, pages: Pages) -> list[pl.DataFrame]:
        """Events of these pages, including interviews of the agents that leave."""
        if not len(pages):
            return []
        decided = _joined(self._in_blocks(self.mind.decide, pages))
        agent_A, last = pages.agent_A, pages.step == self.rules.pages
        there_AS, well_A = pages.items_AS >= 0, ~decided.failed_A
        aligned_AS = decided.aligned_AS & there_AS & well_A[:, None]
        watched_AS = decided.watched_AS & aligned_AS
        rating_AS = np.where(watched_AS, decided.rating_AS, np.nan)
        feeling_AS = np.where(watched_AS, decided.feeling_AS, np.nan)

        def on_items(
            kind: str,
            chosen_AS: np.ndarray,
            value_AS: np.ndarray | None = None,
            text_AS: Sequence[Sequence[str | None]] | None = None,
        ) -> pl.DataFrame:
            row, slot = np.nonzero(chosen_AS)
            values = None if value_AS is None else value_AS[row, slot]
            places = zip(row.tolist(), slot.tolist(), strict=True)
            text = None if text_AS is None else [text_AS[a][s] for a, s in places]
            return KINDS.piece(kind, agent_A[row], item=pages.items_AS[row, slot], slot=slot, value=values, text=text)

        def of_agents(
            kind: str,
            chosen_A: np.ndarray,
            value_A: np.ndarray | None = None,
            text_A: Sequence[str | None] | None = None,
        ) -> pl.DataFrame:
            rows = np.flatnonzero(chosen_A)
            text = None if text_A is None else [text_A[a] for a in rows.tolist()]
            return KINDS.piece(kind, agent_A[rows], value=None if value_A is None else value_A[rows], text=text)

        def said(text_A: Sequence[str | None] | None) -> np.ndarray:
            return np.array([bool(each) for each in text_A or [None] * len(pages)])

        leaves_A = decided.exit_A & well_A
        gone_A = well_A if last else leaves_A
        ended = [None if left else _NO_PAGES_LEFT for left in leaves_A.tolist()]
        so_far = replace(
            pages,
            shown_before_A=pages.shown_before_A + there_AS.sum(axis=1),
            aligned_before_A=pages.aligned_before_A + aligned_AS.sum(axis=1),
            watched_before_A=pages.watched_before_A + watched_AS.sum(axis=1),
            liked_before_A=pages.liked_before_A + (rating_AS >= LIKED).sum(axis=1),
            rated_before_A=pages.rated_before_A + np.isfinite(rating_AS).sum(axis=1),
            stars_before_A=pages.stars_before_A + np.nansum(rating_AS, axis=1),
        )
        return [
            on_items("shown", there_AS, np.where(pages.advert_AS, 1.0, np.nan)),
            of_agents("retrieved", said(decided.retrieved), text_A=decided.retrieved),
            on_items("aligned", aligned_AS),
            on_items("watched", watched_AS),
            on_items("rated", ~np.isnan(rating_AS), rating_AS),
            on_items("felt", ~np.isnan(feeling_AS), feeling_AS, decided.feeling_texts),
            of_agents("failed", decided.failed_A, text_A=decided.reasons),
            of_agents("satisfied", well_A, decided.satisfied_A.astype(float), decided.reasons),
            of_agents("thought", well_A & said(decided.thoughts), text_A=decided.thoughts),
            of_agents("turned", well_A & ~gone_A),
            of_agents("exited", gone_A, np.full(len(pages), pages.step), ended),
            self._interviewed(so_far.rows(gone_A)),
        ]

    def _interviewed(self, pages: Pages) -> pl.DataFrame:
        parts: list[Interviews] = self._in_blocks(self.mind.interview, pages)
        satisfaction_A = np.concatenate([np.empty(0), *(part.satisfaction_A for part in parts)])
        reasons = _joined_texts([(part.reasons, len(part.satisfaction_A)) for part in parts])
        return KINDS.piece("interviewed", pages.agent_A, value=satisfaction_A, text=reasons)

    def _in_blocks(self, call: Callable[[Pages, Memory], T], pages: Pages) -> list[T]:
        """Decisions or interviews of the mind, one per block of agents, in order."""
        starts = range(0, len(pages), AGENTS_AT_A_TIME)
        blocks = [pages.rows(slice(start, start + AGENTS_AT_A_TIME)) for start in starts]
        if self._concurrency == 1 or len(blocks) < 2:
            return [call(block, self.state.memory) for block in blocks]
        with ThreadPoolExecutor(self._concurrency) as pool:
            return list(pool.map(lambda block: call(block, self.state.memory), blocks))

    # --- recommender ---

    @property
    def recommender(self) -> Recommender:
        """The recommender that serves the pages."""
        return self.live.recommender

    def known_now(self) -> Dataset:
        """Training interactions extended by the items watched in this run. See `LiveRecommender.known_now`."""
        return self.live.known_now()

    def _update_recommender(self, rows: pl.DataFrame) -> None:
        self.live.observe(rows, seconds=CLOCK.at(self.step))
        every = self.rules.retrain_every
        if every and self.step % every == 0 and not self.over:
            self.live.refit()


def _among(ids_Ak: np.ndarray, others_AP: np.ndarray) -> np.ndarray:
    """(A, k) bool, whether an id is in the same row of `others_AP`."""
    found_Ak = np.zeros(ids_Ak.shape, dtype=bool)
    for other_A in others_AP.T:  # column by column, to keep the comparison array small
        found_Ak |= ids_Ak == other_A[:, None]
    return found_Ak


def _padded(sequences: Ragged, most: int) -> np.ndarray:
    """(A, most) int64 first items of each sequence, padded with -1."""
    lengths = np.minimum(sequences.lengths, most)
    padded = np.full((len(lengths), most), -1, dtype=np.int64)
    starts = sequences.offsets[:-1]
    padded[np.arange(most) < lengths[:, None]] = sequences.spans(starts, starts + lengths).values
    return padded


def _joined(parts: Sequence[Decisions]) -> Decisions:
    """Concatenate the decisions of several blocks."""
    if len(parts) == 1:
        return parts[0]
    joined: dict[str, Any] = {}
    for name in (each.name for each in fields(Decisions)):
        values = [getattr(part, name) for part in parts]
        is_array = isinstance(values[0], np.ndarray)
        sizes = [len(part.failed_A) for part in parts]
        joined[name] = np.concatenate(values) if is_array else _joined_texts(list(zip(values, sizes, strict=True)))
    return Decisions(**joined)


def _joined_texts(parts: Sequence[tuple[Sequence[Any] | None, int]]) -> list[Any] | None:
    """Concatenate the texts of several blocks, each given with its size; None if no block has any."""
    if all(texts is None for texts, _ in parts):
        return None
    return [text for texts, size in parts for text in (texts if texts is not None else [None] * size)]


def _advert_pool(facts: ItemFacts, advert: Advert) -> np.ndarray:
    """Items of the advertised class: pop or unpop by the median of interactions, high or low by the median rating."""
    known = np.flatnonzero(facts.count_N > 0)
    if advert == "none":
        return known[:0]
    if advert == "all":
        return known
    rating_N, median = facts.mean_rating_N, np.median(facts.count_N[known])
    rated = known[np.isfinite(rating_N[known])]
    popularity, quality = advert.split("_")
    is_popular = facts.count_N[rated] > median
    is_high = rating_N[rated] > np.median(rating_N[rated]) if len(rated) else is_popular
    pool = rated[(is_popular == (popularity == "pop")) & (is_high == (quality == "high"))]
    if not len(pool):
        raise SimulationError(
            f"no item with known ratings belongs to the class {advert}: advertise another class, or all"
        )
    return pool


def make_world(config: FeedConfig, inputs: "Inputs", run: Run, concurrency: int) -> Feed:
    """The feed before its first page."""
    setting = inputs.setting
    mind = make_mind(config, setting.population, setting.facts, seed=config.seed, run=run)
    # A language model's calls run together in its client, and a person answers one question at a time.
    threads = min(concurrency, os.cpu_count() or 1) if config.mind == "scripted" else 1
    return Feed(config.part(FeedRules), setting, inputs.recommender, mind, concurrency=threads)
