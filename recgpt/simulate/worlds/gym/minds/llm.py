"""Mind that rates by a language model: one structured question a rating, all questions of a step in one call.

    mind = LLMMind.from_options(options, inputs, seed=0, run=run)
    ratings = mind.rate(questions)                      # NaN with a reason for a failed reply
    print(mind.estimate(600 * 10))                      # before the start

Prompts are files in `prompts` of the domain's package, by the names of the published raters (`minds.raters`). Replies
are of a strict schema; code shared with the language-model minds of other worlds is in `recgpt.simulate.minds.ask`.

Calls are logged in the stored run, or in a `CallFile` (trainings), so that after a kill only open questions are sent.
Without either (an environment in a program) they are kept in memory as long as the mind lives, and caps count from
zero. In all cases an equal question, of the same user on the same item with the same memories, has one reply: an item
that is shown again in a later episode costs nothing.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
from pydantic import BaseModel, create_model

from recgpt.errors import SimulationError
from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.llm.calls import LLMCall
from recgpt.simulate.llm.client import LLMClient
from recgpt.simulate.llm.failures import MALFORMED, PASSING, allowed_failures, outage
from recgpt.simulate.llm.requests import Message, Reply, Request
from recgpt.simulate.minds.ask import Asker, client_from_options, failure_reason, sentence
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.store import Run
from recgpt.simulate.store.calls import CallFile
from recgpt.simulate.worlds.gym.config import GymRules
from recgpt.simulate.worlds.gym.domain import Domain, Rater
from recgpt.simulate.worlds.gym.items import Items
from recgpt.simulate.worlds.gym.minds.base import Questions, Ratings
from recgpt.simulate.worlds.gym.minds.cases import Cases, ItemFacts, PersonFacts
from recgpt.simulate.worlds.gym.minds.raters import NUMBER_WORDS, read_plain_rating, read_rating
from recgpt.simulate.worlds.gym.registry import retrieval_of
from recgpt.simulate.worlds.gym.users import Users

if TYPE_CHECKING:
    from recgpt.simulate.worlds.gym.inputs import Inputs

_PACKAGE = "recgpt.simulate.worlds.gym.domains"  # of the prompt of second questions, in every domain
_MAX_SAMPLES = 32  # questions that are rendered for an estimate
_MAX_FAILED_IN_A_ROW = 3  # of calls too small for a share of them to say anything
_MESSAGE = re.compile(r"^@(system|user|assistant)$", re.MULTILINE)


class Explanation(BaseModel):
    """Why a person rates so."""

    reason: str


@cache
def reply_schema(rater: Rater) -> type[BaseModel]:
    """Schema of the reply: `rating`, one of the rater's numbers or words, after `reason` where it gives one."""
    numbers = range(rater.lowest, rater.highest + 1)
    values = tuple(NUMBER_WORDS[number - 1] for number in numbers) if rater.words else tuple(numbers)
    # Numbers are enumerations: not every server's strict mode knows bounds.
    fields: dict[str, Any] = {"reason": (str, ...)} if rater.reasons else {}
    fields["rating"] = (Literal[values], ...)
    return create_model("Rating", **fields)


def rater_of(domain: Domain, name: str | None) -> Rater:
    """The domain's rater of that name, by default its usual one.

    Raises
    ------
    SimulationError
        The domain has no such rater.
    """
    name = domain.default_rater if name is None else name
    if name not in domain.raters:
        raise SimulationError(f"no rater {name!r} for {domain.name}: choose among {', '.join(domain.raters)}")
    return domain.raters[name]


class LLMMind:
    """Rates by a language model.

    Parameters
    ----------
    client
        Sends requests, and logs every call.
    rules
        Name of the rater, and thresholds of emotions.
    explains
        Whether one more call gets the reason of a rating, for raters without reasons.
    max_failed
        See `LLMOptions`. Calls of fewer questions than it allows a failure for stop where more than three questions in
        a row have failed for reasons that may pass.
    """

    name = "llm"

    def __init__(
        self,
        client: LLMClient,
        domain: Domain,
        items: Items,
        users: Users,
        rules: GymRules,
        *,
        explains: bool = False,
        max_failed: float = 0.0,
    ) -> None:
        self.client = client
        self.rater = rater_of(domain, rules.rater)
        self._asker = Asker(client, domain.package)
        self._shared_asker = Asker(client, _PACKAGE)
        self._items = items
        self._users = users
        self._cases = Cases(domain, self.rater, rules)
        self._shared = self._cases.shared
        self._explains = explains and not self.rater.reasons
        self._max_failed = max_failed
        self._n_recalled = retrieval_of(rules.retrieval or domain.default_retrieval)[1]
        self._failed_in_a_row = 0

    @classmethod
    def from_options(cls, options: MindOptions, inputs: "Inputs", *, seed: int, run: Run | CallFile | None) -> Self:
        """Mind with these options; earlier calls of the run or file count against the caps.

        Raises
        ------
        SimulationError
            The domain has no such rater.
        LLMError
            A key is missing, or money is capped for a model without a price.
        """
        rater_of(inputs.domain, inputs.rules.rater)
        return cls(
            client_from_options(options.llm, seed=seed, run=run),
            inputs.domain,
            inputs.items,
            inputs.users,
            inputs.rules,
            explains=options.llm.explains,
            max_failed=options.llm.max_failed,
        )

    def rate(self, questions: Questions) -> Ratings:
        """See `Mind`.

        Raises
        ------
        LLMError
            A cap is reached, the key is wrong, no server can be reached, or too many questions fail for reasons that
            may pass; every reply so far is in the log.
        """
        requests = [self._request(questions, row) for row in range(len(questions))]
        replies = self._complete(requests)
        found = [self._read(reply) for reply in replies]
        whys = self._whys(requests, [rating for rating, _ in found])
        calls = [[*reply.calls, *(why.calls if why else ())] for reply, why in zip(replies, whys, strict=True)]
        return Ratings(
            rating_E=np.array([rating for rating, _ in found], dtype=np.float64),
            failures=[
                failure_reason(each) if np.isnan(rating) else None
                for each, (rating, _) in zip(replies, found, strict=True)
            ],
            explanations=[said or _reason(why) for (_, said), why in zip(found, whys, strict=True)],
            replies=[_last_text(reply.calls) for reply in replies],
            prompt_hashes=[prompt_hash(request) for request in requests],
            tokens_E=np.array([sum(c.tokens_in + c.tokens_out for c in _kept(each)) for each in calls], dtype=np.int64),
            usd_E=np.array([sum(c.cost_usd for c in _kept(each)) for each in calls], dtype=np.float64),
        )

    def estimate(self, n_questions: int) -> CostEstimate:
        """Calls, tokens and cost of so many ratings: prompts of some users and items, with recalled items.

        Equal questions, which are sent once, and the first ones of an episode, which recall less, cost less.
        """
        requests = self._sample_requests()
        expected = self.client.estimate(requests, n_questions)
        if self._explains:
            middle = (self.rater.lowest + self.rater.highest) // 2 + self.rater.shift
            expected += self.client.estimate([self._why(each, middle) for each in requests], n_questions)
        return expected

    def conversation(
        self, user: int, item: int, recalled: Sequence[tuple[int, float]] = (), times_met: int = 1
    ) -> Request:
        """The question to a user on an item.

        Parameters
        ----------
        recalled
            Items that the user recalls and their ratings, the best match first.
        times_met
            How often the user has met the item, this time included.
        """
        case = self._cases.case(
            PersonFacts.from_users(self._users, user),
            ItemFacts.from_items(self._items, item),
            [(self._items.titles[each], rating) for each, rating in recalled],
            times_met,
        )
        text = self._asker.render(self.rater.prompt, **self._shared, case=case)
        return Request(messages_in(text), reply_schema(self.rater), purpose="rate")

    def _request(self, questions: Questions, row: int) -> Request:
        recalled = [
            (int(item), float(rating))
            for item, rating in zip(questions.recalled_items_Ek[row], questions.recalled_ratings_Ek[row], strict=True)
            if item >= 0
        ]
        user, item, times = questions.user_E[row], questions.item_E[row], questions.times_met_E[row]
        return self.conversation(int(user), int(item), recalled, int(times))

    def _complete(self, requests: Sequence[Request]) -> list[Reply]:
        """Replies; `max_failed` as a share holds for calls that are large enough to allow one failure by it."""
        large = self._max_failed == 0 or allowed_failures(self._max_failed, len(requests)) >= 1
        replies = self.client.complete(requests, stops_at_outage=large)
        for reply in replies:
            self._failed_in_a_row = self._failed_in_a_row + 1 if reply.failure in PASSING else 0
        if not large and self._failed_in_a_row > _MAX_FAILED_IN_A_ROW:
            raise outage(replies, self.client.model, self._max_failed, len(requests))
        return replies

    def _read(self, reply: Reply) -> tuple[float, str | None]:
        """Rating and reason of a reply; NaN where it has none.

        A reply without JSON counts as well if it is nothing but a number of the scale.
        """
        if reply.value is not None:
            said = cast("Any", reply.value)
            return read_rating(self.rater, said.rating), sentence(said.reason) if self.rater.reasons else None
        plain = [read_plain_rating(self.rater, call.reply or "") for call in reply.calls if call.failure in MALFORMED]
        ratings = [rating for rating in plain if rating is not None]
        return (ratings[0] if ratings and reply.failure in MALFORMED else np.nan), None

    # --- reasons of ratings ---

    def _whys(self, requests: Sequence[Request], ratings: Sequence[float]) -> list[Reply | None]:
        if not self._explains:
            return [None] * len(requests)
        rated = [row for row, rating in enumerate(ratings) if not np.isnan(rating)]
        replies = self._complete([self._why(requests[row], ratings[row]) for row in rated]) if rated else []
        by_row = dict(zip(rated, replies, strict=True))
        return [by_row.get(row) for row in range(len(requests))]

    def _why(self, request: Request, rating: float) -> Request:
        """The conversation so far, and the question for the reason."""
        said = self._cases.reply(rating)
        asked = self._shared_asker.render("why", rating=self._cases.number(rating), highest=self._shared["highest"])
        more: list[Message] = [{"role": "assistant", "content": said}, {"role": "user", "content": asked}]
        return Request([*request.messages, *more], Explanation, purpose="explain")

    def _sample_requests(self) -> list[Request]:
        """Questions of users and on items from all over."""
        n_items = len(self._items)
        users = np.linspace(0, len(self._users) - 1, _MAX_SAMPLES).astype(np.int64)
        items = np.linspace(0, n_items - 1, _MAX_SAMPLES).astype(np.int64)
        ratings = np.nan_to_num(self._items.average_N, nan=self.rater.lowest + self.rater.shift)
        others = [[(int(item) + step) % n_items for step in range(1, self._n_recalled + 1)] for item in items]
        return [
            self.conversation(int(user), int(item), [(each, float(ratings[each])) for each in recalled])
            for user, item, recalled in zip(users, items, others, strict=True)
        ]


def messages_in(text: str) -> list[Message]:
    """Messages of a rendered prompt: a line `@system`, `@user` or `@assistant` begins one.

    Messages of one role in a row become one. No text of a user or item can begin one: they are quoted, on one line.
    """
    parts = _MESSAGE.split(text)
    messages: list[Message] = []
    for role, content in zip(parts[1::2], map(str.strip, parts[2::2]), strict=True):
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n\n{content}"
        else:
            messages.append({"role": cast("Any", role), "content": content})
    return messages


def prompt_hash(request: Request) -> str:
    """Hex SHA-256 of the messages."""
    text = json.dumps([dict(message) for message in request.messages], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(calls: Sequence[LLMCall]) -> list[LLMCall]:
    """Calls that a reply came of; those that failed for passing reasons depend on the hour, and no answer on them."""
    return [call for call in calls if call.failure is None or call.failure in MALFORMED]


def _last_text(calls: Sequence[LLMCall]) -> str | None:
    kept = _kept(calls)
    return kept[-1].reply if kept else None


def _reason(why: Reply | None) -> str | None:
    return None if why is None or why.value is None else sentence(cast("Explanation", why.value).reason)
