"""Words of a town's log lines, for pages and reports.

words = words_of(state)
words(row)                                       # "said to Maria Lopez: Good morning"
"""

from collections.abc import Callable
from typing import Any

from recgpt.simulate.worlds.town.life import Source
from recgpt.simulate.worlds.town.residents_view import SOURCES, titles_of
from recgpt.simulate.worlds.town.state import TownState

_WITH_OTHER = {
    "said": "to {other}: {text}",
    "talked": "talks with {other}: {text}",
    "told": "tells {other}: {fact}",
    "invited": "invites {other}: {fact} ({answer}{reason})",
    "waited": "lets {other} go first",
    "mentioned": "{verb} {item} to {other}",
    "related": "likes {other} {more}",
}
_ALONE = {
    "acted": "{text}{where}",
    "planned": "plans {minutes} min: {text}",
    "moved": "is put on tile {slot}",
    "showed": "shows {text}",
    "perceived": "sees: {text}",
    "reflected": "reflects",
    "thought": "concludes: {text}",
    "failed": "no valid decision: {text}",
    "edited": "edit: {text}",
    "happened": "{where_plain} {text}",
    "retrieved": "remembers: {text}",
    "cited": "evidence: memory {slot}",
    "offered": "is offered {item}",
    "shown": "sees {item} on the page",
    "wished": "wants {item} ({source})",
    "adopted": "takes {item} ({source})",
    "rated": "gives {item} {stars} stars{review}",
    "turned_away": "finds no seat or copy of {item}",
}


def words_of(state: TownState) -> Callable[[dict[str, Any]], str]:
    """Function from a row of the log to its words."""
    names = [resident.name for resident in state.residents]
    facts = [fact.text for fact in state.setting.people.facts]
    places, title = state.setting.map.places, titles_of(state)

    def words(row: dict[str, Any]) -> str:
        template = _WITH_OTHER.get(row["kind"]) or _ALONE[row["kind"]]
        text, value, place = row["text"] or "", row["value"] or 0, row["place"]
        where = "" if place is None else places[place].name
        other = row["other"]
        source = SOURCES[Source(row["slot"])] if row["kind"] in ("wished", "adopted") else ""
        friend = f", {names[other]}" if source and other is not None and other >= 0 else ""
        return template.format(
            other="" if other is None or other < 0 else names[other],
            text=text,
            fact=_at(facts, row["item"]) if row["kind"] in ("told", "invited") else "",
            answer="accepted" if value else "declined",
            reason=f": {text}" if text else "",
            verb="recommends" if value >= 0 else "advises against",
            more="more" if value > 0 else "less",
            item="" if row["item"] is None else title(row["item"]),
            where=f", {where}" if where else "",
            where_plain=where,
            minutes=f"{value:g}",
            slot=row["slot"],
            source=f"{source}{friend}",
            stars=f"{value:g}",
            review=f": {text}" if text else "",
        )

    return words


def _at(texts: list[str], number: int | None) -> str:
    return texts[number] if number is not None and number < len(texts) else ""
