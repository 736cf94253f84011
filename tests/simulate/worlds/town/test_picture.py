"""Pictures of maps."""

import io

import numpy as np
from PIL import Image

from recgpt.simulate.worlds.town.picture import FLOORS, MAX_SIDE, OBJECTS, colour_of, picture
from recgpt.simulate.worlds.town.places import KINDS_OF_SECTORS, TownMap
from recgpt.simulate.worlds.town.plan import load_default_map


def read(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=int)


def test_a_picture_shows_walls_water_and_beds_where_they_are():
    town_map = load_default_map()
    pixels = read(picture(town_map, 10))
    assert pixels.shape == (town_map.height * 10, town_map.width * 10, 3)

    def middle(tile: int) -> np.ndarray:
        x, y = town_map.xy(tile)
        return pixels[10 * y + 7, 10 * x + 5]

    bed = town_map.places[town_map.place_of("Hazelbrook:Alder House:bedroom:bed")].tiles[0]
    assert np.abs(middle(bed) - colour_of("bed")).max() < 12
    assert middle(town_map.tile(3, 67))[2] > 180  # the river
    assert middle(town_map.tile(2, 9)).max() < 130  # a wall


def test_kinds_and_objects_of_our_town_have_colours():
    assert set(FLOORS) == set(KINDS_OF_SECTORS) - {"other"}
    town_map = load_default_map()
    named = {place.name for place in town_map.places if place.level == "object"}
    assert not [name for name in named if all(word not in name for word, _ in OBJECTS)]


def test_a_large_map_has_small_tiles():
    walls_HW = np.zeros((10, 1500), dtype=bool)
    none_HW = np.full(walls_HW.shape, -1)
    pixels = read(picture(TownMap("plain", walls_HW, none_HW, none_HW, none_HW, ())))
    assert pixels.shape[1] == 3000 <= MAX_SIDE
