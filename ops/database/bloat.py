"""How much of tables and indexes is air, by an estimate that reads none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from ops.database.address import Address
from ops.database.maintenance_sql import BLOATED_INDEXES, OURS, demand_ours


@dataclass(frozen=True)
class Bloat:
    """A table or an index.

    size, air: bytes; air is what its rows do not need, an estimate. sql: what gives it
    back.
    """

    kind: str
    name: str
    size: int
    air: int
    sql: str

    @property
    def share(self) -> float:
        """How much of it is air, from 0 to 1."""
        return self.air / self.size


# The pages that the rows need, from the number and the average width that ANALYZE has
# found, against the pages that are there. A row is a line pointer of 4 bytes, a header
# of 23 with the bitmap of NULLs where there is one, and the data, both aligned to 8; a
# page loses 24 bytes to its header. After github.com/ioguix/pgsql-bloat-estimation.
_TABLES = f"""
WITH tables AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.reltuples, c.relpages,
        coalesce(substring(array_to_string(c.reloptions, ' ')
            FROM 'fillfactor=([0-9]+)')::int, 100) AS fillfactor,
        23 + CASE WHEN bool_or(s.null_frac > 0) THEN (7 + count(*)) / 8 ELSE 0 END
            AS header,
        sum((1 - s.null_frac) * s.avg_width) AS data
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
        AND s.attname = a.attname AND NOT s.inherited
    WHERE c.relkind IN ('r', 'm') AND c.reltuples >= 0 AND c.relpages > 0 AND {OURS}
    GROUP BY c.oid, n.nspname
    HAVING count(*) = count(s.avg_width)
), estimated AS (
    SELECT name, relpages,
        ceil(reltuples * (4 + 8 * ceil(header / 8.0) + 8 * ceil(data / 8.0))
            / ((current_setting('block_size')::int - 24) * fillfactor / 100.0))
            AS needed
    FROM tables
)
SELECT name, (relpages * block)::float8 AS size,
    ((relpages - needed) * block)::float8 AS air
FROM estimated, (SELECT current_setting('block_size')::int AS block) AS sizes
WHERE relpages > needed
"""  # noqa: S608


def bloat(address: Address, least: int) -> list[Bloat]:
    """Tables and B-trees with at least so many bytes of air, the most first.

    What was never analyzed is left out: nothing is known of it.

    Raises OpsError for a login that looks after none of the tables.
    """
    with address.connect() as connection:
        demand_ours(connection)
        found = [*_tables(connection), *_indexes(connection)]
    return sorted(
        (one for one in found if one.air >= max(1, least)), key=lambda one: -one.air
    )


def _tables(connection: psycopg.Connection[Any]) -> list[Bloat]:
    return [
        Bloat("table", name, int(size), int(air), f"VACUUM (FULL) {name}; -- locks it")
        for name, size, air in connection.execute(_TABLES)
    ]


def _indexes(connection: psycopg.Connection[Any]) -> list[Bloat]:
    with psycopg.RawCursor(connection) as cursor:
        return [
            Bloat(
                "index",
                name,
                int(size),
                int(air),
                f"REINDEX INDEX CONCURRENTLY {name};",
            )
            for name, _, size, air in cursor.execute(BLOATED_INDEXES, [0, 1])
        ]
