"""Programs end with one line and a stated exit code on errors of the user and on stops."""

import json
import signal
import sqlite3
import subprocess
import sys
import time

import polars as pl
import pytest

from recgpt.errors import DataError
from recgpt.program import explain

WAIT = """
import sys, time
from recgpt.program import resumable, run

def main():
    print("ready", flush=True)
    with resumable("the same command goes on from step 3"):
        time.sleep(60)

run(main, "wait.py")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_stopped_program_says_how_to_go_on(number, code):
    process = subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert errors == f"wait.py: stopped by {name}; the same command goes on from step 3\n"


def run_code(body: str, *, stdin: str = "") -> subprocess.CompletedProcess:
    code = f"from recgpt.program import run\ndef main():\n    {body}\nrun(main, 'x.py')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, input=stdin, check=False)


def test_run_error_of_the_user_is_one_line_and_code_2():
    ended = run_code("open('/no/such/file')")
    assert (ended.returncode, ended.stderr) == (2, "x.py: /no/such/file: no such file or folder\n")


def test_run_fault_of_the_program_keeps_its_traceback():
    ended = run_code("[][0]")
    assert ended.returncode == 1 and "IndexError" in ended.stderr and "Traceback" in ended.stderr


def test_run_success_is_code_0():
    assert run_code("print('fine')").returncode == 0


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (DataError("a.csv: row 3"), "a.csv: row 3"),
        (pl.exceptions.ComputeError("could not parse\nmore"), "ComputeError: could not parse more"),
        (sqlite3.DatabaseError("file is not a database"), "DatabaseError: file is not a database"),
        (json.JSONDecodeError("Expecting value", "x", 0), "JSONDecodeError: Expecting value"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "save it as UTF-8"),
        (MemoryError(), "out of memory"),
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "pip install ray"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_explain_foreseeable_error_is_one_line(error, part):
    message = explain(error)
    assert message is not None and part in message and "\n" not in message


@pytest.mark.parametrize("error", [ValueError("x"), TypeError("x"), KeyError("x"), AssertionError()])
def test_explain_fault_of_the_program_is_none(error):
    assert explain(error) is None
