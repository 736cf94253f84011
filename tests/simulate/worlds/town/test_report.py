"""View and report of a town: whole, plain, and hostile names escaped."""

import json

import pytest
from rich.console import Console

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.report import html, strip_svg, summary_table
from recgpt.simulate.worlds.town.view import view
from tests.simulate.worlds.town.stored_town import stored_town


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGPT_RUNS", str(tmp_path_factory.mktemp("towns")))
        with stored_town("small", 6, 8) as found:
            yield found


def test_the_view_of_every_block_is_plain_json(run):
    for step in (0, 3, 6):
        seen = view(run, step)
        json.dumps(seen, allow_nan=False)
        assert [len(resident["strip"]) for resident in seen["glance"]] == [step] * 8
    assert seen["metrics"]["blocks"] == 6
    with pytest.raises(SimulationError, match="no step 7"):
        view(run, 7)


def test_every_resident_that_knows_a_fact_stands_once_in_its_tree(run):
    for fact in view(run, 6)["facts"]:
        assert sorted(place for place, _ in fact["tree"]) == list(range(len(fact["known"])))
        depth = {fact["known"][place]["id"]: depth for place, depth in fact["tree"]}
        for row in fact["known"]:
            if row["source"] in depth:
                assert depth[row["id"]] == depth[row["source"]] + 1


def test_talks_have_their_lines(run):
    talks = view(run, 6)["talks"]
    assert talks
    assert all(talk["lines"] for talk in talks)


def test_the_report_escapes_names(run):
    page = html(run)
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "\u202e" not in page
    assert "http" not in page.replace("https://", "http").split("<body>")[0]
    assert page.count('class="strip"') == 8


def test_a_strip_has_one_part_for_each_stay():
    assert strip_svg([0, 0, 1], ["#000", "#fff"]).count("<rect") == 2


def test_the_summary_names_measures(run):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(summary_table(run))
    assert "density of acquaintances" in capture.get()
