"""Published maps: golden values of the shipped one, our own written and read again, errors by row and column."""

import hashlib
import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.paths import UNREACHABLE, Paths
from recgpt.simulate.worlds.town.plan import load_default_map
from recgpt.simulate.worlds.town.published_map import read_published_map, write_published_map
from recgpt.simulate.worlds.town.published_tiles import in_square, tile_address, tile_details, tile_of_pixel


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures" / "smallville" / "golden.json").read_text())


@pytest.fixture(scope="module")
def ville(shared):
    return read_published_map(shared / "data" / "simulate" / "smallville" / "the_ville")


@pytest.fixture(scope="module")
def paths(ville):
    return Paths(ville)


def test_the_shipped_map_has_the_counted_places_walls_and_parts(golden, ville, shared):
    wanted = golden["map"]
    assert (ville.width, ville.height) == (wanted["width"], wanted["height"])
    assert np.count_nonzero(ville.walls_HW) == wanted["collision_tiles"]
    counts = {level: sum(place.level == level for place in ville.places) for level in ("sector", "arena", "object")}
    assert counts | {"spawn": len(ville.spawns)} == wanted["addresses"]
    parts_HW, _ = ndimage.label(~ville.walls_HW)
    assert sorted(np.bincount(parts_HW.ravel())[1:], reverse=True) == wanted["walkable_components"]
    x, y = wanted["town_component"]["contains"]
    assert np.count_nonzero(parts_HW == parts_HW[y, x]) == wanted["town_component"]["tiles"]
    assert np.count_nonzero(ville.object_HW >= 0) == wanted["object_tiles"]
    for name, digest in wanted["sha256"].items():
        content = (shared / "data/simulate/smallville/the_ville/matrix" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest


def test_addresses_hold_the_published_tiles(golden, ville):
    wanted = golden["addresses"]["tiles"]
    found = {f"<spawn_loc>{name}": set(tiles) for name, tiles in ville.spawns.items()}
    for place in ville.places:
        grid_HW = getattr(ville, f"{place.level}_HW")
        found[ville.address(place.number)] = set(np.flatnonzero(grid_HW == place.number).tolist())
        assert not ville.walls_HW.flat[list(place.tiles)].any()
    assert found == {
        address: {ville.tile(x, y) for y, first, last in rows for x in range(first, last + 1)}
        for address, rows in wanted.items()
    }


def test_tiles_are_reported_as_published(golden, ville):
    for case in golden["tile_paths"]:
        level = {"game_object": "object"}.get(case["level"], case["level"])
        assert tile_address(ville, ville.tile(*case["tile"]), level) == case["published"]
    for case in golden["tiles"]:
        details = tile_details(ville, ville.tile(*case["tile"]))
        assert details == {name: case[name] for name in details}


@pytest.mark.parametrize("rules", ["published", "corrected"])
def test_squares_and_pixels(golden, ville, rules):
    for case in golden["nearby"]["cases"]:
        tiles = in_square(ville, ville.tile(*case["tile"]), case["radius"], published=rules == "published")
        columns, rows = zip(*map(ville.xy, tiles), strict=True)
        assert len(tiles) == case[rules]["count"]
        assert [min(columns), max(columns), min(rows), max(rows)] == case[rules]["x0_x1_y0_y1"]
        assert list(zip(columns, rows, strict=True)) == sorted(zip(columns, rows, strict=True))
    for case in golden["pixels"]:
        assert list(tile_of_pixel(*case["pixel"], published=rules == "published")) == case[rules]


def test_published_paths(golden, ville, paths):
    for case in golden["paths"]["cases"]:
        path = [list(ville.xy(tile)) for tile in paths.published(ville.tile(*case["start"]), ville.tile(*case["end"]))]
        wanted = case["published"]
        assert (len(path), path[0], path[-1]) == (wanted["tiles"], wanted["first"], wanted["last"])
        if wanted["moves"] is not None:
            steps = {(0, -1): "U", (-1, 0): "L", (1, 0): "R", (0, 1): "D"}
            moves = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)]
            assert "".join(steps[move] for move in moves) == wanted["moves"]


def test_corrected_paths_are_shortest_or_an_error(golden, ville, paths):
    for case in golden["paths"]["cases"]:
        start, end = ville.tile(*case["start"]), ville.tile(*case["end"])
        if ville.walls_HW.flat[start]:
            continue
        if case["shortest_moves"] is None:
            assert paths.distances(end)[start] == UNREACHABLE
            with pytest.raises(SimulationError, match="no way from tile"):
                paths.path(start, end)
        else:
            assert len(paths.path(start, end)) == case["shortest_moves"] + 1


def test_the_choice_of_a_goal(golden, ville, paths):
    case = golden["paths"]["choice_of_goal"]
    start, goals = ville.tile(*case["start"]), [ville.tile(*each) for each in case["candidates"]]
    lengths = [len(paths.published(start, goal)) for goal in goals]
    assert lengths == case["published_lengths"]
    nearest = min(goals, key=lambda goal: paths.distances(goal)[start])
    assert list(ville.xy(nearest)) == case["corrected_choice"]


def same(one, other):
    grids = ("walls_HW", "sector_HW", "arena_HW", "object_HW")
    assert all((getattr(one, grid) == getattr(other, grid)).all() for grid in grids)
    assert (one.name, one.spawns) == (other.name, other.spawns)


def test_the_shipped_map_written_and_read_again_is_equal(ville, tmp_path):
    write_published_map(ville, tmp_path / "matrix")
    again = read_published_map(tmp_path)
    same(again, ville)
    assert again.places == ville.places


def test_our_own_town_written_and_read_again_has_the_same_places(tmp_path):
    town_map = load_default_map()
    write_published_map(town_map, tmp_path / "matrix")
    again = read_published_map(tmp_path / "matrix")
    by_address = {again.address(place.number): place.tiles for place in again.places}
    assert by_address == {town_map.address(place.number): place.tiles for place in town_map.places}


@pytest.fixture
def written(tmp_path):
    write_published_map(load_default_map(), tmp_path / "matrix")
    return tmp_path / "matrix"


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


def test_wrong_files_are_errors_that_name_the_place(written):
    sectors, grid = written / "special_blocks" / "sector_blocks.csv", written / "maze" / "sector_maze.csv"
    kept = grid.read_text()
    change(grid, "40001", "77")
    with pytest.raises(SimulationError, match=r"row 4, column 87: 77 is not in special_blocks/sector_blocks.csv"):
        read_published_map(written)
    grid.write_text(kept.replace("0", "zero", 1))
    with pytest.raises(SimulationError, match="row 0, column 0: 'zero' is no number"):
        read_published_map(written)
    grid.write_text(kept + ", 0")
    with pytest.raises(SimulationError, match="7,617 numbers instead of 112 x 68: one for each tile"):
        read_published_map(written)
    grid.write_text(kept)
    change(sectors, "40001", "forty")
    with pytest.raises(SimulationError, match="line 1: 'forty, Hazelbrook, Alder House' is not"):
        read_published_map(written)
    shutil.rmtree(written / "maze")
    with pytest.raises(SimulationError, match="name the folder `matrix` of a published map"):
        read_published_map(written)
