"""Sources of adoptions: where agents first and last heard of the items that they watched.

    provenance = Provenance(setting, rules)
    for rows in run.iter_steps():
        provenance.add(rows)
    provenance.adoptions()                     # one row per watched item

Within a round, broadcasts come before watching, and watching before chats, posts and feeds. So a watched item may be
due to hearings of earlier rounds and to broadcasts of its own.

Shapes: A agents, N items, H hearings, K pairs of an agent and an item.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from recgpt.simulate.events import SCHEMA, by_kind
from recgpt.simulate.worlds.society.hearing import Hearings, hearings
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.profiles import Profiles
from recgpt.simulate.worlds.society.social import SocialState
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.ties import are_among, places_among

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.config import SocietyRules
    from recgpt.simulate.worlds.society.state import Setting, SocietyState

ALONE = "none"
"""Source of an adoption of which the agent had not heard: the recommender or search alone."""
_TOLD, _WATCH, _POST, _LINE = 0, 1, 2, 3  # order within a round; line l of a chat comes at 3 + l
_STEP_BITS = 20  # of an order `step << 20 | place in the round`
_NONE = pl.DataFrame(schema=SCHEMA)
HEARINGS = {**dict.fromkeys(("step", "agent", "other", "item", "source", "post"), pl.Int64), "opinion": pl.Float64}
"""Columns of `Provenance.last_hearings`."""


@dataclass
class _Public:
    """The parts of a state that hearings depend on."""

    rules: "SocietyRules"
    profiles: Profiles
    social: SocialState

    @property
    def people(self) -> People:
        return self.profiles.people


class Provenance:
    """Hearings, adoptions and mentions of a run, step by step.

    Attributes
    ----------
    social, profiles
        Ties, posts, opinions and profiles after the steps added so far.
    heard
        Hearings of the last step.
    adopted
        Items watched in the last step, see `adoptions`.
    """

    def __init__(self, setting: "Setting", rules: "SocietyRules") -> None:
        self.social, self.profiles = SocialState(setting), Profiles(setting.people)
        self.n_items = len(setting.facts)
        self._public = _Public(rules, self.profiles, self.social)
        self.heard = hearings(_NONE, cast("SocietyState", self._public))
        self._step, self._order_H = 0, np.empty(0, dtype=np.int64)
        self._known = _Known()
        self.adopted = pl.DataFrame(schema=_ADOPTIONS)
        self._adoptions: list[pl.DataFrame] = []
        self._mentions: list[pl.DataFrame] = []
        self._active: pl.DataFrame | None = None  # made when it is wanted

    def add(self, rows: pl.DataFrame, of_kind: dict[str, pl.DataFrame] | None = None) -> None:
        """Add the events of one step.

        Parameters
        ----------
        of_kind
            The rows by kind, where they are known.
        """
        if not len(rows):
            return
        self._active = None
        step = int(rows["step"][0])
        of_kind = by_kind(rows) if of_kind is None else of_kind
        self.heard = hearings(rows, cast("SocietyState", self._public))
        self._step, self._order_H = step, _orders(self.heard, rows, step)
        is_told_H = self.heard.source_H == Source.INTERVENTION
        self._remember(is_told_H)
        self.adopted = self._adopt(of_kind.get("watched", _NONE))
        self._adoptions.append(self.adopted)
        self._remember(~is_told_H)
        self._mention(of_kind, step)
        self.social.apply(of_kind)
        self.profiles.apply(of_kind, rows, step)

    def _remember(self, chosen_H: np.ndarray) -> None:
        """Keep the first and the last of some hearings of each agent and item."""
        heard = self.heard
        named = np.flatnonzero(chosen_H & (heard.item_H >= 0))
        by_time = named[np.argsort(self._order_H[named], kind="stable")]
        keys = heard.agent_H[by_time] * self.n_items + heard.item_H[by_time]
        self._known.add(keys, heard.source_H[by_time], heard.other_H[by_time], self._order_H[by_time])

    def _adopt(self, watched: pl.DataFrame) -> pl.DataFrame:
        chosen = watched.select("step", "time", "agent", "item", pl.col("place").alias("shown_by"))
        keys = chosen["agent"].to_numpy() * self.n_items + chosen["item"].to_numpy()
        first, last = self._known.first(keys), self._known.last(keys)
        return chosen.with_columns(*first.columns("first"), *last.columns("last"))

    def _mention(self, of_kind: dict[str, pl.DataFrame], step: int) -> None:
        posted, said = of_kind.get("posted", _NONE), of_kind.get("said", _NONE)
        for part, place in ((posted, pl.lit(_POST)), (said, pl.col("slot").fill_null(0) + _LINE)):
            if len(named := part.drop_nulls("item")):
                order = (pl.lit(step << _STEP_BITS) + place).alias("order")
                self._mentions.append(named.select("step", "agent", "item", order))

    def adoptions(self) -> pl.DataFrame:
        """Items watched, in the order of the log.

        Columns: step, time, agent, item, shown_by (a `Source`); source, agent and step of the first and of the last
        hearing before (first_source, first_from, first_step, last_source, last_from, last_step), null for none.
        """
        return pl.concat([pl.DataFrame(schema=_ADOPTIONS), *self._adoptions])

    def last_hearings(self) -> pl.DataFrame:
        """Hearings of the last step in the order of time: step, agent, other, item, source, post, opinion."""
        heard = self.heard
        columns = {
            "step": np.full(len(heard), self._step),
            "agent": heard.agent_H,
            "other": heard.other_H,
            "item": heard.item_H,
            "source": heard.source_H,
            "post": heard.post_H,
            "opinion": heard.opinion_H.astype(np.float64),
        }
        by_time = np.argsort(self._order_H, kind="stable")
        return pl.DataFrame({name: column[by_time] for name, column in columns.items()}, schema=HEARINGS)

    def first_heard(self, agents: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From whom each agent first heard of each item (-1: the schedule, or never), and when; -1 for never."""
        found = self._known.first(agents * self.n_items + items)
        return np.where(found.is_known_R, found.other_R, -1), np.where(found.is_known_R, found.order_R, -1)

    def first_active(self, step: int | None = None) -> pl.DataFrame:
        """First watch or mention of each agent and item, up to a step: agent, item, step, order, watched."""
        if self._active is None:
            self._active = self._first_active()
        active = self._active if step is None else self._active.filter(pl.col("step") <= step)
        is_watched = pl.col("first_watch") <= (self._step if step is None else step)
        return active.select("step", "agent", "item", "order", is_watched.fill_null(value=False).alias("watched"))

    def _first_active(self) -> pl.DataFrame:
        """First watch or mention of each agent and item, in the order of time, with the step of the first watch.

        The first up to a step are the rows up to that step.
        """
        order = (pl.col("step") * (1 << _STEP_BITS) + _WATCH).alias("order")
        watched = self.adoptions().select("step", "agent", "item", order)
        none = pl.DataFrame(schema=dict.fromkeys(("step", "agent", "item", "order"), pl.Int64))
        mentions = pl.concat([none, *(each.select(none.columns).cast(pl.Int64) for each in self._mentions)])
        seen = watched.group_by("agent", "item").agg(pl.col("step").min().alias("first_watch"))
        whole = pl.concat([watched, mentions]).sort("order", maintain_order=True)
        first = whole.unique(["agent", "item"], keep="first", maintain_order=True)
        return first.join(seen, on=["agent", "item"], how="left", maintain_order="left")


_ADOPTIONS = dict.fromkeys(
    (
        *("step", "time", "agent", "item", "shown_by"),
        *("first_source", "first_from", "first_step", "last_source", "last_from", "last_step"),
    ),
    pl.Int64,
)


@dataclass(frozen=True)
class _Found:
    """Hearings of R pairs of an agent and an item; values without meaning where there is none."""

    is_known_R: np.ndarray
    source_R: np.ndarray
    other_R: np.ndarray
    order_R: np.ndarray

    def columns(self, which: str) -> list[pl.Expr]:
        """Columns of `adoptions`, null for none."""
        values = {"source": self.source_R, "from": self.other_R, "step": self.order_R >> _STEP_BITS}
        is_known = pl.lit(pl.Series(self.is_known_R))
        return [
            pl.when(is_known).then(pl.lit(pl.Series(column))).cast(pl.Int64).alias(f"{which}_{name}")
            for name, column in values.items()
        ]


class _Known:
    """First and last hearing of K pairs of an agent and an item, in sorted arrays: a round costs one merge."""

    def __init__(self) -> None:
        self._key_K = np.empty(0, dtype=np.int64)
        self._first, self._last = (
            [np.empty(0, dtype=dtype) for dtype in (np.int8, np.int32, np.int64)] for _ in range(2)
        )

    def add(self, key_H: np.ndarray, *columns: np.ndarray) -> None:
        """Add hearings in the order of time: keys, then sources, others, orders."""
        if not len(key_H):
            return
        by_key = np.argsort(key_H, kind="stable")
        new_key_H = key_H[by_key]
        starts = np.flatnonzero(np.diff(new_key_H, prepend=-1))
        keys, first, last = new_key_H[starts], by_key[starts], by_key[np.append(starts[1:], len(by_key)) - 1]
        is_known = are_among(keys, self._key_K)
        place = np.searchsorted(self._key_K, keys)
        for mine, column in zip(self._last, columns, strict=True):
            mine[place[is_known]] = column[last[is_known]]
        is_new, at = ~is_known, place[~is_known]
        self._key_K = np.insert(self._key_K, at, keys[is_new])
        self._first = [np.insert(a, at, b[first[is_new]]) for a, b in zip(self._first, columns, strict=True)]
        self._last = [np.insert(a, at, b[last[is_new]]) for a, b in zip(self._last, columns, strict=True)]

    def first(self, key_R: np.ndarray) -> _Found:
        """First hearing of each key."""
        return self._found(key_R, self._first)

    def last(self, key_R: np.ndarray) -> _Found:
        """Last hearing of each key."""
        return self._found(key_R, self._last)

    def _found(self, key_R: np.ndarray, columns: list[np.ndarray]) -> _Found:
        place_R, is_known_R = places_among(key_R, self._key_K)
        return _Found(is_known_R, *(_taken(column, place_R) for column in columns))


def _taken(column: np.ndarray, place_R: np.ndarray) -> np.ndarray:
    """Values at places; zeros from an empty column."""
    return column[place_R] if len(column) else np.zeros(len(place_R), dtype=column.dtype)


def _orders(heard: Hearings, rows: pl.DataFrame, step: int) -> np.ndarray:
    """(H,) order of time of each hearing."""
    slot_R = rows["slot"].fill_null(0).to_numpy()
    place_H = np.select(
        [heard.source_H == Source.INTERVENTION, heard.source_H == Source.FRIEND],
        [_TOLD, _LINE + slot_R[heard.event_H]],
        _POST,
    )
    return (step << _STEP_BITS) + place_H.astype(np.int64)
