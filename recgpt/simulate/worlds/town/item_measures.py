"""Measures of items and their adopters, computed from the events of a town only.

    tally = ItemTally(setting, rules)
    for rows in run.iter_steps():
        tally.add(rows)
    tally.measures()["first_source"]["friend"]         # share of adoptions that a friend named first
    tally.way(item=3)                                  # an item's way through town

A cascade of an item is a tree of its adopters: the parent of an adopter is the friend that named the item first, if the
friend had adopted it before. Adoptions are first ones of a resident and an item; a dish may be eaten again.

Shapes: A residents, N items, E embedding width, V adoptions, P pairs of residents.
"""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from recgpt.evaluate.beyond_accuracy import gini_index
from recgpt.simulate.worlds.society.cascades import Forest
from recgpt.simulate.worlds.town.catalogue import TownCatalogue
from recgpt.simulate.worlds.town.config import BLOCK_SECONDS, TownRules
from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.programme import KINDS
from recgpt.simulate.worlds.town.setting import Setting

SOURCES = tuple(source.name.lower() for source in Source)
"""Names of first sources: page, friend, search, passing_by."""
_KEPT = ("wished", "adopted", "rated", "mentioned", "turned_away")
_DIGITS = 4
_FRIEND = 0.2  # affinity from which on two residents are friends before the run
_SECONDS_PER_DAY = 86_400


class ItemTally:
    """Counts over the events of items, updated block by block.

    Attributes
    ----------
    shown_N
        (N,) int64 numbers of times that an item was on a page that was looked at.
    """

    def __init__(self, setting: Setting, rules: TownRules) -> None:
        if setting.catalogue is None:
            raise ValueError("a town without items has no measures of them")
        self._catalogue: TownCatalogue = setting.catalogue
        self._setting, self._rules = setting, rules
        self.shown_N = np.zeros(len(self._catalogue), dtype=np.int64)
        self._parts: list[pl.DataFrame] = []
        self._events: pl.DataFrame | None = None
        self._n_blocks = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Count one block."""
        self._n_blocks += 1
        shown = rows.filter(pl.col("kind") == "shown")["item"]
        self.shown_N += np.bincount(shown.to_numpy(), minlength=len(self.shown_N))
        kept = rows.filter(pl.col("kind").is_in(_KEPT))
        if len(kept):
            self._parts.append(kept)
            self._events = None

    @property
    def events(self) -> pl.DataFrame:
        """Wishes, adoptions, opinions, mentions and visitors turned away so far, by time, then resident."""
        if self._events is None:
            empty = [pl.DataFrame(schema=_SCHEMA)]
            rows = pl.concat([part.select(_SCHEMA.names()) for part in self._parts] or empty)
            self._events = rows.sort("time", "agent", "seq")
        return self._events

    def adoptions(self) -> pl.DataFrame:
        """First adoptions by time: `time, agent, item, source, other` (-1: no friend) and `kind` of the item."""
        adopted = self._of("adopted").unique(["agent", "item"], keep="first", maintain_order=True)
        kinds = pl.Series("item_kind", self._catalogue.kinds)
        return adopted.select(
            "time",
            "agent",
            "item",
            "step",
            pl.col("slot").alias("source"),
            pl.col("other").fill_null(-1),
            kinds.gather(adopted["item"]).alias("kind"),
        )

    def forest(self) -> Forest:
        """Cascades of all items."""
        adopted = self.adoptions()
        node_of = {pair: node for node, pair in enumerate(adopted.select("agent", "item").iter_rows())}
        parent_V = np.full(len(adopted), -1, dtype=np.int64)
        for node, (item, source, other) in enumerate(adopted.select("item", "source", "other").iter_rows()):
            above = node_of.get((other, item), -1)
            if source == Source.FRIEND and above < node:
                parent_V[node] = above
        return Forest(
            parent_V,
            adopted["item"].to_numpy(),
            adopted["agent"].to_numpy(),
            adopted["step"].to_numpy(),
            np.ones(len(adopted), dtype=bool),
        )

    def measures(self) -> dict[str, Any]:
        """All measures, JSON values.

        Returns
        -------
        dict
            `adopted` : first adoptions, `by_kind` : by kind of item. `visits` : all adoptions, dishes eaten again
            included. `curve` : first adoptions up to the end of each hour. `first_source` : shares of first adoptions,
            `first_source_of` : by kind of item. `cascades` : `trees` of two adopters and more, mean and largest `size`
            and `depth` of these trees, and the share of adoptions `in_trees`. `venues` : by name, `visitors` and
            numbers `turned_away`. `turned_away` : their share of all. `stars` : mean, `stars_by_kind`. `drift` : mean
            of 1 less the cosine of a resident's past and of past and run together, over films and books. `likeness` :
            mean cosine of the adoptions of two residents, of `friends` and of `others`. `exposure` : `gini` and
            `coverage` of pages over the items on offer in town so far, `adopted_gini` of first adoptions. `mentions` :
            their number. `wishes` : numbers by source.
        """
        adopted, visits = self.adoptions(), self._of("adopted")
        turned = self._of("turned_away")
        on_offer = self._on_offer()
        adopted_N = np.bincount(adopted["item"].to_numpy(), minlength=len(self.shown_N))
        return {
            "adopted": len(adopted),
            "by_kind": {kind: int((adopted["kind"] == kind).sum()) for kind in KINDS},
            "visits": len(visits),
            "curve": self._curve(adopted["time"].to_numpy()),
            "first_source": _shares(adopted),
            "first_source_of": {kind: _shares(adopted.filter(pl.col("kind") == kind)) for kind in KINDS},
            "cascades": self._cascades(len(adopted)),
            "venues": self._venues(visits, turned),
            "turned_away": _rounded(len(turned) / max(len(turned) + len(visits), 1)),
            **self._stars(),
            "drift": self._drift(adopted),
            "likeness": self._likeness(adopted),
            "exposure": {
                "gini": _rounded(gini_index(self.shown_N[on_offer])) if self.shown_N.any() else None,
                "coverage": _rounded(float((self.shown_N[on_offer] > 0).mean())) if len(on_offer) else None,
                "adopted_gini": _rounded(gini_index(adopted_N[on_offer])) if len(adopted) else None,
            },
            "mentions": len(self._of("mentioned")),
            "wishes": dict(zip(SOURCES, _counts(self._of("wished")), strict=True)),
        }

    def way(self, item: int) -> dict[str, Any]:
        """An item's way through town, JSON values.

        Returns
        -------
        dict
            `title, kind` of the item; `shown` : times on a page that was looked at; `events` : `time, agent, kind,
            source, other, stars` of its wishes, adoptions, opinions, mentions and visitors turned away, by time;
            `adopters` : `agent, time, source, other` of first adoptions, and the number of their `parent` in this list
            (-1: none); `size, depth` of its largest cascade.
        """
        of_item = self.events.filter(pl.col("item") == item)
        events = [
            {
                "time": row["time"],
                "agent": row["agent"],
                "kind": row["kind"],
                "source": SOURCES[row["slot"]] if row["kind"] in ("wished", "adopted") else None,
                "other": row["other"],
                "stars": row["value"] if row["kind"] == "rated" else None,
            }
            for row in of_item.iter_rows(named=True)
        ]
        adopters = self.adoptions().filter(pl.col("item") == item)
        place = {agent: number for number, agent in enumerate(adopters["agent"].to_list())}
        trees = self.forest().table().filter(pl.col("item") == item)
        return {
            "title": self._catalogue.titles[item],
            "kind": self._catalogue.kinds[item],
            "shown": int(self.shown_N[item]),
            "events": events,
            "adopters": [
                {
                    "agent": row["agent"],
                    "time": row["time"],
                    "source": SOURCES[row["source"]],
                    "other": row["other"],
                    "parent": _before(place, row) if row["source"] == Source.FRIEND else -1,
                }
                for row in adopters.iter_rows(named=True)
            ],
            "size": int(trees["scale"].to_numpy().max(initial=0)),
            "depth": int(trees["depth"].to_numpy().max(initial=0)),
        }

    # --- parts ---

    def _of(self, kind: str) -> pl.DataFrame:
        return self.events.filter(pl.col("kind") == kind)

    def _curve(self, time_V: np.ndarray) -> list[int]:
        n_hours = -(-self._n_blocks * BLOCK_SECONDS // 3600)
        return np.bincount(time_V // 3600, minlength=n_hours).cumsum().tolist()

    def _cascades(self, n_adopted: int) -> dict[str, Any]:
        trees = self.forest().table().filter(pl.col("scale") >= 2)
        size, depth = trees["scale"].to_numpy(), trees["depth"].to_numpy()
        return {
            "trees": len(trees),
            "size": _mean(size),
            "depth": _mean(depth),
            "largest": int(size.max(initial=0)),
            "deepest": int(depth.max(initial=0)),
            "in_trees": _rounded(int(size.sum()) / n_adopted) if n_adopted else None,
        }

    def _venues(self, visits: pl.DataFrame, turned: pl.DataFrame) -> dict[str, dict[str, int]]:
        came, away = Counter(visits["place"]), Counter(turned["place"])
        names = {venue.number: venue.name for venue in self._catalogue.programme.venues}
        return {name: {"visitors": came[number], "turned_away": away[number]} for number, name in sorted(names.items())}

    def _stars(self) -> dict[str, Any]:
        rated = self._of("rated")
        kinds = pl.Series(self._catalogue.kinds).gather(rated["item"])
        return {
            "stars": _mean(rated["value"].to_numpy()),
            "stars_by_kind": {kind: _mean(rated["value"].filter(kinds == kind).to_numpy()) for kind in KINDS},
        }

    def _drift(self, adopted: pl.DataFrame) -> float | None:
        """How far what residents took moved their mean taste; dishes left out."""
        unit_NE, histories = self._catalogue.facts.unit_NE, self._catalogue.population.histories
        is_dish_N = np.array(self._catalogue.kinds) == "dish"
        drifts = []
        for (agent,), rows in adopted.filter(pl.col("kind") != "dish").partition_by("agent", as_dict=True).items():
            past = histories[int(agent)]
            past = past[~is_dish_N[past]]
            both = np.concatenate([past, rows["item"].to_numpy()])
            drifts.append(1 - _cosine(unit_NE[past].mean(axis=0), unit_NE[both].mean(axis=0)))
        return _mean(np.array(drifts))

    def _likeness(self, adopted: pl.DataFrame) -> dict[str, float | None]:
        """Mean cosine of the sets of items of two residents that adopted any, of friends before the run and others."""
        agents, rows = np.unique(adopted["agent"].to_numpy(), return_inverse=True)
        weights_V = 1 / np.sqrt(np.bincount(rows, minlength=len(agents)))[rows]
        shape = (len(agents), len(self.shown_N))
        unit_AN = sparse.csr_array((weights_V, (rows, adopted["item"].to_numpy())), shape=shape)
        place = {agent: row for row, agent in enumerate(agents.tolist())}
        ties = self._setting.people.ties
        pairs = {(min(tie.agent, tie.other), max(tie.agent, tie.other)) for tie in ties if tie.affinity >= _FRIEND}
        pairs_P2 = np.array([[place[one], place[two]] for one, two in sorted(pairs) if one in place and two in place])
        friends = np.zeros(0)
        if len(pairs_P2):
            friends = np.asarray(unit_AN[pairs_P2[:, 0]].multiply(unit_AN[pairs_P2[:, 1]]).sum(axis=1)).ravel()
        # The sum over all pairs of unit rows: half of |sum of rows|^2 less their number.
        total = (float((unit_AN.sum(axis=0) ** 2).sum()) - len(agents)) / 2
        n_others = len(agents) * (len(agents) - 1) // 2 - len(friends)
        others = _rounded((total - float(friends.sum())) / n_others) if n_others else None
        return {"friends": _mean(friends), "others": others}

    def _on_offer(self) -> np.ndarray:
        """Items that were on offer in town on a day so far."""
        n_days = max(-(-self._n_blocks * BLOCK_SECONDS // _SECONDS_PER_DAY), 1)
        days = [self._catalogue.programme.in_town(day) for day in range(n_days)]
        return np.unique(np.concatenate([items for day in days for items in day.values()]))


_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("step", "time", "agent", "seq"), pl.Int64),
        "kind": pl.String,
        **dict.fromkeys(("other", "item", "place", "slot"), pl.Int64),
        "value": pl.Float64,
    }
)


def _shares(adopted: pl.DataFrame) -> dict[str, float | None]:
    """Share of each first source; None without adoptions."""
    counts = _counts(adopted.rename({"source": "slot"}))
    return {
        name: _rounded(count / len(adopted)) if len(adopted) else None
        for name, count in zip(SOURCES, counts, strict=True)
    }


def _counts(rows: pl.DataFrame) -> list[int]:
    """Numbers of rows by source."""
    counts: list[int] = np.bincount(rows["slot"].to_numpy(), minlength=len(SOURCES)).tolist()
    return counts


def _before(place: dict[int, int], row: dict[str, Any]) -> int:
    """Number of the friend among the adopters, -1 where it is none of those before."""
    parent = place.get(row["other"], -1)
    return parent if parent < place[row["agent"]] else -1


def _cosine(one_E: np.ndarray, two_E: np.ndarray) -> float:
    lengths = float(np.linalg.norm(one_E) * np.linalg.norm(two_E))
    return float(one_E @ two_E) / lengths if lengths else 0.0


def _mean(values: np.ndarray) -> float | None:
    return _rounded(float(values.mean())) if len(values) else None


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
