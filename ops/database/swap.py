"""Swaps: another database takes the live one's place, which is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from ops.database.address import Address
from ops.database.databases import (
    BEFORE,
    RESTORED,
    Destination,
    exists,
    maintained,
    maintenance,
    named,
    new_name,
    statement,
)
from ops.errors import FailedError, OpsError
from ops.repeating import repeating

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

_PAUSE: Final = 0.05
"""Seconds between looks for sessions to end."""

_SESSIONS: Final = """
SELECT pid FROM pg_stat_activity
WHERE datname = ANY(%s) AND backend_type = 'client backend'
"""

_OUT_OF_THE_WAY: Final = "15s"
"""How long a swap waits for the locks that it needs."""


def keep(to: Destination, new: str) -> str:
    """Give a database that was loaded the name of a good one; that name."""
    with maintained(to.admin) as connection:
        kept = new_name(connection, to.live, RESTORED)
        _rename(connection, new, kept)
    return kept


def swap(to: Destination, new: str) -> str | None:
    """Let a database take the live one's place; the name under which that is kept.

    Both names change in one transaction: whenever this is killed, either is as before
    or as after. Connections of before are ended, and who connects meanwhile waits.

    Raises FailedError when the live one cannot be had alone; then all is as before.
    """
    from psycopg import Error

    with maintenance(to.admin) as server, server.connect() as connection:
        if not exists(connection, to.live):
            connection.execute(
                statement("ALTER DATABASE {} RENAME TO {}", new, to.live)
            )
            return None
        before = new_name(connection, to.live, BEFORE)
        try:
            with _alone(server, to.live, new), connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{_OUT_OF_THE_WAY}'")
                _rename(connection, to.live, before)
                _rename(connection, new, to.live)
        except Error as error:
            raise FailedError(
                f"{to.live} could not be swapped: {str(error).strip()}. It is as "
                f"it was. {to.admin.user} must own both databases, and may have to "
                "end sessions of others (pg_signal_backend)"
            ) from error
    return before


def newest_before(to: Destination) -> str:
    """The database that the last swap kept.

    Raises OpsError when there is none.
    """
    with maintained(to.admin) as connection:
        known = named(connection, to.live, BEFORE)
    if not known:
        raise OpsError(
            f"There is no database {to.live}_{BEFORE}_… to go back to. Restore a "
            "backup: stromhaltig db backups"
        )
    return known[-1]


def kept(connection: Connection, live: str) -> list[str]:
    """Databases of before, and restored ones that nobody swapped in."""
    return [
        *named(connection, live, BEFORE),
        *named(connection, live, RESTORED),
    ]


def _rename(connection: Connection, old: str, new: str) -> None:
    connection.execute(statement("ALTER DATABASE {} RENAME TO {}", old, new))


@contextmanager
def _alone(server: Address, *databases: str) -> Iterator[None]:
    """End the sessions of databases, those too that begin, until the block is over."""
    with (
        server.connect() as connection,
        repeating(lambda: _end_sessions(connection, databases), _PAUSE, "sessions"),
    ):
        yield


def _end_sessions(connection: Connection, databases: Sequence[str]) -> None:
    """End what we may; the rest, the renaming finds in its way, and tells of."""
    from psycopg import Error

    with suppress(Error):
        for (pid,) in connection.execute(_SESSIONS, (list(databases),)).fetchall():
            with suppress(Error):
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
