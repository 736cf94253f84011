"""Additive contribution of each feature to an item's score under the foundation model.

    explanation = catalogue.explain([0, 2], 5, titles)      # catalogue rows, oldest first; the row to explain
    explanation.groups[0].share                             # share of similar texts in all changes of the score
    Console().print(explanation.render())

    recgpt explain --items items.csv --interactions past.csv --history "Toy Story (1995); Heat (1995)" --item "Casino"

Contributions are integrated gradients of the item's logit (Sundararajan, Taly & Yan 2017, arXiv 1703.01365, section 3)
on the straight path from no evidence for the item to its evidence, with the same history. They add up to the score
minus the score of an item without evidence. They are exact for items scored by the hybrid score or by popularity.

Shapes: as `recgpt.foundation` defines them; besides, T steps of the integral, C features of the hybrid score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from rich.console import Group as Lines
from rich.table import Table
from rich.text import Text

from recgpt.catalogue import IN_HISTORY_NOTE, checked_titles, title_cell, unread_note
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.features.co_visitation import NEAR
from recgpt.features.hybrid_score import FEATURES
from recgpt.foundation.catalogue_features import CatalogueFeatures, shortlist_candidates
from recgpt.foundation.network import (
    CANDIDATE_FEATURES,
    RELATIONS,
    CalibrationWeights,
    CandidateFeature,
    Evidence,
    FoundationNetwork,
    Relation,
)
from recgpt.ranking import Exclude, Request
from recgpt.terminal import plain

if TYPE_CHECKING:
    from recgpt.foundation.catalogue import FoundationCatalogue

STEPS = 128
GROUPS = {
    "similar_texts": ("text", "words"),
    "bought_after": (
        "bought_after",
        "bought_before",
        "co_visited_after",
        "co_visited_before",
        "co_visitation",
        "cosine_co_visitation",
        "similar_co_visitation",
        "similar_cosine_co_visitation",
    ),
    "similar_histories": ("taken_by_the_same", "neighbourhood", "co_occurrence", "similar_co_occurrence"),
    "popularity": (
        "popularity",
        "log_count",
        "log_recent_count",
        "years_after_latest",
        "last_seen_years_after_latest",
        "is_known",
        "age_years",
        "popularity_week",
        "popularity_month",
        "popularity_quarter",
        "popularity_trend",
    ),
    "repeat": ("repeat",),
}
"""Group of evidence -> its relations and candidate features; the hybrid score is divided into its five features."""

_COSINES = ("text", "words", "neighbourhood")
_SCORED_BY = {
    "blend": "It is not on the shortlist that the network re-ranks: its score is a weighted sum of text and counts.",
    "popularity": "The history is empty, so items are ranked by popularity: the score is the number of interactions.",
}
_GROUP_TITLES = {
    "similar_texts": "text similar to the history",
    "bought_after": "taken near items of the history",
    "similar_histories": "taken by users with similar histories",
    "popularity": "popularity and recency",
    "repeat": "taken before",
}


@dataclass(frozen=True)
class FeatureGroup:
    """Evidence of one kind.

    Attributes
    ----------
    name
        One of `GROUPS`.
    contribution
        Contribution to the score; negative evidence lowers it.
    share
        The contribution divided by the sum of all groups' absolute contributions; 0 where that is 0.
    figures
        Contribution by relation or candidate feature; those of the same name, and hybrid features, are summed.
    """

    name: str
    contribution: float
    share: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class HistoryContribution:
    """One history item and its relations to the explained item.

    Attributes
    ----------
    position
        0-based place in the history as it was given.
    row, title
        Catalogue row and title of the history item.
    contribution
        Contribution of its relations with the explained item; None where the network did not score the item.
    times_after, times_before
        How often the explained item came at most 5 places after it, or before it, in a user's sequence.
    users_with_both
        Number of users with both among their last 100 items.
    text_cosine, words_cosine, neighbourhood_cosine
        Cosine of the whitened texts, of the TF-IDF words, and of the co-visitation rows.
    strongest
        The relation of the greatest absolute contribution (greatest absolute value, where the network did not score
        the item); None if all are 0.
    """

    position: int
    row: int
    title: str
    contribution: float | None
    times_after: int
    times_before: int
    users_with_both: int
    text_cosine: float
    words_cosine: float
    neighbourhood_cosine: float
    strongest: str | None

    def in_words(self) -> str:
        """The strongest relation with its raw number."""
        match self.strongest:
            case "bought_after":
                return f"taken {_times(self.times_after)} at most {NEAR} places after it"
            case "bought_before":
                return f"taken {_times(self.times_before)} at most {NEAR} places before it"
            case "co_visited_after" | "co_visited_before":
                return f"taken {_times(self.times_after + self.times_before)} at most {NEAR} places from it"
            case "taken_by_the_same":
                return (
                    f"{self.users_with_both:,} {'user has' if self.users_with_both == 1 else 'users have'} taken both"
                )
            case "text":
                return f"text cosine {self.text_cosine:.2f}"
            case "words":
                return f"common words, cosine {self.words_cosine:.2f}"
            case "neighbourhood":
                return f"taken with the same items, cosine {self.neighbourhood_cosine:.2f}"
        return "none"


@dataclass(frozen=True)
class FoundationExplanation:
    """Additive explanation of one item's score after one history.

    Attributes
    ----------
    row, title
        The explained item.
    score
        The score in `FoundationCatalogue.recommend`.
    baseline
        Score of an item without evidence; of the average item if the hybrid score ranks the item; 0 after an empty
        history.
    rank
        1-based place in the full ranking, history left out; the explained item itself is always ranked.
    items_ranked
        Number of ranked items.
    in_history
        Whether the history holds the item, so that `recommend` would leave it out.
    scored_by
        "network" for an item on the shortlist or in the history, "blend" (the hybrid score) for any other, "popularity"
        after an empty history.
    groups
        In the order of `GROUPS`; their contributions add up to score - baseline.
    unread
        Number of oldest history items beyond the network's input; the hybrid score counts some of them.
    history
        The positions that it reads, oldest first.
    """

    row: int
    title: str
    score: float
    baseline: float
    rank: int
    items_ranked: int
    in_history: bool
    scored_by: Literal["network", "blend", "popularity"]
    groups: tuple[FeatureGroup, ...]
    unread: int
    history: tuple[HistoryContribution, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON; all numbers are finite."""
        return asdict(self)

    def render(self) -> Lines:
        """For the terminal; titles are shown as they are, never read as styles."""
        parts: list[Text | Table] = [*self._head(), Text(), *self._group_table()]
        if self.history:
            parts += [Text(), self._history_table(), *self._history_notes()]
        return Lines(*parts)

    def _head(self) -> list[Text]:
        lines = [
            Text(plain(self.title), style="bold"),
            Text(f"score {self.score:.2f}, rank {self.rank:,} of {self.items_ranked:,}"),
        ]
        if self.scored_by in _SCORED_BY:
            lines.append(Text(_SCORED_BY[self.scored_by], "yellow"))
        if self.in_history:
            lines.append(Text(IN_HISTORY_NOTE, "yellow"))
        return lines

    def _group_table(self) -> list[Text | Table]:
        table = Table(title="Where the score comes from", title_justify="left", title_style="bold", box=None)
        table.add_column("")
        table.add_column("score", justify="right", no_wrap=True)
        table.add_column("share of the changes", justify="right")
        table.add_row(f"score of {self._baseline_item()}", f"{self.baseline:.2f}", "")
        for group in (group for group in self.groups if group.contribution):
            style = "red" if group.contribution < 0 else "green"
            changed = Text(f"{group.contribution:+z.2f}", style)
            table.add_row(_GROUP_TITLES[group.name], changed, f"{abs(group.share):.0%}")
        table.add_row("sum: score of this item", f"{self.score:.2f}", "", style="bold")
        return [table, *self._group_notes()]

    def _baseline_item(self) -> str:
        if self.scored_by == "blend":
            return "the average item"
        return "this item without any evidence" if self.in_history else "any item without evidence"

    def _group_notes(self) -> list[Text]:
        if self.scored_by != "network" or self.in_history or self.score >= self.baseline:
            return []
        start = f"Without evidence every shortlisted item would score {self.baseline:.2f}"
        return [Text(f"{start}; lower-ranked ones lose more than this one.", "dim")]

    def _history_table(self) -> Table:
        table = Table(title="History, oldest first", title_justify="left", title_style="bold", box=None)
        has_contributions = self.scored_by == "network"
        table.add_column("")
        table.add_column("title")
        if has_contributions:
            table.add_column("changes", justify="right", no_wrap=True)
        table.add_column("strongest relation to this item", no_wrap=True)
        for each in self.history:
            changed = [f"{each.contribution:+z.2f}"] if has_contributions else []
            table.add_row(str(each.position + 1), title_cell(each.title), *changed, each.in_words())
        if has_contributions:
            by_history = sum(each.contribution or 0.0 for each in self.history)
            table.add_row("", "sum of the history items", f"{by_history:+z.2f}", "", style="bold")
            rest = self.score - self.baseline - by_history
            table.add_row(
                "", "the item's own features", f"{rest:+z.2f}", "popularity, recency, fit to the whole history"
            )
            table.add_row("", "all changes together", f"{self.score - self.baseline:+z.2f}", "", style="bold")
        return table

    def _history_notes(self) -> list[Text]:
        notes = []
        if any(each.strongest in _COSINES for each in self.history):
            notes.append("cosine: 1 for the same, 0 for unrelated, below 0 for less alike than two items on average")
        if self.unread:
            notes.append(unread_note("the network", self.unread, len(self.history)))
        return [Text(note, style="dim") for note in notes]


def explain(
    catalogue: "FoundationCatalogue", history: Sequence[int], item: int, titles: Sequence[str] | None = None
) -> FoundationExplanation:
    """Explain the score of `item` after `history`.

    Parameters
    ----------
    history
        Catalogue rows, oldest first; may be empty where interactions are known.
    item
        The catalogue row to explain, which may be in the history.
    titles
        N names of the rows; None numbers them.

    Returns
    -------
    FoundationExplanation
        With the score and rank of `catalogue.recommend`.

    Raises
    ------
    DataError
        An id outside the catalogue, titles that are not one a row, an empty history and no interactions, NaN in the
        weights.
    """
    titles = checked_titles(titles, catalogue.ids)
    request = Request.checked([history], 1, "nothing", np.array([item]), n_items=len(catalogue))
    history_H = request.histories[0]
    exclude: Exclude = "nothing" if item in history_H else "history"
    ranking = catalogue.recommend(request.histories, len(catalogue), exclude=exclude)
    ids_N, scores_N = ranking.ids[0], ranking.scores[0]
    compared = (ids_N >= 0) & (~np.isin(ids_N, history_H) | (ids_N == item))
    ids_N, scores_N = ids_N[compared], scores_N[compared]
    place = np.flatnonzero(ids_N == item)
    if not len(place):
        raise DataError(
            "the history is empty and there are no interactions: name a history item, or index with interactions"
        )
    score = float(scores_N[place[0]])
    found = _Attribution.from_catalogue(catalogue, request.histories, item, score)
    return FoundationExplanation(
        row=int(item),
        title=titles[item],
        score=score,
        baseline=found.baseline,
        rank=int(place[0]) + 1,
        items_ranked=len(ids_N),
        in_history=bool((history_H == item).any()),
        scored_by=found.scored_by,
        groups=_groups(found.by_name),
        unread=len(history_H) - len(found.relations_SR),
        history=_history(catalogue.features, history_H, item, titles, found),
    )


@dataclass(frozen=True)
class _Attribution:
    """Contributions by feature name, and by relation and history position, latest first (None without the network)."""

    scored_by: Literal["network", "blend", "popularity"]
    baseline: float
    by_name: dict[str, float]
    relations_SR: np.ndarray
    added_SR: np.ndarray | None

    @classmethod
    def from_catalogue(
        cls, catalogue: "FoundationCatalogue", histories: Ragged, item: int, score: float
    ) -> "_Attribution":
        """Attribute the score of `item` after the one history in `histories`."""
        if not histories.lengths[0]:
            return cls("popularity", 0.0, {"popularity": score}, np.zeros((0, len(RELATIONS))), None)
        features, n_positions = catalogue.features, catalogue.network.config.history_items
        scores = features.hybrid_scores(histories)
        # The hybrid score is linear: feature f adds w_f (x_f - mean over the items of x_f).
        above_mean_C = np.array([each_BN[0, item] - each_BN[0].mean(dtype=np.float64) for each_BN in scores.features])
        parts_C = features.weights_F * above_mean_C
        evidence = features.evidence(histories, np.array([[item]]), scores, n_positions)
        n_read = min(int(histories.lengths[0]), n_positions)
        relations_SR = evidence.relations_BSMR[0, :n_read, 0].numpy()
        count_N, shortlist = features.past.count_N, catalogue.shortlist
        is_first = item in shortlist_candidates(histories, scores, shortlist, count_N)[0]
        follows = item in shortlist_candidates(histories, scores, shortlist + catalogue.deeper, count_N)[0]
        if not is_first and not follows and item not in histories[0]:
            by_name = dict(zip(FEATURES, parts_C.tolist(), strict=True))
            return cls("blend", score - float(parts_C.sum()), by_name, relations_SR, None)
        baseline, slope_SR, slope_F = integrated_slopes(catalogue.network, evidence, catalogue.calibration)
        added_SR = slope_SR[:n_read] * relations_SR
        added_F = slope_F * evidence.items_BMF[0, 0].numpy()
        by_name = dict(zip(RELATIONS, added_SR.sum(axis=0).tolist(), strict=True))
        by_feature = dict(zip(CANDIDATE_FEATURES, added_F.tolist(), strict=True))
        del by_feature[CandidateFeature.HYBRID_SCORE.name.lower()]
        # Standardising the hybrid score is linear: its slope, divided by its spread, holds for each of its features.
        slope = slope_F[CandidateFeature.HYBRID_SCORE]
        by_hybrid = (slope * parts_C / (scores.score_BN[0].std() or 1)).tolist()
        for more in (by_feature, dict(zip(FEATURES, by_hybrid, strict=True))):
            for name, added in more.items():
                by_name[name] = by_name.get(name, 0.0) + added
        if item in histories[0]:  # the score: weight of the logit x logit + what is counted of repeats
            weight = float(catalogue.repeats.weight_W[-1])
            by_name = {name: weight * added for name, added in by_name.items()}
            baseline, added_SR = weight * baseline, weight * added_SR
            by_name["repeat"] = score - baseline - sum(by_name.values())
        elif not is_first:  # logits behind the shortlist are shifted, all alike: baseline
            baseline = score - sum(by_name.values())
        return cls("network", baseline, by_name, relations_SR, added_SR)


def integrated_slopes(
    network: FoundationNetwork, evidence: Evidence, calibration: CalibrationWeights | None = None, steps: int = STEPS
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean gradient of a logit between no evidence and `evidence`, by the midpoint rule.

    Parameters
    ----------
    evidence
        Of one query with one candidate.
    calibration
        Calibration of the logits to the catalogue.

    Returns
    -------
    tuple
        The logit without evidence; float64 gradients by relation (S, R) and by candidate feature (F,). Gradient times
        evidence is the contribution; all contributions add up to the logit minus the logit without evidence.
    """
    midpoints_T = (torch.arange(steps) + 0.5) / steps

    def scaled(scale_T: torch.Tensor) -> Evidence:
        one = Evidence(*(values.expand(len(scale_T), *values.shape[1:]) for values in evidence))
        return one._replace(
            relations_BSMR=one.relations_BSMR * scale_T[:, None, None, None],
            items_BMF=one.items_BMF * scale_T[:, None, None],
        )

    path = scaled(midpoints_T)
    read = [path.relations_BSMR.requires_grad_(), path.items_BMF.requires_grad_()]
    slopes = torch.autograd.grad(network(path, calibration).sum(), read)
    with torch.no_grad():
        baseline = float(network(scaled(torch.zeros(1)), calibration))
    slope_SR, slope_F = (slope.double().mean(0).numpy() for slope in slopes)
    return baseline, slope_SR[:, 0], slope_F[0]


def _groups(by_name: Mapping[str, float]) -> tuple[FeatureGroup, ...]:
    figures = [{name: by_name[name] for name in names if name in by_name} for names in GROUPS.values()]
    sums = [sum(each.values()) for each in figures]
    moved = sum(map(abs, sums)) or 1.0
    return tuple(
        FeatureGroup(name, added, added / moved, each) for name, added, each in zip(GROUPS, sums, figures, strict=True)
    )


def _history(
    features: CatalogueFeatures, history_H: np.ndarray, item: int, titles: Sequence[str], found: _Attribution
) -> tuple[HistoryContribution, ...]:
    """The positions that the network reads, oldest first."""
    n_read = len(found.relations_SR)
    rows_S = history_H[::-1][:n_read]
    past = features.past
    after_N, before_N = came_near(past.sequences, item, len(titles))
    place_1N = np.full((1, len(titles)), -1, dtype=np.int32)
    place_1N[0, item] = 0
    both_S = past.together.looked_up(rows_S[None], place_1N, 1)[0, :, 0]
    strength_SR = np.abs(found.relations_SR if found.added_SR is None else found.added_SR)

    def position(age: int) -> HistoryContribution:
        row, relation_R = int(rows_S[age]), found.relations_SR[age]
        return HistoryContribution(
            position=len(history_H) - 1 - age,
            row=row,
            title=titles[row],
            contribution=None if found.added_SR is None else float(found.added_SR[age].sum()),
            times_after=int(after_N[row]),
            times_before=int(before_N[row]),
            users_with_both=int(both_S[age]),
            text_cosine=float(relation_R[Relation.TEXT]),
            words_cosine=float(relation_R[Relation.WORDS]),
            neighbourhood_cosine=float(relation_R[Relation.NEIGHBOURHOOD]),
            strongest=RELATIONS[strength_SR[age].argmax()] if strength_SR[age].any() else None,
        )

    return tuple(position(age) for age in reversed(range(n_read)))


def came_near(sequences: Ragged, item: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of times `item` is 1 to 5 places after each item, and before it, in one sequence; (N,) int64 each.

    The unweighted counts behind `InteractionCounts.after` and `InteractionCounts.before`.
    """
    values = np.asarray(sequences.values)
    places = np.flatnonzero(values == item)
    sequence = np.searchsorted(sequences.offsets, places, side="right") - 1
    first, end = sequences.offsets[sequence], sequences.offsets[sequence + 1]
    gaps = np.arange(1, NEAR + 1)[:, None]
    earlier, later = places - gaps, places + gaps
    after_N = np.bincount(values[earlier[earlier >= first]], minlength=n_items)
    before_N = np.bincount(values[later[later < end]], minlength=n_items)
    after_N[item] = before_N[item] = 0  # an item is not its own neighbour
    return after_N, before_N


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"
