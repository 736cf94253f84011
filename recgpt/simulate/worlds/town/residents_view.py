"""Residents at a moment as plain JSON, for pages and reports: one person, facts on their way, acquaintances.

person(state, rows, tick=3000, agent=4)["relations"]
"""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.worlds.town.activities import ACTIVITIES, NEEDS
from recgpt.simulate.worlds.town.events import from_rows
from recgpt.simulate.worlds.town.life import Life, Source
from recgpt.simulate.worlds.town.needs import needs_at
from recgpt.simulate.worlds.town.state import TownState

MOST_MEMORIES, MOST_RELATIONS, MOST_LINKS = 150, 60, 5000
SOURCES = {Source.PAGE: "page", Source.FRIEND: "friend", Source.SEARCH: "own search", Source.PASSING_BY: "passing by"}
"""Names of the sources of wishes and adoptions."""
_SCORES = ("recency", "relevance", "importance", "score")


def person(state: TownState, rows: pl.DataFrame, *, tick: int, agent: int) -> dict[str, Any]:
    """All about a resident at a tick.

    Parameters
    ----------
    state
        State in the middle of the block; its memories are those of the block's start.
    rows
        Events of the resident in the block up to the tick.

    Returns
    -------
    dict
        `profile`, `needs`, `plan` with `at` (place of the present activity, -1: none), `memories` (newest first) with
        evidence, `read` (the last retrieval: `for`, and by id of a memory the parts of its score), `new` (perceived in
        this block), `relations`, `facts`, `appointments` and `feed`.
    """
    life, resident = state.lives[agent], state.residents[agent]
    texts = {"innate": "traits", "learned": "background", "currently": "at present", "lifestyle": "sleep"}
    profile = [["occupation", resident.occupation], ["home", state.setting.map.places[resident.home].name]]
    profile += [[label, getattr(resident, name)] for name, label in texts.items()]
    needs = needs_at(life, resident=resident, tick=tick, seconds_per_tick=state.rules.seconds_per_tick)
    return {
        "agent": agent,
        "tick": tick,
        "name": resident.name,
        "age": resident.age,
        "profile": profile,
        "needs": [[name, round(need, 3)] for name, need in zip(NEEDS, needs, strict=True)],
        **_plan(state, life, tick),
        "memories": _memories(state, agent),
        "read": last_read(rows),
        "new": [event.text for event in _events(state, rows) if event.kind in ("perceived", "thought")],
        "relations": _relations(state, life),
        "facts": _facts_of(state, life),
        "appointments": [
            {"text": state.setting.people.facts[fact].text, "accepted": accepted}
            for fact, accepted in life.appointments.items()
        ],
        "feed": _feed(state, life),
    }


def _events(state: TownState, rows: pl.DataFrame) -> Iterable[Any]:
    return from_rows(rows, seconds_per_tick=state.rules.seconds_per_tick)


def name_of(state: TownState, agent: int) -> str | None:
    """Name of a resident; None for -1."""
    return None if agent < 0 else state.residents[agent].name


def _plan(state: TownState, life: Life, tick: int) -> dict[str, Any]:
    now = state.now(tick)
    minute, begins, at = now.hour * 60 + now.minute, 0, -1
    shown = []
    for number, block in enumerate(life.plan):
        if begins <= minute < begins + block.minutes and state.day(tick) == life.plan_day:
            at = number
        emoji = ACTIVITIES[block.activity].emoji if block.activity >= 0 else ""
        place = state.setting.map.address(block.place).split(":", 1)[1] if block.place >= 0 else ""
        shown.append([begins, block.minutes, block.text, place.replace(":", ", "), emoji])
        begins += block.minutes
    return {"plan": shown, "at": at}


def _memories(state: TownState, agent: int) -> list[dict[str, Any]]:
    entries = state.memory.entries.describe(agent)
    return [
        {
            "id": entry.id,
            "kind": entry.kind,
            "text": entry.text,
            "hours": round(entry.created, 4),
            "importance": round(entry.importance, 1),
            "depth": entry.depth,
            "evidence": list(entry.evidence),
        }
        for entry in sorted(entries, key=lambda each: each.id, reverse=True)[:MOST_MEMORIES]
    ]


def last_read(rows: pl.DataFrame) -> dict[str, Any] | None:
    """The last retrieval among the events of a resident: `for`, and by memory the parts of its score."""
    found = rows.filter(pl.col("kind") == "retrieved")
    if found.is_empty():
        return None
    note = parse_json(found["text"].to_list()[-1], "an event of the run")
    parts = [name for name in _SCORES if len(note.get(name) or ()) == len(note["ids"])]
    scores = {
        str(memory): {name: round(float(note[name][number]), 3) for name in parts}
        for number, memory in enumerate(note["ids"])
    }
    return {"for": str(note.get("for", "")), "scores": scores}


def _relations(state: TownState, life: Life) -> list[dict[str, Any]]:
    known = sorted(life.relations.items(), key=lambda each: (-each[1].familiarity, each[0]))
    return [
        {
            "agent": other,
            "name": state.residents[other].name,
            "label": relation.label,
            "familiarity": round(relation.familiarity, 3),
            "affinity": round(relation.affinity, 3),
            "talks": relation.n_talks,
        }
        for other, relation in known[:MOST_RELATIONS]
    ]


def _facts_of(state: TownState, life: Life) -> list[dict[str, Any]]:
    return [
        {
            "fact": fact,
            "text": state.setting.people.facts[fact].text,
            "source": known.source,
            "from": name_of(state, known.source),
            "tick": known.tick,
            "trust": round(known.trust, 2),
        }
        for fact, known in life.facts.items()
    ]


def _feed(state: TownState, life: Life) -> dict[str, Any]:
    title = titles_of(state)
    return {
        "page": [title(item) for item in life.page],
        "wishes": [_found(state, title(item), wish) for item, wish in life.wishes.items()],
        "adopted": [{**_found(state, title(item), done), "stars": done.stars} for item, done in life.adopted.items()],
        "heard": [
            {"title": title(item), "from": name_of(state, other), "opinion": round(opinion, 2)}
            for item, pairs in life.heard.items()
            for other, opinion in pairs
        ],
    }


def titles_of(state: TownState) -> Any:
    """Function from an item to its title."""
    catalogue = state.setting.catalogue
    titles = [] if catalogue is None else catalogue.titles
    return lambda item: titles[item] if item < len(titles) else f"item {item}"


def _found(state: TownState, title: str, what: Any) -> dict[str, Any]:
    """A wish or an adoption, with its first source."""
    return {
        "title": title,
        "source": SOURCES[what.source],
        "from": name_of(state, what.other) if what.other >= 0 else None,
        "tick": what.tick,
    }


# --- the town ---


def facts_on_their_way(state: TownState) -> list[dict[str, Any]]:
    """Each fact and the residents that know it: from whom (-1: from the start), since which tick, how surely."""
    shown: list[dict[str, Any]] = [
        {"fact": number, "kind": fact.kind, "text": fact.text, "about": fact.about, "known": []}
        for number, fact in enumerate(state.setting.people.facts)
    ]
    for agent, life in enumerate(state.lives):
        for fact, known in life.facts.items():
            shown[fact]["known"].append([agent, known.source, known.tick, round(known.trust, 2)])
    return shown


def density(state: TownState) -> float:
    """Share of pairs of residents that know each other: both have met the other."""
    n = len(state.lives)
    known = {(agent, other) for agent, life in enumerate(state.lives) for other in life.relations}
    both = sum(1 for agent, other in known if agent < other and (other, agent) in known)
    return 2 * both / (n * (n - 1)) if n > 1 else 0.0


def acquaintances(state: TownState, shown: Sequence[int], activities: Sequence[str]) -> dict[str, Any]:
    """Graph of acquaintances among chosen residents, with one cluster a household.

    Parameters
    ----------
    activities
        Name of the activity of each resident.
    """
    residents, kept = state.residents, set(shown)
    households = sorted({resident.household for resident in residents})
    cluster = {household: number for number, household in enumerate(households)}
    links: list[dict[str, Any]] = [
        {
            "source": agent,
            "target": other,
            "label": relation.label,
            "closeness": round(relation.familiarity, 3),
        }
        for agent in shown
        for other, relation in state.lives[agent].relations.items()
        if other in kept
    ]
    links.sort(key=lambda link: (-link["closeness"], link["source"], link["target"]))
    sizes = dict.fromkeys(households, 0)
    for resident in residents:
        sizes[resident.household] += 1
    return {
        "n_agents": len(residents),
        "n_links": sum(len(life.relations) for life in state.lives),
        "rule": f"at most {len(shown):,} residents by number, and {MOST_LINKS:,} of their acquaintances, closest first",
        "nodes": [
            {
                "id": agent,
                "name": residents[agent].name,
                "activity": activities[agent],
                "size": 1 if activities[agent] == "asleep" else 2,
                "friends": len(state.lives[agent].relations),
                "cluster": cluster[residents[agent].household],
            }
            for agent in shown
        ],
        "links": links[:MOST_LINKS],
        "clusters": [
            {"id": cluster[household], "name": f"household {household}", "agents": size}
            for household, size in sizes.items()
        ],
        "cluster_links": [],
    }
