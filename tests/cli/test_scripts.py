"""The scripts of the published system, as users type them: pre_train.py, eval.py, predict.py."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recgpt import RecGPT
from recgpt.data.dataset import Dataset
from recgpt.data.packing import PackedDataset
from recgpt.generative.trainer import TrainData, mean_loss

SHAPE = ("--tf_layer", 1, "--d_model", 32, "--heads", 2, "--max_items", 8, "--mixed_precision", "no")
QUICK = (*SHAPE, "--batch_size", 16, "--epoch", 2, "--lr", 0.01, "--evaluations_per_epoch", 1)


def one_line(finished, script: str, *parts: str) -> None:
    """An error that a user can act on: a code, one line without a traceback that says `parts`."""
    assert finished.code == 2
    said = finished.stderr.strip().splitlines()[-1]
    assert said.startswith(f"{script}: "), finished.stderr
    assert "Traceback" not in finished.stderr
    for part in parts:
        assert part in said


def tables_of(data: Path) -> TrainData:
    dataset = Dataset.load(data, repeats="drop")
    return TrainData(dataset.sequences, dataset.tokens(), dataset.embeddings())


# --- pre_train.py ---


@pytest.fixture
def pre_train(run_script, tiny, tmp_path):
    """`pre_train.py` on the tiny data set, with the published flags and a small shape."""

    def run(*flags: object, data: Path = tiny.data, tokenizer: Path = tiny.tokenizer, out: str = "run"):
        where = ("--data", data, "--tokenizer", tokenizer, "--out", tmp_path / out)
        return run_script("pre_train.py", *where, *QUICK, *flags)

    return run


def test_pre_train_eval_predict(pre_train, run_script, tiny, tmp_path):
    done = pre_train()
    assert done.code == 0, done.stderr
    assert "best is the model of step" in done.stderr
    best = tmp_path / "run" / "best"
    model = RecGPT.from_pretrained(best)
    assert model.config.n_layers == 1
    assert model.config.text_encoder["encoder"] == "tiny-encoder"
    assert model.config.training["data"] == "tiny"
    assert model.tokenizer is not None

    figures = tmp_path / "losses.json"
    arguments = ("--tf_layer", 1, "--ckpt_path", best, tiny.model, "--data", tiny.data, "--json", figures)
    done = run_script("eval.py", *arguments, "--test_batch_size", 96)
    assert done.code == 0, done.stderr
    stored = json.loads(figures.read_text())
    means = stored["mean"]
    assert f"{best}: mean loss {means[str(best)]:.4f}" in done.stdout
    assert [line.endswith("<- lowest") for line in done.stdout.splitlines()] == [True, False, False]
    seen = stored["trained_on"][str(best)][str(tiny.data)]
    assert 0 < seen < Dataset.load(tiny.data, repeats="drop").n_interactions, "a tenth of the users was held out"
    assert f"{best} was trained on {seen:,} interactions of {tiny.data}: its losses there are no test" in done.stdout
    assert stored["models"][str(best)]["sha256"] == model.sha256
    data = tables_of(tiny.data)
    rows = PackedDataset(data.sequences, row_items=8)
    assert means[str(best)] == pytest.approx(mean_loss(model, data, rows, 4), rel=1e-5)
    run_script("eval.py", *arguments, "--test_batch_size", 3)
    assert json.loads(figures.read_text())["mean"] == pytest.approx(means, rel=1e-6), "changes no figure"

    report = tmp_path / "report.json"
    predict = ("predict.py", "--tf_layer", 1, "--dataset", tiny.data, "--ckpt_path", best, "--json", report)
    refused = run_script(*predict)
    one_line(refused, "predict.py", "was trained on", "--allow-trained-on-targets")
    predict = (*predict, "--allow_trained_on_targets")
    done = run_script(*predict, "--test_batch_size", 48, "--gpu", 0, "--show", 2)
    assert done.code == 0, done.stderr
    found = json.loads(report.read_text())
    assert {row["recommender"] for row in found["results"]} >= {
        "copy_last",
        "popularity",
        "text_knn",
        "recgpt_generative",
    }
    assert {row["slice"] for row in found["results"]} >= {"all", "explore", "repeat"}
    assert done.stdout.count("items before") == 2
    assert "(1995)" in done.stdout or "(1996)" in done.stdout
    run_script(*predict, "--test_batch_size", 1)
    assert json.loads(report.read_text())["results"] == found["results"], "changes no figure"


@pytest.mark.parametrize(
    ("flags", "protocol"),
    [((), "leave_one_out"), (("--cold", "False"), "leave_one_out"), (("--cold", "True"), "cold_user")],
)
def test_cold_false_means_false(run_script, tiny, tmp_path, flags, protocol):
    report = tmp_path / "report.json"
    done = run_script("predict.py", "--dataset", tiny.data, "--ckpt_path", tiny.model, "--json", report, *flags)
    assert done.code == 0, done.stderr
    assert json.loads(report.read_text())["protocol"] == protocol


def test_examples_show_titles_with_brackets_as_they_are(capsys):
    import polars as pl

    from recgpt.data.splits import leave_one_out
    from recgpt.evaluate.examples import show_examples
    from recgpt.recommenders import make

    titles = ["[rec] (2007)", "[/x] (1999)", "[bold]", "Heat", "Casino", "Alien"]
    events = pl.DataFrame({"user_id": ["[u]"] * 5, "item_id": [0, 1, 2, 3, 4], "position": range(5)})
    dataset = Dataset.from_frames("films", events, pl.DataFrame({"item_id": range(6), "title": titles}))
    show_examples(dataset, leave_one_out(dataset), make("popularity").fit(dataset), 1)
    shown = capsys.readouterr().out
    for text in ("User [u]: 4 items before", *titles[:5]):
        assert text in shown


def test_cold_must_be_true_or_false(run_script, tiny):
    done = run_script("predict.py", "--dataset", tiny.data, "--ckpt_path", tiny.model, "--cold", "maybe")
    assert done.code == 2
    assert "'maybe' is neither True nor False" in done.stderr


@pytest.mark.parametrize(
    ("script", "flags"), [("eval.py", ("--data",)), ("predict.py", ("--dataset",))], ids=["eval.py", "predict.py"]
)
def test_tf_layer_is_checked_against_the_checkpoint(run_script, tiny, script, flags):
    done = run_script(script, "--tf_layer", 3, "--ckpt_path", tiny.model, *flags, tiny.data)
    one_line(done, script, f"{tiny.model} has 1 layers, not 3: correct or omit --tf_layer")


@pytest.mark.parametrize("holdout", [("users",), ("last",)])
def test_what_is_held_out_is_not_trained_on(pre_train, tiny, tmp_path, holdout, monkeypatch):
    from recgpt.generative import trainer as train

    seen: dict[str, TrainData] = {}
    original = train.Trainer.__init__

    def watch(self, config, model, data, valid, *rest, **options):
        seen.update(data=data, valid=valid[0])
        original(self, config, model, data, valid, *rest, **options)

    monkeypatch.setattr(train.Trainer, "__init__", watch)
    assert pre_train("--holdout", *holdout).code == 0
    everything = [sequence.tolist() for sequence in Dataset.load(tiny.data, repeats="drop").sequences]
    trained, held_out = ([s.tolist() for s in seen[key].sequences] for key in ("data", "valid"))
    if holdout == ("last",):
        assert trained == [sequence[:-2] for sequence in everything]
        assert held_out == [sequence[:-1] for sequence in everything]
        assert seen["valid"].last_only, "only the second-last item is scored"
    else:
        assert len(held_out) == 4, "a tenth of the users"
        assert sorted([*filter(None, trained), *held_out]) == sorted(everything)


def test_validation_sets_of_their_own(pre_train, tiny, tmp_path):
    shutil.copytree(tiny.data, tmp_path / "other")
    done = pre_train("--valid", tiny.data, tmp_path / "other", "--select_by", "ndcg@10")
    assert done.code == 0, done.stderr
    curve = json.loads((tmp_path / "run" / "curve.json").read_text())
    assert set(curve["evaluations"][0]) == {"step", "loss", "hit@10", "ndcg@10"}
    assert RecGPT.from_pretrained(tmp_path / "run" / "best").config.training["held out"] == "data, other"


def test_fine_tuning_keeps_shape_and_tokenizer_of_the_checkpoint(run_script, tiny, tmp_path):
    flags = ("--data", tiny.data, "--checkpoint", tiny.model, "--out", tmp_path / "tuned", "--mixed_precision", "no")
    again = ("--epoch", 1, "--evaluations_per_epoch", 1, "--tf_layer", 3, "--d_model", 768)
    done = run_script("pre_train.py", *flags, *again)
    assert done.code == 0, done.stderr
    tuned, start = RecGPT.from_pretrained(tmp_path / "tuned" / "best"), RecGPT.from_pretrained(tiny.model)
    assert (tuned.config.n_layers, tuned.config.d_model) == (1, 32)
    assert tuned.tokenizer.sha256 == start.tokenizer.sha256
    assert not torch.equal(tuned.head.weight, start.head.weight)
    assert tuned.config.training["data"] == "tiny"
    assert tuned.config.training["fine-tuned from"] == str(tiny.model)
    assert f"| fine-tuned from | {tiny.model} |" in (tmp_path / "tuned" / "best" / "README.md").read_text()


def test_another_out_or_overwrite_is_asked_for_when_settings_change(pre_train, tmp_path):
    assert pre_train().code == 0
    one_line(pre_train("--lr", 0.5), "pre_train.py", "lr=0.01, this one has lr=0.5", "--overwrite", "--out")
    assert pre_train("--lr", 0.5, "--overwrite").code == 0


def test_pre_train_says_what_is_missing(pre_train, run_script, tiny, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(tiny.data, folder)
    one_line(pre_train(data=tmp_path / "none"), "pre_train.py", "none", "interactions.parquet does not exist")
    one_line(pre_train(tokenizer=tmp_path / "none"), "pre_train.py", "none")
    one_line(pre_train("--checkpoint", tmp_path / "none"), "pre_train.py", "none")
    done = run_script("pre_train.py", "--data", folder, "--out", tmp_path / "run")
    one_line(done, "pre_train.py", "--tokenizer FOLDER")
    one_line(pre_train("--heads", 5), "pre_train.py", "d_model=32 is not divisible by n_heads=5")
    one_line(pre_train("--epoch", 0), "pre_train.py", "epochs=0")
    (folder / "tokens.npy").unlink()
    one_line(pre_train(data=folder), "pre_train.py", f"recgpt tokenize {folder}")
    (folder / "embeddings.json").unlink()
    one_line(pre_train(data=folder), "pre_train.py", f"recgpt encode {folder}")
    assert not (tmp_path / "run").exists()


def test_tokens_of_another_tokenizer_are_refused(pre_train, tiny_minilm):
    one_line(pre_train(tokenizer=tiny_minilm.tokenizer), "pre_train.py", "tokenizer_sha256", "recgpt tokenize")


# --- eval.py, predict.py ---


def test_eval_says_what_is_missing(run_script, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one_line(run_script("eval.py", "--ckpt_path", tiny.model), "eval.py", "--data", "data/eval")
    one_line(run_script("eval.py", "--ckpt_path", tmp_path / "none", "--data", tiny.data), "eval.py", "none")
    one_line(run_script("eval.py", "--ckpt_path", "none.pt", "--data", tiny.data), "eval.py", "does not exist")


def test_eval_finds_the_sets_under_data_eval_and_keeps_equal_names_apart(run_script, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("fashion", "scientific"):
        shutil.copytree(tiny.data, tmp_path / "data" / "eval" / name)
    done = run_script("eval.py", "--ckpt_path", tiny.model, "--json", "out/losses.json")
    assert done.code == 0, done.stderr
    by_dataset = json.loads((tmp_path / "out" / "losses.json").read_text())["by_dataset"][str(tiny.model)]
    assert list(by_dataset) == ["data/eval/fashion", "data/eval/scientific"], "both manifests say `tiny`"


def test_predict_says_what_is_missing(run_script, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one_line(run_script("predict.py", "--ckpt_path", tiny.model), "predict.py", "data/test/steam holds neither")
    done = run_script("predict.py", "--ckpt_path", tmp_path / "none", "--dataset", tiny.data)
    one_line(done, "predict.py", "none")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def with_nan(path: Path) -> None:
    embeddings = np.load(path)
    embeddings[3, 5] = np.nan
    np.save(path, embeddings)


def retitled(path: Path) -> None:
    import polars as pl

    pl.read_parquet(path).with_columns(title=pl.lit("Alien")).write_parquet(path)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("data/interactions.parquet", cut_short, "truncated"),
        ("data/items.parquet", cut_short, "truncated"),
        ("data/embeddings.npy", cut_short, "truncated"),
        ("data/embeddings.npy", with_nan, "row 3"),
        ("data/items.parquet", retitled, "items_sha256"),
        ("model/model.safetensors", cut_short, "damaged"),
        ("model/tokenizer/model.safetensors", cut_short, "damaged"),
        ("model/config.json", Path.unlink, "config.json"),
    ],
)
def test_damaged_files_are_named(run_script, tiny, tmp_path, file, damage, message):
    shutil.copytree(tiny.data, tmp_path / "data")
    shutil.copytree(tiny.model, tmp_path / "model")
    damage(tmp_path / file)
    done = run_script("eval.py", "--ckpt_path", tmp_path / "model", "--data", tmp_path / "data")
    one_line(done, "eval.py", message, str(tmp_path / Path(file).parts[0]))


def write_published(folder: Path, tiny) -> None:
    """The tiny data set as the published pickles, with short windows of its own as `cold_test.pkl`."""
    dataset = Dataset.load(tiny.data)
    histories = {user: sequence.tolist() for user, sequence in enumerate(dataset.sequences)}
    folder.mkdir(parents=True)
    texts = {item: {"title": title, "categories": ["Film"]} for item, title in enumerate(dataset.items["title"])}
    cold = {user: history[:3] for user, history in histories.items()}
    for name, content in (("test", histories), ("cold_test", cold), ("item_text_dict", texts)):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(content))
    np.save(folder / "item_text_embeddings.npy", dataset.embeddings().astype(np.float64))


@pytest.fixture
def published(tiny, tmp_path, monkeypatch) -> tuple[Path, Path]:
    """`data/test/steam` under the working directory as the published system has it, and a model of its encoder."""
    monkeypatch.chdir(tmp_path)
    write_published(tmp_path / "data" / "test" / "steam", tiny)
    model = RecGPT.from_pretrained(tiny.model)
    model.config.text_encoder = {"encoder": "all-mpnet-base-v2", "template": "published"}
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "data" / "test" / "steam", tmp_path / "model"


def test_predict_imports_the_published_pickles_once(run_script, published, tmp_path):
    folder, model = published
    arguments = ("predict.py", "--tf_layer", 1, "--dataset", "steam", "--ckpt_path", model, "--json", "report.json")
    done = run_script(*arguments)
    assert done.code == 0, done.stderr
    assert "importing data/test/steam/test.pkl" in " ".join(done.stderr.split())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["n"]["all"] == 40
    again = run_script(*arguments)
    assert "importing" not in again.stderr
    assert json.loads((tmp_path / "report.json").read_text())["results"] == report["results"]

    cold = run_script(*arguments, "--cold", "True")
    assert cold.code == 0, cold.stderr
    assert "cold_test.pkl" in cold.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["protocol"] == "leave_one_out", "the windows are short already"
    assert report["n"]["all"] == 40
    assert int(Dataset.load(folder / "cold").sequences.lengths.max()) == 3


def test_predict_refuses_a_hostile_pickle(run_script, published):
    folder, model = published
    hostile = b"cos\nsystem\n(S'touch pwned'\ntR."
    (folder / "test.pkl").write_bytes(hostile)
    done = run_script("predict.py", "--dataset", "steam", "--ckpt_path", model)
    one_line(done, "predict.py", "os.system")
    assert not Path("pwned").exists()


@pytest.mark.slow
def test_the_scripts_as_programs(repo, tiny, tmp_path):
    """Once for real: launched by Accelerate, from another folder, with nothing on stderr that looks like a failure."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)

    launch = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes=1", "--num_machines=1")
    plain = ("--mixed_precision=no", "--dynamo_backend=no")
    where = ("--data", tiny.data, "--tokenizer", tiny.tokenizer, "--out", "run", "--holdout", "last")
    trained = run(*launch, *plain, repo / "pre_train.py", *where, *QUICK)
    assert trained.returncode == 0, trained.stderr
    evaluated = run(repo / "eval.py", "--ckpt_path", "run/best", "--data", tiny.data)
    assert evaluated.stdout.startswith("run/best: mean loss ")
    predicted = run(repo / "predict.py", "--dataset", tiny.data, "--ckpt_path", "run/best")
    assert "explore" in predicted.stdout
    for done in (trained, evaluated, predicted):
        assert done.returncode == 0
        assert "Traceback" not in done.stderr
        assert "Warning" not in done.stderr
    failed = run(*launch, *plain, "--quiet", repo / "pre_train.py", "--data", "nowhere")
    assert failed.returncode == 1  # accelerate has one code for all failures
    assert failed.stderr.startswith("pre_train.py: nowhere/interactions.parquet does not exist")
    assert len(failed.stderr.splitlines()) == 1


def test_predict_without_the_data_set_says_so_in_one_line(run_script, tiny):
    failed = run_script("predict.py", "--dataset", "nowhere", "--ckpt_path", tiny.model)
    assert failed.code == 2
    assert failed.stderr.startswith("predict.py: data/test/nowhere holds neither")
    assert len(failed.stderr.splitlines()) == 1
