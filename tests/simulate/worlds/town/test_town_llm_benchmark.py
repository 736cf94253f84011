"""Counting the calls of a language model of a town, a benchmark."""

import json


def test_calls_are_counted_without_a_model(run_script, tmp_path):
    path = tmp_path / "calls.json"
    done = run_script("benchmarks/town/llm_mind.py", "calls", "--people", 3, "--hours", 7, "--json", path)
    assert done.code == 0, done.stderr
    found = json.loads(path.read_text())
    assert (found["people"], found["hours"]) == (3, 7)
    assert found["calls"]["plan"] == round(24 / 7, 1)
    assert found["calls"]["act"] > found["calls"]["plan"]
    assert found["all"] >= sum(found["calls"].values()) - 0.5
