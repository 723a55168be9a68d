"""Which lines of the app's logs somebody wants to see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from ops.errors import OpsError
from ops.platforms.platform import LogQuery

_PINO_ERROR = 50
_PLAIN_ERROR = re.compile(r"\b(ERROR|FATAL|CRITICAL)\b|\w*Error:|^npm ERR!")


def wanted(query: LogQuery) -> Callable[[str], bool]:
    """Return what tells whether a line is asked for.

    Raises OpsError for a `grep` that is no regular expression.
    """
    try:
        pattern = re.compile(query.grep or "")
    except re.error as error:
        raise OpsError(
            f'"{query.grep}" is no regular expression: {error}. Put a backslash before '
            "what is meant as it is"
        ) from None
    return lambda text: (
        pattern.search(text) is not None and (not query.errors or is_error(text))
    )


def is_error(text: str) -> bool:
    """Whether a line tells of an error or worse.

    pino writes JSON whose `level` is a number, from 50 on an error, or the word; what
    is no JSON comes from npm, Node or a library.
    """
    try:
        level = json.loads(text)["level"]
    except (ValueError, TypeError, KeyError):
        return _PLAIN_ERROR.search(text) is not None
    if isinstance(level, str):
        return level.lower() in {"error", "fatal"}
    return isinstance(level, int | float) and level >= _PINO_ERROR
