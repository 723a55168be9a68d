"""One at a time on a database, also for who works without a stack and its lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ops.database.address import Address
from ops.errors import OpsError

if TYPE_CHECKING:
    import psycopg

_CLASS = 7_305_119
"""First half of our locks' keys; the app's migrations have 7305118."""

_HOLDER = """
SELECT a.usename, coalesce(host(a.client_addr), 'the server itself'),
    date_trunc('second', a.backend_start)
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s
    AND l.objid = hashtext(%s)::bit(32)::bigint::oid
"""


@contextmanager
def exclusive(database: Address, work: str) -> Iterator[psycopg.Connection[Any]]:
    """Be the only one that does a kind of work; yields the connection that says so.

    The server frees it with the connection: of who is killed nothing is left. Those
    who should exclude each other connect to the same database.

    Raises OpsError when somebody else does it.
    """
    # What is silent for minutes, routers forget.
    with database.connect(keepalives_idle=60) as connection:
        if connection.info.server_version >= 140_000:
            connection.execute("SET idle_session_timeout = 0")
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_CLASS, work)
        ).fetchone()
        if row is None or not row[0]:
            holder = connection.execute(_HOLDER, (_CLASS, work)).fetchone()
            who = "{} from {}, since {}".format(*holder) if holder else "gone by now"
            raise OpsError(
                f"Somebody else is at it, at {database.host}: {work} ({who}). Wait for "
                "it, and look at what it did"
            )
        yield connection
