"""The log of every run: one SQLite file a run, written a step at a time, from which the run can be made again.

with Run.create("demo", manifest) as run:
    run.append(rows)                      # one step's events: all of them are stored, or none
Run.open("demo").events(step=1, kind="watched")
"""

from recgpt.simulate.store.manifest import Manifest, RunSummary
from recgpt.simulate.store.run import Run, Subject, list_runs

__all__ = ["Manifest", "Run", "RunSummary", "Subject", "list_runs"]
