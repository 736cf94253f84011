"""Saved persona of the published system: profile and state, known places, memories with their embeddings.

    persona = read_persona(Path("personas/Maria Lopez"))
    persona.scratch["innate"], persona.nodes[0].description

The values are kept as they are, so that a written copy equals the original; fields that a town uses are checked.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.bounds import read_json
from recgpt.errors import DataError
from recgpt.simulate.worlds.town.published.fields import CREATED, Fields

FOLDER = "bootstrap_memory"
MAX_EMBEDDINGS_BYTES = 1 << 30
_KINDS = ("event", "thought", "chat")
_TEXTS = ("innate", "learned", "currently", "lifestyle", "living_area", "daily_plan_req")
_NODE_KEYS = (
    *("node_count", "type_count", "type", "depth", "created", "expiration", "subject", "predicate", "object"),
    *("description", "embedding_key", "poignancy", "keywords", "filling"),
)


@dataclass(frozen=True)
class Node:
    """A memory: its fields as in `nodes.json`, and those that a town uses, checked.

    Attributes
    ----------
    number
        Its id, `node_N`.
    poignancy
        Importance, 1 to 10.
    evidence
        Numbers of the memories that a thought follows from, and of the talk of an event.
    lines
        Speaker and text of each line of a talk.
    """

    number: int
    kind: str
    created: datetime
    description: str
    poignancy: float
    subject: str
    evidence: tuple[int, ...]
    lines: tuple[tuple[str, str], ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Persona:
    """A persona as saved.

    Attributes
    ----------
    scratch
        Profile and state, 47 keys.
    spatial
        Known places: world, sector, arena, objects.
    nodes
        Memories, newest first.
    embeddings
        Vector of each embedding key; None: the file is missing, as in runs with the vectors left out.
    strengths
        Counted keywords of events and thoughts.
    """

    name: str
    scratch: dict[str, Any]
    spatial: dict[str, Any]
    nodes: tuple[Node, ...]
    embeddings: dict[str, list[float]] | None
    strengths: dict[str, Any]


def read_persona(folder: Path) -> Persona:
    """Read a persona from its folder, which has its name.

    Raises
    ------
    DataError
        A file but the embeddings is missing or damaged, or a value is not valid.
    """
    memory = folder / FOLDER / "associative_memory"
    scratch = _plain(folder / FOLDER / "scratch.json")
    fields = Fields(scratch, str(folder / FOLDER / "scratch.json"))
    _check_scratch(fields, folder.name)
    spatial = _plain(folder / FOLDER / "spatial_memory.json")
    check_spatial(spatial, folder / FOLDER / "spatial_memory.json")
    nodes = parse_nodes(_plain(memory / "nodes.json"), str(memory / "nodes.json"))
    path = memory / "embeddings.json"
    embeddings = None
    if path.is_file():
        embeddings = read_json(path, most_bytes=MAX_EMBEDDINGS_BYTES)
        check_embeddings(embeddings, path)
    strengths = _plain(memory / "kw_strength.json")
    return Persona(folder.name, scratch, spatial, nodes, embeddings, strengths)


def write_persona(persona: Persona, folder: Path) -> None:
    """Write the five files of a persona into its new folder."""
    memory = folder / FOLDER / "associative_memory"
    memory.mkdir(parents=True)
    write_json(folder / FOLDER / "scratch.json", persona.scratch)
    write_json(folder / FOLDER / "spatial_memory.json", persona.spatial)
    write_json(memory / "nodes.json", {f"node_{node.number}": node.values for node in persona.nodes})
    write_json(memory / "kw_strength.json", persona.strengths)
    if persona.embeddings is not None:
        write_json(memory / "embeddings.json", persona.embeddings, indent=None)


def parse_nodes(content: dict[str, Any], where: str) -> tuple[Node, ...]:
    """Memories of the content of `nodes.json`, newest first.

    Raises
    ------
    DataError
        An id is repeated or no `node_N`, or a value is not valid.
    """
    nodes = [_node(key, Fields({key: content[key]}, where).part(key)) for key in content]
    return tuple(sorted(nodes, key=lambda node: -node.number))


def check_embeddings(content: dict[str, Any], where: object) -> None:
    """Refuse vectors that are not finite or differ in length.

    Raises
    ------
    DataError
        See above.
    """
    try:
        vectors = np.array(list(content.values()), dtype=np.float64)
        fine = not content or (vectors.ndim == 2 and bool(np.isfinite(vectors).all()))
    except (TypeError, ValueError, OverflowError):
        fine = False
    if not fine:
        raise DataError(f"{where} holds no vectors of one length and finite numbers: delete it, they are made again")


def check_spatial(content: dict[str, Any], where: object) -> None:
    """Refuse anything but a tree of world, sector, arena and a list of objects.

    Raises
    ------
    DataError
        See above.
    """
    for world, sectors in content.items():
        for sector, arenas in Fields(content, str(where)).part(world).values.items():
            for arena in Fields(sectors, f"{where}, {world}").part(sector).values:
                Fields(arenas, f"{where}, {world}, {sector}").texts(arena)


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Write a JSON file into a folder that is being made."""
    path.write_text(json.dumps(content, indent=indent, allow_nan=False), encoding="utf-8")


def _plain(path: Path) -> dict[str, Any]:
    """A JSON object without NaN and infinite numbers, which are no JSON."""
    content = read_json(path)
    try:
        json.dumps(content, allow_nan=False)
    except ValueError as error:
        raise DataError(f"{path} holds NaN or an infinite number, which is no JSON: correct it") from error
    return content


def _check_scratch(fields: Fields, name: str) -> None:
    if fields.text("name") != name:
        raise DataError(f"{fields.where}: name={fields['name']!r} is not that of its folder, {name!r}: rename one")
    fields.whole("age", 0, 150)
    for key in ("vision_r", "att_bandwidth", "retention"):
        fields.whole(key, 0, 1000)
    for key in _TEXTS:
        fields.text(key)
    for key in ("f_daily_schedule", "f_daily_schedule_hourly_org"):
        check_schedule(fields, key)


def check_schedule(fields: Fields, key: str) -> list[tuple[str, int]]:
    """Texts and minutes of a schedule.

    Raises
    ------
    DataError
        An entry is no pair of a text and minutes.
    """
    value = fields[key]
    blocks: list[tuple[str, int]] = []
    for block in value if isinstance(value, list) else [None]:
        if not isinstance(block, list) or len(block) != 2:
            raise fields.wrong(key, 'a list of pairs such as ["sleeping", 360]')
        pair = Fields({"text": block[0], "minutes": block[1]}, f"{fields.where}, {key}")
        blocks.append((pair.text("text"), pair.whole("minutes", -1440, 1440)))  # the published code makes negative ones
    return blocks


def _node(key: str, fields: Fields) -> Node:
    prefix, _, digits = key.partition("_")
    if prefix != "node" or not digits.isdecimal() or len(digits) > 9 or key != f"node_{int(digits)}":
        raise DataError(f"{fields.where}: {key!r} is no id of a memory: write node_1, node_2 and so on")
    kind = fields.text("type")
    if kind not in _KINDS:
        raise fields.wrong("type", " or ".join(_KINDS))
    filling = fields["filling"]
    if filling is None or isinstance(filling, str):  # a single id, of insights that could not be parsed
        filling = [filling] if filling else []
    if kind != "chat" and not (isinstance(filling, list) and all(isinstance(each, str) for each in filling)):
        raise fields.wrong("filling", "a list of ids such as node_1")
    return Node(
        number=int(digits),
        kind=kind,
        created=fields.moment("created", CREATED),
        description=fields.text("description"),
        poignancy=fields.number("poignancy", 0, 10),
        subject=fields.text("subject"),
        evidence=() if kind == "chat" else tuple(_number_of(each) for each in filling if _number_of(each)),
        lines=fields.lines("filling") if kind == "chat" else (),
        values={name: fields[name] for name in _NODE_KEYS},
    )


def _number_of(node: str) -> int:
    """N of `node_N`; 0 for any other text."""
    digits = node.removeprefix("node_")
    return int(digits) if node.startswith("node_") and digits.isdecimal() and len(digits) < 10 else 0
