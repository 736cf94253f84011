"""scripts/setup.sh: quiet when it works, the last lines of pip's log when it does not."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

DEBIAN_PYTHON = "3.11.2"


@pytest.fixture
def checkout(tmp_path, repo):
    """A folder to set up, whose pip is that of the environment that runs the tests."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "nothing"\nversion = "0"\n')
    (tmp_path / "constraints.txt").write_text("")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)

    def run(python: str) -> subprocess.CompletedProcess:
        stub = tmp_path / ".venv" / "bin" / "python"
        stub.write_text(f"#!/bin/sh\n{python}\n")
        stub.chmod(0o755)
        script = f"set -euo pipefail; source {repo}/scripts/setup.sh; setup dev; echo ready"
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_what_pip_says_goes_to_the_log(checkout, tmp_path):
    done = checkout("echo Collecting nothing; echo WARNING: running as root >&2")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["ready"]
    assert (tmp_path / ".venv" / "setup.log").read_text() == "Collecting nothing\nWARNING: running as root\n"
    assert checkout("false").stdout == "ready\n"  # set up already


def test_a_failing_constraint_prints_the_last_lines_and_where_the_log_is(checkout, tmp_path):
    (tmp_path / "constraints.txt").write_text("numpy >> 2\n")
    done = checkout(f'seq 100; exec {sys.executable} "$@"')
    assert done.returncode == 1
    assert str(tmp_path / ".venv" / "setup.log") in done.stderr
    assert "numpy >> 2" in done.stderr
    assert "\n1\n" not in done.stderr
    assert len(done.stderr.splitlines()) <= 16
    assert "ready" not in done.stdout
    assert not (tmp_path / ".venv" / "installed").exists()


@pytest.mark.parametrize(
    ("user", "works", "expected"),
    [
        (0, True, "Installing Chromium for the tests of the page (log: .venv/browser.log)\n"),
        (0, False, "(log: .venv/browser.log)\nChromium could not be installed: the tests of the page are skipped\n"),
        (1000, True, ""),
    ],
)
def test_a_browser_is_installed_where_root_may_and_a_failure_is_no_failure_of_set_up(
    tmp_path, repo, user, works, expected
):
    (tmp_path / ".venv").mkdir()
    for name, script in {"apt-get": f'echo "$@"; {str(works).lower()}', "id": f"echo {user}"}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "timeout").write_text('#!/bin/bash\nshift; exec "$@"\n')
    (tmp_path / "timeout").chmod(0o755)
    script = f"set -euo pipefail; source {repo}/scripts/setup.sh; setup_browser; echo ready"
    done = subprocess.run(
        ["/bin/bash", "-c", script], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.endswith(f"{expected}ready\n")
    log = tmp_path / ".venv" / "browser.log"
    assert log.exists() == (user == 0)
    if user == 0 and works:
        assert log.read_text() == "update\ninstall -y --no-install-recommends chromium\n"


def test_pinned_packages_install_on_the_python_of_debian(repo):
    pins = [Requirement(line) for line in (repo / "constraints.txt").read_text().splitlines() if line[:1].isalnum()]
    installed = {each.metadata["Name"].lower().replace("_", "-"): each for each in metadata.distributions()}
    checked = 0
    for pin in pins:
        found = installed.get(pin.name.lower().replace("_", "-"))
        if found is not None and found.version in pin.specifier:
            needs = found.metadata["Requires-Python"] or ""
            assert DEBIAN_PYTHON in SpecifierSet(needs), f"{pin} needs Python {needs}: pin an earlier version"
            checked += 1
    assert checked > 10
