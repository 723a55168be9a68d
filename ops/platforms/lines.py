"""Which lines of the app's logs somebody wants to see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from ops.errors import OpsError
from ops.platforms.platform import LogQuery

_LEVELS = frozenset({"error", "fatal"})
"""Levels of pino, the app's logger, that are errors."""

_NUMBER = 50
"""From this number on, where the level is one: pino's `error`."""

_WORDS = re.compile(r"\b(error|fatal|exception|uncaught|panic)\b", re.IGNORECASE)


def wanted(query: LogQuery) -> Callable[[str], bool]:
    """Return what tells whether a line is asked for.

    Raises OpsError for a `grep` that is no regular expression.
    """
    try:
        contains = re.compile(query.grep or "").search
    except re.error as error:
        raise OpsError(
            f'"{query.grep}" is no regular expression: {error}. A character that is '
            r"meant as it is gets a \ before it"
        ) from None

    def matches(line: str) -> bool:
        return bool(contains(line)) and (not query.errors or is_error(line))

    return matches


def is_error(line: str) -> bool:
    """Whether a line is of level error or worse.

    The app logs JSON; what Node itself prints when it dies is text.
    """
    if line.startswith("{"):
        try:
            level = json.loads(line).get("level")
        except ValueError:
            pass
        else:
            if isinstance(level, int):
                return level >= _NUMBER
            return str(level).lower() in _LEVELS
    return bool(_WORDS.search(line))
