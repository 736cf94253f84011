"""Data set folders that are whole or absent: kills, two processes, odd folder names, hostile data set names."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recgpt.data.dataset import Dataset
from recgpt.data.process import merge
from recgpt.data.readers import tables
from recgpt.errors import DataError, StorageError
from tests.conftest import THOROUGH

KILLS = 12 if THOROUGH else 5
N_EVENTS = 60_000


def write_shop(folder: Path, seed: int = 0) -> None:
    """Files of events and items that take the import some tenths of a second."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"user_id": rng.integers(0, 3_000, N_EVENTS), "item_id": rng.integers(0, 500, N_EVENTS)}).write_csv(
        folder / "events.csv"
    )
    pl.DataFrame({"item_id": range(500), "title": [f"item {i}" for i in range(500)]}).write_csv(folder / "items.csv")


def import_shop(source: Path, out: Path, **options) -> None:
    tables.read(source / "events.csv", out, items=source / "items.csv", **options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def run_and_kill(script: str, *arguments: Path, after: float) -> None:
    """Run Python code in a process of its own and kill it `after` seconds from the start of its work."""
    ready = "import sys, pathlib\nfrom recgpt.data.readers import tables\nfrom recgpt.data.process import merge\n"
    ready += "print('ready', flush=True)\n"
    command = [sys.executable, "-c", ready + script, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


IMPORT = """
source, out = map(pathlib.Path, sys.argv[1:])
tables.read(source / "events.csv", out, items=source / "items.csv", overwrite=True)
"""
MERGE = """
first, second, out = map(pathlib.Path, sys.argv[1:])
merge([first, second], out, overwrite=True)
"""


def test_killed_imports_leave_the_old_data_set_or_the_new_one(tmp_path):
    write_shop(tmp_path / "old")
    write_shop(tmp_path / "new", seed=1)
    out = tmp_path / "out"
    import_shop(tmp_path / "old", out)
    old = content(out)
    started = time.monotonic()
    import_shop(tmp_path / "new", out, overwrite=True)
    seconds = time.monotonic() - started
    new = content(out)
    for kill in range(KILLS):
        run_and_kill(IMPORT, tmp_path / "new", out, after=seconds * kill / (KILLS - 1))
        assert content(out) in (old, new)
        assert Dataset.load(out).n_interactions == N_EVENTS
        import_shop(tmp_path / "old", out, overwrite=True)
        assert content(out) == old
        assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "out"]


def test_a_killed_first_import_starts_over_by_itself(tmp_path):
    write_shop(tmp_path / "shop")
    out = tmp_path / "out"
    run_and_kill(IMPORT, tmp_path / "shop", out, after=0.05)
    if not out.exists():
        import_shop(tmp_path / "shop", out)
    assert Dataset.load(out).n_interactions == N_EVENTS
    assert sorted(path.name for path in tmp_path.iterdir()) in (["out", "shop"], [".out.lock", "out", "shop"])


def test_killed_merges_leave_the_old_data_set_or_the_new_one(tmp_path):
    for seed, name in enumerate(("one", "two")):
        write_shop(tmp_path / name, seed)
        import_shop(tmp_path / name, tmp_path / "sets" / name)
    sources, out = [tmp_path / "sets" / "one", tmp_path / "sets" / "two"], tmp_path / "all"
    started = time.monotonic()
    merge(sources, out)
    seconds = time.monotonic() - started
    whole = content(out)
    for kill in range(KILLS):
        run_and_kill(MERGE, *sources, out, after=seconds * kill / (KILLS - 1))
        assert content(out) == whole
    merge(sources, out, overwrite=True)
    assert content(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "one", "sets", "two"]


def test_a_second_process_is_refused_in_one_line(tmp_path):
    write_shop(tmp_path / "shop")
    holds = "import sys, pathlib\nfrom recgpt.files import only_writer\n"
    holds += "with only_writer(pathlib.Path(sys.argv[1])):\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", holds, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(StorageError, match="out is being written by another process"):
            import_shop(tmp_path / "shop", tmp_path / "out")
        other.stdin.close()
    assert not (tmp_path / "out").exists()


def test_a_folder_inside_a_file_is_refused_before_the_work(tmp_path):
    write_shop(tmp_path / "shop")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a part of this path is a file"):
        import_shop(tmp_path / "shop", tmp_path / "file" / "out")


def test_other_files_of_an_overwritten_folder_stay(folder):
    (folder / "notes.txt").write_text("mine")
    Dataset.load(folder).save(folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["ds*", "ds?", "ds[12]", "[ds]", "~", "hf:", "{a,b}", "a%20b", "year=2024", "a\nb"])
def test_folder_names_are_taken_literally(small, tmp_path, monkeypatch, name):
    for other in ("ds1", "ds2"):
        small.select(small.interactions.user == 0).save(tmp_path / other)
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    small.save(folder)
    assert Dataset.load(folder).n_interactions == small.n_interactions
    assert Dataset.load(str(folder)).items.equals(small.items)


def test_every_scan_of_a_file_takes_its_path_literally(repo):
    """Polars expands patterns in paths: only the scans that this test knows are allowed to name Polars' functions."""
    allowed = {"data/schema.py", "data/past.py", "data/readers/text_tables.py"}
    for path in (repo / "recgpt").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call in ("pl.scan_", "pl.read_parquet(", "pl.read_csv(", "pl.read_ndjson("):
            for line in text.splitlines():
                if call in line and path.relative_to(repo / "recgpt").as_posix() not in allowed:
                    is_literal = any(word in line for word in ("BytesIO", "read_bytes()", "glob=False"))
                    assert is_literal, f"{path}: {line.strip()}: use recgpt.data.schema.scan_parquet"


def test_a_hostile_name_in_a_manifest_is_never_a_path(folder, tmp_path):
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("../../escaped", "/escaped", "..", "a/b", "", "\x00", "x" * 5_000):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "name": name}))
        assert Dataset.load(folder).name == name
    for name in (7, None, ["a"]):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "name": name}))
        with pytest.raises(DataError, match=r"manifest.json: name=.* is no text"):
            Dataset.load(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small"]
