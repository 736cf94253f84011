"""Fixtures of tests in a real browser."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, one a module; skipped where it or Playwright is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra `dev`")
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(CHROMIUM)} is on PATH (`apt-get install chromium`)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a tab of its own; every error, dialog or refusal of the page's policy fails the test."""
    contexts, errors = [], []

    def open_at(address: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: (errors.append(dialog.message), dialog.dismiss()))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert errors == []


def wait_until(page: Any, condition: str, timeout_s: float = 120) -> None:
    """Wait for a JavaScript condition; `page.wait_for_function` needs eval, which the page's policy forbids."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(f"Boolean({condition})"):
        if time.monotonic() > end:
            raise AssertionError(f"not true within {timeout_s:g} s: {condition}")
        page.wait_for_timeout(20)


@dataclass(frozen=True)
class Served:
    """`recgpt web` in a process of its own.

    Attributes
    ----------
    runs
        Folder of the runs that it serves.
    """

    address: str
    runs: Path
    process: subprocess.Popen[bytes]

    def players(self) -> list[psutil.Process]:
        """Processes that play runs."""
        return psutil.Process(self.process.pid).children()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page's server on a free port, over an empty folder of runs."""
    pytest.importorskip("fastapi", reason="needs the extra `web`")
    folder = tmp_path_factory.mktemp("served")
    environment = {**os.environ, "RECGPT_RUNS": str(folder / "runs")}
    command = [sys.executable, "-m", "recgpt.cli.main", "web", "--port", "0"]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield Served(_address(process, folder / "web.log"), folder / "runs", process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text()):
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", int(found[1]))):
                return found[0].rstrip("/")
        time.sleep(0.05)
    raise AssertionError(f"recgpt web does not begin:\n{log.read_text()}")
