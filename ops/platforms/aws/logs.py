"""What the containers print, as CloudWatch Logs has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ops.platforms.aws.account import Account, code
from ops.platforms.lines import wanted
from ops.platforms.platform import LogLine, LogQuery

POLL_SECONDS = 3.0
"""Between two looks for new lines."""

LATE_SECONDS = 120
"""How much later than its time a line may arrive and still be shown by `follow`."""

_STREAMS = "ecs/"
"""How the streams of containers begin; sessions of ECS Exec are logged beside them."""


def lines(account: Account, query: LogQuery) -> Iterator[LogLine]:
    """Yield lines of all containers of the stack, jobs included, the oldest first.

    Everything is read and looked through here: what is an error, and regular
    expressions, are more than CloudWatch's filters can say.

    Raises OpsError when `grep` is no regular expression.
    """
    fits = wanted(query)
    since = int(query.since.timestamp() * 1000)
    seen: dict[str, int] = {}
    while True:
        began = time.time()
        for event in _events(account, since):
            if event["eventId"] in seen:
                continue
            seen[event["eventId"]] = event["timestamp"]
            if fits(event["message"]):
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
