"""A plan, the readable text of a town, and the compiler to a `TownMap`, with errors by row and column.

    town_map = load_plan(Path("my.plan"))
    town_map = load_default_map()                        # towns/default.plan, which also explains the format

A plan has a name, a legend (`legend.py`) and a drawing with one character a tile. Checks: equal rows, known characters,
rooms closed and with a door, each room named in the legend, unique addresses, every place reachable from every other.
Rows and columns count from 0, at the upper left.
"""

from importlib.resources import files
from pathlib import Path

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.compiling import compile_plan
from recgpt.simulate.worlds.town.places import TownMap
from recgpt.simulate.worlds.town.plan_text import parse


def load_default_map() -> TownMap:
    """Map of Hazelbrook, our own town."""
    text = (files("recgpt.simulate.worlds.town") / "towns" / "default.plan").read_text(encoding="utf-8")
    return compile_text(text, "default.plan")


def load_plan(path: Path) -> TownMap:
    """Map of a plan file.

    Raises
    ------
    SimulationError
        There is no such file, or the plan is wrong; the message has row and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise SimulationError(f"{path}: {reason}: name a plan, a text file such as towns/default.plan") from error
    return compile_text(text, path.name)


def compile_text(text: str, source: str = "plan") -> TownMap:
    """Map of the text of a plan. Errors as in `load_plan`."""
    return compile_plan(parse(text, source))
