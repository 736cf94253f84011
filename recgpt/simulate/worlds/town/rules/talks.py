"""Length of talks, the schedule after one, and the time until two talk again.

minutes = minutes_of_talk([("Maria Lopez", "Hi!"), ("Klaus Mueller", "Hello, Maria.")])
schedule = schedule_after_talk(schedule, now, minutes, "conversing about the weather")
"""

import math
from collections.abc import Sequence
from datetime import datetime

from recgpt.simulate.worlds.town.rules.schedules import Block, block_at, filled, inserted, minutes_of

COOLDOWN_STEPS = 800
"""Published steps after a talk in which the two start no other."""
COOLDOWN_SECONDS = 8000
"""The same in simulated seconds: 2 hours, 13 minutes and 20 seconds."""
_CHARACTERS_PER_WORD = 8
_WORDS_PER_MINUTE = 30
_TWO_HOURS = 120


def minutes_of_talk(lines: Sequence[tuple[str, str]], *, published: bool = False) -> int:
    """Minutes of a talk by the length of its lines `Name: line`; at least one, but as published."""
    characters = sum(len(f"{name}: {text}\n") for name, text in lines)
    minutes = math.ceil(int(characters / _CHARACTERS_PER_WORD) / _WORDS_PER_MINUTE)
    return minutes if published else max(minutes, 1)


def cooled(left: dict[str, int], talking_with: str | None) -> dict[str, int]:
    """Steps until the next talk by name, a step later; the count of the present partner stands, others go below 0."""
    return {name: steps - (name != talking_with) for name, steps in left.items()}


def may_talk(steps_left: int) -> bool:
    """Whether two may talk by the published count."""
    return steps_left <= 0


def may_talk_again(talked_at: int, tick: int, seconds_per_tick: int) -> bool:
    """Whether two may talk, the end of the last talk at tick `talked_at` (-1: none), at any length of a tick."""
    return talked_at < 0 or (tick - talked_at) * seconds_per_tick >= COOLDOWN_SECONDS


def schedule_after_talk(schedule: Sequence[Block], now: datetime, minutes: int, summary: str) -> list[Block]:
    """The schedule with a talk from now on, as `task (summary)`: 1,440 minutes in all."""
    minute = now.hour * 60 + now.minute
    day = filled(schedule)
    task = _task(day[block_at(day, minute)][0])
    return inserted(day, minute, f"{task} ({summary})", minutes)


def schedule_after_talk_as_published(
    schedule: Sequence[Block], hourly: Sequence[Block], now: datetime, minutes: int, summary: str
) -> list[Block]:
    """The schedule after a talk by the published rule for a useless reply; it may miss 1,440 minutes.

    Parameters
    ----------
    hourly
        The schedule before its blocks were split into parts.
    """
    minute = now.hour * 60 + now.minute
    first_hour, last_hour = _window(hourly, minute)
    starts = [minutes_of(schedule[:place]) for place in range(len(schedule))]
    places = [place for place, start in enumerate(starts) if first_hour * 60 <= start < last_hour * 60]
    window = [schedule[place] for place in places]
    before = [schedule[place] for place in places if starts[place] <= minute + 1]
    cut = next((schedule[place] for place in places if starts[place] > minute + 1), None)
    if cut is not None:
        before.append((cut[0], 0))
    text, length = before[-1]
    before[-1] = (f"{_task(text)} (on the way to {text.split('(')[-1][:-1]})", length)
    revised = [*before, (f"{_task(text)} ({summary})", minutes)]
    revised += window[len(revised) - 1 :]
    return [*schedule[: places[0]], *_trimmed(revised, minutes_of(window)), *schedule[places[-1] + 1 :]]


def _task(text: str) -> str:
    return text.split("(")[0].strip()


def _window(hourly: Sequence[Block], minute: int) -> tuple[int, int]:
    """First and last hour that the published code revises: hours of the block, and of the next where it is short."""
    place = block_at(hourly, minute, published=True)
    start = minutes_of(hourly[:place]) // 60
    length = hourly[place][1]
    if length < _TWO_HOURS:
        length += hourly[place + 1][1]
    return start, int(start + length / 60)


def _trimmed(blocks: Sequence[Block], minutes: int) -> list[Block]:
    """Blocks cut where they pass `minutes`; those after a sum that fits exactly stay, as published."""
    total = 0
    for place, (text, length) in enumerate(blocks):
        total += length
        if total == minutes:
            break
        if total > minutes:
            return [*blocks[:place], (text, length - (total - minutes))]
    return list(blocks)
