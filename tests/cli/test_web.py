"""`recgpt web`: what it refuses before it serves, and its tokens."""

import socket

import pytest

from recgpt.cli.app import app
from recgpt.errors import ConfigError
from recgpt.web.access import TOKEN_ENV, Access
from recgpt.web.server import address_of, bound, token_for


def test_a_missing_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path))
    for run_id, words in (("none", "there is no run none"), ("../x", "is no id of a run")):
        with pytest.raises(Exception, match=words):
            app(["web", run_id], standalone_mode=False)


def test_a_missing_extra_names_the_install_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"recgpt web needs fastapi and uvicorn: pip install 'recgpt\[web\]'"):
        app(["web"], standalone_mode=False)


def test_a_taken_port_and_a_foreign_address_are_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another --port"):
            bound("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(ConfigError, match="cannot be used"):
        bound("no-such-host.invalid", 0)


def test_a_token_is_needed_beyond_this_machine(monkeypatch):
    monkeypatch.delenv(TOKEN_ENV, raising=False)
    for host in ("127.0.0.1", "localhost", "::1"):
        assert token_for(host) == (None, False)
    first, is_new = token_for("0.0.0.0")  # noqa: S104
    assert is_new
    assert first is not None
    assert len(first) >= 32
    assert token_for("192.0.2.1")[0] != first
    monkeypatch.setenv(TOKEN_ENV, "x" * 20)
    assert token_for("127.0.0.1") == ("x" * 20, False)
    monkeypatch.setenv(TOKEN_ENV, "short")
    with pytest.raises(ConfigError, match="at least 16"):
        token_for("127.0.0.1")


def test_names_of_hosts():
    anywhere = Access("0.0.0.0", 8000, "x" * 20)  # noqa: S104
    assert anywhere.is_known_host("192.0.2.7:8000")
    assert anywhere.is_known_host("[2001:db8::1]:8000")
    assert not anywhere.is_known_host("evil.example:8000")
    named = Access("box.example", 80, "x" * 20)
    assert named.is_known_host("box.example")
    assert not named.is_known_host("192.0.2.7")
    assert address_of("::1", 8000) == "http://[::1]:8000/"
    assert not Access("127.0.0.1", 8000).is_token("")
