"""Plug-ins: recommenders, minds, worlds and readers of other packages, without a change to this one.

    recgpt evaluate data/demo --recommenders shop:Bestsellers        # the class `Bestsellers` of the module `shop`
    recgpt evaluate data/demo --recommenders bestsellers             # an entry point that an installed package declares

    [project.entry-points."recgpt.recommenders"]
    bestsellers = "shop:Bestsellers"

Only what the user names or has installed is imported. A name in a file (the manifest of a run, a stored recommender, a
configuration) is never enough: `allow` it first, as the commands do with what stands on the command line.
"""

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from recgpt.errors import ConfigError

RECOMMENDERS, MINDS, WORLDS, READERS, DOMAINS = (
    f"recgpt.{kind}" for kind in ("recommenders", "minds", "worlds", "readers", "domains")
)
"""Groups of entry points."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_ALLOWED: set[str] = set()


def is_path(name: str) -> bool:
    """Whether a name is of the form `module:Class`."""
    return _PATH.fullmatch(name) is not None


def allow(names: Iterable[str]) -> None:
    """Allow the import of these of the names that are of the form `module:Class`; others are left alone.

    The module is looked for (also in the current folder) and not yet imported.

    Raises
    ------
    ConfigError
        There is no such module.
    """
    for name in filter(is_path, names):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.append(here)  # last: a file here cannot take the place of an installed module
        module = name.partition(":")[0]
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise ConfigError(f"{name}: there is no module {module}: install it, or run in the folder of {module}.py")
        _ALLOWED.add(name)


def find(name: str, group: str) -> Any:
    """Import the object of an allowed `module:Class`, or of an entry point; None where no entry point has this name.

    Raises
    ------
    ConfigError
        The path is not allowed, or the import fails.
    """
    if is_path(name):
        if name not in _ALLOWED:
            raise ConfigError(
                f"{name} stands in a file, and classes that a file names are not imported: name it on the command line"
                f" (`--plugin {name}`), or call `recgpt.plugins.allow`"
            )
        module, _, attribute = name.partition(":")
        return _imported(name, module, attribute)
    entry = installed(group).get(name)
    return None if entry is None else _imported(f"{name} ({entry.value})", entry.module, entry.attr)


def installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of the installed packages by name, sorted; without an import."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda each: each.name)}


def _imported(name: str, module: str, attribute: str) -> Any:
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a module may fail with anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"{name}: the module {module} cannot be imported ({reason}): correct it") from error
    if not hasattr(found, attribute):
        classes = [key for key, each in vars(found).items() if inspect.isclass(each) and each.__module__ == module]
        remedy = f"it has {', '.join(classes)}" if classes else "it has no class"
        raise ConfigError(f"{name}: the module {module} has no {attribute}: {remedy}")
    return getattr(found, attribute)


def check_class(found: Any, name: str, *, methods: Iterable[str], offered: Iterable[str]) -> None:
    """Refuse what is no class, lacks a method, or whose constructor needs other arguments than those on offer.

    Raises
    ------
    ConfigError
        Naming what is wrong.
    """
    if not inspect.isclass(found):
        raise ConfigError(f"{name} is no class: name a class")
    missing = [method for method in methods if not callable(getattr(found, method, None))]
    if missing:
        raise ConfigError(f"{name} has no method {', '.join(missing)}: see docs/extending.md")
    positional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(found).parameters.values()
    needed = [each.name for each in parameters if each.default is each.empty and each.kind not in positional]
    unknown = [each for each in needed if each not in set(offered)]
    if unknown:
        raise ConfigError(
            f"{name}: its constructor requires {', '.join(unknown)}, but recgpt passes only"
            f" {', '.join(offered) or 'nothing'}: give the others a default"
        )


def taken_arguments(found: type, offered: dict[str, Any]) -> dict[str, Any]:
    """Those of the arguments on offer that the constructor declares."""
    parameters = inspect.signature(found).parameters
    return {name: value for name, value in offered.items() if name in parameters}


def identity(found: Any) -> str:
    """SHA-256 of the file of the module that defines a class; of its name where it has no file."""
    try:
        return hashlib.sha256(Path(inspect.getfile(found)).read_bytes()).hexdigest()
    except (TypeError, OSError):
        return hashlib.sha256(f"{found.__module__}:{found.__qualname__}".encode()).hexdigest()
