"""Diary of a resident in Markdown, day by day, from the log of a run.

    with Run.open("town") as run:
        print(diary(run, agent=0))

Each part of a day has the places with their activities, the talks with what passed in them, items with stars, and the
conclusions of reflections.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.town.activities import SLEEPING
from recgpt.simulate.worlds.town.artifacts import stored_setting
from recgpt.simulate.worlds.town.config import TownConfig, TownRules
from recgpt.simulate.worlds.town.minds.wording import as_said_by, at_place, capitalised, listed
from recgpt.simulate.worlds.town.setting import Setting

PARTS = ((5, "Morning"), (12, "Afternoon"), (18, "Evening"))
"""Parts of a day, by the hour at which they begin; the night before five belongs to the evening before."""
_KINDS = ("acted", "talked", "told", "invited", "mentioned", "adopted", "rated", "thought")
_SHARED = ("talked", "told", "invited", "mentioned")
_MOST_ACTIVITIES = 5
_VERBS = {"film": "Watched", "book": "Took home", "dish": "Had"}
_NIGHT = timedelta(hours=5)


class Entry(NamedTuple):
    """A line of the diary."""

    at: datetime
    text: str


@dataclass
class _Stay:
    """Activities at the same place in a row."""

    begins: datetime
    place: str
    doings: list[str] = field(default_factory=list)
    ends: datetime | None = None


def diary(run: Run, agent: int) -> str:
    """The diary of a resident over all blocks of a run.

    Raises
    ------
    SimulationError
        The town has no such resident.
    """
    setting, rules = stored_setting(run), TownConfig(**run.manifest.config).rules()
    if not 0 <= agent < len(setting.people):
        raise SimulationError(f"resident {agent}: this town has the residents 0 to {len(setting.people) - 1}")
    own = run.events_of(agent, range(1, run.n_steps + 1), _KINDS)
    shared = pl.concat([run.events(kind=kind).filter(pl.col("other") == agent) for kind in _SHARED])
    return diary_of(pl.concat([own, shared]), agent, setting, rules)


def diary_of(rows: pl.DataFrame, agent: int, setting: Setting, rules: TownRules) -> str:
    """The diary from the events of a resident as agent and as other."""
    writer = _Writer(agent, setting, rules)
    events = rows.sort("time", "agent", "seq").to_dicts()
    entries = [*writer.stays(events), *writer.talks(events), *writer.items(events), *writer.thoughts(events)]
    resident = setting.people.residents[agent]
    lines = [f"# Diary of {_plain(resident.name)}", "", f"{_plain(resident.learned)}"]
    day, part = None, None
    for entry in sorted(entries, key=lambda each: each.at):
        begins = entry.at - _NIGHT
        if day != begins.date():
            day, part = begins.date(), None
            lines += ["", f"## {begins:%A}, {begins:%B} {begins.day}"]
        name = _part_of(entry.at)
        if part != name:
            part = name
            lines += ["", f"### {name}", ""]
        lines.append(f"- {entry.text}")
    return "\n".join(lines) + "\n"


def _part_of(moment: datetime) -> str:
    return next((name for hour, name in reversed(PARTS) if moment.hour >= hour), PARTS[-1][1])


class _Writer:
    def __init__(self, agent: int, setting: Setting, rules: TownRules) -> None:
        self._agent, self._setting, self._rules = agent, setting, rules
        self._home = setting.people.residents[agent].home

    def _at(self, event: dict[str, Any]) -> datetime:
        return self._rules.start_time + timedelta(seconds=event["time"])

    def _name(self, agent: int) -> str:
        return _plain(self._setting.people.residents[agent].name)

    def _other(self, event: dict[str, Any]) -> int:
        other: int = event["other"] if event["agent"] == self._agent else event["agent"]
        return other

    # --- places and activities ---

    def stays(self, events: Sequence[dict[str, Any]]) -> Iterator[Entry]:
        """Places with their activities; a night is one line."""
        for stay in self._stays(events):
            when = f"{stay.begins:%H:%M}" + (f" to {stay.ends:%H:%M}" if stay.ends else "")
            if stay.doings == ["sleeping"]:
                yield Entry(stay.begins, f"{stay.begins:%H:%M}: Went to bed.")
            else:
                yield Entry(stay.begins, f"{when}, {stay.place}: {listed(_shortened(stay.doings))}.")

    def _stays(self, events: Sequence[dict[str, Any]]) -> list[_Stay]:
        stays: list[_Stay] = []
        for event in events:
            if event["kind"] != "acted":
                continue
            at, doing = self._at(event), "sleeping" if event["item"] == SLEEPING else _plain(event["text"] or "")
            place = stays[-1].place if event["place"] is None and stays else self._place(event["place"])
            asleep = doing == "sleeping"
            if stays and (stays[-1].place != place or asleep != (stays[-1].doings == ["sleeping"])):
                stays[-1].ends = at
            if not stays or stays[-1].ends:
                stays.append(_Stay(at, place))
            if doing not in stays[-1].doings:
                stays[-1].doings.append(doing)
        return (
            stays[1:]
            if stays and stays[0].begins == self._rules.start_time and stays[0].doings == ["sleeping"]
            else stays
        )

    def _place(self, place: int | None) -> str:
        if place is None:
            return "on the way"
        if self._setting.map.sector_of(place) == self._home:
            return "at home"
        return _plain(at_place(self._setting.map, place))

    # --- talks ---

    def talks(self, events: Sequence[dict[str, Any]]) -> Iterator[Entry]:
        """Talks, each with the facts, invitations and items that passed in it."""
        passed: dict[tuple[int, int], list[str]] = {}
        for event in events:
            if event["kind"] in _SHARED[1:] and (text := self._passed(event)):
                passed.setdefault((event["time"], self._other(event)), []).append(text)
        for event in events:
            if event["kind"] == "talked":
                other = self._other(event)
                about = _plain(event["text"] or "talking")
                what = (
                    f"Met {self._name(other)}, only a greeting"
                    if about == "saying hello"
                    else (f"Talked with **{self._name(other)}** {about.removeprefix('talking ')}")
                )
                more = "".join(f" {text}" for text in passed.get((event["time"], other), ()))
                yield Entry(self._at(event), f"{self._at(event):%H:%M}: {what}.{more}")

    def _passed(self, event: dict[str, Any]) -> str:
        mine, item = event["agent"] == self._agent, event["item"]
        other = self._name(self._other(event)).split()[0]
        if event["kind"] == "told":
            fact = self._setting.people.facts[item]
            text = fact.text.rstrip(".")
            if fact.about == self._agent:
                text = as_said_by(text, self._setting.people.residents[self._agent].name)
            text = _plain(text)
            return f"I told {other}: {text}." if mine else f"Learned from {other}: *{text}*."
        if event["kind"] == "invited":
            answer = f"“{_plain(event['text'] or '')}”"
            who = f"I invited {other}" if mine else f"{other} invited me"
            outcome = (
                ("accepted" if mine else "I accepted") if event["value"] else ("declined" if mine else "I declined")
            )
            return f"{who}: {outcome}, {answer}"
        title, opinion = self._title(item), event["value"] or 0.0
        verb = "recommended" if opinion >= 0 else "advised against"
        return f"I {verb} {title}." if mine else f"{other} {verb} {title}."

    # --- items and thoughts ---

    def _title(self, item: int) -> str:
        catalogue = self._setting.catalogue
        return "an item" if catalogue is None else f"“{_plain(catalogue.titles[item])}”"

    def items(self, events: Sequence[dict[str, Any]]) -> Iterator[Entry]:
        """Items that were watched, bought or eaten, and stars given later."""
        kinds = [] if self._setting.catalogue is None else self._setting.catalogue.kinds
        for event in events:
            if event["agent"] != self._agent or event["kind"] not in ("adopted", "rated"):
                continue
            at, title = self._at(event), self._title(event["item"])
            if event["kind"] == "adopted":
                friend = "" if event["other"] is None else f", as {self._name(event['other']).split()[0]} had suggested"
                yield Entry(
                    at, f"{at:%H:%M}: {_VERBS.get(kinds[event['item']], 'Had') if kinds else 'Had'} {title}{friend}."
                )
            else:
                stars, review = round(event["value"] or 0), _plain(event["text"] or "")
                yield Entry(at, f"{at:%H:%M}: {title} gets {stars} of 5 stars{f': {review}' if review else ''}.")

    def thoughts(self, events: Sequence[dict[str, Any]]) -> Iterator[Entry]:
        """Conclusions of reflections, a line for each moment."""
        by_moment: dict[datetime, list[str]] = {}
        for event in events:
            if event["kind"] == "thought" and event["slot"] == 1:
                by_moment.setdefault(self._at(event), []).append(capitalised(_plain(event["text"] or "")))
        for at, texts in by_moment.items():
            yield Entry(at, f"{at:%H:%M}: Thought it over. {' '.join(texts)}")


def _shortened(doings: Sequence[str]) -> list[str]:
    """The activities but for walks there, the last of many as `and more`."""
    done = [doing for doing in doings if not doing.startswith(("walking to ", "walking home"))] or list(doings)
    return done if len(done) <= _MOST_ACTIVITIES else [*done[:_MOST_ACTIVITIES], "more"]


def _plain(text: str) -> str:
    """Text of residents as Markdown shows it: no markup of its own."""
    for mark in ("\\", "*", "_", "`", "[", "]", "#"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.replace("<", "&lt;").split())
