"""run.sh, set-up, and every command of the documents; pre_train.py, eval.py and predict.py have test_scripts.py.

Documents are checked by these rules (README.md, docs/*.md, data/README.md, benchmarks/README.md):

- ```bash: every line is parsed by the parsers of the program it names, and the files it starts exist. An unknown
  program fails: write ```text for what is no command of ours. `tests/test_guides.py` runs the blocks, page by page.
- Links and pictures that are no web addresses must exist.
"""

import argparse
import contextlib
import functools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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
        *repo.glob("scripts/*.sh"),
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
            case ["cd" | "git" | "source" | "export" | "printf", *_] | ["python3", "-m", "venv", ".venv"]:
                pass
            case _:
                pytest.fail(f"no program of ours: {line}")

    return check


def documents(repo: Path) -> list[Path]:
    candidates = [
        repo / "README.md",
        *sorted(repo.glob("docs/**/*.md")),
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
