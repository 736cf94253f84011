"""Titles as people type them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgpt.errors import DataError
from recgpt.titles import find_titles

TITLES = [
    "Alien (1979)",
    "Aliens (1986)",
    "Heat (1995)",
    "Heathers (1989)",
    "Toy Story (1995)",
    "Heat",
    "Éxtasis",
    "heat",
]


@pytest.mark.parametrize(
    ("wanted", "row"),
    [
        ("Heat (1995)", 2),
        ("hEAT (1995)", 2),
        ("  toy story (1995) ", 4),
        ("toy", 4),
        ("1989", 3),
        ("Heat", 5),  # equal goes before containing, and the first of several equal ones is taken
        ("heat", 5),
        ("éxtasis", 6),
        ("Alien (", 0),
    ],
)
def test_found(wanted, row):
    assert find_titles(TITLES, [wanted]) == [row]


def test_one_row_for_each_in_order():
    assert find_titles(TITLES, ["toy", "Aliens (1986)", "toy"]) == [4, 1, 4]
    assert find_titles(TITLES, []) == []


def test_several_fit():
    with pytest.raises(
        DataError, match=r"'alien' fits 2 titles: Alien \(1979\); Aliens \(1986\)\. Write the title in full"
    ):
        find_titles(TITLES, ["alien"])
    many = [f"Rocky {number}" for number in range(9)]
    with pytest.raises(DataError, match=r"'rocky' fits 9 titles: Rocky 0; Rocky 1; Rocky 2; Rocky 3; Rocky 4\. Write"):
        find_titles(many, ["rocky"])


def test_none_fits():
    with pytest.raises(DataError, match=r"no title contains 'Tay Storie'; near it: Toy Story \(1995\)"):
        find_titles(TITLES, ["Heat", "Tay Storie"])
    with pytest.raises(DataError, match=r"no title contains 'zzzzz': check its spelling$"):
        find_titles(TITLES, ["zzzzz"])


def test_the_nearest_titles_are_each_named_once():
    titles = ["Solaris", "Solaris", "Solaris", "Polaris"]
    with pytest.raises(DataError, match=r"near it: Solaris; Polaris$"):
        find_titles(titles, ["Solariss"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=8))
def test_a_title_written_in_full_is_found(titles):
    for title, row in zip(titles, find_titles(titles, titles), strict=True):
        assert titles[row].casefold().strip() == title.casefold().strip()
