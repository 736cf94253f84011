"""Experiments in which agents browse: planted worlds whose answers are known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from recgpt.data.ragged import Ragged
from recgpt.errors import DataError, SimulationError
from recgpt.ranking import Ranking
from recgpt.simulate.experiments import Lab, ab, ablate, adverts, filter_bubble, page_enhancement
from recgpt.simulate.experiments.page_enhancement import grown

N_GENRES = 4


class ByGenre:
    """Ranks by the genre of what was taken; subclasses say which items come first."""

    name, supervision = "by genre", "in-context"

    def __init__(self) -> None:
        self.n_fits = 0

    def fit(self, dataset):
        self.n_fits += 1
        self.n_items = dataset.n_items
        return self

    def observe(self, events) -> None:
        pass

    def rank(self, histories, k, *, exclude="history", candidates=None):
        ids = np.full((len(histories), k), -1, dtype=np.int64)
        for row, history in enumerate(histories):
            free = np.setdiff1d(np.arange(self.n_items), history)
            ordered = self.order(np.asarray(history), free)[:k]
            ids[row, : len(ordered)] = ordered
        return Ranking(ids, np.where(ids < 0, -np.inf, 0).astype(np.float32))


class Narrowing(ByGenre):
    """With each fit two more items of the favourite genre in every eight."""

    def order(self, history, free):
        favourite = np.bincount(history % N_GENRES).argmax()
        own, other = free[free % N_GENRES == favourite], free[free % N_GENRES != favourite]
        n_own = min(2 * self.n_fits, 8)
        parts = []
        for block in range(len(free) // 8 + 1):
            parts += [own[block * n_own : (block + 1) * n_own], other[block * (8 - n_own) : (block + 1) * (8 - n_own)]]
        return np.concatenate(parts)


class Alternating(ByGenre):
    """Items of the genre of the latest one by turns with others."""

    def order(self, history, free):
        is_own = free % N_GENRES == history[-1] % N_GENRES
        n = min(is_own.sum(), (~is_own).sum())
        return np.stack([free[is_own][:n], free[~is_own][:n]], axis=1).ravel()


# --- filter bubble ---


def test_a_recommender_that_narrows_makes_a_bubble(lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(loyalty=5, narrowing=Narrowing)
    settings = filter_bubble.FilterBubbleSettings(recommender="narrowing", rounds=4, pages=2, page_size=4, watched=1)
    result = filter_bubble.run(lab, settings)
    change = {(row["arm"], row["of what was"], row["measure"]): row for row in result.rows}
    top = change["learning", "shown", "share of the top genre"]
    assert (top["change a round"].sign, top["more than frozen"].sign, top["more than at random"].sign) == (1, 1, 1)
    assert top["last round"].mean == 1
    assert change["learning", "shown", "genres"]["change a round"].sign == -1
    assert change["learning", "shown", "entropy in bits"]["more than frozen"].sign == -1
    frozen = change["frozen", "shown", "share of the top genre"]["change a round"]
    assert abs(frozen.mean) < top["change a round"].mean / 4
    assert "share of the top genre, of what was shown" in result.findings[0]
    assert "learning narrows it" in result.findings[0]


def test_variety_of_known_items(lab_of: Callable[..., Lab]) -> None:
    categories_NC = lab_of(loyalty=1).setting.facts.categories_NC
    found = filter_bubble.variety(np.array([[0, 4, 8, -1], [0, 1, 2, 3], [-1, -1, -1, -1]]), categories_NC)
    np.testing.assert_allclose(found["share of the top genre"], [1, 0.25, np.nan])
    np.testing.assert_allclose(found["genres"], [1, 4, np.nan])
    np.testing.assert_allclose(found["entropy in bits"], [0, 2, np.nan])


def test_a_bubble_needs_categories(loyal: Lab) -> None:
    bare = replace(loyal, setting=replace(loyal.setting, facts=replace(loyal.setting.facts, categories_NC=None)))
    with pytest.raises(SimulationError, match="made-up has no categories"):
        filter_bubble.run(bare, filter_bubble.FilterBubbleSettings())


# --- page enhancement ---


def test_added_items_count_as_far_as_they_are_like_what_is_taken_later(loyal: Lab) -> None:
    """The recommender serves the genre of the latest item, so that the genre of one added item decides."""
    setting, nothing = loyal.setting, Ragged.from_lists([[]] * len(loyal.setting.population))
    mostly = [int(np.bincount(history % N_GENRES).argmax()) for history in setting.population.histories]

    def ndcg(shift: int) -> float:
        """With the least popular unknown item of the genre `shift` after the favourite one added."""
        added = [
            next(
                item for item in range(len(setting.facts) - 1, 0, -1) if item % N_GENRES == genre and item not in known
            )
            for genre, known in zip(
                [(genre + shift) % N_GENRES for genre in mostly],
                [set(history.tolist()) for history in setting.population.histories],
                strict=True,
            )
        ]
        extra = Ragged.from_lists([[item] for item in added])
        return float(np.nanmean(page_enhancement._measured(loyal, Alternating(), extra, nothing)["ndcg@10"]))

    assert ndcg(0) > 2 * max(ndcg(1), ndcg(2), ndcg(3))


def test_no_arm_ranks_what_any_arm_touched(loyal: Lab) -> None:
    """All that is held out is touched, so that there is nothing to find."""
    nothing = Ragged.from_lists([[]] * len(loyal.setting.population))
    found = page_enhancement._measured(loyal, loyal.make("item_knn"), nothing, loyal.setting.held_out)
    assert np.isnan(found["ndcg@10"]).all()
    one = Ragged.from_lists([items[:1] for items in loyal.setting.held_out])
    left = page_enhancement._measured(loyal, loyal.make("item_knn"), nothing, one)
    assert np.isfinite(left["ndcg@10"]).all()


def test_page_enhancement_compares_arms_with_as_many_items(lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(loyalty=20, preference={"category": 3.0}, last=Alternating)
    settings = page_enhancement.PageEnhancementSettings(recommenders=("last", "item_knn"))
    result = page_enhancement.run(lab, settings)
    assert [row["added"] for row in result.rows] == ["before", *page_enhancement.ARMS] * 2
    assert all(row["change of ndcg@10"] is not None for row in result.rows if row["added"] != "before")
    assert result.details["added"]["last"]["items added in each arm"] > 0
    assert result.to_dict() == page_enhancement.run(lab, settings).to_dict()


def played_to(played, agent: int) -> list[int]:
    state = played.feed.state
    return state.shown_AP[agent, : state.n_shown_A[agent]].tolist()


def test_arms_add_as_many_items_each(loyal: Lab) -> None:
    settings = page_enhancement.PageEnhancementSettings(recommenders=("item_knn",))
    played = loyal.play(settings.rules(), loyal.fitted("item_knn"), loyal.mind())
    additions, touched = page_enhancement._additions(loyal, played, seed=0)
    state = played.feed.state
    assert additions["viewed"].lengths.sum() > 0
    for agent in range(len(loyal.setting.population)):
        viewed, unviewed, drawn = (set(additions[arm][agent].tolist()) for arm in page_enhancement.ARMS[:3])
        real = additions["real"][agent].tolist()
        later = [item for item in loyal.setting.held_out[agent].tolist() if item not in set(played_to(played, agent))]
        assert real == later[: len(viewed)]
        assert len(viewed) == len(unviewed) == len(drawn)
        shown = set(played_to(played, agent))
        watched = set(state.watched_AP[agent, : state.n_watched_A[agent]].tolist())
        assert viewed <= watched
        assert unviewed <= shown - watched
        assert not drawn & (shown | set(loyal.setting.population.histories[agent].tolist()))
        assert not drawn & set(loyal.setting.held_out[agent].tolist())
        assert set(touched[agent].tolist()) == shown | drawn | set(real)
        assert not len(loyal.setting.held_out[agent]) or set(later) - set(real)


def test_a_grown_data_set_ends_each_sequence_with_the_new_items(loyal: Lab) -> None:
    known = loyal.setting.known
    longer = grown(known, np.array([3, 0]), Ragged.from_lists([[7, 8], [9]]))
    for user in range(known.n_users):
        new = {3: [7, 8], 0: [9]}.get(user, [])
        assert longer.sequences[user].tolist() == [*known.sequences[user].tolist(), *new]
    assert np.isnan(longer.interactions.rating[longer.offsets[1] - 1])


# --- adverts, A/B, ablation ---


def test_adverts_get_what_they_deserve_and_their_text_nothing(lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(loyalty=1, preference={"popularity": 3.0})
    result = adverts.run(lab, adverts.AdvertsSettings(recommender="popularity", pages=3))
    rows = {(row["advert"], row["text"]): row for row in result.rows}
    assert len(rows) == 9
    assert rows["pop_high", "no"]["first slot fits"].low > rows["unpop_low", "no"]["first slot fits"].high
    assert rows["unpop_low", "no"]["fits, to no advert"].sign == -1
    for kind in adverts.TYPES:
        assert (rows[kind, "yes"]["fits, to no text"].low, rows[kind, "yes"]["fits, to no text"].high) == (0, 0)


def test_agents_with_taste_prefer_the_recommender_that_serves_it(lab_of: Callable[..., Lab]) -> None:
    lab = lab_of(loyalty=20, preference={"category": 3.0})
    result = ab.run(lab, ab.ABSettings(recommenders=("random", "popularity", "item_knn")))
    rows = {row["recommender"]: row for row in result.rows}
    assert rows["item_knn"]["p_view"].low > rows["random"]["p_view"].high
    assert rows["item_knn"]["ndcg@10"].mean > rows["random"]["ndcg@10"].mean
    assert set(result.details["spearman"]) == {"s_sat", "p_view", "p_like"}


def test_ab_names_errors(loyal: Lab) -> None:
    with pytest.raises(SimulationError, match="name each once"):
        ab.run(loyal, ab.ABSettings(recommenders=("random", "random", "item_knn")))
    with pytest.raises(DataError, match="unknown recommender 'x': choose among"):
        ab.run(loyal, ab.ABSettings(recommenders=("x", "random", "item_knn")))


def test_rank_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        left, right = rng.integers(0, 4, 6), rng.integers(0, 4, 6)
        if len(set(left)) > 1 and len(set(right)) > 1:
            assert ab.spearman(left, right) == pytest.approx(spearmanr(left, right).statistic)
    assert np.isnan(ab.spearman(np.ones(3), np.arange(3)))


def test_personas_matter_where_there_is_taste(loyal: Lab) -> None:
    result = ablate.run(loyal, ablate.AblateSettings(candidates=12, recommender="item_knn"))
    rows = {row["agents"]: row for row in result.rows}
    for arm in ("shuffled", "no taste", "random"):
        assert rows[arm]["accuracy, as popular to full"].sign == -1
        assert rows[arm]["p_view to full"].sign == -1
    assert rows["no memory"]["accuracy, as popular to full"].mean == 0
    assert result.to_dict() == ablate.run(loyal, ablate.AblateSettings(candidates=12, recommender="item_knn")).to_dict()


def test_an_exchanged_population_is_the_others_whole_persona(loyal: Lab) -> None:
    population = loyal.setting.population
    order = np.random.default_rng(1).permutation(len(population))
    other = population.rows(order)
    for agent in (0, 7):
        expected = population.profile(int(order[agent])).model_dump(exclude={"agent"})
        assert other.profile(agent).model_dump(exclude={"agent"}) == expected
        np.testing.assert_array_equal(other.histories[agent], population.histories[order[agent]])
    back = other.rows(np.argsort(order))
    np.testing.assert_array_equal(back.ratings, population.ratings)
