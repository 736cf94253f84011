import io
import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from recgpt.data.dataset import Dataset
from recgpt.data.splits import Split, leave_one_out
from recgpt.errors import DataError
from recgpt.evaluate import evaluate
from recgpt.evaluate.metrics import MISSED, target_ranks
from recgpt.evaluate.protocols import SLICES
from recgpt.evaluate.report import LISTS, MAIN_SLICES, SUPERVISIONS, StoredReport, ranks_column
from recgpt.ranking import Ranking
from recgpt.recommenders import make

N_ITEMS = 30


def dataset_of(sequences: list[list[int]]) -> Dataset:
    users = pl.DataFrame({"user_id": range(len(sequences)), "item_id": sequences})
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {i}" for i in range(N_ITEMS)]})
    return Dataset.from_frames("toy", users.explode("item_id").with_row_index("position"), items)


def random_sequences() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [np.minimum(rng.geometric(0.12, rng.integers(3, 9)) - 1, N_ITEMS - 1).tolist() for _ in range(150)]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(random_sequences())


@pytest.fixture(scope="module")
def split(dataset) -> Split:
    return leave_one_out(dataset, past="train")


def baselines():
    return [make("copy_last"), make("popularity")]


def slow_popularity_ranks(split: Split, exclude_history: bool) -> list[int]:
    """Count, sort, walk down the list: written apart from the evaluator and from Popularity."""
    counts = dict.fromkeys(range(N_ITEMS), 0)
    for sequence in split.past:
        for item in sequence.tolist():
            counts[item] += 1
    ranks = []
    for history, target in zip(split.histories, split.targets.tolist(), strict=True):
        better = sorted(counts, key=lambda i: (-counts[i], i))
        if exclude_history:
            better = [i for i in better if i not in set(history.tolist())]
        ranks.append(better.index(target) + 1 if target in better else 10**9)
    return ranks


def test_figures_equal_a_slow_evaluation(dataset, split):
    report = evaluate(split, baselines(), progress=False)
    repeated = [t in h.tolist() for h, t in zip(split.histories, split.targets.tolist(), strict=True)]
    assert {name: report.n[name] for name in ("all", "explore", "repeat")} == {
        "all": 150,
        "explore": 150 - sum(repeated),
        "repeat": sum(repeated),
    }
    for name, wanted in (("all", None), ("explore", False), ("repeat", True)):
        ranks = slow_popularity_ranks(split, exclude_history=name == "explore")
        ranks = [r for r, is_repeat in zip(ranks, repeated, strict=True) if wanted is None or is_repeat == wanted]
        (result,) = [r for r in report.results if (r.recommender, r.slice) == ("popularity", name)]
        for k in (1, 3, 5, 10):
            hits = [r <= k for r in ranks]
            gains = [1 / math.log2(1 + r) if r <= k else 0 for r in ranks]
            assert result.metrics[f"hit@{k}"] == pytest.approx(sum(hits) / len(ranks), abs=1e-12)
            assert result.metrics[f"ndcg@{k}"] == pytest.approx(sum(gains) / len(ranks), abs=1e-12)
            low, high = result.ci95[f"ndcg@{k}"]
            assert low <= result.metrics[f"ndcg@{k}"] <= high


def test_copy_last_only_ever_repeats(dataset, split):
    report = evaluate(split, [make("copy_last")], progress=False)
    figures = {r.slice: r.metrics["hit@10"] for r in report.results}
    assert figures["explore"] == 0
    assert figures["repeat"] == 1  # no history here is longer than ten items
    assert figures["all"] == pytest.approx(report.n["repeat"] / report.n["all"])


def test_a_recommender_that_knows_the_answers_is_perfect():
    # The first item tells the user; every second target is a repeat.
    sequences = [[u, (u + 3) % N_ITEMS, (u + 5) % N_ITEMS if u % 2 else u] for u in range(N_ITEMS)]

    class Oracle:
        name = "oracle"
        supervision = "trained"

        def fit(self, dataset):
            return self

        def rank(self, histories, k, *, exclude="history", candidates=None):
            answers = [[sequences[history[0]][-1]] + [-1] * (k - 1) for history in histories]
            return Ranking(np.array(answers), np.zeros((len(answers), k), dtype=np.float32))

        def observe(self, events):
            pass

    dataset = dataset_of(sequences)
    report = evaluate(leave_one_out(dataset), [Oracle()], progress=False)
    assert (report.n["all"], report.n["explore"], report.n["repeat"]) == (30, 15, 15)
    for result in report.results:
        if not report.n[result.slice]:
            continue
        assert set(result.metrics.values()) == {1.0}
        assert set(result.ci95.values()) == {(1.0, 1.0)}


def test_json_has_the_stated_form(dataset, split, tmp_path):
    report = evaluate(split, baselines(), progress=False)
    report.save(tmp_path / "out" / "report.json")
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["dataset"] == "toy"
    assert saved["protocol"] == "leave_one_out"
    assert set(saved["n"]) == set(SLICES)
    assert len(saved["results"]) == 2 * len(SLICES)
    assert saved["supervision"] == {"copy_last": "zero-shot", "popularity": "in-context"}
    assert saved["headline"] == "explore"
    assert saved["beyond_accuracy"]["popularity"]["coverage"] > 0
    metrics = {f"{name}@{k}" for name in ("hit", "ndcg", "mrr") for k in (1, 3, 5, 10)}
    for result in saved["results"]:
        assert set(result) == {"recommender", "slice", "ci95"} | metrics
        assert set(result["ci95"]) == metrics
        assert all(each is None or each[0] <= each[1] for each in result["ci95"].values())
    assert saved["split"] == {"seed": 0, "past": "train", "max_users": None}
    assert saved["repeats"] == "keep"
    assert saved["data_fingerprint"]["items_sha256"] == dataset.items_sha256
    assert set(saved["seconds"]) == {"copy_last", "popularity"}


def test_an_empty_slice_has_no_figures_and_is_valid_json(tmp_path):
    dataset = dataset_of(random_sequences()).drop_repeats("drop")
    report = evaluate(leave_one_out(dataset), baselines(), progress=False)
    assert report.n["repeat"] == 0
    report.save(tmp_path / "report.json")
    saved = json.loads((tmp_path / "report.json").read_text())
    (result,) = [r for r in saved["results"] if (r["recommender"], r["slice"]) == ("popularity", "repeat")]
    assert result["hit@10"] is None
    assert result["ci95"]["hit@10"] is None
    assert "repeat (0)" not in report.markdown(), "without repeats, every case is explore"


def test_ranks_are_kept_case_by_case_and_read_back(dataset, split, tmp_path):
    report = evaluate(split, baselines(), progress=False)
    report.save(tmp_path / "report.json")
    stored = StoredReport.load(tmp_path / "report.json")
    assert stored.cases.equals(report.cases)
    for result in report.results:
        ranks = stored.in_slice(result.slice)[ranks_column(result.recommender, SLICES[result.slice].exclude)].to_numpy()
        assert len(ranks) == report.n[result.slice]
        assert (((ranks >= 1) & (ranks <= 10)) | (ranks == MISSED)).all()
        if len(ranks):
            assert stored.values(result.recommender, result.slice, "hit@5").mean() == result.metrics["hit@5"]


def test_a_stored_report_that_is_not_whole_is_refused(split, tmp_path):
    path = tmp_path / "report.json"
    with pytest.raises(DataError, match="there is no report"):
        StoredReport.load(path)
    evaluate(split, baselines(), progress=False).save(path)
    with pytest.raises(DataError, match="has no recommender 'sasrec': it has copy_last, popularity"):
        StoredReport.load(path).values("sasrec", "explore", "hit@10")
    cases = path.with_suffix(".cases.parquet")
    whole = cases.read_bytes()
    cases.write_bytes(whole[:-9])
    with pytest.raises(DataError, match="is damaged or of another run"):
        StoredReport.load(path)
    cases.unlink()
    with pytest.raises(DataError, match="is missing"):
        StoredReport.load(path)


def test_a_planted_leak_is_caught_before_anything_is_ranked(dataset, split):
    planted = replace(split, in_past=np.ones(len(split.in_past), dtype=bool))
    with pytest.raises(DataError, match="leave_one_out on toy leaks"):
        evaluate(planted, baselines(), progress=False)


def test_one_ranking_gives_both_lists(split):
    """The lists without the history equal those a recommender makes when it is told to leave the history out."""
    report = evaluate(split, [make("item_knn")], progress=False)
    fitted = make("item_knn").fit(split.known)
    ids = fitted.rank(split.histories, 10, exclude="history").ids
    np.testing.assert_array_equal(report.cases["item_knn/history"].to_numpy(), target_ranks(ids, split.targets))


def test_batch_size_changes_nothing_and_seed_only_the_intervals(dataset, split):
    report = evaluate(split, baselines(), progress=False)
    assert evaluate(split, baselines(), batch_size=7, progress=False).results == report.results
    reseeded = evaluate(split, baselines(), seed=1, progress=False).results
    assert [r.metrics for r in reseeded] == [r.metrics for r in report.results]
    assert [r.ci95 for r in reseeded] != [r.ci95 for r in report.results]


def test_table_and_markdown_show_the_same_cells(dataset, split):
    report = evaluate(split, baselines(), progress=False)
    console = Console(width=80, file=io.StringIO())
    console.print(report.table())
    table, markdown = console.file.getvalue(), report.markdown()
    assert "past train" in table
    for result in report.results:
        for column in report.columns if result.slice in MAIN_SLICES else []:
            assert result.cell(column) in table
            assert result.cell(column) in markdown
    assert table.index("explore") < table.index("all (") < table.index("repeat (")
    assert table.index("copy_last") < table.index("context") < table.index("popularity")


def test_the_tables_of_a_report_share_one_legend(dataset, split):
    console = Console(width=200, file=io.StringIO())
    console.print(evaluate(split, baselines(), progress=False).table())
    shown = console.file.getvalue()
    for meaning in ("bootstrap 95 % interval", SLICES["tail"].about, SUPERVISIONS["in-context"], LISTS["gini"][1]):
        assert shown.count(meaning) == 1
        assert shown.index(meaning) > shown.index("The lists of")


def test_cut_offs_beyond_the_catalogue_use_all_of_it_and_keep_their_names(split):
    report = evaluate(split, [make("popularity")], ks=(5, 10 * N_ITEMS, 5), progress=False)
    assert report.ks == (5, 10 * N_ITEMS)
    every = report._result("popularity", "all").metrics
    assert every[f"hit@{10 * N_ITEMS}"] == 1.0  # the whole catalogue is listed
    exact = evaluate(split, [make("popularity")], ks=(5, N_ITEMS), progress=False)
    assert every[f"ndcg@{10 * N_ITEMS}"] == exact._result("popularity", "all").metrics[f"ndcg@{N_ITEMS}"]


def test_all_cut_offs_that_were_asked_for_are_in_the_tables(split):
    report = evaluate(split, [make("popularity")], ks=(2, 4, 6, 8), progress=False)
    asked = [f"{name}@{k}" for name in ("hit", "ndcg") for k in (2, 4, 6, 8)]
    shown = report.markdown()
    assert f"|  | {' | '.join(asked)} |" in shown
    means = report._result("popularity", "explore").metrics
    assert " | ".join(f"{means[name]:.4f}".removeprefix("0") for name in asked) in shown
    console = Console(width=200, file=io.StringIO())
    console.print(report.table())
    assert "By cut-off, explore" in console.file.getvalue()


def test_bad_requests_name_what_is_wrong(dataset, split):
    with pytest.raises(DataError, match="no recommender"):
        evaluate(split, [])
    with pytest.raises(DataError, match="share a name in popularity, popularity"):
        evaluate(split, [make("popularity"), make("popularity")])
    with pytest.raises(DataError, match="cut-offs start at 1"):
        evaluate(split, baselines(), ks=(0, 10))
    for ks in ((), 10, (2.5,), ("10",)):
        with pytest.raises(DataError, match="a list of whole numbers is needed"):
            evaluate(split, baselines(), ks=ks)
    short = dataset_of([[0, 1], [2]])
    with pytest.raises(DataError, match="no case"):
        evaluate(leave_one_out(short), baselines())
