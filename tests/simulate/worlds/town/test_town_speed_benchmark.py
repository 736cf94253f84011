"""The benchmark of speed of a town, with tiny sizes."""

import json

import pytest


@pytest.mark.slow
def test_the_benchmark_writes_its_figures(run_script, tmp_path):
    done = run_script("benchmarks/town/speed.py", "--quick", "--json", tmp_path / "speed.json")
    assert done.code == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert set(found["towns"]) == {"default", "thousand"}
    for town in found["towns"].values():
        assert town["cpu_s"] > 0 and town["events"] > 0 and town["decisions"]["act"]["calls"] > 0
    assert "wanted" in (tmp_path / "speed.md").read_text()
