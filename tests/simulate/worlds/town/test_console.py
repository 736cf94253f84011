"""The console: published commands and their printed forms, names, deletion, histories."""

import hashlib
import json
from pathlib import Path

import pytest

from recgpt.errors import RecGPTError
from recgpt.simulate.store import Run
from recgpt.simulate.store.file import run_path
from recgpt.simulate.worlds.town.console import COMMANDS, Console
from recgpt.simulate.worlds.town.cursor import cursor_of
from recgpt.simulate.worlds.town.published.importing import import_run
from recgpt.simulate.worlds.town.published.simulation import write_simulation
from recgpt.simulate.worlds.town.published_map import write_published_map
from tests.simulate.worlds.town.published_town import made_up_simulation, two_homes

SAVED = "July1_the_ville_isabella_maria_klaus-step-3-2"
REPLACED = {
    "print persona hourly org schedule Isabella Rodriguez": "did you mean",
    "print current timezone": "did you mean 'print current time'",
    "print persona current tile Isabella": "did you mean Isabella Rodriguez",
    "no such command": "there is no command",
}
"""Commands that the published console takes by chance or lets fail: here a message."""


class Session:
    """A console with prepared answers, and its printed lines."""

    def __init__(self, run_id: str, *answers: str) -> None:
        self._answers = list(answers)
        self.lines: list[str] = []
        self.questions: list[str] = []
        self.console = Console(run_id, ask=self._answer, say=lambda *lines: self.lines.extend(lines))

    def _answer(self, question: str) -> str:
        self.questions.append(question)
        return self._answers.pop(0)

    def __call__(self, command: str) -> list[str]:
        """Lines that a command prints."""
        before = len(self.lines)
        self.console.do(command)
        return self.lines[before:]


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECGPT_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def made_up(tmp_path: Path) -> str:
    """Run of a saved simulation of two personas and 7 steps."""
    write_published_map(two_homes(), tmp_path / "row" / "matrix")
    write_simulation(made_up_simulation(), tmp_path / "storage" / "made-up")
    import_run(tmp_path / "storage" / "made-up", "made-up").close()
    return "made-up"


def test_printed_forms_as_published(shared: Path) -> None:
    cases = json.loads((shared / "fixtures" / "smallville" / "golden.json").read_text())["console"]["cases"]
    folder = shared / "data" / "simulate" / "smallville" / "storage" / SAVED
    import_run(folder, "saved", overrides=["behaviour=published"]).close()
    session = Session("saved")
    for case in cases[:-2]:  # the last two are of a state with talks, made by hand
        command = case["command"]
        if command in REPLACED:
            with pytest.raises(RecGPTError, match=REPLACED[command]):
                session(command)
            continue
        lines = [*(["<Persona>"] if case["first_lines"][0] == "<Persona>" else []), *session(command)]
        endings = (f"{chr(10).join(lines)}{breaks}" for breaks in ("\n", "\n\n"))
        assert case["sha256"] in [hashlib.sha256(text.encode()).hexdigest() for text in endings], command


def test_corrected_forms_have_a_line_for_each_thing(made_up: str) -> None:
    session = Session(made_up)
    assert session("PRINT  current TIME") == ["February 13, 2023, 00:01:10", "steps: 7"]
    assert session("print persona schedule ann LEE") == ["00:00 || sleeping", "06:40 || reading"]
    assert session("print all persona schedule")[-1] == "---"
    assert session("print persona associative memory (thought) Bo Ray") == [
        "('Thought', 2, ': ', ('Bo Ray', 'is', 'glad'), ' -- ', 'Bo is glad')",
        "('Thought', 1, ': ', ('Bo Ray', 'is', 'glad'), ' -- ', 'Bo is glad')",
    ]
    assert session("print persona spatial memory Bo Ray") == [" Row"]
    assert session("print persona current tile 1") == ["[2, 2]"]
    assert session("print tile details 4, 4")[:2] == ["world: Row", "sector: Lee house"]
    assert "Bo Ray" in session("print tile event 4,4")[0]
    assert session("") == []
    assert len(session("help")) == len(COMMANDS)
    assert session("start path tester mode")[0].endswith("nothing was deleted")


def test_chats_can_be_listed_with_their_lines(made_up: str) -> None:
    lines = Session(made_up)("print persona associative memory (chat) Ann Lee")
    assert lines == []  # the saved memories have none; the talk itself is in the log
    with Run.open(made_up) as run:
        assert run.counts_by_kind()["said"] == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("print persona schedule Anne Lee", "did you mean Ann Lee"),
        ("print persona schedule", "no resident is called ''"),
        ("print tile event 9999, 1", "is no tile: write column and row"),
        ("print tile event 9", "is no tile"),
        ("run", "write a number of steps"),
        ("run -5", "write a number of steps"),
        ("run 10000000", "ends at February 14, 2023, 00:00:00"),
        ("call -- load history missing.csv", "cannot be read"),
        ("walk", "there is no command 'walk'"),
    ],
)
def test_errors_name_the_remedy(made_up: str, command: str, message: str) -> None:
    with pytest.raises(RecGPTError, match=message) as error:
        Session(made_up)(command)
    assert "\n" not in str(error.value)


def test_the_run_is_deleted_only_after_its_name_is_typed(made_up: str) -> None:
    session = Session(made_up, "yes", made_up)
    assert "stays" in session("exit")[0]
    assert not session.console.over
    assert session("Exit") == ["run made-up is deleted"]
    assert session.console.over
    assert not run_path(made_up).parent.exists()
    assert all(made_up in question for question in session.questions)


@pytest.mark.parametrize("word", ["f", "FIN", "finish", "save and finish"])
def test_the_console_ends(made_up: str, word: str) -> None:
    session = Session(made_up)
    session(word)
    assert session.console.over
    assert run_path(made_up).is_file()


def test_steps_move_the_cursor_within_the_log(made_up: str) -> None:
    session = Session(made_up)
    assert session("run 20") == ["February 13, 2023, 00:04:30", "steps: 27"]
    with Run.open(made_up) as run:
        assert (run.n_steps, cursor_of(run)) == (1, 27)
    assert session("run 60")[1] == "steps: 87"
    with Run.open(made_up) as run:
        assert (run.n_steps, cursor_of(run)) == (2, 87)


def test_a_history_becomes_thoughts_of_a_new_run(made_up: str, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("Name,Whisper\nAnn Lee,You like tea; You like jam\nBo Ray,You sing\n")
    session = Session(made_up)
    assert "in the new run made-up-h1" in session(f"call -- load history {path}")[0]
    session("run 60")
    assert "You like jam" in "".join(session("print persona associative memory (thought) Ann Lee"))
    with Run.open("made-up") as run:
        assert run.n_steps == 1
    assert "made-up-h2" in session(f"call -- load history {path}")[0]


def test_an_interview_leaves_no_trace(made_up: str) -> None:
    session = Session(made_up, "Who are you?", "", "end_convo")
    with Run.open(made_up) as run:
        before = run.hash
    assert session("call -- analysis Ann Lee")
    with Run.open(made_up) as run:
        assert run.hash == before
