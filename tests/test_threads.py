"""How OpenMP threads wait: chosen by load, before torch is loaded, unless the user has said it."""

import os
import subprocess
import sys

import pytest

from recgpt.threads import WAITING, busy_threads, choose, chosen_settings


@pytest.mark.parametrize(
    ("busy", "cores", "settings"),
    [
        (0, 2, {"GOMP_SPINCOUNT": "10000"}),
        (1, 2, {"GOMP_SPINCOUNT": "10000"}),
        (2, 2, {"GOMP_SPINCOUNT": "1000"}),
        (7.9, 2, {"GOMP_SPINCOUNT": "1000"}),
        (16, 2, {"OMP_WAIT_POLICY": "PASSIVE"}),
        (16, 64, {"GOMP_SPINCOUNT": "10000"}),
    ],
)
def test_the_busier_the_less_spinning(busy, cores, settings):
    assert chosen_settings({}, busy, cores) == settings


@pytest.mark.parametrize("name", WAITING)
def test_what_the_user_has_set_stays(name):
    environment = {name: "mine"}
    choose(environment)
    assert environment == {name: "mine"}


def test_busy_threads_are_the_mean_of_now_and_the_last_minute_without_this_one(tmp_path):
    path = tmp_path / "loadavg"
    path.write_text("3.00 2.00 1.00 6/400 12345\n")
    assert busy_threads(path) == 4.0
    assert busy_threads(tmp_path / "none") == 0.0
    path.write_text("damaged")
    assert busy_threads(path) == 0.0


def test_import_sets_it_for_the_process_and_its_children_without_loading_torch():
    program = (
        "import recgpt, subprocess, sys; assert 'torch' not in sys.modules; "
        "subprocess.run([sys.executable, '-c', 'import os; print(*sorted(os.environ))'], check=True)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert sum(name in done.stdout.split() for name in WAITING) == 1


@pytest.mark.parametrize("script", ["pre_train.py", "eval.py", "predict.py"])
def test_scripts_import_recgpt_before_torch(script, repo):
    lines = [line for line in (repo / script).read_text().splitlines() if line.startswith(("import ", "from "))]
    torch = [place for place, line in enumerate(lines) if line.split()[1].startswith(("torch", "accelerate"))]
    first = next(place for place, line in enumerate(lines) if line.split()[1].startswith("recgpt"))
    assert all(first < place for place in torch)
