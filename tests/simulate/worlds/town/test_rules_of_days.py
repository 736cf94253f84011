"""Rules of schedules, actions and talks, against values of the published code (`../shared/fixtures/smallville`)."""

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgpt.simulate.worlds.town.rules.actions import end_of, is_over
from recgpt.simulate.worlds.town.rules.schedules import (
    MINUTES_PER_DAY,
    block_at,
    decomposed,
    decomposed_as_published,
    filled,
    hours_of_day,
    inserted,
    is_decomposed,
    merged,
    minutes_of,
    printed,
)
from recgpt.simulate.worlds.town.rules.talks import (
    COOLDOWN_SECONDS,
    COOLDOWN_STEPS,
    cooled,
    may_talk,
    may_talk_again,
    minutes_of_talk,
    schedule_after_talk,
    schedule_after_talk_as_published,
)

DAY = [("sleeping", 420), ("working", 600), ("relaxing", 360), ("sleeping", 60)]
blocks = st.lists(st.tuples(st.sampled_from(["sleeping", "working", "eating"]), st.integers(0, 700)), max_size=12)


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "fixtures/smallville/golden.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schedules(golden):
    """By the first letter of their names."""
    return {name[0]: [tuple(block) for block in each] for name, each in golden["schedule"]["schedules"].items()}


def minute_of(clock):
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def test_blocks_of_a_schedule_are_found_as_published_and_the_last_one_past_its_end(golden, schedules):
    for name, clock, ahead, place in golden["schedule"]["index"]["rows"]:
        schedule = schedules[name]
        assert block_at(schedule, minute_of(clock), ahead, published=True) == place
        assert block_at(schedule, minute_of(clock), ahead) == min(place, len(schedule) - 1)


def test_printed_schedules_have_the_end_of_blocks_as_published_and_their_start_as_corrected(golden, schedules):
    expected = golden["schedule"]["printed"]
    assert printed(schedules["A"], published=True).split("\n") == expected["published"]
    assert printed(schedules["A"]).split("\n") == expected["corrected"]


def test_activities_that_are_split_are_as_published(golden):
    for text, minutes, split in golden["schedule"]["is_decomposed"]:
        assert is_decomposed(text, minutes, published=True) == split
        assert is_decomposed(text, minutes) == (split or text in ("tending the flower bed", "embedding texts"))


def test_actions_end_in_their_very_second_as_published_and_from_then_on_as_corrected(golden):
    for case in golden["action_end"]["cases"]:
        start, now = (datetime.fromisoformat(f"2023-02-13 {case[name]}") for name in ("start", "now"))
        now += timedelta(days=now < start)
        assert is_over(start, case["minutes"], now, published=True) == case["published"]
        assert is_over(start, case["minutes"], now) == case["corrected"]


def test_minutes_of_a_talk_are_as_published(golden):
    for case in golden["conversation"]["minutes"]["cases"]:
        lines = [("Al", "x" * (case["characters"] - len("Al: \n")))]
        assert minutes_of_talk(lines, published=True) == minutes_of_talk(lines) == case["published_minutes"]
    assert (minutes_of_talk([], published=True), minutes_of_talk([])) == (0, 1)


def test_schedules_after_a_talk_are_as_published_and_fill_the_day_as_corrected(golden, schedules):
    hourly = [
        *schedules["A"][:3],
        ("serving customers at the cafe counter", 240),
        *schedules["A"][6:],
    ]
    for case in golden["conversation"]["reactions"]:
        now = datetime.fromisoformat(f"2023-02-13 {case['now']}")
        for after in case["after"].values():
            summary, minutes = after["act_description"], after["act_duration"]
            assert f"{end_of(now, minutes):%H:%M:%S}" == after["chatting_end_time"]
            found = schedule_after_talk_as_published(schedules["A"], hourly, now, minutes, summary)
            assert [list(block) for block in found] == after["f_daily_schedule"]
            corrected = schedule_after_talk(schedules["A"], now, minutes, summary)
            assert minutes_of(corrected) == MINUTES_PER_DAY
            talks = [block for block in corrected if summary in block[0]]
            assert talks == [(f"serving customers at the cafe counter ({summary})", minutes)]


def test_cool_down_counts_as_published(golden):
    assert golden["conversation"]["cooldown"]["steps"] == COOLDOWN_STEPS
    left = {"Maria Lopez": 2, "Klaus Mueller": 1}
    for _ in range(3):
        left = cooled(left, "Maria Lopez")
    assert left == {"Maria Lopez": 2, "Klaus Mueller": -2}
    assert not may_talk(left["Maria Lopez"])
    assert may_talk(0)


@pytest.mark.parametrize("seconds", [1, 10, 60, 600])
def test_cool_down_lasts_as_long_at_any_length_of_a_tick(seconds):
    ticks = -(-COOLDOWN_SECONDS // seconds)
    assert may_talk_again(-1, 0, seconds)
    assert not may_talk_again(5, 5 + ticks - 1, seconds)
    assert may_talk_again(5, 5 + ticks, seconds)


def test_a_block_is_split_as_published_and_in_full_as_corrected(golden):
    for case in golden["replies"]["decomposition"]["cases"]:
        parts = [("a", 90)] if case["reply"].endswith("(duration in minutes: 90, minutes left: 0)") else None
        if parts:
            assert case["published"] == {"raises": "IndexError"}
            assert decomposed_as_published(case["task"], case["minutes"], parts) is None
            assert decomposed(case["task"], case["minutes"], parts) == [(f"{case['task']} (a)", 60)]


# --- defects of the published code ---


def test_a_full_day_gets_no_empty_block_of_sleep():
    assert filled(DAY, published=True)[-1] == ("sleeping", 0)
    assert filled(DAY) == DAY
    assert filled(DAY[:3]) == DAY


def test_a_part_beyond_the_block_neither_raises_nor_swallows_the_others():
    parts = [("sweeping", 30), ("resting", 50)]
    assert decomposed_as_published("cleaning", 60, parts) == [("cleaning (sweeping)", 60)]
    assert decomposed("cleaning", 60, parts) == [("cleaning (sweeping)", 30), ("cleaning (resting)", 30)]
    assert decomposed_as_published("cleaning", 60, []) is None
    assert decomposed("cleaning", 60, []) == [("cleaning", 60)]
    assert decomposed("cleaning", 60, [("sweeping", 4)]) == [("cleaning", 60)]


def test_a_missed_end_does_not_make_the_action_last_a_day():
    start = datetime(2023, 2, 13, 10)
    late = start + timedelta(minutes=5, seconds=10)
    assert not is_over(start, 5, late, published=True)
    assert is_over(start, 5, late)


def test_a_second_try_at_a_day_begins_asleep():
    replies = iter([*["working"] * 17, *(f"task {number}" for number in range(24))])
    assert hours_of_day(7, lambda hour: next(replies), published=True)[:2] == ["task 0", "task 1"]
    replies = iter([*["working"] * 17, *(f"task {number}" for number in range(24))])
    assert hours_of_day(7, lambda hour: next(replies)) == ["sleeping"] * 7 + [f"task {k}" for k in range(17)]
    assert hours_of_day(7, lambda hour: "working") == ["sleeping"] * 7 + ["working"] * 17


def test_an_interrupted_activity_goes_on_after_a_talk():
    day = inserted(DAY, 600, "talking", 20)
    assert day == [
        ("sleeping", 420),
        ("working", 180),
        ("talking", 20),
        ("working", 400),
        ("relaxing", 360),
        ("sleeping", 60),
    ]
    assert inserted(DAY, 1430, "talking", 20)[-2:] == [("sleeping", 50), ("talking", 10)]


@given(blocks)
def test_every_corrected_schedule_fills_the_day(schedule):
    day = filled(schedule)
    assert minutes_of(day) == MINUTES_PER_DAY
    assert all(minutes > 0 for _, minutes in day)


@given(blocks, st.integers(0, MINUTES_PER_DAY - 1), st.integers(1, 300))
def test_every_schedule_after_a_talk_fills_the_day_and_has_the_talk_in_its_place(schedule, start, minutes):
    day = inserted(schedule, start, "talk", minutes)
    assert minutes_of(day) == MINUTES_PER_DAY
    assert day[block_at(day, start)] == ("talk", min(minutes, MINUTES_PER_DAY - start))
    after = schedule_after_talk(schedule, datetime(2023, 2, 13, start // 60, start % 60), minutes, "talk")
    assert minutes_of(after) == MINUTES_PER_DAY


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 90)), max_size=8), st.integers(1, 300))
def test_parts_fill_their_block(parts, minutes):
    assert minutes_of(decomposed("task", minutes, parts)) == minutes


@given(st.lists(st.sampled_from("abc"), min_size=24, max_size=24))
def test_merged_hours_keep_their_times(hours):
    day = merged(hours)
    assert [day[block_at(day, 60 * hour)][0] for hour in range(24)] == hours
    assert all(one[0] != next_[0] for one, next_ in pairwise(day))
