"""The tables of the town's page are those of the code."""

from pathlib import Path

from recgpt.cli.town.app import town_app
from recgpt.simulate.worlds.town.config import TownConfig
from recgpt.simulate.worlds.town.console import COMMANDS
from recgpt.simulate.worlds.town.kinds import KINDS


def page(repo: Path) -> str:
    return (repo / "docs" / "worlds" / "town.md").read_text(encoding="utf-8")


def test_docs_hold_the_table_of_events(repo: Path) -> None:
    assert KINDS.markdown() in page(repo), "print(KINDS.markdown()) of recgpt.simulate.worlds.town.kinds makes it"


def test_docs_name_every_command(repo: Path) -> None:
    names = [command.name or command.callback.__name__ for command in town_app.registered_commands]  # type: ignore[union-attr]
    assert [name for name in names if f"recgpt town {name}" not in page(repo)] == []


def test_docs_name_every_command_of_the_console(repo: Path) -> None:
    assert [command for command in COMMANDS if f"`{command}`" not in page(repo)] == []


def test_docs_name_every_setting(repo: Path) -> None:
    shared = {"llm", "replayed"}
    assert [name for name in TownConfig.model_fields if name not in shared and f"`{name}`" not in page(repo)] == []
