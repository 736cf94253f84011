"""The service without HTTP: outside ids, users, batches, observed events, explanations, search."""

import numpy as np
import polars as pl
import pytest

from recgpt.errors import DataError
from recgpt.web.serving import create_service
from recgpt.web.serving.event_log import Event
from recgpt.web.serving.service import ExplainRequest, RankRequest

REQUESTS = [
    RankRequest(history=["sku-01", "sku-02"], k=5),
    RankRequest(user="u3", k=40),
    RankRequest(history=["007"], k=1, exclude="nothing"),
    RankRequest(history=[], k=3),
    RankRequest(user="u4", k=7, exclude="nothing"),
    RankRequest(history=["b/7 ü"] * 30, k=1_000),
]


def assert_alike(first, second) -> None:
    """The same items in the same order; scores to the rounding of float32."""
    assert [[each["item_id"] for each in answer] for answer in first] == [
        [each["item_id"] for each in answer] for answer in second
    ]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose([each["score"] for each in one], [each["score"] for each in other], atol=1e-5)


def test_ids_of_the_files_go_in_and_come_out(shop):
    service = shop.service()
    answer = service.rank([RankRequest(history=["sku-01", "007"], k=3)])[0]
    expected = service.catalogue.recommend([["sku-01", "007"]], 3)
    assert [each["item_id"] for each in answer] == expected.item_ids[0]
    assert [each["rank"] for each in answer] == [1, 2, 3]
    titles = dict(zip(shop.items["item_id"], shop.items["title"], strict=True))
    assert [each["title"] for each in answer] == [titles[each["item_id"]] for each in answer]


def test_an_answer_never_depends_on_the_requests_beside_it(shop):
    service = shop.service()
    alone = [service.rank([request])[0] for request in REQUESTS]
    assert_alike(service.rank(REQUESTS), alone)
    assert_alike(service.rank(REQUESTS[::-1])[::-1], alone)
    assert [len(answer) for answer in alone] == [5, 34, 1, 3, 7, 39]


def test_an_error_is_that_of_its_request_alone(shop):
    service = shop.service()
    bad = RankRequest(history=["sku-01", "x", "sku-1", "x"])
    good, error, user = service.rank([REQUESTS[0], bad, RankRequest(user="nobody")])
    assert_alike([good], service.rank([REQUESTS[0]]))
    assert str(error) == (
        "history: 'x', 'sku-1' not among the 40 items of the catalogue, whose ids are such as 'sku-00': check the ids"
    )
    assert "'nobody' not among the 30 users" in str(user)


def test_a_user_is_ranked_for_by_the_past_and_by_what_was_observed(shop):
    service = shop.service()
    walk = shop.past.filter(pl.col("user_id") == "u7")["item_id"].to_list()
    assert_alike(service.rank([RankRequest(user="u7")]), service.rank([RankRequest(history=walk)]))
    assert service.observe([[Event("u7", "007"), Event("new", "sku-09"), Event("u7", "sku-30")]]) == [3]
    assert_alike(
        service.rank([RankRequest(user="u7"), RankRequest(user="new")]),
        service.rank([RankRequest(history=[*walk, "007", "sku-30"]), RankRequest(history=["sku-09"])]),
    )
    assert service.about()["users"] == 31


def test_observed_events_rank_as_an_index_that_is_built_again(shop, tmp_path):
    service = shop.service()
    rng = np.random.default_rng(0)
    ids = shop.items["item_id"].to_list()
    for call in range(20):
        users, items = rng.integers(0, 35, 4), rng.integers(0, 40, 4)
        times = [None if call % 2 else 1_600_100_000 + 60 * call] * 4
        events = [Event(f"u{u}", ids[i], t) for u, i, t in zip(users, items, times, strict=True)]
        assert service.observe([events]) == [4]
        service.rank(REQUESTS[:1])
    service.catalogue.save(tmp_path)
    again = shop.model.open_index(tmp_path, shop.embeddings_NE)  # counts all interactions anew
    ranked = again.recommend([["sku-01", "sku-02"]], 5)
    answer = service.rank(REQUESTS[:1])[0]
    assert [each["item_id"] for each in answer] == ranked.item_ids[0]
    np.testing.assert_allclose([each["score"] for each in answer], ranked.scores[0], atol=1e-5)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([Event("u1", "sku-01"), Event("u1", "x"), Event("u1", 7)], "events: 'x', 7 not among the 40 items"),
        ([Event("u1", "sku-01"), Event(4, "sku-01")], "user id 4 is of another type than 'u0'"),
    ],
)
def test_a_call_with_a_wrong_event_changes_nothing(shop, events, message):
    service = shop.service()
    before = service.rank(REQUESTS), service.about()
    good = [Event("u1", "sku-20")]
    refused, taken = service.observe([events, good])
    assert message in str(refused)
    assert taken == 1
    only_good = shop.service()
    only_good.observe([good])
    assert_alike(service.rank(REQUESTS), only_good.rank(REQUESTS))
    assert service.about()["observed"] == 1 + before[1]["observed"]


def test_without_interactions_an_empty_history_is_an_error_of_one_line(shop):
    service = create_service(shop.items, model=shop.model, embeddings=shop.embeddings_NE)
    error, answer = service.rank([RankRequest(history=[]), RankRequest(history=["007"])])
    assert "the history is empty and there are no interactions" in str(error)
    assert len(answer) == 10
    with pytest.raises(DataError, match="0 users"):
        raise service.rank([RankRequest(user="u1")])[0]


def test_an_explanation_names_items_by_their_ids(shop):
    service = shop.service()
    found, unknown = service.explain(
        [ExplainRequest("007", history=["sku-01", "sku-02"]), ExplainRequest("x", user="u1")]
    )
    assert (found["kind"], found["item_id"], found["title"]) == ("foundation", "007", "Film 37")
    assert [each["item_id"] for each in found["history"]] == ["sku-01", "sku-02"]
    assert "item: 'x' not among" in str(unknown)
    ranked = {each["item_id"]: each for each in service.rank([RankRequest(history=["sku-01", "sku-02"], k=40)])[0]}
    assert found["score"] == pytest.approx(ranked["007"]["score"], abs=1e-5)
    assert found["rank"] == ranked["007"]["rank"]


def test_search_finds_all_words_and_prefers_beginnings(shop):
    service = shop.service()
    assert [each["title"] for each in service.search("heat", 2)] == ["Heat (1995)", "The Heat (2013)"]
    assert [each["title"] for each in service.search("  1995 HEAT", 9)] == ["Heat (1995)"]
    assert len(service.search("", 7)) == 7
    assert service.search("nothing like it", 7) == []


def test_a_model_that_reads_no_interactions_is_served_with_the_histories_of_users(shop, monkeypatch):
    monkeypatch.setattr(type(shop.model), "reads_interactions", False)
    service, without = shop.service(), create_service(shop.items, model=shop.model, embeddings=shop.embeddings_NE)
    walk = shop.past.filter(pl.col("user_id") == "u3")["item_id"].to_list()
    assert_alike(service.rank([RankRequest(user="u3")]), without.rank([RankRequest(history=walk)]))
