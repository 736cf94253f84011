"""No key, token or folder of the machine in any page, answer, stream or line of the terminal."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import TOKEN, Client, served

from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.store import Run
from recgpt.web import cleaning

KEY = "sk-live-0123456789abcdef"
PATHS = [
    *("/", "/new", "/runs/leaky", "/compare?left=leaky&right=town", "/api/runs", "/api/runs/leaky", "/api/runs/none"),
    *("/api/runs/leaky/series", "/api/runs/leaky/frames/1", "/api/runs/leaky/steps/1", "/api/runs/leaky/steps/1/graph"),
    *("/api/runs/leaky/steps/1/agents/0", "/api/runs/leaky/agents", "/api/runs/leaky/log?step=2", "/api/worlds"),
    *("/recagent/leaky/configs", "/recagent/leaky/agents", "/recagent/leaky/messages", "/recagent/leaky/rounds"),
    *("/api/runs/leaky/steps/99", "/api/runs/broken", "/static/login.js", "/static/main.js", "/nothing"),
]


@pytest.fixture(scope="module")
def leaky(runs: Path) -> Iterator[Path]:
    """A run whose configuration names folders of the machine, a password, and a key that a server repeated."""
    with Run.open("town") as run:
        config = {**run.manifest.config, "past": f"{Path.home()}/secret data/past", "users": "/srv/people/users.csv"}
        config["llm"] = {**config["llm"], "base_urls": ["http://ada:pass-word-1234@models.example/v1"]}
        forked = run.fork("leaky", 2, changes={"config": config})
    fields = {"key": "k", "purpose": "p", "model": "m", "request": "{}", "reply": f"your key is {KEY}", "failure": None}
    numbers = {"tokens_in": 1, "tokens_out": 1, "cost_usd": 0.0, "seconds": 0.1, "attempts": 1, "server": "s"}
    (runs / "broken").mkdir()
    (runs / "broken" / "run.sqlite").write_bytes(b"no database")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAKY_API_KEY", KEY)
        forked.record_call(LLMCall(**fields, **numbers))
        forked.close()
        yield runs


def secrets_in(text: str, runs: Path) -> list[str]:
    hidden = [KEY, TOKEN, "pass-word-1234", str(Path.home()), str(runs), str(Path.cwd()), "/srv/people"]
    return [each for each in hidden if each in text and each != "/"]


def test_pages_and_answers(leaky):
    with served(token=TOKEN) as client:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        for path in PATHS:
            for headers in (bearer, {}):
                answer = client.send("GET", path, headers=headers)
                assert not secrets_in(json.dumps(answer), leaky), path
        tab = Client(client.port, bearer).stream("leaky", 0)
        for _, data, number in tab.events():
            assert not secrets_in(data, leaky)
            if number == 2:
                break
        tab.close()
        body = {"run": "new", "world": "society", "config": {"dataset": str(leaky), "users": "/srv/people/users.csv"}}
        for path, content in (
            ("/api/runs", body),
            ("/api/config/export", {"world": "society", "config": {"users": "users.csv"}}),
            ("/api/config/import", {"world": "society", "yaml": f"dataset: {leaky}"}),
            ("/api/runs/leaky/interview", {"step": 1, "agent": 0, "question": f"{KEY}?"}),
        ):
            answer = client.send("POST", path, content, bearer)
            shown = answer.text.replace(str(leaky), "") if path == "/api/config/import" else answer.text
            assert not secrets_in(shown.replace(json.dumps(str(leaky))[1:-1], ""), leaky), path
        worlds = {each["name"]: each for each in client.send("GET", "/api/worlds", headers=bearer).json}
        offered = worlds["society"]["schema"]["properties"]
        assert "users.csv" in offered["users"]["examples"]


def test_lines_of_the_terminal(leaky):
    environment = {**os.environ, "RECGPT_WEB_TOKEN": TOKEN}
    command = [sys.executable, "-m", "recgpt.cli.main", "web", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        first = server.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
        assert found is not None
        client = Client(int(found[1]))
        assert client.get("/api/runs").status == 401
        assert client.send("GET", "/api/runs", headers={"authorization": f"Bearer {TOKEN}"}).status == 200
        client.send("GET", "/api/runs", headers={"authorization": f"Bearer {TOKEN}x"})
        server.terminate()
        rest, errors = server.communicate(timeout=30)
    assert not secrets_in(first + rest + errors, leaky)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("there is no run x in /home/ada/my runs/x: see", "there is no run x in my runs/x: see"),
        ("'/etc/passwd' is none", "'passwd' is none"),
        ("http://u:secret@host/v1/models failed", "http://host/v1/models failed"),
        ("data/films and 1/2, and/or", "data/films and 1/2, and/or"),
        ("C:\\Users\\Ada\\x.csv", "x.csv"),
        ("~/.ssh/id", "id"),
    ],
)
def test_cleaned_texts(text, shown):
    assert cleaning.cleaned_text(text) == shown
    assert cleaning.cleaned_value({"a": [text, 1, None]}) == {"a": [shown, 1, None]}
