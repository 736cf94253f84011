"""When an action is over.

is_over(start, minutes=5, now=now)
"""

from datetime import datetime, timedelta


def full_minute(moment: datetime) -> datetime:
    """The moment itself, or the next full minute."""
    begun = moment.replace(second=0, microsecond=0)
    return begun if begun == moment else begun + timedelta(minutes=1)


def end_of(start: datetime, minutes: int) -> datetime:
    """End of an action: so many minutes after its start, rounded up to a full minute."""
    return full_minute(start) + timedelta(minutes=minutes)


def is_over(start: datetime, minutes: int, now: datetime, *, published: bool = False) -> bool:
    """Whether an action is over.

    Published: only in the very second of its end, on any day, so that an end missed by ten seconds comes a day later.
    """
    end = end_of(start, minutes)
    return f"{now:%H:%M:%S}" == f"{end:%H:%M:%S}" if published else now >= end
