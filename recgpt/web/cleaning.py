"""Texts and values for pages without secrets and without paths of the machine.

cleaned_text("there is no run x in /home/ada/runs")  # "there is no run x in runs"
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recgpt.simulate.llm.redaction import Redactor

_ABSOLUTE = re.compile(r"(?<![\w.:/~\\-])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"`,;()<>|]+[/\\])*(?=[^\s/\\'\"`,;()<>|])")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")


def cleaned_text(text: str) -> str:
    """`text` without values of secrets, passwords in addresses and folders of absolute paths."""
    return _without_places(Redactor.with_environment({}).text(text))


def cleaned_value(value: Any) -> Any:
    """JSON value with all strings in it as of `cleaned_text`."""
    return _each(Redactor.with_environment({}).value(value), _without_places)


def content_value(value: Any) -> Any:
    """JSON value of texts of items and agents: without secrets and the user's own folders, other slashes stay."""
    folders = [str(Path.cwd()), str(Path.home())]
    return _each(Redactor.with_environment({}).value(value), lambda text: _without_folders(text, folders))


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _each(each, change) for name, each in value.items()}
    return [_each(each, change) for each in value] if isinstance(value, list | tuple) else value


def _without_places(text: str) -> str:
    return _ABSOLUTE.sub("", _PASSWORD.sub("", _without_folders(text, [str(Path.cwd()), str(Path.home())])))


def _without_folders(text: str, folders: list[str]) -> str:
    for folder in folders:  # with spaces, perhaps
        text = text.replace(f"{folder}/", "").replace(folder, ".") if len(folder) > 1 else text
    return text
