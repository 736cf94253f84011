"""Raters by their published names, and how their replies are read; golden values where the shared fixtures are."""

import json
from pathlib import Path
from typing import Any

import pytest

from recgpt.simulate.worlds.gym.minds.raters import (
    BOOK_RATERS,
    MOVIE_RATERS,
    general_raters,
    ordinal,
    rating_in_prompt,
    read_plain_rating,
    read_rating,
)

GOLDEN = Path(__file__).parents[5] / "shared/fixtures/emosim/golden.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Cases of the published classes."""
    if not GOLDEN.is_file():
        pytest.skip("the shared fixtures are not here")
    found: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return found


def test_every_published_name_is_there() -> None:
    films = {f"{n}Shot_system_{kind}" for n in (0, 1, 2) for kind in ("our", "default", "our_1_10", "our_one_ten")}
    films |= {f"{n}Shot_invert_system_{kind}" for n in (1, 2) for kind in ("our", "default")}
    films |= {f"{n}Shot_cot_enhanced" for n in (0, 1, 2)} | {"0Shot_cotlite_our"}
    assert set(MOVIE_RATERS) == films
    books = {f"{n}Shot_{kind}" for n in (0, 1, 2) for kind in ("system_our", "system_default", "cot_enhanced")}
    assert set(BOOK_RATERS) >= books | {"0Shot_cotlite_our"}
    assert all(name == rater.name for raters in (MOVIE_RATERS, BOOK_RATERS) for name, rater in raters.items())


@pytest.mark.parametrize("name", MOVIE_RATERS)
def test_raters_of_films_cover_1_to_10_and_nothing_else(name: str) -> None:
    rater = MOVIE_RATERS[name]
    said = range(rater.lowest, rater.highest + 1)
    assert [read_rating(rater, number) for number in said] == list(range(1, 11))
    assert [rating_in_prompt(rater, rating) for rating in range(1, 11)] == list(said)


@pytest.mark.parametrize("name", BOOK_RATERS)
def test_raters_of_books_cover_1_to_5(name: str) -> None:
    rater = BOOK_RATERS[name]
    assert (rater.lowest, rater.highest, rater.shift) == (1, 5, 0)


def test_raters_of_other_domains_have_their_scale() -> None:
    assert {(rater.lowest, rater.highest, rater.shift) for rater in general_raters(1, 7).values()} == {(1, 7, 0)}


def test_plain_replies_are_read_as_the_golden_cases(golden: dict[str, Any]) -> None:
    raters = {
        "0-9": MOVIE_RATERS["0Shot_system_our"],
        "1-10": MOVIE_RATERS["0Shot_system_our_1_10"],
        "1-5": BOOK_RATERS["0Shot_system_our"],
        "one-ten": MOVIE_RATERS["1Shot_system_our_one_ten"],
    }
    for scale, text, _, correct in golden["reply_parsing"]["cases"]:
        rater = raters[scale]
        expected = None if correct is None else correct + rater.shift
        assert read_plain_rating(rater, text) == expected, (scale, text)


def test_scale_of_prompts_is_the_published_one_but_for_cotlite(golden: dict[str, Any]) -> None:
    for name, rating, shown, kept in golden["rater_scale"]["cases"]:
        rater, mended = MOVIE_RATERS[name], int(name == "0Shot_cotlite_our")
        assert rating_in_prompt(rater, rating) == shown - mended
        assert read_rating(rater, rating) == kept + mended


def test_ordinals(golden: dict[str, Any]) -> None:
    assert [[n, ordinal(n)] for n, _ in golden["ordinal"]["cases"]] == golden["ordinal"]["cases"]


def test_ordinals_without_the_fixtures() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 11, 22, 113)] == ["1st", "2nd", "3rd", "11th", "22nd", "113th"]
