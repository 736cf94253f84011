"""Social graph as inline SVG: agents by activity, ties of friendship, drawn without a browser.

    social_svg(nodes, links)
    ego_svg(7, nodes, links)                   # agent 7 in the middle, its friends around it

Shapes: V nodes, R links.
"""

from typing import Any

import numpy as np
from markupsafe import Markup

from recgpt.terminal import plain

COLORS = {"idle": "#9aa5b5", "watching": "#1f5fa8", "chatting": "#d98a2b", "posting": "#0a7a3d"}
_SIZE, _MARGIN, _ITERATIONS = 1000, 20, 60
_EGO_WIDTH, _EGO_HEIGHT, _NAME, _NAME_WIDTH = 560, 420, 18, 120


def social_svg(nodes: list[dict[str, Any]], links: list[dict[str, Any]]) -> Markup:
    """Graph of `nodes` (id, name, activity, friends) and `links` (source, target); the same for the same graph."""
    place = {node["id"]: number for number, node in enumerate(nodes)}
    ends_R2 = np.array([[place[link["source"]], place[link["target"]]] for link in links], dtype=np.int64)
    at_V2 = layout(len(nodes), ends_R2.reshape(-1, 2))
    drawn = [Markup('<svg viewBox="0 0 {0} {0}" role="img" aria-label="social graph">').format(_SIZE)]
    drawn.append(Markup('<g stroke="#c3ccd9" stroke-width="0.6" stroke-opacity="0.5">'))
    drawn += [
        Markup('<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}"/>').format(*at_V2[one], *at_V2[other])
        for one, other in ends_R2.reshape(-1, 2)
    ]
    drawn.append(Markup("</g>"))
    small = 3.5 if len(nodes) > 300 else 7
    for node, (x, y) in zip(nodes, at_V2, strict=True):
        idle = node["activity"] == "idle"
        drawn.append(
            Markup(
                '<circle cx="{:.0f}" cy="{:.0f}" r="{:.1f}" fill="{}" stroke="#fff" stroke-width=".6">'
                "<title>{} (#{}): {}, {} friends</title></circle>"
            ).format(
                *(x, y, small if idle else 1.6 * small, COLORS[node["activity"]]),
                *(node["name"], node["id"], node["activity"], node["friends"]),
            )
        )
    return Markup("").join([*drawn, Markup("</svg>")])


def ego_svg(agent: int, nodes: list[dict[str, Any]], links: list[dict[str, Any]]) -> Markup:
    """An agent and its friends around it, the closer ones nearer; ties among friends are thin."""
    others = [node for node in nodes if node["id"] != agent]
    closeness = {link["target"]: link["closeness"] for link in links if link["source"] == agent}
    at = {agent: (_EGO_WIDTH / 2, _EGO_HEIGHT / 2)}
    ordered = sorted(others, key=lambda node: (node["cluster"], node["id"]))
    for side, on_side in ((1, ordered[: (len(ordered) + 1) // 2]), (-1, ordered[(len(ordered) + 1) // 2 :])):
        for place, node in enumerate(on_side):
            height = (2 * place + 1) / len(on_side) - 1  # evenly from top to bottom, so that names do not overlap
            apart = (1 - 0.4 * closeness.get(node["id"], 0)) * np.sqrt(1 - 0.6 * height**2)
            at[node["id"]] = (
                _EGO_WIDTH / 2 + side * (_EGO_WIDTH / 2 - _NAME_WIDTH) * apart,
                _EGO_HEIGHT / 2 + height * (_EGO_HEIGHT / 2 - 8),
            )
    drawn = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="friends of agent {}">').format(
            _EGO_WIDTH, _EGO_HEIGHT, agent
        )
    ]
    for link in sorted(links, key=lambda link: agent in (link["source"], link["target"])):
        own = agent in (link["source"], link["target"])
        (x1, y1), (x2, y2) = at[link["source"]], at[link["target"]]
        drawn.append(
            Markup(
                '<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}" stroke="{}" stroke-width="{:.1f}"'
                ' stroke-opacity="{}"/>'
            ).format(x1, y1, x2, y2, *(("#6f86a8", 0.6 + 2 * link["closeness"], 0.8) if own else ("#9aa5b5", 0.5, 0.3)))
        )
    drawn += [_ego_node(node, *at[node["id"]], is_ego=node["id"] == agent) for node in nodes]
    return Markup("").join([*drawn, Markup("</svg>")])


def _ego_node(node: dict[str, Any], x: float, y: float, *, is_ego: bool) -> Markup:
    name = f"{plain(node['name'], _NAME)} (#{node['id']})"
    circle = Markup(
        '<circle cx="{:.0f}" cy="{:.0f}" r="{}" fill="{}" stroke="#fff" stroke-width="1">'
        "<title>{}: {}, {} friends</title></circle>"
    ).format(x, y, 11 if is_ego else 6, COLORS[node["activity"]], name, node["activity"], node["friends"])
    side, anchor = (9, "start") if x >= _EGO_WIDTH / 2 else (-9, "end")
    label = Markup(
        '<text x="{:.0f}" y="{:.0f}" text-anchor="{}" font-size="11" font-weight="{}" fill="currentColor">{}</text>'
    )
    if is_ego:
        return circle + label.format(x, y + 24, "middle", 700, name)
    return circle + label.format(x + side, y + 4, anchor, 400, name)


def layout(n_nodes: int, ends_R2: np.ndarray) -> np.ndarray:
    """(V, 2) positions by forces (Fruchterman and Reingold 1991) from a spiral, within the picture."""
    number = np.arange(n_nodes)
    radius, angle = np.sqrt((number + 0.5) / max(n_nodes, 1)), number * np.pi * (3 - 5**0.5)
    at = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    distance = np.sqrt(np.pi / max(n_nodes, 1))  # at which both forces are equal
    for step in range(_ITERATIONS):
        apart = at[:, None] - at[None]
        push = (apart * (distance**2 / (np.square(apart).sum(-1, keepdims=True) + 1e-4))).sum(1)
        along = at[ends_R2[:, 0]] - at[ends_R2[:, 1]]
        pull = along * (np.linalg.norm(along, axis=1, keepdims=True) / distance)
        np.add.at(push, ends_R2[:, 0], -pull)
        np.add.at(push, ends_R2[:, 1], pull)
        push -= at * distance * 4  # keeps nodes without ties in the picture
        length = np.linalg.norm(push, axis=1, keepdims=True) + 1e-9
        at = at + push / length * np.minimum(length, 0.1 * (1 - step / _ITERATIONS))
    # Agents without ties drift far out: radii are replaced by those of an evenly filled disc, in the same order.
    at = at - np.median(at, axis=0) if n_nodes else at
    radius_V = np.linalg.norm(at, axis=1)
    even_V = np.sqrt((np.argsort(np.argsort(radius_V, kind="stable")) + 0.5) / max(n_nodes, 1))
    direction_V2 = at / np.maximum(radius_V, 1e-9)[:, None]
    scaled: np.ndarray = _SIZE / 2 + direction_V2 * even_V[:, None] * (_SIZE / 2 - _MARGIN)
    return scaled
