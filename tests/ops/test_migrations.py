"""Migrations by the app's own commands, on a real server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.database import migrations
from ops.database.address import Address
from ops.database.migrations import LocalApp
from ops.errors import FailedError
from tests.ops.conftest import Server, rows
from tests.servers import APP, ROOT, eventually, node

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
NAMES = ("001_initial_schema", "002_quiz_system", "003_enhanced_logging")

Run = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    node()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, empty: Address) -> Run:
    """Runs `stromhaltig db` for an empty database."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TEST_DATABASE", empty.url)
    runner = CliRunner()

    def run(*arguments: str, stdin: str = "") -> Result:
        return runner.invoke(
            app, ["db", *arguments, "--address-env", "TEST_DATABASE"], input=stdin
        )

    return run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The built app, with migrations that can be changed."""
    for name in ("dist", "migrations"):
        shutil.copytree(APP / name, tmp_path / name)
    shutil.copy(APP / "package.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(APP / "node_modules")
    return tmp_path


def test_an_empty_database_gets_all_migrations_and_loses_them_again(run, empty):
    before = run("status")
    assert before.exit_code == 1
    assert "version 000; 3 pending" in before.stdout
    assert rows(empty, TABLES) == [(0,)], "looking changes nothing"

    assert run("migrate", "--yes", "--no-backup").exit_code == 0
    data = json.loads(run("status", "--json").stdout)["migrations"]
    assert [(m["name"], m["state"], m["reversible"]) for m in data] == [
        (name, "applied", True) for name in NAMES
    ]
    assert rows(empty, TABLES) == [(7,)]

    done = run("rollback", "--no-backup", "--yes-rollback", empty.database)
    assert done.exit_code == 0
    assert "is at version 002" in done.stderr
    done = run("rollback", "--no-backup", "--to", "0", "--yes-rollback", empty.database)
    assert done.exit_code == 0
    assert rows(empty, TABLES) == [(1,)]


def test_an_address_has_no_place_for_a_backup(run, empty):
    done = run("migrate", "--yes")
    assert done.exit_code == 2
    assert "--no-backup" in done.stderr
    assert rows(empty, TABLES) == [(0,)]


def test_without_the_right_name_nothing_is_rolled_back(run, empty):
    run("migrate", "--yes", "--no-backup")
    for answer in ([], ["--yes"], ["--yes-rollback", "another"]):
        done = run("rollback", "--no-backup", *answer)
        assert done.exit_code == 2
    assert "--yes-rollback" in done.stderr or "is not" in done.stderr
    assert rows(empty, TABLES) == [(7,)]


def test_a_wrong_password_is_refused_and_not_shown(run, empty, monkeypatch):
    monkeypatch.setenv("TEST_DATABASE", empty.login(empty.user, "wr0ng").url)
    done = run("migrate", "--yes", "--no-backup")
    assert done.exit_code == 1
    assert "password authentication failed" in done.stderr
    assert "wr0ng" not in done.output


def test_a_broken_migration_leaves_those_before_it_and_says_where(empty, copy):
    runner = LocalApp(empty.url, copy)
    (copy / "migrations" / "004_broken.sql").write_text(
        "CREATE TABLE half ();\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(FailedError, match=r'004_broken\.sql:2:13: relation "nowhere"'):
        migrations.migrate(runner)
    found = migrations.status(runner)
    assert (found.version, found.newest) == ("003", "004")
    assert found.irreversible == ("004_broken",)
    assert rows(empty, "SELECT to_regclass('half')") == [(None,)]


def test_a_database_ahead_of_the_image_is_seen_and_left_as_it_is(empty, copy):
    newer = copy / "migrations" / "004_newer.sql"
    newer.write_text("CREATE TABLE newer ();")
    migrations.migrate(LocalApp(empty.url, copy))
    found = migrations.status(LocalApp(empty.url))
    assert (found.version, found.newest) == ("004", "003")
    assert (found.pending, found.unknown) == ((), ("004_newer",))
    migrations.migrate(LocalApp(empty.url))
    assert rows(empty, TABLES) == [(8,)]


def test_two_operators_at_once_apply_each_migration_once(empty):
    lines: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: lines.extend(migrations.migrate(LocalApp(empty.url)).lines)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    applied = [line for line in lines if line.startswith("Applied")]
    assert [line.split()[1] for line in applied] == list(NAMES)
    assert migrations.status(LocalApp(empty.url)).version == "003"


def _is_sleeping(server: Server, database: Address) -> bool:
    """Whether a migration that takes a minute runs."""
    return bool(
        rows(
            server.as_admin(database),
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg\\_sleep(60)%' "
            "AND datname = current_database() AND pid <> pg_backend_pid()",
        )
    )


def test_killed_in_the_middle_nothing_is_half_done_and_it_runs_again(
    server: Server, empty: Address, copy: Path
):
    (copy / "migrations" / "004_slow.sql").write_text(
        "CREATE TABLE half ();\nSELECT pg_sleep(60);"
    )
    program = (
        "import os, sys; from pathlib import Path; from ops.database import migrations;"
        "migrations.migrate(migrations.LocalApp(os.environ['URL'], Path(sys.argv[1])))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(copy)],
        cwd=ROOT,
        env={**os.environ, "URL": empty.url},
        start_new_session=True,
    )
    eventually("the migration runs", lambda: _is_sleeping(server, empty))
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    # PostgreSQL looks every 5 s whether its client is still there.
    (copy / "migrations" / "004_slow.sql").write_text("CREATE TABLE half ();")
    assert migrations.migrate(LocalApp(empty.url, copy)).code == 0
    assert migrations.status(LocalApp(empty.url, copy)).version == "004"


def test_a_restart_of_the_server_in_the_middle_is_told_and_it_runs_again(
    server: Server, empty: Address, copy: Path
):
    slow = copy / "migrations" / "004_slow.sql"
    slow.write_text("CREATE TABLE half ();\nSELECT pg_sleep(60);")
    failures: list[Exception] = []

    def work() -> None:
        try:
            migrations.migrate(LocalApp(empty.url, copy))
        except FailedError as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    eventually("the migration runs", lambda: _is_sleeping(server, empty))
    server.process.restart()
    thread.join()
    assert "still at version 003" in str(failures[0])
    slow.write_text("CREATE TABLE half ();")
    assert migrations.migrate(LocalApp(empty.url, copy)).code == 0
