"""Page enhancement: whether a recommender gains from agents' feedback. Zhang et al., SIGIR 2024, section 4.3.

    recgpt experiment page-enhancement --dataset data/demo

Agents browse a feed; then the recommender learns from items that they viewed, from items shown but not viewed,
from random items, or from their users' held-out items, as many of each. If agents are like people, items that they
viewed predict their users' later choices better than random items, and less than held-out ones.

Shapes: A agents, K places of a ranked list, N items.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.recommenders.base import Recommender
from recgpt.simulate.experiments.base import (
    Experiment,
    FeedSettings,
    K,
    Lab,
    Played,
    difference,
    held_out_metrics,
    mean_of,
)
from recgpt.simulate.experiments.result import Estimate, Result, Row, draw_estimates

ARMS = ("viewed", "unviewed", "random", "real")
COMPARED = (("viewed", "unviewed"), ("viewed", "before"), ("unviewed", "before"), ("real", "before"))
MEASURES = (f"hit@{K}", f"ndcg@{K}")


class PageEnhancementSettings(FeedSettings):
    """Settings of `page-enhancement`."""

    recommenders: tuple[str, ...] = Field(
        default=("item_knn", "hybrid_knn", "recgpt"), min_length=1, description="registered names"
    )


def run(lab: Lab, settings: PageEnhancementSettings) -> Result:
    """See the module."""
    rows: list[Row] = []
    changes: dict[tuple[str, str, str], Estimate | None] = {}
    added: dict[str, Any] = {}
    for name in settings.recommenders:
        played = lab.play(settings.rules(), lab.fitted(name), lab.mind())
        additions, untouched = _additions(lab, played, settings.seed)
        n_each = int(additions["viewed"].lengths.sum())
        if not n_each:
            raise SimulationError(
                f"{name}: no agent with held-out items viewed some items of a page and not others: use more agents"
                " or pages"
            )
        added[name] = {"items added in each arm": n_each, "agents": int((additions["viewed"].lengths > 0).sum())}
        nothing = Ragged.from_lists([[]] * len(lab.setting.population))
        found = {
            arm: _measured(lab, lab.make(name), extra, untouched)
            for arm, extra in {"before": nothing, **additions}.items()
        }
        for arm, measures in found.items():
            row: Row = {"recommender": name, "added": arm}
            for measure in MEASURES:
                change = None if arm == "before" else difference(measures[measure], found["before"][measure])
                row |= {measure: mean_of(measures[measure]), f"change of {measure}": change}
            rows.append(row)
        for arm, base in COMPARED:
            changes[name, arm, base] = difference(found[arm][MEASURES[1]], found[base][MEASURES[1]])
    return Result(
        EXPERIMENT.name,
        EXPERIMENT.question,
        (
            "Agents browse a feed. Then the recommender is fitted anew on what is known and, at the end of each agent’s"
            " history, items it viewed, items it was shown and did not view, items drawn at random, or what its person"
            " really took next: of each agent the same number in every arm. Measured is the ranking of what the agents’"
            " persons really took later."
            " Whatever an agent was shown, or had added in any arm, is neither ranked nor asked for, so that all arms"
            " rank the same items for the same targets. Changes are paired, intervals over agents."
        ),
        settings.model_dump(),
        lab.about(),
        rows,
        _findings(changes),
        [
            "Targets that the feed showed are left out, and they were the easiest: figures are lower than in an"
            " evaluation of the same recommender, and compare only within this table.",
            "Recommenders that weigh recent items more are moved most by what comes last, here by the added items: any"
            " arm can lose to no addition at all. Only arms with as many added items compare.",
            "A gain says that agents’ views carry taste that the history alone did not bring to the recommender;"
            " scripted agents read the same history through a model fitted to other people’s choices.",
            "The publication does not match the number of added items between arms, and uses other recommenders.",
        ],
        lambda figure: _draw(figure, rows),
        {"added": added},
    )


def _additions(lab: Lab, played: Played, seed: int) -> tuple[dict[str, Ragged], Ragged]:
    """For each arm the items added to each agent's history, equally many; and the items that no arm may rank."""
    state, setting = played.feed.state, lab.setting
    n_items = len(setting.facts)
    lists: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
    touched: list[np.ndarray] = []
    for agent in range(len(setting.population)):
        rng = np.random.default_rng([seed, agent, 2])
        shown = state.shown_AP[agent, : state.n_shown_A[agent]]
        viewed = state.watched_AP[agent, : state.n_watched_A[agent]]
        unviewed = shown[~np.isin(shown, viewed)]
        held_out = setting.held_out[agent]
        real = held_out[~np.isin(held_out, shown)]
        is_free_N = np.ones(n_items, dtype=bool)
        is_free_N[setting.population.histories[agent]] = False
        is_free_N[shown] = False
        is_free_N[held_out] = False
        free = np.flatnonzero(is_free_N)
        n = min(len(viewed), len(unviewed), len(free), len(real) // 2)  # half of the held-out items stay targets
        for arm, pool in (("viewed", viewed), ("unviewed", unviewed), ("random", free)):
            lists[arm].append(pool[np.sort(rng.choice(len(pool), n, replace=False))])
        lists["real"].append(real[:n])
        touched.append(np.concatenate([shown, lists["random"][-1], lists["real"][-1]]))
    return {arm: Ragged.from_lists(found) for arm, found in lists.items()}, Ragged.from_lists(touched)


def _measured(lab: Lab, recommender: Recommender, extra: Ragged, untouched: Ragged) -> dict[str, np.ndarray]:
    """(A,) of each measure, after fitting on the known part and `extra`; items of `untouched` are not ranked."""
    setting = lab.setting
    known = setting.population.histories
    histories = Ragged.from_lists([np.concatenate(pair) for pair in zip(known, extra, strict=True)])
    recommender.fit(grown(setting.known, setting.population.user_A, extra))
    longest = min(len(setting.facts), K + int(untouched.lengths.max(initial=0)))
    ids_AL = recommender.rank(histories, longest, exclude="history").ids
    ids_AK = np.full((len(ids_AL), K), -1, dtype=np.int64)
    targets = []
    for agent, (ids, left_out, held_out) in enumerate(zip(ids_AL, untouched, setting.held_out, strict=True)):
        kept = ids[~np.isin(ids, left_out)][:K]
        ids_AK[agent, : len(kept)] = kept
        targets.append(held_out[~np.isin(held_out, left_out)])
    return held_out_metrics(ids_AK, Ragged.from_lists(targets))


def grown(known: Dataset, user_A: np.ndarray, extra: Ragged) -> Dataset:
    """The data set with more items at the end of some users' sequences, without ratings and at its latest time."""
    events = known.interactions
    more = np.repeat(user_A, extra.lengths)
    user = np.concatenate([events.user, more]).astype(np.int32)
    order = np.argsort(user, kind="stable")

    def longer(column: np.ndarray | None, value: float) -> np.ndarray | None:
        return None if column is None else np.concatenate([column, np.full(len(more), value, column.dtype)])[order]

    now = 0 if events.timestamp is None else int(events.timestamp.max(initial=0))
    item = np.concatenate([events.item, extra.values]).astype(np.int32)[order]
    interactions = Interactions(user[order], item, longer(events.timestamp, now), longer(events.rating, np.nan))
    return Dataset(
        name=known.name,
        path=known.path,
        manifest={**known.manifest, "interactions": len(interactions)},
        items=known.items.lazy(),
        item_map=known.item_map,
        user_map=known.user_map,
        interactions=interactions,
        split=None,
    )


def _findings(changes: dict[tuple[str, str, str], Estimate | None]) -> list[str]:
    words = {1: "better than", 0: "not surely different from", -1: "worse than"}
    names = {"before": "adding none"}
    return [
        f"{name}: adding {arm} items is {words[each.sign]} {names.get(base, f'{base} ones')} (NDCG@{K} by {each})."
        for (name, arm, base), each in changes.items()
        if each is not None
    ]


def _draw(figure: Figure, rows: Sequence[Row]) -> None:
    after = [row for row in rows if row["added"] != "before"]
    figure.set_size_inches(7, 0.8 + 0.3 * len(after))
    axes = figure.subplots()
    names = [f"{row['recommender']}: {row['added']}" for row in after]
    found = [row[f"change of {MEASURES[1]}"] for row in after]
    estimates = [each if isinstance(each, Estimate) else None for each in found]
    draw_estimates(axes, names, estimates, label=f"change of NDCG@{K} on what people took later")
    axes.axvline(0, color="k", lw=0.8)


EXPERIMENT = Experiment("page-enhancement", "Is what agents viewed good to learn from?", PageEnhancementSettings, run)
