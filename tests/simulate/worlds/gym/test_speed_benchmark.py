"""The benchmark of speed, on a few steps of the made-up films."""

import json

import pytest

pytest.importorskip("stable_baselines3", reason="the extra rl is not installed")


def test_the_benchmark_writes_its_figures(run_script, tmp_path, repo, monkeypatch):
    monkeypatch.syspath_prepend(str(repo / "benchmarks/gym"))
    done = run_script("benchmarks/gym/speed.py", "--steps", 2, "--envs", 8, "--json", tmp_path / "speed.json")
    assert done.code == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["items"] == 400
    assert all(speed > 0 for speed in found["steps_per_s"].values())
    assert found["bytes_of_250000_transitions"]["buffer"] < 300e6
