"""Dialects of servers: found out by the first request, kept, and part of what identifies a reply."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from recgpt.cli.llm import llm_app
from recgpt.errors import LLMError
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.calls import CallsInMemory
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.requests import Question, Request, Sampling
from recgpt.simulate.llm.servers import MOST_REJECTIONS, Server
from tests.simulate.llm.hostile import GOOD_TEXT, Exchange, HostileServer


class Pick(BaseModel):
    index: int = Field(ge=1, le=4)
    why: str


def asks(n: int) -> list[Request]:
    return [
        Request([{"role": "system", "content": "Pick."}, {"role": "user", "content": f"question {number}"}], Pick, "t")
        for number in range(n)
    ]


def refuses(*refused: Callable[[dict[str, Any]], str | None], status: int = 400) -> Callable[[Exchange], None]:
    """Behaviour of a server that rejects a body for the first of these reasons, and replies well to others."""

    def behave(it: Exchange) -> None:
        words = next((said for each in refused if (said := each(it.body)) is not None), None)
        if words is None:
            it.says(GOOD_TEXT)
        else:
            it.json(json.dumps({"error": {"message": words}}), status)

    return behave


def no_format(*kinds: str, words: str = "response_format of this type is not supported") -> Callable[..., str | None]:
    return lambda body: words if body.get("response_format", {}).get("type") in kinds else None


def no(name: str, words: str = "Unsupported parameter: '{}' is not supported with this model.") -> Callable[..., Any]:
    return lambda body: words.format(name) if name in body else None


OLD_LIMIT = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
NEW_LIMIT = "max_completion_tokens: Extra inputs are not permitted"
BOTH = ("json_schema", "json_object")
CASES = {
    "takes all": ((), 400, Dialect()),
    "no schema": ((no_format("json_schema"),), 400, Dialect(format="json_object")),
    "only a prompt": ((no_format(*BOTH),), 400, Dialect(format="prompt")),
    "no schema, no word": ((no_format("json_schema", words="Bad Request"),), 400, Dialect(format="json_object")),
    "only a prompt, no word": ((no_format(*BOTH, words=""),), 422, Dialect(format="prompt")),
    "no schema, by 500": ((no_format("json_schema"),), 500, Dialect(format="json_object")),
    "the new limit": ((no("max_tokens", OLD_LIMIT),), 400, Dialect(limit="max_completion_tokens")),
    "the new limit, no word": ((no("max_tokens", "no"),), 400, Dialect(limit="max_completion_tokens")),
    "no temperature": ((no("temperature"),), 400, Dialect(temperature=False)),
    "no temperature, no word": ((no("temperature", "{}!"),), 400, Dialect(temperature=False)),
    "no seed": ((no("seed"),), 422, Dialect(seed=False)),
    "much": (
        (no("max_tokens", OLD_LIMIT), no("temperature"), no_format(*BOTH), no("seed")),
        400,
        Dialect(format="prompt", limit="max_completion_tokens", temperature=False, seed=False),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_dialect_is_found_out_once_and_kept(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    refused, status, expected = CASES[name]
    log = CallsInMemory()
    with HostileServer(refuses(*refused, status=status)) as server:
        options = {"caps": Caps(), "log": log, "backoff_s": 0.001}
        client = LLMClient([Server(server.base_url, None)], "m", **options)
        replies = client.complete(asks(20))
        n_calls = len(server.bodies)
        again = LLMClient([Server(server.base_url, None)], "m", **options)
        repeated = [reply.value for reply in again.complete(asks(20))]
        assert repeated == [reply.value for reply in replies] and len(server.bodies) == n_calls, "nothing is sent again"
        again.complete(asks(25))
    assert all(reply.failure is None for reply in replies)
    assert client.dialects == again.dialects == {server.base_url: expected}
    assert len(server.bodies) - n_calls == 5, "a resume does not look for the dialect again"
    assert n_calls - 20 <= 8 and len(log.calls) == len(server.bodies), "each rejected request is a call"
    assert ("in this form" in capfd.readouterr().err) == (expected != Dialect())
    sent = server.bodies[-1]
    assert sent.get("response_format", {"type": "prompt"})["type"] == expected.format
    assert {"temperature", "seed"} - set(sent) == set(expected.left_out) and expected.limit in sent
    stated = json.dumps({"required": ["index", "why"]})[1:-1].replace(" ", "")
    assert (stated in sent["messages"][0]["content"]) == (expected.format != "json_schema")


def test_the_schema_gets_a_system_message_of_its_own_where_there_is_none() -> None:
    request = Request([{"role": "user", "content": "a"}], Pick, "t")
    question = Question.from_request(request, "m", Sampling(None, 5, None), 1, Dialect(format="prompt"))
    assert [message["role"] for message in question.body["messages"]] == ["system", "user"]


def test_the_key_holds_how_the_schema_is_sent_but_not_the_name_of_the_limit() -> None:
    def key(**dialect: Any) -> str:
        return Question.from_request(asks(1)[0], "m", Sampling(0.2, 50, 0), 1, Dialect(**dialect)).key

    usual = key()
    others = {key(format="json_object"), key(format="prompt"), key(temperature=False), key(seed=False)}
    assert len(others | {usual}) == 5
    assert key(limit="max_completion_tokens") == usual
    # a key of an older version: its logs still answer
    assert usual == "31949a9a6060272e9dd257cab20e6e0699b7c00ae0dc83578801e283009deeee"


def test_a_server_that_rejects_everything_costs_a_bounded_number_of_requests() -> None:
    with (
        HostileServer(lambda it: it.json('{"error": {"message": "no"}}', 400)) as server,
        pytest.raises(LLMError, match="rejects all 30 requests"),
    ):
        LLMClient([Server(server.base_url, None)], "m", caps=Caps()).complete(asks(30))
    assert len(server.bodies) <= 30 + MOST_REJECTIONS


def test_a_prompt_that_is_too_long_is_no_dialect() -> None:
    words = "This model's maximum context length is 10 tokens; max_tokens 50"
    with (
        HostileServer(lambda it: it.json(json.dumps({"error": {"message": words}}), 400)) as server,
        pytest.raises(LLMError, match="maximum context length"),
    ):
        LLMClient([Server(server.base_url, None)], "m", caps=Caps()).complete(asks(1))
    assert len(server.bodies) == 1


def test_servers_with_two_dialects_share_the_work() -> None:
    with HostileServer(refuses()) as one, HostileServer(refuses(no_format(*BOTH))) as two:
        servers = [Server(each.base_url, None) for each in (one, two)]
        client = LLMClient(servers, "m", caps=Caps(), concurrency=2)
        assert all(reply.failure is None for reply in client.complete(asks(20)))
    assert [each.format for each in client.dialects.values()] == ["json_schema", "prompt"]


def test_check_says_the_dialect() -> None:
    text = json.dumps({"index": 1, "rating": 4, "watch": True, "reason": "heist"})

    def behave(it: Exchange) -> None:
        refuses(no_format(*BOTH), no("seed"))(it) if "response_format" in it.body or "seed" in it.body else it.says(
            text
        )

    with HostileServer(behave) as server:
        arguments = ["check", "--base-url", server.base_url, "--model", "m", "--probes", "2"]
        report = json.loads(CliRunner().invoke(llm_app, [*arguments, "--json"]).stdout)
        table = CliRunner().invoke(llm_app, arguments).stdout
    assert report["dialect"] == {"format": "prompt", "limit": "max_tokens", "temperature": True, "seed": False}
    assert report["obedience"] == 1
    assert "schema in the prompt, limit `max_tokens`, no seed" in table
