"""What the page loads: the first answer and the reading of a run need no torch."""

import subprocess
import sys

WATCH = """
import sys
from recgpt.simulate.store import Run
from recgpt.simulate.watching import watch_of
with Run.open("town") as run:
    watch = watch_of(run)
    watch.start()
    for rows in run.iter_steps():
        watch.add(rows)
    watch.moment(2), watch.graph(2), watch.agent(2, 1), watch.log(2)
import recgpt.simulate.worlds.feed.watch, recgpt.simulate.worlds.gym.watch, recgpt.web.published_state
print(*{"torch", "transformers", "matplotlib"} & set(sys.modules))
"""
SERVER = "import recgpt.web.server, recgpt.web.app, sys; print(*{'torch', 'polars', 'matplotlib'} & set(sys.modules))"


def loaded(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_reading_a_run_loads_no_torch(runs):
    assert loaded(WATCH) == []


def test_the_server_loads_no_data_library_before_its_first_answer():
    assert loaded(SERVER) == []
