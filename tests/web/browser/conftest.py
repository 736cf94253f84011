"""Fixtures of tests in a real browser."""

import shutil
import time
from collections.abc import Iterator
from typing import Any

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


def wait_until(page: Any, condition: str, timeout_s: float = 20) -> None:
    """Wait for a JavaScript condition; `page.wait_for_function` needs eval, which the page's policy forbids."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(f"Boolean({condition})"):
        if time.monotonic() > end:
            raise AssertionError(f"not true within {timeout_s:g} s: {condition}")
        page.wait_for_timeout(20)
