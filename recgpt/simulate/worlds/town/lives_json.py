"""Lives as JSON values and back, for snapshots."""

from dataclasses import fields
from typing import Any

from recgpt.simulate.worlds.town.life import Action, Adoption, Known, Life, PlanBlock, Relation, Source, Wish
from recgpt.simulate.worlds.town.residents import Resident

_EDITABLE = ("innate", "learned", "currently", "lifestyle", "daily_plan_req")
_ROWS: dict[str, type] = {"relations": Relation, "facts": Known, "wishes": Wish, "adopted": Adoption}
"""Fields of a life that are tables by number, and the class of their rows."""


def texts(resident: Resident) -> dict[str, str]:
    """Texts of a profile that edits change."""
    return {name: getattr(resident, name) for name in _EDITABLE}


def to_json(life: Life) -> dict[str, Any]:
    """JSON values of a life."""
    values = {each.name: getattr(life, each.name) for each in fields(Life)}
    values["action"] = _row(life.action)
    values["plan"] = [_row(block) for block in life.plan]
    values["appointments"] = list(life.appointments.items())
    values["heard"] = list(life.heard.items())
    for name in _ROWS:
        values[name] = [[number, *_row(row)] for number, row in values[name].items()]
    return values


def from_json(values: dict[str, Any]) -> Life:
    """Life from the values of `to_json`."""
    read = dict(values)
    for name in ("path", "needs", "page", "recent"):
        read[name] = tuple(values[name])
    read["action"] = Action(*values["action"])
    read["plan"] = tuple(PlanBlock(*row) for row in values["plan"])
    read["appointments"] = {fact: bool(accepted) for fact, accepted in values["appointments"]}
    read["heard"] = {item: tuple((agent, opinion) for agent, opinion in pairs) for item, pairs in values["heard"]}
    for name, kind in _ROWS.items():
        read[name] = {number: kind(*_typed(kind, row)) for number, *row in values[name]}
    return Life(**read)


def _row(row: Any) -> list[Any]:
    return [getattr(row, each.name) for each in fields(row)]


def _typed(kind: type, row: list[Any]) -> list[Any]:
    """The row with its source, of wishes and adoptions, as a `Source`."""
    return [Source(row[0]), *row[1:]] if kind in (Wish, Adoption) else row
