"""What the containers print, as CloudWatch Logs has it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ops.errors import OpsError
from ops.platforms.aws.account import Account, code
from ops.platforms.platform import LogLine, LogQuery

POLL_SECONDS = 3.0
"""Between two looks for new lines."""

LATE_SECONDS = 120
"""How much later than its time a line may arrive and still be shown by `follow`."""

_STREAMS = "ecs/"
"""How the streams of containers begin; sessions of ECS Exec are logged beside them."""

_PINO_ERROR = 50
_PLAIN_ERROR = re.compile(r"\b(ERROR|FATAL|CRITICAL)\b|\w*Error:|^npm ERR!")


def lines(account: Account, query: LogQuery) -> Iterator[LogLine]:
    """Yield lines of all containers of the stack, jobs included, the oldest first.

    Everything is read and looked through here: what is an error, and regular
    expressions, are more than CloudWatch's filters can say.

    Raises OpsError when `grep` is no regular expression.
    """
    wanted = _matcher(query)
    since = int(query.since.timestamp() * 1000)
    seen: dict[str, int] = {}
    while True:
        began = time.time()
        for event in _events(account, since):
            if event["eventId"] in seen:
                continue
            seen[event["eventId"]] = event["timestamp"]
            if wanted(event["message"]):
                yield _line(event)
        if not query.follow:
            return
        # Lines come late, and out of order over streams: look again at what was
        # recent when this look began, and know what was shown of it.
        since = max(since, int((began - LATE_SECONDS) * 1000))
        seen = {event: at for event, at in seen.items() if at >= since}
        time.sleep(POLL_SECONDS)


def tail(account: Account, container: str, task: str, last: int = 20) -> list[str]:
    """The last lines of one container of a task; none when it printed none."""
    from botocore.exceptions import ClientError

    try:
        found = account.client("logs").get_log_events(
            logGroupName=account["log_group"],
            logStreamName=stream(container, task),
            limit=last,
            startFromHead=False,
        )
    except ClientError as error:
        if code(error) == "ResourceNotFoundException":
            return []
        raise
    return [event["message"].rstrip("\n") for event in found["events"]]


def stream(container: str, task: str) -> str:
    """Name of the log stream of a container. task: ARN or id."""
    return f"{_STREAMS}{container}/{task.rpartition('/')[2]}"


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


def _matcher(query: LogQuery) -> Callable[[str], bool]:
    """Whether a line is wanted."""
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


def _events(account: Account, since: int) -> Iterator[Any]:
    return account.pages(
        "logs",
        "filter_log_events",
        "events",
        logGroupName=account["log_group"],
        logStreamNamePrefix=_STREAMS,
        startTime=since,
    )


def _line(event: Any) -> LogLine:
    container, _, task = event["logStreamName"].removeprefix(_STREAMS).rpartition("/")
    return LogLine(
        at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        source=f"{container}/{task[:8]}",
        text=event["message"].rstrip("\n"),
    )
