"""Mind that decides by a language model: one structured question a decision, friends, titles and posts by number.

    mind = LLMMind.from_options(options, setting, rules, ruled=scripted, seed=0, run=run)
    print(mind.estimate(n_agents=10, n_rounds=5))           # before the start

Questions: first decision, page, feed, social action (the text of a post comes with it), whole dialogue, survey or
interview. None is asked for memory, but one where a reflection is due with `llm.reflects`. The prompts are files in
`prompts`; code shared with the language-model minds of other worlds is in `recgpt.simulate.minds.ask`. An agent whose
reply is malformed twice has failed. It is counted and logged, and error texts never become its words.

Shapes: R rows (one agent each), S slots of a page or feed, L lines of all dialogues.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.requests import Reply, Request
from recgpt.simulate.llm.text import quoted
from recgpt.simulate.minds.ask import Asker, client_from_options, failure_reason, recent_memories, sentence
from recgpt.simulate.minds.options import LLMOptions
from recgpt.simulate.minds.schema import InWords
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.minds import base, schemas
from recgpt.simulate.worlds.society.minds.costs import Costs
from recgpt.simulate.worlds.society.minds.scenes import (
    MAX_FRIENDS,
    MAX_TOPICS,
    MEMORIES,
    Scene,
    Scenes,
    label,
    memory_of,
    newest_first,
    relation_of,
    when,
)
from recgpt.simulate.worlds.society.schedule import Intervention

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.hearing import Hearings
    from recgpt.simulate.worlds.society.state import Setting

_PACKAGE = "recgpt.simulate.worlds.society.minds"
_CHOICES = {
    "nothing": base.Choice.NOTHING,
    "recommender": base.Choice.RECOMMENDER,
    "social": base.Choice.SOCIAL,
}
_ACTIONS = {
    "leave": base.Action.LEAVE,
    "watch": base.Action.WATCH,
    "next": base.Action.NEXT,
    "search": base.Action.SEARCH,
}
_SOCIAL = {"nothing": base.Social.NOTHING, "chat": base.Social.CHAT, "post": base.Social.POST}


class LLMMind:
    """Decides by a language model.

    Parameters
    ----------
    client
        Sends requests, and logs every call.
    setting
        Catalogue and people.
    rules
        Choices that the society offers.
    ruled
        Mind for decisions without a call: changes of opinions after hearings. None: they stay.
    uses_memory
        Whether prompts contain retrieved memories.
    reflects
        Whether an agent whose reflection is due makes one more call, for a conclusion.
    schedule
        Surveys and interviews, for the estimate.
    """

    name = "llm"

    def __init__(
        self,
        client: LLMClient,
        setting: "Setting",
        rules: SocietyRules,
        *,
        ruled: base.Mind | None = None,
        uses_memory: bool = True,
        reflects: bool = False,
        schedule: Sequence[Intervention] = (),
    ) -> None:
        self.client = client
        self._asker = Asker(client, _PACKAGE)
        self._setting = setting
        self._rules = rules
        self._ruled = ruled
        self._scenes = Scenes(setting.facts, uses_memory=uses_memory)
        self._reflects = reflects
        self._schedule = schedule

    @classmethod
    def from_options(
        cls,
        llm: LLMOptions,
        setting: "Setting",
        rules: SocietyRules,
        *,
        ruled: base.Mind | None = None,
        seed: int,
        run: Run | CallFile | None,
        uses_memory: bool = True,
        schedule: Sequence[Intervention] = (),
    ) -> Self:
        """Mind with these options; earlier calls of the run or file count against the caps.

        Raises
        ------
        LLMError
            A key is missing, or money is capped for a model without a price.
        """
        client = client_from_options(llm, seed=seed, run=run)
        return cls(
            client,
            setting,
            rules,
            ruled=ruled,
            uses_memory=uses_memory,
            reflects=llm.reflects,
            schedule=schedule,
        )

    def choose(self, moment: base.Moment) -> base.Choices:
        """See `Mind`.

        Raises
        ------
        LLMError
            A cap is reached, or no server can be reached; every reply so far is in the log. So in all methods.
        """
        scenes = self._scenes.of(moment, self._lately(moment))
        offered = self._offered()
        friends_R = moment.state.social.friends.degree_A[moment.agent_R]
        requests = [
            self._ask(
                "choose",
                schemas.choice_schema(offered),
                moment,
                row,
                scene=scenes[row],
                offered=offered,
                has_friends=bool(friends_R[row]),
            )
            for row in range(len(moment))
        ]
        replies = self.client.complete(requests)
        said = _values(replies)
        failed_R = _failed(replies)
        return base.Choices(
            choice_R=np.array([_CHOICES[each.choice] if each else 0 for each in said], dtype=np.int8),
            failed_R=failed_R,
            reasons=_reasons(replies),
            retrieved=[scene.note for scene in scenes],
            thoughts=self._thoughts(moment, failed_R) if self._reflects else None,
        )

    def browse(self, pages: base.Pages) -> base.Browsing:
        """See `Mind`."""
        there = [items_S[items_S >= 0].tolist() for items_S in pages.items_RS]
        scenes = self._scenes.of(pages, self._scenes.query(pages.state.people, pages.agent_R, there))
        replies = self.client.complete(
            [self._page_request(pages, row, there[row], scenes[row]) for row in range(len(pages))]
        )
        said = _values(replies)
        watches = [bool(each) and each.action == "watch" for each in said]
        searches = [bool(each) and each.action == "search" for each in said]
        slots = [np.flatnonzero(items_S >= 0) for items_S in pages.items_RS]
        stars_R = np.array(
            [each.stars if watch else np.nan for each, watch in zip(said, watches, strict=True)], dtype=np.float32
        )
        rows = range(len(pages))
        return base.Browsing(
            action_R=np.array([_ACTIONS[each.action] if each else 0 for each in said], dtype=np.int8),
            slot_R=np.array([slots[row][said[row].item - 1] if watches[row] else -1 for row in rows], dtype=np.int64),
            stars_R=stars_R,
            feeling_R=(stars_R - 3) / 2,
            search_item_R=np.array(
                [_numbered(scenes[row].heard_items, said[row].heard) if searches[row] else -1 for row in rows],
                dtype=np.int64,
            ),
            failed_R=_failed(replies),
            queries=[sentence(said[row].query) if searches[row] and not said[row].heard else None for row in rows],
            feeling_texts=[sentence(said[row].feeling) if watches[row] else None for row in rows],
            reasons=_reasons(replies),
            retrieved=[scene.note for scene in scenes],
        )

    def react(self, company: base.Company) -> base.Reactions:
        """See `Mind`."""
        posts = company.state.social.posts
        slots = [np.flatnonzero(feed_S >= 0) for feed_S in company.feed_RS]
        items = [
            [item for item in posts.item_M[company.feed_RS[row, slots[row]]].tolist() if item >= 0]
            for row in range(len(company))
        ]
        scenes = self._scenes.of(company, self._scenes.query(company.state.people, company.agent_R, items))
        replies = self.client.complete(
            [self._feed_request(company, row, slots[row], scenes[row]) for row in range(len(company))]
        )
        shape = company.feed_RS.shape
        like_RS, repost_RS, follow_RS, mute_RS = np.zeros((4, *shape), dtype=bool)
        opinion_RS = np.full(shape, np.nan, dtype=np.float32)
        comments: list[list[str | None]] = [[None] * shape[1] for _ in range(shape[0])]
        for row, said in enumerate(_values(replies)):
            for number, slot in enumerate(slots[row].tolist() if said else (), start=1):
                on_post: schemas.OnPost = getattr(said, f"post_{number}")
                like_RS[row, slot], repost_RS[row, slot] = on_post.like, on_post.repost
                follow_RS[row, slot], mute_RS[row, slot] = on_post.author == "follow", on_post.author == "mute"
                comments[row][slot] = sentence(on_post.comment)
                if comments[row][slot] and posts.item_M[company.feed_RS[row, slot]] >= 0:
                    opinion_RS[row, slot] = schemas.opinion_of(on_post.opinion)
        return base.Reactions(
            like_RS, repost_RS, follow_RS, mute_RS, opinion_RS, _failed(replies), comments, _reasons(replies)
        )

    def socialise(self, company: base.Company) -> base.SocialActs:
        """See `Mind`; the text of a post comes in the same reply."""
        friends = [each[:MAX_FRIENDS].tolist() for each in company.friends]
        topics = [each[:MAX_TOPICS].tolist() for each in company.topics]
        scenes = self._scenes.of(company, self._scenes.query(company.state.people, company.agent_R, topics))
        replies = self.client.complete(
            [self._social_request(company, row, friends[row], topics[row], scenes[row]) for row in range(len(company))]
        )
        rows, said = range(len(company)), _values(replies)
        chats = [bool(each) and each.action == "chat" for each in said]
        posts = [bool(each) and each.action == "post" for each in said]
        item_R = [_numbered(topics[row], said[row].topic) if chats[row] or posts[row] else -1 for row in rows]
        opinion_R = [
            schemas.opinion_of(said[row].opinion) if posts[row] and item_R[row] >= 0 else np.nan for row in rows
        ]
        return base.SocialActs(
            action_R=np.array([_SOCIAL[each.action] if each else 0 for each in said], dtype=np.int8),
            friend_R=np.array(
                [_numbered(friends[row], said[row].friend) if chats[row] else -1 for row in rows], dtype=np.int64
            ),
            hours_R=np.array([said[row].minutes / 60 if chats[row] else 0 for row in rows], dtype=np.float32),
            item_R=np.array(item_R, dtype=np.int64),
            opinion_R=np.array(opinion_R, dtype=np.float32),
            failed_R=_failed(replies),
            texts=[sentence(said[row].text) if posts[row] else None for row in rows],
            reasons=_reasons(replies),
            retrieved=[scene.note for scene in scenes],
        )

    def talk(self, pairs: base.Pairs) -> base.Dialogues:
        """See `Mind`; one call a dialogue."""
        first = self._scenes.of(pairs, self._topics_query(pairs, pairs.agent_R))
        second = self._partner_scenes(pairs)
        known = [_shared_topics(pairs.topics[row], pairs.partner_topics[row]) for row in range(len(pairs))]
        replies = self.client.complete(
            [self._dialogue_request(pairs, row, known[row], first[row], second[row]) for row in range(len(pairs))]
        )
        spoken = [
            (row, line, _numbered(_flat(known[row]), line.topic))
            for row, said in enumerate(_values(replies))
            for line in (schemas.lines_of(said) if said else ())
        ]
        opinions = [schemas.opinion_of(line.opinion) if item >= 0 else np.nan for _, line, item in spoken]
        return base.Dialogues(
            row_L=np.array([row for row, _, _ in spoken], dtype=np.int64),
            by_partner_L=np.array([line.speaker == 2 for _, line, _ in spoken], dtype=bool),
            item_L=np.array([item for _, _, item in spoken], dtype=np.int64),
            opinion_L=np.array(opinions, dtype=np.float32),
            failed_R=_failed(replies),
            texts=[sentence(line.text) for _, line, _ in spoken],
            reasons=_reasons(replies),
        )

    def reply(self, pairs: base.Pairs, so_far: Sequence[base.Line]) -> base.Line | None:
        """See `base.Replier`; one call a line, for a chat with a person.

        Raises
        ------
        LLMError
            As `choose`.
        """
        topics = pairs.partner_topics[0][:MAX_TOPICS].tolist()
        topics += [line.item for line in so_far if line.item >= 0 and line.item not in topics]
        agent, partner = int(pairs.partner_R[0]), int(pairs.agent_R[0])
        here = base.Moment(pairs.step, np.array([agent]), pairs.state)
        scene = self._scenes.of(here, self._scenes.query(pairs.state.people, here.agent_R, [topics]))[0]
        request = self._ask(
            "reply",
            schemas.line_schema(len(topics)),
            here,
            0,
            scene=scene,
            partner=label(pairs.state.people, partner),
            topics=[self._scenes.topic(pairs.state, agent, item) for item in topics],
            lines=[f"{'you' if line.by_partner else 'they'}: {quoted(line.text or '')}" for line in so_far],
        )
        said = _values(self.client.complete([request]))[0]
        text = said and sentence(said.text)
        if not text:
            return None
        item = _numbered(topics, said.topic)
        return base.Line(True, item, schemas.opinion_of(said.opinion) if item >= 0 else np.nan, text)

    def opine(self, moment: base.Moment, heard: "Hearings") -> base.Opinions:
        """See `Mind`; by rule, without a call."""
        if self._ruled is None:
            none = np.empty(0, dtype=np.int64)
            return base.Opinions(none, none, none, np.empty(0, dtype=np.float32))
        return self._ruled.opine(moment, heard)

    def answer(self, questions: base.Questions) -> base.Answers:
        """See `Mind`."""
        about = [[questions.item] if questions.item >= 0 else []] * len(questions)
        scenes = self._scenes.of(questions, self._scenes.query(questions.state.people, questions.agent_R, about))
        replies = self.client.complete(
            [self._question_request(questions, row, scenes[row]) for row in range(len(questions))]
        )
        said = _values(replies)
        if questions.in_words:
            values = [1.0 if each else np.nan for each in said]
            texts = [each and sentence(each.answer) for each in said]
        else:
            from_zero = 1 if questions.options else 0
            values = [each.answer - from_zero if each else np.nan for each in said]
            texts = [each and sentence(each.reason) for each in said]
        return base.Answers(np.array(values, dtype=np.float32), texts, [failure_reason(reply) for reply in replies])

    def estimate(self, n_agents: int, n_rounds: int) -> CostEstimate:
        """Expected calls, tokens and cost; see `costs`. Repeated requests are not counted."""
        costs = Costs(self.client, self._asker, self._scenes, self._setting, self._rules)
        return costs.estimate(n_agents, n_rounds, self._schedule, reflects=self._reflects)

    # --- requests ---

    def _ask(self, prompt: str, schema: Any, moment: base.Moment, row: int, **values: Any) -> Request:
        person = self._scenes.person(moment.state.people, int(moment.agent_R[row]))
        system = self._asker.render("profile", person=person)
        return self._asker.request(prompt, schema, system=system, **values)

    def _offered(self) -> tuple[str, ...]:
        social = ("social",) if self._rules.socialises else ()
        recommender = ("recommender",) if self._rules.recommends else ()
        return ("nothing", *social, *recommender)

    def _page_request(self, pages: base.Pages, row: int, items: list[int], scene: Scene) -> Request:
        query = pages.query[row]
        return self._ask(
            "page",
            schemas.page_schema(len(items), len(scene.heard)),
            pages,
            row,
            scene=scene,
            query=query and quoted(query),
            action=int(pages.action_R[row]),
            items=[self._scenes.item(item) for item in items],
        )

    def _feed_request(self, company: base.Company, row: int, slots: np.ndarray, scene: Scene) -> Request:
        posts = [self._scenes.post(company.state, int(post)) for post in company.feed_RS[row, slots]]
        return self._ask("feed", schemas.feed_schema(len(slots)), company, row, scene=scene, posts=posts)

    def _social_request(
        self, company: base.Company, row: int, friends: list[int], topics: list[int], scene: Scene
    ) -> Request:
        agent = int(company.agent_R[row])
        return self._ask(
            "social",
            schemas.social_schema(len(friends), len(topics)),
            company,
            row,
            scene=scene,
            friends=[self._scenes.friend(company.state, agent, friend) for friend in friends],
            topics=[self._scenes.topic(company.state, agent, item) for item in topics],
        )

    def _dialogue_request(
        self, pairs: base.Pairs, row: int, known: list[list[int]], first: Scene, second: Scene
    ) -> Request:
        people, agent, partner = pairs.state.people, int(pairs.agent_R[row]), int(pairs.partner_R[row])
        item = int(pairs.item_R[row])
        numbers = _flat(known)
        system = self._asker.render(
            "pair",
            first=self._scenes.person(people, agent, you=False),
            second=self._scenes.person(people, partner, you=False),
        )
        titles = [[self._scenes.title(item) for item in items] for items in known]
        return self._asker.request(
            "dialogue",
            schemas.dialogue_schema(*(len(items) for items in known)),
            system=system,
            time=when(pairs.state.now),
            relation=relation_of(pairs.state, agent, partner),
            only_first=titles[0],
            both=titles[1],
            only_second=titles[2],
            first_memories=first.memories,
            second_memories=second.memories,
            begins_with=numbers.index(item) + 1 if item in numbers else 0,
            n_lines=schemas.N_LINES,
        )

    def _question_request(self, questions: base.Questions, row: int, scene: Scene) -> Request:
        item, options = questions.item, questions.options
        schema = InWords if questions.in_words else schemas.answer_schema(len(options) or 10)
        opinion = None
        if item >= 0:
            opinion = self._scenes.opinion(questions.state, int(questions.agent_R[row]), item)
        return self._ask(
            "question",
            schema,
            questions,
            row,
            scene=scene,
            question=quoted(questions.question, 1000),
            title=self._scenes.title(item) if item >= 0 else None,
            opinion=None if opinion is None else f"{opinion:+.1f} on a scale from -2 (bad) to 2 (great)",
            options=[quoted(option) for option in options],
            in_words=questions.in_words,
        )

    # --- memory ---

    def _lately(self, moment: base.Moment) -> np.ndarray:
        """(R, E) queries for the items heard of lately."""
        heard = [newest_first(moment.state.viewing.heard_AB[agent]) for agent in moment.agent_R.tolist()]
        return self._scenes.query(moment.state.people, moment.agent_R, heard)

    def _topics_query(self, pairs: base.Pairs, agents: np.ndarray) -> np.ndarray:
        topics = [[int(item)] if item >= 0 else topics.tolist() for item, topics in _begun(pairs)]
        return self._scenes.query(pairs.state.people, agents, topics)

    def _partner_scenes(self, pairs: base.Pairs) -> list[Scene]:
        """Scenes of the partners, in the order of the pairs."""
        query_RE = self._topics_query(pairs, pairs.partner_R)
        return self._scenes.of(base.Moment(pairs.step, pairs.partner_R, pairs.state), query_RE)

    def _thoughts(self, moment: base.Moment, failed_R: np.ndarray) -> list[str | None]:
        """Conclusions of the agents whose reflection is due; None for others, and for failures."""
        memory = memory_of(moment.state)
        if memory is None:
            return [None] * len(moment)
        due = np.flatnonzero(memory.due_A()[moment.agent_R] & ~failed_R).tolist()
        requests = [
            self._ask(
                "reflect",
                schemas.Reflection,
                moment,
                row,
                memories=recent_memories(memory, int(moment.agent_R[row]), 2 * MEMORIES),
            )
            for row in due
        ]
        said = dict(zip(due, _values(self.client.complete(requests)) if due else (), strict=True))
        return [sentence(said[row].conclusion) if said.get(row) else None for row in range(len(moment))]


def _begun(pairs: base.Pairs) -> list[tuple[int, np.ndarray]]:
    return list(zip(pairs.item_R.tolist(), pairs.topics, strict=True))


def _shared_topics(first: np.ndarray, second: np.ndarray) -> list[list[int]]:
    """Topics that only the first knows, both, and only the second; each side's newest ones."""
    ours, theirs = first[:MAX_TOPICS].tolist(), second[:MAX_TOPICS].tolist()
    return [
        [item for item in ours if item not in theirs],
        [item for item in ours if item in theirs],
        [item for item in theirs if item not in ours],
    ]


def _flat(parts: list[list[int]]) -> list[int]:
    return [item for part in parts for item in part]


def _values(replies: Sequence[Reply]) -> list[Any]:
    return [reply.value for reply in replies]


def _failed(replies: Sequence[Reply]) -> np.ndarray:
    return np.array([reply.value is None for reply in replies], dtype=bool)


def _reasons(replies: Sequence[Reply]) -> list[str | None]:
    """Reasons as stated, None for none; of a failure its kind and meaning, never the text of the reply."""
    return [
        sentence(getattr(reply.value, "reason", "")) if reply.value is not None else failure_reason(reply)
        for reply in replies
    ]


def _numbered(offered: Sequence[int], number: int) -> int:
    """The offered one of that number, from 1; -1 for 0."""
    return int(offered[number - 1]) if number else -1
