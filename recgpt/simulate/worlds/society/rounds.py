"""Simulated time of rounds: from the number of a round to a date.

    add_interval(datetime(2024, 1, 31, 8), *parsed_interval("1M"))      # 29 February, 08:00

An interval is a whole number and one letter: s m h d M (month) y.
"""

import calendar
import re
from datetime import datetime, timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "M": "months", "y": "years"}


def parsed_interval(text: str) -> tuple[int, str]:
    """Number and unit (seconds, minutes, hours, days, months, years) of an interval.

    Raises
    ------
    ValueError
        The text is no interval, or the number is 0.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhdMy])", text)
    if found is None or not int(found[1]):
        raise ValueError(f"{text!r} is no interval: a whole number from 1 and one of {' '.join(_UNITS)}, such as 5h")
    return int(found[1]), _UNITS[found[2]]


def add_interval(start: datetime, value: int, unit: str) -> datetime:
    """Date after an interval; months and years keep the day, clipped to the month.

    Raises
    ------
    OverflowError, ValueError
        The date is beyond the year 9999.
    """
    if unit not in ("months", "years"):
        return start + timedelta(**{unit: value})
    months = start.month - 1 + value * (12 if unit == "years" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))


def date_of_round(start: datetime, interval: str, step: int) -> datetime:
    """Date of round `step`, from 1, which is counted from the start, so that clipped days do not add up."""
    value, unit = parsed_interval(interval)
    return add_interval(start, value * (step - 1), unit)
