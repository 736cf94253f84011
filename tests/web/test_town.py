"""Calls of a town's map and residents."""

import gzip
import http.client
import json

import pytest
from served import HOST

from tests.simulate.worlds.town.stored_town import HOSTILE, stored_town

BLOCKS, PEOPLE = 6, 8


@pytest.fixture(scope="module")
def town(client):
    stored_town("small", BLOCKS, PEOPLE).close()
    return client


def zipped(client, path):
    """Unpacked content of an answer that is always gzipped."""
    connection = http.client.HTTPConnection(HOST, client.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.headers["content-encoding"] == "gzip"
    found = json.loads(gzip.decompress(answer.read()))
    connection.close()
    return found


def test_the_map_has_grids_places_and_residents(town):
    found = zipped(town, "/api/runs/small/town/map")
    size = found["width"] * found["height"]
    assert {sum(runs[1::2]) for runs in found["grids"].values()} == {size}
    assert len(found["residents"]) == PEOPLE
    assert found["residents"][0] == HOSTILE
    assert town.json("/api/runs/small")["about"]["has_map"]


def test_a_block_comes_compressed_and_whole(town):
    block = zipped(town, "/api/runs/small/town/blocks/2")
    assert {row[0] for row in block["walks"]} == set(range(PEOPLE))
    assert block["first"] == 60


def test_a_resident_facts_and_heat_at_a_moment(town):
    person = town.json("/api/runs/small/town/ticks/200/residents/0")
    assert (person["name"], person["tick"]) == (HOSTILE, 200)
    facts = town.json("/api/runs/small/town/ticks/360/facts")
    assert {"fact", "kind", "text", "about", "known"} <= set(facts["facts"][0])
    heat = town.json("/api/runs/small/town/heat?first=1&last=6")
    assert sum(heat["counts"]) == BLOCKS * 60 * PEOPLE


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("small/town/blocks/0", 422),
        ("small/town/blocks/7", 422),
        ("small/town/blocks/x", 422),
        ("small/town/ticks/361/facts", 422),
        ("small/town/ticks/5/residents/8", 404),
        ("small/town/heat?first=3&last=9", 422),
        ("town/town/map", 404),
        ("..%2fsmall/town/map", 404),
    ],
)
def test_wrong_places_are_refused_in_one_line(town, path, status):
    answer = town.get(f"/api/runs/{path}")
    assert answer.status == status
    assert "\n" not in answer.json.get("error", "")


def test_a_wrong_edit_is_refused_with_its_field(town):
    answer = town.post("/api/runs/small/town/edit", {"at": 3, "entry": {"kind": "move", "agent": 1}})
    assert answer.status == 422
    assert "place" in answer.json["error"]
    answer = town.post("/api/runs/small/town/edit", {"at": 3, "entry": {"kind": "whisper", "agent": 99, "text": "Hi"}})
    assert "no agent 99" in answer.json["error"]
    answer = town.post("/api/runs/town/town/edit", {"at": 3, "entry": {"kind": "whisper", "agent": 0, "text": "Hi"}})
    assert "no town to edit" in answer.json["error"]
