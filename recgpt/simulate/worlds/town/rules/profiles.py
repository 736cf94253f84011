"""Identity text of a resident, and the places that it is offered.

identity_text(resident, date(2023, 2, 13))
offered_sectors(tree["the Ville"], last_name="Lopez")
"""

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import TypeVar

from recgpt.errors import SimulationError
from recgpt.simulate.worlds.town.residents import Resident

Found = TypeVar("Found")
Arenas = Mapping[str, Sequence[str]]
"""Objects by arena."""
_A_HOME = "'s house"
_OFFERED_AS_REMEDY = 5


def identity_text(resident: Resident, today: date) -> str:
    """Name, age, traits, background, present concern, sleep, duty of the day and date, one a line."""
    return (
        f"Name: {resident.name}\n"
        f"Age: {resident.age}\n"
        f"Innate traits: {resident.innate}\n"
        f"Learned traits: {resident.learned}\n"
        f"Currently: {resident.currently}\n"
        f"Lifestyle: {resident.lifestyle}\n"
        f"Daily plan requirement: {resident.daily_plan_req}\n"
        f"Current Date: {today:%A %B %d}\n"
    )


def offered_sectors(sectors: Mapping[str, Arenas], last_name: str) -> list[str]:
    """Known sectors, without houses that do not have the resident's last name in theirs."""
    return [name for name in sectors if _A_HOME not in name or last_name in name]


def chosen_sector(reply: str, offered: Sequence[str], living_area: str) -> str:
    """The sector of a reply; the own home, of the address `world:sector:arena`, for an unknown one."""
    return reply if reply in offered else living_area.split(":")[1]


def arenas_of(sectors: Mapping[str, Arenas], sector: str) -> list[str]:
    """Known arenas of a sector; none for the empty name, outside of any.

    Raises
    ------
    SimulationError
        The resident knows no such sector, where the published code raises a KeyError.
    """
    return list(_known(sectors, sector, "sector")) if sector else []


def objects_of(sectors: Mapping[str, Arenas], sector: str, arena: str) -> list[str]:
    """Known objects of an arena; none for an empty name.

    Raises
    ------
    SimulationError
        The resident knows no such sector or arena, where the published code raises a KeyError.
    """
    if not (sector and arena):
        return []
    return list(_known(_known(sectors, sector, "sector"), arena, "room"))


def _known(known: Mapping[str, Found], name: str, what: str) -> Found:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=_OFFERED_AS_REMEDY) or list(known)[:_OFFERED_AS_REMEDY]
    raise SimulationError(f"no known {what} {name!r}: choose among {', '.join(near) or 'none'}")
