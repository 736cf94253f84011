"""Perception: which events in sight are noticed, and which of them are new.

noticed = attended(sights, at=(77, 21), arena="the Ville:Hobbs Cafe:cafe", bandwidth=8)
new = new_ones(noticed, recent, retention=8)
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recgpt.simulate.worlds.town.rules.nodes import Triple, last_part, stored_text

IDLE_IMPORTANCE = 1
_BLANK = ("is", "idle", "idle")

Event = tuple[str, str | None, str | None, str | None]
"""Subject, predicate, object and description; an object at rest has its address alone."""
Tree = dict[str, dict[str, dict[str, list[str]]]]
"""Spatial memory: objects by world, sector and arena."""


@dataclass(frozen=True)
class Sight:
    """An event on a tile in sight.

    Attributes
    ----------
    xy
        Column and row of the tile.
    arena
        Address of the tile's arena, such as `the Ville:Hobbs Cafe:cafe`; `the Ville::` outdoors.
    """

    event: Event
    xy: tuple[int, int]
    arena: str


@dataclass(frozen=True)
class Noticed:
    """Memory of an event: its triple, its text and the text whose embedding stands for it."""

    triple: Triple
    text: str
    key: str

    @property
    def is_idle(self) -> bool:
        """Whether it is of something idle."""
        return "is idle" in self.text


def attended(
    sights: Iterable[Sight], at: tuple[int, int], arena: str, bandwidth: int, *, published: bool = False
) -> list[Noticed]:
    """Events of the own arena, each once, the nearest first by Euclidean distance, `bandwidth` at most.

    An event of several tiles counts with the first of them, and equal distances keep the order of `sights`.
    """
    first: dict[Event, float] = {}
    for sight in sights:
        if sight.arena == arena:
            first.setdefault(sight.event, math.dist(sight.xy, at))
    return [noticed(event, published=published) for event in sorted(first, key=first.__getitem__)[:bandwidth]]


def noticed(event: Event, *, published: bool = False) -> Noticed:
    """Memory of an event, see `nodes.stored_text`; one without predicate is idle."""
    subject, predicate, of, description = event
    if not predicate:
        predicate, of, description = _BLANK
    whole = f"{last_part(subject)} is {description}"
    key = whole.split("(")[1].partition(")")[0].strip() if "(" in whole else whole
    return Noticed((subject, str(predicate), str(of)), stored_text(whole, published=published), key)


def new_ones(
    noticed_now: Sequence[Noticed], recent: Sequence[Triple], retention: int, *, published: bool = False
) -> tuple[list[Noticed], tuple[Triple, ...]]:
    """New events, and the triples remembered as recent from now on, the latest at the end.

    Published: an event is new if not among the last `retention` ones; each new one pushes an older one out, so that
    more things in sight than `retention` are new at every look, idle ones too. Corrected: all of the last
    look stays recent, and idle objects are not remembered.
    """
    if published:
        return _as_published(noticed_now, recent, retention)
    busy = [each for each in noticed_now if not each.is_idle]
    known = set(recent)
    seen = tuple(each.triple for each in busy)
    before = [triple for triple in recent if triple not in seen]
    kept = before[len(before) - min(max(retention - len(seen), 0), len(before)) :]
    return [each for each in busy if each.triple not in known], (*kept, *seen)


def _as_published(
    noticed_now: Sequence[Noticed], recent: Sequence[Triple], retention: int
) -> tuple[list[Noticed], tuple[Triple, ...]]:
    remembered, new = list(recent), []
    for each in noticed_now:
        if each.triple not in remembered[max(len(remembered) - retention, 0) :]:
            remembered.append(each.triple)
            new.append(each)
    return new, tuple(remembered)


def learn(tree: Tree, address: str) -> None:
    """Add the place of an address `world:sector:arena:object` to a spatial memory; empty parts end it."""
    world, sector, arena, thing = (*address.split(":"), "", "", "")[:4]
    if not world:
        return
    sectors = tree.setdefault(world, {})
    if not sector:
        return
    arenas = sectors.setdefault(sector, {})
    if not arena:
        return
    objects = arenas.setdefault(arena, [])
    if thing and thing not in objects:
        objects.append(thing)
