"""Mind that decides by a language model: one structured question a decision, choices by number.

    mind = LLMMind.from_options(config, setting, rules, scripted=scripted, seed=0, run=run)
    print(mind.estimate(n_agents=25, n_blocks=144))      # before the start

The model plans a day in one call, chooses the next activity with its place and minutes, weighs what is seen, decides
about talks, writes whole talks, reflects, and chooses among items. Without a call are: sleep by plan, a place that is
taken, everyday sights (of importance below `WEIGHED` by rule, or remembered already), and the first judgement whether
a talk comes into question at all; these are the scripted mind's. Where a call fails, its decision is taken and the
failure is counted and logged; error texts never become content. The prompts are files in `prompts`.

The mind may be used by several threads.
"""

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Request
from recgpt.simulate.llm.text import cleaned, quoted
from recgpt.simulate.minds.ask import Asker, client_from_options, failure_reason, sentence
from recgpt.simulate.minds.schema import InWords
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.worlds.town import activities as a
from recgpt.simulate.worlds.town.config import TownConfig, TownRules
from recgpt.simulate.worlds.town.life import PlanBlock, Source
from recgpt.simulate.worlds.town.minds import base, schemas
from recgpt.simulate.worlds.town.minds.briefs import N_MEMORIES, Briefs
from recgpt.simulate.worlds.town.minds.offers import Offer, Offers
from recgpt.simulate.worlds.town.minds.talks import TalkWriter
from recgpt.simulate.worlds.town.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "recgpt.simulate.worlds.town.minds"
"""Package with the folder of the prompts."""
Think = Literal["all", "talks", "reflections"]
"""Setting `think` of a town."""
N_REFLECTED = 30
"""Memories that a reflection reads."""
WEIGHED = 7.5
"""Importance by rule from which on the model weighs a sight."""
_ACTIVITY = re.compile(r"[A-Za-z]+ing\b")
_MAX_WORDS_CHARS = 80
_MOST_ITEMS = 20
_MEMORY_CHARS = 300
_QUESTION_CHARS = 1000
_DAY = 1440
_FREE_TIME = "spending free time at home"
_REACTIONS = {"go on": base.Response.GO_ON, "talk": base.Response.TALK, "wait": base.Response.WAIT}
_THINKS: "Mapping[Think, frozenset[str]]" = {
    "all": frozenset({"plan", "act", "importance", "react", "talk", "reflect", "browse", "choose", "rate"}),
    "talks": frozenset({"react", "talk"}),
    "reflections": frozenset({"reflect"}),
}
"""Decisions of the language model by the setting `think`."""


class LLMMind:
    """Decides by a language model.

    Parameters
    ----------
    client
        Sends requests, and logs every call.
    setting
        Map, people and catalogue.
    scripted
        Mind for all decisions without a call, and where a call fails.
    think
        Decisions of the language model.
    uses_memory
        Whether prompts contain retrieved memories.

    Attributes
    ----------
    thinks
        Prompts of the decisions that the language model takes.
    offers, talks
        Choices and talks in words.
    """

    name = "llm"

    def __init__(
        self,
        client: LLMClient,
        setting: Setting,
        rules: TownRules,
        *,
        scripted: base.Mind,
        think: Think = "all",
        uses_memory: bool = True,
    ) -> None:
        self.client = client
        self._clients = threading.local()
        self._asker = Asker(client, PACKAGE)
        self._setting = setting
        self._rules = rules
        self._scripted = scripted
        self.thinks = _THINKS[think]
        self._briefs = Briefs(setting, uses_memory=uses_memory)
        self.offers = Offers(setting)
        self.talks = TalkWriter(setting, self._briefs, self._asker)

    @classmethod
    def from_options(
        cls,
        config: TownConfig,
        setting: Setting,
        rules: TownRules,
        *,
        scripted: base.Mind,
        seed: int,
        run: Run | CallFile | None,
    ) -> Self:
        """Mind of a configuration; earlier calls of the run or file count against the caps.

        Raises
        ------
        LLMError
            A key is missing, or money is capped for a model without a price.
        """
        client = client_from_options(config.llm, seed=seed, run=run)
        return cls(client, setting, rules, scripted=scripted, think=config.think, uses_memory=config.uses_memory)

    # --- the own day ---

    def plan_day(self, scene: base.Scene, notes: base.Notes) -> Sequence[PlanBlock]:
        """See `Mind`.

        Raises
        ------
        LLMError
            A cap is reached, or no server can be reached; every reply so far is in the log. So in all methods.
        """
        if "plan" not in self.thinks:
            return self._scripted.plan_day(scene, notes)
        said = self._said(self.plan_request(scene, notes), scene, notes)
        if said is None:
            return self._scripted.plan_day(scene, notes)
        return day_of(said, self.offers.of_day(scene), scene)

    def act(self, scene: base.Scene, notes: base.Notes) -> base.Act:
        """See `Mind`; by rule while the plan says sleep, and where a place was taken."""
        by_rule = "act" not in self.thinks or scene.taken >= 0 or sleeps_by_plan(scene)
        offers = [] if by_rule else self.offers.now(scene)
        if not offers:
            return self._scripted.act(scene, notes)
        said: Any = self._said(self.act_request(scene, notes, offers), scene, notes)
        if said is None:
            return self._scripted.act(scene, notes)
        offer = offers[said.choice - 1]
        minutes = said.minutes + self.offers.minutes_of_walk(scene, offer.place)
        return base.Act(_words(said.text, offer.words), minutes, offer.activity, offer.place)

    def importance(self, scene: base.Scene, seen: Sequence[base.Seen], notes: base.Notes) -> Sequence[float]:
        """See `Mind`; one call for all sights that are new and not everyday."""
        by_rule = list(self._scripted.importance(scene, seen, notes))
        if "importance" not in self.thinks:
            return by_rule
        unusual = [place for place, points in enumerate(by_rule) if points >= WEIGHED]
        remembered = _importance_by_text(scene, [seen[place].text for place in unusual]) if unusual else {}
        new = [place for place in unusual if seen[place].text not in remembered]
        found = [remembered.get(each.text, points) for each, points in zip(seen, by_rule, strict=True)]
        if new:
            said = self._said(self.importance_request(scene, [seen[place].text for place in new]), scene, notes)
            for number, place in enumerate(new, start=1):
                found[place] = by_rule[place] if said is None else float(getattr(said, f"seen_{number}"))
        return found

    # --- others ---

    def react(self, scene: base.Scene, other: int, notes: base.Notes) -> base.Reaction:
        """See `Mind`; the scripted mind judges whether a talk comes into question, the model decides."""
        by_rule = self._scripted.react(scene, other, notes)
        if "react" not in self.thinks or by_rule.response == base.Response.GO_ON:
            return by_rule
        said: Any = self._said(self.react_request(scene, other, notes), scene, notes)
        if said is None:
            return by_rule
        response = _REACTIONS[said.reaction]
        return base.Reaction(response, said.minutes if response == base.Response.WAIT else 0)

    def talk(self, scene: base.Scene, partner: base.Scene, notes: base.Notes) -> base.Talk:
        """See `Mind`; one call a talk."""
        if "talk" not in self.thinks:
            return self._scripted.talk(scene, partner, notes)
        draft = self.talks.draft(scene, partner, notes)
        said = self._said(self.talks.request(draft), scene, notes)
        return self._scripted.talk(scene, partner, notes) if said is None else self.talks.talk_of(said, draft)

    def reflect(self, scene: base.Scene, notes: base.Notes) -> Sequence[base.Thought]:
        """See `Mind`; conclusions that the resident has drawn before are left out."""
        entries = scene.memory.of(scene.agent)
        if "reflect" not in self.thinks or not entries:
            return self._scripted.reflect(scene, notes)
        latest = entries[-N_REFLECTED:]
        said = self._said(self.reflect_request(scene, [entry.text for entry in latest]), scene, notes)
        if said is None:
            return self._scripted.reflect(scene, notes)
        known = {entry.text for entry in entries}
        thoughts = []
        for thought, cited in schemas.thoughts_of(said):
            text = sentence(thought.text)
            if text and text not in known:
                known.add(text)
                evidence = tuple(latest[number - 1].id for number in cited)
                thoughts.append(base.Thought(scene.agent, text, float(thought.importance), evidence=evidence))
        return thoughts or self._scripted.reflect(scene, notes)

    # --- items ---

    def browse(self, scene: base.Scene, items: Sequence[int], notes: base.Notes) -> Sequence[base.Chosen]:
        """See `Mind`; one call a page."""
        if "browse" not in self.thinks or not items:
            return self._scripted.browse(scene, items, notes)
        said = self._said(self.browse_request(scene, items, notes), scene, notes)
        if said is None:
            return self._scripted.browse(scene, items, notes)
        known = {*scene.life.wishes, *scene.life.adopted}
        wanted = [item for number, item in enumerate(items, start=1) if getattr(said, f"wants_{number}")]
        return [base.Chosen(item, Source.PAGE) for item in wanted if item not in known]

    def choose(self, scene: base.Scene, place: int, items: Sequence[int], notes: base.Notes) -> base.Chosen | None:
        """See `Mind`."""
        if "choose" not in self.thinks or not items:
            return self._scripted.choose(scene, place, items, notes)
        offered = list(items)[:_MOST_ITEMS]
        said: Any = self._said(self.choose_request(scene, offered, notes), scene, notes)
        if said is None:
            return self._scripted.choose(scene, place, items, notes)
        if not said.item:
            return None
        item = offered[said.item - 1]
        wish = scene.life.wishes.get(item)
        return base.Chosen(item, Source.PASSING_BY) if wish is None else base.Chosen(item, wish.source, wish.other)

    def rate(self, scene: base.Scene, item: int, notes: base.Notes) -> base.Rating:
        """See `Mind`."""
        if "rate" not in self.thinks:
            return self._scripted.rate(scene, item, notes)
        said: Any = self._said(self.rate_request(scene, item, notes), scene, notes)
        if said is None:
            return self._scripted.rate(scene, item, notes)
        return base.Rating(said.stars, sentence(said.review) or "")

    # --- interviews ---

    def answer(self, scene: base.Scene, question: str) -> tuple[str | None, str | None]:
        """Answer in words to a question, and the kind and meaning of a failure; one of them is None."""
        notes = base.Notes()
        said: Any = self._said(self.interview_request(scene, question), scene, notes)
        return (None, notes.failed[0][1]) if said is None else (sentence(said.answer), None)

    def estimate(self, n_agents: int, n_blocks: int) -> CostEstimate:
        """Expected calls, tokens and cost; see `costs`. Repeated requests are not counted."""
        from recgpt.simulate.worlds.town.minds.costs import Costs

        return Costs(self, self._setting, self._rules).estimate(n_agents, n_blocks)

    # --- requests ---

    def plan_request(self, scene: base.Scene, notes: base.Notes) -> Request:
        """Question for a day's plan."""
        offers = self.offers.of_day(scene)
        query = f"plans for {scene.now:%A}"
        return self._ask(
            "plan",
            schemas.day_schema(len(offers), scene.resident.wakes, scene.resident.sleeps),
            scene,
            now=self._briefs.now(scene),
            memories=self._briefs.memories(scene, query, N_MEMORIES, purpose="the plan of the day", notes=notes),
            offers=[offer.text for offer in offers],
            n_blocks=schemas.N_BLOCKS,
        )

    def act_request(self, scene: base.Scene, notes: base.Notes, offers: Sequence[Offer]) -> Request:
        """Question for the next activity."""
        query = scene.life.action.text
        return self._ask(
            "act",
            schemas.act_schema(len(offers)),
            scene,
            now=self._briefs.now(scene),
            memories=self._briefs.memories(scene, query, N_MEMORIES // 2, purpose="the next activity", notes=notes),
            offers=[offer.text for offer in offers],
        )

    def importance_request(self, scene: base.Scene, texts: Sequence[str]) -> Request:
        """Question for the importance of things in sight."""
        schema = schemas.importance_schema(len(texts))
        return self._ask("importance", schema, scene, seen=[quoted(text) for text in texts])

    def react_request(self, scene: base.Scene, other: int, notes: base.Notes) -> Request:
        """Question for the reaction to another."""
        name = self._setting.people.residents[other].name
        return self._ask(
            "react",
            schemas.Reacts,
            scene,
            now=self._briefs.now(scene),
            memories=self._briefs.memories(scene, name, N_MEMORIES // 2, purpose=f"seeing {name}", notes=notes),
            other=self._briefs.doing(scene, other),
            relation=self._briefs.relation(scene, other),
            last=self._briefs.last_talk(scene, other),
        )

    def reflect_request(self, scene: base.Scene, texts: Sequence[str]) -> Request:
        """Question for conclusions."""
        return self._ask(
            "reflect",
            schemas.reflection_schema(len(texts)),
            scene,
            now={"time": self._briefs.time(scene)},
            memories=[quoted(text, _MEMORY_CHARS) for text in texts],
            n_thoughts=schemas.N_THOUGHTS,
        )

    def browse_request(self, scene: base.Scene, items: Sequence[int], notes: base.Notes) -> Request:
        """Question for the wishes from a page."""
        return self._ask(
            "browse",
            schemas.page_schema(len(items)),
            scene,
            now={"time": self._briefs.time(scene)},
            memories=self._briefs.memories(scene, "films, books, food", N_MEMORIES // 2, purpose="a page", notes=notes),
            items=[self._item(item) for item in items],
        )

    def choose_request(self, scene: base.Scene, items: Sequence[int], notes: base.Notes) -> Request:
        """Question for the item to take."""
        query = ", ".join(self._title(item) for item in items[:3])
        return self._ask(
            "choose",
            schemas.choice_schema(len(items)),
            scene,
            now=self._briefs.now(scene),
            memories=self._briefs.memories(scene, query, N_MEMORIES // 2, purpose="a choice", notes=notes),
            items=[self._item(item) for item in items],
        )

    def rate_request(self, scene: base.Scene, item: int, notes: base.Notes) -> Request:
        """Question for the opinion on an item."""
        title = self._title(item)
        return self._ask(
            "rate",
            schemas.Opinion,
            scene,
            now={"time": self._briefs.time(scene)},
            memories=self._briefs.memories(
                scene, title, N_MEMORIES // 2, purpose=f"an opinion on {title}", notes=notes
            ),
            item=self._item(item),
        )

    def interview_request(self, scene: base.Scene, question: str) -> Request:
        """Question of an interview."""
        return self._ask(
            "interview",
            InWords,
            scene,
            now=self._briefs.now(scene),
            memories=self._briefs.memories(scene, question, 2 * N_MEMORIES, purpose="an interview", notes=None),
            question=quoted(question, _QUESTION_CHARS),
        )

    def _ask(self, prompt: str, schema: type[BaseModel], scene: base.Scene, **values: Any) -> Request:
        system = self._asker.render("resident", person=self._briefs.person(scene.resident))
        return self._asker.request(prompt, schema, system=system, **values)

    def _said(self, request: Request, scene: base.Scene, notes: base.Notes) -> BaseModel | None:
        """Valid reply to a question; None for a failure, which is noted."""
        reply = self._own_client().complete([request])[0]
        if reply.value is None:
            notes.failed.append((scene.agent, failure_reason(reply) or ""))
        return reply.value

    def _own_client(self) -> LLMClient:
        """The client of this thread."""
        client: LLMClient | None = getattr(self._clients, "one", None)
        if client is None:
            client = self._clients.one = self.client.twin()
        return client

    def _title(self, item: int) -> str:
        return "" if self._setting.catalogue is None else self._setting.catalogue.titles[item]

    def _item(self, item: int) -> str:
        """Quoted title, and the kind of the item."""
        if self._setting.catalogue is None:
            return ""
        return f"{quoted(self._title(item))} ({self._setting.catalogue.kinds[item]})"


def sleeps_by_plan(scene: base.Scene) -> bool:
    """Whether today's plan has the resident asleep at this minute."""
    if scene.life.plan_day != scene.day:
        return False
    end = 0
    for block in scene.life.plan:
        end += block.minutes
        if scene.minute < end:
            return block.activity == a.SLEEPING
    return False


def day_of(said: Any, offers: Sequence[Offer], scene: base.Scene) -> tuple[PlanBlock, ...]:
    """Plan of 1,440 minutes: sleep, the activities in their order, free time, sleep."""
    bed = scene.resident.bed
    wakes, sleeps = _minute_of(said.wakes), _minute_of(said.sleeps)
    found, minute = [PlanBlock("sleeping", wakes, a.SLEEPING, bed)], wakes
    for block in schemas.blocks_of(said):
        minutes = min(block.minutes, sleeps - minute)
        if minutes > 0:
            offer = offers[block.activity - 1]
            found.append(PlanBlock(offer.words, minutes, offer.activity, offer.place))
            minute += minutes
    if minute < sleeps:
        found.append(PlanBlock(_FREE_TIME, sleeps - minute, a.RESTING, scene.resident.home))
    if sleeps < _DAY:
        found.append(PlanBlock("sleeping", _DAY - sleeps, a.SLEEPING, bed))
    return tuple(found)


def _minute_of(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _words(text: str, otherwise: str) -> str:
    """A text of a reply as an activity, `watering the plants`; the offer's words where it is no such phrase."""
    said = cleaned(text, _MAX_WORDS_CHARS).rstrip(".! ")
    return said[:1].lower() + said[1:] if _ACTIVITY.match(said) else otherwise


def _importance_by_text(scene: base.Scene, texts: Sequence[str]) -> dict[str, float]:
    """Importance of texts that the resident remembers, as it was."""
    wanted = set(texts)
    return {entry.text: entry.importance for entry in scene.memory.of(scene.agent) if entry.text in wanted}
