"""Readers of replies, identity text and places on offer, against values in `../shared/fixtures/smallville`."""

import json
from datetime import date

import pytest

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.residents import Resident
from recgpt.simulate.worlds.town.rules import replies
from recgpt.simulate.worlds.town.rules.profiles import (
    arenas_of,
    chosen_sector,
    identity_text,
    objects_of,
    offered_sectors,
)
from recgpt.simulate.worlds.town.rules.schedules import minutes_of

NAME = "Isabella Rodriguez"


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/smallville/golden.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def expected(golden):
    return golden["replies"]


@pytest.fixture(scope="module")
def storage(shared):
    return shared / "data/simulate/smallville/storage"


def memory_of(storage, simulation, name, file):
    path = storage / simulation / "personas" / name / "bootstrap_memory" / file
    return json.loads(path.read_text(encoding="utf-8"))


def or_none(value):
    """None where the published code raises."""
    return None if isinstance(value, dict) and "raises" in value else value


def test_plain_replies_are_read_as_published(expected):
    for reply, hour in expected["wake_hour"]:
        assert replies.wake_hour(reply, published=True) == hour
    for reply, triple in expected["event_triple"]:
        assert list(replies.triple(NAME, reply, published=True)) == triple
    for reply, importance in expected["poignancy"]:
        assert replies.importance(reply, published=True) == or_none(importance)
    for reply, emoji in expected["emoji"]:
        assert replies.emoji(reply, published=True) == or_none(emoji)
    for reply, answer in expected["talk"]:
        assert replies.wants_to_talk(reply, published=True) == (answer == "yes")
    for reply, option in expected["react"]:
        assert replies.option(reply, published=True) == int(option)
    for reply, line in expected["utterance"]:
        assert replies.utterance(reply, published=True) == replies.Utterance(line["utterance"], line["end"])
    assert replies.hour_activity(expected["hour_on_outage"], published=True) == replies.OUTAGE


def test_broad_plans_are_read_as_published_and_with_their_last_item_as_corrected(expected):
    plan = expected["day_plan"]
    assert replies.broad_plan(6, plan["reply"], published=True) == plan["published"]
    assert replies.broad_plan(6, plan["reply"]) == plan["corrected"]
    assert replies.broad_plan(6, plan["reply_of_an_outage"], published=True) == plan["published_on_outage"]


def test_decompositions_are_read_as_published_and_fill_their_block_as_corrected(expected):
    for case in expected["decomposition"]["cases"]:
        task, minutes, reply = case["task"], case["minutes"], case["reply"]
        published = replies.decomposition(task, minutes, reply, published=True)
        wanted = or_none(case["published"])
        assert published == (wanted and [tuple(block) for block in wanted])
        corrected = replies.decomposition(task, minutes, reply)
        if corrected is None:
            assert "duration" not in reply
        else:
            assert minutes_of(corrected) == minutes


# --- defects of the published code ---


def test_an_outage_is_a_failure_never_content():
    assert replies.hour_activity(replies.OUTAGE) is None
    assert replies.broad_plan(6, replies.OUTAGE) is None
    assert replies.importance(replies.OUTAGE) is None
    assert replies.utterance(replies.OUTAGE) is None
    assert replies.decomposition("working", 60, f"1) Isabella is{replies.OUTAGE}") is None


def test_importances_are_numbers_from_1_to_10_in_any_form():
    assert [replies.importance(reply) for reply in ('{"output": 7}', '{"output": "7"}', "7")] == [7, 7, 7]
    assert [replies.importance(reply) for reply in ('{"output": 11}', '{"output": 0}', '{"output": true}')] == [
        None
    ] * 3


def test_emojis_are_whole():
    assert replies.emoji('{"output": "🛁🧖‍♀️"}') == "🛁🧖‍♀️"
    assert replies.emoji('{"output": "🍳🍞🥓☕"}') == "🍳🍞"
    assert replies.emoji('{"output": "none"}') is None


def test_no_means_no_in_any_form():
    assert replies.wants_to_talk('Answer in "yes" or "no": no') is False
    assert replies.wants_to_talk("Answer: yes.") is True
    assert replies.wants_to_talk(" Maria is busy studying, so Isabella would not") is None
    assert [replies.option(reply) for reply in ("Option 1", "2", "They need the same room")] == [1, 2, None]


def test_a_triple_that_fails_is_idle():
    assert replies.triple(NAME, "nothing") == (NAME, "is", "idle")
    assert replies.triple(NAME, " write, email) and more") == (NAME, "write", "email")


def test_a_line_ends_a_talk_by_its_value():
    assert replies.utterance('{"a": "x", "b": "of course"}') is None
    assert replies.utterance('{"a": "x", "b": true}') == replies.Utterance("x", ends=True)
    assert replies.utterance('{"a": "x", "b": "False"}') == replies.Utterance("x", ends=False)


def test_hours_of_waking_have_minutes_and_noon_is_none():
    assert [replies.wake_hour(reply) for reply in ("6:30am", "7 AM", "noon", " 11pm", "13am")] == [6, 7, 8, 8, 8]


# --- profiles ---


def test_identity_text_is_as_published(golden, storage):
    case = golden["identity_text"]
    scratch = memory_of(storage, "base_the_ville_isabella_maria_klaus", case["persona"], "scratch.json")
    texts = ("name", "age", "innate", "learned", "currently", "lifestyle", "daily_plan_req")
    resident = Resident(**{name: scratch[name] for name in texts}, household=0, home=0, bed=0)
    assert identity_text(resident, date.fromisoformat(case["now"])) == case["published"]


def test_places_on_offer_are_as_published(golden, storage):
    for name, case in golden["address_resolution"]["personas"].items():
        tree = memory_of(storage, "base_the_ville_n25", name, "spatial_memory.json")["the Ville"]
        scratch = memory_of(storage, "base_the_ville_n25", name, "scratch.json")
        offered = offered_sectors(tree, scratch["last_name"])
        assert len(tree) == case["known_sectors"]
        assert offered == case["offered_sectors"]
        assert scratch["living_area"] == case["living_area"]
        assert chosen_sector("no such place", offered, case["living_area"]) == case["chosen_on_unknown_reply"]
        assert chosen_sector(offered[0], offered, case["living_area"]) == offered[0]


def test_objects_on_offer_are_as_published_and_unknown_places_name_the_known_ones(golden, storage):
    tree = memory_of(storage, "base_the_ville_n25", NAME, "spatial_memory.json")["the Ville"]
    for address, objects in golden["address_resolution"]["objects"]:
        assert ", ".join(objects_of(tree, *address.split(":")[1:])) == objects
    assert arenas_of(tree, "") == []
    with pytest.raises(SimulationError, match="no known sector 'Hobs Cafe': choose among Hobbs Cafe"):
        arenas_of(tree, "Hobs Cafe")
    with pytest.raises(SimulationError, match="no known room 'kitchen': choose among cafe"):
        objects_of(tree, "Hobbs Cafe", "kitchen")
