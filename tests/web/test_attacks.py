"""Attacks on the page, on loopback: each is refused, and the page still answers."""

import asyncio
import json
import socket
import time

import pytest
from served import TOKEN, served

from recgpt.web import access, limits, server, stream
from recgpt.web.players import Players

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(1)</script>\"'&"
RIGHT = "right-token-right-token"
EVIL = "http://evil.example"


def refused(answer, *statuses):
    assert answer.status in (statuses or (403,)), answer
    assert list(answer.json) == ["error"]
    assert "\n" not in answer.json["error"]
    return True


# --- other sites ---


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "127.0.0.1",
        "localhost:1",
        "",
        "[::1",
        "a:b:c",
    ],
)
def test_foreign_host_as_of_dns_rebinding_is_refused(client, host):
    assert refused(client.get("/", host=host.format(port=client.port)))
    assert refused(client.get("/api/runs", host=host.format(port=client.port)))


def test_own_names_are_answered(client):
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert client.get("/health", host=f"{name}:{client.port}").status == 200


def test_two_hosts_are_refused(client):
    with socket.create_connection(("127.0.0.1", client.port)) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw.recv(20).split()[1] in (b"400", b"403")


def test_cross_site_post_is_refused(client):
    body, path = {"action": "reset"}, "/api/runs/town/control"
    good = {"x-recgpt-csrf": client.csrf}
    assert refused(client.send("POST", path, body))  # no CSRF value
    assert refused(client.send("POST", path, body, {"x-recgpt-csrf": "0" * 64}))
    assert refused(client.send("POST", path, body, good | {"origin": EVIL}))
    assert refused(client.send("POST", path, body, good | {"origin": "null"}))
    assert refused(client.send("POST", path, body, good | {"sec-fetch-site": "cross-site"}))
    assert refused(client.send("POST", path, "action=reset", good | {"content-type": "text/plain"}), 415)
    assert refused(client.send("POST", path, "a=b", good | {"content-type": "application/x-www-form-urlencoded"}), 415)
    assert client.json("/api/runs/town")["status"] == "finished"


def test_cross_site_reads_of_calls_are_refused(client):
    assert refused(client.get("/recagent/interview-agents/0?query=Hi", sec_fetch_site="cross-site"))
    assert refused(client.get("/api/runs/town/stream", origin=EVIL))
    assert client.get("/runs/town", sec_fetch_site="cross-site").status == 200  # a link from elsewhere


def test_no_answer_allows_other_origins(client):
    answer = client.send("OPTIONS", "/api/runs", headers={"origin": EVIL, "access-control-request-method": "POST"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


# --- the token ---


def test_nothing_is_answered_without_the_token(guarded):
    for path in ("/api/runs", "/api/runs/town", "/api/runs/town/stream", "/recagent/rounds", "/api/worlds"):
        assert refused(guarded.get(path), 401)
    for path in ("/", "/runs/town", "/new"):
        page = guarded.get(path)
        assert page.status == 401
        assert 'type="password"' in page.text
        assert "town" not in page.text
    assert guarded.get("/static/login.js").status == 200
    assert refused(guarded.post("/api/runs/town/control", {"action": "reset"}), 401)


def test_wrong_tokens_are_refused_and_limited(runs, monkeypatch):
    with served(token=RIGHT) as client:
        for wrong in ("", "wrong", "right-token-right-toke", "right-token-right-tokeñ"):
            headers = {"authorization": f"Bearer {wrong}".encode().decode("latin-1")}
            assert refused(client.send("GET", "/api/runs", headers=headers), 401)
        answers = [client.post("/api/login", {"token": f"guess {n}"}).status for n in range(12)]
        assert set(answers) == {401, 429}
        assert refused(client.post("/api/login", {"token": RIGHT}), 429)


def test_login_gives_a_strict_cookie_and_no_token_in_any_address(guarded):
    answer = guarded.post("/api/login", {"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie + answer.text
    pair = cookie.partition(";")[0]
    assert guarded.get("/api/runs", cookie=pair).status == 200
    assert "app.js" in guarded.get("/", cookie=pair).text
    assert refused(guarded.get("/api/runs", cookie=pair[:-1] + ("0" if pair[-1] != "0" else "1")), 401)
    assert refused(guarded.get(f"/api/runs?token={TOKEN}"), 401)
    assert refused(guarded.send("POST", "/api/runs/town/control", {"action": "pause"}, {"cookie": pair}))  # no CSRF


def test_bearer_token_needs_no_csrf_value(guarded):
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.send("GET", "/api/runs", headers=headers).status == 200
    assert guarded.send("POST", "/api/runs/town/control", {"action": "pause"}, headers).status == 409
    assert refused(guarded.send("POST", "/api/runs/town/control", {"action": "pause"}, headers | {"origin": EVIL}))


# --- sizes and rates ---


def test_oversized_bodies_are_refused_before_they_are_read(client):
    headers = {"x-recgpt-csrf": client.csrf}
    head = f"POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nx-recgpt-csrf: {client.csrf}\r\n"
    head += "content-type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as raw:
        raw.sendall(f"{head}content-length: 99999999999\r\n\r\n".encode())
        assert raw.recv(20).split()[1] == b"413"
    with socket.create_connection(("127.0.0.1", client.port)) as raw:
        raw.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        for _ in range(access.MAX_BODY_BYTES // 65536 + 1):  # the last one is too much, and nothing is sent after it
            raw.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert raw.recv(20).split()[1] == b"413"
    deep = "[" * 100_000
    assert client.send("POST", "/api/runs", deep, headers).status in (400, 422)
    long = {"text": "x" * 5000}
    assert refused(client.post("/api/runs/town/answer", long), 422)


def test_requests_are_limited(runs, monkeypatch):
    monkeypatch.setattr(access, "BURST", 20.0)
    monkeypatch.setattr(access, "PER_SECOND", 5.0)
    with served() as client:
        assert {client.get("/health").status for _ in range(60)} == {200, 429}
        time.sleep(0.5)
        assert client.get("/health").status == 200


def test_limits_keep_a_bounded_number_of_addresses():
    now = [0.0]
    buckets = limits.Buckets(per_second=1, burst=2, clock=lambda: now[0])
    assert [buckets.take("one") for _ in range(3)] == [True, True, False]
    now[0] = 1.0
    assert [buckets.take("one") for _ in range(2)] == [True, False]
    for number in range(3 * limits.MOST_ADDRESSES):
        buckets.take(str(number))
    assert buckets.n_addresses == limits.MOST_ADDRESSES
    assert limits.network_of("2001:db8:1:2:3:4:5:6") == limits.network_of("2001:db8:1:2::9")


def test_a_thousand_idle_streams_leave_the_page_answering(runs):
    with served() as client:
        streams, refusals = [], 0
        for _ in range(1000):
            stream = client.stream("town")
            if stream.status == 200:
                streams.append(stream)
            else:
                assert stream.status == 429
                refusals += 1
                stream.close()
        assert len(streams) == 60
        assert refusals == 940
        time.sleep(1)
        began = time.monotonic()
        assert client.get("/").status == 200
        assert client.get("/api/runs").status == 200
        assert time.monotonic() - began < 5
        for stream in streams:
            stream.close()
        until = time.monotonic() + 20
        while (stream := client.stream("town")).status != 200:  # their places are free again
            stream.close()
            assert time.monotonic() < until
            time.sleep(0.1)
        stream.close()


def test_connections_without_a_request_are_closed(runs, monkeypatch):
    monkeypatch.setattr(server, "FIRST_S", 0.3)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 20)
    with served() as client:
        silent = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(60)]
        silent[0].settimeout(5)
        assert silent[0].recv(1) == b""
        assert client.get("/health").status == 200
        for each in silent:
            each.close()


def test_a_body_that_never_arrives_ends(runs, monkeypatch):
    monkeypatch.setattr(access, "BODY_S", 0.3)
    with served() as client, socket.create_connection(("127.0.0.1", client.port), timeout=10) as raw:
        head = f"POST /api/runs HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nx-recgpt-csrf: {client.csrf}\r\n"
        raw.sendall(f"{head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{{".encode())
        assert raw.recv(20).split()[1] == b"408"


# --- paths ---


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/login.js%00",
        "/api/runs/..%2f..%2fetc",
        "/api/runs/../../etc/passwd",
        "/api/runs/%2fetc%2fpasswd",
        "/api/runs/town%00/series",
        "/recagent/..%2ftown/rounds",
        "/recagent/asset/..%2f..%2fapp.svg",
    ],
)
def test_paths_do_not_leave_their_lists(client, path):
    answer = client.get(path)
    assert answer.status == 404
    assert "root:" not in answer.text
    assert "def create_app" not in answer.text


def test_run_ids_that_are_paths_are_refused(client, runs):
    before = sorted(path for path in runs.parent.rglob("*") if path.is_dir())
    for run_id in ("../x", "/run/x", "a/b", "..", ".hidden", "", "x" * 65, "a\x00b"):
        body = {"run": run_id, "world": "society", "config": {}}
        assert refused(client.post("/api/runs", body), 422)
        assert refused(client.post("/api/runs/town/fork", {"run": run_id, "at": 1}), 422)
    assert sorted(path for path in runs.parent.rglob("*") if path.is_dir()) == before


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "/etc"},
        {"dataset": "../../secret"},
        {"users": "/etc/passwd"},
        {"model": "/root/.ssh"},
        {"recommender": "os:system"},
        {"mind": "os:system"},
        {"mind": "llm", "llm": {"base_urls": ["http://evil.example/v1"]}},
        {"mind": "llm", "llm": {"base_urls": ["http://127.0.0.1:9/v1"], "key_env": "SECRET_KEY"}},
        {"mind": "llm", "llm": {"base_urls": ["file:///etc/passwd"], "key_env": None}},
    ],
)
def test_settings_of_a_page_reach_no_file_class_or_server_of_its_choice(client, settings):
    body = {"run": "evil", "world": "society", "config": {"agents": 5, **settings}}
    assert refused(client.post("/api/runs", body), 422)
    assert refused(client.post("/api/runs/town/fork", {"at": 1, "set": settings}), 422)


# --- texts ---


def test_script_in_every_text_field_stays_text(client):
    for path, body in (
        ("/api/runs", {"run": HOSTILE, "world": "society", "config": {}}),
        ("/api/runs", {"run": "x", "world": HOSTILE, "config": {}}),
        ("/api/runs", {"run": "x", "world": "society", "config": {HOSTILE: HOSTILE}}),
        ("/api/runs/town/control", {"action": HOSTILE}),
        ("/api/runs/town/fork", {"at": 1, "run": HOSTILE}),
        ("/api/runs/town/fork", {"at": 1, "set": {HOSTILE: 1}}),
        ("/api/runs/town/edit", {"at": 1, "agent": 0, "values": {HOSTILE: HOSTILE}}),
        ("/api/runs/town/answer", {"text": HOSTILE}),
        ("/api/runs/town/interview", {"step": 1, "agent": 0, "question": HOSTILE}),
        ("/api/config/import", {"world": "society", "yaml": f"{json.dumps(HOSTILE)}: 1"}),
        ("/api/config/export", {"world": "society", "config": {"name": HOSTILE}}),
    ):
        answer = client.post(path, body)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.status < 500, (path, answer)
    quoted = "%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    for path in (f"/runs/{quoted}", f"/compare?left={quoted}", f"/api/runs/town/agents?query={quoted}"):
        answer = client.get(path)
        assert "<script>alert" not in answer.text or answer.headers["content-type"] == "application/json"


def test_every_answer_has_the_headers(client):
    for path in ("/", "/runs/town", "/api/runs", "/nothing", "/static/login.css", "/api/runs/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
    assert "<script>" not in client.get("/").text
    assert "style=" not in client.get("/").text


def test_faults_show_no_path(client, monkeypatch, capfd):
    monkeypatch.setattr(Players, "of", lambda *_: 1 / 0)
    answer = client.get("/api/runs/town")
    assert answer.status == 500
    assert "Traceback" not in answer.text
    assert "/" not in answer.json["error"].replace("`recgpt web`", "")
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_slow_reader_gets_the_latest_frames(client, monkeypatch):
    monkeypatch.setattr(stream, "MOST_BEHIND", 3)
    client.json("/api/runs/town/frames/6")
    slow = client.stream("town", 0)
    frames = (number for name, _, number in slow.events() if name == "frame")
    assert [next(frames) for _ in range(3)] == [4, 5, 6]
    slow.close()


def test_a_reader_that_takes_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(stream, "SEND_S", 0.1)
    ended = []

    async def pieces():
        while True:
            yield b"x"

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def receive():
        await asyncio.sleep(60)

    answer = stream.EventStream(pieces(), lambda: ended.append(1))
    asyncio.run(asyncio.wait_for(answer({"type": "http"}, receive, send), 5))
    assert ended == [1]
