"""Schedules of a day: a sequence of activities with minutes, and the rules that read and revise it.

schedule = [("sleeping", 360), ("working", 600), ("relaxing", 480)]
block_at(schedule, 7 * 60)                                 # 1
inserted(schedule, 610, "talking", 20)                     # 1,440 minutes again
"""

import re
from collections.abc import Callable, Sequence

MINUTES_PER_DAY = 1440
_PART = 5
"""Minutes that the parts of a decomposed activity are multiples of."""
_LONGEST_NAP = 60
_HOURS, _TRIES, _VARIETY = 24, 3, 5
_ABOUT_SLEEP = re.compile(r"\b(sleep|asleep|sleeps|sleeping|nap|bedtime)\b|\b(in|into|to) bed\b")
_GOES_TO_BED = re.compile(r"\b(going|go|goes|getting|get|heading|head) (in|into|to) bed\b")

Block = tuple[str, int]
"""An activity and its minutes."""


def minutes_of(schedule: Sequence[Block]) -> int:
    """Minutes of a schedule."""
    return sum(minutes for _, minutes in schedule)


def merged(activities: Sequence[str], minutes: int = 60) -> list[Block]:
    """Schedule of activities of equal length; equal neighbours become one block."""
    schedule: list[Block] = []
    for activity in activities:
        if schedule and schedule[-1][0] == activity:
            schedule[-1] = (activity, schedule[-1][1] + minutes)
        else:
            schedule.append((activity, minutes))
    return schedule


def hours_of_day(wake_hour: int, activity_at: Callable[[int], str], *, published: bool = False) -> list[str]:
    """Activities of 24 hours: sleep before the wake hour, then one reply an hour.

    Three tries at most, until five activities differ.

    Published: the hours of sleep are used up by the first try, so that a second one begins at midnight, awake.

    Parameters
    ----------
    activity_at
        Reply for an hour.
    """
    activities: list[str] = []
    for attempt in range(_TRIES):
        asleep = 0 if published and attempt else wake_hour
        activities = ["sleeping"] * asleep + [activity_at(hour) for hour in range(asleep, _HOURS)]
        if len(set(activities)) >= _VARIETY:
            break
    return activities


def block_at(schedule: Sequence[Block], minute: int, ahead: int = 0, *, published: bool = False) -> int:
    """Place in the schedule of the block at a minute of the day, or so many minutes ahead.

    Published: the number of blocks when the minute is past the end. Corrected: the last block.
    """
    end = 0
    for place, (_, minutes) in enumerate(schedule):
        end += minutes
        if end > minute + ahead:
            return place
    return len(schedule) if published else len(schedule) - 1


def printed(schedule: Sequence[Block], *, published: bool = False) -> str:
    """Lines `06:00 || sleeping`. Published: with the end of each block, and a last line break. Corrected: its start."""
    lines, start = [], 0
    for text, minutes in schedule:
        hour, minute = divmod(start + minutes if published else start, 60)
        lines.append(f"{hour:02}:{minute:02} || {text}")
        start += minutes
    return "\n".join([*lines, ""] if published else lines)


def is_decomposed(text: str, minutes: int, *, published: bool = False) -> bool:
    """Whether an activity is split into parts: not sleep, and no more than an hour of going to bed.

    Published: the letters `sleep` and `bed` count anywhere, as in `tending the flower bed`.
    """
    if published:
        if "sleep" not in text and "bed" not in text:
            return True
        return not ("sleeping" in text or "asleep" in text or "in bed" in text or minutes > _LONGEST_NAP)
    words = text.lower()
    if not _ABOUT_SLEEP.search(words):
        return True
    return minutes <= _LONGEST_NAP and bool(_GOES_TO_BED.search(words) or words == "sleep")


def filled(schedule: Sequence[Block], *, published: bool = False) -> list[Block]:
    """The schedule with sleep up to midnight.

    Published: a block is appended in any case, of no or of negative minutes too. Corrected: only where minutes lack;
    those past midnight are cut.
    """
    if published:
        return [*schedule, ("sleeping", MINUTES_PER_DAY - minutes_of(schedule))]
    return _lasting(schedule, MINUTES_PER_DAY, "sleeping")


def inserted(schedule: Sequence[Block], start: int, text: str, minutes: int) -> list[Block]:
    """The schedule with an activity from the minute `start`; all others keep their times, so that it fills the day.

    An activity that it interrupts goes on after it; one that it covers is left out.
    """
    day = filled(schedule)
    end = min(start + minutes, MINUTES_PER_DAY)
    return [block for block in (*_between(day, 0, start), (text, end - start), *_between(day, end)) if block[1]]


def _between(schedule: Sequence[Block], first: int, last: int = MINUTES_PER_DAY) -> list[Block]:
    """Blocks of the minutes `first` to `last`."""
    found, start = [], 0
    for text, minutes in schedule:
        inside = min(start + minutes, last) - max(start, first)
        if inside > 0:
            found.append((text, inside))
        start += minutes
    return found


def _lasting(schedule: Sequence[Block], minutes: int, rest: str) -> list[Block]:
    """The schedule cut to `minutes`, or filled up with `rest`; blocks of no minutes are left out."""
    cut = _between(schedule, 0, minutes)
    lacking = minutes - minutes_of(cut)
    if not lacking:
        return cut
    if cut and cut[-1][0] == rest:
        return [*cut[:-1], (rest, cut[-1][1] + lacking)]
    return [*cut, (rest, lacking)]


def decomposed(task: str, minutes: int, parts: Sequence[Block]) -> list[Block]:
    """Parts `task (part)` in multiples of five minutes that fill the block; the last takes the rest.

    Without a part of five minutes the task stays whole.
    """
    within = _between([(text, length - length % _PART) for text, length in parts], 0, minutes)
    if not within:
        return [(task, minutes)]
    return [(f"{task} ({text})", length) for text, length in _lasting(within, minutes, within[-1][0])]


def decomposed_as_published(task: str, minutes: int, parts: Sequence[Block]) -> list[Block] | None:
    """Parts `task (part)` by the published rule; None where it raises: no part, or a first part beyond the block."""
    slots = [number for number, (_, length) in enumerate(parts) for _ in range(length - length % _PART)]
    if len(slots) > minutes:
        if len(slots) <= _LONGEST_NAP:
            return None
        slots[-_PART:] = [slots[_LONGEST_NAP]] * _PART
    elif len(slots) < minutes:
        if not slots:
            return None
        slots += [slots[-1]] * (minutes - len(slots))
    kept: list[Block] = []
    for text, length in merged([parts[number][0] for number in slots], 1):
        if minutes_of(kept) + length > minutes:
            break
        kept.append((text, length))
    if not kept:
        return None
    kept[-1] = (kept[-1][0], kept[-1][1] + minutes - minutes_of(kept))
    return [(f"{task} ({text})", length) for text, length in kept]
