"""The client against servers that want to break it: bounded, counted, without a word of the key."""

import base64
import json
import re
import time
from collections.abc import Callable
from html import unescape
from urllib.parse import unquote

import pytest
from pydantic import BaseModel, Field

from recgpt.errors import LLMError
from recgpt.simulate.llm.budget import Caps, Spent
from recgpt.simulate.llm.calls import FAILURES, CallsInMemory
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.failures import Outage
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.servers import MAX_RETRY_AFTER_S, Server
from tests.simulate.llm.hostile import ANSWERED, ECHOES, FAILING, GOOD, GOOD_TEXT, KEY, USAGES, Exchange, HostileServer

TRIES = 3


class Pick(BaseModel):
    index: int = Field(ge=1, le=4)
    why: str


def ask(text: str) -> Request:
    return Request([{"role": "user", "content": text}], Pick, "test")


def client_of(server: HostileServer, **options: object) -> LLMClient:
    given = {"caps": Caps(), "tries": TRIES, "backoff_s": 0.001, "timeout_s": 0.1, "max_tokens": 50, **options}
    return LLMClient([Server(server.base_url, None)], "m", **given)


@pytest.mark.parametrize("name", FAILING)
def test_a_bad_reply_is_a_counted_failure_and_the_others_go_on(name: str) -> None:
    kind, calls, behave = FAILING[name]
    log = CallsInMemory()
    with HostileServer(behave) as server:
        timeout_s = 0.1 if kind == "timeout" else 5.0
        started = time.monotonic()
        good, bad = client_of(server, log=log, timeout_s=timeout_s).complete([ask("good"), ask("bad")])
        seconds = time.monotonic() - started
    assert good.value is not None and good.value.model_dump() == GOOD
    assert (bad.value, bad.failure) == (None, kind) and kind in FAILURES
    assert len(bad.calls) == calls and len(server.bodies) == len(log.calls) == calls + 1
    assert all(len(call.reply or "") <= 200_000 for call in log.calls)
    assert seconds < 3, "bounded, on a busy machine too"


@pytest.mark.parametrize("name", ANSWERED)
def test_one_object_is_taken_out_of_what_surrounds_it(name: str) -> None:
    log = CallsInMemory()
    with HostileServer(ANSWERED[name]) as server:
        (reply,) = client_of(server, log=log, timeout_s=5).complete([ask("a")])
        (again,) = client_of(server, log=log).complete([ask("a")])
    assert reply.value is not None and reply.value.model_dump() == GOOD
    assert again == reply and len(server.bodies) == 1, "the log repeats it"


@pytest.mark.parametrize("name", USAGES)
def test_absurd_usage_counts_as_unknown_and_the_paid_call_is_not_repeated(name: str) -> None:
    with HostileServer(lambda it: it.says(GOOD_TEXT, usage=USAGES[name])) as server:
        client = client_of(server, timeout_s=5)
        (reply,) = client.complete([ask("a")])
    assert reply.failure is None and len(server.bodies) == 1
    (call,) = reply.calls
    assert call.tokens_in > 100 or name == "a million digits"
    assert 0 < client.spent.tokens < 10_000


def shown(text: str) -> list[str]:
    """A text, and what of it could be read by someone who undoes escapes and encodings."""
    seen = [text]
    for _ in range(3):
        text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        text = unescape(unquote(text)).replace("\\n", "").replace("\\", "")
        text = "".join(character for character in text if character.isprintable() and character != " ")
        seen.append(text)
    for part in re.findall(r"[A-Za-z0-9+/_-]{16,}", seen[0]):
        for start in range(4):
            cut = part[start:].replace("-", "+").replace("_", "/")
            seen.append(base64.b64decode(cut[: len(cut) // 4 * 4]).decode("latin-1"))
    return [*seen, *(bytes.fromhex(part).decode("latin-1") for part in re.findall(r"(?:[0-9a-f]{2}){12,}", seen[0]))]


@pytest.mark.parametrize("place", ["reply", "invalid reply", "name", "thought", "error", "body", "refusal", "header"])
@pytest.mark.parametrize("name", ECHOES)
def test_a_repeated_key_is_nowhere(
    name: str, place: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: object
) -> None:
    echo = ECHOES[name]
    said = f'{{"index": 1, "why": "{echo}"}}'

    def behave(it: Exchange) -> None:
        {
            "reply": lambda: it.says(said),
            "invalid reply": lambda: it.says(f"{echo} is your key"),
            "name": lambda: it.says(f'{{"index": 1, "{echo}": "x"}}'),
            "thought": lambda: it.says(f"<think>{echo}</think>{GOOD_TEXT}"),
            "error": lambda: it.json(f'{{"error": {{"message": "{echo}"}}}}', 500),
            "body": lambda: it.json(f"odd {echo}"),
            "refusal": lambda: it.says("", refusal=echo),
            "header": lambda: it.json("{}", 503, X_Key=echo.replace("\\", ""), Retry_After=echo.replace("\\", "")),
        }[place]()

    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level("DEBUG")
    log = CallsInMemory()
    with HostileServer(behave) as server:
        options = {"caps": Caps(), "tries": 2, "backoff_s": 0.001, "log": log}
        client = LLMClient([Server(server.base_url, "MY_KEY")], "m", **options)
        (reply,) = client.complete([ask("a")])
        (again,) = LLMClient([Server(server.base_url, "MY_KEY")], "m", **{**options, "tries": 1}).complete([ask("a")])
    if place == "reply":
        assert reply.failure is None and "MY_KEY" in reply.value.why
    if place in ("reply", "thought"):
        assert reply.failure is None and again == reply and len(server.bodies) == 1
    told = capfd.readouterr()
    everywhere = [repr(log.calls), repr(reply), repr(again), repr(client), caplog.text, told.out, told.err]
    everywhere += [text for call in log.calls for text in (call.reply or "", json.dumps(call.reply))]
    everywhere += [reply.value.why] if reply.value is not None else []
    assert not [each for text in everywhere for each in shown(text) if KEY in each]


def test_keys_of_other_services_are_cut_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"HF_TOKEN": "hf_abcdefghijklmnop", "DB_PASSWORD": "correct horse battery", "MY_API_KEY_2": "k-2" * 5}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEYBOARD_LAYOUT", "a keyboard of letters")
    text = json.dumps({"index": 1, "why": " ".join([*secrets.values(), "a keyboard of letters"])})
    with HostileServer(lambda it: it.says(text)) as server:
        (reply,) = client_of(server, timeout_s=5).complete([ask("a")])
    assert reply.value.why == "[HF_TOKEN] [DB_PASSWORD] [MY_API_KEY_2] a keyboard of letters"


def test_a_short_key_of_a_local_server_spoils_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "x")
    with HostileServer(lambda it: it.says('{"index": 1, "why": "an axe"}')) as server:
        (reply,) = LLMClient([Server(server.base_url, "MY_KEY")], "m", caps=Caps()).complete([ask("a")])
    assert reply.value.why == "an axe"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["same", "other", "https", "no", "key"])
def test_no_redirect_is_followed_and_each_request_counts(
    status: int, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with HostileServer(lambda it: it.says(GOOD_TEXT)) as other:

        def behave(it: Exchange) -> None:
            same = f"{it.base_url}/chat/completions/"
            target = {"same": same, "other": f"{other.base_url}/chat/completions", "https": "https://127.0.0.1:1/v1"}
            target |= {"no": "", "key": f"{other.base_url}/{KEY}?key={KEY}"}
            it.json("{}", status, **({"Location": target[where]} if target[where] else {}))

        with HostileServer(behave) as server:
            client = LLMClient([Server(server.base_url, "MY_KEY")], "m", caps=Caps(calls=1), tries=TRIES)
            with pytest.raises(LLMError, match="none is followed") as raised:
                client.complete([ask("a")])
    assert len(server.bodies) == 1 and not other.bodies
    assert client.spent == Spent(calls=1)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("after", ["1000000000", "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_wish_to_wait_is_cut_and_said(
    after: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_RETRY_AFTER_S", 0.05)
    monkeypatch.setattr("recgpt.simulate.llm.client._LONG_REST_S", 0.01)
    assert MAX_RETRY_AFTER_S <= 120

    def behave(it: Exchange) -> None:
        it.json("{}", 429, Retry_After=after) if it.seen == 1 else it.says(GOOD_TEXT)

    with HostileServer(behave) as server:
        (reply,) = client_of(server, timeout_s=5, backoff_s=0.001).complete([ask("a")])
    assert reply.failure is None
    told = capfd.readouterr().err
    assert "rate_limited" in told and "though the server asks for" in told and f"try 2 of {TRIES}" in told


def test_a_long_outage_of_many_questions_is_noticed_soon() -> None:
    """One call at a time after the first refusals, so that trying each of 300 questions six times would take 18 s."""
    with HostileServer(lambda it: it.json("{}", 429, Retry_After="0.01")) as server:
        client = client_of(server, timeout_s=0.2, tries=6, max_failed=0.05, concurrency=8)
        started = time.monotonic()
        with pytest.raises(Outage, match=r"0\.05 allows 15"):
            client.complete([ask(f"question {number}") for number in range(300)])
    assert time.monotonic() - started < 9 and len(server.bodies) < 900


def test_a_timeout_is_said_with_the_time_that_is_waited(capfd: pytest.CaptureFixture[str]) -> None:
    with HostileServer(lambda it: it.closing.wait(5)) as server:
        client_of(server, timeout_s=0.05).complete([ask("a")])
    assert "each of 0.05 s at most" in capfd.readouterr().err


def test_failures_are_said_by_kind_with_an_example(capfd: pytest.CaptureFixture[str]) -> None:
    behave: Callable[[Exchange], None] = lambda it: it.says("I like \x1b[2J films")  # noqa: E731
    with HostileServer(behave) as server:
        client_of(server, timeout_s=5).complete([ask(f"question {number}") for number in range(8)])
    told = capfd.readouterr().err
    assert "8 of 8 questions to 'm' have failed: 8 not_json (the reply is not JSON)" in told
    assert "“I like [2J films”" in told and "\x1b" not in told


ADDRESSES = (
    "",
    "nowhere",
    "ftp://host/v1",
    "http://",
    "http://[::1/v1",
    "http://a b/v1",
    "http://a/v1\n",
    "http://\u202e/v1",
)
ADDRESSES += (
    "http://ex\0ample/v1",
    "http://host:0/v1",
    "http://host:99999/v1",
    "http://host\\evil/v1",
    "http://a..b/v1",
)
ADDRESSES += (f"http://{'a' * 300}/v1", "http://\ud800/v1")


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_no_address_is_refused_before_any_call(address: str) -> None:
    with pytest.raises(LLMError, match="no address of a server"):
        Server(address, None)


@pytest.mark.parametrize(
    "address", ["http://[::1]:8080/v1", "https://ex\u00e4mple.org/v1", "HTTP://localhost", "http://a_b:1"]
)
def test_addresses_of_all_kinds_are_taken(address: str) -> None:
    assert Server(address, None).base_url == address


def test_a_key_in_the_place_of_a_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LLMError, match="the name of an environment variable") as raised:
        Server("http://host/v1", KEY)
    assert KEY not in str(raised.value)
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(LLMError, match="the value of MY_KEY") as raised:
        Server(f"http://host/{KEY}/v1", None)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("model", ["", "a\udcffb", "a\nb"])
def test_a_name_that_no_model_has_is_refused(model: str) -> None:
    with pytest.raises(LLMError, match="no name of a model"):
        LLMClient([Server("http://host/v1", None)], model, caps=Caps())
