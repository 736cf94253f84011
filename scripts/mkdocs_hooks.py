"""Hooks of the documentation site (mkdocs.yml): notebooks become pages, links that leave `docs/` become file names.

Documents link to files of the repository (`../benchmarks/README.md`) that are not pages of the site. With `repo_url`
set in mkdocs.yml such links lead to the repository; otherwise they become the file name.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put a Markdown page in the place of each notebook."""
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        page = _page_of(json.loads(Path(str(file.abs_src_path)).read_text(encoding="utf-8")))
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=page))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to notebooks to their pages, and take links out of `docs/` apart."""
    folder = posixpath.dirname(page.file.src_uri)

    def led(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join("docs", folder, target))
        if path.startswith("docs/"):
            return f"[{text}]({target.replace('.ipynb', '.md')}{anchor})"
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path}{anchor})"
        return f"`{path}`" if path.endswith(text.strip("`")) else f"{text} (`{path}`)"

    return _LINK.sub(led, markdown)


def _page_of(notebook: dict[str, Any]) -> str:
    return "\n\n".join(part for cell in notebook["cells"] for part in _parts_of(cell))


def _parts_of(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        text = "".join(output.get("text") or data.get("text/plain") or [])
        if "image/png" in data:
            yield f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})"
        elif text:
            yield f"```text\n{text.rstrip()}\n```"
