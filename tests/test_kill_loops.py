"""The kill loops of the benchmarks, with a few kills."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_killed_jobs_end_well_when_they_are_started_again(tmp_path):
    root = Path(__file__).parents[1]
    command = [sys.executable, "benchmarks/kill_loops.py", "--kills", "6", "--json", str(tmp_path / "found.json")]
    jobs = ("merge --overwrite", "train-tokenizer", "finetune --overwrite")
    done = subprocess.run(
        [*command, *(word for job in jobs for word in ("--only", job))],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(each["job"], each["kills"]) for each in found] == [(job, 2) for job in jobs]
