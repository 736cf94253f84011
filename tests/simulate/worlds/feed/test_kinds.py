"""The table of the feed's events is that of the docs."""

from pathlib import Path

from recgpt.simulate.worlds.feed.kinds import KINDS


def test_docs_hold_the_table_of_events(repo: Path) -> None:
    assert KINDS.markdown() in (repo / "docs" / "worlds" / "feed.md").read_text(encoding="utf-8")
