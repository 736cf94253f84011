"""What settings from a page may name: folders, classes and language models that the server offers.

A page names no path, no class and no address of its own choice. Offered are the folders and files that stored runs
use, data set folders below `data`, classes named with `--plugin`, the language models of stored runs, OpenAI's, and
those on this machine that need no key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recgpt import plugins
from recgpt.errors import ConfigError, RecGPTError
from recgpt.simulate.minds.options import LLMOptions
from recgpt.simulate.store import Run, list_runs
from recgpt.simulate.store.file import run_path
from recgpt.web.access import LOCAL
from recgpt.web.cleaning import cleaned_text

PATHS = ("dataset", "past", "users", "relationships", "model", "items", "study_data", "policy")
"""Settings of worlds that may name a file or folder."""
_WORDS = ("users", "policy")  # they may also be a name, such as `detailed` or `linucb`
_DATA = ("interactions.parquet", "item.csv", "items.parquet")


class Permits:
    """Folders and language models on offer now.

    Parameters
    ----------
    plugin_names
        Classes `module:Class` that may be imported.
    """

    def __init__(self, plugin_names: Sequence[str] = ()) -> None:
        self._plugins = plugin_names
        configs = list(_stored_configs())
        self.paths = {name: _labelled(_paths_of(name, configs)) for name in PATHS}
        options = [LLMOptions().model_dump(mode="json")]
        options += [config["llm"] for config in configs if isinstance(config.get("llm"), dict)]
        self._servers = {(url, each.get("key_env")) for each in options for url in each.get("base_urls", ())}

    def resolved(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings with the path of each offered folder in place of its label.

        Raises
        ------
        ConfigError
            A setting names what is not offered.
        """
        settings = dict(settings)
        for name in PATHS:
            value = settings.get(name)
            if isinstance(value, str):
                settings[name] = self._path(name, value)
        self._check_classes(settings)
        self._check_servers(settings.get("llm"))
        if isinstance(settings.get("replayed"), str):
            run_path(settings["replayed"])  # an id, no path
        return settings

    def _path(self, name: str, value: str) -> str:
        offered = self.paths[name]
        if value in offered:
            return offered[value]
        is_word = value.replace("_", "").replace("-", "").isalnum() and not Path(value).exists()
        if name in _WORDS and (is_word or plugins.is_path(value)):
            return value
        raise ConfigError(
            f"{name}={value!r} is not offered by this server: choose among {', '.join(offered) or 'none'};"
            " data set folders below `data` are offered, and those of stored runs"
        )

    def _check_classes(self, value: Any) -> None:
        """Refuse names of classes, at any depth."""
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                self._check_classes(each)
        elif isinstance(value, str) and plugins.is_path(value) and value not in self._plugins:
            raise ConfigError(f"the class {value!r} is not allowed: start the server with --plugin {value}")

    def _check_servers(self, options: Any) -> None:
        if not isinstance(options, dict):
            return
        default = LLMOptions().model_dump(mode="json")
        key = options.get("key_env", default["key_env"])
        for url in options.get("base_urls") or default["base_urls"]:
            is_local = key is None and urlsplit(str(url)).hostname in LOCAL and str(url).startswith("http://")
            if not is_local and (url, key) not in self._servers:
                raise ConfigError(
                    f"llm.base_urls={cleaned_text(str(url))!r} with key_env={key!r} is not offered by this server: use"
                    " the pair of a stored run, or an address of this machine with key_env null"
                )


def _stored_configs() -> Iterator[dict[str, Any]]:
    for summary in list_runs():
        if summary.error is None:
            try:
                with Run.open(summary.run) as run:
                    yield run.manifest.config
            except RecGPTError:  # replaced or removed meanwhile
                continue


def _paths_of(name: str, configs: Sequence[dict[str, Any]]) -> list[str]:
    stored = [config[name] for config in configs if isinstance(config.get(name), str)]
    folders = (folder for folder in sorted(Path("data").glob("*")) if any((folder / each).exists() for each in _DATA))
    found = stored if name not in ("dataset", "items") else [*stored, *(folder.as_posix() for folder in folders)]
    return list(dict.fromkeys(found))


def _labelled(paths: list[str]) -> dict[str, str]:
    """Paths by label, which shows no folder outside of the current one."""
    return {cleaned_text(path): path for path in reversed(paths)}
