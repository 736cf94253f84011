"""Training: it learns what there is to learn, resumes to the bit, and gives the same losses however work is spread.

The catalogue is small and random; users either walk through it in order (item i, then i + 1: learnable) or at random.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recgpt.data.packing import PackedDataset
from recgpt.data.ragged import Ragged
from recgpt.errors import CheckpointError, DataError
from recgpt.generative import trainer as trainer_module
from recgpt.generative.catalogue import RecGPT
from recgpt.generative.decoder import RecGPTConfig
from recgpt.generative.loss import IGNORE
from recgpt.generative.trainer import (
    MicroBatches,
    TrainConfig,
    TrainData,
    Trainer,
    batch_tensors,
    learning_rate,
    mean_loss,
    row_shares,
    windows,
)
from recgpt.training import checkpoint
from recgpt.training.curves import training_curve

N_ITEMS, V, K, E, MAX_ITEMS = 24, 64, 4, 32, 8
RNG = np.random.default_rng(0)
CODES_NK = RNG.integers(0, V, (N_ITEMS, K)).astype(np.uint16)
EMBEDDINGS_NE = RNG.standard_normal((N_ITEMS, E)).astype(np.float16)


def walks(n_users: int, seed: int, *, longest: int = MAX_ITEMS) -> Ragged:
    """Item i is followed by item i + 1."""
    rng = np.random.default_rng(seed)
    starts, lengths = rng.integers(0, N_ITEMS, n_users), rng.integers(2, longest + 1, n_users)
    return Ragged.from_lists(
        [(start + np.arange(length)) % N_ITEMS for start, length in zip(starts, lengths, strict=True)]
    )


def shuffled(sequences: Ragged) -> Ragged:
    """The same items and lengths; what follows what is gone."""
    return Ragged(np.random.default_rng(9).permutation(sequences.values), sequences.offsets)


def table(sequences: Ragged, **options) -> TrainData:
    return TrainData(sequences, CODES_NK, EMBEDDINGS_NE, **options)


DATA, HELD_OUT = table(walks(200, seed=1)), table(walks(30, seed=2))


def model(seed: int = 0, **shape) -> RecGPT:
    torch.manual_seed(seed)
    tiny = {"max_items": MAX_ITEMS, "d_model": 32, "n_layers": 1, "n_heads": 2, "dropout": 0.0}
    return RecGPT(RecGPTConfig(codebook_size=V, n_codes=K, embedding_dim=E, **{**tiny, **shape}))


def config(out: Path, **options) -> TrainConfig:
    quick = {"epochs": 2, "batch_size": 16, "lr": 1e-2, "evaluations_per_epoch": 1, "mixed_precision": "no"}
    return TrainConfig(out=out, **{**quick, **options})


@pytest.fixture
def trainer(fresh_accelerator, tmp_path, monkeypatch):
    """Make a run in `tmp_path/run`: `trainer(lr=.1, decoder=..., data=...)`. Pictures would take half of its time."""
    monkeypatch.setattr(trainer_module, "training_curve", lambda _, path: path.write_bytes(b"a picture"))

    def make(*, decoder=None, data=DATA, valid=(HELD_OUT,), validate=None, overwrite=False, **options) -> Trainer:
        settings = config(options.pop("out", tmp_path / "run"), **options)
        return Trainer(settings, decoder or model(), data, list(valid), validate, overwrite=overwrite)

    return make


def losses(run) -> list[float]:
    return [point["loss"] for point in run.curve]


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a run by its path, less the seconds, which no two runs share."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name in ("curve.json", "training.json"):
                values = json.loads(content)
                del values.get("progress", values)["seconds"]
                content = json.dumps(values).encode()
            found[str(path.relative_to(folder))] = content
    return found


# --- what is fed ---


@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=20),
    max_items=st.integers(2, 12),
)
def test_windows_lose_nothing_and_keep_the_end_whole(lengths, max_items):
    sequences = Ragged.from_lists(np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]))
    cut = windows(sequences, max_items)
    pieces = iter(cut)
    for sequence in sequences:
        of_this = [next(pieces) for _ in range(max(1, -(-len(sequence) // max_items)))]
        np.testing.assert_array_equal(np.concatenate(of_this[::-1]), sequence)
        assert all(len(piece) == max_items for piece in of_this[:-1]), "only the oldest window may be short"
    assert next(pieces, None) is None


def test_rows_of_real_data_are_at_least_95_percent_useful(shared):
    from recgpt.data.dataset import Dataset

    for name in ("test/steam", "pretrain/movielens_1m"):
        sequences = Dataset.load(shared / "data" / name, repeats="drop").sequences
        for max_items in (64, 256):
            rows = PackedDataset(windows(sequences, max_items), row_items=max_items)
            assert rows.useful_fraction >= 0.95, (name, max_items)


def test_a_batch_holds_each_items_codes_slices_and_successor():
    sequences = Ragged.from_lists([[3, 4, 5], [7, 8], [1, 2, 3, 4, 5, 6, 7, 8]])
    rows = PackedDataset(sequences, row_items=MAX_ITEMS)
    indices = np.arange(len(rows))
    packed, batch = rows.rows(indices), batch_tensors(table(sequences), rows, indices, V)
    for row, column in np.argwhere(packed.item_ids >= 0):
        item = packed.item_ids[row, column]
        np.testing.assert_array_equal(batch["codes_BSK"][row, column], CODES_NK[item])
        np.testing.assert_array_equal(batch["slices_BSKW"][row, column].flatten(), EMBEDDINGS_NE[item])
        follows = column + 1 < MAX_ITEMS and packed.segment_ids[row, column + 1] == packed.segment_ids[row, column]
        label = batch["labels_BSK"][row, column].numpy()
        np.testing.assert_array_equal(label, CODES_NK[item + 1] if follows else np.full(K, IGNORE))
    padding = packed.item_ids < 0
    assert padding.any()
    assert (batch["codes_BSK"].numpy()[padding] == V).all()
    assert (batch["labels_BSK"].numpy()[padding] == IGNORE).all()


class Watched(np.ndarray):
    """A table that remembers which of its rows were read."""

    def __getitem__(self, items):
        self.read.update(np.unique(items).tolist())
        return np.asarray(self)[items]


def watched(table_NX: np.ndarray) -> Watched:
    view = table_NX.view(Watched)
    view.read = set()
    return view


@given(
    n_sequences=st.integers(8, 60),
    accumulated=st.integers(1, 3),
    processes=st.integers(1, 4),
    extra=st.integers(0, 5),
    first=st.integers(0, 2),
)
def test_each_process_reads_its_own_rows_and_together_they_read_the_step_of_one(
    n_sequences, accumulated, processes, extra, first
):
    lengths = np.random.default_rng(n_sequences).integers(2, MAX_ITEMS + 1, n_sequences)
    items = np.split(np.arange(lengths.sum()), np.cumsum(lengths)[:-1])  # no item twice: who read it is known
    rows = PackedDataset(Ragged.from_lists(items), row_items=MAX_ITEMS)
    rows_per_step = min(processes * accumulated + extra, len(rows))
    steps = range(first, len(rows) // rows_per_step)
    codes_NK = np.zeros((lengths.sum(), K), np.uint16)
    read = []
    for process in range(processes):
        data = replace(table(rows.sequences), codes_NK=watched(codes_NK), embeddings_NE=np.zeros((len(codes_NK), E)))
        shares = row_shares(steps, rows_per_step, accumulated, process=process, processes=processes)
        batches = MicroBatches(data, rows, shares, V)
        assert len(batches) == len(steps) * accumulated
        for number in range(len(batches)):
            _ = batches[number] if len(shares[number]) else None
        own = rows.rows(np.concatenate([np.empty(0, int), *shares])).item_ids
        assert data.codes_NK.read - {0} == set(own[own > 0].tolist()), "0 also stands for padding"
        read.append([set(np.concatenate(shares[at : at + accumulated])) for at in range(0, len(shares), accumulated)])
    for number, step in enumerate(steps):
        of_step = [of_process[number] for of_process in read]
        assert sum(map(len, of_step)) == rows_per_step, "no row is read twice"
        assert set().union(*of_step) == set(range(step * rows_per_step, (step + 1) * rows_per_step))


def test_sequences_that_fit_are_not_copied():
    assert windows(DATA.sequences, MAX_ITEMS) is DATA.sequences


def test_last_only_scores_the_last_item_of_each_sequence():
    sequences = Ragged.from_lists([[3, 4, 5], [7, 8], [9, 10, 11, 12, 13, 14]])
    rows = PackedDataset(sequences, row_items=MAX_ITEMS)
    indices = np.arange(len(rows))
    batch = batch_tensors(table(sequences, last_only=True), rows, indices, V)
    labels_BSK = batch["labels_BSK"].numpy()
    predicted = labels_BSK[labels_BSK[..., 0] != IGNORE]
    expected = CODES_NK[[5, 8, 14]].astype(np.int64)
    np.testing.assert_array_equal(np.sort(predicted, 0), np.sort(expected, 0))


def test_the_loss_of_a_step_is_the_mean_over_what_it_predicts(trainer):
    """One step over all rows, weights unmoved: the logged loss is the held-out loss of the same rows."""
    run = trainer(lr=0.0, epochs=1, batch_size=10**6, evaluations_per_epoch=1, valid=[DATA]).run()
    assert run.step == 1
    assert run.curve[0]["loss"] == pytest.approx(run.evaluations[0]["loss"], rel=1e-6)
    rows = PackedDataset(DATA.sequences, row_items=MAX_ITEMS)
    assert run.evaluations[0]["loss"] == pytest.approx(mean_loss(model(), DATA, rows, 3), rel=1e-6)


def test_the_held_out_loss_is_the_mean_of_the_sets(trainer):
    few = table(walks(3, seed=5))
    each = [
        trainer(lr=0.0, epochs=1, valid=[data], out=Path(f"{i}"))._validation_loss()
        for i, data in enumerate((HELD_OUT, few))
    ]
    together = trainer(lr=0.0, epochs=1, valid=[HELD_OUT, few])._validation_loss()
    assert together == pytest.approx(sum(each) / 2)


# --- how it learns ---


def entropy_a_code() -> float:
    """What a model can reach that knows how often each code occurs and nothing of the order (nats)."""
    total = 0.0
    for slot in CODES_NK.T:
        share = np.bincount(slot)[np.unique(slot)] / N_ITEMS
        total -= float((share * np.log(share)).sum())
    return total / K


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
    trained = RecGPT.from_pretrained(tmp_path / "run" / "best")
    rows = PackedDataset(HELD_OUT.sequences, row_items=MAX_ITEMS)
    assert mean_loss(trained, HELD_OUT, rows, 8) < 0.1 * entropy_a_code()
    batch = batch_tensors(HELD_OUT, rows, np.arange(len(rows)), V)
    labels_BSK = batch.pop("labels_BSK")
    with torch.no_grad():
        guesses_BSK = trained.slot_logits(trained(**batch).hidden_BSKD).argmax(-1)
    told = labels_BSK != IGNORE
    assert (guesses_BSK[told] == labels_BSK[told]).float().mean() > 0.95


@given(
    total=st.integers(1, 500),
    warmup=st.floats(0, 1),
    final=st.floats(0, 1),
)
def test_the_learning_rate_rises_then_falls_to_its_final_share(total, warmup, final):
    settings = TrainConfig(out=Path("x"), lr=0.5, warmup=warmup, final_lr=final)
    rates = [learning_rate(step, total, settings) for step in range(total)]
    peak = rates.index(max(rates))
    assert max(rates) <= 0.5 + 1e-12
    assert all(rate > 0 for rate in rates[: peak + 1])
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates[peak:]) >= 0.5 * final - 1e-12


def test_the_learning_rate_starts_low_peaks_after_the_warm_up_and_ends_at_a_tenth():
    settings = TrainConfig(out=Path("x"), lr=0.5, warmup=0.05, final_lr=0.1)
    assert learning_rate(0, 1000, settings) == pytest.approx(0.01)
    assert learning_rate(49, 1000, settings) == 0.5
    assert learning_rate(999, 1000, settings) == pytest.approx(0.05, rel=1e-3)


def test_the_learning_rate_that_is_used_is_the_schedules(trainer):
    run = trainer(log_every=1)
    done = run.run()
    assert [point["lr"] for point in done.curve] == [
        learning_rate(step, run.total_steps, run.config) for step in range(run.total_steps)
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


# --- resuming ---


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill(monkeypatch: pytest.MonkeyPatch, method: str, call: int, *, after: bool) -> None:
    original, calls = getattr(Trainer, method), 0

    def instead(self, *args):
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        result = original(self, *args)
        if calls == call:
            raise Killed
        return result

    monkeypatch.setattr(Trainer, method, instead)


@pytest.mark.parametrize(
    ("method", "call", "after"),
    [
        ("_step", 2, True),  # nothing is there yet
        ("_save", 1, True),  # a checkpoint is there
        ("_save", 2, False),  # the best model is there, its checkpoint is not
        ("_step", 9, True),  # in the second epoch, between two evaluations
        ("_save", 4, True),  # all is there but `last`
    ],
)
def test_a_killed_run_resumes_to_the_losses_weights_and_files_of_an_unbroken_one(
    trainer, tmp_path, monkeypatch, method, call, after
):
    def run(out: str):
        settings = {"gradient_accumulation": 2, "log_every": 3, "seed": 3, "evaluations_per_epoch": 2}
        return trainer(decoder=model(dropout=0.1), out=tmp_path / out, **settings).run()

    unbroken = run("unbroken")
    with monkeypatch.context() as patch:
        kill(patch, method, call, after=after)
        with pytest.raises(Killed):
            run("killed")
    assert not (tmp_path / "killed" / "last").exists()
    resumed = run("killed")
    assert losses(resumed) == losses(unbroken)
    assert resumed.evaluations == unbroken.evaluations
    assert files(tmp_path / "killed") == files(tmp_path / "unbroken")


def test_a_finished_run_is_not_trained_again(trainer, tmp_path, monkeypatch, capfd):
    first = trainer()
    done = first.run()
    before = files(tmp_path / "run")
    monkeypatch.setattr(Trainer, "_step", lambda *_: pytest.fail("trained again"))
    again = trainer()
    assert again.run() == done
    assert files(tmp_path / "run") == before
    assert f"at step {first.total_steps} of {first.total_steps}" in " ".join(capfd.readouterr().err.split())


def test_a_run_may_resume_with_its_batch_spread_otherwise(trainer, tmp_path, monkeypatch):
    unbroken = trainer(batch_size=30, out=tmp_path / "unbroken").run()
    with monkeypatch.context() as patch:
        kill(patch, "_save", 1, after=True)
        with pytest.raises(Killed):
            trainer(batch_size=30).run()
    resumed = trainer(batch_size=10, gradient_accumulation=3).run()
    assert losses(resumed)[0] == losses(unbroken)[0]
    assert losses(resumed) == pytest.approx(losses(unbroken), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"lr": 0.5}, "lr=0.01, this one has lr=0.5"),
        ({"epochs": 9}, "epochs=2, this one has epochs=9"),
        ({"seed": 1}, "seed=0, this one has seed=1"),
        ({"batch_size": 100}, "rows_per_step="),
        ({"decoder": {"n_layers": 2}}, "n_layers=1, this one has n_layers=2"),
        ({"decoder": {"dropout": 0.5}}, "dropout=0.0, this one has dropout=0.5"),
        ({"decoder": {"seed": 1}}, "initial_weights_sha256="),
        ({"data": table(walks(200, seed=8))}, "data_sha256="),
        ({"data": replace(DATA, codes_NK=CODES_NK[::-1])}, "data_sha256="),
        ({"valid": [table(walks(30, seed=8))]}, "valid_sha256="),
    ],
)
def test_a_run_with_other_settings_or_data_is_not_resumed(trainer, tmp_path, change, key):
    trainer().run()
    before = files(tmp_path / "run")
    if "decoder" in change:
        change = {"decoder": model(**change["decoder"])}
    with pytest.raises(CheckpointError) as refused:
        trainer(**change)
    assert f"{tmp_path / 'run'} holds a run with {key}" in str(refused.value)
    assert "pass --overwrite to discard it, or choose another --out" in str(refused.value)
    assert files(tmp_path / "run") == before


def test_overwrite_starts_afresh(trainer, tmp_path):
    trainer(lr=1e-4).run()
    fresh = trainer(out=tmp_path / "fresh").run()
    assert losses(trainer(overwrite=True).run()) == losses(fresh)
    assert files(tmp_path / "run") == files(tmp_path / "fresh")


def test_overwrite_leaves_nothing_of_the_old_run_to_be_mistaken_for_the_new(trainer, tmp_path):
    trainer().run()
    trainer(lr=0.5, overwrite=True)
    assert files(tmp_path / "run") == {}


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "training.json"])
def test_a_damaged_checkpoint_is_refused_and_deleting_it_resumes_from_the_one_before(trainer, tmp_path, name):
    unbroken = trainer(out=tmp_path / "unbroken").run()
    trainer().run()
    newest = checkpoint.complete(tmp_path / "run" / "checkpoints")[-1]
    (newest / name).write_bytes((newest / name).read_bytes()[:-60])
    with pytest.raises(CheckpointError, match=rf"{newest.name}.* delete"):
        trainer()
    shutil.rmtree(newest)
    assert losses(trainer().run()) == losses(unbroken)
    assert files(tmp_path / "run") == files(tmp_path / "unbroken")


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
        kept = mean_loss(RecGPT.from_pretrained(tmp_path / folder / "best"), HELD_OUT, rows, 8)
        assert kept == pytest.approx(next(e["loss"] for e in run.evaluations if e["step"] == run.best_step), rel=1e-6)


def test_selecting_by_a_figure_that_nobody_measures_is_refused(trainer):
    with pytest.raises(DataError, match=r"select_by='ndcg@10' needs ranking on held-out users"):
        trainer(select_by="ndcg@10")
    with pytest.raises(DataError, match=r"select_by='ndcg@10' is none of the figures \['hit@10', 'loss', 'step'\]"):
        trainer(select_by="ndcg@10", validate=lambda _: {"hit@10": 1.0}).run()


def test_ranking_validation_asks_a_sample_and_only_for_new_items(tiny):
    from recgpt.data.dataset import Dataset
    from recgpt.data.splits import leave_one_out
    from recgpt.evaluate.lineup import ranking_validation

    dataset, trained = Dataset.load(tiny.data), RecGPT.from_pretrained(tiny.model)
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
    with pytest.raises(DataError, match=rf"{next(iter(wrong))}=0"):
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
    trained = RecGPT.from_pretrained(tmp_path / "run" / "best")
    rows = PackedDataset(backwards.sequences, row_items=MAX_ITEMS)
    before = mean_loss(trained, backwards, rows, 8)
    tuned = trainer(
        decoder=trained, data=backwards, valid=[backwards], log_every=1, out=tmp_path / "tuned", **often
    ).run()
    assert losses(tuned)[0] == pytest.approx(before, rel=0.2)
    assert losses(tuned)[0] > 2 * entropy_a_code(), "it was sure of the other direction"
    assert losses(tuned)[-1] < 0.3 * entropy_a_code()


# --- as a program ---

NO_GPU = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def command(repo: Path, tiny, out: Path, *flags: object) -> list[str]:
    """`accelerate launch pre_train.py ...` on the tiny data set."""
    launch = ("--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", "--num_processes=1")
    where = ("--data", tiny.data, "--tokenizer", tiny.tokenizer, "--out", out)
    shape = ("--tf_layer=1", "--d_model=32", "--heads=2", "--max_items=8", "--mixed_precision=no", "--lr=0.01")
    script = (repo / "pre_train.py", *where, *shape, *flags)
    return [sys.executable, "-m", "accelerate.commands.launch", *map(str, (*launch, *script))]


def run_program(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, **NO_GPU}, timeout=300)
    assert done.returncode == 0, done.stderr


def curve_of(out: Path) -> dict[str, list]:
    curve = json.loads((out / "curve.json").read_text())
    return {key: curve[key] for key in ("curve", "evaluations", "best_step", "step")}


@pytest.mark.slow
def test_kill_9_in_training_then_resume_gives_the_same_losses_and_the_same_best_model(repo, tiny, tmp_path):
    flags = ("--epoch=150", "--batch_size=8", "--evaluations_per_epoch=0.1", "--dropout=0.1")
    run_program(command(repo, tiny, tmp_path / "unbroken", *flags))
    out = tmp_path / "killed"
    arguments = command(repo, tiny, out, *flags)
    for at_least in (1, 2):
        process = subprocess.Popen(
            arguments, start_new_session=True, stderr=subprocess.DEVNULL, env={**os.environ, **NO_GPU}
        )
        while process.poll() is None:
            steps = [int(path.name[5:]) for path in checkpoint.complete(out / "checkpoints")]
            if steps and max(steps) >= 100 * at_least:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.002)
        assert process.wait() == -signal.SIGKILL, "it was too quick to be killed: give it more epochs"
        assert not (out / "last").exists()
    run_program(arguments)
    assert curve_of(out) == curve_of(tmp_path / "unbroken")
    for name in ("best", "last"):
        model_file = Path(name) / "model.safetensors"
        assert (out / model_file).read_bytes() == (tmp_path / "unbroken" / model_file).read_bytes()
