"""The page's modules as one classic script, which a browser runs from a file.

    one_script(folder, "main.js")

Modules have unique names at their top level, imports are of the form `import { a, b } from "./x.js";` on one line, and
`export` stands only before a function, a class or a constant; tests keep it so.
"""

import re
from pathlib import Path

from recgpt.errors import DataError

_IMPORT = re.compile(r'^import \{ [\w, ]+ \} from "\./([\w-]+\.js)";[^\S\n]*\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function|class|const)", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def one_script(folder: Path, entry: str) -> str:
    """Text of a script of the module `entry` and all of its imports.

    Raises
    ------
    DataError
        A module is missing, modules import each other in a circle, or an import or export has another form.
    """
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in _in_order(folder, entry, [])}
    parts = [f"// {name}\n{_plain(name, text)}" for name, text in texts.items()]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def _in_order(folder: Path, name: str, trail: list[str]) -> list[str]:
    """Names of a module and of all its imports, each after its own imports."""
    if name in trail:
        raise DataError(f"modules import each other in a circle: {' -> '.join([*trail, name])}")
    if not (folder / name).is_file():
        raise DataError(f"{folder.name} has no module {name}, which {trail[-1] if trail else 'the page'} needs")
    needed = _IMPORT.findall((folder / name).read_text(encoding="utf-8"))
    found = [each for other in needed for each in _in_order(folder, other, [*trail, name])]
    return list(dict.fromkeys([*found, name]))


def _plain(name: str, text: str) -> str:
    plain = _EXPORT.sub("", _IMPORT.sub("", text))
    if (other := _OTHER.search(plain)) is not None:
        raise DataError(f"{name}: {other[0]!r} has a form that a single script cannot take")
    return plain
