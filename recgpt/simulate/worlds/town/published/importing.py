"""A run from a published simulation: a base starts it, a saved run or a demo becomes its first blocks.

    run = import_run(Path("compressed_storage/demo"), "demo")
    kept = kept_of(run)                        # content of the files beyond the events, for the export

Kept with the run: profiles, known places, memories with their vectors, keyword counts, as they were. The cursor of the
run, see `cursor.py`, is set to the step of the simulation, which may lie within its last block.
"""

import io
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recgpt.bounds import load_npz, parse_json
from recgpt.errors import SimulationError
from recgpt.simulate import runner
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.config import NAME, TownConfig
from recgpt.simulate.worlds.town.cursor import move_cursor
from recgpt.simulate.worlds.town.events import Event, to_rows
from recgpt.simulate.worlds.town.published.fields import Fields, Tile
from recgpt.simulate.worlds.town.published.personas import Persona, parse_nodes
from recgpt.simulate.worlds.town.published.replaying import Replay
from recgpt.simulate.worlds.town.published.simulation import Meta, Simulation, parse_meta
from recgpt.simulate.worlds.town.published.sources import read_source

KEPT, VECTORS = "published.json", "published_vectors.npz"
_MAX_BYTES = 1 << 28
_HOUR = 3600


@dataclass(frozen=True)
class Kept:
    """Content of the files of a simulation that was imported, beyond the events.

    Attributes
    ----------
    first_step
        First step with a movement file; 0 for a base.
    start
        Positions at that step.
    """

    meta: Meta
    first_step: int
    start: dict[str, Tile]
    personas: dict[str, Persona]


def import_run(
    path: Path,
    run_id: str,
    *,
    map_folder: Path | None = None,
    history: Path | None = None,
    changes: dict[str, Any] | None = None,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
) -> Run:
    """Make a run of a published simulation or demo; open for writing.

    Parameters
    ----------
    map_folder
        Folder of the grids; None: the only one beside the storage.
    history
        CSV file of sentences that residents know from the start, for a base.
    changes
        Settings of the run, such as `mind` and `hours`.
    overrides
        Texts `a.b=value` of settings, as of `Config.load`.

    Raises
    ------
    DataError, SimulationError
        A file is missing or damaged, or does not fit the map; or a history is given for a run that has begun.
    StoreError
        The id is taken.
    """
    simulation = read_source(path)
    meta = simulation.meta
    if history is not None and meta.step:
        raise SimulationError(
            f"{path} has {meta.step:,} steps: a history belongs to the start of a simulation; import without it, and"
            f" load it in the console, `call -- load history {history}`"
        )
    config = _config(path, meta, map_folder, history, changes or {}, overrides)
    run = runner.start(NAME, run_id, config, overwrite=overwrite, until=0)
    try:
        _fill(run, simulation)
    except BaseException:
        run.close()
        raise
    return run


def _config(
    path: Path,
    meta: Meta,
    map_folder: Path | None,
    history: Path | None,
    changes: dict[str, Any],
    overrides: Sequence[str],
) -> TownConfig:
    seconds = meta.step * meta.sec_per_step
    given: dict[str, Any] = {
        "town": str(path.absolute()),
        "map_folder": None if map_folder is None else str(map_folder.absolute()),
        "history": None if history is None else str(history.absolute()),
        "people": len(meta.names),
        "start_time": meta.start_date.isoformat(),
        "seconds_per_tick": meta.sec_per_step,
        "hours": max(24, -(-seconds // (24 * _HOUR)) * 24),
    }
    return TownConfig.load(None, overrides, {**given, **changes})


def _fill(run: Run, simulation: Simulation) -> None:
    """Store the kept files, and the blocks of the simulation."""
    meta, setting = simulation.meta, stored_setting(run)
    content, vectors = _kept_json(simulation)
    run.put_artifact(KEPT, content)
    if vectors is not None:
        run.put_artifact(VECTORS, vectors)
    people = setting.people
    events = Replay(simulation, setting.map, [len(texts) for texts in people.histories], people.facts).events()
    per_block = TownConfig(**run.manifest.config).ticks_per_block
    blocks: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        blocks[event.tick // per_block].append(event)
    for block in range(-(-meta.step // per_block)):
        run.append(to_rows(blocks[block], step=block + 1, seconds_per_tick=meta.sec_per_step))
    move_cursor(run, meta.step)


def _kept_json(simulation: Simulation) -> tuple[bytes, bytes | None]:
    """JSON of the kept files, and the vectors as arrays of a `.npz` file."""
    first = min(simulation.movement, default=0)
    known = min(simulation.environment)
    personas, arrays = {}, {}
    for number, persona in enumerate(simulation.personas.values()):
        keys = None if persona.embeddings is None else list(persona.embeddings)
        if keys:
            arrays[str(number)] = np.array(list((persona.embeddings or {}).values()), dtype=np.float64)
        personas[persona.name] = {
            "scratch": persona.scratch,
            "spatial": persona.spatial,
            "nodes": {f"node_{node.number}": node.values for node in persona.nodes},
            "strengths": persona.strengths,
            "keys": keys,
        }
    content = {
        "meta": simulation.meta.to_json(),
        "first_step": first,
        "start": {name: list(tile) for name, tile in simulation.environment[known].items()},
        "personas": personas,
    }
    buffer = io.BytesIO()
    if arrays:
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return json.dumps(content, ensure_ascii=False).encode(), buffer.getvalue() or None


def kept_of(run: Run) -> Kept | None:
    """Kept files of a run; None: it was not imported."""
    if run.artifact_sha256(KEPT) is None:
        return None
    where = f"{run.path}: {KEPT}"
    fields = Fields(parse_json(run.artifact(KEPT), where, most_bytes=_MAX_BYTES), where)
    vectors = {} if run.artifact_sha256(VECTORS) is None else load_npz(run.artifact(VECTORS), f"{run.path}: {VECTORS}")
    meta = parse_meta(fields.part("meta"))
    personas = {
        name: _persona(name, fields.part("personas").part(name), vectors.get(str(number)))
        for number, name in enumerate(meta.names)
    }
    start = {name: fields.part("start").tile(name) for name in meta.names}
    return Kept(meta, fields.whole("first_step", 0, meta.step), start, personas)


def _persona(name: str, fields: Fields, vectors: np.ndarray | None) -> Persona:
    keys = fields["keys"]
    embeddings = None if keys is None else dict(zip(keys, [] if vectors is None else vectors.tolist(), strict=True))
    nodes = parse_nodes(fields["nodes"], fields.where)
    return Persona(name, fields["scratch"], fields["spatial"], nodes, embeddings, fields["strengths"])
