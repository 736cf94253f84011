"""Card of one agent of a feed for pages: profile, pages, memories used and held, interview.

cards = CardMaker(rules, population, facts)
cards.panels(7, run.events_of(7, range(1, 4)))
"""

import math
from typing import Any

import polars as pl

from recgpt.bounds import parse_json
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.watch import Panel, ProfileEntry
from recgpt.simulate.watching import ROWS_OF_CARD, finite, table_panel
from recgpt.simulate.worlds.feed.replay_of_agent import MemoryOfAgent
from recgpt.simulate.worlds.feed.state import FeedRules
from recgpt.simulate.worlds.feed.view import TRAITS, page_of

_LATEST = 10
_ON_PAGE = ["place", "item", "fits", "watched", "stars", "valence", "words"]
_USED = ["memory", "text", "score", "relevance", "recency", "importance"]
_HELD = ["memory", "kind", "text", "importance", "valence", "made on page", "read on page"]

Rows = list[list[str | int | float | None]]


class CardMaker:
    """Cards of the agents of one run."""

    def __init__(self, rules: FeedRules, population: Population, facts: ItemFacts) -> None:
        self._rules, self._population, self._facts = rules, population, facts
        self._titles = facts.items["title"].to_list()

    def profile(self, agent: int) -> list[ProfileEntry]:
        """Profile of an agent."""
        known = self._population.profile(agent)
        entries: list[tuple[str, str | int | float | None]] = [
            ("number", agent),
            ("made of user", known.user),
            *((trait, TRAITS[trait][getattr(known, trait) - 1]) for trait in TRAITS),
            ("mean rating before", finite(known.mean_rating)),
            ("taste", " ".join(known.tastes) or None),
            ("rates high", known.high_rating_tendency or None),
            ("rates low", known.low_rating_tendency or None),
        ]
        return [ProfileEntry(name=None, label=label, value=value) for label, value in entries if value is not None]

    def panels(self, agent: int, events: pl.DataFrame) -> list[Panel]:
        """Panels of an agent.

        Parameters
        ----------
        events
            Its events up to the step of the card.
        """
        by_page = list(events.partition_by("step", maintain_order=True))
        pages = [page_of(int(rows["step"][0]), rows, self._facts) for rows in by_page]
        panels = self._memory_panels(agent, by_page)
        if pages:
            shown = table_panel("page", f"Page {pages[-1]['number']}", _ON_PAGE, _items(pages[-1]))
            panels = [shown, table_panel("page", "Pages, the latest first", _PAGES, _pages(pages)), *panels]
        return [*panels, *_interview(events), self._before(agent)]

    def _memory_panels(self, agent: int, by_page: list[pl.DataFrame]) -> list[Panel]:
        if not by_page:
            return []
        memory = MemoryOfAgent(self._rules, self._population, self._facts, agent, pl.concat(by_page))
        for rows in by_page[:-1]:
            memory.apply(int(rows["step"][0]))
        used = self._used(memory, by_page[-1])
        memory.apply(int(by_page[-1]["step"][0]))
        held = [
            [
                entry.id,
                entry.kind,
                entry.text,
                finite(entry.importance, 2),
                finite(entry.valence, 2),
                int(entry.created),
                int(entry.last_accessed),
            ]
            for entry in reversed(memory.entries())
        ]
        return [
            table_panel(
                "memory", "Memories used for this page", _USED, used, "parts of the score as the memory has them"
            ),
            table_panel("memory", "Memory, the newest first", _HELD, held),
        ]

    def _used(self, memory: MemoryOfAgent, rows: pl.DataFrame) -> Rows:
        noted = rows.filter(pl.col("kind") == "retrieved")["text"].to_list()
        if not noted:
            return []
        ids = parse_json(noted[0], "an event of the run")["ids"]
        items = rows.filter(pl.col("kind") == "shown")["item"].to_list()
        found = memory.used(items, ids, int(rows["step"][0]))
        return [
            [
                each["id"],
                each["text"],
                *(finite(each[name], 4) for name in ("score", "relevance", "recency", "importance")),
            ]
            for each in found
        ]

    def _before(self, agent: int) -> Panel:
        """Items that the agent took before the run."""
        start, stop = self._population.histories.offsets[agent : agent + 2].tolist()
        items = self._population.histories.values[start:stop][-_LATEST:][::-1].tolist()
        stars = self._population.ratings[start:stop][-_LATEST:][::-1].tolist()
        rows = [[self._titles[item], finite(star)] for item, star in zip(items, stars, strict=True)]
        return table_panel("history", "Before the run, the latest first", ["item", "stars"], rows)


_PAGES = ["page", "shown", "watched", "liked", "pleased", "why", "thought", "then"]


def _items(page: dict[str, Any]) -> Rows:
    return [
        [
            place,
            item["title"] + (" (advertisement)" if item["advert"] else ""),
            "yes" if item["aligned"] else "no",
            "yes" if item["watched"] else "no",
            item["stars"],
            None if item["feeling"] is None or not math.isfinite(item["feeling"]) else finite(item["feeling"], 2),
            item["words"],
        ]
        for place, item in enumerate(page["items"], start=1)
    ]


def _pages(pages: list[dict[str, Any]]) -> Rows:
    return [
        [
            page["number"],
            len(page["items"]),
            sum(item["watched"] for item in page["items"]),
            sum((item["stars"] or 0) >= 4 for item in page["items"]),
            None if page["satisfied"] is None else "yes" if page["satisfied"]["value"] == 1 else "no",
            (page["satisfied"] or page["failed"] or {}).get("text"),
            page["thought"],
            _then(page),
        ]
        for page in reversed(pages[-ROWS_OF_CARD:])
    ]


def _then(page: dict[str, Any]) -> str:
    if page["failed"] is not None:
        return "its mind failed"
    if page["exited"] is None:
        return "next page"
    return "left" + (f": {page['exited']['text']}" if page["exited"]["text"] else "")


def _interview(events: pl.DataFrame) -> list[Panel]:
    said = events.filter(pl.col("kind") == "interviewed").select("step", "value", "text").rows()
    rows = [[step, finite(value), text] for step, value, text in said]
    return [table_panel("history", "Interview at the end", ["page", "satisfaction", "why"], rows)] if rows else []
