"""Stored runs of a town whose residents a language model plays, and their replay without it."""

import pytest
from llm_town import stub_of

from recgpt.errors import LLMError, SimulationError
from recgpt.simulate.runner import resume, start
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.config import TownConfig

MORNING = 45  # blocks until 07:30


@pytest.fixture(autouse=True)
def short_rests(monkeypatch, runs):
    """Backoff of milliseconds, and a folder of runs of its own."""
    monkeypatch.setattr("recgpt.simulate.llm.client.MAX_BACKOFF_S", 0.002)


@pytest.fixture
def stub(stubs):
    with stub_of(stubs)() as serving:
        yield serving


def config(stub=None, **more):
    settings = {"people": 5, **more}
    if stub is not None:
        llm = {"base_urls": [stub.base_url], "model": "stub", "key_env": None, **settings.pop("llm", {})}
        settings |= {"mind": "llm", "llm": llm}
    return TownConfig(**settings)


def played(name, config, until=MORNING):
    """Hash and events of a run up to a block."""
    with start("town", name, config, until=until) as run:
        return run.hash, run.events()


def test_scripted_run_is_replayed_with_its_hash_and_no_other_one():
    hash_, events = played("first", config())
    assert {"perceived", "acted", "planned"} <= set(events["kind"])
    assert played("again", config(mind="replay", replayed="first"))[0] == hash_
    with pytest.raises(SimulationError, match=r"does not in the record: replay with the same town"):
        played("other", config(mind="replay", replayed="first", seed=5))


def test_replay_needs_a_run():
    with pytest.raises(SimulationError, match="name one with --replay RUN"):
        played("again", config(mind="replay"))


def test_run_with_failures_counts_them_and_is_replayed(stub, stubs):
    def every_third(user, seen):
        bad = sum(map(ord, user)) % 3 == 0
        return stubs.Fault(text="quota exceeded 7f3a") if bad else None

    stub.fault = every_third
    hash_, events = played("first", config(stub))
    kinds = events["kind"].value_counts().rows()
    assert dict(kinds)["failed"] > 0
    assert not events["text"].str.contains("quota exceeded").any()
    assert played("again", config(mind="replay", replayed="first"))[0] == hash_


@pytest.mark.slow
def test_run_stopped_by_an_outage_goes_on_without_asking_twice(stub, stubs):
    stub.fault = lambda user, seen: stubs.Fault(status=503) if len(stub.bodies) > 8 else None
    with pytest.raises(LLMError, match="server_error"):
        played("town", config(stub))
    with Run.open("town") as run:
        assert run.n_steps < MORNING
    stub.fault = lambda user, seen: None
    sent = len(stub.bodies)
    known = {body["messages"][-1]["content"] for body in stub.bodies[:8]}
    with Run.open("town", write=True) as run:
        resume(run, until=MORNING)
        hash_ = run.hash
    assert not known & {body["messages"][-1]["content"] for body in stub.bodies[sent:]}
    assert played("at_once", config(stub))[0] == hash_
