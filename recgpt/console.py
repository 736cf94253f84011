"""The console of all tables and notes: texts are printed literally, whatever they contain.

SafeConsole(stderr=True).print(f"{name}: done")  # `[red]` in a name is no markup, an escape is a space
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from recgpt.terminal import neutral_lines


class SafeConsole(Console):
    """A rich console without markup and emoji codes, on which no text can act on the terminal.

    Parameters
    ----------
    options
        Keyword arguments of `rich.console.Console`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as rich text, neutral before its width is measured."""
        return super().render_str(neutral_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of a renderable, their texts neutral; the console's own control codes stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else neutral_lines(text), style, control)
