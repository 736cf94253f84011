"""The benchmark of speed, with tiny sizes."""

import json


def test_the_benchmark_writes_its_figures(run_script, tmp_path):
    done = run_script("benchmarks/society/speed.py", "--quick", "--json", tmp_path / "speed.json")
    assert done.code == 0, done.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert set(found["processes"]) == {"large", "posting"}
    assert all(each["cpu_s"] > 0 and each["peak_gb"] > 0 for each in found["processes"].values())
    assert all(each["posts"] >= 30 for each in found["posting"]), "all agents posted; some reposted as well"
    assert found["posting"][0]["readers"] < found["posting"][1]["readers"]
    assert "wanted" in (tmp_path / "speed.md").read_text()
