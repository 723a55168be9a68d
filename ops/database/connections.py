"""Who is connected, against how many may be, and who stands in whose way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from ops.database.address import Address
from ops.database.statements import shown

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """Connections that are alike."""

    state: str
    user: str
    application: str
    client: str
    count: int


@dataclass(frozen=True)
class Idle:
    """A session that holds a transaction open and does nothing.

    seconds: since its last statement. query: that statement.
    """

    pid: int
    user: str
    application: str
    client: str
    seconds: float
    query: str


@dataclass(frozen=True)
class Blocked:
    """A session that waits for another one's lock."""

    pid: int
    seconds: float
    query: str
    by_pid: int
    by: str
    by_state: str
    by_query: str


@dataclass(frozen=True)
class Connections:
    """Everybody on the server, whichever database they use.

    allowed: max_connections without those kept for superusers.
    """

    used: int
    allowed: int
    groups: list[Group]
    idle_in_transaction: list[Idle]
    blocked: list[Blocked]

    @property
    def percent(self) -> float:
        """How much of what is allowed is used."""
        return 100 * self.used / self.allowed


def connections(address: Address, idle_seconds: float) -> Connections:
    """Look at the connections of a server.

    address: of somebody with pg_read_all_stats; others see less of other users.
    idle_seconds: from when on a session that is idle in a transaction is named.
    """
    with address.connect() as connection:
        groups = _rows(connection, Group, _GROUPS)
        return Connections(
            # Not the one that asks.
            used=sum(group.count for group in groups),
            allowed=_allowed(connection),
            groups=groups,
            idle_in_transaction=_rows(connection, Idle, _IDLE, [idle_seconds]),
            blocked=_rows(connection, Blocked, _BLOCKED),
        )


def _allowed(connection: psycopg.Connection[Any]) -> int:
    """Since PostgreSQL 16 there are two kinds that are kept."""
    row = connection.execute(
        """
        SELECT current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0)
            - coalesce(
                current_setting('rds.rds_superuser_reserved_connections', true)::int, 0)
        """
    ).fetchone()
    return int(row[0]) if row else 0


def _rows(
    connection: psycopg.Connection[Any],
    kind: type[T],
    query: str,
    parameters: list[object] | None = None,
) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


_GROUPS = """
SELECT coalesce(state, 'not visible') AS state, coalesce(usename, '') AS user,
    coalesce(application_name, '') AS application,
    coalesce(host(client_addr), 'local') AS client, count(*) AS count
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1, 2, 3, 4 ORDER BY count DESC, 1, 2, 3, 4
"""

_IDLE = f"""
SELECT pid, coalesce(usename, '') AS user,
    coalesce(application_name, '') AS application,
    coalesce(host(client_addr), 'local') AS client,
    extract(epoch FROM clock_timestamp() - state_change)::float8 AS seconds,
    {shown("query")} AS query
FROM pg_stat_activity
WHERE state LIKE 'idle in transaction%%'
    AND clock_timestamp() - state_change >= make_interval(secs => %s)
ORDER BY state_change
"""  # noqa: S608

_BLOCKED = f"""
SELECT a.pid, extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS seconds,
    {shown("a.query")} AS query, b.pid AS by_pid,
    format('%s of %s', coalesce(nullif(b.application_name, ''), 'a session'),
        coalesce(b.usename, 'nobody')) AS by,
    coalesce(b.state, '') AS by_state, {shown("b.query")} AS by_query
FROM pg_stat_activity a
CROSS JOIN unnest(pg_blocking_pids(a.pid)) AS blocking (pid)
JOIN pg_stat_activity b ON b.pid = blocking.pid
WHERE a.wait_event_type = 'Lock'
ORDER BY seconds DESC
"""  # noqa: S608
