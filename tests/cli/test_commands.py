"""The commands that users type: pre_train.py, eval.py, predict.py, run.sh, set-up, and every command of the documents.

Documents are checked by these rules (README.md, docs/*.md, data/README.md, benchmarks/README.md):

- ```bash: every line is parsed by the parsers of the program it names, and the files it starts exist. Lines of
  `recgpt`, `python eval.py` and `python predict.py` that name `runs/demo/` are run, on a small stand-in for what
  `./run.sh` leaves there. An unknown program fails: write ```text for what is no command of ours.
- ```python: every block is run, all of them in one session, the README's first, beside that stand-in.
- Links and pictures that are no web addresses must exist.
"""

import argparse
import contextlib
import functools
import json
import os
import pickle
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import patch

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
    assert finished.code == 1
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
    means = json.loads(figures.read_text())["mean"]
    assert f"{best}: mean loss {means[str(best)]:.4f}" in done.stdout
    assert [line.endswith("<- lowest") for line in done.stdout.splitlines()] == [True, False]
    data = tables_of(tiny.data)
    rows = PackedDataset(data.sequences, row_items=8)
    assert means[str(best)] == pytest.approx(mean_loss(model, data, rows, 4), rel=1e-5)
    run_script("eval.py", *arguments, "--test_batch_size", 3)
    assert json.loads(figures.read_text())["mean"] == pytest.approx(means, rel=1e-6), "changes no figure"

    report = tmp_path / "report.json"
    predict = ("predict.py", "--tf_layer", 1, "--dataset", tiny.data, "--ckpt_path", best, "--json", report)
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
    where = ("--data", tiny.data, "--tokenizer", tiny.tokenizer, "--out", "run")
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
    failed = run(repo / "predict.py", "--dataset", "nowhere", "--ckpt_path", "run/best")
    assert failed.returncode == 1
    assert failed.stderr.startswith("predict.py: data/test/nowhere holds neither")
    assert len(failed.stderr.splitlines()) == 1
    failed = run(*launch, *plain, "--quiet", repo / "pre_train.py", "--data", "nowhere")
    assert failed.returncode == 1
    assert failed.stderr.startswith("pre_train.py: nowhere/interactions.parquet does not exist")
    assert len(failed.stderr.splitlines()) == 1


# --- run.sh, test.sh, set-up ---


def shell(repo: Path, *command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", *command], cwd=repo, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_shell_scripts_parse(repo):
    scripts = [
        repo / "run.sh",
        repo / "test.sh",
        repo / ".ci" / "run",
        *repo.glob("configs/*.sh"),
        *repo.glob("scripts/*"),
    ]
    assert len(scripts) >= 6
    for script in scripts:
        done = shell(repo, "-n", str(script))
        assert done.returncode == 0, done.stderr
    for name in ("run.sh", "test.sh", ".ci/run"):
        assert os.access(repo / name, os.X_OK)


def test_run_sh_refuses_what_it_does_not_know(repo):
    done = shell(repo, "run.sh", "--ful")
    assert done.returncode == 2
    assert "unknown argument --ful" in done.stderr
    assert shell(repo, "run.sh", "--help").returncode == 0


PAPER = {
    "pre-training": "beauty books clothing electronics health kindle kitchen magazine movies phones sports",
    "evaluation": "fashion instruments scientific",
    "test": "baby games office yelp washington steam",
}


@pytest.mark.parametrize("flags", [(), ("--full",)], ids=["demo", "full"])
def test_a_dry_run_prints_commands_that_the_programs_accept_and_runs_none(repo, flags, check_command, tmp_path):
    # Nothing on PATH but the shell's own tools: whatever a dry run started would fail.
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "awk", "cat", "dirname", "getconf"):
        (tools / tool).symlink_to(shutil.which(tool))
    before = sorted(repo.glob("runs/**"))
    done = shell(repo, "run.sh", *flags, "--dry-run", PATH=str(tools))
    assert done.returncode == 0, done.stderr
    assert sorted(repo.glob("runs/**")) == before
    lines = done.stdout.splitlines()
    for line in lines:
        check_command(line)
    programs = [shlex.split(line)[0] for line in lines]
    assert set(programs) == {"recgpt", "accelerate", "python"}
    if flags:
        imported = re.findall(r"^recgpt data import .* --out runs/full/data/(\w+)", done.stdout, re.MULTILINE)
        assert imported == " ".join(PAPER.values()).split()
        merged = next(line for line in lines if "merge_datasets.py" in line)
        assert [f"runs/full/data/{name}" in shlex.split(merged) for name in imported] == [True] * 11 + [False] * 9
        tested = re.findall(r"^python predict.py --dataset runs/full/data/(\w+)", done.stdout, re.MULTILINE)
        assert tested == PAPER["test"].split()
        for name in PAPER["evaluation"].split():
            assert f"runs/full/data/{name}" in shlex.split(next(line for line in lines if "accelerate" in line))


STAND_IN = r"""#!/usr/bin/env bash
# Stands in for every program that run.sh calls: notes the call, leaves the file that says it is done.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
echo "$(basename "$0") $*" >>"$here/../../calls"
[ ! -e "$here/../../fail" ] || ! grep -q "$(cat "$here/../../fail")" <<<"$*" || exit 3
out=
for ((i = 1; i <= $#; i++)); do
    [ "${!i}" != --out ] || { j=$((i + 1)) && out=${!j}; }
done
case "$*" in
    *"data import"*) mkdir -p "$out" && echo {} >"$out/manifest.json" ;;
    encode*) echo {} >"$2/embeddings.json" ;;
    train-tokenizer*) mkdir -p "$out" && echo {} >"$out/report.json" ;;
    tokenize*) echo {} >"$2/tokens.json" ;;
    *pretrain*) mkdir -p "$out/last" && echo {} >"$out/last/config.json" ;;
esac
"""


@pytest.fixture
def sandbox(repo, tmp_path) -> Path:
    """run.sh with its configuration beside an environment whose programs only note that they were called."""
    for name in ("run.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(repo / name, tmp_path / name)
    for name in ("configs", "scripts"):
        shutil.copytree(repo / name, tmp_path / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "recgpt", "accelerate"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    return tmp_path


def calls(sandbox: Path) -> list[str]:
    """The steps that were run since the last look; set-up aside."""
    path = sandbox / "calls"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [call for call in found if "pip install" not in call]


def test_run_sh_reuses_what_is_done_and_goes_on_where_it_stopped(sandbox):
    (sandbox / "fail").write_text("pretrain")
    stopped = shell(sandbox, "run.sh", PYTHON=sys.executable)
    assert stopped.returncode != 0, "a step that fails ends the run"
    assert "Everything is in" not in stopped.stdout
    first = calls(sandbox)
    assert [call.split()[:2] for call in first[:-1]] == [
        ["recgpt", "data"],
        ["recgpt", "encode"],
        ["python", "predict.py"],
        ["recgpt", "train-tokenizer"],
        ["recgpt", "tokenize"],
    ]
    assert "pretrain generative" in first[-1]

    (sandbox / "fail").unlink()
    done = shell(sandbox, "run.sh", PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("reused") == 4
    assert "Everything is in runs/demo" in done.stdout
    second = calls(sandbox)
    assert [call.split()[0] for call in second] == ["python", "accelerate", "python"]

    again = shell(sandbox, "run.sh", PYTHON=sys.executable)
    assert again.returncode == 0, again.stderr
    assert [call.split()[:2] for call in calls(sandbox)] == 2 * [["python", "predict.py"]]


def installs(sandbox: Path, extras: str) -> int:
    done = shell(sandbox, "-c", f"set -euo pipefail; source scripts/setup.sh; setup {extras}", PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    path = sandbox / "calls"
    count = path.read_text().count("pip install") if path.exists() else 0
    path.unlink(missing_ok=True)
    return count


def test_set_up_installs_when_something_changed_and_only_then(sandbox):
    assert installs(sandbox, "offline") == 1
    assert installs(sandbox, "offline") == 0
    assert installs(sandbox, "offline,dev") == 1
    assert [installs(sandbox, extras) for extras in ("offline", "offline,dev")] == [0, 0]
    with (sandbox / "constraints.txt").open("a") as file:
        file.write("# another version\n")
    assert installs(sandbox, "offline") == 1
    assert installs(sandbox, "offline") == 0


def test_set_up_names_the_python_it_needs(sandbox):
    done = shell(sandbox, "run.sh", PYTHON=str(sandbox / "no-python"))
    assert done.returncode != 0
    assert "Python 3.11 or later is needed" in done.stderr


# --- the documents ---


class Parsed(Exception):  # noqa: N818
    """The program's own parser has accepted the arguments; nothing was run."""


@pytest.fixture
def check_command(repo, tmp_path, monkeypatch, capsys):
    """Give a shell line to the parsers of the program that it names; fail where they refuse it."""
    from accelerate.commands.launch import launch_command_parser

    from recgpt.cli import main as cli
    from recgpt.cli.data import data_import
    from recgpt.data import readers

    def stop_after(parse):
        def instead(self, args=None, namespace=None):
            raise Parsed(parse(self, args, namespace))

        return instead

    def stub(function):
        @functools.wraps(function)
        def accepted(*_, **__):
            raise Parsed

        return accepted

    groups = [cli.app, *(each.typer_instance for each in cli.app.registered_groups)]
    for group in groups:
        for command in group.registered_commands:
            if command.callback is not data_import:
                monkeypatch.setattr(command, "callback", stub(command.callback))
    stubs = {name: readers.Reader(each.description, stub(each.read)) for name, each in readers.READERS.items()}
    monkeypatch.setattr(readers, "READERS", stubs)
    folders = tmp_path / "folders"
    folders.mkdir()

    def accepts(call, *arguments) -> None:
        with contextlib.chdir(folders), pytest.raises(Parsed):
            try:
                call(*arguments)
            except SystemExit:
                pytest.fail(f"refused: {capsys.readouterr().err}")

    def script(path: str, arguments: list[str]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", stop_after(argparse.ArgumentParser.parse_args))
            patch.setattr(sys, "argv", [path, *arguments])
            accepts(functools.partial(runpy.run_path, str(repo / path), run_name="__main__"))

    def recgpt(arguments: list[str]) -> None:
        for word in arguments:  # data set folders must be there for the parser
            if re.fullmatch(r"(data|runs)/[\w/]+", word):
                (folders / word).mkdir(parents=True, exist_ok=True)
        accepts(cli.app, arguments)

    def check(line: str) -> None:
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        match words:
            case []:
                pass
            case ["bash", ("run.sh" | "test.sh") as path, *flags] | [("./run.sh" | "./test.sh") as path, *flags]:
                assert os.access(repo / path, os.X_OK), path
                if path.endswith("run.sh"):
                    assert shell(repo, "run.sh", *flags, "--help").returncode == 0, line
            case ["recgpt" | ".venv/bin/recgpt", *arguments]:
                recgpt(arguments)
            case ["accelerate", "launch", *arguments]:
                launched = launch_command_parser().parse_args(arguments)
                if launched.module:
                    assert launched.training_script == "recgpt.cli.main", line
                    recgpt(launched.training_script_args)
                else:
                    script(launched.training_script, launched.training_script_args)
            case ["python" | "python3", path, *arguments] if path.endswith(".py"):
                script(path, arguments)
            case [*program, "install", "-c", constraints, "-e", target] if program[-1].endswith("pip"):
                assert (repo / constraints).is_file()
                extras = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["optional-dependencies"]
                assert set(target.removeprefix(".[").removesuffix("]").split(",")) <= set(extras)
            case ["cd" | "git" | "source" | "export", *_] | ["python3", "-m", "venv", ".venv"]:
                pass
            case _:
                pytest.fail(f"no program of ours: {line}")

    return check


def documents(repo: Path) -> list[Path]:
    candidates = [
        repo / "README.md",
        *sorted(repo.glob("docs/*.md")),
        repo / "data/README.md",
        repo / "benchmarks/README.md",
    ]
    return [path for path in candidates if path.is_file()]


def code(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def shell_lines(repo: Path) -> list[str]:
    blocks = [block for path in documents(repo) for block in code(path, "bash")]
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def test_every_command_of_the_documents_is_accepted_by_its_program(repo, check_command):
    lines = shell_lines(repo)
    assert any(line.startswith("./run.sh") for line in lines)
    for line in lines:
        check_command(line)


def test_a_wrong_command_would_be_noticed(check_command):
    for wrong in (
        "recgpt evaluate data/demo --modle runs/demo",
        "recgpt encode data/demo --template",
        "recgpt data import movielens --out",
        "recgpt data import moovielens ml-1m --out data/ml-1m",
        "python predict.py --ckpt_path P --cold maybe",
        "accelerate launch pre_train.py --batchsize 40",
        "python no_such_script.py",
        "./run.sh --fast",
        "./install.sh",
        "make demo",
    ):
        with pytest.raises((pytest.fail.Exception, AssertionError, SystemExit, FileNotFoundError)):
            check_command(wrong)


def test_links_and_pictures_of_the_documents_exist(repo):
    for path in documents(repo):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} points to {target}"


@pytest.fixture
def demo(repo, tiny_minilm, tmp_path, monkeypatch) -> Path:
    """A working directory that looks as `./run.sh` leaves it, only smaller."""
    run = tmp_path / "runs" / "demo"
    shutil.copytree(tiny_minilm.data, run / "data" / "movielens")
    shutil.copytree(tiny_minilm.tokenizer, run / "tokenizer")
    shutil.copytree(tiny_minilm.model, run / "model" / "best")
    shutil.copytree(repo / "ckpt", tmp_path / "ckpt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_of_the_documents_run_on_what_run_sh_leaves(repo, demo, run_recgpt, run_script):
    n_run = 0
    for line in shell_lines(repo):
        words = shlex.split(line, comments=True)
        if not any(word.startswith("runs/demo/") for word in words):
            continue
        match words:
            case ["recgpt" | ".venv/bin/recgpt", *arguments]:
                done = run_recgpt(*arguments)
            case ["python", ("eval.py" | "predict.py") as script, *arguments]:
                done = run_script(script, *arguments)
            case _:
                continue
        assert done.code == 0, f"{line}\n{done.stderr}"
        n_run += 1
    assert n_run > 0


@pytest.fixture
def registries():
    """What documents add to the registries is gone after the test."""
    from recgpt.data.readers import READERS
    from recgpt.data.splits import PROTOCOLS
    from recgpt.recommenders import REGISTRY
    from recgpt.simulate.world import WORLDS

    with patch.dict(REGISTRY), patch.dict(READERS), patch.dict(PROTOCOLS), patch.dict(WORLDS):
        yield


def test_python_of_the_documents_runs(repo, demo, registries):
    session: dict[str, object] = {"__name__": "documents"}
    blocks = [(path, block) for path in documents(repo) for block in code(path, "python")]
    assert blocks
    for path, block in blocks:
        exec(compile(block, str(path), "exec"), session)  # noqa: S102 - our own documents
