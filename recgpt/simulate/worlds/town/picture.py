"""A picture of a map, drawn by code: ground, floors by kind of sector, walls, doors, objects, names.

    path.write_bytes(picture(town_map))                  # PNG, at most 4,000 pixels wide or high

Large maps have small tiles: below 6 pixels a tile is a plain square, and only public places have names.
"""

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recgpt.simulate.worlds.town.places import GROUNDS, Place, TownMap

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]
MAX_SIDE = 4_000
"""Pixels of the longer side."""
TILE_PIXELS, SMALLEST_DETAIL = 18, 6
"""Pixels of a tile unless the map is large, and the fewest for objects and walls with detail."""

GROUND_COLOURS: dict[str, Colour] = {
    "grass": (168, 201, 134),
    "road": (222, 210, 184),
    "floor": (236, 224, 203),
    "door": (160, 106, 62),
    "wall": (92, 78, 70),
    "tree": (168, 201, 134),
    "water": (116, 170, 206),
    "fence": (150, 125, 90),
}
FLOORS: dict[str, Colour] = {
    "home": (240, 222, 194),
    "cafe": (246, 214, 178),
    "restaurant": (246, 214, 178),
    "bar": (224, 190, 160),
    "cinema": (214, 196, 222),
    "bookshop": (226, 214, 186),
    "shop": (250, 232, 176),
    "pharmacy": (204, 232, 222),
    "school": (210, 222, 240),
    "library": (228, 212, 180),
    "office": (220, 226, 230),
    "workshop": (218, 212, 202),
    "park": (150, 192, 116),
    "hall": (238, 216, 214),
    "clinic": (222, 238, 240),
    "gym": (216, 226, 204),
}
"""Floors by kind of sector."""
OBJECTS: tuple[tuple[str, Colour], ...] = (
    *(("bed", (118, 146, 200)), ("couch", (170, 206, 214)), ("sofa", (188, 104, 96)), ("shower", (150, 200, 224))),
    *(
        ("toilet", (250, 250, 250)),
        ("sink", (214, 230, 238)),
        ("stove", (84, 84, 92)),
        ("refrigerator", (206, 212, 220)),
    ),
    *(("blackboard", (62, 92, 78)), ("television", (52, 56, 66)), ("stage", (150, 70, 70)), ("pool", (60, 134, 92))),
    *(("piano", (50, 44, 48)), ("guitar", (196, 132, 60)), ("press", (96, 106, 122)), ("machine", (96, 106, 122))),
    *(("bookshelf", (136, 86, 52)), ("shelf", (158, 116, 70)), ("wardrobe", (128, 88, 60)), ("closet", (128, 88, 60))),
    *(("counter", (176, 128, 82)), ("bench", (150, 112, 70)), ("garden", (222, 146, 168)), ("seat", (206, 112, 84))),
    *(("desk", (190, 148, 96)), ("table", (202, 160, 106)), ("podium", (170, 120, 76))),
)
"""Colours of objects, by the first word that is in their name."""
_OTHER_OBJECT: Colour = (180, 150, 120)
_DETAIL_SCALE = 2
"""Factor of the drawing before it is made smaller, for smooth edges."""


def picture(town_map: TownMap, tile_pixels: int | None = None) -> bytes:
    """PNG of a map.

    Parameters
    ----------
    tile_pixels
        Side of a tile; by default 18, or less where the picture would be wider or higher than 4,000 pixels.
    """
    from PIL import Image, ImageDraw

    longer = max(town_map.width, town_map.height)
    side = tile_pixels or max(1, min(TILE_PIXELS, MAX_SIDE // longer))
    is_detailed = side >= SMALLEST_DETAIL
    scaled = side * (_DETAIL_SCALE if is_detailed else 1)
    tiles = _colours(town_map)
    image = Image.fromarray(tiles.repeat(scaled, axis=0).repeat(scaled, axis=1))
    if is_detailed:
        _Details(town_map, scaled, ImageDraw.Draw(image)).draw()
        image = image.resize((town_map.width * side, town_map.height * side), Image.Resampling.LANCZOS)
    _draw_names(town_map, side, ImageDraw.Draw(image, "RGBA"))
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()


def colour_of(name: str) -> Colour:
    """Colour of an object."""
    return next((colour for word, colour in OBJECTS if word in name), _OTHER_OBJECT)


def _colours(town_map: TownMap) -> np.ndarray:
    """(H, W, 3) uint8 colour of each tile."""
    table = np.array([GROUND_COLOURS[name] for name in GROUNDS], dtype=np.int16)
    colour_HW3 = table[town_map.ground_HW]
    floors = [FLOORS.get(place.kind, GROUND_COLOURS["floor"]) for place in town_map.places]
    if floors:
        inside_HW = (town_map.sector_HW >= 0) & (town_map.ground_HW == GROUNDS.index("floor"))
        colour_HW3[inside_HW] = np.array(floors, dtype=np.int16)[town_map.sector_HW[inside_HW]]
    is_mown_HW = np.add.outer(np.arange(town_map.height), np.arange(town_map.width)) % 2 == 0
    is_soft_HW = np.isin(town_map.ground_HW, [GROUNDS.index(name) for name in ("grass", "tree", "floor", "road")])
    colour_HW3[is_mown_HW & is_soft_HW] += 4
    if town_map.width * town_map.height > (MAX_SIDE // SMALLEST_DETAIL) ** 2:
        colour_HW3[town_map.ground_HW == GROUNDS.index("tree")] = (96, 146, 82)
    return np.clip(colour_HW3, 0, 255).astype(np.uint8)


class _Details:
    """Trees, water, doors, walls and objects of a map."""

    def __init__(self, town_map: TownMap, side: int, draw: "ImageDraw") -> None:
        self.town_map, self.side, self.to = town_map, side, draw

    def draw(self) -> None:
        """Draw them all."""
        for place in self.town_map.places:
            if place.level == "object":
                self._object(place)
        shapes = {"tree": self._tree, "water": self._water, "wall": self._wall, "door": self._door}
        for name, shape in shapes.items():
            for y, x in np.argwhere(self.town_map.ground_HW == GROUNDS.index(name)).tolist():
                shape(x, y)

    def _box(self, x: int, y: int, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        """Pixels of a part of a tile, given as shares of its side."""
        side = self.side
        return (x + left) * side, (y + top) * side, (x + right) * side - 1, (y + bottom) * side - 1

    def _object(self, place: Place) -> None:
        is_seats, width = "seat" in place.name, self.town_map.width
        own = set() if is_seats else set(place.tiles)
        colour = colour_of(place.name)
        shade = tuple(int(0.72 * part) for part in colour)
        for grown, fill in ((0.04, shade), (0.0, colour)):
            for tile in place.tiles:
                x, y = self.town_map.xy(tile)
                gap = 0.14 - grown
                left, right = (0 if tile - 1 in own else gap), (1 if tile + 1 in own else 1 - gap)
                top, bottom = (0 if tile - width in own else gap), (1 if tile + width in own else 1 - gap)
                self.to.rectangle(self._box(x, y, left, top, right, bottom), fill=fill)
        x, y = self.town_map.xy(place.tiles[0])
        if place.name.startswith("bed"):
            self.to.rectangle(self._box(x, y, 0.22, 0.2, 0.78, 0.42), fill=(246, 246, 240))
        elif "garden" in place.name:
            for tile in place.tiles:
                self._flowers(*self.town_map.xy(tile))

    def _flowers(self, x: int, y: int) -> None:
        self.to.rectangle(self._box(x, y, 0, 0, 1, 1), fill=(122, 164, 92))
        for k, fill in enumerate(((236, 120, 150), (250, 214, 96), (240, 240, 250))):
            left, top = 0.12 + 0.3 * k, 0.2 + 0.25 * ((x + y + k) % 3)
            self.to.ellipse(self._box(x, y, left, top, left + 0.2, top + 0.2), fill=fill)

    def _tree(self, x: int, y: int) -> None:
        self.to.ellipse(self._box(x, y, -0.05, 0.1, 1.2, 1.2), fill=(134, 168, 104))
        self.to.ellipse(self._box(x, y, -0.15, -0.2, 1.05, 1.0), fill=(84, 136, 76))
        self.to.ellipse(self._box(x, y, 0.05, -0.1, 0.65, 0.5), fill=(112, 164, 94))

    def _water(self, x: int, y: int) -> None:
        if (3 * x + 5 * y) % 7 == 0:
            self.to.line(self._box(x, y, 0.2, 0.5, 0.9, 0.5), fill=(150, 198, 226), width=max(1, self.side // 10))

    def _wall(self, x: int, y: int) -> None:
        if y and self.town_map.ground_HW[y - 1, x] == GROUNDS.index("wall"):
            return
        self.to.rectangle(self._box(x, y, 0, 0, 1, 0.3), fill=(120, 102, 90))

    def _door(self, x: int, y: int) -> None:
        self.to.rectangle(self._box(x, y, 0.1, 0.1, 0.9, 0.9), fill=(186, 130, 80))


def _draw_names(town_map: TownMap, side: int, draw: "ImageDraw") -> None:
    font = _font(max(9, min(15, round(side * 0.8))))
    small = side < SMALLEST_DETAIL
    for place in town_map.places:
        if place.level != "sector" or (small and place.kind == "home"):
            continue
        rows, columns = np.divmod(np.array(place.tiles), town_map.width)
        x = (columns.min() + columns.max() + 1) / 2 * side
        y = (rows.min() - 0.5) * side if not small else (rows.min() + rows.max() + 1) / 2 * side
        name = place.name
        if draw.textlength(name, font=font) > (columns.max() - columns.min() + 3) * side:
            name = _in_two_lines(name)
        box = draw.textbbox((x, y), name, font=font, anchor="mm", align="center")
        draw.rounded_rectangle((box[0] - 4, box[1] - 2, box[2] + 4, box[3] + 2), 4, fill=(255, 252, 244, 225))
        draw.text((x, y), name, font=font, anchor="mm", align="center", fill=(60, 46, 38, 255))


def _in_two_lines(name: str) -> str:
    """The name, broken at the space nearest to its middle."""
    spaces = [k for k, letter in enumerate(name) if letter == " "]
    if not spaces:
        return name
    at = min(spaces, key=lambda k: abs(k - len(name) / 2))
    return f"{name[:at]}\n{name[at + 1 :]}"


@cache
def _font(pixels: int) -> "FreeTypeFont":
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), pixels)
