"""`stromhaltig unlock` and `audit`."""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import ops.stack
from ops.audit import audited
from ops.cli import app
from ops.lock import Lock
from tests.unit.ops.fakes import FakeStack
from tests.unit.ops.test_lock import HOLDER, ended_process, leave

LOCKS = ".pulumi/locks/organization/stromhaltig/staging"


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    stack = FakeStack(tmp_path)
    cancelled: list[bool] = []
    stack.cancel = lambda: cancelled.append(True)
    stack.cancelled = cancelled
    monkeypatch.setattr(ops.stack, "Stack", lambda name: stack)
    return stack


def run(command: str, *arguments: str):
    return CliRunner().invoke(app, [command, "--stack", "staging", *arguments])


def leave_pulumi_lock(stack: FakeStack, pid: int, host: str | None = None) -> None:
    folder = stack.folder / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "pid": pid,
        "username": "ada",
        "hostname": host or socket.gethostname(),
        "timestamp": "2026-01-01T10:00:00.123456+01:00",
    }
    (folder / "1b2c.json").write_text(json.dumps(data))


def test_a_free_stack_needs_nothing(stack):
    done = run("unlock")
    assert (done.exit_code, done.stderr) == (0, "Stack staging is not locked.\n")


def test_a_dead_holder_is_named_and_removed(stack):
    leave(
        stack.records, replace(HOLDER, host=socket.gethostname(), pid=ended_process())
    )
    done = run("unlock", "--yes")
    assert done.exit_code == 0
    assert "Locked by ada" in done.stderr
    assert "Stack staging is free" in done.stderr
    assert Lock(stack.records).holder() is None
    assert stack.cancelled == []


def test_a_living_holder_stays(stack):
    with Lock(stack.records).held("deploy"):
        done = run("unlock", "--yes")
        assert done.exit_code == 2
        assert "who is alive" in done.stderr
        assert Lock(stack.records).holder() is not None


def test_it_asks_before(stack):
    leave(stack.records, HOLDER)
    assert run("unlock").exit_code == 2
    assert Lock(stack.records).holder() == HOLDER


def test_pulumis_own_lock_goes_too(stack):
    leave_pulumi_lock(stack, ended_process())
    done = run("unlock", "--yes")
    assert done.exit_code == 0
    assert "Pulumi's lock: ada" in done.stderr
    assert stack.cancelled == [True]


def test_pulumis_own_lock_stays_while_it_works(stack):
    leave_pulumi_lock(stack, os.getpid())
    done = run("unlock", "--yes")
    assert done.exit_code == 2
    assert "Pulumi works on the state: ada" in done.stderr
    assert stack.cancelled == []


def test_a_lock_that_came_while_it_asked_stays(stack, monkeypatch):
    leave_pulumi_lock(stack, ended_process())

    def agree(question: str, *, yes: bool) -> None:
        leave_pulumi_lock(stack, os.getpid())

    monkeypatch.setattr("ops.unlock.confirm", agree)
    done = run("unlock")
    assert done.exit_code == 2
    assert "Pulumi works on the state: ada" in done.stderr
    assert stack.cancelled == []


def test_a_lock_of_another_machine_counts_as_dead_after_a_while(stack):
    leave_pulumi_lock(stack, 1, host="elsewhere")
    assert run("unlock", "--yes").exit_code == 0
    assert stack.cancelled == [True]


def test_the_audit_log_is_shown_newest_first(stack):
    for command in ("deploy", "rollback"):
        with audited(stack.records, command, {"to": "r1"}):
            pass
    done = run("audit")
    assert re.findall("rollback|deploy", done.stdout) == ["rollback", "deploy"]
    data = json.loads(run("audit", "--json", "--last", "1").stdout)
    assert [(act["command"], act["outcome"]) for act in data] == [("rollback", "done")]


def test_an_empty_audit_log_says_so(stack):
    assert run("audit").stderr == "Nothing is recorded yet.\n"
