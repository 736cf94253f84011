"""Mind that repeats the decisions of a recorded society, without the mind that made them.

    recgpt simulate society ... --mind replay --replay RUN

Every page, feed and chat has to be equal to the recorded one, so that a replayed run has the hash of the record.

Shapes: R rows, S slots of a page or feed.
"""

import json
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from recgpt.errors import SimulationError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.minds.replay import recorded_events
from recgpt.simulate.worlds.society.minds.base import (
    Action,
    Answers,
    Browsing,
    Choice,
    Choices,
    Company,
    Dialogues,
    Moment,
    Opinions,
    Pages,
    Pairs,
    Questions,
    Reactions,
    Social,
    SocialActs,
)

if TYPE_CHECKING:
    from recgpt.simulate.worlds.society.hearing import Hearings

_REMEDY = "replay with the same data set, recommender, seed, rules and schedule"
_SOCIAL = 1 << 20  # stage of rows after `went`; in a session the number of the action, before both 0
_ALREADY = "the two are chatting already"


class ReplayMind:
    """Repeats the decisions of a run.

    Parameters
    ----------
    events
        Events of all steps of the recorded run.
    """

    name = "replay"

    def __init__(self, events: pl.DataFrame) -> None:
        steps = events.partition_by("step", as_dict=True)
        self._steps = {int(step): _with_stages(rows) for (step,), rows in steps.items()}

    @classmethod
    def from_options(cls, options: MindOptions) -> Self:
        """Mind that repeats the run in the options.

        Raises
        ------
        SimulationError
            They name no run.
        """
        return cls(recorded_events(options))

    def choose(self, moment: Moment) -> Choices:
        """See `Mind`."""
        rows, agent_R = self._rows(moment), moment.agent_R
        choice_R = np.full(len(moment), -1, dtype=np.int8)
        for choice, kind in ((Choice.NOTHING, "rested"), (Choice.RECOMMENDER, "entered"), (Choice.SOCIAL, "went")):
            choice_R[_has(_of(rows, kind), agent_R)] = choice
        failed_R = (choice_R < 0) & _has(_of(rows, "failed"), agent_R)
        _require((choice_R >= 0) | failed_R, moment, "acts, and does not in the record")
        first = rows.filter(pl.col("stage") == 0)
        reasons = _texts(first.filter(pl.col("kind").is_in(["rested", "failed"])), agent_R)
        choice_R[failed_R] = Choice.NOTHING
        retrieved, thoughts = _texts(_of(first, "retrieved"), agent_R), _texts(_of(first, "thought"), agent_R)
        return Choices(choice_R, failed_R, reasons, retrieved, thoughts)

    def browse(self, pages: Pages) -> Browsing:
        """See `Mind`."""
        rows, agent_R = self._rows(pages), pages.agent_R
        stage_R = dict(zip(agent_R.tolist(), pages.action_R.tolist(), strict=True))
        now = rows.filter(pl.col("stage") == pl.col("agent").replace_strict(stage_R, default=-1, return_dtype=pl.Int64))
        recorded_RS = _cells(_of(now, "shown"), agent_R, pages.items_RS.shape, "item")
        _require((recorded_RS == pages.items_RS).all(axis=1), pages, "has another page than in the record")
        action_R = np.full(len(pages), Action.LEAVE, dtype=np.int8)
        for action, kind in ((Action.NEXT, "turned"), (Action.SEARCH, "searched"), (Action.WATCH, "watched")):
            action_R[_has(_of(now, kind), agent_R)] = action
        searched = _of(now, "searched")
        sought_R = _column(searched, agent_R, "item", -1).astype(np.int64)
        queries = _texts(searched, agent_R)
        return Browsing(
            action_R=action_R,
            slot_R=_column(_of(now, "watched"), agent_R, "slot", -1).astype(np.int64),
            stars_R=_column(_of(now, "rated"), agent_R, "value", np.nan).astype(np.float32),
            feeling_R=_column(_of(now, "felt"), agent_R, "value", np.nan).astype(np.float32),
            search_item_R=sought_R,
            failed_R=_has(_of(now, "failed"), agent_R),
            queries=[None if item >= 0 else text for item, text in zip(sought_R.tolist(), queries, strict=True)],
            feeling_texts=_texts(_of(now, "felt"), agent_R),
            reasons=_texts(now.filter(pl.col("kind").is_in(["left", "failed"])), agent_R),
            retrieved=_texts(_of(now, "retrieved"), agent_R),
        )

    def react(self, company: Company) -> Reactions:
        """See `Mind`; a failed reaction is repeated by `socialise`, with the same events."""
        rows, agent_R, shape = self._rows(company), company.agent_R, company.feed_RS.shape
        recorded_RS = _cells(_of(rows, "read"), agent_R, shape, "place")
        _require((recorded_RS == company.feed_RS).all(axis=1), company, "has another feed than in the record")
        posts, commented = company.state.social.posts, _of(rows, "commented")
        author_RS = np.where(company.feed_RS >= 0, posts.author_M[np.maximum(company.feed_RS, 0)], -1)
        comment_R = _by_post(company, commented)
        words: list[list[str | None]] = [[None] * shape[1] for _ in range(shape[0])]
        opinion_RS = np.full(shape, np.nan, dtype=np.float32)
        for (row, slot), value, text in comment_R:
            words[row][slot], opinion_RS[row, slot] = text, np.nan if value is None else value
        return Reactions(
            like_RS=_met(agent_R, company.feed_RS, _of(rows, "liked"), "place"),
            repost_RS=_met(agent_R, company.feed_RS, _of(rows, "posted"), "place"),
            follow_RS=_met(agent_R, author_RS, _of(rows, "followed"), "other"),
            mute_RS=_met(agent_R, author_RS, _of(rows, "muted"), "other"),
            comment_opinion_RS=opinion_RS,
            failed_R=np.zeros(len(company), dtype=bool),
            comments=words,
        )

    def socialise(self, company: Company) -> SocialActs:
        """See `Mind`."""
        rows, agent_R = self._rows(company), company.agent_R
        then = rows.filter(pl.col("stage") == _SOCIAL)
        chatted, missed = _of(then, "chatted"), _of(then, "missed")
        posted = _of(then, "posted").filter(pl.col("place").is_null())
        friend_R = _column(pl.concat([chatted, missed]), agent_R, "other", -1).astype(np.int64)
        failed_R = _has(_of(then, "failed"), agent_R)
        friend_R = np.where(failed_R, self._friend_of_failed_chat(company, missed), friend_R)
        action_R = np.where(friend_R >= 0, Social.CHAT, Social.NOTHING).astype(np.int8)
        action_R[_has(posted, agent_R)] = Social.POST
        went = _of(then, "went")
        return SocialActs(
            action_R=action_R,
            friend_R=friend_R,
            hours_R=_column(chatted, agent_R, "value", 1.0).astype(np.float32),
            item_R=_column(posted, agent_R, "item", -1).astype(np.int64),
            opinion_R=_column(posted, agent_R, "value", np.nan).astype(np.float32),
            failed_R=failed_R & (friend_R < 0),  # where a dialogue failed, `talk` fails
            texts=_texts(posted, agent_R),
            reasons=_texts(pl.concat([went, _of(then, "failed")]), agent_R),
            retrieved=_texts(_of(then, "retrieved"), agent_R),
        )

    def talk(self, pairs: Pairs) -> Dialogues:
        """See `Mind`."""
        rows = self._rows(pairs, all_agents=True)
        pair_R = list(zip(pairs.agent_R.tolist(), pairs.partner_R.tolist(), strict=True))
        row_of = {pair: row for row, (one, other) in enumerate(pair_R) for pair in ((one, other), (other, one))}
        columns = ("agent", "other", "slot", "item", "value", "text")
        lines = [line for line in _of(rows, "said").select(columns).iter_rows() if line[:2] in row_of]
        lines.sort(key=lambda line: (row_of[line[0], line[1]], line[2]))
        row_L = np.array([row_of[line[0], line[1]] for line in lines], dtype=np.int64)
        speaker_L = np.array([line[0] for line in lines], dtype=np.int64)
        failed = _of(rows, "failed")
        chatted_R = _has(_of(rows, "chatted"), pairs.agent_R)
        _require(chatted_R | _has(failed, pairs.agent_R), pairs, "has a chat that is not in the record")
        return Dialogues(
            row_L=row_L,
            by_partner_L=speaker_L != pairs.agent_R[row_L],
            item_L=np.array([-1 if line[3] is None else line[3] for line in lines], dtype=np.int64),
            opinion_L=np.array([np.nan if line[4] is None else line[4] for line in lines], dtype=np.float32),
            failed_R=~chatted_R,
            texts=[line[5] for line in lines],
            reasons=_texts(failed, pairs.agent_R),
        )

    def opine(self, moment: Moment, heard: "Hearings") -> Opinions:
        """See `Mind`."""
        opined = _of(self._rows(moment), "opined")
        return Opinions(
            agent_O=opined["agent"].to_numpy(),
            item_O=opined["item"].to_numpy(),
            other_O=opined["other"].fill_null(-1).to_numpy(),
            opinion_O=opined["value"].to_numpy(),
        )

    def answer(self, questions: Questions) -> Answers:
        """See `Mind`."""
        rows = self._rows(questions, all_agents=True)
        entry = _entry_of(_of(rows, "intervened"), questions)
        answers = _of(rows, "interviewed" if questions.in_words else "answered").filter(pl.col("slot") == entry)
        _require(_has(answers, questions.agent_R), questions, "has no answer in the record")
        texts = _texts(answers, questions.agent_R)
        value_R = _column(answers, questions.agent_R, "value", np.nan).astype(np.float32)
        return Answers(value_R, texts, texts)

    def estimate(self, n_agents: int, n_rounds: int) -> None:
        """No calls. See `Mind`."""

    def _rows(self, moment: Moment, *, all_agents: bool = False) -> pl.DataFrame:
        """Record of these agents in this round."""
        if moment.step not in self._steps:
            raise SimulationError(f"the record ends before round {moment.step}: ask for fewer rounds")
        rows = self._steps[moment.step]
        return rows if all_agents else rows.filter(pl.col("agent").is_in(moment.agent_R.tolist()))

    def _friend_of_failed_chat(self, company: Company, missed: pl.DataFrame) -> np.ndarray:
        """(R,) friend of a chat whose dialogue failed, known where the friend began the same chat; else -1."""
        everybody = _of(self._steps[company.step], "missed").filter(pl.col("text") == _ALREADY)
        friend_R = _column(everybody.select(agent="other", other="agent"), company.agent_R, "other", -1).astype(
            np.int64
        )
        known = np.flatnonzero((friend_R > company.agent_R) & ~_has(missed, company.agent_R))
        chatting = company.state.activity.are_chatting(company.agent_R[known], friend_R[known])
        kept = known[~chatting]
        found_R = np.full(len(company), -1, dtype=np.int64)
        found_R[kept] = friend_R[kept]
        return found_R


def _with_stages(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of one step with the column `stage`: 0 first decision, then the action in a session, then social life."""
    begins = (
        pl.when(pl.col("kind") == "shown")
        .then(pl.col("value").cast(pl.Int64))
        .when(pl.col("kind") == "went")
        .then(pl.lit(_SOCIAL))
    )
    return rows.with_columns(begins.forward_fill().over("agent").fill_null(0).cast(pl.Int64).alias("stage"))


def _require(equal_R: np.ndarray, moment: Moment, what: str) -> None:
    if not equal_R.all():
        raise SimulationError(f"agent {moment.agent_R[~equal_R][0]} {what} of round {moment.step}: {_REMEDY}")


def _of(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    return rows.filter(pl.col("kind") == kind)


def _has(rows: pl.DataFrame, agent_R: np.ndarray) -> np.ndarray:
    """(R,) bool, whether an agent has a row."""
    return np.isin(agent_R, rows["agent"].to_numpy())


def _column(rows: pl.DataFrame, agent_R: np.ndarray, name: str, missing: float) -> np.ndarray:
    """(R,) float64 values of the agents' rows."""
    values = dict(zip(rows["agent"].to_list(), rows[name].to_list(), strict=True))
    found = (values.get(agent) for agent in agent_R.tolist())
    return np.array([missing if value is None else value for value in found], dtype=np.float64)


def _texts(rows: pl.DataFrame, agent_R: np.ndarray) -> list[str | None]:
    """R texts of the agents' rows; None without a row."""
    said = {agent: text for agent, text in rows.select("agent", "text").iter_rows() if text is not None}
    return [said.get(agent) for agent in agent_R.tolist()]


def _cells(rows: pl.DataFrame, agent_R: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """(R, S) int64 values at the rows' slots, -1 elsewhere; -2 in the first slot of an agent with more slots."""
    cells_RS = np.full(shape, -1, dtype=np.int64)
    place = np.searchsorted(agent_R, rows["agent"].to_numpy())
    slot, value = rows["slot"].to_numpy(), rows[name].to_numpy()
    inside = slot < shape[1]
    cells_RS[place[inside], slot[inside]] = value[inside]
    cells_RS[place[~inside], 0] = -2
    return cells_RS


def _met(agent_R: np.ndarray, numbers_RS: np.ndarray, rows: pl.DataFrame, name: str) -> np.ndarray:
    """(R, S) bool, whether an agent has a row with this number."""
    known = set(rows.drop_nulls(name).select("agent", name).iter_rows())
    pairs = [
        [(agent, each) in known for each in row]
        for agent, row in zip(agent_R.tolist(), numbers_RS.tolist(), strict=True)
    ]
    return np.array(pairs, dtype=bool).reshape(numbers_RS.shape)


def _by_post(company: Company, commented: pl.DataFrame) -> list[tuple[tuple[int, int], float | None, str | None]]:
    """Row and slot of each comment, its opinion and text."""
    row_of = {agent: row for row, agent in enumerate(company.agent_R.tolist())}
    found = []
    for agent, post, value, text in commented.select("agent", "place", "value", "text").iter_rows():
        row = row_of[agent]
        found.append(((row, company.feed_RS[row].tolist().index(post)), value, text))
    return found


def _entry_of(intervened: pl.DataFrame, questions: Questions) -> int:
    """Place in the schedule of the first entry with this question."""
    kind = "interview" if questions.in_words else "survey"
    for slot, text in intervened.select("slot", "text").iter_rows():
        details = json.loads(text)
        same = details["kind"] == kind and details["question"] == questions.question
        if same and details.get("item", -1) == questions.item:
            return int(slot)
    raise SimulationError(f"the record has no question {questions.question!r} in round {questions.step}: {_REMEDY}")
