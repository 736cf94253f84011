"""Believability: are a person's last films recognised among others? Wang et al., TOIS 43(2):55, 2025, section 4.1.

    recgpt experiment believability --dataset data/demo --set agents=300
    recgpt experiment believability --dataset data/recagent --set past=data/movielens_1m --set agents=6040

Of each real person the last `a` items are mixed with `b` that it never took, and a chooser picks `a`: the score is the
mean share of the person's items among those picked, |S ∩ T| / |T|. The published figures are of 20 people with
negatives drawn at random, which the popularity of the items gives away. A second kind of negatives is as popular as the
positives: the catalogue is cut into strata of popularity, and the negatives of an item come from its own stratum, each
with a probability in proportion to its popularity, so that within a stratum positives and negatives are drawn alike.

Shapes: A people, S candidates, N items, C genres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field
from scipy import sparse

from recgpt.data.ragged import Ragged
from recgpt.errors import ConfigError, SimulationError
from recgpt.simulate.agents.population import Population
from recgpt.simulate.experiments.base import BasicSettings, Experiment, difference, mean_of
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates
from recgpt.simulate.experiments.society.past import PastLab
from recgpt.simulate.worlds.society.minds.parameters import Parameters
from recgpt.simulate.worlds.society.minds.tastes import Tastes

NEGATIVES = ("at random", "as popular")
CHANCE, POPULARITY, GENRES = "chance", "popularity", "genre profile"
PROFILE, INTERESTS, PROFILE_INTERESTS = (
    "age, gender, job",
    "person by interests",
    "person by interests, age, gender, job",
)
PERSON, PERSON_PROFILE = "person by past", "person by past, age, gender, job"
PROFILE_WEIGHTS = (1.0, 0.4)
"""Coefficients of the log lifts by age and gender, and by job; see benchmarks/society/calibration.py."""
_ROWS = 256  # people whose whole catalogue is scored at a time

Chooser = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From (A,) people and (A, S) candidates to (A, S) scores, the highest fits best."""


class BelievabilitySettings(BasicSettings):
    """Settings of `believability`."""

    tasks: tuple[str, ...] = Field(
        default=("1+5", "3+3", "3+6", "1+9"), min_length=1, description="a+b: the last a items among b never taken"
    )
    past: str | None = Field(default=None, description="data set folder with the past of the films of item.csv")
    recommenders: tuple[str, ...] = Field(
        default=("item_knn", "text_knn"),
        description="registered names, which choose as well; recgpt's shipped weights may have seen the people",
    )
    strata: int = Field(default=20, ge=1, description="of popularity, with equal numbers of items")

    def sizes(self) -> list[tuple[int, int]]:
        """(a, b) of each task.

        Raises
        ------
        ConfigError
            A task is not of the form a+b with whole numbers above 0.
        """
        return [_size(task) for task in self.tasks]


@dataclass(frozen=True)
class Task:
    """Candidates of people.

    Attributes
    ----------
    person_A
        (A,) people.
    items_AS
        (A, S) candidates in random order.
    taken_AS
        (A, S) bool, whether the person took it.
    """

    person_A: np.ndarray
    items_AS: np.ndarray
    taken_AS: np.ndarray


def _size(task: str) -> tuple[int, int]:
    parts = task.split("+")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"tasks={task}: not of the form a+b with whole numbers above 0, such as 1+5")
    return int(parts[0]), int(parts[1])


def strata_of(count_N: np.ndarray, n_strata: int) -> np.ndarray:
    """(N,) stratum of each item, 0 for the least popular; as many items in each as can be."""
    rank_N = np.empty(len(count_N), dtype=np.int64)
    rank_N[np.argsort(count_N, kind="stable")] = np.arange(len(count_N))
    return rank_N * n_strata // len(count_N)


def draw_task(lab: PastLab, n_taken: int, n_others: int, negatives: str, settings: BelievabilitySettings) -> Task:
    """Candidates of all people that have enough items that they never took.

    Raises
    ------
    SimulationError
        There are fewer than two such people.
    """
    count_N = lab.facts.count_N.astype(np.float64)
    stratum_N = strata_of(count_N, settings.strata) if negatives == "as popular" else np.zeros(len(count_N), np.int64)
    weight_N = np.maximum(count_N, 1) if negatives == "as popular" else np.ones(len(count_N))
    person, items, taken = [], [], []
    for each in range(len(lab.people)):
        rng = np.random.default_rng([settings.seed, each, n_taken, n_others, NEGATIVES.index(negatives)])
        positives = lab.hidden[each][-n_taken:]
        unseen_N = np.ones(len(count_N), dtype=bool)
        unseen_N[lab.people.population.histories[each]] = False
        unseen_N[lab.hidden[each]] = False
        drawn = _drawn(rng, positives, unseen_N, stratum_N, weight_N, n_others)
        if drawn is None:
            continue
        order = rng.permutation(n_taken + n_others)
        person.append(each)
        items.append(np.concatenate([positives, drawn])[order])
        taken.append(order < n_taken)
    if len(person) < 2:
        raise SimulationError(
            f"{n_taken}+{n_others}: {len(person)} of {len(lab.people)} people have enough items that they never took"
            f" in {settings.strata} strata of popularity: use fewer strata or other tasks"
        )
    return Task(np.array(person), np.array(items), np.array(taken))


def _drawn(
    rng: np.random.Generator,
    positives: np.ndarray,
    unseen_N: np.ndarray,
    stratum_N: np.ndarray,
    weight_N: np.ndarray,
    n_others: int,
) -> np.ndarray | None:
    """Unseen items of the strata of the positives in turn; None where a stratum has too few."""
    free_N, drawn = unseen_N.copy(), []
    n_of_positive = np.bincount(np.arange(n_others) % len(positives), minlength=len(positives))
    for positive, n in zip(positives.tolist(), n_of_positive.tolist(), strict=True):
        pool = np.flatnonzero(free_N & (stratum_N == stratum_N[positive]))
        if len(pool) < n:
            return None
        drawn.append(rng.choice(pool, n, replace=False, p=weight_N[pool] / weight_N[pool].sum()))
        free_N[drawn[-1]] = False
    return np.concatenate(drawn)


# --- who chooses ---


def choosers_of(lab: PastLab, settings: BelievabilitySettings) -> dict[str, Chooser]:
    """All choosers by name: controls, the society's mind by its inputs, and recommenders."""
    found: dict[str, Chooser] = {
        CHANCE: lambda person_A, items_AS: np.zeros(items_AS.shape),
        POPULARITY: lambda person_A, items_AS: lab.facts.count_N[items_AS],
    }
    if lab.facts.categories_NC is not None:
        found[GENRES] = by_genres(lab.people.population.histories, lab.facts.categories_NC)
    profile = None if lab.profile is None else _by_profile(*lab.profile)
    interests, past = (_by_appeal(people.population, lab) for people in (lab.newcomers, lab.people))
    found[INTERESTS] = interests
    if profile is not None:
        found |= {PROFILE: profile, PROFILE_INTERESTS: _both(interests, profile)}
    found[PERSON] = past
    if profile is not None:
        found[PERSON_PROFILE] = _both(past, profile)
    return found | {name: _by_recommender(lab, name) for name in settings.recommenders}


def by_genres(histories: Ragged, categories_NC: sparse.csr_array) -> Chooser:
    """Chooser by how large a share of the person's past the item's genres have."""
    rows = np.repeat(np.arange(len(histories)), histories.lengths)
    shape = (len(histories), categories_NC.shape[0])
    profile_AC = (sparse.csr_array((np.ones(len(rows)), (rows, histories.values)), shape=shape) @ categories_NC).tocsr()

    def scores(person_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        profiles_AC = profile_AC[person_A].toarray()
        return np.stack([(categories_NC[items_A] * profiles_AC).sum(axis=1) for items_A in items_AS.T], axis=1)

    return scores


def _by_appeal(population: Population, lab: PastLab) -> Chooser:
    """Chooser by the log weights with which the scripted mind of a society watches items of a page."""
    model = Parameters.load()
    tastes = Tastes(population, lab.facts, model.watch, model.rating, lab.seed)

    def scores(person_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        return tastes.appeal(person_A, items_AS, np.full((len(person_A), 1), -1))  # nothing watched in a run

    return scores


def _by_profile(lift_GN: np.ndarray, group_2A: np.ndarray) -> Chooser:
    """Chooser by how much more often people of the same age and gender, and of the same job, take an item."""

    def scores(person_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        of_groups = (
            weight * lift_GN[group_A[person_A][:, None], items_AS]
            for weight, group_A in zip(PROFILE_WEIGHTS, group_2A, strict=True)
        )
        return np.asarray(sum(of_groups))

    return scores


def _both(one: Chooser, other: Chooser) -> Chooser:
    return lambda person_A, items_AS: one(person_A, items_AS) + other(person_A, items_AS)


def _by_recommender(lab: PastLab, name: str) -> Chooser:
    """Chooser by the score of a recommender that was fitted without the hidden items."""
    recommender = lab.fitted(name)

    def scores(person_A: np.ndarray, items_AS: np.ndarray) -> np.ndarray:
        found_AS = np.empty(items_AS.shape)
        for start in range(0, len(person_A), _ROWS):
            rows = slice(start, start + _ROWS)
            ranking = recommender.rank(lab.people.population.histories[person_A[rows]], len(lab.facts))
            of_catalogue_AN = np.full((len(ranking.ids), len(lab.facts)), -np.inf)
            place = np.nonzero(ranking.ids >= 0)
            of_catalogue_AN[place[0], ranking.ids[place]] = ranking.scores[place]
            found_AS[rows] = np.take_along_axis(of_catalogue_AN, items_AS[rows], axis=1)
        return found_AS

    return scores


def recognised(scores_AS: np.ndarray, taken_AS: np.ndarray, seed: int) -> np.ndarray:
    """(A,) |S ∩ T| / |T| of the best-scored candidates S, as many as were taken; of equal scores any."""
    n_taken = int(taken_AS[0].sum())
    any_AS = np.random.default_rng([seed, 7]).random(scores_AS.shape)
    order_AS = np.lexsort((any_AS, -scores_AS), axis=1)[:, :n_taken]
    return np.asarray(np.take_along_axis(taken_AS, order_AS, axis=1).mean(axis=1))


# --- the experiment ---


def run(lab: PastLab, settings: BelievabilitySettings) -> Result:
    """See the module."""
    choosers = choosers_of(lab, settings)
    rows: list[Row] = []
    asked: dict[str, int] = {}
    for name, (n_taken, n_others) in zip(settings.tasks, settings.sizes(), strict=True):
        for negatives in NEGATIVES:
            task = draw_task(lab, n_taken, n_others, negatives, settings)
            asked[f"{name}, {negatives}"] = len(task.person_A)
            right = {
                who: recognised(chooser(task.person_A, task.items_AS), task.taken_AS, settings.seed)
                for who, chooser in choosers.items()
            }
            for who, right_A in right.items():
                rows.append(
                    {
                        "task": name,
                        "negatives": negatives,
                        "who chooses": who,
                        "recognised": mean_of(right_A),
                        "more than popularity": None if who == POPULARITY else difference(right_A, right[POPULARITY]),
                        "expected of chance": n_taken / (n_taken + n_others),
                        "people": len(task.person_A),
                    }
                )
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"The last items of {len(lab.people)} users among items that they never took; as many are picked as were"
            " taken. All choosers see the same candidates. Nothing was fitted on hidden items: popularity is of the"
            f" known interactions, recommenders are fitted on them. Negatives “{NEGATIVES[1]}”: of the same of"
            f" {settings.strata} strata of popularity, in proportion to popularity; people who took nearly all of a"
            " stratum are left out there. Intervals over people, differences paired."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(rows),
        [
            "An item never taken need not be disliked: the best possible share is below 1.",
            "Recognising what somebody took next among other items says nothing about how talk, posts or feelings of a"
            " simulated person read; the paper's human comparison is not repeated.",
            "The persons' coefficients were fitted to choices of MovieLens users, on MovieLens-1M four fifths of these"
            " people, see benchmarks/society/calibration.py: a person weighs, it does not reason.",
            "Interests are the three most frequent genres of a person's own past.",
            "Recommenders, and shares of people of the same age, gender or job, see what other users took at any time,"
            " later than the person's own last items as well.",
        ],
        lambda figure: _draw(figure, rows, settings.tasks),
        {"people asked": asked},
    )


def _findings(rows: Sequence[Row]) -> list[str]:
    words = {1: "more than popularity", 0: "not surely more or less than popularity", -1: "less than popularity"}
    return [
        f"{row['task']}, negatives {row['negatives']}: {row['who chooses']} recognises {row['recognised']},"
        f" {words[more.sign]} ({more})."
        for row in rows
        if row["who chooses"] not in (CHANCE, GENRES) and isinstance(more := row["more than popularity"], Estimate)
    ]


def _draw(figure: Figure, rows: Sequence[Row], tasks: Sequence[str]) -> None:
    figure.set_size_inches(3 * len(tasks), 5.5)
    grid = figure.subplots(len(NEGATIVES), len(tasks), squeeze=False, sharex=True, sharey="row")
    for negatives, of_kind in zip(NEGATIVES, grid, strict=True):
        for task, axes in zip(tasks, of_kind, strict=True):
            of_these = [row for row in rows if row["task"] == task and row["negatives"] == negatives]
            names = [str(row["who chooses"]) for row in of_these]
            found = [each if isinstance(each := row["recognised"], Estimate) else None for row in of_these]
            draw_estimates(axes, names, found, label="recognised")
            chance = of_these[0]["expected of chance"]
            axes.axvline(float(chance) if isinstance(chance, float) else 0, color="0.5", ls=":", lw=1)
            axes.set_title(f"{task}, {negatives}", fontsize=9)


def _lab(dataset: str, settings: BelievabilitySettings) -> PastLab:
    n_hidden = max(n_taken for n_taken, _ in settings.sizes())
    return PastLab.of(dataset, agents=settings.agents, n_hidden=n_hidden, seed=settings.seed, past=settings.past)


EXPERIMENT = Experiment(
    "believability", "Are a person's last items recognised among others?", BelievabilitySettings, run, _lab
)
