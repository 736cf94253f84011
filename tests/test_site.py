"""The documentation site: a page for every recommender and world, in the navigation; nothing is loaded from elsewhere.

That it builds is checked by `mkdocs build --strict` in test.sh (extra `docs`).
"""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from recgpt.recommenders import REGISTRY

REPO = Path(__file__).parents[1]
RECOMMENDER_HEADINGS = [
    "Formula",
    "Paper",
    "Supervision",
    "Parameters",
    "What fit and observe do",
    "Cost",
    "When to use it",
]
WORLD_HEADINGS = [
    "Description",
    "What an agent observes",
    "Actions",
    "What ends a visit",
    "Measures",
    "Configuration",
    "Events",
    "Version",
]


def site() -> dict:
    return yaml.safe_load((REPO / "mkdocs.yml").read_text(encoding="utf-8"))


def pages(nav) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in pages(part)]


def headings(path: Path) -> list[str]:
    return re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_page_of_the_navigation_exists():
    for page in pages(site()["nav"]):
        path = REPO / "docs" / page
        assert path.is_file() or path.with_suffix(".ipynb").is_file(), page


def test_every_page_is_in_the_navigation():
    there = {path.relative_to(REPO / "docs").with_suffix(".md").as_posix() for path in (REPO / "docs").rglob("*.md")}
    there |= {f"notebooks/{path.stem}.md" for path in (REPO / "docs" / "notebooks").glob("*.ipynb")}
    assert there == set(pages(site()["nav"]))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_recommender_has_a_page_of_the_same_parts(name):
    path = REPO / "docs" / "recommenders" / f"{name}.md"
    assert headings(path) == RECOMMENDER_HEADINGS
    assert path.read_text(encoding="utf-8").startswith(f"# {name}\n")
    assert f"[{name}]({name}.md)" in (REPO / "docs" / "recommenders" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_pages_of_recommenders_list_the_options_there_are(name):
    text = (REPO / "docs" / "recommenders" / f"{name}.md").read_text(encoding="utf-8")
    table = text.partition("## Parameters")[2].partition("## What")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert set(listed) == set(inspect.signature(REGISTRY[name]).parameters)


def test_every_world_has_a_page_of_the_same_parts():
    worlds = [path for path in (REPO / "docs" / "worlds").glob("*.md") if path.name != "index.md"]
    assert worlds
    for path in worlds:
        assert headings(path) == WORLD_HEADINGS, path.name


def test_links_of_all_pages_exist():
    for path in (REPO / "docs").rglob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} points to {target}"


def test_the_site_loads_nothing_from_elsewhere():
    theme = site()["theme"]
    assert theme["font"] is False
    assert not {"extra_css", "extra_javascript", "extra"} & set(site())
