"""Taste alignment: do agents recognise held-out items of their user? Zhang et al., SIGIR 2024, section 4.1.

    recgpt experiment taste-alignment --dataset data/demo

Each agent judges whether each of 20 items fits: for every item that its user really took later, m that it never took.
Taken items are popular, so that random negatives can be recognised by popularity alone. Controls use only popularity,
and a second kind of negatives is as popular as the positives.

Shapes: A agents, S candidates, N items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.simulate.experiments.base import Experiment, Lab, LLMSettings, bootstrap, difference, first_pages
from recgpt.simulate.experiments.result import Estimate, Result, Row
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.feed.minds.base import Mind
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind

PUBLISHED = {1: (0.69, 0.70), 2: (0.65, 0.59), 3: (0.67, 0.54), 9: (0.62, 0.32)}
"""Accuracy and F1 of the published GPT-3.5 agents on MovieLens-1M, by m."""
NEGATIVES = ("random", "as popular")
MEASURES = ("accuracy", "precision", "recall", "f1")
Negatives = Literal["random", "as popular"]
_NEAR = 50  # number of unseen items of similar popularity from which a negative is sampled


class TasteAlignmentSettings(LLMSettings):
    """Settings of `taste-alignment`."""

    candidates: int = Field(default=20, ge=2, description="items an agent judges")
    ratios: tuple[int, ...] = Field(default=(1, 2, 3, 9), min_length=1, description="unseen items per real one")


@dataclass(frozen=True)
class Task:
    """Candidates of agents.

    Attributes
    ----------
    agent_A
        (A,) agents that judge.
    items_AS
        (A, S) items to judge, in random order.
    taken_AS
        (A, S) bool, whether the person really took it; as many in every row.
    """

    agent_A: np.ndarray
    items_AS: np.ndarray
    taken_AS: np.ndarray


def n_positives(n_candidates: int, ratio: int) -> int:
    """How many of the candidates are real, 1 to `ratio` that are not; at least one of each."""
    return min(max(round(n_candidates / (1 + ratio)), 1), n_candidates - 1)


def askable(held_out: Ragged, n_needed: int) -> np.ndarray:
    """Agents with enough held-out items.

    Raises
    ------
    SimulationError
        There are fewer than two.
    """
    agent_A = np.flatnonzero(held_out.lengths >= n_needed)
    if len(agent_A) < 2:
        raise SimulationError(
            f"{len(agent_A)} of {len(held_out)} agents have {n_needed} held-out items: use more agents,"
            " fewer candidates or larger ratios"
        )
    return agent_A


def draw_task(lab: Lab, agent_A: np.ndarray, n_real: int, n_candidates: int, negatives: Negatives, seed: int) -> Task:
    """Draw the candidates of each agent, independently of the other agents of the call."""
    count_N = lab.setting.facts.count_N
    items_AS = np.empty((len(agent_A), n_candidates), dtype=np.int64)
    taken_AS = np.zeros_like(items_AS, dtype=bool)
    for row, agent in enumerate(agent_A.tolist()):
        rng = np.random.default_rng([seed, agent, n_real, NEGATIVES.index(negatives)])
        real = rng.choice(lab.setting.held_out[agent], n_real, replace=False)
        unseen_N = np.ones(len(count_N), dtype=bool)
        unseen_N[lab.setting.population.histories[agent]] = False
        unseen_N[lab.setting.held_out[agent]] = False
        unseen = np.flatnonzero(unseen_N)
        n_unreal = n_candidates - n_real
        if len(unseen) < n_unreal:
            raise SimulationError(
                f"agent {agent} has {len(unseen)} unseen items, {n_unreal} are needed: use fewer candidates"
            )
        if negatives == "random":
            unreal = rng.choice(unseen, n_unreal, replace=False)
        else:
            unreal = _as_popular(rng, real, unseen, count_N, n_unreal)
        order = rng.permutation(n_candidates)
        items_AS[row] = np.concatenate([real, unreal])[order]
        taken_AS[row] = order < n_real
    return Task(agent_A, items_AS, taken_AS)


def _as_popular(
    rng: np.random.Generator, real: np.ndarray, unseen: np.ndarray, count_N: np.ndarray, n: int
) -> np.ndarray:
    """For each real item in turn one of the unseen items of about its popularity that is not drawn yet.

    The real item has any place in their order with equal chance. Were it always in the middle, the most popular of
    many candidates would surely be unreal.
    """
    drawn: list[int] = []
    in_order = unseen[np.lexsort((rng.random(len(unseen)), count_N[unseen]))]  # of equals, in any order
    counts, width = count_N[in_order], min(_NEAR, max(n, len(in_order) // 20))
    before = np.searchsorted(counts, count_N[real], "left"), np.searchsorted(counts, count_N[real], "right")
    starts = rng.integers(*before, endpoint=True) - rng.integers(0, width, size=len(real), endpoint=True)
    starts = np.clip(starts, 0, len(in_order) - width)
    is_free = np.ones(len(in_order), dtype=bool)
    for number in range(n):
        start = int(starts[number % len(real)])
        near = start + np.flatnonzero(is_free[start : start + width])
        place = int(rng.choice(near if len(near) else np.flatnonzero(is_free)))
        is_free[place] = False
        drawn.append(int(in_order[place]))
    return np.array(drawn)


# --- who answers ---


def answers_of(lab: Lab, mind: Mind, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Answers of a mind, as it decides in a feed.

    Returns
    -------
    (A, S) bool, whether each candidate fits; and (A,) bool, whether the agent answered.
    """
    decided = mind.decide(first_pages(task.agent_A, _behind_a_gap(task.items_AS)), lab.no_memory())
    return decided.aligned_AS[:, 1:], ~decided.failed_A


def best_guesses(lab: Lab, mind: ScriptedMind, task: Task, n_yes: int) -> np.ndarray:
    """(A, S) bool: yes to the `n_yes` candidates that fit best, as a judge who knows how many are real."""
    log_odds_AS = mind.align_log_odds(first_pages(task.agent_A, _behind_a_gap(task.items_AS)), lab.no_memory())
    return best(log_odds_AS[:, 1:], n_yes)


def _behind_a_gap(items_AS: np.ndarray) -> np.ndarray:
    """Candidates are a set: an empty first slot takes what scripted agents add to whatever comes first."""
    return np.pad(items_AS, ((0, 0), (1, 0)), constant_values=-1)


def best(scores_AS: np.ndarray, n_yes: int) -> np.ndarray:
    """(A, S) bool: the `n_yes` highest of each row, of equal ones the first."""
    chosen_AS = np.zeros(scores_AS.shape, dtype=bool)
    np.put_along_axis(chosen_AS, np.argsort(-scores_AS, axis=1, kind="stable")[:, :n_yes], True, axis=1)
    return chosen_AS


def by_popularity(facts: ItemFacts, task: Task, n_yes: int) -> np.ndarray:
    """(A, S) bool: yes to the most popular, for every agent."""
    return best(facts.count_N[task.items_AS], n_yes)


def by_chance(task: Task, n_yes: int, seed: int) -> np.ndarray:
    """(A, S) bool: yes to any."""
    return best(np.random.default_rng([seed, 4]).random(task.items_AS.shape), n_yes)


# --- how well ---


def scores(yes_AS: np.ndarray, taken_AS: np.ndarray) -> dict[str, Estimate | None]:
    """Accuracy, precision, recall and F1 over all judgements, with intervals over agents."""
    right_A = (yes_AS & taken_AS).sum(axis=1)
    yes_A, real_A = yes_AS.sum(axis=1), taken_AS.sum(axis=1)
    correct_A = (yes_AS == taken_AS).sum(axis=1)
    n_candidates = yes_AS.shape[1]

    def share(above_A: np.ndarray, below_A: np.ndarray, drawn: np.ndarray) -> float:
        below = below_A[drawn].sum()
        return float(above_A[drawn].sum() / below) if below else float("nan")

    def of(above_A: np.ndarray, below_A: np.ndarray) -> Estimate | None:
        return bootstrap(lambda drawn: share(above_A, below_A, drawn), len(yes_A))

    return {
        "accuracy": of(correct_A, np.full(len(yes_A), n_candidates)),
        "precision": of(right_A, yes_A),
        "recall": of(right_A, real_A),
        "f1": of(2 * right_A, yes_A + real_A),
    }


def accuracy_of(yes_AS: np.ndarray, taken_AS: np.ndarray) -> np.ndarray:
    """(A,) share of right answers."""
    return (yes_AS == taken_AS).mean(axis=1)


def run(lab: Lab, settings: TasteAlignmentSettings) -> Result:
    """See the module."""
    facts, seed = lab.setting.facts, settings.seed
    needed = max(n_positives(settings.candidates, ratio) for ratio in settings.ratios)
    agent_A = askable(lab.setting.held_out, needed)
    mind = lab.mind()
    llm_minds = settings.llm_minds()
    llm = llm_minds and llm_minds(lab.setting.population, facts)
    rows: list[Row] = []
    against: dict[tuple[int, str], Estimate | None] = {}
    failed: dict[str, int] = {}  # agents without an answer of the language model, by task
    for ratio in settings.ratios:
        n_real = n_positives(settings.candidates, ratio)
        for negatives in NEGATIVES:
            task = draw_task(lab, agent_A, n_real, settings.candidates, negatives, seed)  # type: ignore[arg-type]
            answers = {
                "agents": answers_of(lab, mind, task)[0],
                "agents told the share": best_guesses(lab, mind, task, n_real),
                "popular half": by_popularity(facts, task, settings.candidates // 2),
                "popular, told the share": by_popularity(facts, task, n_real),
                "chance, told the share": by_chance(task, n_real, seed),
            }
            answered = {who: np.ones(len(agent_A), dtype=bool) for who in answers}
            if llm is not None:
                answers["language model"], answered["language model"] = answers_of(lab, llm, task)
                failed[f"1:{ratio}, {negatives}"] = int((~answered["language model"]).sum())
            published = PUBLISHED.get(ratio, (None, None)) if negatives == "random" else (None, None)
            for who, yes_AS in answers.items():
                is_agents, did_A = who in ("agents", "language model"), answered[who]
                rows.append(
                    {
                        "1:m": f"1:{ratio}",
                        "negatives": negatives,
                        "who": who,
                        "says yes": float(yes_AS[did_A].mean()) if did_A.any() else None,
                        **scores(yes_AS[did_A], task.taken_AS[did_A]),
                        "published accuracy": published[0] if is_agents else None,
                        "published f1": published[1] if is_agents else None,
                    }
                )
            against[ratio, negatives] = difference(
                accuracy_of(answers["agents told the share"], task.taken_AS),
                accuracy_of(answers["popular, told the share"], task.taken_AS),
            )
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            f"{len(agent_A)} of {len(lab.setting.population)} agents, those with {needed} held-out items or more, judge"
            f" {settings.candidates} candidates each: 1 taken later to m never taken, drawn at random or as popular as"
            " those taken. Agents answer as in a feed; “told the share” answers yes to as many as are real, which takes"
            " away how readily one says yes. Popularity controls know only how many people took an item. Figures are"
            " over all judgements, intervals over agents. Published: GPT-3.5 on MovieLens-1M, random negatives."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(against),
        [
            "A scripted agent’s preferences were fitted to choices of other people of such data: this says how well the"
            " model carries over, not that it reasons about taste.",
            "An item never taken need not be disliked: the best possible accuracy is below 1.",
            "Agents with many held-out items are heavy users; others may be harder or easier to know.",
            "The published figures are of other people and another draw; only the controls are on the same candidates.",
            *(
                [f"The language model gave no valid answer for some agents, who are left out: {failed}."]
                if any(failed.values())
                else []
            ),
        ],
        lambda figure: _draw(figure, rows, settings.ratios),
        {"agents asked": len(agent_A), **({"agents failed": failed} if llm is not None else {})},
    )


def _findings(against: dict[tuple[int, str], Estimate | None]) -> list[str]:
    words = {
        1: "more often right than popularity alone",
        0: "not surely better or worse than popularity alone",
        -1: "less often right than popularity alone",
    }
    return [
        f"1:{ratio}, negatives {negatives}: agents told the share are {words[each.sign]} (accuracy by {each})."
        for (ratio, negatives), each in against.items()
        if each is not None
    ]


def _draw(figure: Figure, rows: Sequence[Row], ratios: Sequence[int]) -> None:
    figure.set_size_inches(9, 4.2)
    for axes, negatives in zip(figure.subplots(1, 2, sharey=True), NEGATIVES, strict=True):
        of_these = [row for row in rows if row["negatives"] == negatives]
        for who in dict.fromkeys(str(row["who"]) for row in of_these):
            found = [row["accuracy"] for row in of_these if row["who"] == who]
            known = [each for each in found if isinstance(each, Estimate)]
            if not known:
                continue
            bars = [[each.mean - each.low for each in known], [each.high - each.mean for each in known]]
            axes.errorbar(range(len(known)), [each.mean for each in known], bars, fmt="o-", ms=4, capsize=2, label=who)
        if negatives == "random":
            accuracy = [PUBLISHED[ratio][0] if ratio in PUBLISHED else np.nan for ratio in ratios]
            axes.plot(range(len(ratios)), accuracy, "k*", ms=8, label="published agents")
        axes.set_xticks(range(len(ratios)), [f"1:{ratio}" for ratio in ratios])
        axes.set(title=f"negatives {negatives}", xlabel="real to unseen")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("accuracy")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)


EXPERIMENT = Experiment("taste-alignment", "Do agents know what their person really took?", TasteAlignmentSettings, run)
