"""The feed: what agents are shown, what they may do, what the recommender learns of it, and that the log is all."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.data.dataset import Dataset, Interactions
from recgpt.data.ragged import Ragged
from recgpt.errors import SimulationError
from recgpt.recommenders.item_knn import ItemKNN
from recgpt.recommenders.popularity import Popularity
from recgpt.simulate import rng
from recgpt.simulate.agents.memory import PRESETS, Memory
from recgpt.simulate.worlds.feed import world as feed_module
from recgpt.simulate.worlds.feed.minds.base import Decisions, Interviews, Pages
from recgpt.simulate.worlds.feed.minds.scripted import ScriptedMind
from recgpt.simulate.worlds.feed.world import Feed, FeedRules, FeedState, Setting

ADVERTS = ("none", "all", "pop_high", "pop_low", "unpop_high", "unpop_low")


class Whim:
    """Decides at random, contradicts itself, fails at times, and reads its memories."""

    name = "whim"

    def __init__(self, seed: int = 0, *, fails: float = 0.1, leaves: float = 0.2) -> None:
        self.seed, self.fails, self.leaves = seed, fails, leaves
        self.saw: list[np.ndarray] = []

    def decide(self, pages: Pages, memory: Memory) -> Decisions:
        shape, n = pages.items_AS.shape, pages.items_AS.shape[1]
        drawn = rng.uniform(self.seed, pages.agent_A, step=pages.step, purpose="whim", n=4 * n + 5)
        aligned, watched, rated, felt = np.split(drawn[:, : 4 * n], 4, axis=1)
        found = memory.retrieve(pages.agent_A, np.ones((shape[0], memory.texts.width)), 3, pages.step)
        ids = [[int(number) for number in row if number >= 0] for row in found.ids_Ak]
        self.saw.append(pages.agent_A)
        return Decisions(
            aligned_AS=aligned < 0.7,
            watched_AS=watched < 0.6,
            rating_AS=np.where(rated < 0.8, 1 + np.floor(5 * felt), np.nan),
            feeling_AS=np.where(felt < 0.7, 2 * felt - 1, np.nan),
            satisfied_A=drawn[:, -1] < 0.5,
            exit_A=drawn[:, -2] < self.leaves,
            failed_A=drawn[:, -3] < self.fails,
            feeling_texts=[["fine" if value < 0.3 else None for value in row] for row in felt],
            reasons=["because" if value < 0.5 else None for value in drawn[:, -4]],
            retrieved=[f'{{"ids": {row}}}' if row else None for row in ids],
            thoughts=["all is vain" if value < 0.2 else None for value in drawn[:, -5]],
        )

    def interview(self, pages: Pages, memory: Memory) -> Interviews:
        memory.retrieve(pages.agent_A, np.ones((len(pages), memory.texts.width)), 3, pages.step)
        drawn = rng.uniform(self.seed, pages.agent_A, step=pages.step, purpose="interview")[:, 0]
        return Interviews(np.where(drawn < 0.9, np.floor(1 + 10 * drawn), np.nan).astype(np.float32))


class Watcher(Popularity):
    """A live recommender that keeps what it is told, and when."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def fit(self, dataset: Dataset) -> "Watcher":
        self.told.append(dataset)
        return super().fit(dataset)

    def observe(self, events: Interactions) -> None:
        self.told.append(events)
        super().observe(events)

    def rank(self, histories: Any, k: int, **options: Any) -> Any:
        self.told.append("rank")
        return super().rank(histories, k, **options)


def played(
    setting: Setting, *, recommender: Any = None, mind: Any = None, concurrency: int = 1, **rules: Any
) -> tuple[Feed, list[pl.DataFrame]]:
    """A feed at its end, and the rows of its steps."""
    made = (recommender or Popularity()).fit(setting.known)
    feed = Feed(FeedRules(**rules), setting, made, mind or Whim(), concurrency=concurrency)
    steps = []
    while not feed.over:
        steps.append(feed.play())
        feed.apply(steps[-1])
    return feed, steps


def pairs(rows: pl.DataFrame, kind: str) -> set[tuple[int, int]]:
    return set(rows.filter(pl.col("kind") == kind).select("agent", "item").iter_rows())


def assert_same_state(first: FeedState, second: FeedState) -> None:
    for mine, its in ((vars(first), vars(second)), (vars(first.memory), vars(second.memory))):
        for name, value in mine.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, its[name], err_msg=name)
    assert [*first.memory.texts] == [*second.memory.texts]
    np.testing.assert_array_equal(first.memory.texts.embeddings, second.memory.texts.embeddings)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    pages=st.integers(1, 6),
    page_size=st.integers(1, 7),
    advert=st.sampled_from(ADVERTS),
    truth_first=st.booleans(),
    retrain_every=st.integers(0, 2),
    memory=st.sampled_from(sorted(PRESETS)),
)
def test_rules_of_a_feed_hold_whatever_a_mind_decides(setting: Setting, seed: int, **rules: Any) -> None:
    feed, steps = played(setting, mind=Whim(seed), seed=seed, **rules)
    rows = pl.concat(steps)
    shown = rows.filter(pl.col("kind") == "shown")
    assert not shown.select("agent", "item").is_duplicated().any()
    assert pairs(rows, "watched") <= pairs(rows, "aligned") <= pairs(rows, "shown")
    assert pairs(rows, "rated") | pairs(rows, "felt") <= pairs(rows, "watched")
    histories = feed.setting.population.histories
    assert not any(item in histories[agent] for agent, item in pairs(rows, "shown"))

    gone = rows.filter(pl.col("kind").is_in(["exited", "failed"])).select("agent", left="step")
    assert not gone["agent"].is_duplicated().any()
    assert set(gone["agent"]) == set(range(50)), "all have left at the end"
    later = rows.join(gone, on="agent").filter(pl.col("step") > pl.col("left"))
    assert not len(later), "nothing happens to those who left"
    failed = set(rows.filter(pl.col("kind") == "failed")["agent"])
    assert not failed & set(rows.filter(pl.col("kind") == "interviewed")["agent"])
    assert not feed.state.active_A.any()

    again = FeedState(feed.rules, setting.population, setting.facts)
    for step in steps:
        again.apply(step)
    assert_same_state(feed.state, again)


@pytest.mark.parametrize("memory", ["recgpt", "generative_agents", "recagent"])
def test_playing_a_page_changes_nothing(setting: Setting, memory: str) -> None:
    feed = Feed(FeedRules(memory=memory), setting, Popularity().fit(setting.known), Whim(fails=0, leaves=0))
    for _ in range(3):
        first, again = feed.play(), feed.play()
        assert first.equals(again)
        feed.apply(first)


@pytest.mark.parametrize("concurrency", [8, 64])
def test_the_log_does_not_depend_on_concurrency(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setattr(feed_module, "AGENTS_AT_A_TIME", 3)
    for mind in (Whim(), ScriptedMind(setting.population, setting.facts, seed=0)):
        _, steps = played(setting, mind=mind, recommender=ItemKNN())
        _, others = played(setting, mind=mind, recommender=ItemKNN(), concurrency=concurrency)
        assert pl.concat(steps).equals(pl.concat(others))


def test_the_recommender_is_told_what_was_watched_before_it_ranks_again(setting: Setting) -> None:
    recommender = Watcher()
    feed, steps = played(setting, recommender=recommender, pages=4)
    told = recommender.told[1:]
    assert told[0::2] == ["rank"] * len(steps)
    latest = setting.known.interactions.timestamp.max()
    for number, (rows, events) in enumerate(zip(steps, told[1::2], strict=True), start=1):
        watched = rows.filter(pl.col("kind") == "watched")
        assert watched["agent"].is_sorted()
        np.testing.assert_array_equal(events.item, watched["item"])
        np.testing.assert_array_equal(events.user, feed.live.user_A[watched["agent"].to_numpy()])
        assert set(events.timestamp.tolist()) == {latest + 3600 * number}
        stars = {(a, i): v for a, i, v in rows.filter(pl.col("kind") == "rated")["agent", "item", "value"].iter_rows()}
        expected = [stars.get(key, np.nan) for key in watched.select("agent", "item").iter_rows()]
        np.testing.assert_array_equal(events.rating, np.array(expected, dtype=np.float32))


def test_agents_that_share_a_user_are_distinct_users(setting: Setting) -> None:
    users = Feed(FeedRules(), setting, Popularity().fit(setting.known), Whim()).live.user_A
    assert len(np.unique(users)) == 50
    made_from = setting.population.user_A
    firsts = np.unique(made_from, return_index=True)[1]
    np.testing.assert_array_equal(users[firsts], made_from[firsts])
    assert (np.delete(users, firsts) >= setting.known.n_users).all()


@pytest.mark.parametrize("retrain_every", [1, 2])
def test_retraining_is_on_what_was_known_and_what_was_watched(setting: Setting, retrain_every: int) -> None:
    recommender = Watcher()
    feed, steps = played(
        setting, recommender=recommender, mind=Whim(fails=0, leaves=0), pages=4, retrain_every=retrain_every
    )
    fits = [told for told in recommender.told if isinstance(told, Dataset)][1:]
    assert len(fits) == (4 - 1) // retrain_every, "there is nothing to rank after the last page"
    for number, dataset in enumerate(fits, start=1):
        rows = pl.concat(steps[: number * retrain_every]).filter(pl.col("kind") == "watched")
        assert dataset.n_interactions == setting.known.n_interactions + len(rows)
        for agent in (0, 17, 49):
            user = int(feed.live.user_A[agent])
            known = setting.known.sequences[user].tolist() if user < setting.known.n_users else []
            new = rows.filter(pl.col("agent") == agent)["item"].to_list()
            assert dataset.sequences[user].tolist() == known + new
        assert all((np.diff(times) >= 0).all() for times in Ragged(dataset.interactions.timestamp, dataset.offsets))
        assert np.isfinite(dataset.interactions.rating).sum() > np.isfinite(setting.known.interactions.rating).sum()


def test_a_refit_is_what_observing_comes_to(setting: Setting) -> None:
    """Counting recommenders rank alike whether they appended or began anew."""
    logs = [
        pl.concat(played(setting, recommender=ItemKNN(), retrain_every=retrain_every)[1]) for retrain_every in (0, 1)
    ]
    assert logs[0].equals(logs[1])


def test_held_out_items_come_first(setting: Setting) -> None:
    _, steps = played(setting, mind=Whim(fails=0, leaves=0), pages=3, truth_first=True)
    shown = pl.concat(steps).filter(pl.col("kind") == "shown")
    for agent, true in enumerate(setting.held_out):
        seen = shown.filter(pl.col("agent") == agent)["item"].to_list()
        assert seen[: len(true)] == true.tolist()[: len(seen)]
        assert len(seen) == 12, "then the recommender goes on"


@pytest.mark.parametrize("advert", ADVERTS[1:])
def test_adverts_are_of_their_class_and_new_to_the_agent(setting: Setting, advert: str) -> None:
    _, steps = played(setting, mind=Whim(fails=0, leaves=0), pages=5, advert=advert)
    facts = setting.facts
    rows = pl.concat(steps).filter(pl.col("kind") == "shown")
    adverts = rows.filter(pl.col("value") == 1)
    assert (adverts["slot"] == 0).all()
    assert adverts["item"].n_unique() > 5
    assert len(adverts) >= 240, "but for the few who know them all"
    assert len(rows) == 1000, "pages stay full"
    item_R = adverts["item"].to_numpy()
    if advert != "all":
        popularity, quality = advert.split("_")
        median = np.median(facts.count_N[facts.count_N > 0])
        middle = np.median(facts.mean_rating_N[facts.count_N > 0])
        assert ((facts.count_N[item_R] > median) == (popularity == "pop")).all()
        assert ((facts.mean_rating_N[item_R] > middle) == (quality == "high")).all()


def test_an_advert_takes_the_place_of_the_best_item(setting: Setting) -> None:
    best = Popularity().fit(setting.known).rank(setting.population.histories, 4).ids
    _, steps = played(setting, pages=1, advert="unpop_low")
    shown = steps[0].filter(pl.col("kind") == "shown")["item"].to_numpy().reshape(50, 4)
    for ranked, page in zip(best.tolist(), shown.tolist(), strict=True):
        others = [item for item in ranked[1:] if item != page[0]]
        assert page[1:] == (others if len(others) == 3 else [*others, ranked[0]])


def test_adverts_end_where_the_agent_knows_them_all(setting: Setting) -> None:
    """Two items to advertise: each agent sees each once at most, later pages have none and are full."""
    facts = replace(setting.facts, count_N=np.where(np.arange(len(setting.facts)) < 2, 5, 0).astype(np.float32))
    _, steps = played(replace(setting, facts=facts), mind=Whim(fails=0, leaves=0), pages=4, advert="all")
    rows = pl.concat(steps).filter(pl.col("kind") == "shown")
    adverts = rows.filter(pl.col("value") == 1)
    assert set(adverts["item"]) == {0, 1}
    assert adverts.group_by("agent").len()["len"].max() <= 2
    assert not rows.select("agent", "item").is_duplicated().any()
    assert len(rows) == 50 * 16


def test_nothing_to_advertise_is_an_error(setting: Setting) -> None:
    facts = replace(setting.facts, mean_rating_N=np.full(len(setting.facts), np.nan, dtype=np.float32))
    with pytest.raises(SimulationError, match="no item with known ratings belongs to the class pop_low"):
        played(replace(setting, facts=facts), advert="pop_low")


def test_agents_for_whom_nothing_is_left_leave_and_the_others_go_on(setting: Setting) -> None:
    """A hundred and twenty items, thirty a page: agents have seen them all after four pages, some earlier."""
    mind = Whim(fails=0, leaves=0)
    feed, steps = played(setting, mind=mind, pages=9, page_size=30)
    rows = pl.concat(steps)
    left = rows.filter(pl.col("kind") == "exited")
    assert set(left["text"]) == {"nothing new is left to show"}
    n_pages = rows.filter(pl.col("kind") == "shown").group_by("agent").agg(pages=pl.col("step").n_unique())
    assert left.join(n_pages, on="agent").select((pl.col("value") == pl.col("pages")).all()).item()
    assert len(rows.filter(pl.col("kind") == "interviewed")) == 50
    assert feed.over
    n_shown = rows.filter(pl.col("kind") == "shown").group_by("agent").len()["len"].sum()
    assert n_shown == 50 * 120 - len(setting.population.histories.values)


def test_failed_agents_are_counted_and_leave(setting: Setting) -> None:
    feed, steps = played(setting, mind=Whim(fails=1))
    assert len(steps) == 1 and feed.over
    counts = dict(steps[0]["kind"].value_counts().iter_rows())
    assert counts["failed"] == 50
    assert set(counts) == {"shown", "failed"}


def test_a_mind_is_asked_in_blocks(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "AGENTS_AT_A_TIME", 20)
    mind = Whim()
    played(setting, mind=mind, pages=1)
    assert [len(agents) for agents in mind.saw] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate(mind.saw), np.arange(50))


def test_histories_are_what_was_known_and_then_what_was_watched(setting: Setting) -> None:
    feed, steps = played(setting, mind=Whim(fails=0, leaves=0))
    agents = np.array([7, 3, 44])
    rows = pl.concat(steps).filter(pl.col("kind") == "watched")
    for agent, history in zip(agents.tolist(), feed.state.histories(agents), strict=True):
        known = setting.population.histories[agent].tolist()
        assert history.tolist() == known + rows.filter(pl.col("agent") == agent)["item"].to_list()


def test_what_was_watched_and_what_did_not_fit_is_remembered(setting: Setting) -> None:
    feed, steps = played(setting, mind=Whim(fails=0, leaves=0), pages=1)
    rows = steps[0].filter(pl.col("agent") == 1)
    of_kind = {kind: rows.filter(pl.col("kind") == kind)["item"].to_list() for kind in ("shown", "aligned", "watched")}
    watched = of_kind["watched"]
    kept = [item for item in of_kind["shown"] if item in watched or item not in of_kind["aligned"]]
    entries = [entry for entry in feed.state.memory.describe(1) if entry.kind == "event"]
    assert [entry.item for entry in entries] == kept != watched
    stars = dict(rows.filter(pl.col("kind") == "rated").select("item", "value").iter_rows())
    for entry in entries:
        if entry.item not in watched:
            assert entry.text == f"Film {entry.item} was not for me."
            assert entry.valence == -0.5
            continue
        rated = f" and gave it {stars[entry.item]:.0f} stars" if entry.item in stars else ""
        assert entry.text.startswith(f"I watched Film {entry.item}{rated}.")


def test_pages_are_of_a_few_titles_only(setting: Setting) -> None:
    """A recommender with fewer items than a page: slots stay empty, and nobody can watch them."""

    class Short(Popularity):
        def rank(self, histories: Ragged, k: int, **options: Any) -> Any:
            return super().rank(histories, k, candidates=np.arange(2), **options)

    feed, steps = played(setting, recommender=Short(), mind=Whim(fails=0, leaves=0))
    shown = pl.concat(steps).filter(pl.col("kind") == "shown")
    assert set(shown["item"]) == {0, 1}
    assert feed.over
