"""Metrics of a society, computed from its events only, so that `recgpt runs verify` can recompute them.

    found = society_measures(run.iter_steps(), setting, rules)
    found["adoptions"]["friend"]               # share of watched items first heard of from a friend, with its interval

Entropy is Shannon's, in bits, of the genres of the items shown to an agent in a round (an item counts once for each of
its genres), and is averaged over agents. Opinions are those formed in the run.

Shapes: A agents, N items, C genres.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.evaluate.beyond_accuracy import category_weights, gini_index, mean_entropy
from recgpt.evaluate.significance import bootstrap_ci
from recgpt.simulate.events import by_kind
from recgpt.simulate.store import Run
from recgpt.simulate.world import States
from recgpt.simulate.worlds.society.activity import ACTED
from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.provenance import ALONE, Provenance
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.state import Setting, SocietyState
from recgpt.simulate.worlds.society.variance import variance_shares

SOURCES = (ALONE, "friend", "post", "feed", "intervention")
"""Sources of adoptions; none: the agent had not heard of the item."""
_NAMES = (*(source.name.lower() for source in Source), ALONE)
_DIGITS = 6
_RESAMPLES = 1000
_TOP = 10
_STRONG = 0.5  # absolute value of a strong opinion
_COUNTED = {
    "recommender": "entered",
    "social": "went",
    "nothing": "rested",
    "failed": "failed",
    "watched": "watched",
    "chats": "chatted",
    "missed": "missed",
    "posts": "posted",
    "likes": "liked",
    "comments": "commented",
    "followed": "followed",
    "muted": "muted",
}


def measures(run: Run) -> dict[str, Any]:
    """Metrics of a run, computed from its events and artifacts only."""
    return society_measures(run.iter_steps(), stored(run), SocietyConfig(**run.manifest.config).part(SocietyRules))


def stored(run: Run) -> Setting:
    """The setting of a run before its first round."""
    return cast(SocietyState, States(run).at(0)).setting


def society_measures(steps: Iterable[pl.DataFrame], setting: Setting, rules: SocietyRules) -> dict[str, Any]:
    """Compute all metrics of a society, JSON values.

    Returns
    -------
    dict
        `agents, items` : numbers. `rounds` : a dict for each round, see `Tally.add`. `totals` : sums over rounds.
        `failures` : numbers of failures by kind. `shown_by` : items shown, and watched, by source.
        `adoptions` : by `SOURCES`, share of watched items whose first hearing came from there, `last`: the last
        hearing; with 95 % bootstrap intervals over agents; `n`: items watched.
        `cascades` : of trees of two nodes and more: `trees`, and mean and maximum of their figures; see `Forest.table`.
        `variance` : shares of the variance of `stars` and `opinions`, see `variance_shares`.
        `top_watched, top_talked` : items and counts, most first.
    """
    tally = Tally(setting, rules)
    for rows in steps:
        tally.add(rows)
    return tally.measures()


class Tally:
    """Counts over the events of a run, updated step by step.

    Attributes
    ----------
    provenance
        Hearings and adoptions.
    rounds
        Figures by round, see `add`.
    shown_N, watched_N, talked_N
        (N,) int64 numbers of times that an item was shown, watched, and named in chats and posts.
    """

    def __init__(self, setting: Setting, rules: SocietyRules) -> None:
        self.provenance = Provenance(setting, rules)
        self.rounds: list[dict[str, Any]] = []
        self.n_agents, n_items = len(setting.people), len(setting.facts)
        self.shown_N, self.watched_N, self.talked_N = np.zeros((3, n_items), dtype=np.int64)
        self.failures: Counter[str] = Counter()
        has_genres = "categories" in setting.facts.items.columns
        self._genres_NC = category_weights(setting.facts.items) if has_genres else None
        self._by_source = {name: np.zeros(len(Source), dtype=np.int64) for name in ("shown", "watched")}
        self._rated: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame, of_kind: dict[str, pl.DataFrame] | None = None) -> None:
        """Count one step.

        A round has `round`, `time`; numbers of events by `_COUNTED`; `acted` agents; shares `by_source` of items
        watched; `shown`; `entropy`; `coverage`, `shown_gini`, `watched_gini` of the run so far; mean `stars`;
        `opinion` mean, `spread` (standard deviation) and `polarisation`: twice the smaller of the shares of opinions
        of .5 and more and of -.5 and less; `adopted` by source first heard; `links`, `density` of friendship, `follows`
        after the round.

        Parameters
        ----------
        of_kind
            The rows by kind, where they are known.
        """
        if not len(rows):
            return
        of_kind = by_kind(rows) if of_kind is None else of_kind
        none = rows.clear()
        shown, watched, rated = (of_kind.get(kind, none) for kind in ("shown", "watched", "rated"))
        named = pl.concat([of_kind.get(kind, none) for kind in ("said", "posted")]).drop_nulls("item")
        for count_N, part in ((self.shown_N, shown), (self.watched_N, watched), (self.talked_N, named)):
            count_N += np.bincount(part["item"].to_numpy(), minlength=len(count_N))
        for name, part in (("shown", shown), ("watched", watched)):
            self._by_source[name] += np.bincount(part["place"].to_numpy(), minlength=len(Source))
        self.failures.update((text or "unknown").partition(":")[0] for text in of_kind.get("failed", none)["text"])
        self._rated.append(rated.drop_nulls("value").select("agent", "item", "value"))
        self.provenance.add(rows, of_kind)
        acted = np.concatenate([of_kind.get(kind, none)["agent"].to_numpy() for kind in ACTED])
        self.rounds.append(
            {
                "round": int(rows["step"][0]),
                "time": int(rows["time"][0]),
                "acted": len(np.unique(acted[acted >= 0])),
                **{name: len(of_kind.get(kind, none)) for name, kind in _COUNTED.items()},
                "shown": len(shown),
                "by_source": _counts(watched["place"].to_numpy()),
                "entropy": rounded(_mean_entropy(shown, self._genres_NC)),
                "coverage": rounded(float((self.shown_N > 0).mean())),
                "shown_gini": rounded(gini_index(self.shown_N)),
                "watched_gini": rounded(gini_index(self.watched_N)),
                "stars": rounded(cast(float | None, rated["value"].mean())),
                **self._opinions(),
                "adopted": _adopted(self.provenance.adopted),
                **self._ties(),
            }
        )

    def _opinions(self) -> dict[str, float | None]:
        values = self.provenance.social.opinions.value_V
        if not len(values):
            return {"opinion": None, "spread": None, "polarisation": None}
        sides = (values >= _STRONG).mean(), (values <= -_STRONG).mean()
        return {
            "opinion": rounded(float(values.mean())),
            "spread": rounded(float(values.std())),
            "polarisation": rounded(2 * float(min(sides))),
        }

    def _ties(self) -> dict[str, Any]:
        social = self.provenance.social
        return {
            "links": len(social.friends) - social.friends.n_mutual,
            "density": rounded(social.friends.density),
            "follows": len(social.follows),
        }

    def measures(self) -> dict[str, Any]:
        """All metrics from the counts. See `society_measures`."""
        adopted = self.provenance.adoptions()
        summed = ("acted", *_COUNTED, "shown")
        return {
            "agents": self.n_agents,
            "items": len(self.shown_N),
            "rounds": self.rounds,
            "totals": {name: sum(each[name] for each in self.rounds) for name in summed},
            "failures": dict(sorted(self.failures.items())),
            "shown_by": {name: _named(counts) for name, counts in self._by_source.items()},
            "adoptions": {
                "n": len(adopted),
                **_shares(adopted, "first"),
                "last": _shares(adopted, "last"),
            },
            "cascades": self.cascades(),
            "variance": self.variance(),
            "top_watched": top(self.watched_N),
            "top_talked": top(self.talked_N),
        }

    def cascades(self) -> dict[str, Any]:
        """Number, and mean and maximum figures, of the trees of two nodes and more."""
        trees = Forest.of(self.provenance).table()
        grown = trees.filter(pl.col("scale") > 1)
        names = ("scale", "depth", "breadth", "virality", "steps_to_half")
        return {
            "alone": len(trees) - len(grown),
            "trees": len(grown),
            "mean": {name: rounded(cast(float | None, grown[name].mean())) for name in names},
            "max": {name: rounded(cast(float | None, grown[name].max())) for name in names},
        }

    def variance(self) -> dict[str, Any]:
        """Shares of the variance of stars, and of the opinions at the end, by persona and item."""
        opinions = self.provenance.social.opinions
        rated = pl.concat(
            [pl.DataFrame(schema={"agent": pl.Int64, "item": pl.Int64, "value": pl.Float64}), *self._rated]
        )
        of = {
            "stars": (rated["value"].to_numpy(), rated["agent"].to_numpy(), rated["item"].to_numpy()),
            "opinions": (
                opinions.value_V.astype(float),
                opinions.key_V // opinions.n_items,
                opinions.key_V % opinions.n_items,
            ),
        }
        return {
            name: {
                "n": len(values),
                **{
                    key: rounded(share)
                    for key, share in variance_shares(values, {"persona": agent, "item": item}).items()
                },
            }
            for name, (values, agent, item) in of.items()
        }


def _mean_entropy(shown: pl.DataFrame, genres_NC: sparse.csr_array | None) -> float | None:
    if genres_NC is None:
        return None
    return mean_entropy(shown["agent"].to_numpy(), shown["item"].to_numpy(), genres_NC)


def top(counts_N: np.ndarray, n: int = _TOP) -> list[dict[str, int]]:
    """Items with the highest counts, most first, ties by number; without those of count 0."""
    order = np.argsort(-counts_N, kind="stable")[:n]
    return [{"item": int(item), "n": int(counts_N[item])} for item in order if counts_N[item]]


def _adopted(adopted: pl.DataFrame) -> dict[str, int]:
    """Numbers of adoptions by the source of the first hearing."""
    source = adopted["first_source"].fill_null(len(Source)).to_numpy()
    counts = dict(zip(_NAMES, np.bincount(source, minlength=len(_NAMES)).tolist(), strict=True))
    return {name: counts[name] for name in SOURCES}


def _counts(places: np.ndarray) -> dict[str, int]:
    return _named(np.bincount(places, minlength=len(Source)))


def _named(counts: np.ndarray) -> dict[str, int]:
    return {source.name.lower(): int(counts[source]) for source in Source if counts[source]}


def _source_names(adopted: pl.DataFrame, which: str) -> np.ndarray:
    found: np.ndarray = np.array(_NAMES)[adopted[f"{which}_source"].fill_null(len(Source)).to_numpy()]
    return found


def _shares(adopted: pl.DataFrame, which: str) -> dict[str, Any]:
    """Share of adoptions of each source, with an interval over agents."""
    source = _source_names(adopted, which)
    return {name: _interval((source == name).astype(float), adopted["agent"].to_numpy()) for name in SOURCES}


def _interval(values: np.ndarray, agents: np.ndarray) -> dict[str, float | None]:
    if not len(values):
        return {"mean": None, "low": None, "high": None}
    distinct, of_agent = np.unique(agents, return_inverse=True)
    low, high = bootstrap_ci(values, of_agent, resamples=_RESAMPLES) if len(distinct) > 1 else (None, None)
    return {"mean": rounded(float(values.mean())), "low": rounded(low), "high": rounded(high)}


def rounded(value: float | None) -> float | None:
    """A figure as it is stored; None for none."""
    return None if value is None else round(float(value), _DIGITS)
