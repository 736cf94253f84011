"""The notebooks of the documents: each runs from its first cell to its last, and is committed with its outputs.

Needs the extra `docs` (nbclient, ipykernel) and `offline` (the packaged MiniLM and MovieLens).
"""

import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def printed(notebook) -> int:
    """Number of code cells that show something, progress bars apart."""
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return sum(any(output.get("name") != "stderr" for output in each) for each in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_with_outputs_and_small(path):
    notebook = nbformat.read(path, as_version=4)
    text = path.read_text(encoding="utf-8")
    nbformat.validate(notebook)
    assert printed(notebook) >= 4
    assert len(text) < 50_000
    assert str(Path.home()) not in text, "a path of the machine that ran it"
    assert "/tmp/" not in text, "a path of the machine that ran it"  # noqa: S108


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    assert printed(notebook) == printed(stored)
