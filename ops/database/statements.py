"""Which statements take long: by pg_stat_statements, or by who is at it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from psycopg.rows import class_row

from ops.database.address import Address
from ops.errors import OpsError

EXTENSION = "pg_stat_statements"

SHORTEST = 1.0
"""Seconds from which a statement that runs now counts as long."""


class Order(StrEnum):
    """What comes first: what costs most in all, or what takes longest each time."""

    TOTAL = "total"
    MEAN = "mean"


@dataclass(frozen=True)
class Statement:
    """A statement, its values left out, and what it has cost.

    share: of the time of all statements; rows: per call; cached: share of its blocks
    that were in memory, None when it reads none.
    """

    calls: int
    mean_ms: float
    total_ms: float
    share: float
    rows: float
    cached: float | None
    query: str


@dataclass(frozen=True)
class Running:
    """A statement that runs now."""

    pid: int
    user: str
    application: str
    seconds: float
    waits_for: str
    query: str


@dataclass(frozen=True)
class Slowness:
    """What takes long.

    since: when counting began. statements: None when nobody counts; `missing` says
    why.
    """

    running: list[Running]
    statements: list[Statement] | None = None
    since: datetime | None = None
    missing: str = ""


def slow(address: Address, top: int, order: Order) -> Slowness:
    """The statements of a database that take longest.

    The extension may stand in the database `postgres` instead of the app's own, where
    a dump would carry it along; it counts for all.

    address: of somebody with pg_read_all_stats; others see their own statements only.
    """
    with address.connect() as connection:
        running = _running(connection)
    missing = ""
    for place in dict.fromkeys((address.database, "postgres")):
        try:
            with address.to(place).connect() as connection:
                if not _has_extension(connection):
                    continue
                return Slowness(
                    running,
                    _statements(connection, address.database, top, order),
                    _since(connection),
                )
        except psycopg.errors.ObjectNotInPrerequisiteState:
            missing = (
                f"{EXTENSION} is created in {place}, but the server was started "
                "without it: it is not in shared_preload_libraries"
            )
        except OpsError:
            # Some platforms have no database `postgres`, or close it.
            if place == address.database:
                raise
    return Slowness(
        running,
        missing=missing
        or f"{EXTENSION} is neither in {address.database} nor in postgres",
    )


def shown(column: str) -> str:
    """SQL for a statement on one line, and nothing of one that may hold a password."""
    hidden = r"'\m(create|alter)\s+(role|user)\M.*\mpassword\M'"
    return (
        f"CASE WHEN {column} ~* {hidden} THEN '(not shown: may hold a password)' "
        rf"ELSE trim(regexp_replace({column}, '\s+', ' ', 'g')) END"
    )


def _has_extension(connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute(
        "SELECT 1 FROM pg_extension WHERE extname = %s", [EXTENSION]
    )
    return found.fetchone() is not None


_STATEMENTS = f"""
SELECT calls, mean_exec_time AS mean_ms, total_exec_time AS total_ms,
    total_exec_time / nullif(sum(total_exec_time) OVER (), 0) AS share,
    rows::float8 / greatest(calls, 1) AS rows,
    shared_blks_hit::float8 / nullif(shared_blks_hit + shared_blks_read, 0) AS cached,
    {shown("query")} AS query
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %(database)s)
    AND calls > 0
ORDER BY CASE %(order)s WHEN 'mean' THEN mean_exec_time ELSE total_exec_time END DESC
LIMIT %(top)s
"""  # noqa: S608


def _statements(
    connection: psycopg.Connection[Any], database: str, top: int, order: Order
) -> list[Statement]:
    with connection.cursor(row_factory=class_row(Statement)) as cursor:
        parameters = {"database": database, "order": order.value, "top": top}
        return cursor.execute(_STATEMENTS.encode(), parameters).fetchall()


def _since(connection: psycopg.Connection[Any]) -> datetime | None:
    """When counting began; before version 1.9 of the extension nobody knows."""
    try:
        row = connection.execute(
            "SELECT stats_reset FROM pg_stat_statements_info"
        ).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None


_RUNNING = f"""
SELECT pid, coalesce(usename, '') AS user,
    coalesce(application_name, '') AS application,
    extract(epoch FROM clock_timestamp() - query_start)::float8 AS seconds,
    coalesce(wait_event_type || ': ' || wait_event, '') AS waits_for,
    {shown("query")} AS query
FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active'
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    AND clock_timestamp() - query_start > make_interval(secs => {SHORTEST})
ORDER BY query_start
"""  # noqa: S608


def _running(connection: psycopg.Connection[Any]) -> list[Running]:
    with connection.cursor(row_factory=class_row(Running)) as cursor:
        return cursor.execute(_RUNNING.encode()).fetchall()
