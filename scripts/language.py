"""Counts, per 1,000 words of docstrings and comments, the words that make technical prose hard to read at first sight.

    python scripts/language.py                  # totals
    python scripts/language.py --worst 20       # the files with the most
    python scripts/language.py --show recgpt/encode.py

Two groups: verbs and pronouns of persons where things are meant ("the model is told", "nobody took"), and free
relatives where a noun is meant ("what is known of it", "those that", "of which").
"""

import argparse
import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from recgpt.program import run

PERSON = re.compile(
    r"\b(ask(s|ed|ing)?|tell(s|ing)?|told|sa(y|ys|id)|speak(s|ing)?|spoken?|meet(s|ing)?|met|company|nobody|anybody|"
    r"somebody|everybody|whoever|whom)\b",
    re.IGNORECASE,
)
FREE_RELATIVE = re.compile(
    r"\b(what(?= (is|are|was|were|has|had|can|could|may|might|would|will|it|they|he|she|we|a|an|the|each|every|follows|"
    r"comes|came|happens|happened|remains|makes|made|goes|went|users?|agents?|recommenders?|others|fits|fit|there|of|in|"
    r"this|that|its|their|read|counts|takes|runs|needs|wants|both|all|has|belongs|stands|lies|decides|holds|depends|"
    r"`))|what(?=[.,;:])|those (that|who|which|there|of|whose|with)|of (which|what)|that which)\b",
    re.IGNORECASE,
)
LIMIT = 2.0  # of each group, per 1,000 words


def prose_of(path: Path) -> Iterator[str]:
    """Docstrings and comments of a Python file."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("#!", "# noqa", "# type:")):
            yield token.string.lstrip("# ")


def counts_of(path: Path) -> tuple[int, int, int]:
    """Words, words of persons and free relatives of a file."""
    text = "\n".join(prose_of(path))
    return len(re.findall(r"[A-Za-z']+", text)), len(PERSON.findall(text)), len(FREE_RELATIVE.findall(text))


def files_of(root: Path) -> list[Path]:
    """Python files whose prose is counted."""
    folders = ("recgpt", "benchmarks", "data_processing", "scripts")
    found = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    return [*sorted(root.glob("*.py")), *(path for path in found if path.name != Path(__file__).name)]


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worst", type=int, default=0, help="list so many files")
    parser.add_argument("--show", type=Path, help="print the lines of one file that hold a counted word")
    args = parser.parse_args()
    if args.show:
        for text in prose_of(args.show):
            for line in text.splitlines():
                if PERSON.search(line) or FREE_RELATIVE.search(line):
                    print(line.strip())
        return
    root = Path(__file__).parents[1]
    counted = {path: counts_of(path) for path in files_of(root)}
    words, persons, relatives = (sum(column) for column in zip(*counted.values(), strict=True))
    rates = f"{1000 * persons / words:.1f} of persons, {1000 * relatives / words:.1f} free relatives"
    print(f"{words:,} words; per 1,000: {rates}")
    for path, (n, a, b) in sorted(counted.items(), key=lambda item: -item[1][1] - item[1][2])[: args.worst]:
        print(f"{a + b:4d} of {n:5,d} words  {path.relative_to(root)}")


if __name__ == "__main__":
    run(main, "language.py")
