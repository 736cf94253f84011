"""Rules of the page's modules: they fit into one script, and no text of a run can become markup."""

import re
from collections import Counter
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "recgpt" / "web" / "static"
TEMPLATES = STATIC.parent / "templates"
MODULES = sorted(STATIC.glob("*.js"))
SHELL = (TEMPLATES / "shell.html.j2").read_text()
APART = {"login"}
"""Files that are a script of their own."""
FORBIDDEN = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment"),
    *("setHTMLUnsafe", "srcdoc", "javascript:", "eval(", "new Function"),
)
IMPORT = re.compile(r'import \{ \w+(?:, \w+)* \} from "\./(\w+\.js)";')
TOP_LEVEL = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var) (\w+)", re.MULTILINE)


def each_module():
    return pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)


@each_module()
def test_texts_never_become_markup(path):
    found = [word for word in FORBIDDEN if word in path.read_text()]
    assert not found
    handlers = re.findall(r"""setAttribute\(\s*["']on|\.setAttribute\(["']style|\bon\w+\s*=\s*["']""", path.read_text())
    assert not handlers


@each_module()
def test_imports_are_one_line_and_exist(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("import")]
    matches = [IMPORT.fullmatch(line) for line in lines]
    assert all(matches), lines
    assert all((STATIC / match[1]).is_file() for match in matches if match)
    assert "import(" not in path.read_text()


@each_module()
def test_exports_stand_before_declarations(path):
    exports = [line for line in path.read_text().splitlines() if re.match(r"\s*export\b", line)]
    assert all(re.match(r"export (?:function|class|const) ", line) for line in exports), exports


@each_module()
def test_imported_names_are_exported_and_used(path):
    text = path.read_text()
    for names, source in re.findall(r'^import \{ (.+) \} from "\./(\w+\.js)";', text, re.MULTILINE):
        exported = (STATIC / source).read_text()
        for name in names.split(", "):
            assert re.search(rf"^export (?:function|class|const) {name}\b", exported, re.MULTILINE), (name, source)
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is imported and not used"


def test_top_level_names_are_unique():
    names = [name for path in MODULES if path.name != "login.js" for name in TOP_LEVEL.findall(path.read_text())]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_the_script_of_the_page_has_all_modules(client):
    assert re.findall(r'<script[^>]*src="([^"]+)"', SHELL) == ["/static/app.js"]
    found = re.findall(r"^// (\w+)\.js$", client.get("/static/app.js").text, re.MULTILINE)
    assert sorted(found) == sorted(path.stem for path in MODULES if path.stem not in APART)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_templates_have_no_inline_script_or_style(path):
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"https?://", text)


def test_files_are_short():
    assert [path.name for path in STATIC.iterdir() if len(path.read_text().splitlines()) > 600] == []


def test_styles_load_nothing():
    for path in STATIC.glob("*.css"):
        assert "url(" not in path.read_text() and "@import" not in path.read_text()
