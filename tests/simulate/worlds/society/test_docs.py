"""The tables of the society's page are those of the code."""

import re
from pathlib import Path

from recgpt.cli.society.published import SETTINGS, USED, WITHOUT_MEANING
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds.parameters import Parameters


def page(repo: Path) -> str:
    return (repo / "docs" / "worlds" / "society.md").read_text(encoding="utf-8")


def test_docs_hold_the_table_of_events(repo: Path) -> None:
    assert KINDS.markdown() in page(repo)


def test_docs_hold_the_coefficients_with_their_sources(repo: Path) -> None:
    assert Parameters.load().markdown() in (repo / "docs" / "society_minds.md").read_text(encoding="utf-8")


def test_docs_hold_every_key_of_the_published_configuration(repo: Path) -> None:
    section = page(repo).partition("### The published configuration")[2].partition("### Exported")[0]
    named = {word for line in section.splitlines() if line.startswith("| `") for word in re.findall(r"`(\w+)`", line)}
    assert {*SETTINGS, *USED, *WITHOUT_MEANING} <= named
