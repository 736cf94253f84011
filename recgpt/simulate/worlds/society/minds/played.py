"""Mind of a society in which a person plays some agents: their decisions are the person's, all others the own mind's.

    mind = PlayedMind(own, PersonMind(setting.facts))          # agents that the schedule hands to a person
    mind = PlayedMind(own, PersonMind(setting.facts), always=(0,))

The agents played in a round are in the state (`profiles.played_A`), so an agent is taken over and handed back by the
schedule, at the start of a round.

Shapes: R rows (one agent each), L lines of all dialogues.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from recgpt.simulate.llm.budget import CostEstimate
from recgpt.simulate.worlds.society.minds import base

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.hearing import Hearings

MomentT = TypeVar("MomentT", bound=base.Moment)
DecidedT = TypeVar("DecidedT")


class Person(Protocol):
    """Decides as a `Mind` does, and chats line by line; `PersonMind` is one."""

    def choose(self, moment: base.Moment) -> base.Choices:
        """See `Mind`, as the other methods."""
        ...

    def browse(self, pages: base.Pages) -> base.Browsing: ...  # noqa: D102  # as of `Mind`

    def react(self, company: base.Company) -> base.Reactions: ...  # noqa: D102

    def socialise(self, company: base.Company) -> base.SocialActs: ...  # noqa: D102

    def answer(self, questions: base.Questions) -> base.Answers: ...  # noqa: D102

    def converse(
        self,
        pairs: base.Pairs,
        reply: Callable[[Sequence[base.Line]], base.Line | None],
        *,
        is_partner: bool,
        plays_both: bool,
    ) -> list[base.Line]:
        """Lines of the one chat of `pairs`; `reply` gives the next line of the other side, None at its end.

        Parameters
        ----------
        is_partner
            Whether the person is the partner, not the agent that began.
        plays_both
            Whether the person plays both.
        """
        ...


class PlayedMind:
    """A person decides for some agents, another mind for all others.

    Parameters
    ----------
    own
        Decides for the others.
    person
        Decides for the agents that a person plays.
    always
        Agents that the person plays from the first round to the last.
    """

    def __init__(self, own: base.Mind, person: Person, *, always: tuple[int, ...] = ()) -> None:
        self.name = own.name
        self._own = own
        self._person = person
        self._always = np.array(always, dtype=np.int64)

    def choose(self, moment: base.Moment) -> base.Choices:
        """See `Mind`."""
        return self._split(moment, self._own.choose, self._person.choose)

    def browse(self, pages: base.Pages) -> base.Browsing:
        """See `Mind`."""
        return self._split(pages, self._own.browse, self._person.browse)

    def react(self, company: base.Company) -> base.Reactions:
        """See `Mind`."""
        return self._split(company, self._own.react, self._person.react)

    def socialise(self, company: base.Company) -> base.SocialActs:
        """See `Mind`."""
        return self._split(company, self._own.socialise, self._person.socialise)

    def talk(self, pairs: base.Pairs) -> base.Dialogues:
        """See `Mind`; where a person is one of the two, line by line."""
        by_first_R, by_second_R = (
            self._is_played(pairs.state, pairs.agent_R),
            self._is_played(pairs.state, pairs.partner_R),
        )
        played_R = by_first_R | by_second_R
        if not played_R.any():
            return self._own.talk(pairs)
        others = np.flatnonzero(~played_R)
        decided = self._own.talk(pairs.rows(others)) if len(others) else None
        of_row: dict[int, list[base.Line]] = {} if decided is None else _lines_by_row(decided, others)
        failed_R = np.zeros(len(pairs), dtype=bool)
        reasons: list[str | None] = [None] * len(pairs)
        if decided is not None:
            failed_R[others] = decided.failed_R
            reasons = _placed(decided.reasons, others, len(pairs))
        for row in np.flatnonzero(played_R).tolist():
            is_partner = not by_first_R[row]
            chat = pairs.rows(np.array([row]))
            lines = self._person.converse(
                chat,
                self._replies(chat, is_partner=is_partner),
                is_partner=is_partner,
                plays_both=bool(by_first_R[row] and by_second_R[row]),
            )
            of_row[row] = lines
            if not lines:
                failed_R[row], reasons[row] = True, "silent: nobody said a word"
        return _dialogues(of_row, failed_R, reasons)

    def opine(self, moment: base.Moment, heard: "Hearings") -> base.Opinions:
        """See `Mind`; the opinions of a person change by the rule of the other mind."""
        return self._own.opine(moment, heard)

    def answer(self, questions: base.Questions) -> base.Answers:
        """See `Mind`."""
        return self._split(questions, self._own.answer, self._person.answer)

    def estimate(self, n_agents: int, n_rounds: int) -> CostEstimate | None:
        """Calls for the agents that no person plays throughout. See `Mind`."""
        return self._own.estimate(n_agents - len(self._always), n_rounds)

    def _is_played(self, state: Any, agents: np.ndarray) -> np.ndarray:
        played: np.ndarray = state.profiles.played_A[agents] | np.isin(agents, self._always)
        return played

    def _split(
        self,
        moment: MomentT,
        own: Callable[[MomentT], DecidedT],
        person: Callable[[MomentT], DecidedT],
    ) -> DecidedT:
        """Decisions of both, in the order of the rows; a mind without rows is not called."""
        played_R = self._is_played(moment.state, moment.agent_R)
        if not played_R.any():
            return own(moment)
        if played_R.all():
            return person(moment)
        parts = [(np.flatnonzero(rows), decide) for rows, decide in ((~played_R, own), (played_R, person))]
        return _merged([(rows, decide(moment.rows(rows))) for rows, decide in parts], len(moment))

    def _replies(self, chat: base.Pairs, *, is_partner: bool) -> Callable[[Sequence[base.Line]], base.Line | None]:
        """Lines of the other side: answers one by one, or those of a whole dialogue."""
        if isinstance(self._own, base.Replier):
            replier = self._own
            if not is_partner:
                return lambda so_far: replier.reply(chat, so_far)
            turned = _turned(chat)
            return lambda so_far: _other_side(replier.reply(turned, [_flipped(line) for line in so_far]))
        whole = _lines_by_row(self._own.talk(chat), np.array([0])).get(0, [])
        theirs = iter([line for line in whole if line.by_partner != is_partner])
        return lambda so_far: next(theirs, None)


def _merged(parts: list[tuple[np.ndarray, DecidedT]], n_rows: int) -> DecidedT:
    """Rows of several decisions put at their places."""
    first = parts[0][1]
    columns: dict[str, Any] = {}
    for name in (each.name for each in fields(first)):  # type: ignore[arg-type]  # dataclasses, of one class
        values = [(rows, getattr(decided, name)) for rows, decided in parts]
        some = next((value for _, value in values if value is not None), None)
        if isinstance(some, np.ndarray):
            whole = np.empty((n_rows, *some.shape[1:]), dtype=some.dtype)
            for rows, value in values:
                whole[rows] = value
            columns[name] = whole
        elif some is None:
            columns[name] = None
        else:
            texts: list[Any] = [None] * n_rows
            for rows, value in values:
                for row, text in zip(rows.tolist(), value or [None] * len(rows), strict=True):
                    texts[row] = text
            columns[name] = texts
    if columns.get("comments") is not None:  # a list of slots for each row
        n_slots = columns["like_RS"].shape[1]
        columns["comments"] = [each or [None] * n_slots for each in columns["comments"]]
    return type(first)(**columns)


def _placed(texts: base.Texts | None, rows: np.ndarray, n_rows: int) -> list[Any]:
    placed: list[Any] = [None] * n_rows
    for row, text in zip(rows.tolist(), texts or (), strict=texts is not None):
        placed[row] = text
    return placed


def _lines_by_row(decided: base.Dialogues, rows: np.ndarray) -> dict[int, list[base.Line]]:
    """Lines by row of the whole call, of the rows that were decided."""
    lines: dict[int, list[base.Line]] = {}
    texts = decided.texts or [None] * len(decided.row_L)
    columns = (
        decided.row_L.tolist(),
        decided.by_partner_L.tolist(),
        decided.item_L.tolist(),
        decided.opinion_L.tolist(),
    )
    for row, by_partner, item, opinion, text in zip(*columns, texts, strict=True):
        lines.setdefault(int(rows[row]), []).append(base.Line(by_partner, item, opinion, text))
    return lines


def _dialogues(of_row: dict[int, list[base.Line]], failed_R: np.ndarray, reasons: list[Any]) -> base.Dialogues:
    lines = [(row, line) for row in sorted(of_row) for line in of_row[row]]
    return base.Dialogues(
        row_L=np.array([row for row, _ in lines], dtype=np.int64),
        by_partner_L=np.array([line.by_partner for _, line in lines], dtype=bool),
        item_L=np.array([line.item for _, line in lines], dtype=np.int64),
        opinion_L=np.array([line.opinion for _, line in lines], dtype=np.float32),
        failed_R=failed_R,
        texts=[line.text for _, line in lines],
        reasons=reasons,
    )


def _turned(chat: base.Pairs) -> base.Pairs:
    """The chat as if its partner had begun it."""
    return base.Pairs(
        chat.step, chat.partner_R, chat.state, chat.agent_R, chat.item_R, chat.partner_topics, chat.topics
    )


def _flipped(line: base.Line) -> base.Line:
    return base.Line(not line.by_partner, line.item, line.opinion, line.text)


def _other_side(line: base.Line | None) -> base.Line | None:
    return None if line is None else _flipped(line)
