"""The scripted mind: only offered things chosen, rows alone as together, and what its numbers say."""

import json
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recgpt.errors import ConfigError, DataError
from recgpt.simulate.minds.options import MindOptions
from recgpt.simulate.worlds.society.config import SocietyRules
from recgpt.simulate.worlds.society.hearing import Hearings
from recgpt.simulate.worlds.society.kinds import KINDS
from recgpt.simulate.worlds.society.minds import make_mind
from recgpt.simulate.worlds.society.minds.base import Action, Choice, Company, Moment, Pages, Pairs, Questions, Social
from recgpt.simulate.worlds.society.minds.parameters import Parameters
from recgpt.simulate.worlds.society.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.society.minds.tastes import genres_named
from recgpt.simulate.worlds.society.people import Feature
from recgpt.simulate.worlds.society.sources import Source
from recgpt.simulate.worlds.society.ties import Ties
from tests.simulate.worlds.society.small_society import State, Viewing, frame, setting

N_AGENTS, N_ITEMS = 60, 40


class FullViewing(Viewing):
    """Stand-in for what was watched, and heard from friends."""

    def __init__(self, n_agents, n_items=N_ITEMS, seed=0):
        super().__init__(n_agents, n_items, seed)
        self.heard_from_AB = np.random.default_rng(seed + 2).integers(-1, n_agents, self.heard_AB.shape)
        self.heard_from_AB[self.heard_AB < 0] = -1

    def watched(self, agents):
        return self.histories(agents)

    def clear(self):
        for name in ("watched_AB", "heard_AB", "heard_from_AB"):
            setattr(self, name, np.full_like(getattr(self, name), -1))
        return self


def society(n_agents=N_AGENTS, n_items=N_ITEMS, features=None, **kwargs):
    made = setting(n_agents, n_items, **kwargs)
    made.people.feature_A[:] = np.random.default_rng(5).integers(1, 32, n_agents) if features is None else features
    state = State(made=made)
    state.viewing = FullViewing(n_agents, n_items)
    return state


def with_posts(state, n=20):
    rng = np.random.default_rng(8)
    author, item = rng.integers(0, len(state.people), n), rng.integers(0, len(state.setting.facts), n)
    state.apply(frame(1, KINDS.piece("posted", author, item=item, value=rng.uniform(-1, 1, n))))
    return state


def mind_of(state, **numbers):
    return ScriptedMind(state.setting, SocietyRules(), seed=3, parameters=changed(**numbers))


def changed(**numbers):
    """Shipped parameters with other values, given as section__name."""
    content = Parameters.load().model_dump()
    for place, value in numbers.items():
        section, name = place.split("__")
        content[section][name] = value
    return Parameters.model_validate(content)


def pages(state, agents=None, step=1, query=None, items=None):
    agents = np.arange(len(state.people)) if agents is None else agents
    rng = np.random.default_rng(4)
    drawn = [rng.choice(len(state.setting.facts), 5, replace=False) for _ in range(len(state.people))]
    items = np.stack(drawn) if items is None else items
    source = np.full((len(agents), items.shape[1]), Source.RECOMMENDER, dtype=np.int8)
    one = np.ones(len(agents), dtype=np.int64)
    return Pages(step, agents, state, items[: len(agents)], source, one, [query] * len(agents), 0 * one)


def company(state, step=1):
    from recgpt.simulate.worlds.society.socialising import closest_first, topics

    agents = np.arange(len(state.people))
    feed = np.random.default_rng(6).integers(-1, max(len(state.social.posts), 1), (len(agents), 5))
    return Company(step, agents, state, closest_first(state.social.friends, agents), topics(state, agents), feed)


def pairs(state, step=1):
    there = company(state, step)
    rows = there.friends.lengths > 0
    some = there.rows(rows)
    partner = some.friends.values[some.friends.offsets[:-1]]
    item = np.array([part[0] if len(part) else -1 for part in some.topics])
    return Pairs(step, some.agent_R, state, partner, item, some.topics, there.topics[partner])


def heard(agent, other, item, opinion):
    n = len(agent)
    none = np.full(n, -1)
    arrays = (np.asarray(each) for each in (agent, other, item))
    source = np.full(n, Source.FRIEND, dtype=np.int8)
    return Hearings(*arrays, source, none, np.asarray(opinion, dtype=np.float32), none)


def same_rows(together, alone, rows):
    for name, value in vars(alone).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(together, name)[rows], value, err_msg=name)


def test_rows_alone_decide_as_rows_together():
    state = with_posts(society())
    mind = mind_of(state)
    moment = Moment(1, np.arange(N_AGENTS), state)
    for decide, asked in (
        (mind.choose, moment),
        (mind.browse, pages(state)),
        (mind.react, company(state)),
        (mind.socialise, company(state)),
    ):
        together = decide(asked)
        for rows in (np.array([7]), np.array([3, 30, 59]), np.arange(20)):
            same_rows(together, decide(asked.rows(rows)), rows)


def test_dialogues_alone_are_those_together():
    state = society()
    mind, asked = mind_of(state), pairs(society())
    together = mind.talk(asked)
    for row in (0, 5):
        alone = mind.talk(asked.rows(np.array([row])))
        lines = together.row_L == row
        for name in ("by_partner_L", "item_L", "opinion_L"):
            np.testing.assert_array_equal(getattr(together, name)[lines], getattr(alone, name))


def test_only_what_is_offered_is_chosen():
    state = society()
    mind, asked = mind_of(state), pages(state)
    seen = set()
    for step in range(1, 30):
        there = company(state, step)
        acts = mind.socialise(there)
        chats = acts.action_R == Social.CHAT
        assert there.friends.contains(acts.friend_R)[chats].all()
        assert (acts.friend_R[~chats] == -1).all()
        assert there.topics.contains(acts.item_R)[acts.item_R >= 0].all()
        browsing = mind.browse(pages(state, step=step))
        watches = browsing.action_R == Action.WATCH
        assert (browsing.slot_R[watches] >= 0).all() and (browsing.slot_R[~watches] == -1).all()
        assert (np.isfinite(browsing.stars_R) == watches).all()
        searches = browsing.action_R == Action.SEARCH
        sought = browsing.search_item_R
        assert (state.viewing.heard_AB[searches] == sought[searches][:, None]).any(axis=1).all()
        seen |= set(browsing.action_R.tolist())
    assert seen == {int(each) for each in Action}
    empty = mind.browse(pages(state, items=np.full((N_AGENTS, 5), -1)))
    assert not (empty.action_R == Action.WATCH).any()
    assert len(asked) == N_AGENTS


def test_each_side_names_only_items_that_it_knows():
    state = society()
    asked = pairs(state)
    said = mind_of(state).talk(asked)
    for row, by_partner, item, opinion in zip(said.row_L, said.by_partner_L, said.item_L, said.opinion_L, strict=True):
        own = asked.partner_topics if by_partner else asked.topics
        assert item == -1 or item in own[row]
        assert np.isnan(opinion) == (item == -1)
    assert set(np.bincount(said.row_L).tolist()) <= {2, 3, 4} and said.by_partner_L[said.item_L >= 0].any()


def test_features_and_activity_shift_the_first_decision():
    def shares(feature):
        state = society(2000, features=int(feature))
        state.viewing.clear()
        choice = mind_of(state).choose(Moment(1, np.arange(2000), state)).choice_R
        return np.bincount(choice, minlength=3) / 2000

    critic = shares(Feature.CRITIC)
    assert shares(Feature.WATCHER)[Choice.RECOMMENDER] > critic[Choice.RECOMMENDER] + 0.05
    assert shares(Feature.CHATTER)[Choice.SOCIAL] > critic[Choice.SOCIAL] + 0.05


def test_better_taste_is_watched_more_often():
    state = society(3000, features=1)
    state.viewing.clear()
    facts, tastes = state.setting.facts, state.setting.people.population.taste_AE
    likeness = tastes @ facts.unit_NE.T
    best = np.argsort(-likeness, axis=1)[:, [0, -1]]
    browsing = mind_of(state).browse(pages(state, items=best))
    watched = np.bincount(browsing.slot_R[browsing.slot_R >= 0], minlength=2)
    assert watched[0] > 1.5 * watched[1]


def tellers(n, closeness, opinion):
    """Agents 0 to n-1 heard of item 0, each from the friend n + number, who has an opinion of it."""
    one, other = np.arange(n), n + np.arange(n)
    both = np.concatenate([one, other]), np.concatenate([other, one])
    state = society(2 * n, features=1, friends=Ties.from_edges(2 * n, *both, np.full(2 * n, closeness)))
    state.viewing.clear()
    state.viewing.heard_AB[:n, -1], state.viewing.heard_from_AB[:n, -1] = 0, other
    state.apply(frame(1, KINDS.piece("opined", other, item=np.zeros(n), value=np.full(n, opinion))))
    return state


def times_watched_and_sought(closeness, opinion, n=2000):
    state = tellers(n, closeness, opinion)
    mind, agents = mind_of(state), np.arange(n)
    watched = mind.browse(pages(state, agents, items=np.tile(np.arange(5), (n, 1)))).slot_R == 0
    sought = mind.browse(pages(state, agents, items=np.tile(np.arange(1, 6), (n, 1)))).search_item_R == 0
    return watched.sum(), sought.sum()


def test_praise_of_close_friends_is_followed():
    praised, far, blamed = (times_watched_and_sought(*case) for case in ((1.0, 1.0), (0.1, 1.0), (1.0, -1.0)))
    for kind in (0, 1):
        assert praised[kind] > 1.2 * far[kind] > 1.2 * blamed[kind]


def test_an_item_heard_of_is_not_searched_for_twice_in_a_session():
    state = tellers(200, 1.0, 1.0)
    asked = pages(state, np.arange(200), items=np.tile(np.arange(1, 6), (200, 1)), query="Film 0")
    assert (mind_of(state, page__search=50.0).browse(asked).search_item_R == -1).all()


def test_critics_give_fewer_stars():
    def mean_stars(feature):
        state = society(2000, features=int(feature))
        return np.nanmean(mind_of(state).browse(pages(state)).stars_R)

    assert mean_stars(Feature.CRITIC) < mean_stars(Feature.WATCHER) - 0.2


def moved(n_tellers=1, closeness=0.8, opinion=0.9, **numbers):
    """Change of the opinion of agent 0 of item 0."""
    n = n_tellers + 1
    friends = Ties.from_edges(n, np.zeros(n - 1), np.arange(1, n), np.full(n - 1, closeness))
    state = society(n, features=1, friends=friends)
    state.viewing.clear()
    state.apply(frame(1, KINDS.piece("opined", np.array([0]), item=[0], value=[0.0])))
    told = heard([0] * n_tellers, np.arange(1, n), [0] * n_tellers, [opinion] * n_tellers)
    changes = mind_of(state, **numbers).opine(Moment(2, np.array([0]), state), told)
    assert len(changes.agent_O) in (0, 1)
    return (float(changes.opinion_O[0]), int(changes.other_O[0])) if len(changes.agent_O) else (0.0, None)


def test_opinions_follow_closeness_and_number_of_tellers():
    one = moved()
    assert 0 < moved(closeness=0.3)[0] < one[0] < moved(n_tellers=3)[0] < 0.9
    assert one[1] == 1 and moved(n_tellers=3)[1] == -1
    assert moved(opinion=-0.9)[0] == pytest.approx(-one[0])


def test_opinions_too_far_off_are_not_listened_to():
    assert moved(opine__confidence=0.5) == (0.0, None)


def test_no_opinion_moves_without_conformity():
    assert moved(n_tellers=5, opine__conformity=0.0) == (0.0, None)


def test_opinions_change_once_for_each_agent_and_item_in_order():
    state = society()
    rng = np.random.default_rng(2)
    told = heard(*rng.integers(0, 30, (3, 200)), rng.uniform(-1, 1, 200))
    changes = mind_of(state).opine(Moment(1, np.unique(told.agent_H), state), told)
    keys = changes.agent_O * N_ITEMS + changes.item_O
    assert len(keys) > 50 and (np.diff(keys) > 0).all()
    assert (np.abs(changes.opinion_O) <= 1).all()


def test_reactions_follow_agreement():
    state = with_posts(society(2000), 500)
    state.viewing.clear()
    there, posts = company(state), state.social.posts
    view = mind_of(state)._view(there)
    stance = view.stance(np.broadcast_to(there.agent_R[:, None], there.feed_RS.shape), posts.item_M[there.feed_RS])
    agreement = stance * posts.opinion_M[there.feed_RS]
    decided = mind_of(state, react__mute=-2.0).react(there)
    is_post = there.feed_RS >= 0
    assert agreement[decided.like_RS].mean() > agreement[is_post].mean() > agreement[decided.mute_RS].mean()
    assert not (decided.like_RS & ~is_post).any() and not (decided.follow_RS & decided.mute_RS).any()


def question(state, **values):
    given = {"question": "How good?", "item": 3, "options": (), "in_words": False, **values}
    return Questions(2, np.arange(len(state.people)), state, **given)


def test_surveys_follow_opinions():
    state = society()
    opinion = np.linspace(-1, 1, N_AGENTS)
    state.apply(frame(1, KINDS.piece("opined", np.arange(N_AGENTS), item=np.full(N_AGENTS, 3), value=opinion)))
    mind = mind_of(state)
    value = mind.answer(question(state)).value_R
    assert value.min() >= 1 and value.max() <= 10 and np.corrcoef(value, opinion)[0, 1] > 0.95
    assert np.isfinite(mind.answer(question(state, item=5)).value_R).all()
    yes = mind.answer(question(state, options=("No", "Yes"))).value_R
    np.testing.assert_array_equal(yes, opinion > 0)
    unclear = mind.answer(question(state, options=("red", "blue"), item=-1))
    assert np.isnan(unclear.value_R).all() and "need a question about an item" in unclear.failures[0]


def test_a_survey_repeated_changes_only_with_the_opinion():
    state = society()
    mind = mind_of(state)
    first, same = mind.answer(question(state)), mind.answer(replace(question(state), step=9))
    np.testing.assert_array_equal(first.value_R, same.value_R)
    other = mind.answer(question(state, question="Would you see it again?"))
    assert (first.value_R != other.value_R).any()
    state.apply(frame(1, KINDS.piece("opined", [0], item=[3], value=[-1.0])))
    later = mind.answer(replace(question(state), step=10))
    assert later.value_R[0] < first.value_R[0]
    np.testing.assert_array_equal(later.value_R[1:], first.value_R[1:])


def test_interviews_are_sentences_of_facts():
    state = society()
    state.viewing.clear()
    state.viewing.watched_AB[0, -1] = 2
    texts = mind_of(state).answer(question(state, in_words=True)).texts
    assert "I last watched Film 2" in texts[0] and "I have watched nothing yet." in texts[1]
    assert "Of Film 3 I think it is" in texts[0]


def test_an_edited_interest_changes_what_is_watched():
    made = setting(400, N_ITEMS)
    kinds = [["Horror"] if n % 2 else ["Musical"] for n in range(N_ITEMS)]
    made.facts.items.insert_column(1, pl.Series("categories", kinds))
    made.facts.unit_NE[:] = np.eye(4, dtype=np.float32)[[n % 2 for n in range(N_ITEMS)]]
    state = State(made=made)
    state.viewing = FullViewing(400, N_ITEMS).clear()

    def horror():
        slots = mind.browse(pages(state, items=np.tile([0, 1], (400, 1)))).slot_R
        return (slots == 1).sum()

    mind = mind_of(state)
    before = horror()
    edits = [json.dumps({"interest": "horror"})] * 400
    state.apply(frame(1, KINDS.piece("edited", np.arange(400), text=edits)))
    assert horror() > 1.3 * before


def test_interests_in_the_published_wording_name_genres():
    found = [genres_named(text) for text in (" horror movies", "romantic movies", "Sci-Fi films", "")]
    assert found == [("horror",), ("romance",), ("sci-fi",), ()]


def test_every_number_has_a_source(tmp_path):
    content = Parameters.load().model_dump()
    assert all(text.startswith(("fitted: ", "chosen: ")) for text in content["sources"].values())
    del content["sources"]["word.trust"]
    (tmp_path / "less.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="numbers and sources differ: word"):
        Parameters.load(tmp_path / "less.json")


def test_decisions_are_fast():
    state = with_posts(society(20_000, 500, mean_friends=10), 1000)
    mind = mind_of(state)
    start = time.perf_counter()
    mind.choose(Moment(1, np.arange(20_000), state))
    mind.browse(pages(state))
    mind.react(company(state))
    mind.socialise(company(state))
    mind.talk(pairs(state))
    assert time.perf_counter() - start < 30


class OwnMind(ScriptedMind):
    """A plug-in."""

    name = "own"


def test_plug_ins_are_made_and_others_refused():
    from recgpt import plugins

    state = society()
    plugins.allow([f"{__name__}:OwnMind", "json:JSONDecoder"])
    options = MindOptions(mind=f"{__name__}:OwnMind")
    assert make_mind(options, state.setting, SocietyRules(), seed=0, run=None).name == "own"
    assert make_mind(MindOptions(), state.setting, SocietyRules(), seed=0, run=None).name == "scripted"
    with pytest.raises(ConfigError, match="has no method choose"):
        make_mind(MindOptions(mind="json:JSONDecoder"), state.setting, SocietyRules(), seed=0, run=None)
