"""Paths: shortest, with stated ties, whatever is kept."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.paths import UNREACHABLE, Paths
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.plan import load_default_map


def map_of(walls_HW: np.ndarray) -> TownMap:
    none_HW = np.full(walls_HW.shape, -1, dtype=np.int32)
    return TownMap("field", walls_HW, none_HW, none_HW, none_HW, ())


def plain_distances(walls_HW: np.ndarray, goal: int) -> dict[int, int]:
    height, width = walls_HW.shape
    found, queue = {goal: 0}, [goal]
    for tile in queue:
        y, x = divmod(tile, width)
        for row, column in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
            other = row * width + column
            inside = 0 <= row < height and 0 <= column < width
            if inside and not walls_HW[row, column] and other not in found:
                found[other] = found[tile] + 1
                queue.append(other)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**31))
def test_distances_are_those_of_a_plain_search(height, width, seed):
    rng = np.random.default_rng(seed)
    walls_HW = rng.random((height, width)) < 0.3
    walls_HW.flat[0] = False
    paths, plain = Paths(map_of(walls_HW)), plain_distances(walls_HW, 0)
    distances = paths.distances(0)
    assert {tile: int(moves) for tile, moves in enumerate(distances) if moves < UNREACHABLE} == plain
    for tile in plain:
        assert len(paths.path(tile, 0)) == plain[tile] + 1
        assert paths.published(tile, 0)[0] == tile


def test_paths_of_our_town_take_the_first_of_the_moves_that_lead_nearer():
    town_map = load_default_map()
    paths = Paths(town_map)
    tiles = [tile for place in town_map.places if place.level == "object" for tile in place.tiles]
    for start, goal in np.random.default_rng(1).choice(tiles, (150, 2)).tolist():
        distances = paths.distances(goal).astype(int)
        path = paths.path(start, goal)
        assert (path[0], path[-1], len(path)) == (start, goal, distances[start] + 1)
        for tile, following in pairwise(path):
            width = town_map.width
            nearer = [tile + s for s in (-width, -1, 1, width) if distances[tile + s] == distances[tile] - 1]
            assert following == nearer[0]


def test_a_small_limit_drops_fields_and_changes_no_path():
    town_map = load_default_map()
    tiles = [place.tiles[0] for place in town_map.places]
    small, large = Paths(town_map, limit_bytes=30_000), Paths(town_map)
    for start, goal in zip(tiles, tiles[::-1], strict=True):
        assert small.path(start, goal) == large.path(start, goal)
        assert small.used_bytes <= 30_000


def test_small_fields_are_those_of_large_ones(monkeypatch):
    town_map = load_default_map()
    tiles = [int(tile) for tile in np.flatnonzero(~town_map.walls_HW.ravel())[::97]]
    small = [Paths(town_map).path(start, goal) for start, goal in pairwise(tiles)]
    monkeypatch.setattr("recgpt.simulate.worlds.town.paths._SMALL", 0)
    assert [Paths(town_map).path(start, goal) for start, goal in pairwise(tiles)] == small


def test_no_way_is_an_error():
    walls_HW = np.array([[False, True, False]])
    with pytest.raises(SimulationError, match=r"no way from tile \(0, 0\) to \(2, 0\) of field"):
        Paths(map_of(walls_HW)).path(0, 2)


def test_searches_that_end_at_the_walker_change_no_path(monkeypatch):
    town_map = load_default_map()
    tiles = [tile for place in town_map.places for tile in place.tiles]
    pairs = np.random.default_rng(2).choice(tiles, (200, 2)).tolist()
    kept = Paths(town_map)
    whole = [kept.path(start, goal) for start, goal in pairs]
    monkeypatch.setattr("recgpt.simulate.worlds.town.paths._LARGE", 0)
    paths = Paths(town_map)
    assert [paths.path(start, goal) for start, goal in pairs] == whole
