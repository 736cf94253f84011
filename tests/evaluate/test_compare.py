"""Two reports, paired case by case."""

import hashlib
import io
import json

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recgpt.data.dataset import Dataset
from recgpt.data.splits import leave_one_out
from recgpt.errors import DataError
from recgpt.evaluate import evaluate
from recgpt.evaluate.compare import compare, comparison_dict, comparison_table, parse_pairs
from recgpt.evaluate.report import StoredReport, cases_path
from recgpt.recommenders import make

N_ITEMS = 20


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    # Item i is followed by i + 1 more often than not: what counts neighbours wins, what counts all does not.
    sequences = []
    for _ in range(300):
        items = [int(rng.integers(N_ITEMS))]
        for _ in range(4):
            items.append((items[-1] + 1) % N_ITEMS if rng.random() < 0.8 else int(rng.integers(N_ITEMS)))
        sequences.append(items)
    events = pl.DataFrame({"user_id": range(300), "item_id": sequences}).explode("item_id").with_row_index("position")
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("cycle", events, items).drop_repeats("drop")


@pytest.fixture(scope="module")
def stored(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")

    def make_report(file: str, names: list[str], **options) -> StoredReport:
        evaluate(leave_one_out(dataset, **options), [make(n) for n in names], progress=False).save(folder / file)
        return StoredReport.load(folder / file)

    return make_report


def test_the_better_recommender_is_found_and_corrected_for_the_company(stored):
    first, second = stored("a.json", ["item_knn", "popularity"]), stored("b.json", ["random", "popularity"])
    compared = compare(first, second, [("item_knn", "popularity"), ("popularity", "random"), ("item_knn", "random")])
    assert [(each.metric, each.a, each.b) for each in compared[:2]] == [
        ("hit@10", "item_knn", "popularity"),
        ("ndcg@10", "item_knn", "popularity"),
    ]
    for each in compared:
        assert each.paired.difference == pytest.approx(each.mean_a - each.mean_b)
        assert each.paired.low <= each.paired.difference <= each.paired.high
        assert each.paired.p_value <= each.p_holm <= 1
    assert compared[1].paired.low > 0.1
    assert compared[1].p_holm < 0.01


def test_by_default_what_both_have_is_compared_and_the_same_is_the_same(stored):
    first, second = stored("a.json", ["item_knn", "popularity"]), stored("b.json", ["random", "popularity"])
    (hit, ndcg) = compare(first, second)
    assert (hit.a, hit.b, ndcg.metric) == ("popularity", "popularity", "ndcg@10")
    assert hit.paired.difference == 0
    assert hit.p_holm == 1


def test_other_data_past_or_cases_cannot_be_paired(stored):
    first = stored("a.json", ["popularity"])
    with pytest.raises(DataError, match=r"cannot be paired: split is .*train\+valid.* and .*'train'"):
        compare(first, stored("train.json", ["popularity"], past="train"))
    with pytest.raises(DataError, match="have no recommender in common"):
        compare(first, stored("b.json", ["random"]))
    with pytest.raises(DataError, match="has no recommender 'sasrec'"):
        compare(first, first, [("sasrec", "popularity")])
    with pytest.raises(DataError, match=r"no slice 'tails'.*explore"):
        compare(first, first, slice_name="tails")
    with pytest.raises(DataError, match="no metric 'ndgc@10'"):
        compare(first, first, metrics=["ndgc@10"])
    with pytest.raises(DataError, match="holds ranks up to 10: choose a smaller number"):
        compare(first, first, metrics=["ndcg@20"])


def test_table_fits_a_terminal_and_json_is_valid(stored):
    first = stored("a.json", ["item_knn", "popularity"])
    compared = compare(first, first, parse_pairs("item_knn:popularity"))
    console = Console(width=80, file=io.StringIO())
    console.print(comparison_table(compared, "cycle"))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "item_knn - popularity" in shown
    saved = json.loads(json.dumps(comparison_dict(compared, first, first), allow_nan=False))
    assert saved["comparisons"][0]["paired"]["n_users"] == len(first.cases)
    assert saved["correction"] == "holm"


def test_pairs_are_read_from_text():
    assert parse_pairs(" recgpt:text_knn, sasrec ") == [("recgpt", "text_knn"), ("sasrec", "sasrec")]
    assert parse_pairs("") is None


def test_stored_report_with_earlier_names_is_read_under_todays(tmp_path):
    about = {
        "protocol": "leave_one_out",
        "ks": [1, 10],
        "knows": {"recgpt_tokens": "text", "popularity": "context", "mf": "trained"},
        "seconds": {"recgpt_tokens": {"fit": 1.0}},
        "beyond_accuracy": {"recgpt_tokens": {}},
        "results": [{"recommender": "recgpt_tokens", "slice": "all"}],
    }
    cases = pl.DataFrame({"user": [0], "recgpt_tokens/history": [3], "recgpt_tokens/nothing": [3]})
    path = tmp_path / "report.json"
    cases.write_parquet(cases_path(path))
    digest = hashlib.sha256(cases_path(path).read_bytes()).hexdigest()
    path.write_text(json.dumps({**about, "cases_sha256": digest}))
    stored = StoredReport.load(path)
    assert stored.about["supervision"] == {
        "recgpt_generative": "zero-shot",
        "popularity": "in-context",
        "mf": "trained",
    }
    assert list(stored.about["seconds"]) == ["recgpt_generative"]
    assert stored.about["results"][0]["recommender"] == "recgpt_generative"
    assert "recgpt_generative/history" in stored.cases.columns
