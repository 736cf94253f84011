"""Setting of a town before its first tick: map, people, catalogue."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from recgpt.simulate.worlds.town.paths import Paths
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.residents import People
from recgpt.simulate.worlds.town.rooms import Rooms

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.catalogue import TownCatalogue


@dataclass(frozen=True)
class Setting:
    """Map, people and catalogue of a town.

    Attributes
    ----------
    catalogue
        Films, books and dishes with their venues; None: a town without items.
    """

    map: TownMap
    people: People
    catalogue: "TownCatalogue | None" = None

    @cached_property
    def paths(self) -> Paths:
        """Shortest paths on the map, kept for all states of this setting."""
        return Paths(self.map)

    @cached_property
    def rooms(self) -> Rooms:
        """Rooms of the map, and how far each tile is from them."""
        return Rooms(self.map)
