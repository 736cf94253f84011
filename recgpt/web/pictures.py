"""Pictures of agents and of their activities, for the published calls."""

COLORS = {"avatar": "#2f7ed8", "idle": "#8a8f98", "watching": "#2a9d5c", "chatting": "#d9822b", "posting": "#8e5cc4"}
"""Colour of each picture by its name: an agent's own, and those of activities."""


def picture(name: str) -> str | None:
    """SVG of a picture; None for a name without one."""
    if name not in COLORS:
        return None
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<circle cx="32" cy="32" r="32" fill="{COLORS[name]}"/><circle cx="32" cy="24" r="11" fill="#fff"/>'
        '<path d="M12 56a20 18 0 0 1 40 0z" fill="#fff"/></svg>'
    )
