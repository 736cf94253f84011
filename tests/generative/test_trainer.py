"""Training of the token model: it learns what can be learned, and selects, stops, refuses and draws as configured."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.errors import DataError
from recgpt.generative import trainer as trainer_module
from recgpt.generative.loss import IGNORE
from recgpt.generative.model import GenerativeModel
from recgpt.generative.trainer import batch_tensors, mean_loss
from recgpt.training.curves import training_curve
from recgpt.training.loop import learning_rate
from tests.generative.walks import (
    DATA,
    HELD_OUT,
    MAX_ITEMS,
    V,
    config,
    entropy_a_code,
    losses,
    model,
    shuffled,
    table,
    walks,
)


def test_it_learns_an_order_and_learns_none_where_there_is_none(trainer, tmp_path):
    chance = entropy_a_code()
    learned = trainer(epochs=6, evaluations_per_epoch=0.2).run()
    assert losses(learned)[0] > chance
    assert losses(learned)[-1] < 0.1 * chance
    assert learned.evaluations[-1]["loss"] < 0.1 * chance
    no_order = {"data": table(shuffled(DATA.sequences)), "valid": [table(shuffled(HELD_OUT.sequences))]}
    control = trainer(epochs=6, evaluations_per_epoch=0.2, out=tmp_path / "control", **no_order).run()
    assert control.evaluations[-1]["loss"] > 0.9 * chance


def test_what_it_learned_ranks_the_next_item_first(trainer, tmp_path):
    trainer(epochs=6, evaluations_per_epoch=0.2).run()
    trained = GenerativeModel.from_pretrained(tmp_path / "run" / "best")
    rows = PackedDataset(HELD_OUT.sequences, row_items=MAX_ITEMS)
    assert mean_loss(trained, HELD_OUT, rows, 8) < 0.1 * entropy_a_code()
    batch = batch_tensors(HELD_OUT, rows, np.arange(len(rows)), V)
    labels_BSK = batch.pop("labels_BSK")
    with torch.no_grad():
        guesses_BSK = trained.slot_logits(trained(**batch).hidden_BSKD).argmax(-1)
    told = labels_BSK != IGNORE
    assert (guesses_BSK[told] == labels_BSK[told]).float().mean() > 0.95


def test_the_learning_rate_that_is_used_is_the_schedules(trainer):
    run = trainer(log_every=1)
    done = run.run()
    assert [point["lr"] for point in done.curve] == [
        learning_rate(
            step, run.total_steps, peak=run.config.lr, warmup=max(1, round(0.05 * run.total_steps)), final=0.1
        )
        for step in range(run.total_steps)
    ]


def test_bf16_trains_to_nearly_the_same(trainer, tmp_path):
    full = trainer().run()
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    half = trainer(mixed_precision="bf16", out=tmp_path / "half").run()
    assert losses(half) != losses(full)
    assert losses(half) == pytest.approx(losses(full), rel=0.05)


def test_large_gradients_are_clipped(trainer, tmp_path):
    """The first AdamW step does not depend on the gradient's size, so clipping shows in later ones only."""
    tight = trainer(clip=1e-4, log_every=1).run()
    loose = trainer(clip=1e9, log_every=1, out=tmp_path / "loose").run()
    assert losses(tight)[0] == losses(loose)[0]
    assert losses(tight) != losses(loose)


# --- however work is spread ---


def test_accumulated_gradients_equal_the_larger_batch(trainer, tmp_path):
    whole = trainer(batch_size=32, log_every=1).run()
    parts = trainer(batch_size=16, gradient_accumulation=2, log_every=1, out=tmp_path / "parts").run()
    assert len(losses(parts)) == len(losses(whole))
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)
    assert parts.evaluations[-1]["loss"] == pytest.approx(whole.evaluations[-1]["loss"], rel=1e-3)


def test_workers_change_nothing(trainer, tmp_path):
    alone = trainer(epochs=1, decoder=model(dropout=0.1)).run()
    helped = trainer(epochs=1, decoder=model(dropout=0.1), workers=1, out=tmp_path / "helped").run()
    assert losses(helped) == losses(alone)


def test_another_seed_is_another_run(trainer, tmp_path):
    assert losses(trainer(epochs=1).run()) != losses(trainer(epochs=1, seed=1, out=tmp_path / "other").run())


# --- stopping and choosing ---


def scripted(key: str, values: list[float]):
    remaining = iter(values)
    return lambda _: {key: next(remaining)}


def test_early_stopping_counts_evaluations_without_a_better_one(trainer, tmp_path):
    settings = {"epochs": 6, "patience": 2, "select_by": "ndcg@10"}
    run = trainer(**settings, validate=scripted("ndcg@10", [0.1, 0.3, 0.2, 0.1, 0.9, 0.9]))
    done = run.run()
    assert done.stopped
    assert [e["ndcg@10"] for e in done.evaluations] == [0.1, 0.3, 0.2, 0.1]
    assert done.step < run.total_steps
    assert (tmp_path / "run" / "last" / "model.safetensors").is_file()
    again = trainer(**settings, validate=scripted("ndcg@10", [])).run()
    assert again == done, "a run that stopped early is finished"


def test_without_patience_nothing_stops_early(trainer):
    run = trainer(epochs=3, select_by="ndcg@10", validate=scripted("ndcg@10", [0.5, 0.1, 0.1]))
    assert run.run().step == run.total_steps


def test_best_is_the_highest_figure_or_the_lowest_loss(trainer, tmp_path):
    figures = [0.2, 0.4, 0.4, 0.1]
    ranked = trainer(epochs=4, select_by="hit@10", validate=scripted("hit@10", figures), out=tmp_path / "ranked").run()
    assert ranked.best == 0.4
    assert ranked.best_step == ranked.evaluations[1]["step"], "the first of equals"
    by_loss = trainer(epochs=4, validate=scripted("hit@10", figures)).run()
    assert by_loss.best == min(e["loss"] for e in by_loss.evaluations)
    rows = PackedDataset(HELD_OUT.sequences, row_items=MAX_ITEMS)
    for run, folder in ((ranked, "ranked"), (by_loss, "run")):
        kept = mean_loss(GenerativeModel.from_pretrained(tmp_path / folder / "best"), HELD_OUT, rows, 8)
        assert kept == pytest.approx(next(e["loss"] for e in run.evaluations if e["step"] == run.best_step), rel=1e-6)


def test_selecting_by_a_figure_that_nobody_measures_is_refused(trainer):
    with pytest.raises(DataError, match=r"select_by='ndcg@10' needs ranking on held-out users"):
        trainer(select_by="ndcg@10")
    with pytest.raises(
        DataError, match=r"select_by='ndcg@10' is none of the measured figures: choose among hit@10, loss, step"
    ):
        trainer(select_by="ndcg@10", validate=lambda _: {"hit@10": 1.0}).run()


def test_ranking_validation_asks_a_sample_and_only_for_new_items(tiny):
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import leave_one_out
    from recgpt.evaluate.lineup import ranking_validation

    dataset, trained = Dataset.load(tiny.data), GenerativeModel.from_pretrained(tiny.model)
    tables = (trained.tokenizer, dataset.tokens(), dataset.embeddings())
    split = leave_one_out(dataset)
    all_of_them = ranking_validation(split, *tables)(trained)
    assert set(all_of_them) == {"hit@10", "ndcg@10"}
    some = [ranking_validation(split, *tables, max_cases=7)(trained)["hit@10"] for _ in range(2)]
    assert some[0] == some[1]
    assert some[0] * 7 == pytest.approx(round(some[0] * 7))
    with pytest.raises(DataError, match="no held-out user takes a new item next"):
        ranking_validation(replace(split, target_rows=dataset.offsets[split.users]), *tables)


# --- what it refuses ---


def test_validation_data_is_needed(trainer):
    with pytest.raises(DataError, match="no validation data: hold some users out"):
        trainer(valid=[])


def test_too_few_rows_for_the_accumulation_are_an_error(trainer):
    with pytest.raises(DataError, match=r"packed rows cannot feed 1 processes x 500 accumulation steps"):
        trainer(gradient_accumulation=500)


def test_nothing_to_predict_is_an_error(trainer):
    with pytest.raises(DataError, match="nothing to predict"):
        trainer(data=table(Ragged.from_lists([[1], [2]])))


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch_size": 0}, {"gradient_accumulation": 0}, {"evaluations_per_epoch": 0}, {"log_every": 0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_number_that_makes_no_run_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        config(Path("x"), **wrong)


@pytest.mark.parametrize("tracker", ["no-such-tracker", "wandb"])
def test_a_tracker_that_is_not_there_is_an_error_not_silence(trainer, tracker):
    if tracker == "wandb" and shutil.which("wandb"):
        pytest.skip("wandb is installed")
    with pytest.raises(DataError, match=rf"tracker {tracker!r}.*install"):
        trainer(tracker=tracker)


def test_a_tracker_gets_the_curve(trainer, tmp_path):
    pytest.importorskip("tensorboard")
    trainer(tracker="tensorboard", epochs=1).run()
    assert list((tmp_path / "run").rglob("events.out.tfevents.*"))


# --- what it leaves ---


def test_the_curve_is_json_and_a_picture(trainer, tmp_path, monkeypatch):
    from matplotlib import image

    monkeypatch.setattr(trainer_module, "training_curve", training_curve)
    run = trainer(validate=scripted("ndcg@10", [0.1, 0.2])).run()
    curve = json.loads((tmp_path / "run" / "curve.json").read_text())
    assert curve["step"] == run.step
    assert [point["loss"] for point in curve["curve"]] == losses(run)
    assert [set(e) for e in curve["evaluations"]] == [{"step", "loss", "ndcg@10"}] * 2
    pixels = image.imread(tmp_path / "run" / "curve.png")
    assert min(pixels.shape[:2]) > 300
    colours = np.unique((pixels[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)
    assert len(colours) > 50, "the lines are drawn"
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "best",
        "checkpoints",
        "curve.json",
        "curve.png",
        "last",
    }


def test_fine_tuning_starts_from_the_weights_it_is_given(trainer, tmp_path):
    often = {"epochs": 6, "evaluations_per_epoch": 0.2}
    trainer(**often).run()
    backwards = table(Ragged(walks(200, seed=1).values[::-1].copy(), DATA.sequences.offsets))
    trained = GenerativeModel.from_pretrained(tmp_path / "run" / "best")
    rows = PackedDataset(backwards.sequences, row_items=MAX_ITEMS)
    before = mean_loss(trained, backwards, rows, 8)
    tuned = trainer(
        decoder=trained, data=backwards, valid=[backwards], log_every=1, out=tmp_path / "tuned", **often
    ).run()
    assert losses(tuned)[0] == pytest.approx(before, rel=0.2)
    assert losses(tuned)[0] > 2 * entropy_a_code(), "it was sure of the other direction"
    assert losses(tuned)[-1] < 0.3 * entropy_a_code()
