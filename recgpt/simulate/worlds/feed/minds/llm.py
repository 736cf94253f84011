"""Agents that decide by a language model: one structured question a page, items chosen by their number on it.

The prompts are files in `prompts`. Whatever others wrote (titles, descriptions, adverts) enters them as quoted data. A
reply that is no answer to the question is asked for once more; then the agent has failed, which is counted and said.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

import jinja2
import numpy as np
from pydantic import BaseModel, create_model

from recgpt.simulate.agents.memory import Memory, Retrieved
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.budget import Caps, Price, Spent
from recgpt.simulate.llm.calls import FAILURES, CallLog
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Reply, Request
from recgpt.simulate.llm.servers import Server
from recgpt.simulate.llm.text import cleaned, quoted
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Pages

REMEMBERED = 5
_LONGEST_SAYING = 300  # characters of what a reply says; the rest is cut off
_LONGEST_DESCRIPTION = 240
_ACTIVITY = (
    "You seldom look at recommendations and leave soon unless something really appeals to you.",
    "You look at recommendations now and then and watch what appeals to you.",
    "You look at recommendations often, go through many pages and watch a lot.",
)
_DIVERSITY = (
    "You keep to the few genres that you love.",
    "You like several genres and sometimes try another.",
    "You are curious about all kinds of genres.",
)
_CONFORMITY = (
    "Your ratings mostly agree with what others think.",
    "What others think matters to you, but your ratings are your own.",
    "You rate against the crowd and do not care what others think.",
)


Stars = Literal[0, 1, 2, 3, 4, 5]
OneToTen = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


# Numbers are enumerations and texts have no length: servers differ in what else of JSON schema their strict mode takes.
class Interview(BaseModel):
    """What an agent says at the end."""

    satisfaction: OneToTen
    reason: str


class Reflection(BaseModel):
    """What an agent concludes."""

    conclusion: str


class OnItem(BaseModel):
    """What an agent does with an item."""

    fits: bool
    watch: bool
    rating: Stars
    feeling: str


class OnPage(BaseModel):
    """What an agent makes of a page."""

    satisfied: bool
    reason: str
    action: Literal["next", "exit"]


@cache
def page_schema(n_items: int) -> type[BaseModel]:
    """The reply to a page of so many items, `item_1` and so on: each is judged once, and nothing else can be named."""
    judged: dict[str, Any] = {f"item_{number}": (OnItem, ...) for number in range(1, n_items + 1)}
    after: dict[str, Any] = {name: (field.annotation, ...) for name, field in OnPage.model_fields.items()}
    return create_model("Page", **judged, **after)


class LLMMind:
    """Decides by a language model.

    Parameters
    ----------
    client
        Asks it, and keeps every call.
    uses_memory
        Whether prompts hold what comes to mind.
    reflects
        Whether an agent that is due to reflect is asked for a conclusion, in a call of its own.
    """

    name = "llm"

    def __init__(
        self,
        client: LLMClient,
        population: Population,
        facts: ItemFacts,
        *,
        uses_memory: bool = True,
        reflects: bool = False,
    ) -> None:
        self.client = client
        self._population = population
        self._facts = facts
        self._uses_memory = uses_memory
        self._reflects = reflects

    @classmethod
    def of(cls, options: MindOptions, population: Population, facts: ItemFacts, *, seed: int, run: Run) -> Self:
        """The mind that the options describe; what the run has spent counts against its caps."""
        llm, so_far = options.llm, run.calls_summary()
        spent = Spent(so_far["n"], so_far["tokens_in"] + so_far["tokens_out"], so_far["cost_usd"])
        price = (
            None if llm.usd_per_million is None else Price(input=llm.usd_per_million[0], output=llm.usd_per_million[1])
        )
        log: CallLog = run
        client = LLMClient(
            [Server(url, llm.key_env) for url in llm.base_urls],
            llm.model,
            caps=Caps(calls=llm.max_calls, tokens=llm.max_total_tokens, usd=llm.max_usd),
            log=log,
            price=price,
            spent=spent,
            concurrency=llm.concurrency,
            temperature=llm.temperature,
            max_tokens=llm.max_tokens,
            seed=seed,
            timeout_s=llm.timeout_s,
        )
        return cls(client, population, facts, uses_memory=options.uses_memory, reflects=llm.reflects)

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """What the agents do with their pages. See `Mind`.

        Raises
        ------
        LLMError
            A cap is reached, or the servers cannot be asked; no reply that was paid for is lost.
        """
        remembered, notes = self._remembered(pages, memory)
        requests = [self._about_page(pages, row, remembered[row]) for row in range(len(pages))]
        replies = self.client.complete(requests)
        shape = pages.items_AS.shape
        aligned_AS, watched_AS = np.zeros((2, *shape), dtype=bool)
        rating_AS = np.full(shape, np.nan, dtype=np.float32)
        words: list[list[str | None]] = [[None] * shape[1] for _ in range(shape[0])]
        satisfied_A, exit_A, failed_A = np.zeros((3, shape[0]), dtype=bool)
        reasons: list[str | None] = []
        for row, reply in enumerate(replies):
            if reply.value is None:
                failed_A[row] = True
                reasons.append(reply.failure and f"{reply.failure}: {FAILURES[reply.failure]}")
                continue
            said: Any = reply.value
            for number, slot in enumerate(np.flatnonzero(pages.items_AS[row] >= 0), start=1):
                item: OnItem = getattr(said, f"item_{number}")
                aligned_AS[row, slot] = item.fits
                if item.fits and item.watch:
                    watched_AS[row, slot] = True
                    rating_AS[row, slot] = item.rating or np.nan
                    words[row][slot] = _words(item.feeling)
            satisfied_A[row], exit_A[row] = said.satisfied, said.action == "exit"
            reasons.append(_words(said.reason))
        return Decisions(
            aligned_AS=aligned_AS,
            watched_AS=watched_AS,
            rating_AS=rating_AS,
            feeling_AS=(rating_AS - 3) / 2,
            satisfied_A=satisfied_A,
            exit_A=exit_A,
            failed_A=failed_A,
            feeling_texts=words,
            reasons=reasons,
            retrieved=notes,
            thoughts=self._thoughts(pages, memory, failed_A) if self._reflects else None,
        )

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        """How satisfied agents are that have left. See `Mind`; raises as `decide` does."""
        remembered, _ = self._remembered(pages, self._after_page(pages, memory))
        requests = [
            self._ask(
                pages.agent_A[row],
                "interview",
                Interview,
                memories=remembered[row],
                shown=int(pages.shown_before_A[row]),
                aligned=int(pages.aligned_before_A[row]),
                watched=int(pages.watched_before_A[row]),
                liked=int(pages.liked_before_A[row]),
            )
            for row in range(len(pages))
        ]
        said: list[Any] = [reply.value for reply in self.client.complete(requests)]
        scores = [np.nan if each is None else each.satisfaction for each in said]
        return Interviews(np.array(scores, dtype=np.float32), [each and _words(each.reason) for each in said])

    # --- what is asked ---

    def _about_page(self, pages: Pages, row: int, remembered: Sequence[str]) -> Request:
        slots = np.flatnonzero(pages.items_AS[row] >= 0)
        shown = [self._item(int(pages.items_AS[row, slot]), bool(pages.advert_AS[row, slot])) for slot in slots]
        return self._ask(
            pages.agent_A[row],
            "page",
            page_schema(len(slots)),
            memories=remembered,
            shown=int(pages.shown_before_A[row]),
            watched=int(pages.watched_before_A[row]),
            page=pages.step,
            items=shown,
            advert_text=None if pages.advert_text is None else quoted(pages.advert_text),
        )

    def _item(self, item: int, is_advert: bool) -> dict[str, Any]:
        of_item, rating = self._facts.items.row(item, named=True), float(self._facts.mean_rating_N[item])
        categories, description = of_item.get("categories"), of_item.get("description")
        return {
            "title": quoted(of_item["title"]),
            "rating": None if np.isnan(rating) else f"{rating:.1f}",
            "categories": quoted(str(categories)) if categories else None,
            "description": quoted(description, _LONGEST_DESCRIPTION) if description else None,
            "advert": is_advert,
        }

    def _ask(self, agent: int, prompt: str, schema: type[BaseModel], **values: Any) -> Request:
        messages: list[Any] = [
            {"role": "system", "content": self._who(int(agent))},
            {"role": "user", "content": _prompt(prompt).render(**values)},
        ]
        return Request(messages, schema, purpose=prompt)

    def _who(self, agent: int) -> str:
        profile = self._population.profile(agent)
        return _prompt("profile").render(
            activity=_ACTIVITY[profile.activity - 1],
            diversity=_DIVERSITY[profile.diversity - 1],
            conformity=_CONFORMITY[profile.conformity - 1],
            mean_rating=None if profile.mean_rating is None else f"{profile.mean_rating:.1f}",
            tastes=[quoted(taste) for taste in profile.tastes],
            high=quoted(profile.high_rating_tendency, _LONGEST_DESCRIPTION) if profile.high_rating_tendency else None,
            low=quoted(profile.low_rating_tendency, _LONGEST_DESCRIPTION) if profile.low_rating_tendency else None,
        )

    # --- what comes to mind ---

    def _remembered(self, pages: Pages, memory: Memory) -> tuple[list[list[str]], list[str | None] | None]:
        """For each agent the texts of what it remembers at its page, and their ids as JSON."""
        if not self._uses_memory or not len(memory.texts):
            return [[] for _ in range(len(pages))], None
        found = self._retrieved(pages, memory)
        texts, notes = [], []
        for agent, slots_k, ids_k in zip(pages.agent_A.tolist(), found.slots_Ak, found.ids_Ak, strict=True):
            chosen = [int(slot) for slot in slots_k if slot >= 0]
            texts.append([quoted(memory.entry(agent, slot).text, _LONGEST_SAYING) for slot in chosen])
            notes.append(json.dumps({"ids": [int(i) for i in ids_k if i >= 0]}) if chosen else None)
        return texts, notes

    def _retrieved(self, pages: Pages, memory: Memory) -> Retrieved:
        there_AS1 = (pages.items_AS >= 0)[..., None]
        query_AE = (self._facts.unit_NE[np.maximum(pages.items_AS, 0)] * there_AS1).sum(axis=1)
        return memory.retrieve(pages.agent_A, query_AE, REMEMBERED, pages.step)

    def _after_page(self, pages: Pages, memory: Memory) -> Memory:
        """The memory at the interview: what came to mind at the page, in the same step, counts as read already."""
        decided = pages.rows(np.flatnonzero((pages.items_AS >= 0).any(axis=1)))  # nobody decides on an empty page
        if not memory.preset.reading_renews or not self._uses_memory or not len(decided):
            return memory
        ids_Ak = self._retrieved(decided, memory).ids_Ak
        row, place = np.nonzero(ids_Ak >= 0)
        return memory.after_reading(decided.agent_A[row], ids_Ak[row, place], pages.step)

    def _thoughts(self, pages: Pages, memory: Memory, failed_A: np.ndarray) -> list[str | None]:
        """What agents conclude whose time has come to reflect, on the pages before this one."""
        due = np.flatnonzero(memory.due_A()[pages.agent_A] & ~failed_A)
        if not len(due):
            return [None] * len(pages)
        lately = {
            row: [
                quoted(entry.text, _LONGEST_SAYING)
                for entry in memory.describe(int(pages.agent_A[row]))[-2 * REMEMBERED :]
            ]
            for row in due.tolist()
        }
        asked = [self._ask(pages.agent_A[row], "reflect", Reflection, memories=lately[row]) for row in due.tolist()]
        said: dict[int, Reply] = dict(zip(due.tolist(), self.client.complete(asked), strict=True))
        values: list[Any] = [said[row].value if row in said else None for row in range(len(pages))]
        return [each and _words(each.conclusion) for each in values]


def _words(text: str) -> str | None:
    """What an agent said, as it may stand in a log and in later prompts; None where it said nothing."""
    return cleaned(text, _LONGEST_SAYING) or None


@cache
def _prompt(name: str) -> jinja2.Template:
    text = (files("recgpt.simulate.worlds.feed.minds") / "prompts" / f"{name}.j2").read_text(encoding="utf-8")
    plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  # no page is made of it
    return plain.from_string(text)
