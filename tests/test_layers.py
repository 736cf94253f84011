"""Layers: rooms import downwards only, no circle of files, no private name across files, no file over 600 lines."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = (
    "recgpt",  # the package's own `__init__`: names for users
    "recgpt.cli",
    "recgpt.web",
    "recgpt.testing",
    "recgpt.adaptors",
    "recgpt.simulate.experiments",
    "recgpt.simulate.worlds",
    "recgpt.simulate.runner",
    "recgpt.simulate.watching",
    "recgpt.simulate.overview",
    "recgpt.simulate.world",
    "recgpt.simulate.watch",
    "recgpt.simulate.minds",
    "recgpt.simulate.store",
    "recgpt.simulate.llm",
    "recgpt.simulate.agents",
    "recgpt.simulate.events",
    "recgpt.simulate.items",
    "recgpt.simulate.clock",
    "recgpt.simulate.rng",
    "recgpt.simulate",
    "recgpt.benchmark",
    "recgpt.bulk",
    "recgpt.evaluate",
    "recgpt.recommenders",
    "recgpt.models",
    "recgpt.foundation",
    "recgpt.generative",
    "recgpt.training",
    "recgpt.encode",
    "recgpt.encoders",
    "recgpt.features",
    "recgpt.jobs",
    "recgpt.catalogue",
    "recgpt.ranking",
    "recgpt.data",
    "recgpt.titles",
    "recgpt.splitmix",
    "recgpt.hub",
    "recgpt.device",
    "recgpt.parallel",
    "recgpt.plotting",
    "recgpt.plugins",
    "recgpt.progress",
    "recgpt.tables",
    "recgpt.config",
    "recgpt.program",
    "recgpt.files",
    "recgpt.terminal",
    "recgpt.bounds",
    "recgpt.arguments",
    "recgpt.errors",
    "recgpt.console",
    "recgpt.terminal",
    "recgpt.threads",
    "recgpt.version",
)
"""From the highest to the lowest, as the design has them; experiments ask questions of worlds, so they stand above."""


def room_of(module: str) -> str:
    """The most specific room that holds a module."""
    rooms = [room for room in ROOMS if module == room or (room != "recgpt" and module.startswith(room + "."))]
    if not rooms:
        raise AssertionError(f"{module} is in no room: add it to ROOMS, where the design has it")
    return max(rooms, key=len)


def modules_of(package: Path) -> dict[str, Path]:
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, modules: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """(module, whether only types need it) of each import of the package, those inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "recgpt":
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else node.module for name in full]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "recgpt"]
        for name in names:
            yield name, id(node) in for_types


def arrows_up(package: Path) -> list[str]:
    """Imports of a room that stands above, each as a line of text."""
    modules = modules_of(package)
    height = {room: place for place, room in enumerate(ROOMS)}
    return [
        f"{module} -> {imported}"
        for module, path in sorted(modules.items())
        for imported, _ in imports_of(path, modules)
        if height[room_of(imported)] < height[room_of(module)]
    ]


def circle(package: Path) -> list[str]:
    """Modules that import each other in a circle; none where there is no circle. Imports for types alone do not count.

    A package's `__init__` is left out: it is loaded with any of its files.
    """
    modules = modules_of(package)
    graph = {
        module: {name for name, only_types in imports_of(path, modules) if not only_types}
        for module, path in modules.items()
        if path.name != "__init__.py"
    }
    done: set[str] = set()

    def walk(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for name in sorted(graph.get(module, ())):
            if found := walk(name, [*trail, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := walk(module, []))), [])


def private_imports(package: Path) -> list[str]:
    """Names with a leading underscore that one file takes from another."""
    found = []
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "recgpt":
                private = [alias.name for alias in node.names if alias.name.startswith("_") and alias.name[1] != "_"]
                found += [f"{path.relative_to(package.parent)}: {node.module}.{name}" for name in private]
    return found


@pytest.fixture
def planted(tmp_path):
    """A package of the given files: `planted({"data/dataset.py": "import ..."})`."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "recgpt" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "recgpt"

    return write


def test_no_import_runs_up(repo):
    assert arrows_up(repo / "recgpt") == []


def test_no_circle_of_files(repo):
    assert circle(repo / "recgpt") == []


def test_no_private_name_crosses_files(repo):
    assert private_imports(repo / "recgpt") == []


@pytest.mark.parametrize(
    "text",
    [
        "from recgpt.models import load_model",
        "import recgpt.models",
        "def late():\n    from recgpt.models import load_model",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from recgpt.models import Model",
    ],
    ids=["from", "import", "inside a function", "for types"],
)
def test_planted_arrow_up_is_found(planted, text):
    package = planted({"models.py": "", "data/dataset.py": text})
    assert arrows_up(package) == ["recgpt.data.dataset -> recgpt.models"]


def test_planted_circle_is_found(planted):
    late = "def late():\n    from recgpt.data.a import x"
    package = planted({"data/a.py": "from recgpt.data.b import y", "data/b.py": late})
    assert circle(package) == ["recgpt.data.a", "recgpt.data.b", "recgpt.data.a"]


def test_planted_private_import_is_found(planted):
    package = planted({"data/a.py": "from recgpt.data.b import _y", "data/b.py": "_y = 1"})
    assert private_imports(package) == ["recgpt/data/a.py: recgpt.data.b._y"]


def test_new_room_must_be_placed(planted):
    with pytest.raises(AssertionError, match=r"recgpt\.attic is in no room"):
        arrows_up(planted({"attic.py": "import recgpt.attic"}))


@pytest.mark.parametrize("folder", ["recgpt", "tests", "benchmarks", "ablations", "data_processing", "scripts"])
def test_no_file_is_longer_than_600_lines(repo, folder):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (repo / folder).rglob("*.py")}
    assert {str(path.relative_to(repo)): n for path, n in lengths.items() if n > 600} == {}
