"""The audit log: every changing command, and how it ended."""

from __future__ import annotations

import json

import pytest
import typer
from pulumi.automation import CommandError, CommandResult

from ops.audit import PREFIX, acts, audited, operation
from ops.errors import FailedError, OpsError
from ops.lock import Lock
from ops.store import FolderStore
from tests.unit.ops.fakes import FakeStack


@pytest.fixture
def records(tmp_path):
    return FolderStore(tmp_path)


def newest(records: FolderStore):
    return acts(records, 1)[0]


def test_what_was_done_is_recorded_with_its_details(records):
    with audited(records, "deploy", {"image": "i"}) as act:
        act.details["release"] = "r1"
    found = newest(records)
    assert (found.command, found.outcome) == ("deploy", "done")
    assert found.details == {"image": "i", "release": "r1"}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OpsError("not now"), "refused"),
        (FailedError("half-way"), "failed"),
        (RuntimeError("broken"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_how_it_ended_is_recorded(records, error, outcome):
    with pytest.raises(type(error)), audited(records, "deploy"):
        raise error
    assert (newest(records).outcome, newest(records).message) == (outcome, str(error))


def test_what_a_library_printed_is_not_recorded_but_what_it_complains_of(records):
    done = CommandResult("JWT_SECRET: sw0rdfish", "error: no such stack", 255)
    with pytest.raises(CommandError), audited(records, "deploy"):
        raise CommandError(done)
    assert newest(records).message == "pulumi: error: no such stack"


def test_an_exit_code_is_no_message(records):
    with pytest.raises(typer.Exit), audited(records, "exec"):
        raise typer.Exit(1)
    assert (newest(records).outcome, newest(records).message) == ("failed", "")


def test_a_command_that_was_killed_stays_begun(records):
    with audited(records, "deploy"):
        [entry] = records.entries(PREFIX)
        data = json.loads(b"".join(records.read(entry.name)))
    assert data["outcome"] == "begun"


def test_the_newest_come_first(records):
    for command in ("first", "second", "third"):
        with audited(records, command):
            pass
    assert [act.command for act in acts(records, 2)] == ["third", "second"]


def test_an_operation_has_the_lock_and_is_recorded(tmp_path):
    stack = FakeStack(tmp_path)
    with operation(stack, "deploy", {"a": "b"}) as (held, _):
        held.check()
        assert Lock(stack.records).holder().command == "deploy"
        with pytest.raises(OpsError, match="locked by"), operation(stack, "rollback"):
            pytest.fail("two at once")
    assert Lock(stack.records).holder() is None
    assert [act.command for act in acts(stack.records, 9)] == ["deploy"]


def test_records_out_of_reach_hide_no_error(tmp_path, monkeypatch):
    stack = FakeStack(tmp_path)

    def lost(*_: object) -> None:
        raise OSError("no way to the bucket")

    def work() -> None:
        monkeypatch.setattr(FolderStore, "put", lost)
        monkeypatch.setattr(FolderStore, "delete", lost)
        raise FailedError("half-way")

    with pytest.raises(FailedError, match="half-way"), operation(stack, "deploy"):
        work()


def test_that_a_success_could_not_be_recorded_is_told(records, monkeypatch):
    def lost(*_: object) -> None:
        raise OSError("no way to the bucket")

    with pytest.raises(OSError, match="no way"), audited(records, "deploy"):
        monkeypatch.setattr(FolderStore, "put", lost)
