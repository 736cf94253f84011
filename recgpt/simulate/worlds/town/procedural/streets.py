"""The plan of a drawn town: buildings packed into blocks between streets, public ones near the middle.

    text = plan_text([1, 2, 4], seed=7)                  # for three homes of so many beds

Two rows of buildings stand back to back between two streets, with doors to the nearer one; roads from north to south
part the rows into blocks; a river is the southern edge. Homes have numbers of their street, odd ones in the north.

Shapes: H height and W width in tiles.
"""

from dataclasses import dataclass

import numpy as np

from recgpt.simulate.worlds.town.procedural.buildings import (
    Building,
    buildings,
    legend_line,
    objects_legend,
    public_buildings,
)
from recgpt.simulate.worlds.town.procedural.draws import Draws
from recgpt.simulate.worlds.town.procedural.words import NOUNS, PLACE_WORDS, STREETS, TOWN_ENDS, TOWN_STEMS

BLOCK_WIDTH = 56
STREET, GAP, ASPECT = 2, 1, 1.4
_BETWEEN = 2  # tiles between buildings
_RIVER = 3
_TREES = 0.035  # share of the tiles of grass


@dataclass
class _Lot:
    """A building and its place."""

    building: Building
    household: int
    x: int = 0
    y: int = 0
    name: str = ""


@dataclass
class _Block:
    """Buildings beside each other, as wide as a block at most."""

    lots: list[_Lot]

    @property
    def width(self) -> int:
        return sum(lot.building.width for lot in self.lots) + _BETWEEN * (len(self.lots) - 1)

    @property
    def height(self) -> int:
        return max((lot.building.height for lot in self.lots), default=0)


def town_name(seed: int) -> str:
    """Name of a drawn town."""
    draws = Draws(seed, "name")
    return draws.pick(TOWN_STEMS) + draws.pick(TOWN_ENDS)


def plan_text(home_sizes: list[int], seed: int) -> str:
    """Text of the plan of a town with homes of these numbers of beds and public buildings in proportion.

    Households are numbered in the order of `home_sizes`.
    """
    blocks = _packed(_lots(home_sizes, seed))
    rows = _arranged(blocks)
    drawing = _Drawing(rows, seed)
    lots = sorted((lot for block in blocks for lot in block.lots), key=lambda lot: (lot.household < 0, lot.household))
    _name_public(lots, seed)
    sectors = [legend_line(lot.building, lot.name, drawing.floor_of[id(lot)], lot.household) for lot in lots]
    head = f"# {town_name(seed)}, drawn from seed {seed} for {sum(home_sizes):,} people.\n\ntown {town_name(seed)}"
    legend = "\n".join(["sectors", *sectors, "", "objects", objects_legend()])
    return f"{head}\n\n{legend}\n\nmap\n{drawing.text()}\n"


def _lots(home_sizes: list[int], seed: int) -> list[_Lot]:
    """All buildings, those for the middle of the town first."""
    draws, known = Draws(seed, "lots"), buildings()
    lots = [(0.35 * draws.share(), _Lot(draws.pick(known[kind]), -1)) for kind in public_buildings(sum(home_sizes))]
    for household, size in enumerate(home_sizes):
        lots.append((0.12 + 0.88 * draws.share(), _Lot(known["home"][size - 1], household)))
    return [lot for _, lot in sorted(lots, key=lambda each: each[0])]


def _packed(lots: list[_Lot]) -> list[_Block]:
    """Blocks in the order of their lots; a lot goes into one of the last few blocks with room."""
    blocks: list[_Block] = []
    for lot in lots:
        room = BLOCK_WIDTH - lot.building.width - _BETWEEN
        block = next((each for each in blocks[-4:] if each.width <= room), None)
        if block is None:
            block = _Block([])
            blocks.append(block)
        block.lots.append(lot)
    return blocks


def _arranged(blocks: list[_Block]) -> list[list[_Block]]:
    """Rows of blocks, an even number, the first blocks nearest to the middle."""
    height = 1.5 + sum(block.height for block in blocks) / len(blocks)
    shapes = []
    for columns in range(1, len(blocks) + 1):
        n_rows = -(-len(blocks) // columns)
        n_rows += n_rows % 2
        ratio = columns * (BLOCK_WIDTH + STREET) / (n_rows * (height + STREET))
        shapes.append((abs(np.log(ratio / ASPECT)), columns, n_rows))
        if ratio > 2 * ASPECT:
            break
    _, columns, n_rows = min(shapes)
    spots = [
        (((row + 0.5) / n_rows - 0.5) ** 2 + ((column + 0.5) / columns - 0.5) ** 2, row, column)
        for row in range(n_rows)
        for column in range(columns)
    ]
    rows = [[_Block([]) for _ in range(columns)] for _ in range(n_rows)]
    for (_, row, column), block in zip(sorted(spots), blocks, strict=False):
        rows[row][column] = block
    return rows


class _Drawing:
    """Characters of the map, and a tile of the first room of each lot by its identity."""

    def __init__(self, rows: list[list[_Block]], seed: int) -> None:
        self.rows, self.draws = rows, Draws(seed, "drawing")
        self.floor_of: dict[int, tuple[int, int]] = {}
        self.heights = [max(block.height for block in row) for row in rows]
        pairs = [self.heights[k] + self.heights[k + 1] for k in range(0, len(rows), 2)]
        height = 1 + sum(pair + STREET + 4 * GAP for pair in pairs) + STREET + GAP + _RIVER
        self.width = 2 * GAP + STREET + len(rows[0]) * (BLOCK_WIDTH + 2 * GAP + STREET)
        self.grid_HW = np.full((height, self.width), ord("."), dtype=np.uint8)
        self.streets = Draws(seed, "streets").sample(STREETS, len(STREETS))
        self._draw()

    def text(self) -> str:
        """Rows of the drawing."""
        return "\n".join(row.tobytes().decode("ascii") for row in self.grid_HW)

    def _draw(self) -> None:
        y, street = 1, 0
        numbers: dict[tuple[int, bool], int] = {}
        tops = [y]
        for pair in range(0, len(self.rows), 2):
            north = y + STREET + GAP
            south = north + self.heights[pair] + 2 * GAP
            bottom = south + self.heights[pair + 1]
            self._draw_row(pair, street, north, numbers, to_north=True)
            self._draw_row(pair + 1, street + 1, bottom, numbers, to_north=False)
            y, street = bottom + GAP, street + 1
            tops.append(y)
        self._draw_roads(tops)
        self._draw_trees()
        self.grid_HW[-_RIVER:] = ord("~")

    def _draw_row(
        self, row: int, street: int, edge: int, numbers: dict[tuple[int, bool], int], *, to_north: bool
    ) -> None:
        for column, block in enumerate(self.rows[row]):
            left = 2 * GAP + STREET + column * (BLOCK_WIDTH + 2 * GAP + STREET)
            spare = (BLOCK_WIDTH - block.width) / max(len(block.lots), 1)
            x = left + spare / 2
            for lot in block.lots:
                lot.x, lot.y = int(x), edge if to_north else edge - lot.building.height
                if lot.household >= 0:
                    lot.name = self._numbered(street, numbers, even=to_north)
                self._stamp(lot, to_north=to_north)
                x += lot.building.width + _BETWEEN + spare

    def _numbered(self, street: int, numbers: dict[tuple[int, bool], int], *, even: bool) -> str:
        """House number and street."""
        numbers[street, even] = numbers.get((street, even), 0) + 1
        number = 2 * numbers[street, even] - (not even)
        name = self.streets[street % len(self.streets)]
        return (
            f"{number} {name}" if street < len(self.streets) else f"{number} {name} {street // len(self.streets) + 1}"
        )

    def _stamp(self, lot: _Lot, *, to_north: bool) -> None:
        rows = lot.building.turned(to_north=to_north, mirrored=self.draws.share() < 0.5)
        for k, row in enumerate(rows):
            self.grid_HW[lot.y + k, lot.x : lot.x + len(row)] = np.frombuffer(row.encode("ascii"), dtype=np.uint8)
            if id(lot) not in self.floor_of and lot.building.letter in row:
                self.floor_of[id(lot)] = (lot.x + row.index(lot.building.letter), lot.y + k)
        outer, beyond = (rows[0], lot.y - 1) if to_north else (rows[-1], lot.y + len(rows))
        for k, character in enumerate(outer):
            if character == "+":
                self.grid_HW[beyond, lot.x + k] = ord(":")

    def _draw_roads(self, tops: list[int]) -> None:
        for top in tops:
            self.grid_HW[top : top + STREET] = ord(":")
        for column in range(len(self.rows[0]) + 1):
            left = GAP + column * (BLOCK_WIDTH + 2 * GAP + STREET)
            self.grid_HW[tops[0] : tops[-1] + STREET, left : left + STREET] = ord(":")

    def _draw_trees(self) -> None:
        """Trees on grass whose eight neighbours are free, so that no way is blocked."""
        is_free_HW = np.isin(self.grid_HW, [ord("."), ord(":"), ord("P")])
        padded = np.pad(is_free_HW, 1, constant_values=False)
        height, width = self.grid_HW.shape
        around_HW = np.ones_like(is_free_HW)
        for dy in range(3):
            for dx in range(3):
                around_HW &= padded[dy : dy + height, dx : dx + width]
        spots = np.flatnonzero(around_HW & (self.grid_HW == ord(".")))
        taken: set[int] = set()
        for spot in spots.tolist():
            if self.draws.share() < _TREES * 2 and not taken & {
                spot - width - 1,
                spot - width,
                spot - width + 1,
                spot - 1,
            }:
                taken.add(spot)
                self.grid_HW.flat[spot] = ord("^")


def _name_public(lots: list[_Lot], seed: int) -> None:
    draws, used = Draws(seed, "public names"), {lot.name for lot in lots}
    town = town_name(seed)
    for lot in lots:
        if lot.household >= 0:
            continue
        kind = lot.building.kind
        name = f"{town} {draws.pick(NOUNS[kind])}"
        if kind not in ("library", "hall", "clinic", "school", "park") or name in used:
            name = _free_name(kind, used, draws)
        used.add(name)
        lot.name = name


def _free_name(kind: str, used: set[str], draws: Draws) -> str:
    words: list[str] = []
    while True:
        words.append(draws.pick(PLACE_WORDS))
        name = " ".join([*(words[-1:] if len(words) < 20 else words[-2:]), draws.pick(NOUNS[kind])])
        if name not in used:
            return name
