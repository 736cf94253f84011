"""Adaptors on the data set objects of the installed libraries, against the recommender itself."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from recgpt.adaptors.fitted import Fitted
from recgpt.errors import DataError

USERS, ITEMS = [f"u{user}" for user in range(12)], [f"i{item:02d}" for item in range(15)]
TEXTS = pd.DataFrame({"item_id": ITEMS, "title": [f"Film {item}" for item in range(15)]})
START = datetime.datetime(2024, 1, 1)


def rows() -> list[tuple[str, str, float, datetime.datetime]]:
    """Six items a user, from the latest to the oldest."""
    return [
        (user, ITEMS[(2 * number + 4 * place) % len(ITEMS)], 4.0, START + datetime.timedelta(days=place))
        for number, user in enumerate(USERS)
        for place in reversed(range(6))
    ]


def expected(user: str, *, without_history: bool) -> list[str]:
    """All items for a user, ranked by item_knn fitted on the same rows."""
    return reference().best(user, without_history)


class Reference:
    def __init__(self) -> None:
        table = pl.DataFrame(rows(), schema=["user", "item", "rating", "time"], orient="row")
        numbered = table.with_columns(
            user=pl.col("user").replace_strict(USERS, range(len(USERS)), return_dtype=pl.Int64),
            item=pl.col("item").replace_strict(ITEMS, range(len(ITEMS)), return_dtype=pl.Int64),
        )
        self.fitted = Fitted.on("item_knn", numbered.select("user", "item", "time"), item_ids=ITEMS)

    def best(self, user: str, without_history: bool) -> list[str]:
        history = self.fitted.histories[USERS.index(user)]
        ids = self.fitted.rank([history], len(ITEMS), without_history=without_history).ids[0]
        return [ITEMS[item] for item in ids if item >= 0]

    def score(self, user: str, item: str) -> float:
        return float(self.fitted.scores(self.fitted.histories[USERS.index(user)])[ITEMS.index(item)])


def reference() -> Reference:
    return Reference()


def test_histories_are_sorted_by_time():
    fitted = reference().fitted
    assert fitted.histories[0] == [0, 4, 8, 12, 1, 5]


def test_items_without_text_are_named():
    events = pl.DataFrame({"user": [0, 0], "item": [0, 1]})
    with pytest.raises(DataError, match="1 items of the data set have no row in items: 'b'; add them"):
        Fitted.on("popularity", events, item_ids=["a", "b"], items=pl.DataFrame({"item_id": ["a"], "title": ["A"]}))
    with pytest.raises(DataError, match="items has no column 'title'"):
        Fitted.on("popularity", events, item_ids=["a", "b"], items=pl.DataFrame({"item_id": ["a"]}))
    with pytest.raises(DataError, match="no interactions"):
        Fitted.on("popularity", events.head(0), item_ids=["a"])


# --- RecTools ---


def rectools_dataset() -> Any:
    dataset = pytest.importorskip("rectools.dataset", reason="rectools is not installed")
    table = pd.DataFrame(rows(), columns=["user_id", "item_id", "weight", "datetime"], dtype=object)
    return dataset.Dataset.construct(table)


@pytest.mark.parametrize("filter_viewed", [True, False])
def test_rectools_recommends_as_the_recommender_does(filter_viewed):
    dataset = rectools_dataset()
    from recgpt.adaptors.rectools import RecGPTModel

    model = RecGPTModel("item_knn", items=TEXTS).fit(dataset)
    found = model.recommend(["u3", "u7"], dataset, k=4, filter_viewed=filter_viewed)
    assert list(found.columns) == ["user_id", "item_id", "score", "rank"]
    assert found["user_id"].tolist() == ["u3"] * 4 + ["u7"] * 4
    ours = reference()
    for user in ("u3", "u7"):
        of_user = found[found["user_id"] == user]
        wanted = [ours.score(user, item) for item in ours.best(user, filter_viewed)[:4]]
        np.testing.assert_allclose(of_user["score"], wanted, rtol=1e-5)
        assert of_user["rank"].tolist() == [1, 2, 3, 4]
    few = model.recommend(["u3"], dataset, k=4, filter_viewed=False, items_to_recommend=["i01", "i02"])
    assert set(few["item_id"]) == {"i01", "i02"}


def test_rectools_cross_validates_it():
    module = pytest.importorskip("rectools.dataset", reason="rectools is not installed")
    table = pd.DataFrame(rows(), columns=["user_id", "item_id", "weight", "datetime"])
    numbered = table.assign(user_id=table["user_id"].str[1:].astype(int), item_id=table["item_id"].str[1:].astype(int))
    dataset = module.Dataset.construct(numbered)
    from rectools.metrics import HitRate
    from rectools.model_selection import LastNSplitter, cross_validate

    from recgpt.adaptors.rectools import RecGPTModel

    found = cross_validate(
        dataset, LastNSplitter(1), {"hit": HitRate(5)}, {"ours": RecGPTModel("popularity")}, k=5, filter_viewed=True
    )
    assert 0 <= found["metrics"][0]["hit"] <= 1


def test_rectools_refuses_another_catalogue():
    dataset = rectools_dataset()
    from recgpt.adaptors.rectools import RecGPTModel

    other = dataset.construct(dataset.get_raw_interactions().head(20))
    model = RecGPTModel("popularity").fit(dataset)
    with pytest.raises(DataError, match="has other items than the one that the model was fitted on"):
        model.recommend(["u0"], other, k=2, filter_viewed=False)


# --- LensKit ---


def test_lenskit_scores_as_the_recommender_does():
    data = pytest.importorskip("lenskit.data", reason="lenskit is not installed")
    from recgpt.adaptors.lenskit import RecGPTScorer

    table = pd.DataFrame(rows(), columns=["user_id", "item_id", "rating", "timestamp"], dtype=object)
    dataset = data.from_interactions_df(table)
    scorer = RecGPTScorer(recommender="item_knn", items=TEXTS)
    scorer.train(dataset)
    scored = scorer("u3", data.ItemList(item_ids=["i00", "i05", "unknown"]))
    ours = reference()
    np.testing.assert_allclose(scored.scores()[:2], [ours.score("u3", "i00"), ours.score("u3", "i05")], rtol=1e-5)
    assert np.isnan(scored.scores()[2])


def test_lenskit_recommends_in_a_pipeline():
    data = pytest.importorskip("lenskit.data", reason="lenskit is not installed")
    from lenskit import recommend
    from lenskit.pipeline import topn_pipeline

    from recgpt.adaptors.lenskit import RecGPTScorer

    table = pd.DataFrame(rows(), columns=["user_id", "item_id", "rating", "timestamp"], dtype=object)
    pipeline = topn_pipeline(RecGPTScorer(recommender="popularity"), n=5)
    pipeline.train(data.from_interactions_df(table))
    found = recommend(pipeline, "u3")
    seen = {item for user, item, *_ in rows() if user == "u3"}
    assert len(found) == 5
    assert not seen & set(found.ids().tolist())


# --- Cornac ---


def test_cornac_ranks_as_the_recommender_does():
    cornac = pytest.importorskip("cornac", reason="cornac is not installed")
    from recgpt.adaptors.cornac import RecGPTModel

    data = [(user, item, rating, int(time.timestamp())) for user, item, rating, time in rows()]
    dataset = cornac.data.Dataset.from_uirt(data, seed=1)
    model = RecGPTModel("item_knn", items=TEXTS).fit(dataset)
    ours = reference()
    for user in ("u3", "u7"):
        scores = model.score(dataset.uid_map[user])
        wanted = [ours.score(user, item) for item in dataset.iid_map]
        known = np.isfinite(wanted)
        np.testing.assert_allclose(scores[known], np.array(wanted)[known], rtol=1e-5)
    best = model.recommend("u3", k=3)
    assert len(best) == 3
    assert set(best) <= set(ITEMS)


def test_cornac_experiments_run_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an experiment writes a log there
    cornac = pytest.importorskip("cornac", reason="cornac is not installed")
    from cornac.eval_methods import RatioSplit

    from recgpt.adaptors.cornac import RecGPTModel

    data = [(user, item, rating) for user, item, rating, _ in rows()]
    split = RatioSplit(data, test_size=0.2, seed=1, rating_threshold=1.0)
    model = RecGPTModel("popularity", name="ours")
    experiment = cornac.Experiment(split, [model], [cornac.metrics.Recall(k=5)], save_dir=None, verbose=False)
    experiment.run()
    assert 0 <= experiment.result[0].metric_avg_results["Recall@5"] <= 1
