"""Words for what scripted minds say without text: short sentences from the item and the opinion.

    said("Heat", .8)                           # 'I loved "Heat". You should see it.'

The same item and opinion give the same words; they are for display and are no part of the log.
"""

from bisect import bisect

_LIMITS = (-0.6, -0.2, 0.2, 0.6)
_CHAT = (
    "I could not stand “{}”. Skip it.",
    "“{}” was not for me.",
    "“{}” is all right, nothing more.",
    "I liked “{}”.",
    "I loved “{}”. You should see it.",
)
_POST = (
    "“{}”: a waste of an evening.",
    "“{}” was a disappointment.",
    "“{}”: neither good nor bad.",
    "“{}” is worth an evening.",
    "“{}” is wonderful. See it!",
)


def said(title: str | None, opinion: float | None) -> str:
    """A line of a chat about an item; small talk without one."""
    return _sentence(_CHAT, "Have you heard of “{}”?", title, opinion) or "How are you these days?"


def posted(title: str | None, opinion: float | None) -> str:
    """A post about an item; a greeting without one."""
    return _sentence(_POST, "Has anybody seen “{}”?", title, opinion) or "Hello, everybody."


def _sentence(graded: tuple[str, ...], neutral: str, title: str | None, opinion: float | None) -> str | None:
    if title is None:
        return None
    return (neutral if opinion is None else graded[bisect(_LIMITS, opinion)]).format(title)
