"""A small society without an engine, and a mind that decides at random: for tests of its social life."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from recgpt.data.ragged import Ragged, offsets_from_lengths
from recgpt.simulate.agents.population import Population
from recgpt.simulate.items import ItemFacts
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.hearing import hearings
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds.base import Answers, Dialogues, Moment, Reactions, Social, SocialActs
from recgpt.simulate.worlds.society.people import People
from recgpt.simulate.worlds.society.profiles import Profiles
from recgpt.simulate.worlds.society.social import SocialState
from recgpt.simulate.worlds.society.state import Setting
from recgpt.simulate.worlds.society.ties import Ties

INTERESTS = ("sci-fi, action", "drama", "comedy, romance")


def population(n_agents, n_items=12, seed=0):
    rng = np.random.default_rng(seed)
    taste = rng.standard_normal((n_agents, 4)).astype(np.float32)
    ones = np.ones(n_agents)
    return Population(
        user_A=np.arange(n_agents),
        activity_A=ones.astype(np.int8),
        diversity_A=ones.astype(np.int8),
        conformity_A=ones.astype(np.int8),
        n_ratings_A=ones,
        n_genres_A=ones,
        rating_deviation_A=ones,
        mean_rating_A=3 * ones,
        histories=Ragged(np.zeros(0, dtype=np.int64), np.zeros(n_agents + 1, dtype=np.int64)),
        ratings=np.zeros(0, dtype=np.float32),
        taste_AE=taste / np.linalg.norm(taste, axis=1, keepdims=True),
        tastes=[()] * n_agents,
        high_rating_tendency=[""] * n_agents,
        low_rating_tendency=[""] * n_agents,
        made_from="made up",
    )


def setting(n_agents=60, n_items=12, mean_friends=6, seed=0, names=None, friends=None):
    """People of few names and a mirrored random graph; some agents have no friend."""
    rng = np.random.default_rng(seed)
    if friends is None:
        n_pairs = n_agents * mean_friends // 2
        one, other = rng.integers(0, max(1, n_agents - 3), (2, n_pairs))
        closeness = rng.random(n_pairs)
        both = np.concatenate([one, other]), np.concatenate([other, one])
        friends = Ties.from_edges(n_agents, *both, np.tile(closeness, 2))
    unit = rng.standard_normal((n_items, 4)).astype(np.float32)
    items = pl.DataFrame({"title": [f"Film {n % 5}" for n in range(n_items)]})
    counts, ratings = np.ones(n_items, np.float32), np.full(n_items, 3, np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    people = People(
        population(n_agents, n_items, seed),
        name=names or [f"Name {a % 7}" for a in range(n_agents)],
        gender=["female"] * n_agents,
        traits=["nice"] * n_agents,
        status=["nurse"] * n_agents,
        interest=[INTERESTS[a % 3] for a in range(n_agents)],
        age_A=np.full(n_agents, 30),
        feature_A=np.full(n_agents, 1, dtype=np.uint8),
        made_from="made up",
    )
    return Setting(None, ItemFacts(items, counts, ratings, unit, None, n_agents), people, friends)


class Viewing:
    """Stand-in for what was watched and heard of."""

    def __init__(self, n_agents, n_items=12, seed=0):
        rng = np.random.default_rng(seed + 1)
        self.watched_AB = rng.integers(-1, n_items, (n_agents, 10))
        self.heard_AB = rng.integers(-1, n_items, (n_agents, 10))

    def histories(self, agents):
        rows = self.watched_AB[agents]
        return Ragged(rows[rows >= 0], offsets_from_lengths((rows >= 0).sum(axis=1)))


class State:
    """Social life and profiles, without clock and recommender."""

    def __init__(self, rules=None, made=None):
        self.rules, self.setting = rules or SocietyRules(), made or setting()
        self.social, self.profiles = SocialState(self.setting), Profiles(self.setting.people)
        self.viewing = Viewing(len(self.setting.people), len(self.setting.facts))
        self.time = 0

    @property
    def people(self):
        return self.profiles.people

    def apply(self, rows):
        of_kind = {kind: part for (kind,), part in rows.partition_by("kind", as_dict=True).items()}
        step = int(rows["step"][0]) if len(rows) else 0
        self.profiles.apply(of_kind, rows, step)
        self.social.apply(of_kind)

    def hear(self, rows):
        return hearings(rows, self)


@dataclass
class RandomMind:
    """Decides by a generator; `act` fixes the social action of all."""

    seed: int = 0
    act: Social | None = None
    failing: set = field(default_factory=set)

    def react(self, company):
        rng, shape = np.random.default_rng((self.seed, company.step)), company.feed_RS.shape
        comments = np.where(rng.random(shape) < 0.3, "well", None).tolist()
        opinion = rng.uniform(-1, 1, shape)
        opinion[[[text is None for text in row] for row in comments]] = np.nan
        draws = rng.random((4, *shape))
        return Reactions(
            draws[0] < 0.4, draws[1] < 0.2, draws[2] < 0.2, draws[3] < 0.1, opinion, self.fails(company), comments
        )

    def fails(self, moment):
        return np.isin(moment.agent_R, list(self.failing))

    def socialise(self, company):
        rng, n = np.random.default_rng((self.seed, company.step, 1)), len(company)
        action = rng.integers(0, 3, n) if self.act is None else np.full(n, self.act)
        action[(company.friends.lengths == 0) & (action == Social.CHAT)] = Social.NOTHING
        friend, item = np.full(n, -1), np.full(n, -1)
        for row in range(n):
            if action[row] == Social.CHAT:
                friend[row] = rng.choice(company.friends[row])
            if len(company.topics[row]) and rng.random() < 0.9:
                item[row] = rng.choice(company.topics[row])
        hours, opinion = rng.choice([0.5, 1, 2], n), rng.uniform(-1, 1, n)
        return SocialActs(action, friend, hours, item, opinion, self.fails(company))

    def talk(self, pairs):
        n = len(pairs)
        row, by_partner = np.repeat(np.arange(n), 2), np.tile([False, True], n)
        item = np.where(by_partner, -1, pairs.item_R[row])
        opinion = np.where(item >= 0, 0.5, np.nan)
        return Dialogues(row, by_partner, item, opinion, np.zeros(n, dtype=bool), [f"line {i}" for i in range(2 * n)])

    def answer(self, questions):
        value = questions.agent_R % (len(questions.options) or 10) + (0 if questions.options else 1)
        return Answers(value.astype(float), ["because"] * len(questions))


def nobody_chats(agents, others):
    return np.zeros(len(agents), dtype=bool)


def frame(step, *pieces):
    return KINDS.assemble(step, list(pieces), time=step * 3600)


def moment(state, step=1, agents=None):
    everybody = np.arange(len(state.people))
    return Moment(step, everybody if agents is None else np.asarray(agents), state)
