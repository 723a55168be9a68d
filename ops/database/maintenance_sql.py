"""What maintenance asks PostgreSQL's catalogue; as the app's weekly job asks it.

The queries are those of `app/src/jobs/maintain-sql.ts`, where their reasons stand, and
a test holds the two together: whoever maintains a database does it by the same rules.
Their parameters are $1 and $2, so they take a `psycopg.RawCursor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ops.errors import OpsError

if TYPE_CHECKING:
    import psycopg

OURS: Final = """
  n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_has_role(c.relowner, 'USAGE') AND c.relpersistence <> 't'"""
"""Of a class `c` in a namespace `n`: whether it is ours to maintain."""

_OWNERS: Final = """
  SELECT pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'), count(*)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  GROUP BY c.relowner
  ORDER BY 2 DESC, 3 DESC"""
"""Whose the tables are, ours first."""

TABLES: Final = f"""
  SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'p' AS partitioned
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm', 'p') AND {OURS}
  ORDER BY 1"""  # noqa: S608
"""Tables, by name."""

INVALID_LEFTOVERS: Final = f"""
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relname ~ '_cc(new|old)[0-9]*$'
    AND {OURS}
    AND ($1::text IS NULL OR i.indrelid = $1::regclass)
    AND NOT EXISTS (
      SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid)
  ORDER BY 1"""  # noqa: S608
"""What an interrupted REINDEX CONCURRENTLY has left. $1: of this table only."""

BLOATED_INDEXES: Final = f"""
  WITH keys AS (
    SELECT c.oid, c.reltuples, c.relpages,
           coalesce(substring(array_to_string(c.reloptions, ' ')
             FROM 'fillfactor=([0-9]+)')::int, 90) AS fillfactor,
           format('%I.%I', n.nspname, c.relname) AS name,
           i.indrelid::regclass::text AS "table",
           sum(s.avg_width) AS width, bool_or(s.null_frac > 0) AS nulls,
           count(*) = count(s.avg_width) AS known
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attribute k ON k.attrelid = t.oid
      AND k.attnum = i.indkey[a.attnum - 1] AND k.attnum > 0
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited
      AND s.tablename = CASE WHEN k.attname IS NULL THEN c.relname ELSE t.relname END
      AND s.attname = coalesce(k.attname, a.attname)
    WHERE c.relkind = 'i' AND i.indisvalid AND c.reltuples >= 0 AND {OURS}
    GROUP BY c.oid, n.nspname, i.indrelid
  ), estimated AS (
    SELECT name, "table", relpages,
           1 + ceil(reltuples
             * (4 + 8 * ceil((8 + CASE WHEN nulls THEN 8 ELSE 0 END + width) / 8.0))
             / ((current_setting('block_size')::int - 24 - 16) * fillfactor / 100.0))
             AS needed
    FROM keys WHERE known
  )
  SELECT name, "table", (relpages * block)::float8 AS bytes,
         ((relpages - needed) * block)::float8 AS air
  FROM estimated, (SELECT current_setting('block_size')::int AS block) AS sizes
  WHERE relpages - needed >= $1::float8 * relpages
    AND (relpages - needed) * block >= $2::float8
  ORDER BY air DESC"""  # noqa: S608
"""B-trees with much air. $1: share of air, $2: bytes of air, from which one counts."""


def demand_ours(connection: psycopg.Connection[Any]) -> None:
    """Refuse a login that looks after none of the tables: to it, all would seem well.

    Raises OpsError, naming whose they are.
    """
    first = connection.execute(_OWNERS).fetchone()
    if first is None:
        return
    owner, ours, tables = first
    if not ours:
        raise OpsError(
            f"{connection.info.user} sees nothing here: the {tables} tables of "
            f"{connection.info.dbname} belong to {owner}. Use the login of {owner}, or "
            "of a member of it"
        )
