"""Which lines of a log are shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from ops.errors import OpsError
from ops.platforms.lines import is_error, wanted
from ops.platforms.platform import LogQuery

SINCE = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (json.dumps({"level": 50, "msg": "no"}), True),
        (json.dumps({"level": 60}), True),
        (json.dumps({"level": 40, "msg": "an ERROR was avoided"}), False),
        (json.dumps({"level": "error"}), True),
        (json.dumps({"level": "FATAL"}), True),
        (json.dumps({"level": "info", "msg": "Error: of a user"}), False),
        (json.dumps({"level": None, "msg": "TypeError: x"}), False),
        (json.dumps(["level"]), False),
        ("TypeError: x is not a function", True),
        ("npm ERR! code 1", True),
        ("2026 ERROR something", True),
        ("no errors found", False),
        ('{"level":50', False),
        ("", False),
    ],
)
def test_errors_are_told_from_the_rest(text, error):
    assert is_error(text) is error


def test_a_pattern_and_a_level_hold_both():
    fits = wanted(LogQuery(SINCE, errors=True, grep="data.ase"))
    assert fits(json.dumps({"level": "error", "msg": "database"}))
    assert not fits(json.dumps({"level": "error", "msg": "cache"}))
    assert not fits(json.dumps({"level": "info", "msg": "database"}))


def test_what_is_no_pattern_is_refused_with_the_remedy():
    with pytest.raises(OpsError, match="backslash"):
        wanted(LogQuery(SINCE, grep="("))
