"""A real PostgreSQL 15 with the app's schema, for operations on databases."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.database.address import Address
from tests.backup.postgres import ROLE, Postgres, postgres
from tests.ops.rehearsed import aws, rehearsed, stack  # noqa: F401 - fixtures
from tests.servers import APP
from tools.servers import ServerMissingError, provide

PASSWORD = "p:a/s @ s%w\\o'r d"  # what is quoted wrongly somewhere fails
APP_ROLE = "app"

EVENTS = 1_000_000
USERS = 20_000
DOCUMENTS = 40_000
RESULTS = 100_000

SETTINGS = {
    # A restart after `immediate` replays what was written: keep it little.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
}

FILL = f"""
INSERT INTO users (id, email, password_hash, created_at)
SELECT md5('user' || n)::uuid, 'user' || n || '@stromhaltig.test', md5(n::text),
    timestamptz '2026-01-01 00:00+00' + n * interval '1 minute'
FROM generate_series(1, {USERS}) n;

INSERT INTO documents (id, owner_id, original_name, media_type, size, uploaded_at)
SELECT md5('document' || n)::uuid, md5('user' || n % {USERS} + 1)::uuid,
    E'Zähler\\t' || n || E'\\n"Straße" \\\\. ' || md5(n::text) || '.pdf',
    'application/pdf', n, timestamptz '2026-02-01 00:00+00' + n * interval '1 minute'
FROM generate_series(1, {DOCUMENTS}) n;

INSERT INTO quiz_results (quiz_id, user_id, correct, total, taken_at)
SELECT 1, md5('user' || n % {USERS} + 1)::uuid, n % 4, 3,
    timestamptz '2026-03-01 00:00+00' + n * interval '1 second'
FROM generate_series(1, {RESULTS}) n;

INSERT INTO event_log (occurred_at, kind, user_id, ip, user_agent, details)
SELECT timestamptz '2026-04-01 00:00+00' + n * interval '1 second',
    (ARRAY['login', 'upload', 'quiz', 'logout'])[n % 4 + 1],
    CASE WHEN n % 10 > 0 THEN md5('user' || n % {USERS} + 1)::uuid END,
    '10.0.0.0'::inet + n,
    'Mozilla/5.0 (X11; Linux x86_64) ' || n % 977,
    jsonb_build_object('n', n, 'token', md5(n::text), 'comment', E'Ünïcode\\n\\t\\\\.')
FROM generate_series(1, {EVENTS}) n;
"""  # noqa: S608 - numbers of ours


_CHECKSUM = "('x' || left(md5(t::text), 15))::bit(60)::bigint"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on loopback, which asks for passwords (SCRAM).

    admin: the superuser, in the database `postgres`. app: who owns the databases that
    are made here, and may do no more, as on the platforms.
    """

    process: Postgres
    admin: Address
    app: Address

    def database(self, template: str = "template1", name: str | None = None) -> Address:
        """Make a database that the app owns; its address as the app's role.

        template: `template1` for an empty one, `schema` for the app's tables after all
        migrations, `filled` for those with more than a million rows.
        """
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        with self.admin.connect() as connection:
            connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {APP_ROLE} '
                "STRATEGY file_copy"
            )
        return self.app.to(name)

    def as_admin(self, database: Address) -> Address:
        """The same database, as the superuser."""
        return self.admin.to(database.database)

    def names(self) -> set[str]:
        """All databases."""
        return {name for (name,) in rows(self.admin, "SELECT datname FROM pg_database")}

    def drop(self, *names: str) -> None:
        """Remove databases, whoever uses them."""
        with self.admin.connect() as connection:
            for name in names:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def rows(database: Address, query: str) -> list[tuple[Any, ...]]:
    """What a query says."""
    with database.connect() as connection:
        return connection.execute(query).fetchall()


def contents(database: Address) -> dict[str, tuple[int, str]]:
    """Number of rows, and checksum of all of them, by table."""
    tables = rows(
        database,
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
    )
    return {
        table: rows(
            database,
            f"SELECT count(*), coalesce(sum({_CHECKSUM}), 0)::text FROM {table} t",  # noqa: S608
        )[0]
        for (table,) in tables
    }


def migrate(database: Address) -> None:
    """Apply the app's migrations, and record them as the app does (migrations.ts)."""
    with database.connect() as connection:
        connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                version     integer PRIMARY KEY,
                name        text NOT NULL,
                checksum    text NOT NULL,
                applied_at  timestamptz NOT NULL DEFAULT now(),
                duration_ms integer NOT NULL
            )"""
        )
        for file in migrations():
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute(
                    "INSERT INTO schema_migrations (version, name, checksum, "
                    "duration_ms) VALUES (%s, %s, %s, 1)",
                    (
                        int(file.name.partition("_")[0]),
                        file.stem,
                        hashlib.sha256(file.read_bytes()).hexdigest(),
                    ),
                )


def migrations() -> list[Path]:
    """The app's, in order."""
    return sorted((APP / "migrations").glob("*.sql"))


@contextmanager
def serving() -> Iterator[Server]:
    """A server, with the templates of `Server.database`."""
    from psycopg import sql

    with postgres(PASSWORD, SETTINGS) as running:
        admin = Address(
            host="127.0.0.1",
            port=running.port,
            user=ROLE,
            password=PASSWORD,
            database="postgres",
        )
        server = Server(running, admin, admin.login(APP_ROLE, f"{PASSWORD}-app"))
        with admin.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE app LOGIN PASSWORD {}").format(server.app.password)
            )
        migrate(server.database(name="schema"))
        with server.database("schema", name="filled").connect() as connection:
            connection.execute(FILL)
            connection.execute("VACUUM ANALYZE")
        yield server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One PostgreSQL for all tests."""
    try:
        provide("postgres")
    except ServerMissingError as reason:
        pytest.skip(str(reason))
    with serving() as server:
        yield server


@pytest.fixture
def empty(server: Server) -> Iterator[Address]:
    """A database without a table."""
    yield from _lent(server, "template1")


@pytest.fixture
def small(server: Server) -> Iterator[Address]:
    """A database with the app's schema, and the rows that its migrations bring."""
    yield from _lent(server, "schema")


@pytest.fixture
def guest(server: Server, small: Address) -> Iterator[Address]:
    """The small database, for somebody who may sign in and no more."""
    with server.admin.connect() as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'a guest''s'")
    yield small.login("guest", "a guest's")
    with server.admin.connect() as connection:
        connection.execute("DROP ROLE guest")


@pytest.fixture
def filled(server: Server) -> Iterator[Address]:
    """A database with more than a million rows, to do with as a test pleases."""
    yield from _lent(server, "filled")


def _lent(server: Server, template: str) -> Iterator[Address]:
    database = server.database(template)
    yield database
    # With what was made of it: NAME_restore_…, NAME_before_….
    name = database.database
    server.drop(*(found for found in server.names() if found.startswith(name)))
