"""Tables on standard output: nothing wraps where no terminal limits them, each term is explained once."""

import io
import re
import sys

import pytest
from rich.table import Table

from recgpt.tables import decimal, figure, legend, print_tables


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def wide_table(monkeypatch) -> Table:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table(*(f"column number {number}" for number in range(12)), box=None, title="many columns")
    table.add_row(*(f"cell {number} of a long row" for number in range(12)))
    return table


def printed(monkeypatch, stream: io.StringIO, *shown: object, wide: bool = False) -> list[str]:
    monkeypatch.setattr(sys, "stdout", stream)
    print_tables(*shown, wide=wide)
    return re.sub(r"\x1b\[[\d;]*m", "", stream.getvalue()).splitlines()


def test_a_file_gets_lines_as_wide_as_the_content(monkeypatch, wide_table):
    title, heading, row = printed(monkeypatch, io.StringIO(), wide_table)
    assert title.strip() == "many columns"
    assert heading.split("  ")[0].strip() == "column number 0"
    assert all(f"cell {number} of a long row" in row for number in range(12))
    assert len(row) < 300


def test_a_terminal_is_fitted_unless_wide_is_said(monkeypatch, wide_table):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    fitted = printed(monkeypatch, Terminal(), wide_table)
    assert max(map(len, fitted)) <= 80
    wide = printed(monkeypatch, Terminal(), wide_table, wide=True)
    assert any(all(f"cell {number} of a long row" in line for number in range(12)) for line in wide)


def test_who_sets_columns_gets_that_width_in_a_file(monkeypatch, wide_table):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, printed(monkeypatch, io.StringIO(), wide_table))) <= 60


def test_a_legend_has_a_row_a_term(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(monkeypatch, io.StringIO(), legend({"ILD": "intra-list diversity", "KL": "calibration"}))
    assert [line.split(maxsplit=1) for line in map(str.rstrip, lines)] == [
        ["ILD", "intra-list diversity"],
        ["KL", "calibration"],
    ]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0751, 4, ".0751"),
        (0.26, 2, ".26"),
        (1.034, 2, "1.03"),
        (-0.5, 3, "-.500"),
        (0.99999, 4, "1.0000"),
        (0, 4, ".0000"),
    ],
)
def test_numbers_below_one_have_no_leading_zero(value, digits, text):
    assert decimal(value, digits) == text


def test_figures_of_any_size_are_written_as_shares_are():
    shown = {0.26: ".2600", 0.00004: "< .0001", 0.0: ".0000", 9.531: "9.53", 1234.5: "1,234", None: "–"}
    assert {value: figure(value) for value in shown} == shown
