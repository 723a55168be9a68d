"""Which indexes are in the way, and which are missing; each with the SQL that mends it.

Nothing is changed here: an index that nobody has used since Monday may be what the
report of the month needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from ops.database.address import Address
from ops.database.maintenance_sql import OURS, demand_ours

T = TypeVar("T")

BIG = 4 * 1024**2
"""Bytes from which reading a whole table again and again is worth a look."""

OFTEN = 100
"""As many whole reads since counting began: maintenance itself does some."""


@dataclass(frozen=True)
class Finding:
    """An index to drop or to create.

    size: bytes of the index, or of the table that lacks it. sql: what mends it.
    """

    table: str
    name: str
    size: int
    why: str
    sql: str


@dataclass(frozen=True)
class Scanned:
    """A big table that is read whole: some query lacks an index.

    times: since counting began; rows: per time.
    """

    table: str
    size: int
    times: int
    rows: int
    index_scans: int


@dataclass(frozen=True)
class Findings:
    """What was found. since: when PostgreSQL began to count uses."""

    since: datetime | None
    unused: list[Finding]
    duplicate: list[Finding]
    missing: list[Finding]
    scanned: list[Scanned]


@dataclass(frozen=True)
class Index:
    """An index, as far as another may do its work.

    keys: each with its operator class, collation and direction. included: columns that
    it carries along. predicate: of a partial one. unique: whether it enforces that.
    constrained: whether a constraint stands on it.
    """

    oid: int
    table: str
    name: str
    size: int
    method: str
    keys: Sequence[str]
    included: Sequence[str]
    predicate: str
    unique: bool
    constrained: bool


def findings(address: Address) -> Findings:
    """Look at all indexes of a database.

    Raises OpsError for a login that looks after none of its tables.
    """
    with address.connect() as connection:
        demand_ours(connection)
        row = connection.execute(
            "SELECT stats_reset FROM pg_stat_database WHERE datname = "
            "current_database()"
        ).fetchone()
        return Findings(
            since=row[0] if row else None,
            unused=_rows(connection, Finding, _UNUSED),
            duplicate=duplicates(_rows(connection, Index, _INDEXES)),
            missing=_rows(connection, Finding, _MISSING),
            scanned=_rows(connection, Scanned, _SCANNED),
        )


def duplicates(indexes: Sequence[Index]) -> list[Finding]:
    """Those whose work another one does, the biggest first."""
    found = []
    for index in indexes:
        better = next((o for o in indexes if _replaces(o, index)), None)
        if better:
            same = better.keys == index.keys
            why = "the same as" if same else "the beginning of"
            found.append(
                Finding(
                    index.table,
                    index.name,
                    index.size,
                    f"{why} {better.name}",
                    f"DROP INDEX CONCURRENTLY {index.name};",
                )
            )
    return sorted(found, key=lambda finding: -finding.size)


def _replaces(one: Index, other: Index) -> bool:
    """Whether one index does all the work of another, which can go."""
    if one.oid == other.oid or other.constrained:
        return False
    alike = (one.table, one.method, one.predicate) == (
        other.table,
        other.method,
        other.predicate,
    )
    begins = one.keys[: len(other.keys)] == other.keys
    if not (alike and begins and set(other.included) <= {*one.keys, *one.included}):
        return False
    if len(one.keys) > len(other.keys):
        # Only B-trees are as good at their beginning; uniqueness is of all keys.
        return one.method == "btree" and not other.unique
    if other.unique and not one.unique:
        return False
    twins = _replaceable(one) == _replaceable(other)
    return not twins or one.oid < other.oid


def _replaceable(index: Index) -> tuple[bool, bool, frozenset[str]]:
    """What two indexes of the same keys may differ in."""
    return index.constrained, index.unique, frozenset(index.included)


_INDEXES = f"""
SELECT i.indexrelid::bigint AS oid, i.indrelid::regclass::text AS "table",
    format('%I.%I', n.nspname, c.relname) AS name,
    pg_relation_size(c.oid) AS size, m.amname AS method,
    ARRAY(SELECT concat_ws(' ', pg_get_indexdef(c.oid, k, true),
            i.indclass[k - 1], i.indcollation[k - 1], i.indoption[k - 1])
        FROM generate_series(1, i.indnkeyatts) k ORDER BY k) AS keys,
    ARRAY(SELECT pg_get_indexdef(c.oid, k, true)
        FROM generate_series(i.indnkeyatts + 1, i.indnatts) k) AS included,
    coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS predicate,
    i.indisunique AS "unique",
    EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
        OR i.indisreplident OR i.indisexclusion
        OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS constrained
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_am m ON m.oid = c.relam
WHERE i.indisvalid AND c.relkind = 'i' AND {OURS}
ORDER BY oid
"""  # noqa: S608


_UNUSED = f"""
SELECT i.indrelid::regclass::text AS "table",
    format('%I.%I', n.nspname, c.relname) AS name,
    pg_relation_size(c.oid) AS size, 'never used' AS why,
    format('DROP INDEX CONCURRENTLY %I.%I;', n.nspname, c.relname) AS sql
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stat_all_indexes s ON s.indexrelid = c.oid
WHERE s.idx_scan = 0 AND pg_relation_size(i.indrelid) > 0 AND c.relkind = 'i'
    -- What enforces something is used without being scanned.
    AND NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisreplident
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
    -- What a foreign key needs is used when a row that is referred to goes.
    AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = i.indrelid
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)
    AND {OURS}
ORDER BY size DESC, name
"""  # noqa: S608

_MISSING = f"""
SELECT format('%I.%I', n.nspname, c.relname) AS "table", k.conname AS name,
    pg_relation_size(c.oid) AS size,
    format('foreign key to %s: a DELETE there reads all of this table',
        k.confrelid::regclass) AS why,
    format('CREATE INDEX CONCURRENTLY ON %I.%I (%s);', n.nspname, c.relname,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY position)
            FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, position)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum)) AS sql
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND {OURS}
    AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indisvalid
        AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
        AND (i.indpred IS NULL OR EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
            AND k.conkey = ARRAY[a.attnum]
            AND pg_get_expr(i.indpred, i.indrelid)
                = format('(%I IS NOT NULL)', a.attname))))
ORDER BY size DESC, "table", name
"""  # noqa: S608


_SCANNED = f"""
SELECT format('%I.%I', n.nspname, c.relname) AS "table",
    pg_relation_size(c.oid) AS size, s.seq_scan AS times,
    s.seq_tup_read / s.seq_scan AS rows, coalesce(s.idx_scan, 0) AS index_scans
FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.seq_scan >= {OFTEN} AND pg_relation_size(c.oid) >= {BIG} AND {OURS}
ORDER BY s.seq_tup_read DESC
"""  # noqa: S608


def _rows(connection: psycopg.Connection[Any], kind: type[T], query: str) -> list[T]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode()).fetchall()
