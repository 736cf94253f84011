"""Profiles of a society's people with their edits, and the agents that a person plays.

Shapes: A agents.
"""

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import polars as pl

from recgpt.bounds import parse_json
from recgpt.errors import SimulationError
from recgpt.simulate.worlds.society.people import Feature, People
from recgpt.simulate.worlds.society.ties import text_bytes, texts_of

TEXT_FIELDS = ("name", "gender", "traits", "status", "interest")
FIELDS = (*TEXT_FIELDS, "age", "feature")
"""Fields of a profile that can be edited."""
_COLUMNS = {"age": "age_A", "feature": "feature_A"}


class Profiles:
    """Profiles after the events so far.

    Attributes
    ----------
    people
        The agents, as edited.
    played_A
        (A,) bool, whether a person plays the agent.
    """

    def __init__(self, people: People) -> None:
        self.people = people
        self.played_A = np.zeros(len(people), dtype=bool)
        self._given = people
        self._edits: dict[int, dict[str, Any]] = {}

    def apply(self, of_kind: dict[str, pl.DataFrame], rows: pl.DataFrame, step: int) -> None:
        """Update with the events of one step: `edited`, `taken`, `returned`."""
        edited = of_kind.get("edited")
        if edited is not None and len(edited):
            for agent, text in edited.select("agent", "text").iter_rows():
                self._edits[agent] = {
                    **self._edits.get(agent, {}),
                    **checked_values(parse_json(text, "an event of the run"), "edited"),
                }
            agents = edited["agent"].unique(maintain_order=True).to_list()
            self.people = _edited(self.people, {agent: self._edits[agent] for agent in agents})
        for kind, is_played in (("taken", True), ("returned", False)):
            if kind in of_kind:
                self.played_A = self.played_A.copy()
                self.played_A[of_kind[kind]["agent"].to_numpy()] = is_played

    def copy(self) -> Self:
        """The same profiles, which change on their own from here on."""
        other = copy.copy(self)
        other._edits = dict(self._edits)
        return other

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The whole part as numeric arrays."""
        edits = {str(agent): values for agent, values in self._edits.items()}
        return {"profiles_played_A": self.played_A, "profiles_edits": text_bytes(edits)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Load the arrays of `to_arrays`, from a state of the same setting."""
        self.played_A = arrays["profiles_played_A"].astype(bool)
        self._edits = {int(agent): values for agent, values in texts_of(arrays["profiles_edits"]).items()}
        self.people = _edited(self._given, self._edits)


def checked_values(values: dict[str, Any], where: str) -> dict[str, Any]:
    """New values of fields of a profile: `age` as a number, `feature` as a set of `Feature`, the rest as texts.

    Parameters
    ----------
    where
        Place of the values, for messages.

    Raises
    ------
    SimulationError
        A field that profiles do not have, an age that is no number, a feature that does not exist.
    """
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in FIELDS:
            raise SimulationError(f"{where}: profiles have no field {name!r}, use {', '.join(FIELDS)}")
        if name == "age":
            if not str(value).strip().isdecimal():
                raise SimulationError(f"{where}: age {value!r} is no number of years, give one such as 30")
            checked[name] = int(value)
        elif name == "feature":
            checked[name] = int(_features(str(value), where))
        else:
            checked[name] = str(value)
    return checked


def _features(text: str, where: str) -> Feature:
    found = Feature(0)
    for word in (each.strip() for each in text.replace(",", ";").split(";")):
        if word.upper() not in Feature.__members__:
            names = ", ".join(name.title() for name in Feature.__members__)
            raise SimulationError(f"{where}: unknown feature {word!r}, use {names}, joined by ;")
        found |= Feature[word.upper()]
    return found


def _edited(people: People, edits: dict[int, dict[str, Any]]) -> People:
    """People with new values of fields, by agent."""
    columns: dict[str, Any] = {}
    for name in _named(edits.values()):
        column = getattr(people, _COLUMNS.get(name, name)).copy()
        for agent, values in edits.items():
            if name in values:
                column[agent] = values[name]
        columns[_COLUMNS.get(name, name)] = column
    return replace(people, **columns)


def _named(values: Iterable[dict[str, Any]]) -> list[str]:
    present = {name for each in values for name in each}
    return [name for name in FIELDS if name in present]
