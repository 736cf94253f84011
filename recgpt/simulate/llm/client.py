"""Client of language models: concurrent requests within caps, retries, and a log so that no question is sent twice.

    client = LLMClient([Server("http://127.0.0.1:8080/v1", key_env=None)], "smollm2-135m", caps=Caps(calls=1000))
    replies = client.complete([Request(messages, Choice, purpose="choose")])

Every HTTP request is in the log as soon as it is over, so that a program that was killed sends only the open
questions when it is started again. A question with a malformed reply is sent once more; after that the `Reply` has a
`failure`. Errors are raised only for causes that stop all requests: a wrong key, an unknown model, no server, a cap,
and an outage, where more questions than `max_failed` fail for reasons that may pass.
"""

import asyncio
import heapq
import math
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recgpt.errors import LLMError
from recgpt.progress import Meter, note
from recgpt.simulate.llm.budget import Budget, Caps, CostEstimate, Price, Spent, listed_price
from recgpt.simulate.llm.calls import FAILURES, CallLog, CallsInMemory, LLMCall
from recgpt.simulate.llm.dialect import Dialect
from recgpt.simulate.llm.failures import MALFORMED, PASSING, Outage, allowed_failures, outage, reasons
from recgpt.simulate.llm.limiter import Limiter
from recgpt.simulate.llm.redaction import Redactor
from recgpt.simulate.llm.replies import read_logged
from recgpt.simulate.llm.requests import Question, Reply, Request, Sampling
from recgpt.simulate.llm.servers import MAX_RETRY_AFTER_S, Lane, Outcome, Server, first_dialect
from recgpt.simulate.llm.stats import Stats
from recgpt.simulate.llm.transport import open_http

if TYPE_CHECKING:
    from httpx2 import AsyncClient

ATTEMPTS = 2  # times that a question is sent, where replies are malformed
MAX_BACKOFF_S = 30.0
_SILENT_TIMEOUTS = 3.0  # times `timeout_s` without any reply, after which failed calls are not tried again
_NOTICE_S = 10.0  # between two notices of waiting
_LONG_REST_S = 1.0  # a shorter rest is not worth a notice


@dataclass
class _InFlight:
    """A request without a reply yet, and the positions of all requests that are equal to it."""

    places: list[int]
    request: Request
    attempt: int = 1
    question: Question | None = None
    tries: int = 0
    failed_at: Lane | None = None
    calls: list[LLMCall] = field(default_factory=list)


class LLMClient:
    """Client of one model on one or more servers.

    Parameters
    ----------
    servers
        The one with the lowest load gets the next question.
    model
        Its name on the servers.
    caps
        Limits of use, `spent` included.
    log
        Store of calls, which are looked up in it before a question is sent; by default in memory.
    price
        Of the model; by default as listed in `prices.json`.
    spent
        Use that counts against the caps already, such as the calls of a run before it was resumed.
    concurrency
        Maximum number of calls in flight at each server; rate limits and timeouts lower it for a while.
    temperature, max_tokens, seed
        See `Sampling`.
    timeout_s
        For one call.
    tries
        HTTP requests for one attempt at a question, where their failures may pass; one where no reply at all has come
        for three times `timeout_s`.
    backoff_s
        Delay before the first retry, doubled before each further one, less up to a half that depends on the question
        alone. A server that sends Retry-After gets no request until then, `servers.MAX_RETRY_AFTER_S` at most.
    max_failed
        Raise an `Outage` where more questions of one `complete` fail for reasons that may pass: below 1 a share of
        them, else a number; None for never.
    attempts
        Times that a question is sent where replies are malformed, those in the log included.

    Raises
    ------
    LLMError
        No server, a key that is missing, or a cap on money for a model without a price.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        model: str,
        *,
        caps: Caps,
        log: CallLog | None = None,
        price: Price | None = None,
        spent: Spent | None = None,
        concurrency: int = 64,
        temperature: float | None = 0.2,
        max_tokens: int = 512,
        seed: int | None = 0,
        timeout_s: float = 120.0,
        tries: int = 6,
        backoff_s: float = 0.5,
        max_failed: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        if not servers:
            raise LLMError("no server is given: name at least one base_url")
        if concurrency < 1:
            raise LLMError(f"concurrency {concurrency}: at least one call at a time is needed")
        if not model or not model.isprintable():
            raise LLMError(f"{model!r} is no name of a model: it is empty, or has characters that cannot be printed")
        keys = {server.key_env or "": server.read_key() or "" for server in servers}
        redactor = Redactor.with_environment(keys)
        self.model = model
        self.stats = Stats()
        self._log: CallLog = CallsInMemory() if log is None else log
        self._lanes = [self._lane(server, Limiter(concurrency), redactor) for server in servers]
        self._budget = Budget(caps, price or listed_price(model), model, spent=spent)
        self._sampling = Sampling(temperature, max_tokens, seed)
        self._timeout_s = timeout_s
        self._tries = tries
        self._backoff_s = backoff_s
        self._max_failed = max_failed
        self._attempts = attempts
        self._stopped: LLMError | None = None
        self._given_up: list[Reply] = []
        self._n_asked = 0
        self._stops_at_outage = True
        self._noticed_at = -math.inf
        self._heard_at, self._n_unheard = time.monotonic(), 0  # the last reply, and the calls that failed since

    def twin(self) -> "LLMClient":
        """A client for another thread, with the same servers, log, caps and statistics."""
        other = copy(self)
        other._lanes = [self._lane(each.server, Limiter(each.limiter.maximum), each.redactor) for each in self._lanes]
        other._given_up = []
        return other

    @property
    def spent(self) -> Spent:
        """Use that counts against the caps so far."""
        return self._budget.spent

    @property
    def dialects(self) -> dict[str, Dialect]:
        """Dialect of each server, as far as it is known, by address."""
        return {lane.server.base_url: lane.dialect for lane in self._lanes}

    def _lane(self, server: Server, limiter: Limiter, redactor: Redactor) -> Lane:
        known = self._log.dialect(self._name_of(server))
        return Lane(server, limiter, redactor, known or first_dialect(server), knows_dialect=known is not None)

    def _name_of(self, server: Server) -> str:
        return f"{self.model} at {server.base_url}"

    def estimate(self, samples: Sequence[Request], n_calls: int) -> CostEstimate:
        """Expected use of `n_calls` calls like the samples, by the length of the requests and the schema of the reply.

        Requests that are repeated, after a failure or because a reply was malformed, are not counted.

        Parameters
        ----------
        samples
            Requests, which are not sent; none if `n_calls` is 0.
        """
        if not n_calls:
            return CostEstimate(0, 0, 0, 0.0)
        questions = [Question.from_request(request, self.model, self._sampling, attempt=1) for request in samples]
        tokens_in = math.ceil(n_calls * sum(each.expected_tokens_in for each in questions) / len(questions))
        tokens_out = math.ceil(n_calls * sum(each.expected_tokens_out for each in questions) / len(questions))
        price = self._budget.price
        usd = None if price is None else price.usd(tokens_in, tokens_out)
        return CostEstimate(n_calls, tokens_in, tokens_out, usd)

    def complete(
        self, requests: Sequence[Request], *, describe: str | None = None, stops_at_outage: bool = True
    ) -> list[Reply]:
        """Send all requests and wait for their replies. Must not be called from a running event loop.

        One thread at a time; others need a `twin`.

        Parameters
        ----------
        requests
            Equal ones are sent once.
        describe
            Name of the progress bar; None for no bar.
        stops_at_outage
            Whether `max_failed` holds; without, questions that failed for passing reasons are replies, however many.

        Returns
        -------
        Replies in the order of the requests. They do not depend on concurrency, nor on which server answers when.

        Raises
        ------
        BudgetExceeded
            A cap is reached. Calls under way end first, and are in the log.
        Outage
            More than `max_failed` questions failed for reasons that may pass. Replies that came are in the log.
        LLMError
            The key is wrong, the model unknown, a server unreachable after all tries, or every request rejected.
        """
        self._stopped, self._given_up, self._n_asked = None, [], len(requests)
        self._stops_at_outage = stops_at_outage
        self._heard_at, self._n_unheard = time.monotonic(), 0
        replies: dict[int, Reply] = {}
        with Meter(describe or "", len(requests), disable=describe is None) as meter:
            still_open = self._look_up(requests, replies)
            meter.update(len(replies))
            self.stats.asked += len(requests)
            self.stats.known += len(requests) - len(still_open)
            if still_open:
                asyncio.run(self._answer(still_open, replies, meter))
        ordered = [replies[place] for place in range(len(requests))]
        self.stats.failed.update(reply.failure for reply in ordered if reply.failure is not None)
        if ordered and all(reply.failure == "rejected" for reply in ordered):
            call = ordered[-1].calls[-1]
            raise LLMError(f"{call.server} rejects all {len(ordered):,} requests to {self.model!r}: {call.reply}")
        failed = [reply for reply in ordered if reply.failure is not None]
        if failed:
            notice = f"{len(failed):,} of {len(ordered):,} questions to {self.model!r} have failed: {reasons(failed)}"
            note(notice)
        return ordered

    def _look_up(self, requests: Sequence[Request], replies: dict[int, Reply]) -> list[_InFlight]:
        """The questions without an outcome in the log, each once."""
        by_key: dict[str, _InFlight] = {}
        for place, request in enumerate(requests):
            key = self._question(request, 1, self._lanes[0].dialect).key
            by_key.setdefault(key, _InFlight([], request)).places.append(place)
        still_open = []
        for each in by_key.values():
            known = self._known(each)
            if known is None:
                still_open.append(each)
            else:
                replies.update(dict.fromkeys(each.places, known))
        return still_open

    def _question(self, request: Request, attempt: int, dialect: Dialect) -> Question:
        return Question.from_request(request, self.model, self._sampling, attempt, dialect)

    def _known(self, asked: _InFlight) -> Reply | None:
        """The reply in the log, or None; a malformed one in the log makes `asked` the next attempt."""
        while (call := self._logged(asked)) is not None:
            if call.failure is None:
                value = read_logged(call.reply or "", asked.request.schema)
                return Reply(value, "schema_violation" if value is None else None, (*asked.calls, call))
            asked.calls.append(call)
            if asked.attempt >= self._attempts:
                return Reply(None, call.failure, tuple(asked.calls))
            self._next_attempt(asked)
        return None

    def _logged(self, asked: _InFlight) -> LLMCall | None:
        """Logged call with a reply to this attempt, valid or malformed, in the dialect of any server."""
        for dialect in dict.fromkeys(lane.dialect for lane in self._lanes):
            call = self._log.call(self._question(asked.request, asked.attempt, dialect).key)
            if call is not None and (call.failure is None or call.failure in MALFORMED):
                return call
        return None

    def _next_attempt(self, asked: _InFlight) -> None:
        asked.attempt, asked.question, asked.tries = asked.attempt + 1, None, 0

    async def _answer(self, still_open: list[_InFlight], replies: dict[int, Reply], meter: Meter) -> None:
        """Send questions as servers and caps allow, until each has its reply or an error stops all."""
        waiting = [(0.0, number, asked) for number, asked in enumerate(still_open)]  # a heap: not before, in order
        running: dict[asyncio.Task[float | Reply], tuple[int, _InFlight]] = {}
        async with AsyncExitStack() as stack:
            https = {
                id(lane): await stack.enter_async_context(open_http(lane.server.base_url, lane.server.read_key()))
                for lane in self._lanes
            }
            try:
                while True:
                    self._start_ready(waiting, running, https)
                    if not running and (self._stopped is not None or not waiting):
                        break
                    rest_s = self._rest_s(waiting)
                    if not running:
                        await asyncio.sleep(rest_s or 0.0)
                        continue
                    done, _ = await asyncio.wait(running, timeout=rest_s, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        (number, asked), result = running.pop(task), task.result()
                        if isinstance(result, Reply):
                            replies.update(dict.fromkeys(asked.places, result))
                            meter.update(len(asked.places), note=str(self._budget.spent))
                        else:
                            heapq.heappush(waiting, (result, number, asked))
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        if self._stopped is not None:
            raise self._stopped

    def _start_ready(
        self,
        waiting: list[tuple[float, int, _InFlight]],
        running: dict[asyncio.Task[float | Reply], tuple[int, _InFlight]],
        https: dict[int, "AsyncClient"],
    ) -> None:
        now = time.monotonic()
        while self._stopped is None and waiting and waiting[0][0] <= now:
            _, number, asked = waiting[0]
            free = [lane for lane in self._lanes if lane.free(now)]
            if not free:
                return
            lane = min(free, key=lambda lane: (lane is asked.failed_at, lane.in_flight / lane.limit))
            if asked.question is None or asked.question.dialect != lane.dialect:
                asked.question = self._question(asked.request, asked.attempt, lane.dialect)
            question = asked.question
            most = question.most_tokens_in, question.max_tokens
            reserved = self._budget.reserve(*most)
            if reserved is None:
                if not running:  # else calls in flight may release a part of their reservation
                    self._stopped = self._budget.exceeded(*most)
                return
            lane.in_flight += 1
            heapq.heappop(waiting)
            running[asyncio.create_task(self._call(asked, question, lane, https[id(lane)], reserved))] = number, asked

    def _rest_s(self, waiting: list[tuple[float, int, _InFlight]]) -> float | None:
        """How long nothing can be sent unless a call ends; None where only the end of a call can change that."""
        now = time.monotonic()
        rests = [lane.rests_until for lane in self._lanes if lane.in_flight < lane.limit]
        if not waiting or not rests or self._stopped is not None:
            return None
        rest_s = max(waiting[0][0], min(rests)) - now
        return rest_s if rest_s > 0 else None

    async def _call(
        self, asked: _InFlight, question: Question, lane: Lane, http: "AsyncClient", reserved: Spent
    ) -> float | Reply:
        """Send the question once. Its reply, or the time before which it must not be sent again."""
        sent_in = lane.limiter.round
        asked.tries += 1
        started = time.monotonic()
        try:
            outcome = await lane.ask(http, question, self._timeout_s)
        except asyncio.CancelledError:
            most = question.most_tokens_in, question.max_tokens
            interrupted = Outcome(None, "interrupted", None, *most, time.monotonic() - started)
            self._keep(asked, question, lane, reserved, interrupted)
            raise
        finally:
            lane.in_flight -= 1
        self._keep(asked, question, lane, reserved, outcome)
        now = time.monotonic()
        if lane.changes_dialect(question, outcome):
            asked.tries = 0
            return now
        if outcome.failure is None or outcome.failure in MALFORMED:
            self._keep_dialect(lane, question)
            self._heard_at, self._n_unheard = now, 0
        if outcome.failure is None:
            lane.limiter.succeeded(sent_in)
            return Reply(outcome.value, None, tuple(asked.calls))
        if outcome.failure in ("rate_limited", "timeout"):
            lane.limiter.overloaded(sent_in)
        rest_s = min(outcome.wanted_rest_s or 0.0, MAX_RETRY_AFTER_S)
        lane.rests_until = max(lane.rests_until, now + rest_s)
        if outcome.failure in MALFORMED and asked.attempt < self._attempts:
            self._next_attempt(asked)
            known = self._known(asked)
            return now if known is None else known
        if outcome.failure in PASSING and asked.tries < self._tries and not self._is_silent(now):
            asked.failed_at = lane
            rest_s = max(rest_s, self._backoff(question.key, asked.tries))
            self._notice(asked, lane, outcome, rest_s)
            return now + self._backoff(question.key, asked.tries)
        reply = Reply(None, outcome.failure, tuple(asked.calls))
        self._stopped = self._stopped or self._fatal(outcome, lane.server)
        if outcome.failure in PASSING:
            self._give_up(asked, reply)
        return reply

    def _is_silent(self, now: float) -> bool:
        """Count a failed call; whether so many came in vain, for so long, that another try is not worth it."""
        self._n_unheard += 1
        silent_s = now - self._heard_at
        return self._n_unheard >= 2 * self._tries and silent_s > _SILENT_TIMEOUTS * self._timeout_s

    def _give_up(self, asked: _InFlight, reply: Reply) -> None:
        """Count a question that failed for a passing reason; too many of them stop all."""
        self._given_up += [reply] * len(asked.places)
        too_many = len(self._given_up) > allowed_failures(self._max_failed, self._n_asked)
        may_stop = self._stops_at_outage and isinstance(self._stopped, Outage | None)
        if self._max_failed is not None and too_many and may_stop:
            self._stopped = outage(self._given_up, self.model, self._max_failed, self._n_asked)

    def _notice(self, asked: _InFlight, lane: Lane, outcome: Outcome, rest_s: float) -> None:
        """Say on the terminal what is waited for, and how long."""
        now = time.monotonic()
        if now - self._noticed_at < _NOTICE_S or (rest_s < _LONG_REST_S and outcome.failure != "timeout"):
            return
        self._noticed_at = now
        wanted_s = outcome.wanted_rest_s or 0.0
        cut = f", though the server asks for {wanted_s:,.0f} s" if wanted_s > MAX_RETRY_AFTER_S else ""
        note(
            f"{lane.server.base_url}: {outcome.failure} ({FAILURES[outcome.failure or '']}); waiting {rest_s:,.1f} s"
            f"{cut}, then try {asked.tries + 1} of {self._tries}, each of {self._timeout_s:g} s at most"
        )

    def _keep_dialect(self, lane: Lane, question: Question) -> None:
        if lane.knows_dialect:
            return
        lane.dialect, lane.knows_dialect = question.dialect, True
        self._log.keep_dialect(self._name_of(lane.server), question.dialect)
        if question.dialect != first_dialect(lane.server):
            notice = f"{lane.server.base_url} takes requests for {self.model!r} in this form: {question.dialect}"
            note(notice)

    def _backoff(self, key: str, tries: int) -> float:
        """Seconds to rest: doubled each time; spread by the question's key, so that no random state is needed."""
        spread = int.from_bytes(bytes.fromhex(key)[tries : tries + 4], "big") / 2**32
        return min(self._backoff_s * 2 ** (tries - 1), MAX_BACKOFF_S) * (1 - spread / 2)

    def _keep(self, asked: _InFlight, question: Question, lane: Lane, reserved: Spent, outcome: Outcome) -> None:
        self._budget.settle(reserved, outcome.tokens_in, outcome.tokens_out)
        call = LLMCall(
            key=question.key,
            purpose=question.request.purpose,
            model=self.model,
            request=question.json,
            reply=outcome.text,
            failure=outcome.failure,
            tokens_in=outcome.tokens_in,
            tokens_out=outcome.tokens_out,
            cost_usd=self._budget.cost_usd(outcome.tokens_in, outcome.tokens_out),
            seconds=outcome.seconds,
            attempts=asked.tries,
            server=lane.server.base_url,
        )
        asked.calls.append(call)
        self.stats.count(call)
        self._log.record_call(call)

    def _fatal(self, outcome: Outcome, server: Server) -> LLMError | None:
        """The error for a failure that every question would have; None for others."""
        if outcome.failure == "denied":
            key = f"the key in the environment variable {server.key_env}" if server.key_env else "a call without a key"
            return LLMError(f"{server.base_url} refuses {key}, or has no credit left for it: set another")
        if outcome.failure == "not_found":
            return LLMError(
                f"{server.base_url} has no model {self.model!r}, or is no such address (most end in /v1): "
                f"list its models with `curl {server.base_url}/models`"
            )
        if outcome.failure == "redirected":
            return LLMError(
                f"{server.base_url} sends requests on to {outcome.text}, and none is followed, as the key would go"
                " there: give that address as base_url if you trust it"
            )
        if outcome.failure == "connection" and (outcome.text or "").startswith("Connect"):  # else it may pass
            return LLMError(
                f"{server.base_url} cannot be reached ({outcome.text}, {self._tries} tries): start it "
                "(`recgpt llm serve` starts a small local one), or give another base_url"
            )
        return None
