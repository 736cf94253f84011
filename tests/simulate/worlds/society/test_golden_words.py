"""Titles, replies and buffers beside the published program's, by the rule `correct` where it errs."""

import json

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from small_society import State, frame

from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds import schemas
from recgpt.simulate.worlds.society.search import Search
from recgpt.simulate.worlds.society.viewing import BUFFER, push

REFUSED, EMPTY = "refused", {"item": 0, "stars": 4, "feeling": "Good.", "heard": 0, "query": ""}


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/recagent/golden.json").read_text(encoding="utf-8"))


# --- titles ---


def test_a_search_finds_all_items_of_exactly_this_title_first(golden, shared):
    items = pl.read_csv(shared / "data/simulate/recagent/item.csv")
    n_items = len(items)
    ones = np.ones(n_items, dtype=np.float32)
    search = Search(ItemFacts(items.select("title"), ones, ones, np.ones((n_items, 1), np.float32), None, 1))
    titles = items["title"].to_list()
    for case in golden["title_lookup"]["cases"]:
        title = case["text"].strip("<>")  # marks of the published prompts
        found = search.by_text(title).tolist()
        exact = [item for item in found if titles[item] == title]
        assert exact == case["correct"] == found[: len(exact)], case["text"]


def test_words_never_name_an_item_only_its_number_does(golden):
    state = State()
    for case in golden["titles_in_text"]["cases"]:
        line = {"other": np.array([1]), "slot": np.array([0]), "text": [case["text"]]}
        named = KINDS.piece("said", np.array([0]), item=np.array([3]), **line)
        heard = state.hear(frame(1, KINDS.piece("said", np.array([0]), **line), named))
        assert heard.agent_H.tolist() == [1, 1] and heard.item_H.tolist() == [-1, 3]


# --- replies ---


def read(schema, said):
    """A reply as the schema reads it, or `REFUSED`."""
    try:
        return schema.model_validate_json(said if isinstance(said, str) else json.dumps(said))
    except ValidationError:
        return REFUSED


def test_no_published_reply_is_taken_for_a_decision(golden):
    page, social = schemas.page_schema(5, 0), schemas.social_schema(2, 0)
    for case in golden["replies"]["recommender"]:
        assert read(page, case["reply"]) == REFUSED
    for case in golden["replies"]["social"]:
        assert read(social, case["reply"]) == REFUSED


def test_a_page_takes_offered_numbers_only(golden):
    page = schemas.page_schema(5, 0)
    for case in golden["replies"]["recommender"]:
        named = case["reply"].partition("::")[2].strip()
        if case["reply"].startswith("[BUY]::") and named.isdecimal():
            said = read(page, {**EMPTY, "reason": "", "action": "watch", "item": int(named)})
            is_offered = 1 <= int(named) <= 5
            assert said.item == case["argument"] if is_offered else said == REFUSED, "published: another becomes 1"
    for said in ({"action": "watch", "item": "<12 Monkeys>"}, {"action": "leap"}, {"action": "search"}):
        assert read(page, {**EMPTY, "reason": "", **said}) == REFUSED
    found = read(page, {**EMPTY, "reason": "", "action": "search", "query": "2001"})
    assert found.query == "2001", "published: the number becomes item 1"


@pytest.mark.parametrize(("written", "minutes"), [("1", 60), ("2", 120), ("0.5", 30)])
def test_a_chat_takes_as_long_as_was_said(golden, written, minutes):
    case = next(
        each
        for each in golden["replies"]["social"]
        if each["reply"].endswith(f"[TIME]:: {written}") and "hours" in each
    )
    reply = {"reason": "", "action": "chat", "friend": 1, "minutes": minutes, "topic": 0, "opinion": 0, "text": ""}
    said = read(schemas.social_schema(2, 0), reply)
    assert said.minutes / 60 == float(written)
    assert case["hours"] == max(1, int(float(written))), "published: half an hour becomes one"
    for odd in ({"friend": 3}, {"friend": 0}, {"minutes": 90}, {"friend": "Ann"}):
        assert read(schemas.social_schema(2, 0), {**reply, **odd}) == REFUSED


def test_a_line_keeps_all_its_words(golden):
    none = {"speaker": 1, "text": "", "topic": 0, "opinion": 0}
    for case in golden["replies"]["dialogue_lines"]:
        reply = {f"line_{number}": none for number in range(2, schemas.N_LINES + 1)}
        said = read(schemas.dialogue_schema(0, 1, 0), {"line_1": {**none, "text": case["text"]}, **reply})
        if not case["text"]:
            assert said == REFUSED, "a dialogue without words"
        else:
            assert [line.text for line in schemas.lines_of(said)] == [case["text"]]


# --- buffers ---


def test_the_last_ten_titles_are_kept(golden):
    for case in golden["buffers"]["cases"]:
        given = [case["given"]] if isinstance(case["given"], str) else case["given"]
        titles = [*case.get("before", []), *given]
        number_of = {title: number for number, title in enumerate(sorted(set(titles)))}
        buffer_AB = np.full((2, BUFFER), -1, dtype=np.int32)
        for part in (case.get("before", []), given):
            items = np.array([number_of[title] for title in part], dtype=np.int64)
            push(np.ones(len(items), dtype=np.int64), (buffer_AB, items))
        assert buffer_AB[1][buffer_AB[1] >= 0].tolist() == [number_of[title] for title in case["correct"]]
        assert (buffer_AB[0] == -1).all()
