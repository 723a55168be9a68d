"""`stromhaltig status`, `health`, `logs`, `exec`, `maintenance`, `monitor`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import ops.platforms
import ops.stack
import ops.watch
from ops.audit import acts
from ops.cli import app
from ops.errors import OpsError
from ops.health import Health
from ops.lock import Lock
from ops.platforms.platform import Fact, LogLine, Measure, State
from ops.releases import record
from ops.watch import moment
from tests.unit.ops.fakes import FakePlatform, FakeStack
from tests.unit.ops.test_releases import release

NOW = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
URL = "https://stromhaltig.invalid/api/health"


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stack = FakeStack(tmp_path, config={"environment": "staging"})
    stack.outputs = {"platform": "aws", "health_url": URL}
    platform = FakePlatform(stack)
    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    monkeypatch.setattr(ops.platforms, "platform_of", lambda stack: platform)
    monkeypatch.setattr(ops.watch, "_cost", lambda stack: [])
    monkeypatch.setattr("ops.health.ask", lambda url, _: Health(url, "ok", 200, 12))
    return platform


def run(*arguments: str, stdin: str = ""):
    return CliRunner().invoke(app, [*arguments, "--stack", "staging"], input=stdin)


def test_status_shows_release_platform_and_health(platform):
    record(platform.stack.records, release(7, "a"))
    platform.facts = [Fact("tasks", State.OK, "2 of 2 run")]
    done = run("status")
    assert done.exit_code == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", "release"],
        ["ok", "tasks"],
        ["ok", "health"],
    ]
    assert "r7 of 2026-11-29T20:00:00+00:00 by ada" in done.stdout


@pytest.mark.parametrize(
    "error", [OpsError("no way to the host"), OSError(113, "No route to host")]
)
def test_a_platform_that_is_out_of_reach_hides_nothing_else(
    platform, monkeypatch, error
):
    def fail() -> None:
        raise error

    monkeypatch.setattr(platform, "status", fail)
    done = run("status")
    assert done.exit_code == 1
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines[-2:] == [["error", "platform"], ["ok", "health"]]


def test_status_ends_with_1_when_something_is_in_error_and_says_what_to_do(platform):
    platform.facts = [Fact("alarms", State.ERROR, "2 ring", "look at the dashboard")]
    done = run("status")
    assert done.exit_code == 1
    assert "look at the dashboard" in done.stdout


def test_status_names_who_holds_the_lock(platform):
    with Lock(platform.stack.records).held("deploy"):
        assert "held by" in run("status").stdout


def test_status_for_programs_is_json_only(platform):
    platform.facts = [Fact("tasks", State.WARNING, "1 of 2", "wait")]
    data = json.loads(run("status", "--json").stdout)
    assert data["stack"] == "staging"
    assert {
        "name": "tasks",
        "state": "warning",
        "says": "1 of 2",
        "remedy": "wait",
    } in (data["facts"])


def test_health_is_an_exit_code(platform, monkeypatch):
    answer = Health(URL, "error", 503, 5, checks={"database": "error"})
    monkeypatch.setattr("ops.health.until_well", lambda *_, **__: answer)
    done = run("health")
    assert done.exit_code == 1
    assert done.stdout == f"{URL}: error, HTTP 503, 5 ms, database: error\n"


def test_logs_are_printed_in_order_with_where_they_come_from(platform):
    platform.lines = [LogLine(NOW, "task/1", "one"), LogLine(NOW, "task/2", "two")]
    done = run("logs", "--since", "2h", "--errors", "--grep", "o+")
    assert done.stdout.splitlines() == [
        "11-29 20:00:00 task/1 one",
        "11-29 20:00:00 task/2 two",
    ]
    [query] = platform.asked
    assert (query.errors, query.grep, query.follow) == (True, "o+", False)
    ago = datetime.now(UTC) - query.since
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)


def test_logs_for_programs_are_a_json_object_a_line(platform):
    platform.lines = [LogLine(NOW, "task/1", "one")]
    assert json.loads(run("logs", "--json").stdout) == {
        "at": "2026-11-29T20:00:00+00:00",
        "source": "task/1",
        "text": "one",
    }


@pytest.mark.parametrize(
    ("option", "said"),
    [(("--since", "soon"), '"soon" is no time'), (("--grep", "("), "no regular")],
)
def test_logs_refuse_what_they_do_not_understand(platform, option, said):
    done = run("logs", *option)
    assert done.exit_code == 2
    assert said in done.stderr
    assert platform.asked == []


def test_exec_gives_the_commands_exit_code_and_is_recorded(platform):
    done = CliRunner().invoke(app, ["exec", "--stack", "staging", "ls", "-l", "--json"])
    assert done.exit_code == 7
    assert platform.run == [(("ls", "-l", "--json"), None)]
    [act] = acts(platform.stack.records, 9)
    assert (act.command, act.details) == ("exec", {"program": "ls"})


def test_exec_asks_in_production(platform):
    platform.stack.config["environment"] = "production"
    done = run("exec")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert platform.run == []


def test_maintenance_is_turned_on_and_off_and_recorded(platform):
    assert run("maintenance").stdout == "Maintenance of staging is off.\n"
    assert run("maintenance", "on", "--yes").exit_code == 0
    assert platform.in_maintenance
    assert "is on already" in run("maintenance", "on").stderr
    assert run("maintenance", "off").exit_code == 0
    assert not platform.in_maintenance
    assert [act.command for act in acts(platform.stack.records, 9)] == [
        "maintenance off",
        "maintenance on",
    ]


def test_maintenance_is_not_turned_on_without_a_yes(platform):
    assert run("maintenance", "on").exit_code == 2
    assert not platform.in_maintenance


def test_maintenance_that_did_not_come_is_a_failure(platform, monkeypatch):
    monkeypatch.setattr(platform, "set_maintenance", lambda on: None)
    done = run("maintenance", "on", "--yes")
    assert done.exit_code == 1
    assert "maintenance is not on" in done.stderr
    assert acts(platform.stack.records, 1)[0].outcome == "failed"


def test_monitor_is_not_content_when_nothing_is_known(platform):
    platform.figures = [Measure("CPU", None, "%", 80)]
    assert run("monitor").exit_code == 1


def test_monitor_is_an_exit_code_for_cron(platform):
    platform.figures = [
        Measure("cpu", 12.5, "%", 80),
        Measure("memory", 91, "%", 85),
        Measure("disk free", 3, "GiB", 5, least=True),
        Measure("connections", None, "", 80, note="no data yet"),
    ]
    done = run("monitor")
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [
        "ok",
        "warning",
        "warning",
        "unknown",
    ]


def test_monitor_is_not_content_while_something_is_not_known(platform):
    """What does not run has no figure: a cron at night must hear of it."""
    platform.figures = [
        Measure("proxy CPU", 1, "%", 80),
        Measure("database CPU", None, "%", 80, note="exited, exit code 137"),
    ]
    done = run("monitor")
    assert done.exit_code == 1
    told = " ".join(done.stdout.splitlines()[-1].split())
    assert told == "unknown database CPU not known at most 80 exited, exit code 137"


def test_what_the_platform_does_not_measure_is_no_trouble(platform):
    missing = Measure("connections", None, "", 0, note="no way to it", offered=False)
    platform.figures = [Measure("cpu", 80, "%", 80), missing]
    done = run("monitor", "--json")
    assert done.exit_code == 0
    [line] = done.stdout.splitlines()
    told = [
        (one["state"], one["offered"], one["note"])
        for one in json.loads(line)["measures"]
    ]
    assert told == [("ok", True, ""), ("unknown", False, "no way to it")]
    assert "not offered" in run("monitor").stdout
    platform.figures = [missing]
    assert run("monitor").exit_code == 1


def test_monitor_that_watches_goes_on_when_something_is_not_well(platform, monkeypatch):
    platform.figures = [Measure("cpu", None, "%", 80)]
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("ops.watch.time.sleep", sleep)
    done = run("monitor", "--watch", "--every", "7", "--json")
    assert pauses == [7, 7]
    assert len(done.stdout.splitlines()) == 2
    assert done.exit_code == 130


def test_a_limit_that_nobody_knows_is_no_limit_and_json(platform):
    platform.figures = [Measure("connections", 80, "connections", None)]
    done = run("monitor", "--json")
    assert done.exit_code == 0
    [measure] = json.loads(done.stdout, parse_constant=pytest.fail)["measures"]
    assert (measure["state"], measure["limit"]) == ("ok", None)
    assert "at most" not in run("monitor").stdout


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", NOW - timedelta(minutes=30)),
        ("1d", NOW - timedelta(days=1)),
        ("2026-11-29T10:00:00+01:00", datetime(2026, 11, 29, 9, tzinfo=UTC)),
    ],
)
def test_a_moment_is_some_time_ago_or_a_date(text, at):
    assert moment(text, NOW) == at


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(OpsError, match="such as 30m"):
        moment("-5m")
