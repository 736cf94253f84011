"""Scripted mind: fitted models of choice, rating and leaving, without a language model.

    mind = ScriptedMind(population, facts, seed=0)
    decisions = mind.decide(pages, memory)

A page is processed in the steps of the published agents (Zhang et al., "On Generative Agents in Recommendation", SIGIR
2024): which items fit, which of these are watched, their rating and valence, satisfaction with the page, and exit. Each
step is a small model with named coefficients in `scripted.json`, made and documented by `fitting`:

- `preference`, a logistic model of real users' choices, and `rating`, an ordinal model of their stars: MovieLens.
- `align`, `watch`, `exit`, `interview`: the published trace of 1,000 GPT-3.5 agents. A feature of `align` is
  `preference`, so that the items that fit an agent are those that real users with such a history choose.

Choice and stars use different vectors, as held-out users show: items taken are similar to the whole history
(`interest`), items rated above the user's mean to items rated so before (`Population.taste_AE`, `taste`).

Satisfaction follows the stars as people's does. `satisfaction`, with a page: how often people who gave two items of a
visit such stars give the next two 4 stars or more on average. The interview: the level and the effects of what fits and
is watched are the trace's, whose scores hardly follow stars; the part of their spread that these do not explain is
divided between the agent's stars and noise, so that scores follow stars as closely as the stars of one half of a
person's visit follow those of the other half. Advertisements are judged like other items, because neither source has
any.

A decision never depends on the other agents of the call: random numbers are keyed by agent and step, for features see
`affinities`.

Shapes: A agents of a call, P all agents, S slots of a page, N items, E embedding width, k memories.
"""

import json

import numpy as np

from recgpt.simulate import rng
from recgpt.simulate.agents.memory import Memory, Retrieved
from recgpt.simulate.agents.memory_texts import grid_rows
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.affinities import Affinities
from recgpt.simulate.worlds.feed.minds.base import MEMORIES_PER_PAGE, Decisions, Interviews, Pages
from recgpt.simulate.worlds.feed.minds.parameters import Interview, Parameters

PUBLISHED_PAGE = 4  # slots of a page in the trace, the unit in which interviews count pages
_AGENTS_PER_BLOCK = 4096  # so that intermediate arrays stay in the cache


def recalled(memory: Memory, pages: Pages, text_NE: np.ndarray) -> tuple[np.ndarray, Retrieved, np.ndarray]:
    """Sum of valence over similar memories of the run, for each item of the pages.

    The page's mean text retrieves `MEMORIES_PER_PAGE` entries of each agent. An item's sum is over these: their
    valence, times the cosine of their text and the item's where it is positive.

    Parameters
    ----------
    text_NE
        (N, E) `grid_rows` of the items' texts, in the space of the memory's texts.

    Returns
    -------
    (A, S) float32 sums of cosine times valence, the retrieved entries, and (A, k) their valences (0 for none).
    """
    present_AS = pages.items_AS >= 0
    item_ASE = text_NE[np.where(present_AS, pages.items_AS, 0)] * present_AS[:, :, None]
    retrieved = memory.retrieve(pages.agent_A, item_ASE.sum(axis=1), MEMORIES_PER_PAGE, now=pages.step)
    slots_Ak = np.maximum(retrieved.slots_Ak, 0)
    agent_A1 = pages.agent_A[:, None]
    valence_Ak = np.where(retrieved.slots_Ak >= 0, memory.entries.valence_AC[agent_A1, slots_Ak], 0).astype(np.float32)
    if not valence_Ak.any():
        return np.zeros(pages.items_AS.shape, dtype=np.float32), retrieved, valence_Ak
    entry_AkE = memory.texts.embeddings[memory.entries.text_AC[agent_A1, slots_Ak]]
    likeness_ASk = np.maximum(np.einsum("ase,ake->ask", item_ASE, entry_AkE), 0)
    return np.einsum("ask,ak->as", likeness_ASk, valence_Ak), retrieved, valence_Ak


def interview_sums(
    model: Interview, activity_A: np.ndarray, shown_A: np.ndarray, aligned_A: np.ndarray, watched_A: np.ndarray
) -> np.ndarray:
    """(A,) sums of the terms of `Interview` other than stars and noise.

    Parameters
    ----------
    activity_A
        (A,) class of activity, from 0.
    shown_A, aligned_A, watched_A
        (A,) counts of items over the visit.
    """
    n_pages_A, most_A = np.ceil(shown_A / PUBLISHED_PAGE), np.maximum(shown_A, 1)
    sum_A = np.array([0.0, model.activity_2, model.activity_3])[activity_A]
    sum_A = sum_A + model.share_aligned * aligned_A / most_A + model.share_watched * watched_A / most_A
    return sum_A + model.pages * np.minimum(n_pages_A, 5) + model.one_page * (n_pages_A <= 1)


def interview_scores(model: Interview, sum_A: np.ndarray, mean_stars_A: np.ndarray, drawn_A: np.ndarray) -> np.ndarray:
    """Satisfaction from 1 to 10, which never falls as the mean of the stars rises.

    Parameters
    ----------
    sum_A
        (A,) sums of the terms other than stars and noise.
    mean_stars_A
        (A,) mean of the stars that each agent gave; NaN without any.
    drawn_A
        (A,) draws of the standard logistic distribution.

    Returns
    -------
    (A,) float64. No more than `model.farthest` points from where the stars lie between 1 (one star) and 10 (five).
    """
    has_stars_A = np.isfinite(mean_stars_A)
    stars_A = np.where(has_stars_A, mean_stars_A, model.mean_stars)
    reached_A = sum_A + model.stars * (stars_A - model.mean_stars) + np.where(has_stars_A, model.noise, 1) * drawn_A
    score_A = 1.0 + (reached_A[:, None] > np.array(model.thresholds)).sum(axis=1)
    place_A = 1 + (stars_A - 1) * 9 / 4
    lowest_A = np.where(has_stars_A, np.ceil(place_A - model.farthest), 1)
    highest_A = np.where(has_stars_A, np.floor(place_A + model.farthest), 10)
    return np.clip(score_A, np.maximum(lowest_A, 1), np.minimum(highest_A, 10))


def means(sum_A: np.ndarray, n_A: np.ndarray) -> np.ndarray:
    """(A,) float64 means from sums and counts; NaN where nothing was counted."""
    return np.where(n_A > 0, sum_A / np.maximum(n_A, 1), np.nan)


class ScriptedMind:
    """Decides by the fitted models.

    Parameters
    ----------
    population
        All agents.
    facts
        The catalogue, in the dense ids of the population's histories.
    seed
        Seed of the run.
    parameters
        Fitted parameters; by default the shipped ones.
    uses_memory
        Whether decisions use the memory of the run; without it they are far faster.
    """

    name = "scripted"

    def __init__(
        self,
        population: Population,
        facts: ItemFacts,
        *,
        seed: int,
        parameters: Parameters | None = None,
        uses_memory: bool = True,
    ) -> None:
        self.parameters = fitted = parameters or Parameters.load()
        self.seed = seed
        self.uses_memory = uses_memory and fitted.align.memory != 0
        self._text_NE = grid_rows(facts.unit_NE) if self.uses_memory else None
        self._affinities = affinities = Affinities(population, facts, fitted.text_dimensions)
        preference, align, rating = fitted.preference, fitted.align, fitted.rating
        quality_N, popularity_N = affinities.quality_N, affinities.popularity_N
        drawn_to_N = preference.quality * quality_N + preference.popularity * popularity_N
        self._align_item_N = np.float32(align.preference) * drawn_to_N
        self._align_item_N += np.float32(align.quality) * quality_N + np.float32(align.popularity) * popularity_N
        of_agents_P = align.diversity * (population.diversity_A - 2.0) + align.activity_3 * (population.activity_A == 3)
        self._align_agent_P = (align.intercept + of_agents_P).astype(np.float32)
        self._activity_P = population.activity_A.astype(np.int64) - 1
        self._spread_P = np.array(rating.spread_by_conformity)[population.conformity_A.astype(np.int64) - 1]
        self._rating_item_N = rating.quality * quality_N.astype(np.float64) + rating.popularity * popularity_N
        everyone = np.arange(len(population))
        drawn_P = rating.mean_of_agents + rating.deviation_of_agents * rng.normal(
            seed, everyone, step=0, purpose="own mean rating"
        )
        known_P = np.isfinite(population.mean_rating_A)
        self._own_mean_P = np.where(known_P, population.mean_rating_A, np.clip(drawn_P, 1, 5)).astype(np.float64)
        self._watch = np.array(fitted.watch.by_activity_and_place, dtype=np.float32)
        self._exit = np.array(fitted.exit.by_activity_and_page)

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """See `Mind`.

        Raises
        ------
        SimulationError
            The memory's texts are of another width than the items'.
        """
        starts = range(0, max(len(pages), 1), _AGENTS_PER_BLOCK)
        parts = [self._decide(pages.rows(slice(start, start + _AGENTS_PER_BLOCK)), memory) for start in starts]

        def joined(column: str) -> np.ndarray:
            return np.concatenate([getattr(part, column) for part in parts])

        return Decisions(
            aligned_AS=joined("aligned_AS"),
            watched_AS=joined("watched_AS"),
            rating_AS=joined("rating_AS"),
            feeling_AS=joined("feeling_AS"),
            satisfied_A=joined("satisfied_A"),
            exit_A=joined("exit_A"),
            failed_A=joined("failed_A"),
            retrieved=[note for part in parts for note in part.retrieved or []] if self.uses_memory else None,
        )

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """See `Mind`."""
        model, activity_A = self.parameters.interview, self._activity_P[pages.agent_A]
        sum_A = interview_sums(model, activity_A, pages.shown_before_A, pages.aligned_before_A, pages.watched_before_A)
        drawn_A = self._logits(pages.agent_A, 0, "interview", 1)[:, 0]
        mean_stars_A = means(pages.stars_before_A, pages.rated_before_A)
        return Interviews(interview_scores(model, sum_A, mean_stars_A, drawn_A).astype(np.float32))

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> None:
        """No calls. See `Mind`."""

    def align_log_odds(self, pages: Pages, memory: Memory) -> np.ndarray:
        """(A, S) float32 log odds that each item fits; undefined for empty slots."""
        recalled_AS = recalled(memory, pages, self._text_NE)[0] if self._text_NE is not None else None
        return self._align(pages, np.maximum(pages.items_AS, 0), recalled_AS)

    def fit_log_odds(self, agent_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        """(A, S) float32 log odds that each item fits wherever it is met, without place on a page and memories."""
        align, preference = self.parameters.align, self.parameters.preference
        interest_AS = self._affinities.interest(agent_A, items_AS)
        logit_AS = interest_AS * np.float32(align.preference * preference.interest)
        category_AS = self._affinities.category(agent_A, items_AS)
        logit_AS += category_AS * np.float32(align.preference * preference.category)
        logit_AS += self._align_item_N[items_AS]
        logit_AS += self._align_agent_P[agent_A][:, None]
        return logit_AS

    def _align(self, pages: Pages, items_AS: np.ndarray, recalled_AS: np.ndarray | None) -> np.ndarray:
        align = self.parameters.align
        logit_AS = self.fit_log_odds(pages.agent_A, items_AS)
        logit_AS[:, :1] += np.float32(align.first_slot)
        if recalled_AS is not None:
            logit_AS += recalled_AS * np.float32(align.memory)
        return logit_AS

    def _decide(self, pages: Pages, memory: Memory) -> Decisions:
        agent_A, present_AS = pages.agent_A, pages.items_AS >= 0
        n_agents, n_slots = present_AS.shape
        items_AS = np.maximum(pages.items_AS, 0)
        recalled_AS, notes = None, None
        if self._text_NE is not None:
            recalled_AS, retrieved, valence_Ak = recalled(memory, pages, self._text_NE)
            notes = _notes(retrieved, valence_Ak)
        logit_AS = self._align(pages, items_AS, recalled_AS)
        aligned_AS = present_AS & (self._logits(agent_A, pages.step, "align", n_slots) < logit_AS)

        place_AS = np.minimum(np.cumsum(aligned_AS, axis=1) - aligned_AS, 3)
        pages_before_A = np.ceil(pages.shown_before_A / max(n_slots, 1)).astype(np.int64)
        watch_AS = self._watch[self._activity_P[agent_A][:, None], place_AS]
        watch_AS = watch_AS + np.float32(self.parameters.watch.page) * pages_before_A[:, None].astype(np.float32)
        watched_AS = aligned_AS & (self._logits(agent_A, pages.step, "watch", n_slots) < watch_AS)

        rating_AS, feeling_AS = self._rate(pages, items_AS, watched_AS)
        n_shown_A = np.maximum(present_AS.sum(axis=1), 1)
        n_aligned_A = aligned_AS.sum(axis=1)
        pleased, exit_ = self.parameters.satisfaction, self.parameters.exit
        stars_A = means(np.nansum(rating_AS, axis=1), np.isfinite(rating_AS).sum(axis=1))
        pleased_A = pleased.three_stars + pleased.star * (stars_A - 3)
        so_far_A = (pages.aligned_before_A + n_aligned_A) / np.maximum(pages.shown_before_A + n_shown_A, 1)
        exit_A = self._exit[self._activity_P[agent_A], np.minimum(pages_before_A, 3)]
        exit_A = exit_A + exit_.share_aligned * (so_far_A - exit_.mean_share_aligned)
        drawn_A2 = self._logits(agent_A, pages.step, "page", 2)
        return Decisions(
            aligned_AS=aligned_AS,
            watched_AS=watched_AS,
            rating_AS=rating_AS,
            feeling_AS=feeling_AS,
            satisfied_A=drawn_A2[:, 0] < np.nan_to_num(pleased_A, nan=-np.inf),
            exit_A=drawn_A2[:, 1] < exit_A,
            failed_A=np.zeros(n_agents, dtype=bool),
            retrieved=notes,
        )

    def _rate(self, pages: Pages, items_AS: np.ndarray, watched_AS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(A, S) stars of watched items, and feelings: half their distance from the agent's mean; NaN elsewhere."""
        rating_AS = np.full(items_AS.shape, np.nan, dtype=np.float32)
        feeling_AS = rating_AS.copy()
        row, slot = np.nonzero(watched_AS)
        agent, item = pages.agent_A[row], items_AS[row, slot]
        drawn_AS = self._logits(pages.agent_A, pages.step, "rate", items_AS.shape[1])
        stars = self.stars(agent, item, drawn_AS[row, slot])
        rating_AS[row, slot] = stars
        feeling_AS[row, slot] = np.clip((stars - self._own_mean_P[agent]) / 2, -1, 1)
        return rating_AS, feeling_AS

    def stars(self, agent_R: np.ndarray, item_R: np.ndarray, drawn_R: np.ndarray) -> np.ndarray:
        """(R,) float64 stars from 1 to 5 for pairs of agent and item.

        Parameters
        ----------
        drawn_R
            (R,) draws of the standard logistic distribution.
        """
        model = self.parameters.rating
        center_R = model.own_mean * (self._own_mean_P[agent_R] - model.mean_of_agents) + self._rating_item_N[item_R]
        center_R += model.taste * self._affinities.taste(agent_R, item_R)
        reached_R = center_R + self._spread_P[agent_R] * drawn_R
        stars_R: np.ndarray = np.searchsorted(model.thresholds, reached_R) + 1.0
        return stars_R

    def _logits(self, agent_A: np.ndarray, step: int, purpose: str, n: int) -> np.ndarray:
        """(A, n) float64 draws of the standard logistic distribution: below x with probability 1 / (1 + e^-x)."""
        uniform_An = rng.uniform(self.seed, agent_A, step=step, purpose=purpose, n=n)
        np.maximum(uniform_An, 2.0**-54, out=uniform_An)  # 0 has no logarithm
        return np.log(uniform_An / (1 - uniform_An))


def _notes(retrieved: Retrieved, valence_Ak: np.ndarray) -> list[str | None]:
    """For each agent the ids and valences of its retrieved entries, as JSON; None without any."""
    return [
        json.dumps({"ids": ids, "valences": [round(valence, 4) for valence in valences]}) if ids else None
        for ids, valences in (
            ([int(i) for i in ids_k if i >= 0], valences_k[ids_k >= 0].tolist())
            for ids_k, valences_k in zip(retrieved.ids_Ak, valence_Ak, strict=True)
        )
    ]
