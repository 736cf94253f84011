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

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.config import SocietyRules
    from recgpt.simulate.worlds.society.state import Setting, SocietyState

ALONE = "none"
"""Source of an adoption of which the agent had not heard: the recommender or search alone."""
_TOLD, _WATCH, _POST, _LINE = 0, 1, 2, 3  # order within a round; line l of a chat comes at 3 + l
_STEP_BITS = 20  # of an order `step << 20 | place in the round`
_NONE = pl.DataFrame(schema=SCHEMA)


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
    """

    def __init__(self, setting: "Setting", rules: "SocietyRules") -> None:
        self.social, self.profiles = SocialState(setting), Profiles(setting.people)
        self.n_items = len(setting.facts)
        self._public = _Public(rules, self.profiles, self.social)
        self.heard = hearings(_NONE, cast("SocietyState", self._public))
        self._hearings: list[pl.DataFrame] = []
        self._adoptions: list[pl.DataFrame] = []
        self._mentions: list[pl.DataFrame] = []
        self._first, self._last = _none_heard(), _none_heard()

    def add(self, rows: pl.DataFrame) -> None:
        """Add the events of one step."""
        if not len(rows):
            return
        step = int(rows["step"][0])
        of_kind = by_kind(rows)
        self.heard = hearings(rows, cast("SocietyState", self._public))
        found = _frame(self.heard, rows, step)
        self._hearings.append(found)
        told = pl.col("source") == int(Source.INTERVENTION)
        self._remember(found.filter(told))
        self._adopt(of_kind.get("watched", _NONE))
        self._remember(found.filter(~told))
        self._mention(of_kind, step)
        self.social.apply(of_kind, rows, step)
        self.profiles.apply(of_kind, rows, step)

    def _remember(self, found: pl.DataFrame) -> None:
        named = found.filter(pl.col("item") >= 0).select(
            (pl.col("agent") * self.n_items + pl.col("item")).alias("key"), "source", "other", "step", "order"
        )
        if len(named):
            self._first = pl.concat([self._first, named]).unique("key", keep="first", maintain_order=True)
            self._last = pl.concat([self._last, named]).unique("key", keep="last", maintain_order=True)

    def _adopt(self, watched: pl.DataFrame) -> None:
        if not len(watched):
            return
        chosen = watched.select(
            "step",
            "time",
            "agent",
            "item",
            pl.col("place").alias("shown_by"),
            (pl.col("agent") * self.n_items + pl.col("item")).alias("key"),
        )
        for name, known in (("first", self._first), ("last", self._last)):
            renamed = known.rename({"source": f"{name}_source", "other": f"{name}_from", "step": f"{name}_step"}).drop(
                "order"
            )
            chosen = chosen.join(renamed, on="key", how="left", maintain_order="left")
        self._adoptions.append(chosen.drop("key"))

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

    def hearings(self) -> pl.DataFrame:
        """All hearings: step, agent, other, item, source, post, opinion, order (of time)."""
        return pl.concat([_none_found(), *self._hearings])

    def first_heard(self) -> pl.DataFrame:
        """First hearing of each agent and item: agent, item, source, other, step, order."""
        return self._first.with_columns(
            (pl.col("key") // self.n_items).alias("agent"), (pl.col("key") % self.n_items).alias("item")
        ).drop("key")

    def first_active(self) -> pl.DataFrame:
        """First watch or mention of each agent and item: agent, item, step, order, watched."""
        watched = self.adoptions().select(
            "step", "agent", "item", ((pl.col("step") * (1 << _STEP_BITS)) + _WATCH).alias("order")
        )
        none = pl.DataFrame(schema=dict.fromkeys(("step", "agent", "item", "order"), pl.Int64))
        whole = pl.concat([none, watched, *(each.select(none.columns).cast(pl.Int64) for each in self._mentions)])
        seen = watched.select("agent", "item").unique().with_columns(watched=pl.lit(value=True))
        first = whole.sort("order", maintain_order=True).unique(["agent", "item"], keep="first", maintain_order=True)
        joined = first.join(seen, on=["agent", "item"], how="left", maintain_order="left")
        return joined.with_columns(pl.col("watched").fill_null(value=False))


_HEARD = dict.fromkeys(("key", "source", "other", "step", "order"), pl.Int64)
_FOUND = {**dict.fromkeys(("step", "agent", "other", "item", "source", "post"), pl.Int64), "opinion": pl.Float64}
_ADOPTIONS = dict.fromkeys(
    (
        *("step", "time", "agent", "item", "shown_by"),
        *("first_source", "first_from", "first_step", "last_source", "last_from", "last_step"),
    ),
    pl.Int64,
)


def _none_heard() -> pl.DataFrame:
    return pl.DataFrame(schema=_HEARD)


def _none_found() -> pl.DataFrame:
    return pl.DataFrame(schema={**_FOUND, "order": pl.Int64})


def _frame(heard: Hearings, rows: pl.DataFrame, step: int) -> pl.DataFrame:
    slot_R = rows["slot"].fill_null(0).to_numpy()
    source_H = heard.source_H.astype(np.int64)
    place_H = np.select(
        [source_H == Source.INTERVENTION, source_H == Source.FRIEND], [_TOLD, _LINE + slot_R[heard.event_H]], _POST
    )
    columns = {
        "step": np.full(len(heard), step),
        "agent": heard.agent_H,
        "other": heard.other_H,
        "item": heard.item_H,
        "source": source_H,
        "post": heard.post_H,
        "opinion": heard.opinion_H.astype(np.float64),
        "order": (step << _STEP_BITS) + place_H.astype(np.int64),
    }
    return pl.DataFrame(columns, schema={**_FOUND, "order": pl.Int64}).sort("order", maintain_order=True)
