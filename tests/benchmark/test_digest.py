"""Tables of a stored suite in a page, and rows that an earlier run lends."""

import copy
import json
from pathlib import Path

import pytest

from recgpt.benchmark.accuracy.digest import tables, with_tables, write_tables
from recgpt.benchmark.accuracy.earlier import read_summary, with_earlier
from recgpt.benchmark.accuracy.page import markdown
from recgpt.benchmark.accuracy.settings import Suite
from recgpt.errors import DataError
from recgpt.evaluate.report import OTHER_SLICES
from recgpt.recommenders import FROM_MODEL

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks" / "results" / "foundation.json"


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads(STORED.read_text())


def test_the_page_of_results_holds_the_tables_of_the_stored_suite(stored):
    page = (ROOT / "docs" / "results.md").read_text()
    assert with_tables(page, stored, "docs/results.md") == page, (
        "run: recgpt benchmark tables benchmarks/results/foundation.json docs/results.md"
    )
    for part in stored["parts"]:
        assert f"**{part['title']}.**" in page


def test_tables_go_between_their_marks(stored, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- tables of foundation: begin -->\nto replace\n<!-- tables of foundation: end -->\nafter\n"
    )
    for _ in range(2):
        write_tables(stored, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "to replace" not in text
    assert tables(stored) in text
    page.write_text("<!-- tables of foundation: begin -->")
    with pytest.raises(DataError, match="lacks the line <!-- tables of foundation: end -->"):
        write_tables(stored, page)
    with pytest.raises(DataError, match=r"none\.md does not exist"):
        write_tables(stored, tmp_path / "none.md")


def recommenders(dataset: dict) -> list[str]:
    return [row["recommender"] for row in dataset["rows"]]


def test_rows_of_an_earlier_run_stand_in_where_the_queries_are_the_same(stored):
    earlier = copy.deepcopy(stored)
    for dataset in earlier["parts"][0]["datasets"]:
        for row in dataset["rows"]:
            row.pop("made", None)  # the stored run has rows of an earlier one itself
    now = copy.deepcopy(earlier)
    part = {**now["parts"][0], "datasets": now["parts"][0]["datasets"][:3]}
    now["parts"] = [part]
    for dataset in part["datasets"]:
        dataset["rows"] = [
            {**row, "supervision": "trained", "slices": dict.fromkeys(OTHER_SLICES)}
            for row in dataset["rows"]
            if row["recommender"] in ("recgpt", "hybrid_knn")
        ]
    first, second, third = part["datasets"]
    second["data_fingerprint"] = {"items_sha256": "other"}
    sasrec = next(row for row in earlier["parts"][0]["datasets"][2]["rows"] if row["recommender"] == "sasrec")
    sasrec["metrics"]["ndcg@10"]["mean"] = 0.5
    found = with_earlier(now, earlier)["parts"][0]
    assert set(recommenders(found["datasets"][0])) - {"recgpt"} == set(
        recommenders(earlier["parts"][0]["datasets"][0])
    ) - set(FROM_MODEL)
    assert recommenders(found["datasets"][1]) == recommenders(second), "other data"
    assert {row.get("made") for row in found["datasets"][0]["rows"]} == {None, earlier["made"]}
    best = found["datasets"][2]["against_best"]
    assert (best["best_baseline"], best["recgpt_minus_best"]) == ("sasrec", None)
    ratio = third["against_best"]["ratios"]["recgpt"] * third["against_best"]["ndcg@10"] / 0.5
    assert best["ratios"]["recgpt"] == pytest.approx(ratio)
    assert found["datasets"][0]["against_best"] == first["against_best"]
    assert f"From the run of {earlier['made']}" in markdown(with_earlier(now, earlier))


def test_recommenders_are_left_out_of_every_part():
    suite = Suite.named("foundation").restricted(without=["sasrec", "recgpt_finetuned"])
    assert not {"sasrec", "recgpt_finetuned"} & {name for part in suite.parts for name in part.config.recommenders}
    with pytest.raises(DataError, match="unknown recommender 'sasrek'"):
        suite.restricted(without=["sasrek"])
    every = [name for part in suite.parts for name in part.config.recommenders]
    with pytest.raises(DataError, match="no recommender left"):
        suite.restricted(without=every)


def test_the_suite_of_the_generative_model_ranks_the_queries_of_the_foundation_suite():
    (part,) = Suite.load(ROOT / "benchmarks" / "generative_zero_shot.yaml").parts
    same = Suite.named("foundation").parts[0].config
    for name in ("datasets", "protocol", "past", "max_users"):
        assert getattr(part.config, name) == getattr(same, name)


def test_a_file_that_is_no_summary_is_refused(stored, tmp_path):
    assert read_summary(STORED) == stored
    other = tmp_path / "other.json"
    for text in ('{"a": 1}', '{"parts": [3], "name": "x", "made": "", "hardware": ""}'):
        other.write_text(text)
        with pytest.raises(DataError, match=r"other.json is no JSON of `recgpt benchmark accuracy`"):
            read_summary(other)
