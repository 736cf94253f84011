"""A model that was trained on targets of a split is refused, and every report says what a model was trained on."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from typer.testing import CliRunner

from recgpt.benchmark.accuracy.settings import BenchmarkConfig, Suite
from recgpt.benchmark.accuracy.suite import run_suite
from recgpt.cli.app import app
from recgpt.data.dataset import Dataset
from recgpt.data.fingerprint import save_array
from recgpt.data.process import merge
from recgpt.data.splits import cold_item, global_time, leave_one_out, make_split, published_steam_style, zero_shot
from recgpt.errors import DataError
from recgpt.evaluate.run import evaluate
from recgpt.evaluate.training_past import FLAG, check_targets_unseen, targets_seen, trained_on
from recgpt.foundation.finetune import finetune
from recgpt.foundation.model import FoundationConfig, FoundationModel, shipped
from recgpt.foundation.network import NetworkConfig
from recgpt.models import load_model
from recgpt.recommenders.foundation import RecGPTContext
from recgpt.recommenders.popularity import Popularity

N_ITEMS = 40
ENCODER = {"encoder": "no-such-encoder", "template": "fields", "dim": 8, "requested": "no-such-encoder"}


def write_data(folder: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, 60)
    walks = [(rng.integers(N_ITEMS) + np.cumsum(rng.choice([1, 3, 7], n))) % N_ITEMS for n in lengths]
    events = pl.DataFrame({"user_id": range(60), "item_id": [walk.tolist() for walk in walks]}).explode("item_id")
    events = events.with_row_index("position").with_columns(
        timestamp=pl.Series(rng.integers(1_000_000_000, 1_500_000_000, len(events)))
    )
    items = pl.DataFrame({"item_id": range(N_ITEMS), "title": [f"item {seed} {i}" for i in range(N_ITEMS)]})
    Dataset.from_frames(folder.name, events, items).save(folder)
    dataset = Dataset.load(folder)
    embeddings_NE = rng.standard_normal((N_ITEMS, 8)).astype(np.float16)
    save_array(folder / "embeddings.npy", embeddings_NE, {**ENCODER, "items_sha256": dataset.items_sha256})
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "shop", 0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained foundation model of this encoder."""
    folder = tmp_path_factory.mktemp("base")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FoundationModel(
            FoundationConfig(NetworkConfig(history_items=4, d_model=8, n_heads=2), 30, dict(ENCODER))
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return folder


def tune(shop: Path, base: Path, out: Path, *more: str) -> None:
    command = ["finetune", str(shop), "--model", str(base), "--out", str(out), "--steps", "2", *more]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    assert found.exit_code == 0


@pytest.fixture(scope="module")
def on_all(shop: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "all"
    tune(shop, base, out, "--past", "all")
    return out


@pytest.fixture(scope="module")
def on_past(shop: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "past"
    tune(shop, base, out)
    return out


def split_of(folder: Path, protocol: str, **options):
    repeats = "keep" if protocol == "published_steam_style" else "drop"
    return make_split(Dataset.load(folder, repeats=repeats), protocol, **options)


@pytest.mark.parametrize("protocol", ["leave_one_out", "global_time", "zero_shot", "cold_item", "cold_user"])
def test_a_model_fine_tuned_on_everything_is_refused_by_every_protocol(shop, on_all, protocol):
    with pytest.raises(DataError, match=rf"was trained on \d+ of the \d+ targets of {protocol} on shop \(shop \(all"):
        check_targets_unseen(split_of(shop, protocol), load_model(on_all))


def test_the_default_past_of_fine_tuning_may_be_evaluated(shop, on_past):
    model = load_model(on_past)
    record = model.training_record["trained_on"][0]
    assert (record["protocol"], record["past"], record["seed"]) == ("leave_one_out", "train+valid", 0)
    for split in (split_of(shop, "leave_one_out"), split_of(shop, "zero_shot")):
        check_targets_unseen(split, model)
    for protocol in ("global_time", "cold_item"):
        with pytest.raises(DataError, match=f"targets of {protocol}"):
            check_targets_unseen(split_of(shop, protocol), model)


def test_evaluate_refuses_and_marks_when_allowed(shop, on_all, tmp_path):
    command = ["evaluate", str(shop), "--model", str(on_all), "--json", str(tmp_path / "report.json")]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, DataError)
    assert FLAG in str(refused.exception)
    assert not (tmp_path / "report.json").exists()
    allowed = CliRunner().invoke(app, [*command, FLAG], catch_exceptions=False)
    assert allowed.exit_code == 0
    assert "NOT A TEST: trained on targets of this split" in allowed.stdout
    about = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    facts = about["models"]["recgpt"]
    assert facts["targets"] == "trained on"
    assert facts["path"] == str(on_all)
    assert facts["sha256"] == load_model(on_all).sha256
    assert facts["training_past"][0]["dataset"] == "shop"
    assert about["users"]["evaluated"] + about["users"]["without_query"] == about["users"]["all"]
    assert about["users"]["without_query"] == int((Dataset.load(shop, repeats="drop").sequences.lengths < 3).sum())


def test_the_report_of_an_honest_model_names_it(shop, on_past, tmp_path):
    report = evaluate(
        split_of(shop, "leave_one_out"), [RecGPTContext(load_model(on_past)), Popularity()], progress=False
    )
    facts = report.to_dict()["models"]["recgpt"]
    assert (facts["targets"], facts["targets_trained_on"]) == ("not trained on", 0)
    assert facts["trained_on"] == "shop (leave_one_out, past train+valid, seed 0)"
    assert "no target was trained on" in report.markdown()
    assert "users are evaluated" in report.markdown()
    assert "which needs three items or more" in report.markdown()


def test_the_function_refuses_too(shop, on_all):
    recommender = RecGPTContext(load_model(on_all))
    with pytest.raises(DataError, match="its figures would be no test"):
        evaluate(split_of(shop, "leave_one_out"), [recommender], progress=False)
    report = evaluate(split_of(shop, "leave_one_out"), [recommender], progress=False, allow_trained_on_targets=True)
    assert report.to_dict()["models"]["recgpt"]["targets"] == "trained on"


def test_a_benchmark_refuses(shop, on_all, tmp_path):
    config = BenchmarkConfig(datasets=["shop"], recommenders=["popularity"], model=str(on_all))
    run = {"data": shop.parent, "out": tmp_path, "load_model": load_model}
    with pytest.raises(DataError, match="its figures would be no test"):
        run_suite(Suite.from_config(config), **run)
    allowed = config.model_copy(update={"allow_trained_on_targets": True})
    assert run_suite(Suite.from_config(allowed), **run)[0][0].reports["recgpt"]


def test_a_renamed_copy_is_recognised(shop, on_all, tmp_path):
    shutil.copytree(shop, tmp_path / "innocent")
    (tmp_path / "innocent" / "manifest.json").unlink()
    with pytest.raises(DataError, match="leave_one_out on innocent"):
        check_targets_unseen(split_of(tmp_path / "innocent", "leave_one_out"), load_model(on_all))


def test_one_of_several_merged_is_recognised(shop, base, tmp_path):
    other = write_data(tmp_path / "other", 1)
    merge([other, shop], tmp_path / "both")
    merged = Dataset.load(tmp_path / "both", repeats="drop")
    embeddings_NE = np.concatenate([Dataset.load(each).embeddings() for each in (other, shop)])
    tuned = finetune(load_model(base), merged, embeddings_NE, steps=1)
    for folder in (other, shop):
        with pytest.raises(DataError, match="was trained on"):
            check_targets_unseen(split_of(folder, "leave_one_out"), tuned)
    honest = finetune(load_model(base), leave_one_out(merged).known, embeddings_NE, steps=1)
    for folder in (other, shop):
        check_targets_unseen(split_of(folder, "leave_one_out"), honest)


def test_tuning_twice_keeps_both_pasts(shop, on_all, tmp_path):
    other = write_data(tmp_path / "other", 1)
    tune(other, on_all, tmp_path / "twice")
    model = load_model(tmp_path / "twice")
    assert trained_on(model) == "shop (all interactions); other (leave_one_out, past train+valid, seed 0)"
    check_targets_unseen(split_of(other, "leave_one_out"), model)
    with pytest.raises(DataError, match="was trained on"):
        check_targets_unseen(split_of(shop, "leave_one_out"), model)


def test_repeated_events_of_the_published_protocol(shop, on_all, on_past):
    split = published_steam_style(Dataset.load(shop, repeats="keep"))
    assert targets_seen(split, load_model(on_all).training_record).status == "trained on"
    assert targets_seen(split, load_model(on_past).training_record).status == "not trained on"


def test_records_of_earlier_versions(shop):
    split = split_of(shop, "leave_one_out")
    items = split.dataset.items_sha256
    assert targets_seen(split, {}).status == "unknown"
    assert targets_seen(split, {"data": "x", "catalogues": ["other"]}).status == "unknown"
    tuned = {"domains": ["a"], "catalogues": ["other", items], "fine-tuned on": "shop"}
    assert targets_seen(split, tuned).status == "unknown"
    assert "training past is unknown" in targets_seen(split, tuned).note
    pretrained = {"domains": ["a", "shop"], "catalogues": ["other", items]}
    assert targets_seen(split, pretrained).n_targets == len(split)
    assert targets_seen(split, {"domains": ["a"], "catalogues": ["other"]}).status == "not trained on"


def test_the_shipped_model_was_trained_on_its_own_catalogues_and_not_on_this(shop):
    model = shipped()
    found = targets_seen(split_of(shop, "leave_one_out"), model.training_record)
    assert found.status == "not trained on"
    assert "amazon_books (all interactions); " in trained_on(model)
    assert model.source == "ckpt/recgpt-minilm"


def test_other_interactions_of_the_same_catalogue_are_unknown(shop, tmp_path, on_all):
    dataset = Dataset.load(shop)
    kept = np.ones(dataset.n_interactions, dtype=bool)
    kept[:5] = False
    changed = dataset.select(kept)
    frame = pl.DataFrame({"user_id": changed.interactions.user, "item_id": changed.interactions.item})
    frame = frame.with_row_index("position")
    rebuilt = Dataset.from_frames("rebuilt", frame, dataset.items)
    found = targets_seen(leave_one_out(rebuilt), load_model(on_all).training_record)
    assert found.status == "unknown"
    assert "other interactions of this catalogue" in found.note


@pytest.mark.parametrize("make", [leave_one_out, global_time, cold_item, zero_shot])
def test_every_protocol_says_how_many_users_it_leaves_out(shop, make):
    counts = make(Dataset.load(shop, repeats="drop"), max_users=5).user_counts()
    assert counts["evaluated"] == 5
    assert counts["all"] == 60
    assert counts["without_query"] + counts["not_sampled"] == 55
    assert counts["query_needs"]
