"""A published simulation or demo as the source of a town: its files, its map, its residents.

    source = read_source(Path("storage/base_the_ville_n25"))         # or compressed_storage/NAME
    town_map, people = read_town(path, history=Path("agent_history_init_n25.csv"))

The map is not in the folder of a simulation: it is given, or the only one beside the storage, `*/matrix`.
"""

from dataclasses import replace
from pathlib import Path

from recgpt.errors import DataError
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.published.demo import META as DEMO_META
from recgpt.simulate.worlds.town.published.demo import is_demo, read_demo
from recgpt.simulate.worlds.town.published.history import read_history
from recgpt.simulate.worlds.town.published.people import people_of
from recgpt.simulate.worlds.town.published.simulation import (
    META,
    Simulation,
    is_simulation,
    read_meta,
    read_personas,
    read_simulation,
)
from recgpt.simulate.worlds.town.published_map import read_published_map
from recgpt.simulate.worlds.town.residents import People

_MAP_META = "maze_meta_info.json"


def read_source(path: Path) -> Simulation:
    """Read a simulation or a compressed demo.

    Raises
    ------
    DataError
        The folder is neither, or a file is damaged.
    """
    return read_demo(path) if _is_demo(path) else read_simulation(path)


def read_town(
    path: Path, *, map_folder: Path | None = None, history: Path | None = None, n: int | None = None
) -> tuple[TownMap, People]:
    """Map and residents of a published simulation or demo, without its movement.

    Parameters
    ----------
    map_folder
        Folder of the grids (`matrix`); None: the only one beside the storage.
    history
        CSV file of sentences that residents know from the start.
    n
        Number of residents, the first ones; None: all.

    Raises
    ------
    DataError
        A file is missing or damaged, a name is unknown, or the simulation has fewer residents.
    """
    meta = read_meta(path / (DEMO_META if _is_demo(path) else META))
    names = meta.names[:n]
    if n is not None and n > len(names):
        raise DataError(f"{path} has {len(names)} personas: people={n} is too many")
    cast = read_personas(path / "personas", names)
    town_map = read_published_map(find_map(path) if map_folder is None else map_folder)
    entries = [] if history is None else [each for each in read_history(history, meta.names) if each[0] in names]
    people = people_of(cast, town_map, meta.start_date, entries)
    return _with_owners(town_map, people), people


def find_map(path: Path) -> Path:
    """Folder of the only map beside the storage that holds a simulation.

    Raises
    ------
    DataError
        There is none, or several.
    """
    root = path.absolute().parent.parent
    patterns = (f"*/matrix/{_MAP_META}", f"static_dirs/assets/*/matrix/{_MAP_META}")
    found = sorted(file.parent for pattern in patterns for file in root.glob(pattern))
    if len(found) != 1:
        names = f"several maps ({', '.join(map(str, found))})" if found else "no map (*/matrix/maze_meta_info.json)"
        raise DataError(f"{root} has {names}: name the folder `matrix` of the map with --map-folder")
    return found[0]


def _is_demo(path: Path) -> bool:
    if not is_simulation(path) and not is_demo(path):
        raise DataError(
            f"{path} holds neither a simulation ({META}) nor a demo (meta.json, master_movement.json): name a folder"
            " of storage/ or compressed_storage/"
        )
    return not is_simulation(path)


def _with_owners(town_map: TownMap, people: People) -> TownMap:
    """The map with the households of its homes; homes without residents have numbers of their own."""
    owners = {resident.home: resident.household for resident in people.residents}
    for place in town_map.places:
        if place.level == "sector" and place.kind == "home":
            owners.setdefault(place.number, len(owners))
    places = tuple(
        replace(place, owner=owners[sector], kind="home")
        if (sector := town_map.sector_of(place.number)) in owners
        else place
        for place in town_map.places
    )
    return replace(town_map, places=places)
