"""Text of files where it is printed: neutral on terminals, exact in JSON, without effect in Markdown."""

import io
import json
import subprocess
import sys
import unicodedata

import pytest
from rich.table import Table
from rich.text import Text

from recgpt.console import SafeConsole
from recgpt.errors import DataError
from recgpt.progress import Meter
from recgpt.terminal import LONGEST, LONGEST_MESSAGE, markdown, message, neutral, plain, print_json, say

HOSTILE = {
    "escape": ("a\x1b[2Jb", "a [2Jb"),
    "C1 escape": ("a\x9b31mb", "a 31mb"),
    "bell, backspace, delete": ("a\x07\x08\x7fb", "a b"),
    "new line": ("a\r\n\t\x0b\x0cb", "a b"),
    "next line": ("a\x85b", "a b"),
    "line and paragraph separator": ("a\u2028\u2029b", "a b"),
    "direction override": ("a\u202egpj.b\u202c", "agpj.b"),
    "direction marks and isolates": ("a\u200e\u200f\u061c\u2066\u2067\u2068\u2069b", "ab"),
    "zero width": ("a\u200b\u200c\u200d\u2060\ufeffb", "ab"),
    "soft hyphen": ("a\u00adb", "ab"),
    "interlinear annotation": ("a\ufff9\ufffa\ufffbb", "ab"),
    "tags": ("a\U000e0001\U000e0041\U000e007fb", "ab"),
    "variation selectors": ("a\ufe00\U000e0100\U000e01ef\u180bb", "ab"),
    "joiner of graphemes": ("a\u034fb", "ab"),
    "blank letters": ("a\u3164\u115f\u1160\u2800\uffa0b", "a b"),
    "lone surrogate": ("a\ud800b\udfff", "a\ufffdb\ufffd"),
    "private use, unassigned": ("a\ue000\U000f0000\uffff\U0003fffeb", "ab"),
    "stacked marks": ("z" + "\u0301" * 40 + "a", "z" + "\u0301" * 4 + "a"),
    "stacked enclosing marks": ("z" + "\u20dd" * 40, "z" + "\u20dd" * 4),
    "wide spaces": ("a\u00a0\u2003\u3000\u202fb", "a b"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_nothing_acts_on_the_terminal(text, shown):
    assert plain(text) == shown


def test_every_character_is_printed_as_one_that_is_printable():
    for code in range(sys.maxunicode + 1):
        assert neutral(chr(code)).isprintable(), hex(code)


@pytest.mark.parametrize(
    "title",
    [
        "Toy Story (1995)",
        "Amélie",
        "千と千尋の神隠し",
        "דיבוק",
        "بازی",
        "हिन्दी",
        "ไทย",
        "Phở",
        "❤\ufe0f 100 %",
        "[rec]",
        "Ée\u0301",
    ],
)
def test_titles_of_the_world_stay_as_they_are(title):
    assert plain(title) == title


def test_a_long_title_is_cut_to_the_stated_length():
    shown = plain("x" * 60_000)
    assert shown == "x" * (LONGEST - 1) + "…"
    assert plain("x" * LONGEST) == "x" * LONGEST
    assert plain("\u200b" * 60_000 + "x").endswith("…")  # cut before its first visible character
    assert plain("ab cd", 4) == "ab…"


def test_values_that_are_no_text_are_printed_too():
    assert plain(27) == "27"
    assert plain(None) == "None"


def test_a_long_message_keeps_its_start_and_its_remedy():
    shown = message(f"items.csv: the title {'x' * 60_000} is taken: rename it")
    assert len(shown) <= LONGEST_MESSAGE + 3
    assert shown.startswith("items.csv: the title x")
    assert shown.endswith("x is taken: rename it")


def test_an_error_is_one_neutral_line_and_keeps_its_exact_text():
    error = DataError("the title a\x1b[2J\nb\u202e is taken: rename it")
    assert str(error) == "the title a [2J b is taken: rename it"
    assert error.args == ("the title a\x1b[2J\nb\u202e is taken: rename it",)


def test_an_error_with_several_lines_has_an_argument_for_each():
    assert str(DataError("2 rows:", "1: a\nb", "2: c")) == "2 rows:\n1: a b\n2: c"


def test_lines_of_commands_are_neutral(capsys):
    say("data/a\x1b[2J\nb: 3 items", "second")
    assert capsys.readouterr().out == "data/a [2J b: 3 items\nsecond\n"


@pytest.mark.parametrize("text", [text for text, _ in HOSTILE.values()], ids=HOSTILE)
def test_json_reads_back_exactly_and_is_neutral(text, capsys):
    print_json({text: [text]})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {text: [text]}
    assert all(each.isprintable() or each == "\n" or unicodedata.category(each) == "Mn" for each in printed), ascii(
        printed
    )


def test_markdown_has_no_markup_from_titles():
    assert markdown("[a](b) | *c* `d` <script>\n# e") == r"\[a\](b) \| \*c\* \`d\` \<script\> # e"


def console() -> SafeConsole:
    return SafeConsole(file=io.StringIO(), width=60, force_terminal=True, color_system=None)


def test_tables_print_texts_literally():
    hostile, shown = "[red]a[/] :heart:\x1b[2J\u202e", "[red]a[/] :heart: [2J"
    table = Table(hostile, title=hostile, caption=hostile)
    table.add_row(hostile)
    table.add_row(Text(hostile))
    out = console()
    out.print(table, hostile)
    text = out.file.getvalue()
    assert text.count(shown) == 6
    assert "\x1b" not in text
    assert len({len(line) for line in text.splitlines() if line.startswith("│")}) == 1  # the frame is straight


def test_progress_notes_are_neutral(capsys, monkeypatch):
    monkeypatch.setattr("recgpt.progress.LOG_INTERVAL_S", 0)
    with Meter("encode [red]\x1b[2J\nx", 2) as meter:
        meter.update(1, note="a\u202eb")
    written = capsys.readouterr().err
    assert "encode [red] [2J x: 1/2" in written
    assert "ab" in written
    assert "\x1b" not in written


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_output_stops_a_command(encoding):
    script = (
        "from recgpt.terminal import forgive_encodings, print_json, say\n"
        "from recgpt.tables import print_tables\n"
        "from rich.table import Table\n"
        "forgive_encodings()\n"
        "title = 'Am\\u00e9lie \\u5343 \\ud800'\n"
        "table = Table('title'); table.add_row(title)\n"
        "say(title); print_tables(table); print_json({'title': title}, indent=None)"
    )
    environment = {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    last = done.stdout.decode(encoding).splitlines()[-1]
    assert json.loads(last) == {"title": "Amélie 千 \ud800"}
