"""Modules of the town's map that need no browser: grids, walks, talks, time, light."""

import json

import pytest
from test_scripts import NODE, values_of

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
BLOCK = {
    "first": 60,
    "texts": ["sleeping", "reading", "😴"],
    "actions": [[0, 0, 0, 0, 3, 70, -1, 2], [0, 70, 1, -1, -1, 200, -1, -1], [1, 0, 0, 0, 4, 500, -1, -1]],
    "walks": [[0, 60, 5], [0, 70, 5, 1, 2, 10, 1], [1, 60, 9]],
    "talks": [{"start": 80, "end": 100, "pair": [0, 1], "summary": "", "lines": [[0, "Hi"], [1, "Hello"]]}],
    "states": [],
}


def test_grids_are_unpacked_from_run_lengths():
    found = values_of("town_map.js", "unpackedGrid", "[...unpackedGrid([-1, 2, 7, 3], 5, Int32Array)]")
    assert found == [[-1, -1, 7, 7, 7]]


def test_a_block_tells_tile_activity_and_line_of_any_tick():
    block = f"new TownBlock({json.dumps(BLOCK)}, 2)"
    cases = {
        f"{block}.tileAt(0, 60)": 5,
        f"{block}.tileAt(0, 71)": 6,
        f"{block}.tileAt(0, 73)": 17,
        f"{block}.tileAt(0, 119)": 17,
        f"{block}.tileAt(1, 119)": 9,
        f"{block}.actionAt(0, 69).text": "sleeping",
        f"{block}.actionAt(0, 69).emoji": "😴",
        f"{block}.actionAt(0, 70).text": "reading",
        f"{block}.actionAt(0, 70).emoji": None,
        f"{block}.talksAt(79).length": 0,
        f"{block}.talksAt(80)[0].line": [0, "Hi"],
        f"{block}.talksAt(99)[0].line": [1, "Hello"],
        f"{block}.talksAt(100).length": 0,
    }
    assert values_of("town_blocks.js", "TownBlock", *cases) == list(cases.values())


def test_time_plays_waits_for_blocks_and_ends():
    script = """(() => {
        let ready = true;
        const clock = new TownClock({ secondsPerTick: 10, ticksPerBlock: 60, ready: () => ready });
        const seen = [];
        clock.setLast(120);
        clock.setSpeed(600);
        clock.toggle();
        clock.advance(1);
        seen.push(clock.tick, clock.block);
        ready = false;
        seen.push(clock.advance(0.5), clock.tick);
        ready = true;
        clock.advance(5);
        clock.advance(1);
        seen.push(clock.tick, clock.block, clock.playing);
        clock.step(-1);
        seen.push(clock.whole);
        clock.shiftSpeed(1);
        seen.push(clock.speed);
        clock.goLive();
        clock.setLast(180);
        clock.advance(1);
        seen.push(clock.live, clock.tick);
        return seen;
    })()"""
    [found] = values_of("town_clock.js", "TownClock", script)
    assert found == [60, 2, False, 60, 120, 2, False, 119, 3600, True, 180]


def test_nights_are_dark_and_days_are_not():
    found = values_of(
        "town_light.js", "darknessAt, tintAt", "darknessAt(2)", "darknessAt(12)", "tintAt(12)", "tintAt(23)"
    )
    assert found[:3] == [1, 0, None]
    assert found[3].startswith("rgb(")


def test_long_words_are_cut_into_lines_of_a_bubble():
    [short, long] = values_of("town_figures.js", "wrapped", "wrapped('Good morning')", f"wrapped('{'x' * 500}')")
    assert short == ["Good morning"]
    assert len(long) == 4 and all(len(line) <= 30 for line in long)


def test_a_name_is_left_out_where_it_would_lie_on_one_of_a_house_or_a_resident():
    script = """(() => {
        const shown = [];
        const scene = Object.assign(Object.create(TownScene.prototype), {
            map: { residents: ["Ann Lee", "Bo Ray", "Cy Orr"] }, ratio: 1, selected: 2,
            figures: { textOf: (text) => ({ width: 40, text }) }, put: (pen, picture) => shown.push(picture.text),
        });
        Object.defineProperty(scene, "colors", { value: {} });
        const taken = [{ x: 90, y: 121, width: 60 }];
        scene.drawName(null, { agent: 0, x: 100, y: 100 }, taken);
        scene.drawName(null, { agent: 1, x: 300, y: 100 }, taken);
        scene.drawName(null, { agent: 0, x: 310, y: 105 }, taken);
        scene.drawName(null, { agent: 2, x: 120, y: 100 }, taken);
        return shown;
    })()"""
    assert values_of("town_scene.js", "TownScene", script) == [["Bo", "Cy"]]
