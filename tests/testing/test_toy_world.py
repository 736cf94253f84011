"""The toy world of docs/extending.md runs as it stands and keeps the rules."""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from recgpt.simulate.world import WORLDS


def test_world_of_the_document_runs(repo: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (repo / "docs" / "extending.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", text.split("## A world\n")[1], re.MULTILINE | re.DOTALL)
    with patch.dict(WORLDS):
        exec(compile(block, "extending.md", "exec"), {"__name__": "document", "np": np})  # noqa: S102 - our own document
    assert "croaks" in capsys.readouterr().out
    assert (runs / "pond" / "report.json").is_file()
