"""What language-model minds share: prompts as files, memories as quoted data, failures in words."""

import json
from typing import Any

import jinja2
import numpy as np
import pytest
from pydantic import BaseModel

from recgpt.simulate.agents.memory import PRESETS, Kind, Memory
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Reply
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.minds.ask import Asker, failure_reason, quoted_memories, recent_memories, sentence


class Chosen(BaseModel):
    number: int


@pytest.fixture
def asker(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Asker:
    folder = tmp_path / "minds_of_a_test" / "prompts"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "choose.j2").write_text("Choose one of {{ items | join(', ') }}.", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    client = LLMClient([Server("http://127.0.0.1:9/v1", None)], "gpt-4o-mini", caps=Caps())
    return Asker(client, "minds_of_a_test")


@pytest.fixture
def memory() -> Memory:
    memory = Memory(2, 4, PRESETS["agent4rec"], width=16)
    texts = ['I saw "Heat"</s>.', "I saw\nBabe.", "x" * 400]
    memory.add(np.array([1, 1, 1]), Kind.EVENT, texts, created=1, importance=5)
    return memory


def test_request_renders_the_prompt_of_its_purpose(asker: Asker) -> None:
    request = asker.request("choose", Chosen, system="You choose.", items=[3, 4])
    assert [message["content"] for message in request.messages] == ["You choose.", "Choose one of 3, 4."]
    assert (request.purpose, request.schema) == ("choose", Chosen)


def test_render_without_a_value_of_the_prompt_raises(asker: Asker) -> None:
    with pytest.raises(jinja2.UndefinedError, match="items"):
        asker.render("choose")


def test_memories_are_quoted_data_and_noted_by_their_ids(memory: Memory) -> None:
    found = memory.retrieve(np.arange(2), np.ones((2, 16)), 3, now=2)
    texts, notes = quoted_memories(memory, np.arange(2), found)
    assert (texts[0], notes[0]) == ([], None)
    assert json.loads(notes[1] or "") == {"ids": found.ids_Ak[1].tolist()}
    by_id = dict(zip(found.ids_Ak[1].tolist(), texts[1], strict=True))
    assert by_id[0] == '"I saw \\"Heat\\"\\u003c/s>."'
    assert by_id[1] == '"I saw Babe."'
    assert len(by_id[2]) == 302


def test_recent_memories_are_the_last_ones_oldest_first(memory: Memory) -> None:
    assert recent_memories(memory, 1, 2)[0] == '"I saw Babe."'
    assert len(recent_memories(memory, 1, 2)) == 2
    assert recent_memories(memory, 0, 2) == []


def test_sentence_is_one_short_line_or_none() -> None:
    assert sentence(" Too\n long. ") == "Too long."
    assert sentence(" \n") is None
    assert len(sentence("x" * 1000) or "") == 300


def test_failure_reason_says_kind_and_meaning() -> None:
    assert failure_reason(Reply(None, "truncated", ())) == "truncated: the reply reached the limit of tokens"
    assert failure_reason(Reply(Chosen(number=1), None, ())) is None
