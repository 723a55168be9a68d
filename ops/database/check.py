"""Whether a restored database is what was backed up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ops.database.address import Address
from ops.database.backup import plain
from ops.database.databases import statement
from ops.database.dump import MIGRATIONS, Contents
from ops.errors import FailedError

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


def check(database: Address, expected: Contents) -> list[str]:
    """Hold a restored database to what was to be restored; what was found good.

    Raises FailedError with all that is not.
    """
    with database.connect() as connection:
        problems = [
            *_differences(rows(connection), expected.tables),
            *_broken(connection, expected),
        ]
        found = applied(connection)
        if found != expected.migrations:
            problems.append(
                f"{MIGRATIONS} has {', '.join(found) or 'no row'} instead of "
                f"{', '.join(expected.migrations) or 'none'}"
            )
        connection.execute("ANALYZE")
        keys = connection.execute(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
        ).fetchone()
    if problems:
        raise FailedError(
            f"{database.database} is not what was backed up: {'; '.join(problems)}"
        )
    return [
        f"{expected.rows:,} rows of {len(expected.tables)} tables, as in the backup",
        f"{expected.schema_says}; {keys[0] if keys else 0} foreign keys hold",
        f"{database.user} may use all of it; statistics are fresh",
    ]


def applied(connection: Connection) -> tuple[str, ...]:
    """Names of the app's migrations that were applied, in order."""
    row = connection.execute("SELECT to_regclass(%s)", (MIGRATIONS,)).fetchone()
    if row is None or row[0] is None:
        return ()
    names = connection.execute(
        statement("SELECT name FROM {} ORDER BY version", MIGRATIONS)
    ).fetchall()
    return tuple(str(name) for (name,) in names)


_TABLES: Final = """
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def rows(connection: Connection) -> dict[str, int]:
    """Rows of every table, by its name without quotes."""
    counts = {}
    for schema, table in connection.execute(_TABLES).fetchall():
        query = statement("SELECT count(*) FROM {}.{}", schema, table)
        row = connection.execute(query).fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def _differences(found: dict[str, int], expected: dict[str, int]) -> Iterator[str]:
    for table, rows in expected.items():
        has = found.get(plain(table))
        if has is None:
            yield f"{table} is missing"
        elif has != rows:
            yield f"{table} has {has:,} rows instead of {rows:,}"


_BROKEN: Final[Sequence[tuple[str, str]]] = (
    (
        "indexes that are not valid",
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
    ),
    (
        "tables that the app may not use",
        """
        SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname !~ '^pg_'
            AND n.nspname <> 'information_schema' AND NOT (
                has_schema_privilege(n.oid, 'USAGE')
                AND has_table_privilege(c.oid, 'SELECT'))
        """,
    ),
)


def _broken(connection: Connection, expected: Contents) -> Iterator[str]:
    for what, query in _BROKEN:
        names = [name for (name,) in connection.execute(query.encode())]
        if names:
            yield f"{what}: {', '.join(names)}"
    row = connection.execute(
        "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    ).fetchone()
    unchecked = int(row[0]) if row else 0
    if unchecked > expected.unchecked:
        yield f"{unchecked} constraints were not checked, {expected.unchecked} before"
