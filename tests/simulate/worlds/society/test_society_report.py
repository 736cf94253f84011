"""View and report of a small log: complete, plain JSON, texts escaped."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_society import setting

from recgpt.simulate.worlds.society import reader
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.report import render
from recgpt.simulate.worlds.society.report_plots import answer_plots
from recgpt.simulate.worlds.society.state import SocietyState
from recgpt.simulate.worlds.society.ties import Ties
from recgpt.simulate.worlds.society.view import view
from recgpt.simulate.worlds.society.view_graph import connected_sample


@pytest.fixture
def seen(monkeypatch):
    people = ["<script>x</script>", "Ann", "Ben", "Ann"]
    friends = Ties.from_edges(4, np.array([0, 1, 1, 2]), np.array([1, 0, 2, 1]))
    before = SocietyState(SocietyRules(), setting(4, 8, names=people, friends=friends), 0)
    monkeypatch.setattr(reader, "States", lambda run: SimpleNamespace(at=lambda step: before))
    pieces = [
        KINDS.piece("watched", np.array([0]), item=[3], place=[0], slot=[0]),
        KINDS.piece("chatted", np.array([1]), other=[2], value=[1.0]),
        KINDS.piece("said", np.array([1]), other=[2], item=[3], slot=[0], value=[0.9]),
        KINDS.piece("posted", np.array([2]), item=[3], value=[0.5], text=["<b>see it</b>"]),
    ]
    rows = KINDS.assemble(step=1, time=0, pieces=pieces)
    config = SocietyConfig(agents=4).model_dump(mode="json")
    manifest = SimpleNamespace(world="society", config=config, seed=0, model_dump=lambda **_: {"seed": 0})
    run = SimpleNamespace(
        run_id="demo",
        n_steps=1,
        finished=False,
        manifest=manifest,
        events=lambda step: rows if step else rows.clear(),
        summary=lambda: SimpleNamespace(model_dump=lambda: {"run": "demo", "hash": ""}),
        calls_summary=lambda: {"n": 0, "failed": 0},
    )
    return view(run, 1)


def test_view_is_plain_json_with_events_and_hearings(seen):
    json.dumps(seen)
    first, second, third, fourth = seen["agents"]
    assert first["event"]["type"] == "watching"
    assert second["event"] == {"type": "chatting", "start": 0, "duration": 3600, "end": 3600, "targets": [2]}
    assert third["heard"] == [{"round": 1, "title": "Film 3", "source": "friend", "from": "Ann (#1)"}]
    assert fourth["event"]["type"] == "idle"
    assert seen["social"]["links"] == 2
    assert seen["social"]["current_chats"] == 1
    assert seen["posts"][0]["text"] == "<b>see it</b>"


def test_report_escapes_texts(seen):
    page = render(seen)
    assert "<script>" not in page
    assert "&lt;b&gt;see it" in page
    assert "social graph" in page
    assert page.count('aria-label="friends of agent') == 4


def test_plots_of_surveys_and_polls():
    schedule = [{"kind": "survey", "options": []}, {"kind": "interview"}, {"kind": "survey", "options": ["a", "b"]}]
    numbers = [
        {"entry": entry, "round": round_, "n": 2, "failed": 0, "mean": 1.5, "spread": 0.5, "options": {"1": 1, "0": 1}}
        for entry in (0, 1, 2)
        for round_ in (1, 2)
    ]
    plots = answer_plots(numbers, schedule)
    assert len(plots) == 2
    assert all("<svg" in plot for plot in plots)


def test_sample_of_a_large_graph_is_connected():
    ring = np.arange(50)
    ties = Ties.from_edges(50, np.tile(ring, 2), np.concatenate([np.roll(ring, 1), np.roll(ring, -1)]))
    chosen = connected_sample(ties, 11)
    assert len(chosen) == 11
    assert 0 in chosen
