"""Maintenance of a database with a million rows, while somebody uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.database import maintenance
from ops.database.address import Address
from ops.database.maintenance import LOCK, Piece, Rules
from tests.ops.conftest import Server, rows
from tests.ops.load import Load
from tests.servers import ROOT, eventually

KEY = "public.event_log_pkey"
INDEXES = [KEY, "public.event_log_time", "public.event_log_user"]
COUNTED = "SELECT pg_stat_force_next_flush()"
"""Makes a session report what it did now, which it does once a second by itself."""
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
SIZE = "SELECT pg_relation_size('event_log_pkey')"

Maintain = Callable[..., Result]


@pytest.fixture
def maintain(monkeypatch: pytest.MonkeyPatch) -> Maintain:
    """Runs `stromhaltig db maintain` for a database."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(database: Address, *options: str) -> Result:
        monkeypatch.setenv("TEST_DATABASE", database.url)
        command = ["db", "maintain", "--address-env", "TEST_DATABASE", *options]
        return CliRunner().invoke(app, command)

    return run


@pytest.fixture
def bloated(filled: Address) -> Address:
    """A database of whose events nine tenths were deleted, and the others changed."""
    with filled.connect() as connection:
        connection.execute("DELETE FROM event_log WHERE id % 10 > 0")
        connection.execute("UPDATE event_log SET kind = 'old'")
        connection.execute(COUNTED)
    return filled


@contextmanager
def session(database: Address, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody whose transaction stays open."""
    with (
        database.connect(application_name="report") as connection,
        connection.transaction(force_rollback=True),
    ):
        for statement in statements:
            connection.execute(statement)
        yield connection


@contextmanager
def process(database: Address) -> Iterator[subprocess.Popen[str]]:
    """`stromhaltig db maintain` as a process of its own."""
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "ops.cli", "db", "maintain"),
            *("--address-env", "TEST_DATABASE"),
        ],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE": database.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def rebuilding(database: Address) -> bool:
    return bool(rows(database, INVALID))


def lines(done: Result, mark: str) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith(mark)]


def test_bloated_indexes_shrink_while_others_read_and_write(maintain, bloated):
    before = rows(bloated, SIZE)[0][0]
    count = rows(bloated, "SELECT count(*) FROM event_log")[0][0]
    with Load(bloated).running(workers=3) as load:
        load.until(bloated.user, 50)
        done = maintain(bloated)
        load.until(bloated.user, load.done[bloated.user] + 50)
    assert done.exit_code == 0, done.output
    assert rows(bloated, SIZE)[0][0] < before / 5
    assert sorted(line.split()[2].rstrip(":") for line in lines(done, "✓ reindex")) == (
        INDEXES
    )
    assert load.errors == []
    assert load.slowest < 5, "nobody waited for a lock"
    written = load.done[bloated.user]
    assert rows(bloated, "SELECT count(*) FROM event_log") == [(count + written,)]
    assert "rebuilt 3 (gave back" in done.stderr


def test_what_was_done_needs_nothing_the_next_time(maintain, bloated):
    maintain(bloated)
    again = maintain(bloated)
    assert again.exit_code == 0
    assert lines(again, "✓") == []
    assert "public.event_log: needs nothing: 0 dead of 100,000 rows" in again.stderr


def test_a_table_that_needs_nothing_is_vacuumed_when_told(maintain, small):
    maintain(small)
    done = maintain(small, "--all")
    assert len(lines(done, "✓ vacuum")) == 7
    assert "left out 0" in done.stderr


def test_a_dry_run_names_what_it_would_do_and_does_nothing(maintain, bloated):
    with bloated.connect() as connection:
        connection.execute("ANALYZE")
    before = rows(bloated, SIZE)
    done = maintain(bloated, "--dry-run")
    assert done.exit_code == 0
    assert "→ vacuum   public.event_log: " in done.stderr
    assert f"→ reindex  {KEY}: 9" in done.stderr
    assert rows(bloated, SIZE) == before
    vacuumed = "SELECT last_vacuum FROM pg_stat_user_tables WHERE relname = 'event_log'"
    assert rows(bloated, vacuumed) == [(None,)]


def test_an_index_below_the_limits_stays_as_it_is(maintain, bloated):
    before = rows(bloated, SIZE)
    assert maintain(bloated, "--bloat", "97%").exit_code == 0
    assert maintain(bloated, "--at-least", "500").exit_code == 0
    assert rows(bloated, SIZE) == before


def test_an_empty_database_needs_nothing(maintain, empty):
    done = maintain(empty)
    assert done.exit_code == 0
    assert "Vacuumed or analyzed 0, rebuilt 0 (gave back 0 KiB)" in done.stderr


def test_a_wrong_password_is_refused_and_not_shown(maintain, filled):
    done = maintain(filled.login(filled.user, "wr0ng"))
    assert done.exit_code == 2
    assert "password authentication failed" in done.stderr
    assert "wr0ng" not in done.output


def test_a_locked_table_is_left_out_with_who_has_it_and_the_others_are_done(
    maintain, bloated
):
    with bloated.connect() as connection:
        connection.execute("DELETE FROM quiz_results WHERE id % 2 = 0")
    lock = "LOCK TABLE event_log IN SHARE UPDATE EXCLUSIVE MODE"
    with session(bloated, lock):
        done = maintain(bloated, "--wait", "1")
    assert done.exit_code == 0
    (left,) = lines(done, "· vacuum   public.event_log:")
    assert "after waiting 1 s for report of app, idle in transaction since" in left
    assert lines(done, "✓ vacuum   public.quiz_results:")
    assert maintain(bloated).exit_code == 0
    assert rows(bloated, INVALID) == []


def test_an_open_transaction_costs_the_rebuilding_and_leaves_nothing(maintain, bloated):
    maintain(bloated, "--bloat", "100")
    before = rows(bloated, SIZE)
    with session(bloated, "INSERT INTO event_log (kind) VALUES ('long')"):
        done = maintain(bloated, "--wait", "1")
    assert done.exit_code == 0
    assert len(lines(done, "· reindex  public.event_log")) == 3
    assert rows(bloated, SIZE) == before
    again = maintain(bloated)
    assert rows(bloated, INVALID) == []
    assert len(lines(again, "✓ reindex")) == 3


def test_two_operators_at_once_one_is_told_of_the_other(maintain, bloated):
    with (
        session(bloated, "INSERT INTO event_log (kind) VALUES ('long')") as other,
        process(bloated) as first,
    ):
        eventually("the first one rebuilds", lambda: rebuilding(bloated))
        second = maintain(bloated)
        other.execute("COMMIT")
        output, _ = first.communicate(timeout=60)
    assert second.exit_code == 2
    assert "stromhaltig-maintain from 127.0.0.1, since" in second.stderr
    assert (first.returncode, "rebuilt 3" in output) == (0, True)


def test_the_weekly_job_of_the_app_is_never_beside_it(maintain, bloated):
    before = rows(bloated, SIZE)
    with session(bloated, f"SELECT pg_advisory_lock({LOCK})") as job:
        assert maintain(bloated).exit_code == 2
        job.execute(f"SELECT pg_advisory_unlock({LOCK})")
    assert rows(bloated, SIZE) == before


def test_killed_in_the_middle_the_next_run_removes_what_is_left(maintain, bloated):
    with (
        session(bloated, "INSERT INTO event_log (kind) VALUES ('long')"),
        process(bloated) as child,
    ):
        eventually("an index is being rebuilt", lambda: rebuilding(bloated))
        child.kill()
        gone = (
            "SELECT 1 FROM pg_stat_activity "
            "WHERE application_name = 'stromhaltig-maintain'"
        )
        eventually("the server notices", lambda: not rows(bloated, gone))
    assert rows(bloated, INVALID) == [("event_log_user_ccnew",)]
    done = maintain(bloated)
    assert done.exit_code == 0
    assert lines(done, "✓ drop     public.event_log_user_ccnew: left by an interrupted")
    assert rows(bloated, INVALID) == []
    assert len(lines(done, "✓ reindex")) == 3


def test_interrupted_it_tells_what_is_done_and_leaves_nothing(bloated):
    with process(bloated) as child:
        with session(bloated, "INSERT INTO event_log (kind) VALUES ('long')"):
            eventually("an index is being rebuilt", lambda: rebuilding(bloated))
            child.send_signal(signal.SIGINT)
            sleeping = (
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' "
                "AND application_name = 'stromhaltig-maintain'"
            )
            # What the rebuilding waited for, its removal waits for, too.
            eventually("it tidies up", lambda: bool(rows(bloated, sleeping)))
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "✓ vacuum   public.event_log:" in output
    assert "rebuilt 0" in output
    assert "dropped 1" in output
    assert output.rstrip().endswith("Interrupted.")
    assert rows(bloated, INVALID) == []


def test_a_restart_of_the_server_is_told_and_the_next_run_goes_on(
    server: Server, maintain, bloated
):
    with process(bloated) as child:
        # The open transaction is gone, too.
        with (
            suppress(psycopg.OperationalError),
            session(bloated, "INSERT INTO event_log (kind) VALUES ('long')"),
        ):
            eventually("an index is being rebuilt", lambda: rebuilding(bloated))
            server.process.restart()
        output, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "✓ vacuum   public.event_log:" in output
    assert "lost the connection" in output
    done = maintain(bloated)
    assert done.exit_code == 0
    assert lines(done, "✓ drop     public.event_log_user_ccnew")
    assert len(lines(done, "✓ reindex")) == 3
    assert rows(bloated, INVALID) == []


def test_an_index_that_cannot_be_rebuilt_fails_the_run_and_stops_nothing(
    maintain, filled
):
    with filled.connect() as connection:
        connection.execute(
            "CREATE FUNCTION broken(text) RETURNS text IMMUTABLE LANGUAGE sql "
            "AS 'SELECT $1'"
        )
        connection.execute("CREATE INDEX odd ON event_log (broken(kind), id)")
        connection.execute("DELETE FROM event_log WHERE id % 10 > 0")
        # Reported after the vacuum, the rows would count as dead once more.
        connection.execute(COUNTED)
        connection.execute("VACUUM ANALYZE event_log")
        connection.execute(
            "CREATE OR REPLACE FUNCTION broken(text) RETURNS text IMMUTABLE "
            "LANGUAGE sql AS 'SELECT (1 / 0)::text'"
        )
    done = maintain(filled)
    assert done.exit_code == 1
    assert lines(done, "✗ reindex  public.odd: failed: division by zero")
    assert len(lines(done, "✓ reindex")) == 3
    assert "Not maintained: public.odd." in done.stderr
    assert rows(filled, INVALID) == []


def test_an_invalid_index_of_somebody_else_stays(maintain, small):
    with small.connect() as connection:
        connection.execute("CREATE TABLE t (a int)")
        connection.execute("INSERT INTO t VALUES (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY theirs ON t (a)")
    assert maintain(small).exit_code == 0
    assert rows(small, INVALID) == [("theirs",)]


def test_how_far_it_is_is_told(bloated):
    told: list[str] = []
    pieces: list[Piece] = []
    rules = Rules(lock_seconds=1)
    with session(bloated, "INSERT INTO event_log (kind) VALUES ('long')"):
        maintenance.maintain(bloated, rules, pieces.append, told.append)
    assert "vacuum public.event_log" in told
    assert any("waits for report of app, idle in transaction" in line for line in told)
