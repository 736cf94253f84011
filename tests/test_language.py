"""The prose of docstrings and comments holds few of the words that `scripts/language.py` counts."""

import runpy

import pytest


@pytest.mark.parametrize("group", ["persons", "free relatives"])
def test_language_of_all_code_is_within_the_limit(repo, group):
    language = runpy.run_path(str(repo / "scripts" / "language.py"))
    counted = [language["counts_of"](path) for path in language["files_of"](repo)]
    words, persons, relatives = (sum(column) for column in zip(*counted, strict=True))
    per_thousand = 1000 * (persons if group == "persons" else relatives) / words
    assert per_thousand <= language["LIMIT"], "`python scripts/language.py --worst 20` lists the files with the most"
