"""Lines of the log, from recorded pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from ops.errors import OpsError
from ops.platforms.aws import Aws, logs
from ops.platforms.platform import LogLine, LogQuery
from tests.ops.aws_stack import DeployedStack
from tests.ops.recorded import Recorded

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
START = NOW - timedelta(hours=1)
TASK = "1a2b3c4d" * 4


@pytest.fixture
def aws(monkeypatch):
    recorded = Recorded()
    recorded.install(monkeypatch)
    return recorded


@pytest.fixture
def platform(aws):
    return Aws(DeployedStack())


def event(number: int, text: str, *, second: int = 0, container: str = "app") -> Any:
    at = int((NOW + timedelta(seconds=second)).timestamp() * 1000)
    return {
        "logStreamName": f"ecs/{container}/{TASK}",
        "timestamp": at,
        "ingestionTime": at,
        "message": f"{text}\n",
        "eventId": str(number),
    }


def test_all_pages_of_all_containers_are_read(aws, platform):
    aws.on(
        "logs.FilterLogEvents",
        {"events": [event(1, "one", container="migrate")], "nextToken": "2"},
        {"events": [], "nextToken": "3"},
        {"events": [event(2, "two")]},
    )
    assert list(platform.logs(LogQuery(since=START))) == [
        LogLine(NOW, "migrate/1a2b3c4d", "one"),
        LogLine(NOW, "app/1a2b3c4d", "two"),
    ]
    first = aws.asked("logs.FilterLogEvents")[0]
    assert first["startTime"] == int(START.timestamp() * 1000)
    # Sessions of ECS Exec are in the same group, and no lines of the app.
    assert first["logStreamNamePrefix"] == "ecs/"


def test_only_errors_and_what_matches_are_shown(aws, platform):
    lines = [
        json.dumps({"level": 50, "path": "/api/upload"}),
        json.dumps({"level": 30, "path": "/api/upload"}),
        json.dumps({"level": 50, "path": "/login"}),
    ]
    aws.on("logs.FilterLogEvents", {"events": [event(*o) for o in enumerate(lines)]})
    shown = platform.logs(LogQuery(since=START, errors=True, grep=r"/api/\w+"))
    assert [line.text for line in shown] == lines[:1]


def test_what_is_no_regular_expression_is_refused_before_anything_is_asked(
    aws, platform
):
    with pytest.raises(OpsError, match=r'"\(" is no regular expression'):
        next(platform.logs(LogQuery(since=START, grep="(")))
    assert not aws.calls


class TestFollowing:
    @pytest.fixture
    def clock(self, monkeypatch):
        """Time that passes while we sleep. It is ten seconds past NOW."""
        clock = SimpleNamespace(now=NOW.timestamp() + 10)

        def sleep(seconds: float) -> None:
            clock.now += seconds

        fake = SimpleNamespace(time=lambda: clock.now, sleep=sleep)
        monkeypatch.setattr(logs, "time", fake)
        return clock

    def follow(self, platform: Aws, number: int) -> list[str]:
        lines = platform.logs(LogQuery(since=START, follow=True))
        return [line.text for line in islice(lines, number)]

    def test_each_line_comes_once_and_late_ones_come_too(self, aws, clock, platform):
        early = event(1, "early")
        late = event(2, "late", second=-60)
        newest = event(3, "newest", second=11)
        aws.on(
            "logs.FilterLogEvents",
            {"events": [early]},
            {"events": [late, early]},
            {"events": [late, early, newest]},
        )
        assert self.follow(platform, 3) == ["early", "late", "newest"]

    def test_two_lines_of_one_moment_are_both_shown(self, aws, clock, platform):
        aws.on(
            "logs.FilterLogEvents",
            {"events": [event(1, "same")]},
            {"events": [event(1, "same"), event(2, "same")]},
        )
        assert self.follow(platform, 2) == ["same", "same"]

    def test_only_the_recent_is_read_again(self, aws, clock, platform):
        aws.on(
            "logs.FilterLogEvents",
            {"events": [event(1, "old", second=-1000)]},
            {"events": []},
            {"events": [event(2, "new", second=20)]},
        )
        assert self.follow(platform, 2) == ["old", "new"]
        starts = [one["startTime"] for one in aws.asked("logs.FilterLogEvents")]
        assert starts[1] == int((NOW.timestamp() + 10 - logs.LATE_SECONDS) * 1000)
        assert starts[2] == starts[1] + int(logs.POLL_SECONDS * 1000)

    def test_what_arrives_during_a_long_look_is_not_passed_over(
        self, aws, clock, platform
    ):
        def long_look(_: Any) -> dict[str, Any]:
            clock.now += 1000
            return {"events": [event(1, "first")]}

        aws.on("logs.FilterLogEvents", long_look, {"events": [event(2, "meanwhile")]})
        assert self.follow(platform, 2) == ["first", "meanwhile"]
        second = aws.asked("logs.FilterLogEvents")[1]["startTime"]
        assert second <= NOW.timestamp() * 1000

    def test_what_was_shown_long_ago_is_forgotten(self, aws, clock, platform):
        """Or a day of following would fill the memory."""
        many = [event(n, str(n), second=-500) for n in range(1000)]
        aws.on(
            "logs.FilterLogEvents", {"events": many}, {"events": [event(1, "again")]}
        )
        assert self.follow(platform, 1001)[-1] == "again"
