"""Mind that decides by a language model: one structured request per page, items chosen by their number on it.

The prompts are files in `prompts`; code shared with the language-model minds of other worlds is in
`recgpt.simulate.minds.ask`. An agent whose reply is malformed twice has failed, which is counted and logged.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, create_model

from recgpt.simulate.agents.memory import Memory, Retrieved
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Reply, Request
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import (
    Asker,
    client_from_options,
    failure_reason,
    quoted_memories,
    recent_memories,
    sentence,
)
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.worlds.feed.minds.base import MEMORIES_PER_PAGE, Decisions, Interviews, Pages

_MAX_DESCRIPTION_CHARS = 240
_MAX_SAMPLES = 32  # agents whose prompts are rendered for an estimate
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
# The docstrings of replies are in their schemas and so in the prompt: changing one changes replies and keys of calls.
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
    """Schema of the reply to a page: one `OnItem` for each number (`item_1`, ...), then the fields of `OnPage`."""
    judged: dict[str, Any] = {f"item_{number}": (OnItem, ...) for number in range(1, n_items + 1)}
    after: dict[str, Any] = {name: (field.annotation, ...) for name, field in OnPage.model_fields.items()}
    return create_model("Page", **judged, **after)


class LLMMind:
    """Decides by a language model.

    Parameters
    ----------
    client
        Sends requests, and logs every call.
    uses_memory
        Whether prompts contain retrieved memories.
    reflects
        Whether an agent whose reflection is due makes one more call, for a conclusion.
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
        self._asker = Asker(client, "recgpt.simulate.worlds.feed.minds")
        self._population = population
        self._facts = facts
        self._uses_memory = uses_memory
        self._reflects = reflects

    @classmethod
    def from_options(
        cls, options: MindOptions, population: Population, facts: ItemFacts, *, seed: int, run: Run
    ) -> Self:
        """Mind with these options; earlier calls of the run count against its caps."""
        client = client_from_options(options.llm, seed=seed, run=run)
        return cls(client, population, facts, uses_memory=options.uses_memory, reflects=options.llm.reflects)

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        """See `Mind`.

        Raises
        ------
        LLMError
            A cap is reached, or no server can be reached; every reply so far is in the log.
        """
        remembered, notes = self._remembered(pages, memory)
        requests = [self._page_request(pages, row, remembered[row]) for row in range(len(pages))]
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
                reasons.append(failure_reason(reply))
                continue
            said: Any = reply.value
            for number, slot in enumerate(np.flatnonzero(pages.items_AS[row] >= 0), start=1):
                item: OnItem = getattr(said, f"item_{number}")
                aligned_AS[row, slot] = item.fits
                if item.fits and item.watch:
                    watched_AS[row, slot] = True
                    rating_AS[row, slot] = item.rating or np.nan
                    words[row][slot] = sentence(item.feeling)
            satisfied_A[row], exit_A[row] = said.satisfied, said.action == "exit"
            reasons.append(sentence(said.reason))
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
        """See `Mind`; raises as `decide` does."""
        remembered, _ = self._remembered(pages, self._after_page(pages, memory))
        requests = [self._interview_request(pages, row, remembered[row]) for row in range(len(pages))]
        said: list[Any] = [reply.value for reply in self.client.complete(requests)]
        scores = [np.nan if each is None else each.satisfaction for each in said]
        return Interviews(np.array(scores, dtype=np.float32), [each and sentence(each.reason) for each in said])

    def estimate(self, n_agents: int, n_pages: int, page_size: int) -> CostEstimate:
        """Calls, tokens and cost if every agent sees every page: prompts of some agents, with some of the items.

        Agents that leave early, and pages with fewer items, cost less. Repeated requests are not counted.
        """
        pages = self._sample_pages(page_size)
        titles = self._facts.items["title"].gather(np.maximum(pages.items_AS[:, 0], 0)).to_list()
        memories = [[quoted(f"I watched {title} and gave it 4 stars.")] * MEMORIES_PER_PAGE for title in titles]
        none: list[list[str]] = [[]] * len(pages)
        rows = range(len(pages))
        later = memories if self._uses_memory else none
        on_first = [self._page_request(pages, row, none[row]) for row in rows]
        on_later = [self._page_request(pages, row, later[row]) for row in rows]
        interviews = [self._interview_request(pages, row, later[row]) for row in rows]
        reflections = [self._reflection_request(int(pages.agent_A[row]), 2 * memories[row]) for row in rows]
        n_later = n_agents * max(n_pages - 1, 0)
        return (
            self.client.estimate(on_first, n_agents * min(n_pages, 1))
            + self.client.estimate(on_later, n_later)
            + self.client.estimate(interviews, n_agents)
            + self.client.estimate(reflections, n_later if self._reflects else 0)
        )

    def _sample_pages(self, page_size: int) -> Pages:
        """Pages of some agents, with items from all over the catalogue."""
        agents = np.unique(np.linspace(0, len(self._population) - 1, _MAX_SAMPLES).astype(np.int64))
        shape = (len(agents), page_size)
        items_AS = np.linspace(0, len(self._facts) - 1, len(agents) * page_size).astype(np.int64).reshape(shape)
        counts_A = np.full(len(agents), page_size)
        return Pages(1, agents, items_AS, np.zeros(shape, dtype=bool), None, *[counts_A] * 6)

    # --- requests ---

    def _page_request(self, pages: Pages, row: int, memories: Sequence[str]) -> Request:
        slots = np.flatnonzero(pages.items_AS[row] >= 0)
        shown = [self._item(int(pages.items_AS[row, slot]), bool(pages.advert_AS[row, slot])) for slot in slots]
        return self._asker.request(
            "page",
            page_schema(len(slots)),
            system=self._profile(int(pages.agent_A[row])),
            memories=memories,
            shown=int(pages.shown_before_A[row]),
            watched=int(pages.watched_before_A[row]),
            page=pages.step,
            items=shown,
            advert_text=None if pages.advert_text is None else quoted(pages.advert_text),
        )

    def _interview_request(self, pages: Pages, row: int, memories: Sequence[str]) -> Request:
        return self._asker.request(
            "interview",
            Interview,
            system=self._profile(int(pages.agent_A[row])),
            memories=memories,
            shown=int(pages.shown_before_A[row]),
            aligned=int(pages.aligned_before_A[row]),
            watched=int(pages.watched_before_A[row]),
            liked=int(pages.liked_before_A[row]),
        )

    def _reflection_request(self, agent: int, memories: Sequence[str]) -> Request:
        return self._asker.request("reflect", Reflection, system=self._profile(agent), memories=memories)

    def _item(self, item: int, is_advert: bool) -> dict[str, Any]:
        of_item, rating = self._facts.items.row(item, named=True), float(self._facts.mean_rating_N[item])
        categories, description = of_item.get("categories"), of_item.get("description")
        return {
            "title": quoted(of_item["title"]),
            "rating": None if np.isnan(rating) else f"{rating:.1f}",
            "categories": quoted(str(categories)) if categories else None,
            "description": quoted(description, _MAX_DESCRIPTION_CHARS) if description else None,
            "advert": is_advert,
        }

    def _profile(self, agent: int) -> str:
        """The system message: who the agent is."""
        profile = self._population.profile(agent)
        high, low = profile.high_rating_tendency, profile.low_rating_tendency
        return self._asker.render(
            "profile",
            activity=_ACTIVITY[profile.activity - 1],
            diversity=_DIVERSITY[profile.diversity - 1],
            conformity=_CONFORMITY[profile.conformity - 1],
            mean_rating=None if profile.mean_rating is None else f"{profile.mean_rating:.1f}",
            tastes=[quoted(taste) for taste in profile.tastes],
            high=quoted(high, _MAX_DESCRIPTION_CHARS) if high else None,
            low=quoted(low, _MAX_DESCRIPTION_CHARS) if low else None,
        )

    # --- memory ---

    def _remembered(self, pages: Pages, memory: Memory) -> tuple[list[list[str]], list[str | None] | None]:
        """Quoted texts and logged ids of each agent's memories for its page, see `quoted_memories`."""
        if not self._uses_memory or not len(memory.texts):
            return [[] for _ in range(len(pages))], None
        return quoted_memories(memory, pages.agent_A, self._retrieved(pages, memory))

    def _retrieved(self, pages: Pages, memory: Memory) -> Retrieved:
        there_AS1 = (pages.items_AS >= 0)[..., None]
        query_AE = (self._facts.unit_NE[np.maximum(pages.items_AS, 0)] * there_AS1).sum(axis=1)
        return memory.retrieve(pages.agent_A, query_AE, MEMORIES_PER_PAGE, pages.step)

    def _after_page(self, pages: Pages, memory: Memory) -> Memory:
        """The memory at the interview: entries retrieved for the page, in the same step, count as read already."""
        decided = pages.rows(np.flatnonzero((pages.items_AS >= 0).any(axis=1)))  # an empty page needs no decision
        if not memory.preset.reading_renews or not self._uses_memory or not len(decided):
            return memory
        ids_Ak = self._retrieved(decided, memory).ids_Ak
        row, place = np.nonzero(ids_Ak >= 0)
        return memory.after_reading(decided.agent_A[row], ids_Ak[row, place], pages.step)

    def _thoughts(self, pages: Pages, memory: Memory, failed_A: np.ndarray) -> list[str | None]:
        """Conclusions of the agents whose reflection is due, from the pages before this one."""
        due = np.flatnonzero(memory.due_A()[pages.agent_A] & ~failed_A).tolist()
        agents = {row: int(pages.agent_A[row]) for row in due}
        requests = [
            self._reflection_request(agent, recent_memories(memory, agent, 2 * MEMORIES_PER_PAGE))
            for agent in agents.values()
        ]
        replies: dict[int, Reply] = dict(zip(due, self.client.complete(requests) if due else [], strict=True))
        values: list[Any] = [replies[row].value if row in replies else None for row in range(len(pages))]
        return [each and sentence(each.conclusion) for each in values]
