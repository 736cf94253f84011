"""One step of an agent beside the published program's: messages, activity, items shown, decisions.

Where ours differs it is meant: the page after a search is the message of its results, a watched item is rated, and
readers of a post and agents that still watch have no message of their own, because that follows from other events.
"""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pytest

from recgpt.recommenders.popularity import Popularity
from recgpt.simulate.worlds.society.activity import Busy
from recgpt.simulate.worlds.society.config import SocietyConfig, SocietyRules
from recgpt.simulate.worlds.society.inputs import load_setting
from recgpt.simulate.worlds.society.messages import messages
from recgpt.simulate.worlds.society.minds.base import (
    Action,
    Browsing,
    Choice,
    Choices,
    Dialogues,
    Opinions,
    Social,
    SocialActs,
)
from recgpt.simulate.worlds.society.ties import Ties
from recgpt.simulate.worlds.society.world import Society

WATCH, NEXT, SEARCH, LEAVE = ((Choice.RECOMMENDER, action) for action in (
    Action.WATCH, Action.NEXT, Action.SEARCH, Action.LEAVE
))  # fmt: skip
CHAT, POST = (Choice.SOCIAL, Social.CHAT), (Choice.SOCIAL, Social.POST)
NOTHING = (Choice.NOTHING, None)
STEPS = {
    "nothing": [{0: NOTHING}],
    "watch the second": [{0: WATCH}],
    "leave at once": [{0: LEAVE}],
    "next for ever: 5 actions": [{0: NEXT}],
    "search for ever (index of own titles)": [{0: SEARCH}],
    "post, one friend": [{0: POST}],
    "chat with a friend": [{0: CHAT}],
    "social without friends": [{2: CHAT}],
    "chat with one who watches": [{1: WATCH}, {0: CHAT}],
    "chat again with the same partner": [{0: CHAT}, {0: CHAT}],
    "watch while chatting: leaves": [{0: CHAT}, {0: WATCH}],
    "already watching": [{0: WATCH}, {0: NOTHING}],
}
"""What agents want in the steps of each case, of which the last one is compared."""
N_SEARCHES = 5
DECISIONS = {
    "nothing": 1,
    "watch the second": 2,
    "leave at once": 2,
    "next for ever: 5 actions": 6,
    "search for ever (index of own titles)": 6,
    "post, one friend": 2,
    "chat with a friend": 3,  # the dialogue is the third
    "social without friends": 1,
    "chat with one who watches": 2,
    "chat again with the same partner": 2,
    "watch while chatting: leaves": 2,
    "already watching": 0,
}


@dataclass
class Planned:
    """Mind that does what a plan says, in every action; `hours` is the length of chats."""

    titles: list
    hours: float = 1.0
    plan: dict = field(default_factory=dict)
    decided: list = field(default_factory=list)

    def wishes(self, moment):
        self.decided += [agent for agent in moment.agent_R.tolist() if agent in self.plan]
        return [self.plan.get(agent, NOTHING) for agent in moment.agent_R.tolist()]

    def choose(self, moment):
        choice = np.array([choice for choice, _ in self.wishes(moment)], dtype=np.int8)
        return Choices(choice, np.zeros(len(moment), dtype=bool))

    def browse(self, pages):
        action = np.array([what for _, what in self.wishes(pages)], dtype=np.int8)
        watches = action == Action.WATCH
        stars = np.where(watches, 4.0, np.nan)
        none = np.full(len(pages), -1)
        queries = [self.titles[0]] * len(pages)
        failed = np.zeros(len(pages), dtype=bool)
        return Browsing(action, np.where(watches, 1, -1), stars, stars / 8, none, failed, queries)

    def socialise(self, company):
        action = np.array([what for _, what in self.wishes(company)], dtype=np.int8)
        n = len(company)
        friend = np.where(action == Social.CHAT, [each[0] for each in company.friends], -1)
        hours, failed = np.full(n, self.hours), np.zeros(n, dtype=bool)
        return SocialActs(action, friend, hours, np.zeros(n, dtype=np.int64), np.ones(n), failed)

    def talk(self, pairs):
        self.wishes(pairs)
        row = np.repeat(np.arange(len(pairs)), 2)
        by_partner, item = np.tile([False, True], len(pairs)), np.zeros(2 * len(pairs), dtype=np.int64)
        return Dialogues(row, by_partner, item, item + 0.5, np.zeros(len(pairs), dtype=bool))

    def opine(self, moment, heard):
        none = np.empty(0, dtype=np.int64)
        return Opinions(none, none, none, np.empty(0, dtype=np.float32))


@pytest.fixture(scope="module")
def five():
    """Five people, of whom 0 and 1 are friends."""
    setting = load_setting(SocietyConfig(agents=5, people="drawn"))
    return replace(setting, friends=Ties.from_edges(5, np.array([0, 1]), np.array([1, 0])))


def stepped(five, case):
    """Society after a case, the events of its last step, and the agents that decided in it."""
    mind = Planned(five.facts.items["title"].to_list(), hours=1.0 if len(STEPS[case]) == 1 else 2.0)
    rules = SocietyRules(interval="1m", rounds=2, feed_size=0)
    society = Society(rules, five, Popularity().fit(five.known), mind)
    for plan in STEPS[case]:
        mind.plan, mind.decided = plan, []
        rows = society.play()
        society.apply(rows)
    return society, rows.filter((pl.col("kind") != "rested") | pl.col("agent").is_in(list(plan))), mind.decided


@pytest.mark.parametrize("case", STEPS)
def test_a_step_beside_the_published_one(five, shared, case):
    golden = json.loads((shared / "fixtures/recagent/golden.json").read_text(encoding="utf-8"))["sessions"]["cases"]
    expected = next(each for each in golden if each["case"] == case)
    society, rows, decided = stepped(five, case)
    agent = next(iter(STEPS[case][-1]))
    said = [[each["agent_id"], each["action"]] for each in messages(rows.filter(pl.col("kind") != "rated"), five)]
    assert said == as_ours(case, expected["messages"])
    activity, kind = society.state.activity, expected["event"]["kind"]
    assert activity.kind_A[agent] == Busy[kind.upper()]
    hours = (activity.until_A[agent] - activity.since_A[agent]) / 3600
    assert hours == (0.1 if kind == "posting" else expected["event"]["hours"]), "published posts last 0 hours"
    assert bool(activity.partners(agent)) == bool(expected["event"]["partners"])
    assert (rows["kind"] == "shown").sum() == expected["shown"]
    assert (rows["kind"] == "watched").sum() == expected["positives"]
    assert len(decided) == DECISIONS[case] <= expected["llm_calls"]


def as_ours(case, published):
    """Published messages, less those that follow from other events here."""
    if case.startswith("search"):
        return published[: len(published) - N_SEARCHES]  # all are of one action
    if case.startswith("post"):
        return [each for each in published if each != [1, "POST"]]
    return [] if case == "already watching" else published
