"""What a database suffers from, as it is found on a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.database.address import Address
from tests.backup.postgres import ROLE, postgres
from tests.ops.conftest import PASSWORD, Server, rows
from tests.servers import eventually

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of `stromhaltig db` for a database."""
    monkeypatch.setenv("COLUMNS", "250")

    def run(command: str, database: Address, *options: str) -> Result:
        monkeypatch.setenv("TEST_DATABASE", database.url)
        return CliRunner().invoke(
            app, ["db", command, "--address-env", "TEST_DATABASE", *options]
        )

    return run


@dataclass(frozen=True)
class Counting:
    """A server that counts statements, and the databases there."""

    admin: Address
    app: Address


@pytest.fixture(scope="module")
def counting(server: Server) -> Iterator[Counting]:
    """Like a Docker host: the extension is in `postgres`, not in the app's database."""
    settings = {"shared_preload_libraries": "pg_stat_statements"}
    with postgres(PASSWORD, settings) as running:
        admin = Address(
            host="127.0.0.1",
            port=running.port,
            user=ROLE,
            password=PASSWORD,
            database="postgres",
        )
        with admin.connect() as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
            connection.execute("GRANT pg_read_all_stats TO app")
            connection.execute("CREATE DATABASE app OWNER app")
        yield Counting(admin, admin.to("app").login("app", "app"))


def asked(connection: psycopg.Connection[Any], query: str, *values: object) -> None:
    connection.execute(query.encode(), values).fetchall()


@pytest.mark.parametrize(
    "command", [("indexes",), ("bloat",), ("maintain",), ("maintain", "--dry-run")]
)
def test_who_looks_after_no_table_is_told_rather_than_that_all_is_well(
    run, small, guest, command
):
    done = run(command[0], guest, *command[1:])
    assert done.exit_code == 2
    assert f"guest sees nothing here: the 7 tables of {small.database}" in done.stderr
    assert f"belong to {small.user}" in done.stderr


# slow


def test_the_statements_that_take_longest_come_first(run, counting):
    with counting.app.connect() as connection:
        asked(connection, "SELECT pg_sleep(0.2) AS seldom")
        for _ in range(30):
            asked(connection, "SELECT 1, pg_sleep(0.01) AS often")
    found = json.loads(run("slow", counting.app, "--json").stdout)
    assert "often" in found["statements"][0]["query"]
    assert found["statements"][0]["calls"] == 30
    by_mean = json.loads(run("slow", counting.app, "--json", "--by", "mean").stdout)
    assert "seldom" in by_mean["statements"][0]["query"]
    assert by_mean["statements"][0]["mean_ms"] >= 200
    assert sum(s["share"] for s in found["statements"]) <= 1.001
    assert found["since"].startswith("20")


def test_statements_of_other_databases_and_passwords_are_not_shown(run, counting):
    with counting.admin.connect() as connection:
        asked(connection, "SELECT 'elsewhere' AS elsewhere")
    with counting.admin.to("app").connect() as connection:
        connection.execute("SET password_encryption = 'scram-sha-256'")
        connection.execute("ALTER ROLE app PASSWORD 'app' /* sw0rdfish */")
    done = run("slow", counting.app, "--top", "100")
    assert done.exit_code == 0
    assert "not shown: may hold a password" in done.stdout
    assert "elsewhere" not in done.stdout
    assert "sw0rdfish" not in done.stdout


def test_without_the_extension_what_runs_is_shown_and_what_to_do(run, filled):
    with busy(filled, "SELECT pg_sleep(20)"):
        done = run("slow", filled)
        data = json.loads(run("slow", filled, "--json").stdout)
    assert done.exit_code == 0
    assert "pg_stat_statements is neither in" in done.stderr
    assert "shared_preload_libraries" in done.stderr
    assert "SELECT pg_sleep(20)" in done.stdout
    assert data["statements"] is None
    assert data["running"][0]["waits_for"] == "Timeout: PgSleep"


def test_an_extension_that_the_server_was_not_started_with_is_told(run, server, small):
    admin = server.as_admin(small)
    with admin.connect() as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    done = run("slow", admin)
    assert done.exit_code == 0
    assert "was started without it" in done.stderr


@contextmanager
def busy(database: Address, statement: str) -> Iterator[None]:
    """A statement that has run for over a second, and is ended afterwards."""
    with database.connect(application_name="report") as connection:

        def work() -> None:
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute(statement.encode())

        thread = threading.Thread(target=work)
        thread.start()
        old = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'report' AND "
            "state = 'active' AND clock_timestamp() - query_start > interval '1.1 s'"
        )
        try:
            eventually("the statement runs", lambda: bool(rows(database, old)))
            yield
        finally:
            connection.cancel_safe()
            thread.join()


# indexes


def looked(run: Run, database: Address) -> dict[str, Any]:
    done = run("indexes", database, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def names(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["name"] for finding in findings]


def test_the_foreign_key_without_an_index_is_found_and_mended_by_its_sql(run, filled):
    (missing,) = looked(run, filled)["missing"]
    assert missing["name"] == "quiz_results_quiz_id_fkey"
    assert missing["sql"] == (
        "CREATE INDEX CONCURRENTLY ON public.quiz_results (quiz_id);"
    )
    with filled.connect() as connection:
        connection.execute(missing["sql"])
    assert looked(run, filled)["missing"] == []


def test_a_foreign_key_of_two_columns_takes_an_index_in_either_order(run, small):
    with small.connect() as connection:
        connection.execute("CREATE INDEX ON quiz_results (quiz_id)")
        connection.execute('CREATE TABLE "Big one" (a int, b int, PRIMARY KEY (a, b))')
        connection.execute(
            'CREATE TABLE part ("A" int, b int, FOREIGN KEY ("A", b) '
            'REFERENCES "Big one" (a, b))'
        )
        connection.execute('CREATE INDEX ON part ("A")')
        (missing,) = looked(run, small)["missing"]
        assert missing["sql"] == ('CREATE INDEX CONCURRENTLY ON public.part ("A", b);')
        connection.execute('CREATE INDEX ON part (b, "A")')
    assert looked(run, small)["missing"] == []


def test_an_index_of_rows_that_refer_is_enough(run, small):
    with small.connect() as connection:
        connection.execute(
            "CREATE INDEX ON quiz_results (quiz_id) WHERE quiz_id IS NOT NULL"
        )
    assert looked(run, small)["missing"] == []


def test_indexes_that_another_makes_needless_are_found_and_mended(run, small):
    with small.connect() as connection:
        for statement in (
            "CREATE INDEX begins ON event_log (user_id)",
            "CREATE INDEX same ON event_log (occurred_at)",
            "CREATE INDEX unique_too ON users (id)",
            # None of these is another's.
            "CREATE INDEX other_order ON event_log (occurred_at DESC)",
            "CREATE INDEX partial ON event_log (occurred_at) WHERE kind = 'login'",
            "CREATE INDEX hashed ON event_log USING hash (user_id)",
            "CREATE INDEX pattern ON event_log (kind text_pattern_ops)",
            "CREATE INDEX plain ON event_log (kind)",
            "CREATE UNIQUE INDEX enforces ON documents (owner_id, id)",
            "CREATE INDEX carries ON event_log (user_id, kind) INCLUDE (ip)",
        ):
            connection.execute(statement)
        found = looked(run, small)["duplicate"]
        assert set(names(found)) == {
            "public.begins",
            "public.same",
            "public.unique_too",
        }
        for finding in found:
            connection.execute(finding["sql"])
    assert looked(run, small)["duplicate"] == []


def test_an_index_is_unused_until_a_query_takes_it(run, filled):
    assert names(looked(run, filled)["unused"]) == ["public.event_log_time"]
    with filled.connect() as connection:
        asked(
            connection,
            "SELECT kind FROM event_log WHERE occurred_at > %s",
            "2030-01-01",
        )
    eventually("it is counted", lambda: not looked(run, filled)["unused"])


def test_a_big_table_that_is_read_whole_again_and_again_is_found(run, filled):
    with filled.connect() as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        for _ in range(120):
            asked(connection, "SELECT count(*) FROM quiz_results WHERE total = 99")
    eventually("it is counted", lambda: bool(looked(run, filled)["scanned"]))
    (scanned,) = looked(run, filled)["scanned"]
    assert (scanned["table"], scanned["times"]) == ("public.quiz_results", 120)
    assert scanned["rows"] == 100_000
    assert "│ 120   │ 100,000" in run("indexes", filled).stdout


def test_an_empty_database_has_nothing_to_mend(run, empty):
    done = run("indexes", empty)
    assert done.exit_code == 0
    assert "Every foreign key has its index." in done.stdout
    assert "Nothing holds 1 MiB of air." in run("bloat", empty).stdout


# bloat


def test_the_estimate_is_near_what_reading_everything_finds(run, server, filled):
    with filled.connect() as connection:
        connection.execute("DELETE FROM event_log WHERE id % 3 > 0")
        connection.execute("VACUUM ANALYZE event_log")
    found = {
        one["name"]: one for one in json.loads(run("bloat", filled, "--json").stdout)
    }
    with server.as_admin(filled).connect() as connection:
        connection.execute("CREATE EXTENSION pgstattuple")
        table = connection.execute(
            "SELECT free_space FROM pgstattuple('event_log')"
        ).fetchone()
        density = connection.execute(
            "SELECT avg_leaf_density FROM pgstatindex('event_log_pkey')"
        ).fetchone()
    assert table
    assert density
    assert found["public.event_log"]["air"] == pytest.approx(table[0], rel=0.05)
    key = found["public.event_log_pkey"]
    # Full is 90 %, the fillfactor of B-trees.
    assert key["air"] / key["size"] == pytest.approx(1 - density[0] / 90, abs=0.05)
    assert key["sql"] == "REINDEX INDEX CONCURRENTLY public.event_log_pkey;"


def test_bloat_is_listed_from_a_size_on_the_most_first(run, filled):
    with filled.connect() as connection:
        connection.execute("DELETE FROM event_log")
        connection.execute("VACUUM ANALYZE event_log")
    assert run("bloat", filled, "--at-least", "10000").exit_code == 0
    data = json.loads(run("bloat", filled, "--json").stdout)
    assert [one["air"] for one in data] == sorted(
        (one["air"] for one in data), reverse=True
    )


# connections


def test_connections_are_counted_against_what_is_allowed(run, server, small):
    with small.connect(application_name="web"), small.connect(application_name="web"):
        data = json.loads(run("connections", server.admin, "--json").stdout)
        web = [g for g in data["groups"] if g["application"] == "web"]
        over = run("connections", server.admin, "--limit", "1%")
    assert (web[0]["count"], web[0]["state"], web[0]["user"]) == (2, "idle", "app")
    assert data["allowed"] == 97
    assert data["used"] >= 2
    assert over.exit_code == 1
    assert "more than 1 %" in over.stderr
    assert run("connections", server.admin, "--limit", "80%").exit_code == 0


@pytest.mark.parametrize("limit", ["0", "101%", "many"])
def test_a_limit_that_is_none_is_refused(run, server, limit):
    done = run("connections", server.admin, "--limit", limit)
    assert done.exit_code == 2
    assert "Invalid value" in done.stderr


def test_who_blocks_whom_and_who_idles_in_a_transaction_is_named(run, server, small):
    with (
        small.connect(application_name="holder") as holder,
        small.connect(application_name="waiter") as waiter,
    ):
        pid = holder.info.backend_pid
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE quizzes")
        thread = threading.Thread(
            target=lambda: waiter.execute("SELECT count(*) FROM quizzes")
        )
        thread.start()
        waits = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'waiter' "
            "AND wait_event_type = 'Lock'"
        )
        eventually("somebody waits", lambda: bool(rows(server.admin, waits)))
        data = json.loads(
            run("connections", server.admin, "--idle", "0", "--json").stdout
        )
        shown = run("connections", server.admin, "--idle", "0").stdout
        later = json.loads(run("connections", server.admin, "--json").stdout)
        holder.execute("ROLLBACK")
        thread.join()
    (blocked,) = data["blocked"]
    assert (blocked["by"], blocked["by_pid"]) == ("holder of app", pid)
    assert blocked["query"] == "SELECT count(*) FROM quizzes"
    (idle,) = data["idle_in_transaction"]
    assert (idle["application"], idle["query"]) == ("holder", "LOCK TABLE quizzes")
    assert "Idle in a transaction" in shown
    assert later["idle_in_transaction"] == [], "not for five minutes"
