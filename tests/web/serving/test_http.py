"""The calls over HTTP: answers, errors in one line, checks of Host and Origin, token, limits, figures, pages."""

import json
import re
import socket
import threading

import pytest

from recgpt.web.access import MAX_BODY_BYTES
from recgpt.web.serving.app import DirectRecommend
from recgpt.web.serving.schemas import MOST_EVENTS, MOST_K

TOKEN = "a-token-of-twenty-four-c"  # noqa: S105


def test_the_calls(client, shop):
    found = client("/recommend", {"history": ["sku-01", "007"], "k": 3})
    service = shop.service()
    expected = service.catalogue.recommend([["sku-01", "007"]], 3)
    assert found.status == 200
    assert [each["item_id"] for each in found.json["recommendations"]] == expected.item_ids[0]
    assert set(found.json["recommendations"][0]) == {"rank", "item_id", "title", "score"}
    assert len(client("/recommend", {"user": "u1"}).json["recommendations"]) == 10
    assert client("/explain", {"user": "u1", "item": "007"}).json["item_id"] == "007"
    assert client("/items?search=heat&limit=1").json == {"items": [{"item_id": "sku-04", "title": "Heat (1995)"}]}
    assert client("/items/b/7%20%C3%BC").json == {"item_id": "b/7 ü", "title": "Film 38", "categories": "Drama"}
    health = client("/health").json
    assert (health["status"], health["items"], health["users"], health["interactions"]) == ("ready", 40, 30, 180)


def test_new_interactions_count_at_once(shop, serve):
    with serve(shop.service()) as client:
        events = [{"user_id": "new", "item_id": "007", "timestamp": 1_700_000_000}]
        assert client("/observe", {"events": events}).json == {"observed": 1}
        after = client("/recommend", {"user": "new", "k": 40}).json["recommendations"]
        assert "007" not in [each["item_id"] for each in after]
        assert client("/health").json["observed"] == 1
        assert "recgpt_events_observed_total 1.0" in client("/metrics").text


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/recommend", {"history": ["x", 4]}, 422, "history: 'x', 4 not among the 40 items of the catalogue"),
        ("/recommend", {"user": "x"}, 422, "user: 'x' not among the 30 users"),
        ("/recommend", {}, 422, "give either history or user"),
        ("/recommend", {"user": "u1", "history": []}, 422, "give either history or user"),
        ("/recommend", {"user": "u1", "k": 0}, 422, "k: Input should be greater than or equal to 1"),
        ("/recommend", {"user": "u1", "k": MOST_K + 1}, 422, "k: Input should be less than or equal to"),
        ("/recommend", {"user": "u1", "k": "5"}, 422, "k: Input should be a valid integer"),
        ("/recommend", {"user": "u1", "exclude": "all"}, 422, "exclude: Input should be 'history' or 'nothing'"),
        ("/recommend", {"user": "u1", "n": 5}, 422, "n: Extra inputs are not permitted"),
        ("/recommend", {"history": [True]}, 422, "history.0: an id is a whole number of 64 bits, or text"),
        ("/recommend", {"history": [2**63]}, 422, "history.0: an id is a whole number of 64 bits, or text"),
        ("/recommend", {"history": ["x" * 513]}, 422, "history.0: an id is a whole number of 64 bits, or text"),
        ("/recommend", {"history": "sku-01"}, 422, "history: Input should be a valid list"),
        ("/recommend", {"history": [], "k": 10}, 200, None),
        ("/recommend", [], 422, "Input should be a valid"),
        ("/recommend", b'{"user": ', 422, "the body is no JSON, from character 9 on"),
        ("/recommend", b"[" * 100_000, 400, "the body is no JSON"),
        ("/recommend", b'{"history": [' + b"9" * 5_000 + b"]}", 400, "the body is no JSON"),
        ("/recommend", b"\xff", 400, "the body is no JSON"),
        ("/explain", {"user": "u1", "item": "x"}, 422, "item: 'x' not among the 40 items"),
        ("/observe", {"events": []}, 422, "events: List should have at least 1 item"),
        ("/observe", {"events": [{"user_id": "u1"}]}, 422, "events.0.item_id: Field required"),
        ("/observe", {"events": [{"user_id": 1, "item_id": "007"}]}, 422, "events: user id 1 is of another type"),
        (
            "/observe",
            {"events": [{"user_id": "u1", "item_id": "007", "timestamp": -1}]},
            422,
            "events.0.timestamp: Input should be greater than or equal to 0",
        ),
        ("/observe", {"events": [{"user_id": "u", "item_id": "\ud800"}]}, 422, "events"),
        ("/items?limit=0", None, 422, "limit: Input should be greater than or equal to 1"),
        ("/items?search=" + "x" * 201, None, 422, "search: String should have at most 200 characters"),
        ("/items/x", None, 404, "item: 'x' not among the 40 items"),
        ("/nothing", None, 404, "there is no such page or call"),
        ("/static/nothing.js", None, 404, "there is no such file"),
        ("/static/..%2fapp.py", None, 404, ""),
        ("/static/../app.py", None, 404, ""),
        ("/recommend", None, 405, "GET is not a method of this call"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(client, path, body, status, error):
    found = client(path, body)
    assert found.status == status, found.text
    if error is not None:
        assert list(found.json) == ["error"]
        assert found.json["error"].startswith(error)
        assert "\n" not in found.json["error"]
        assert len(found.json["error"]) <= 500


def test_a_call_of_too_many_events_is_refused(client):
    events = [{"user_id": "u1", "item_id": "007"}] * (MOST_EVENTS + 1)
    assert "events: List should have at most" in client("/observe", {"events": events}).json["error"]


# --- who may ask ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "localhost:{port}"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:{port}"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_hosts_and_sites_are_refused(client, headers, status):
    headers = {name: value.format(port=client.port) for name, value in headers.items()}
    assert client("/recommend", {"user": "u1"}, headers=headers).status == status
    if "content-type" not in headers:
        assert client("/items", headers=headers).status == status


def test_another_host_needs_the_token(shop, serve):
    with serve(shop.service(), host="0.0.0.0", token=TOKEN) as client:  # noqa: S104  # bound to 127.0.0.1
        for path, body in (("/recommend", {"user": "u1"}), ("/items", None), ("/health", None), ("/metrics", None)):
            assert client(path, body).status == 401
            assert client(path, body, headers={"authorization": f"Bearer {TOKEN}x"}).status == 401
            assert client(path, body, headers={"authorization": f"Bearer {TOKEN}"}).status == 200
        page = client("/")
        assert page.status == 401
        assert 'type="password"' in page.text
        assert TOKEN not in page.text
        login = client("/api/login", {"token": TOKEN})
        assert login.status == 200
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        mine = {"cookie": cookie.partition(";")[0]}
        assert client("/", headers=mine).status == 200
        assert client("/recommend", {"user": "u1"}, headers=mine).status == 200
        assert client("/recommend", {"user": "u1"}, headers={**mine, "origin": "http://evil.example"}).status == 403
        wrong = [client("/api/login", {"token": "wrong"}).status for _ in range(12)]
        assert wrong[0] == 401
        assert wrong[-1] == 429


def test_a_body_is_bounded(client):
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as raw:
        head = f"POST /recommend HTTP/1.1\r\nhost: 127.0.0.1:{client.port}\r\ncontent-type: application/json\r\n"
        raw.sendall(f"{head}content-length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


# --- load ---


def test_requests_at_the_same_time_get_the_answers_they_get_alone(shop, serve, client):
    bodies = [{"user": f"u{number % 30}", "k": 1 + number % 12} for number in range(60)]
    alone = [client("/recommend", body).json["recommendations"] for body in bodies]
    answers: dict[int, list] = {}

    def ask(mine: range) -> None:
        for number in mine:
            answers[number] = client("/recommend", bodies[number]).json["recommendations"]

    threads = [threading.Thread(target=ask, args=(range(start, 60, 12),)) for start in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, expected in enumerate(alone):
        assert [each["item_id"] for each in answers[number]] == [each["item_id"] for each in expected]
        scores = [each["score"] for each in answers[number]]
        assert scores == pytest.approx([each["score"] for each in expected], abs=1e-5)


def test_figures_count_calls_not_paths(client):
    client("/recommend", {"user": "u1"})
    client("/items/some-unknown-id")
    client("/some-unknown-path")
    text = client("/metrics").text
    assert 'recgpt_requests_total{call="/recommend",status="200"}' in text
    assert 'recgpt_requests_total{call="/items/{id}",status="404"}' in text
    assert "some-unknown" not in text
    for name in ("recgpt_request_seconds_bucket", "recgpt_batch_size_bucket", "recgpt_items 40.0"):
        assert name in text


# --- pages ---


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_has_no_inline_script_and_loads_from_here(client, path):
    page = client(path)
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:|https?://", page.text)
    for address in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert address.startswith("/")
        found = client(address)
        assert found.status == 200, address
        if address.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", found.text)


def test_the_description_of_the_calls_is_complete(client):
    content = json.loads(client("/openapi.json").text)
    assert set(content["paths"]) == {
        *("/recommend", "/explain", "/observe", "/items", "/items/{item_id}", "/health", "/metrics")
    }
    for calls in content["paths"].values():
        for call in calls.values():
            assert call["description"]


BODIES = (
    {"history": ["sku-03", "sku-09"], "k": 4},
    {"user": "u3"},
    {"history": [], "k": 2},
    {"history": ["sku-03"], "exclude": "nothing"},
    {"history": ["unknown-item"]},
    {"user": "unknown-user"},
    {"history": ["sku-03"], "user": "u3"},
    {"history": ["sku-03"], "k": 0},
    {"history": ["sku-03"], "k": 2.0},
    {"history": ["sku-03"], "k": "2"},
    {"history": [True]},
    {"history": [2**70]},
    {"history": "sku-03"},
    {"histories": ["sku-03"]},
    [],
    b"",
    b"{",
    b'{"history": [NaN]}',
    b'{"history": ["sku-03", "\\ud800"]}',
    b'{"history": ["sku-03"], "k": 2, "k": 3}',
    b"\xff",
)


def test_what_is_answered_before_the_layers_is_their_answer(shop, serve, monkeypatch):
    with serve(shop.service()) as client:
        direct = [client("/recommend", body) for body in BODIES]
    monkeypatch.setattr(DirectRecommend, "__call__", lambda self, *message: self._app(*message))
    with serve(shop.service()) as client:
        through = [client("/recommend", body) for body in BODIES]
    for body, one, other in zip(BODIES, direct, through, strict=True):
        assert (one.status, one.text) == (other.status, other.text), body
        assert set(one.headers) == set(other.headers), body
    assert {one.status for one in direct} == {200, 400, 422}
