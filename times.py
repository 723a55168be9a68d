"""When: time zones, AWS's cron expressions, and its daily and weekly windows.

Settings refuse what components would refuse, in words of their own; what is right is
said here once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final
from zoneinfo import available_timezones

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Days of a weekly window, in the order of a week."""

_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY
_MONTH: Final = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_WEEKDAY: Final = "[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT"


@cache
def zones() -> tuple[str, ...]:
    """Return the IANA names of all time zones, sorted; they are hundreds of files."""
    return tuple(sorted(available_timezones()))


def minute(time: str) -> int:
    """Return the minute of the day of `05:00`, or of the week of `sun:03:00`."""
    *day, hour, minutes = time.split(":")
    return sum(map(DAYS.index, day)) * _DAY + int(hour) * 60 + int(minutes)


def window_length(window: str) -> int:
    """Return the minutes of `HH:MM-HH:MM` or `ddd:HH:MM-ddd:HH:MM`."""
    begin, end = window.split("-")
    return (minute(end) - minute(begin)) % (_WEEK if _is_weekly(begin) else _DAY)


def window_minutes(window: str, *, before: int = 0) -> frozenset[int]:
    """Return the minutes of the week that a daily or weekly window covers.

    Args:
        window: `HH:MM-HH:MM` or `ddd:HH:MM-ddd:HH:MM`.
        before: minutes before it that count too.
    """
    begin, _ = window.split("-")
    return minutes_from(begin, window_length(window), before=before)


def minutes_from(time: str, length: int, *, before: int = 0) -> frozenset[int]:
    """Return the minutes of the week from a time of each day, or of the week, on.

    Args:
        time: `HH:MM` or `ddd:HH:MM`.
        length: how many there are from then on.
        before: how many come before it.
    """
    first = minute(time)
    return frozenset(
        (day * _DAY + first + offset) % _WEEK
        for day in range(1 if _is_weekly(time) else 7)
        for offset in range(-before, length)
    )


def wrong_cron_field(fields: Sequence[str]) -> int | None:
    """Return the place of the first of six cron fields that AWS would refuse."""
    for place, (pattern, value) in enumerate(zip(_CRON, fields, strict=True)):
        if not all(pattern.fullmatch(part) for part in value.split(",")):
            return place
    return None


def names_one_day(fields: Sequence[str]) -> bool:
    """Whether exactly one of the days, of month and week, is left to the other."""
    return (fields[2] == "?") != (fields[4] == "?")


def _is_weekly(time: str) -> bool:
    return time.count(":") == 2


def _field(number: str, *special: str) -> re.Pattern[str]:
    """One part of a cron field: `*`, a value or a range, with a step; or special."""
    plain = rf"(\*|({number})(-({number}))?)(/[1-9]\d*)?"
    return re.compile("|".join((plain, *special)))


_CRON: Final = (
    _field(r"[0-5]?\d"),  # minute
    _field(r"[01]?\d|2[0-3]"),  # hour
    _field(r"0?[1-9]|[12]\d|3[01]", r"\?", "L", "LW", r"([12]?\d|3[01])W"),  # day
    _field(rf"0?[1-9]|1[0-2]|{_MONTH}"),
    _field(_WEEKDAY, r"\?", rf"({_WEEKDAY})?L", rf"({_WEEKDAY})#[1-5]"),
    _field(r"19[7-9]\d|20\d\d|21\d\d"),  # year
)
"""https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""
