"""Lines of the app's containers, in the order of their time."""

from __future__ import annotations

import contextlib
import heapq
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from ops.platforms.docker_host.engine import broken
from ops.platforms.platform import LogLine, LogQuery

LOOK_SECONDS = 2.0
"""Between two looks for containers that came, and for connections that broke."""


def history(
    containers: list[Any], since: datetime, until: datetime
) -> Iterator[LogLine]:
    """What containers printed, merged by time."""
    of_each = [_lines(each, since=since, until=until) for each in containers]
    return heapq.merge(*of_each, key=lambda line: line.at)


def following(
    containers: Callable[[], list[Any]], since: datetime
) -> Iterator[LogLine]:
    """What containers print from now on, those that come later included.

    containers: those that there are, asked again and again.

    A container that is replaced is followed by its successors, and a connection that
    breaks is made again at the line where it broke.
    """
    arriving: queue.Queue[LogLine] = queue.Queue(maxsize=10_000)
    readers: dict[str, _Reader] = {}
    looked = float("-inf")
    while True:
        if time.monotonic() - looked >= LOOK_SECONDS:
            looked = time.monotonic()
            # The engine restarts, or the network is away: it comes back.
            with contextlib.suppress(*broken()):
                _look(containers(), readers, arriving, since)
        with contextlib.suppress(queue.Empty):
            yield arriving.get(timeout=LOOK_SECONDS / 4)


def _look(
    containers: list[Any],
    readers: dict[str, _Reader],
    arriving: queue.Queue[LogLine],
    since: datetime,
) -> None:
    for container in containers:
        reader = readers.get(container.id)
        if reader and (reader.is_alive() or container.status != "running"):
            continue
        begin = reader.seen if reader else since
        readers[container.id] = _Reader(container, begin, arriving)
        readers[container.id].start()


class _Reader(threading.Thread):
    """Passes on a container's lines until it ends, or the connection does.

    seen: time of the last line.
    """

    def __init__(
        self, container: Any, since: datetime, arriving: queue.Queue[LogLine]
    ) -> None:
        super().__init__(daemon=True)
        self._container = container
        self._arriving = arriving
        self.seen = since

    def run(self) -> None:
        """Read to the end."""
        after = self.seen
        with contextlib.suppress(*broken()):
            for line in _lines(self._container, since=after, follow=True):
                # The engine takes the limit for part of what is asked for.
                if line.at > after:
                    self.seen = line.at
                    self._arriving.put(line)


def _lines(
    container: Any,
    *,
    since: datetime,
    until: datetime | None = None,
    follow: bool = False,
) -> Iterator[LogLine]:
    limit = {"until": until.timestamp()} if until else {}
    pieces = container.logs(
        stream=True,
        follow=follow,
        timestamps=True,
        since=since.timestamp(),
        **limit,
    )
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield parsed(container.name, line)
    if rest:
        yield parsed(container.name, rest)


def parsed(source: str, line: bytes) -> LogLine:
    """Read a line as the engine gives it: its time, a space, and the text."""
    moment, _, text = line.decode(errors="replace").partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at, text = datetime.now(UTC), line.decode(errors="replace")
    return LogLine(at, source, text.rstrip("\r"))


def matching(query: LogQuery, lines: Iterator[LogLine]) -> Iterator[LogLine]:
    """Those that are asked for."""
    from ops.platforms.lines import wanted

    fits = wanted(query)
    return (line for line in lines if fits(line.text))
