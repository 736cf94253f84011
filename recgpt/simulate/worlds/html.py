"""HTML reports of worlds: one environment of templates, one style, texts escaped.

    html_environment().get_template("feed/report.html.j2").render(seen)

A report is a template over a world's `view`, and includes `style.css.j2`. Texts of items and agents are escaped,
stripped of control characters, and cut.
"""

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recgpt.tables import decimal
from recgpt.terminal import neutral_value, plain

LONGEST = 400
"""Characters of any text of an item or an agent."""


def html_environment() -> Environment:
    """Environment of the templates of all worlds, with the filters words, value and as_json."""
    environment = Environment(
        loader=PackageLoader("recgpt.simulate.worlds", "."),
        autoescape=True,
        finalize=neutral_value,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"words": words, "value": value_text, "as_json": as_json}
    return environment


def words(text: str, longest: int = LONGEST) -> Markup:
    """Text of an item or agent: plain, cut to `longest`, its direction of writing without effect around it."""
    return Markup("<bdi>{}</bdi>").format(plain(text, longest))


def value_text(value: float | None, digits: int = 2) -> str:
    """Format `0.123` as `.12`; a dash for None."""
    return "–" if value is None else decimal(value, digits)


def as_json(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)
