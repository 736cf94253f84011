"""Parts of a bundle that a town's page needs: the map, movements of blocks, residents and facts at some steps.

    content = town_content(watch, last=144, residents=[0, 72, 144], facts=[0, 144])
    for name, key, value in content.parts(watch, agents=[0, 1]):
        ...                                      # ["blocks", 1, {"block": 1, "walks": [...], ...}]

The page draws them with the same modules as a served town.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recgpt.progress import track
from recgpt.simulate.watch import Watch

if TYPE_CHECKING:
    from recgpt.simulate.worlds.town.watch import TownWatch

MOST_BYTES = 60_000_000
"""Bytes of movements at most; of longer runs the latest blocks."""


@dataclass(frozen=True)
class TownContent:
    """Content of the map of a bundled town.

    Attributes
    ----------
    first_block, last_block
        Blocks with movements.
    residents, facts
        Steps at whose end residents, and facts on their way, are held.
    """

    first_block: int
    last_block: int
    residents: list[int]
    facts: list[int]

    def parts(self, watch: Watch, agents: Sequence[int]) -> Iterator[list[Any]]:
        """Name, key and value of each part; keys of residents and facts are ticks."""
        town = _town(watch)
        yield ["map", "all", town.town_map()]
        for block in range(self.first_block, self.last_block + 1):
            yield ["blocks", block, _movements(town, block)]
            yield ["heat", block, town.heat(block, block)]
        per_block = town.town_map()["ticks_per_block"]
        for step in self.facts:
            yield ["facts", step * per_block, town.facts(step * per_block)]
        for step in track(self.residents, "residents of the town", total=len(self.residents)):
            yield ["residents", step * per_block, {agent: town.person(step * per_block, agent) for agent in agents}]


def town_content(watch: Watch, last: int, residents: list[int], facts: list[int]) -> TownContent | None:
    """Content for a town; None for another world."""
    if not watch.about().get("has_map"):
        return None
    town, block, n_bytes = _town(watch), last, 0
    while block > 1 and (n_bytes := n_bytes + len(gzip.decompress(town.block(block)))) < MOST_BYTES:
        block -= 1
    return TownContent(first_block=block, last_block=last, residents=residents, facts=facts)


def _movements(town: "TownWatch", block: int) -> Any:
    return json.loads(gzip.decompress(town.block(block)))


def _town(watch: Watch) -> "TownWatch":
    from recgpt.simulate.worlds.town.watch import TownWatch

    assert isinstance(watch, TownWatch)  # noqa: S101  # the world with a map
    return watch
