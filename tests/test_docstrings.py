"""Docstrings: one dialect (numpydoc blocks), and parameters that are documented exist."""

import ast
import inspect
import re
from pathlib import Path

import pytest

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n((?:(?!^\w[\w ]*\n-{3,}$).*\n?)*)", re.MULTILINE)


def documented(text: str, section: str) -> list[str]:
    """Entries of a section: its lines without indentation."""
    found = [body for name, body in SECTION.findall(inspect.cleandoc(text)) if name == section]
    return [line for line in found[0].splitlines() if line and not line.startswith(" ")] if found else []


def documented_nodes(repo: Path):
    for path in sorted([*(repo / "recgpt").rglob("*.py"), *(repo / "benchmarks").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                yield f"{path.relative_to(repo)}: {node.name}", node, text


def arguments_of(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Names of a function's parameters; of a class those of its `__init__`, or its annotated fields."""
    if isinstance(node, ast.FunctionDef):
        of = node.args
        return {a.arg for a in [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]}
    makers = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name in ("__init__", "__new__")]
    if makers:
        return arguments_of(makers[0])
    return {p.target.id for p in node.body if isinstance(p, ast.AnnAssign) and isinstance(p.target, ast.Name)}


def dialect_faults(text: str) -> list[str]:
    """Lines `name : description`, which numpydoc reads as a type."""
    sections = ("Parameters", "Attributes", "Raises")
    return [line for section in sections for line in documented(text, section) if " : " in line]


def test_sections_are_blocks(repo):
    faults = [f"{where}: {line}" for where, _, text in documented_nodes(repo) for line in dialect_faults(text)]
    assert faults == []


def test_documented_parameters_exist(repo):
    faults = []
    for where, node, text in documented_nodes(repo):
        arguments = arguments_of(node)
        if isinstance(node, ast.ClassDef) and not arguments:
            continue  # its parameters are those of a base class
        names = [name.strip(" *`") for line in documented(text, "Parameters") for name in line.split(",")]
        faults += [f"{where}: {name}" for name in names if name not in arguments]
    assert faults == []


@pytest.mark.parametrize("line", ["k : how many", "a, b : two numbers"])
def test_planted_dialect_fault_is_found(line):
    assert dialect_faults(f"Do it.\n\nParameters\n----------\n{line}\n") == [line]
