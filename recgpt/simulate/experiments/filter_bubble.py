"""Filter bubble: variety of pages over rounds with a recommender. Zhang et al., SIGIR 2024, section 4.3; own design.

    recgpt experiment filter-bubble --dataset data/demo --set rounds=8

Rounds of a feed: after each round the recommender is refitted on all watched items, and the agents return. Controls are
the same agents with the recommender frozen before the first round, and with random pages: changes that occur there as
well, for example because the best items are already watched, are not an effect of learning.

Every agent sees all pages of a round, and only its first few watched items count, because measures of variety depend on
the number of items.

Shapes: A agents, R rounds, N items, C genres, V items watched.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field
from scipy import sparse

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.ranking import Exclude, Ranking
from recgpt.recommenders.base import Recommender
from recgpt.simulate.agents.memory import Memory
from recgpt.simulate.agents.population import Population
from recgpt.simulate.experiments.base import Experiment, FeedSettings, Lab, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Mind, Pages

MEASURES = ("share of the top genre", "genres", "entropy in bits")
LEARNING, FROZEN, RANDOM = "learning", "frozen", "random pages"
_ROUND_SEEDS = 1_000_003  # apart, so that rounds draw other numbers


class FilterBubbleSettings(FeedSettings):
    """Settings of `filter-bubble`."""

    recommender: str = Field(default="item_knn", description="registered name")
    rounds: int = Field(default=6, ge=2, description="of the feed")
    watched: int = Field(default=4, ge=1, description="items watched in a round of which variety is measured")


class Staying:
    """Mind with the decisions of another one, but for leaving: its agents never leave."""

    name = "staying"

    def __init__(self, mind: Mind) -> None:
        self._mind = mind

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """See `Mind`."""
        decided = self._mind.decide(pages, memory)
        return replace(decided, exit_A=np.zeros(len(pages), dtype=bool))

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """See `Mind`."""
        return self._mind.interview(pages, memory)

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> CostEstimate | None:
        """See `Mind`."""
        return self._mind.estimate(n_agents, n_pages, page_size)


class Frozen:
    """A fitted recommender that ignores new events; histories of requests still grow."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self.name = f"{recommender.name}, frozen"
        self.supervision = recommender.supervision

    def fit(self, dataset: Dataset) -> "Frozen":
        """Do nothing."""
        return self

    def rank(
        self,
        histories: Sequence[Sequence[int]] | Ragged,
        k: int,
        *,
        exclude: Exclude = "history",
        candidates: np.ndarray | None = None,
    ) -> Ranking:
        """See `Recommender.rank`."""
        return self._recommender.rank(histories, k, exclude=exclude, candidates=candidates)

    def observe(self, events: Interactions) -> None:
        """Do nothing."""


def run(lab: Lab, settings: FilterBubbleSettings) -> Result:
    """See the module."""
    if lab.setting.facts.categories_NC is None:
        raise SimulationError(
            f"{lab.setting.known.name} has no categories, which are its genres here: use another data set"
        )
    arms = {
        LEARNING: lab.fitted(settings.recommender),
        FROZEN: Frozen(lab.fitted(settings.recommender)),
        RANDOM: lab.fitted("random"),
    }
    rounds = {arm: _rounds(lab, settings, arm, recommender) for arm, recommender in arms.items()}
    found = {arm: of_agents for arm, (of_agents, _) in rounds.items()}
    different = {arm: n_different for arm, (_, n_different) in rounds.items()}
    slopes = {
        (arm, what, measure): _slopes(values_RA)
        for arm, of_arm in found.items()
        for (what, measure), values_RA in of_arm.items()
    }
    rows: list[Row] = []
    for (arm, what, measure), slope_A in slopes.items():
        values_RA = found[arm][what, measure]
        rows.append(
            {
                "arm": arm,
                "of what was": what,
                "measure": measure,
                "first round": mean_of(values_RA[0]),
                "last round": mean_of(values_RA[-1]),
                "change a round": mean_of(slope_A),
                "more than frozen": None if arm != LEARNING else difference(slope_A, slopes[FROZEN, what, measure]),
                "more than at random": None if arm == RANDOM else difference(slope_A, slopes[RANDOM, what, measure]),
                "agents": int(np.isfinite(slope_A).sum()),
            }
        )
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{settings.rounds} rounds; in each every agent sees {settings.pages} pages of {settings.page_size} items"
            f" (nobody leaves early), none that it has watched before. “{LEARNING}”: {settings.recommender}, told what"
            f" is watched and fitted anew after each round. “{FROZEN}”: fitted once; its lists start from each agent’s"
            f" growing history. “{RANDOM}”: no recommender. Agents’ tastes never change, and memories last a round."
            " Variety of what was shown is of all items of a round; of what was watched, of the first"
            f" {settings.watched}, for agents who watched as many in every round. Changes a round are slopes of lines"
            " fitted to each agent; intervals over agents, differences paired."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        [*_findings(rows), _of_all_together(different)],
        [
            "Scripted tastes do not move: whether people narrow because their lists do is not asked here.",
            "What was watched is never shown again, so that every arm runs out of the most fitting items; only"
            " differences between arms speak of the recommender.",
            "Genres are coarse: a bubble may form inside one. And each agent may see more while all see the same.",
        ],
        lambda figure: _draw(figure, found),
        {
            "different items shown to all agents, by round": different,
            "mean by round": {
                arm: {
                    f"{what}: {measure}": [
                        float(np.nanmean(each)) if np.isfinite(each).any() else None for each in v_RA
                    ]
                    for (what, measure), v_RA in of_arm.items()
                }
                for arm, of_arm in found.items()
            },
        },
    )


def _rounds(
    lab: Lab, settings: FilterBubbleSettings, arm: str, recommender: Recommender
) -> tuple[dict[tuple[str, str], np.ndarray], list[int]]:
    """(R, A) of each measure, of shown and of watched items; and the number of different items shown, by round."""
    setting = lab.setting
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    n_different = []
    for number in range(1, settings.rounds + 1):
        seed = settings.seed + number * _ROUND_SEEDS
        rules = settings.rules().model_copy(update={"seed": seed})
        played = lab.play(
            rules, recommender, Staying(lab.mind(seed=seed)), setting=setting, name=f"{arm}, round {number}"
        )
        state = played.feed.state
        n_different.append(len(np.unique(state.shown_AP[state.shown_AP >= 0])))
        watched = [items[:n] for items, n in zip(state.watched_AP, state.n_watched_A.tolist(), strict=True)]
        first_AV = np.where(
            (state.n_watched_A >= settings.watched)[:, None], _first(state.watched_AP, settings.watched), -1
        )
        for what, items_AP in (("shown", state.shown_AP), ("watched", first_AV)):
            for measure, values_A in variety(items_AP, setting.facts.categories_NC).items():
                found.setdefault((what, measure), []).append(values_A)
        population = with_more(setting.population, Ragged.from_lists(watched))
        setting = replace(setting, population=population, known=played.feed.known_now())
        if arm == LEARNING and number < settings.rounds:
            recommender.fit(setting.known)
    return {key: np.array(rows) for key, rows in found.items()}, n_different


def _first(items_AP: np.ndarray, n: int) -> np.ndarray:
    """(A, n) the first items, -1 where a row is shorter."""
    return np.pad(items_AP, ((0, 0), (0, n)), constant_values=-1)[:, :n]


def with_more(population: Population, extra: Ragged) -> Population:
    """The same agents with longer histories; new items have no rating."""
    own = Ragged(population.ratings, population.histories.offsets)
    ratings = [np.concatenate([old, np.full(len(new), np.nan)]) for old, new in zip(own, extra, strict=True)]
    histories = [np.concatenate(pair) for pair in zip(population.histories, extra, strict=True)]
    return replace(
        population, histories=Ragged.from_lists(histories), ratings=np.concatenate(ratings).astype(np.float32)
    )


def variety(items_AP: np.ndarray, categories_NC: sparse.csr_array) -> dict[str, np.ndarray]:
    """(A,) of each of `MEASURES`; an item counts 1, shared among its genres. NaN for agents without an item of any.

    Parameters
    ----------
    items_AP
        (A, P) items, -1 for none.
    """
    row, place = np.nonzero(items_AP >= 0)
    ones = np.ones(len(row))
    items_AN = sparse.csr_array((ones, (row, items_AP[row, place])), shape=(len(items_AP), categories_NC.shape[0]))
    mass_AC = (items_AN @ categories_NC).toarray()
    total_A1 = mass_AC.sum(axis=1, keepdims=True)
    share_AC = mass_AC / np.where(total_A1 > 0, total_A1, np.nan)
    is_there_AC = share_AC > 0
    log_AC = np.log2(np.where(is_there_AC, share_AC, 1))
    known_A = total_A1[:, 0] > 0
    values = (
        share_AC.max(axis=1),
        is_there_AC.sum(axis=1).astype(float),
        -(np.where(is_there_AC, share_AC, 0) * log_AC).sum(1),
    )
    return {name: np.where(known_A, each, np.nan) for name, each in zip(MEASURES, values, strict=True)}


def _slopes(values_RA: np.ndarray) -> np.ndarray:
    """(A,) least-squares slope over rounds; NaN for agents without a value in some round."""
    rounds_R1 = np.arange(len(values_RA))[:, None] - (len(values_RA) - 1) / 2
    return (rounds_R1 * values_RA).sum(axis=0) / (rounds_R1**2).sum()


def _findings(rows: Sequence[Row]) -> list[str]:
    words = {1: "learning narrows it", 0: "learning makes no sure difference", -1: "learning widens it"}
    return [
        f"{row['measure']}, of what was {row['of what was']}: {change} a round with learning, {more} to the frozen"
        f" recommender: {words[more.sign] if row['measure'] == MEASURES[0] else words[-more.sign]}."
        for row in rows
        if isinstance(change := row["change a round"], Estimate)
        and isinstance(more := row["more than frozen"], Estimate)
    ]


def _of_all_together(different: dict[str, list[int]]) -> str:
    """Variety of one agent may grow while that over all agents falls."""
    of_arms = (f"{counts[0]:,} to {counts[-1]:,} ({arm})" for arm, counts in different.items())
    return (
        f"From first to last round the different items that all agents together are shown go from {', '.join(of_arms)}."
    )


def _draw(figure: Figure, found: dict[str, dict[tuple[str, str], np.ndarray]]) -> None:
    figure.set_size_inches(9, 5)
    grid = figure.subplots(2, len(MEASURES), sharex=True)
    for axes_row, what in zip(grid, ("shown", "watched"), strict=True):
        for axes, measure in zip(axes_row, MEASURES, strict=True):
            for number, (arm, of_arm) in enumerate(found.items()):
                each_R = [mean_of(values_A) for values_A in of_arm[what, measure]]
                known = [(place + 1, each) for place, each in enumerate(each_R) if each is not None]
                x = [place for place, _ in known]
                axes.plot(x, [each.mean for _, each in known], "o-", ms=3, color=f"C{number}", label=arm)
                low, high = [each.low for _, each in known], [each.high for _, each in known]
                axes.fill_between(x, low, high, color=f"C{number}", alpha=0.2, lw=0)
            axes.set_title(f"{what}: {measure}", fontsize=9)
            axes.grid(alpha=0.3)
    for axes in grid[-1]:
        axes.set_xlabel("round")
    grid[0][0].legend(fontsize=7)


EXPERIMENT = Experiment(
    "filter-bubble", "Do people who live with a recommender see less and less?", FilterBubbleSettings, run
)
