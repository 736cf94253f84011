"""The client against a server with faults."""

import json
import logging
import traceback

import pytest
from pydantic import BaseModel, Field

from recgpt.errors import LLMError, StoreError
from recgpt.simulate.llm.budget import BudgetExceeded, Caps, Price, Spent
from recgpt.simulate.llm.calls import FAILURES, CallsInMemory
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.requests import Question, Request, Sampling
from recgpt.simulate.llm.servers import Server

TRIES = 6  # the default
KEY = "sk-fake-0123456789abcdef"


class Pick(BaseModel):
    index: int = Field(ge=1, le=4)
    why: str = Field(max_length=20)


def ask(text: str) -> Request:
    return Request([{"role": "system", "content": "Pick."}, {"role": "user", "content": text}], Pick, "test")


def asks(n: int) -> list[Request]:
    return [ask(f"question {number}") for number in range(n)]


def values(replies) -> list:
    return [(reply.value.model_dump() if reply.value else None, reply.failure) for reply in replies]


def test_replies_come_in_order_and_every_call_is_in_the_log(stub, stubs, client_of):
    log = CallsInMemory()
    client = client_of(stub, log=log, concurrency=4)
    replies = client.complete(asks(10))
    assert values(replies) == [(stubs.usual(f"question {number}"), None) for number in range(10)]
    assert sorted(call.key for call in log.calls) == sorted(reply.calls[0].key for reply in replies)
    body = json.loads(log.calls[0].request)
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert body in stub.bodies
    assert client.stats.to_dict()["calls"] == 10 and client.stats.latency_s(50) > 0
    assert client.spent == client.stats.spent


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_results_do_not_depend_on_concurrency_delays_and_faults_that_pass(stub, stubs, client_of, concurrency):
    late = stubs.random_delays(concurrency, most_s=0.003)
    hiccup = {1: stubs.Fault(status=500), 2: stubs.Fault(status=429)}
    # every fifth question fails twice before it is answered
    stub.fault = lambda user, seen: hiccup.get(seen) if user.endswith(("0", "5")) and seen < 3 else late(user, seen)
    replies = client_of(stub, concurrency=concurrency, timeout_s=10).complete(asks(100))
    assert values(replies) == [(stubs.usual(f"question {number}"), None) for number in range(100)]
    assert stub.most_in_flight <= concurrency


def test_equal_requests_are_asked_once(stub, client_of):
    client = client_of(stub)
    first, *others = client.complete([ask("same")] * 5)
    assert all(other == first for other in others)
    assert len(stub.bodies) == 1 and client.stats.known == 4


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        ({"status": 429}, "rate_limited", TRIES),
        ({"status": 500}, "server_error", TRIES),
        ({"status": 503}, "server_error", TRIES),
        ({"body": "<html>gateway</html>"}, "server_error", TRIES),
        ({"body": '{"choices": []}'}, "server_error", TRIES),
        ({"body": '{"choices": null, "usage": {"prompt_tokens": -5}}'}, "server_error", TRIES),
        ({"text": '{"index": 1, "wh', "finish": "length"}, "truncated", 2),
        ({"text": '{"index": 1, "wh'}, "not_json", 2),
        ({"text": ""}, "not_json", 2),
        ({"text": "Sure! {}"}, "schema_violation", 2),
        ({"text": "[" * 50_000}, "not_json", 2),
        ({"text": '{"index": 5, "why": ""}'}, "schema_violation", 2),
        ({"text": '{"index": -1, "why": ""}'}, "schema_violation", 2),
        ({"text": '{"index": "1", "why": ""}'}, "schema_violation", 2),
        ({"text": '{"index": 1, "why": "", "more": 1}'}, "schema_violation", 2),
        ({"text": '{"index": 1e400, "why": ""}'}, "schema_violation", 2),
        ({"text": "[]"}, "schema_violation", 2),
        ({"text": json.dumps({"index": 1, "why": "x" * 300_000})}, "schema_violation", 2),
        ({"refusal": "I cannot"}, "refused", 2),
        ({"finish": "content_filter"}, "refused", 2),
    ],
)
def test_each_failure_is_counted_by_kind_and_tried_a_bounded_number_of_times(
    stub, stubs, client_of, fault, kind, calls
):
    stub.fault = lambda user, seen: stubs.Fault(**fault) if user == "bad" else None
    log = CallsInMemory()
    client = client_of(stub, log=log)
    good, bad = client.complete([ask("good"), ask("bad")])
    assert good.value is not None and kind in FAILURES
    assert (bad.value, bad.failure) == (None, kind)
    assert stub.seen["bad"] == len(bad.calls) == calls
    assert client.stats.failed_calls == {kind: calls} and client.stats.failed == {kind: 1}
    assert [call.failure for call in log.calls if call.failure] == [kind] * calls
    assert all(len(call.reply or "") <= 200_000 for call in log.calls)


def test_a_malformed_reply_is_asked_again_with_another_key_and_seed(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(text="?") if seen == 1 else None
    (reply,) = client_of(stub, seed=7).complete([ask("a")])
    assert reply.value.model_dump() == stubs.usual("a")
    assert [call.failure for call in reply.calls] == ["not_json", None]
    assert reply.calls[0].key != reply.calls[1].key
    assert [body["seed"] for body in stub.bodies] == [7, 8]


def test_a_server_that_hangs_is_a_timeout(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(hang=True)
    client = client_of(stub, timeout_s=0.05, tries=2)
    (reply,) = client.complete([ask("a")])
    assert (reply.failure, len(reply.calls)) == ("timeout", 2)
    # nobody knows what was generated, so the most counts against the caps
    assert client.spent.tokens == sum(call.tokens_in + 50 for call in reply.calls)


def test_retry_after_is_honoured_by_all_questions(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(status=429, headers={"Retry-After": "0.15"}) if seen == 1 else None
    replies = client_of(stub, concurrency=1).complete(asks(2))
    assert [reply.failure for reply in replies] == [None, None]
    assert stub.times[1] - stub.times[0] >= 0.15


def test_a_busy_server_gets_fewer_calls_while_others_get_on(stubs):
    with stubs.Stub() as busy, stubs.Stub() as idle:
        busy.fault = lambda user, seen: stubs.Fault(status=429, headers={"Retry-After": "60"})
        servers = [Server(each.base_url, None) for each in (busy, idle)]
        client = LLMClient(servers, "m", caps=Caps(), concurrency=4, backoff_s=0.002)
        replies = client.complete(asks(30))
    assert all(reply.failure is None for reply in replies)
    assert len(busy.bodies) <= 4 < len(idle.bodies)


def test_several_servers_share_the_work(stubs):
    with stubs.Stub() as one, stubs.Stub() as two:
        one.fault = two.fault = lambda user, seen: stubs.Fault(delay_s=0.01)
        client = LLMClient([Server(each.base_url, None) for each in (one, two)], "m", caps=Caps(), concurrency=4)
        client.complete(asks(24))
    assert min(len(one.bodies), len(two.bodies)) >= 8


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_wrong_key_fails_at_once(stub, stubs, client_of, monkeypatch, status):
    monkeypatch.setenv("MY_KEY", KEY)
    stub.fault = lambda user, seen: stubs.Fault(status=status)
    with pytest.raises(LLMError, match="MY_KEY"):
        client_of(stub, key_env="MY_KEY", concurrency=2).complete(asks(50))
    assert len(stub.bodies) <= 2


def test_a_model_that_is_not_there_fails_at_once(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(status=404)
    with pytest.raises(LLMError, match="no model 'stub-model'"):
        client_of(stub, concurrency=1).complete(asks(9))
    assert len(stub.bodies) == 1


def test_no_credit_is_told_from_too_many_calls(stub, stubs, client_of):
    body = json.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    stub.fault = lambda user, seen: stubs.Fault(status=429, body=body)
    with pytest.raises(LLMError, match="no credit"):
        client_of(stub, concurrency=1).complete(asks(3))
    assert len(stub.bodies) == 1


def test_a_request_that_is_rejected_is_not_tried_again_and_all_rejected_is_an_error(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(status=400) if user == "bad" else None
    good, bad = client_of(stub).complete([ask("good"), ask("bad")])
    assert (good.failure, bad.failure, len(bad.calls)) == (None, "rejected", 1)
    with pytest.raises(LLMError, match=r"rejects all 1 requests .*status 400"):
        client_of(stub).complete([ask("bad")])


def test_a_server_that_is_not_there_is_an_error_and_costs_no_tokens(stubs, client_of):
    with stubs.Stub() as gone:
        pass
    client = client_of(gone)
    with pytest.raises(LLMError, match="cannot be reached"):
        client.complete([ask("a")])
    assert client.spent == Spent(calls=TRIES)


def test_a_connection_that_breaks_is_tried_again(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(cut=True) if seen == 1 else None
    (reply,) = client_of(stub).complete([ask("a")])
    assert [call.failure for call in reply.calls] == ["connection", None]


@pytest.mark.parametrize("caps", [Caps(calls=17), Caps(tokens=9_000), Caps(usd=0.004)])
def test_caps_hold_at_any_concurrency_and_stop_cleanly(stub, stubs, client_of, caps):
    stub.fault = stubs.random_delays(0, most_s=0.005)
    log = CallsInMemory()
    client = client_of(stub, caps=caps, log=log, price=Price(input=0.5, output=1.5), concurrency=64)
    with pytest.raises(BudgetExceeded, match="spent so far: "):
        client.complete(asks(300))
    spent = client.spent
    assert 0 < spent.calls == len(stub.bodies) == len(log.calls) < 300
    assert caps.calls is None or spent.calls == caps.calls
    assert caps.tokens is None or spent.tokens <= caps.tokens
    assert caps.usd is None or spent.usd <= caps.usd
    # stopping did not cost replies: with a higher cap the same log goes on where it was
    before = len(stub.bodies)
    client_of(stub, log=log).complete(asks(300))
    assert before + len(stub.bodies[before:]) == 300


def test_what_was_spent_before_a_resume_counts(stub, client_of):
    with pytest.raises(BudgetExceeded, match="10 calls"):
        client_of(stub, caps=Caps(calls=10), spent=Spent(calls=8), concurrency=1).complete(asks(5))
    assert len(stub.bodies) == 2


def test_a_new_client_with_the_same_log_asks_nothing_again(stub, stubs, client_of):
    stub.fault = lambda user, seen: (
        stubs.Fault(text="?") if user == "question 1" or (user == "question 2" and seen == 1) else None
    )
    log = CallsInMemory()
    first = client_of(stub, log=log).complete(asks(5))
    n_calls = len(stub.bodies)
    again = client_of(stub, log=log)
    assert again.complete(asks(5)) == first
    assert len(stub.bodies) == n_calls == 7 and again.spent.calls == 0 and again.stats.known == 5


def test_what_failed_for_a_reason_that_passes_is_asked_again_after_a_resume(stub, stubs, client_of):
    stub.fault = lambda user, seen: stubs.Fault(status=500) if seen <= TRIES else None
    log = CallsInMemory()
    assert client_of(stub, log=log).complete([ask("a")])[0].failure == "server_error"
    assert client_of(stub, log=log).complete([ask("a")])[0].failure is None


def test_calls_under_way_are_in_the_log_when_something_else_breaks(stub, stubs, client_of):
    class FullDisk(CallsInMemory):
        def record_call(self, call):
            super().record_call(call)
            if call.failure is None:
                raise StoreError("the disk is full")

    stub.fault = lambda user, seen: stubs.Fault(hang=user != "question 0")
    log = FullDisk()
    log.keep_dialect(f"stub-model at {stub.base_url}", Dialect())  # else the first question is sent alone
    client = client_of(stub, log=log)
    with pytest.raises(StoreError):
        client.complete(asks(4))
    assert sorted(call.failure or "" for call in log.calls) == ["", *["interrupted"] * 3]
    assert client.spent.calls == 4


def test_the_key_of_a_question_hashes_all_that_shapes_the_reply():
    class Other(BaseModel):
        index: int

    usual = (ask("a"), "m", Sampling(0.2, 50, 0), 1)
    others = [
        (ask("b"), "m", Sampling(0.2, 50, 0), 1),
        (Request(ask("a").messages, Other, "test"), "m", Sampling(0.2, 50, 0), 1),
        (ask("a"), "n", Sampling(0.2, 50, 0), 1),
        (ask("a"), "m", Sampling(0.3, 50, 0), 1),
        (ask("a"), "m", Sampling(0.2, 51, 0), 1),
        (ask("a"), "m", Sampling(0.2, 50, 1), 1),
        (ask("a"), "m", Sampling(0.2, 50, 0), 2),
    ]
    assert len({Question.from_request(*each).key for each in [usual, *others]}) == 8
    renamed = Request(ask("a").messages, Pick, "another purpose")
    assert Question.from_request(renamed, *usual[1:]).key == Question.from_request(*usual).key


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 1}, "many"])
def test_usage_that_is_not_told_or_makes_no_sense_never_counts_as_nothing(stub, stubs, client_of, usage):
    stub.fault = lambda user, seen: stubs.Fault(usage=usage)
    client = client_of(stub)
    client.complete([ask("a")])
    assert client.spent.tokens > 50


def test_the_key_appears_nowhere(stubs, client_of, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    log = CallsInMemory()
    with stubs.Stub(key=KEY) as stub:
        echo = json.dumps({"error": {"message": f"overloaded, key {KEY}"}})
        stub.fault = lambda user, seen: {
            "right": None,
            "error": stubs.Fault(status=500, body=echo),
            "reply": stubs.Fault(text=f"the key is {KEY}"),
            "odd": stubs.Fault(body=f"odd {KEY}"),
        }[user]
        client = client_of(stub, key_env="MY_KEY", log=log)
        replies = client.complete([ask("right"), ask("error"), ask("reply"), ask("odd")])
    assert replies[0].failure is None and len(replies[1].calls) == TRIES
    shown = [*map(repr, log.calls), repr(replies), repr(client), repr(client.stats), repr(client._lanes), caplog.text]
    with stubs.Stub(key="another") as stub, pytest.raises(LLMError) as denied:
        client_of(stub, key_env="MY_KEY", log=log).complete([ask("new")])
    shown += [*traceback.format_exception(denied.value, chain=True), *map(repr, log.calls)]
    assert denied.value.__cause__ is None and denied.value.__context__ is None
    assert not [text for text in shown if KEY in text]


def test_servers_and_keys_are_checked_before_any_call(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(LLMError, match="MY_KEY is not set"):
        LLMClient([Server("https://example.test/v1", "MY_KEY")], "m", caps=Caps())
    monkeypatch.setenv("MY_KEY", KEY + "\n")
    with pytest.raises(LLMError, match="MY_KEY holds white space") as wrong:
        LLMClient([Server("https://example.test/v1", "MY_KEY")], "m", caps=Caps())
    assert KEY not in str(wrong.value)
    for address in (f"https://me:{KEY}@example.test/v1", f"https://example.test/v1?key={KEY}"):
        with pytest.raises(LLMError, match="environment variable") as wrong:
            Server(address)
        assert KEY not in str(wrong.value)
    for address in ("localhost:8080", "http://", "http://127.0.0.1:99999/v1", "ftp://example.test"):
        with pytest.raises(LLMError, match="no address"):
            Server(address)
    with pytest.raises(LLMError, match="at least one base_url"):
        LLMClient([], "m", caps=Caps())
    with pytest.raises(LLMError, match="concurrency 0"):
        LLMClient([Server("http://127.0.0.1:1/v1", None)], "m", caps=Caps(), concurrency=0)
    with pytest.raises(LLMError, match="price of 'unheard-of'"):
        LLMClient([Server("http://127.0.0.1:1/v1", None)], "unheard-of", caps=Caps(usd=1))
