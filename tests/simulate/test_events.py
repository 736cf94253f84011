"""Rows of a run: their order, and a hash of what they say."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.errors import SimulationError
from recgpt.simulate.events import FORMAT_1_COLUMNS, SCHEMA, EventKind, EventKinds, chained_hash
from recgpt.simulate.rng import bits, normal, uniform

KINDS = EventKinds(
    EventKind("shown", "an item on the page", item="the item", slot="its place"),
    EventKind("rated", "a rating", item="the item", value="stars"),
    EventKind("chatted", "a line of a talk", other="the listener", place="the room", text="the line"),
)
TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))


def step_of(texts: list[str | None], step: int = 1) -> pl.DataFrame:
    return KINDS.assemble(step, [KINDS.piece("chatted", np.arange(len(texts)), text=texts)], time=9)


def test_rows_lie_by_agent_then_by_piece_then_as_they_came():
    shown = KINDS.piece("shown", np.array([2, 2, 0]), item=np.array([7, 5, 3]), slot=np.array([0, 1, 0]))
    rated = KINDS.piece("rated", np.array([0, 2]), item=np.array([3, 7]), value=np.array([4.0, np.nan]))
    rows = KINDS.assemble(3, [shown, rated], time=30)
    assert rows.schema == SCHEMA
    assert rows["agent"].to_list() == [0, 0, 2, 2, 2]
    assert rows["seq"].to_list() == [0, 1, 0, 1, 2]
    assert rows["kind"].to_list() == ["shown", "rated", "shown", "shown", "rated"]
    assert rows["item"].to_list() == [3, 3, 7, 5, 7]
    assert rows["value"].to_list() == [None, 4.0, None, None, None]
    assert rows["step"].unique().to_list() == [3]
    assert KINDS.assemble(1, [], time=0).schema == SCHEMA


def test_time_of_a_row_is_the_step_s_unless_it_has_its_own():
    own = KINDS.piece("chatted", np.array([0, 0]), time=np.array([31, 32]), other=np.array([1, 1]))
    rows = KINDS.assemble(3, [own, KINDS.piece("shown", np.array([0]), item=np.array([5]))], time=30)
    assert rows["time"].to_list() == [31, 32, 30]


def test_undeclared_kind_or_column_is_refused():
    with pytest.raises(SimulationError, match="unknown kind of event 'seen': choose among shown, rated, chatted"):
        KINDS.piece("seen", np.array([0]))
    with pytest.raises(SimulationError, match="'shown' declares no column 'value': it has item, slot"):
        KINDS.piece("shown", np.array([0]), value=np.array([1.0]))
    with pytest.raises(SimulationError, match="no column 'who', use other, item"):
        EventKind("met", "two agents met", who="the other one")
    wide = EventKinds(EventKind("shown", "anything", **dict.fromkeys(("other", "item", "value"), "x")))
    rows = wide.assemble(1, [wide.piece("shown", np.array([0]), other=np.array([1]))], time=0)
    with pytest.raises(SimulationError, match="'shown' declares no column 'other'"):
        KINDS.check(rows)
    wide.check(rows)


def test_table_of_kinds_survives_json_and_prints_used_columns():
    again = EventKinds.from_dict(KINDS.to_dict())
    assert again.to_dict() == KINDS.to_dict()
    lines = KINDS.markdown().splitlines()
    assert lines[0] == "| kind | meaning | `other` | `item` | `place` | `slot` | `value` | `text` |"
    assert lines[3] == "| `rated` | a rating |  | the item |  |  | stars |  |"


@pytest.mark.parametrize("column", ["time", "other", "place"])
def test_hash_of_format_1_is_blind_to_the_new_columns(column):
    rows = step_of(["a"])
    changed = rows.with_columns(pl.lit(7, pl.Int64).alias(column))
    assert chained_hash("", rows) != chained_hash("", changed)
    assert chained_hash("", rows, FORMAT_1_COLUMNS) == chained_hash("", changed, FORMAT_1_COLUMNS)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(TEXTS, min_size=1, max_size=6))
def test_other_texts_have_another_hash(first, second):
    same = chained_hash("", step_of(first)) == chained_hash("", step_of(second))
    assert same == (first == second)


def test_a_hash_goes_on_from_the_one_before():
    rows = step_of(["a"])
    assert chained_hash("", rows) != chained_hash("x", rows)
    assert chained_hash("x", rows) == chained_hash("x", rows.rechunk())


def test_random_numbers_depend_on_what_they_are_for_alone():
    agents = np.arange(1000)
    numbers = uniform(7, agents, step=3, purpose="watch", n=4)
    np.testing.assert_array_equal(uniform(7, agents[::-1], step=3, purpose="watch", n=2), numbers[::-1, :2])
    for other in (
        uniform(8, agents, step=3, purpose="watch"),
        uniform(7, agents, step=4, purpose="watch"),
        uniform(7, agents, step=3, purpose="rate"),
    ):
        assert not (other[:, 0] == numbers[:, 0]).any()
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert bits(0, np.array([0]), step=0, purpose="").shape == (1, 1)


def test_random_numbers_are_uniform_and_normal():
    agents = np.arange(100_000)
    numbers = uniform(1, agents, step=1, purpose="x", n=2)
    counts = np.histogram(numbers[:, 0], bins=20, range=(0, 1))[0]
    assert abs(counts - 5000).max() < 5 * np.sqrt(5000)
    assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 0.02
    assert abs(np.corrcoef(numbers[1:, 0], numbers[:-1, 0])[0, 1]) < 0.02
    drawn = normal(1, agents, step=1, purpose="x")
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
