"""Fixtures of simulated people, for the commands that run them."""

from tests.simulate.conftest import feed_folder, mind_stub, runs, stub_module

__all__ = ["feed_folder", "mind_stub", "runs", "stub_module"]
