"""Plans: our own town, and the place that each error names."""

import re

import numpy as np
import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.places import GROUNDS, KINDS_OF_SECTORS
from recgpt.simulate.worlds.town.plan import compile_text, load_default_map, load_plan

PLAN = """town Nook
sectors
A | home | Hut  | household 0 | A room, 1 bath (1)
P | park | Green | | P lawn
objects
b | bed   | each 1
t | table | apart
s | chair | joined 5
map
...........
.#######.P.
.#bbA#1#sPs
.#tAA+1#PPP
.#tAt#1#.^.
.##+####~~~
...::......
"""


def test_rooms_objects_and_capacities_follow_from_the_drawing():
    town_map = compile_text(PLAN)
    names = [town_map.address(place.number) for place in town_map.places]
    assert names == [
        *("Nook:Hut", "Nook:Hut:room", "Nook:Hut:room:bed", "Nook:Hut:room:bed 2", "Nook:Hut:room:table"),
        *("Nook:Hut:room:table 2", "Nook:Hut:bath", "Nook:Green", "Nook:Green:lawn", "Nook:Green:lawn:chair"),
    ]
    capacities = [place.capacity for place in town_map.places]
    assert capacities == [10, 9, 1, 1, 2, 1, 1, 7, 7, 5]
    table = town_map.places[town_map.place_of("Nook:Hut:room:table")]
    assert [town_map.xy(tile) for tile in table.tiles] == [(2, 3), (2, 4)]
    assert [place.owner for place in town_map.places] == [0] * 7 + [-1] * 3


def test_grids_hold_the_same_tiles_as_the_places():
    town_map = load_default_map()
    for place in town_map.places:
        grid = getattr(town_map, f"{place.level}_HW")
        assert np.flatnonzero(grid == place.number).tolist() == list(place.tiles)
        assert not town_map.walls_HW.flat[list(place.tiles)].any()
    blocked = np.isin(town_map.ground_HW, [GROUNDS.index(name) for name in ("wall", "tree", "water", "fence")])
    assert (blocked == town_map.walls_HW).all()


def test_our_town_has_homes_and_beds_for_25_people_and_a_place_for_everything():
    town_map = load_default_map()
    beds = [place for place in town_map.places if re.fullmatch(r"bed( \d+)?", place.name) and place.kind == "home"]
    assert len(beds) >= 25 and all(bed.capacity == 1 for bed in beds)
    sectors = [place for place in town_map.places if place.level == "sector"]
    assert len({sector.owner for sector in sectors if sector.kind == "home"}) == 10
    unused = set(KINDS_OF_SECTORS) - {sector.kind for sector in sectors}
    assert unused == {"restaurant", "pharmacy", "gym", "other"}


def changed(row: int, text: str, *, plan: str = PLAN) -> str:
    lines = plan.splitlines()
    lines[lines.index("map") + 1 + row] = text
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (changed(0, "........."), r"row 0, column 9 .*row 0 has|row 1, column 9 \(line 11\): the row has 11 tiles"),
        (changed(2, ".#bbA#1#sP?"), r"row 2, column 10 \(line 12\): '\?' is not in the legend"),
        (changed(3, ".#tAA+1.PPP"), r"row 3, column 6 \(line 13\): Hut has no wall between this tile and the ground"),
        (changed(3, ".#tAA#1#PPP"), r"row 2, column 6 \(line 12\): room '1' belongs to no sector: a door must join it"),
        (changed(5, ".#######~~~"), r"row 1, column 9 \(line 11\): Nook:Green:lawn cannot be reached|Hut:room"),
        (changed(0, "...b......."), r"row 0, column 3 \(line 10\): bed stands on no floor"),
        (
            changed(0, ".........A."),
            r"line 3: floor A is in 2 separate places, at row 0, column 9 and at row 2, column 2",
        ),
        (PLAN.replace("P | park | Green | | P lawn", ""), r"row 1, column 9 .*'P' is not in the legend"),
        (PLAN.replace(", 1 bath (1)", ""), "'1' is not in the legend"),
        (PLAN.replace("bath (1)", "bath (1), 2 attic"), "line 3: Hut has no attic in the drawing"),
        (PLAN.replace("Green", "Hut"), "line 4: sector 'Hut' is there already, on line 3"),
        (PLAN.replace("park |", "garden |"), "line 4: unknown kind of sector 'garden': one of home, cafe"),
        (PLAN.replace("household 0", "open 7-9"), "line 3: '7-9' are no opening hours: write 07:00-20:00"),
        (PLAN.replace("1 bath", "1 room"), "line 3: room 'room' is there twice"),
        (PLAN.replace("apart", "near"), "line 7: 'near' is no extent: each, apart, joined"),
        (PLAN.replace("b | bed   |", "B | bed |"), "line 6: 'B' is no letter of an object"),
        (PLAN.replace("map\n", ""), "no line `map`"),
        (PLAN.replace("town Nook\n", ""), "a line `town NAME` is missing"),
    ],
)
def test_errors_name_the_place_and_the_remedy(plan, message):
    with pytest.raises(SimulationError, match=message):
        compile_text(plan)


def test_a_letter_of_several_sectors_is_told_apart_by_column_and_row():
    plan = PLAN.replace(
        "P | park | Green | | P lawn", "P@9,1 | park | Green | | P lawn\nP@0,0 | park | Grove | | P lawn"
    )
    town_map = compile_text(changed(0, "PP.........", plan=plan))
    assert town_map.places[town_map.place_of("Nook:Grove")].tiles == (0, 1)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(SimulationError, match="no such file: name a plan"):
        load_plan(tmp_path / "none.plan")
