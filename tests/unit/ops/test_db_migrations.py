"""`stromhaltig db status`, `migrate` and `rollback` of a stack."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import ops.platforms
import ops.stack
from ops.audit import acts
from ops.cli import app
from ops.database import migrations
from ops.errors import FailedError
from ops.lock import Lock
from ops.platforms.platform import Ended
from tests.unit.ops.fakes import FakePlatform, FakeStack, migration_status

PENDING = migration_status(
    applied=["001_a"], pending=["002_b", "003_c"], irreversible=["003_c"]
)
APPLIED = migration_status(applied=["001_a", "002_b", "003_c"])


@pytest.fixture
def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    platform = FakePlatform(FakeStack(tmp_path, config={"environment": "staging"}))
    done = Ended(0, ("The database is at version 003",))
    platform.answers = {
        migrations.APP.migrate_command: done,
        (*migrations.ROLLBACK, "--", "--to", "002"): done,
        (*migrations.ROLLBACK, "--", "--to", "000"): done,
    }
    monkeypatch.setattr(ops.stack, "Stack", lambda name: platform.stack)
    monkeypatch.setattr(ops.platforms, "platform_of", lambda stack: platform)
    return platform


@pytest.fixture
def found(monkeypatch):
    """Say what is found."""

    def say(status: migrations.MigrationStatus) -> None:
        monkeypatch.setattr(migrations, "status", lambda runner, image: status)

    return say


def run(*arguments: str):
    return CliRunner().invoke(app, ["db", *arguments, "--stack", "staging"])


def changes(platform: FakePlatform) -> list[tuple[str, ...]]:
    return [command for command, _ in platform.run]


def test_status_ends_with_1_while_something_is_pending(platform, found):
    found(PENDING)
    done = run("status")
    assert done.exit_code == 1
    assert "The database is at version 001; 2 pending." in done.stdout
    found(APPLIED)
    assert run("status").exit_code == 0


def test_status_for_programs_is_json_only(platform, found):
    found(PENDING)
    data = json.loads(run("status", "--json").stdout)
    assert [m["state"] for m in data["migrations"]] == ["applied", "pending", "pending"]


def test_migrate_says_what_it_will_do_backs_up_and_is_audited(platform, found):
    found(PENDING)
    done = run("migrate", "--yes", "--image", "app@sha256:b")
    assert done.exit_code == 0, done.output
    assert "003_c (cannot be undone)" in done.stderr
    (snapshot,) = platform.snapshots_taken
    assert snapshot.startswith("before-migrate-")
    assert platform.run == [(migrations.APP.migrate_command, "app@sha256:b")]
    (act,) = acts(platform.stack.records, 5)
    assert (act.command, act.outcome) == ("db migrate", "done")
    assert act.details == {"migrations": "002_b, 003_c"}


def test_migrate_without_anything_pending_does_nothing(platform, found):
    found(APPLIED)
    done = run("migrate", "--yes")
    assert (done.exit_code, changes(platform)) == (0, [])
    assert "version 003; nothing is pending" in done.stderr
    assert acts(platform.stack.records, 5) == []


@pytest.mark.parametrize("command", ["migrate", "rollback"])
def test_a_dry_run_does_nothing(platform, found, command):
    found(PENDING if command == "migrate" else APPLIED)
    done = run(command, "--dry-run")
    assert (done.exit_code, changes(platform)) == (0, [])
    assert platform.snapshots_taken == []
    assert "Nothing was done" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "rollback"])
def test_nobody_at_a_terminal_is_no_consent(platform, found, command):
    found(PENDING if command == "migrate" else APPLIED)
    done = run(command)
    assert (done.exit_code, changes(platform)) == (2, [])
    assert "--yes" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "rollback"])
def test_a_backup_that_fails_stops_it(platform, found, monkeypatch, command):
    def fail(name: str) -> str:
        raise FailedError("no space for a snapshot")

    monkeypatch.setattr(platform, "snapshot", fail)
    found(PENDING if command == "migrate" else APPLIED)
    done = run(command, "--yes")
    assert (done.exit_code, changes(platform)) == (1, [])
    assert "no space for a snapshot" in done.stderr


def test_a_failed_migration_is_told_and_audited(platform, found):
    found(PENDING)
    platform.answers[migrations.APP.migrate_command] = Ended(1, ("002_b.sql:1:1: no",))
    done = run("migrate", "--yes", "--no-backup")
    assert done.exit_code == 1
    assert "002_b.sql:1:1: no" in done.stderr
    (act,) = acts(platform.stack.records, 5)
    assert act.outcome == "failed"


def test_a_locked_stack_is_left_alone(platform, found):
    found(PENDING)
    with Lock(platform.stack.records).held("deploy"):
        done = run("migrate", "--yes")
    assert (done.exit_code, changes(platform)) == (2, [])
    assert platform.snapshots_taken == []


def test_rollback_undoes_the_last_one_or_all_above_a_version(platform, found):
    found(APPLIED)
    assert run("rollback", "--yes").exit_code == 0
    done = run("rollback", "--yes", "--to", "0", "--no-backup")
    assert done.exit_code == 0
    assert "from version 003 to 000" in done.stderr
    assert [command[-1] for command in changes(platform)] == ["002", "000"]
    (snapshot,) = platform.snapshots_taken
    assert snapshot.startswith("before-rollback-")


def test_in_production_the_name_is_asked_for(platform, found):
    platform.stack.config["environment"] = "production"
    found(APPLIED)
    assert run("rollback", "--yes").exit_code == 2
    assert run("rollback", "--yes-rollback", "production").exit_code == 2
    assert changes(platform) == []
    assert run("rollback", "--yes-rollback", "staging").exit_code == 0


@pytest.mark.parametrize(
    ("to", "says"),
    [("003", "name a lower one"), ("9", "name a lower one"), ("x", "is no version")],
)
def test_a_version_that_leads_nowhere_back_is_refused(platform, found, to, says):
    found(APPLIED)
    done = run("rollback", "--yes", "--to", to)
    assert (done.exit_code, changes(platform)) == (2, [])
    assert says in done.stderr.lower()


def test_an_empty_database_has_nothing_to_roll_back(platform, found):
    found(migration_status(pending=["001_a"]))
    done = run("rollback", "--yes")
    assert done.exit_code == 2
    assert "nothing to roll back" in done.stderr


def test_a_missing_script_is_found_before_the_backup(platform, found):
    found(migration_status(applied=["001_a", "002_b"], irreversible=["002_b"]))
    done = run("rollback", "--yes")
    assert done.exit_code == 2
    assert "002_b: the image has no script to undo it. Restore a backup" in done.stderr
    found(migration_status(applied=["001_a"], unknown=["002_newer"]))
    assert "name that release's image with --image" in run("rollback", "--yes").stderr
    assert platform.snapshots_taken == []


def test_without_stack_or_address_it_asks_for_one(monkeypatch):
    monkeypatch.delenv("STROMHALTIG_STACK", raising=False)
    done = CliRunner().invoke(app, ["db", "status"])
    assert done.exit_code == 2
    assert "--address-env" in done.stderr
    done = CliRunner().invoke(app, ["db", "status", "--address-env", "NO_SUCH"])
    assert done.exit_code == 2
    assert "no environment variable NO_SUCH" in done.stderr


@pytest.mark.parametrize("command", ["status", "migrate", "rollback"])
def test_what_is_no_address_is_refused_before_the_app_is_asked(monkeypatch, command):
    monkeypatch.setenv("DATABASE", "postgres//app:sw0rdfish@host")
    done = CliRunner().invoke(app, ["db", command, "--address-env", "DATABASE"])
    assert done.exit_code == 2
    assert "is no address of a database" in done.stderr
    assert "sw0rdfish" not in done.output
