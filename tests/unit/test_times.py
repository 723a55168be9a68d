"""Windows as minutes of the week, and what AWS takes for a cron expression."""

from __future__ import annotations

import pytest

import times


@pytest.mark.parametrize(
    ("time", "minute"), [("00:00", 0), ("05:01", 301), ("tue:00:30", 1470)]
)
def test_a_time_is_a_minute_of_the_day_or_of_the_week(time, minute):
    assert times.minute(time) == minute


@pytest.mark.parametrize(
    ("window", "length"),
    [("02:00-03:00", 60), ("23:30-00:30", 60), ("sun:23:30-mon:01:00", 90)],
)
def test_a_window_may_go_past_midnight_and_past_the_week(window, length):
    weekly = window[0].isalpha()
    assert times.window_length(window) == length
    assert len(times.window_minutes(window)) == length * (1 if weekly else 7)


def test_what_comes_before_a_window_can_count_too():
    closed = times.window_minutes("mon:00:10-mon:00:40", before=60)
    assert closed == {*range(7 * 24 * 60 - 50, 7 * 24 * 60), *range(40)}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ("0 3 * * ? *", None),
        ("0/15 8-18 ? JAN-MAR,12 MON-FRI,6L 2030", None),
        ("60 3 * * ? *", 0),
        ("0 3 32 * ? *", 2),
        ("0 3 * * 8 *", 4),
    ],
)
def test_the_first_wrong_field_of_a_cron_expression_is_found(fields, wrong):
    assert times.wrong_cron_field(fields.split()) == wrong


def test_one_of_the_days_is_left_to_the_other():
    assert times.names_one_day(["0", "3", "*", "*", "?", "*"])
    assert times.names_one_day(["0", "3", "?", "*", "SUN", "*"])
    assert not times.names_one_day(["0", "3", "*", "*", "*", "*"])
    assert not times.names_one_day(["0", "3", "?", "*", "?", "*"])
