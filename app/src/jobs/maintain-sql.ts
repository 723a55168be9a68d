/** What maintenance asks PostgreSQL's catalogue: only of what is ours to maintain. */

const OURS = `
  n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_has_role(c.relowner, 'USAGE')
  AND c.relpersistence <> 't'`;

export const TABLES = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'p' AS partitioned
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm', 'p') AND ${OURS}
  ORDER BY 1`;

/**
 * Indexes that REINDEX CONCURRENTLY has left when it was interrupted: `_ccnew` is the new one, `_ccold` the old one.
 * Both are to be dropped, says PostgreSQL's manual ("Rebuilding Indexes Concurrently"). $1: of this table only.
 */
export const INVALID_LEFTOVERS = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relname ~ '_cc(new|old)[0-9]*$' AND ${OURS}
    AND ($1::text IS NULL OR i.indrelid = $1::regclass)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid)
  ORDER BY 1`;

/**
 * B-trees that hold much air, the most first. $1: share of air, $2: bytes of air, from which one counts.
 *
 * An estimate that reads no index: the pages that its entries need, from the number and the average width that
 * ANALYZE has found, against the pages it has. An entry is a line pointer of 4 bytes, a header of 8 with the bitmap
 * of NULLs where there is one, and the key, aligned; a page loses 24 bytes to its header, 16 to its tree, and a
 * tenth to the fillfactor. Entries that are alike share their key since PostgreSQL 13, and inner pages are left
 * out: both make the estimate too cautious or too bold by little. Indexes without statistics are left alone.
 */
export const BLOATED_INDEXES = `
  WITH keys AS (
    SELECT c.oid, c.reltuples, c.relpages,
           coalesce(substring(array_to_string(c.reloptions, ' ') FROM 'fillfactor=([0-9]+)')::int, 90) AS fillfactor,
           format('%I.%I', n.nspname, c.relname) AS name, i.indrelid::regclass::text AS "table",
           sum(s.avg_width) AS width, bool_or(s.null_frac > 0) AS nulls,
           count(*) = count(s.avg_width) AS known
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'
    JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attribute k ON k.attrelid = t.oid AND k.attnum = i.indkey[a.attnum - 1] AND k.attnum > 0
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND NOT s.inherited
      AND s.tablename = CASE WHEN k.attname IS NULL THEN c.relname ELSE t.relname END
      AND s.attname = coalesce(k.attname, a.attname)
    WHERE c.relkind = 'i' AND i.indisvalid AND c.reltuples >= 0 AND ${OURS}
    GROUP BY c.oid, n.nspname, i.indrelid
  ), estimated AS (
    SELECT name, "table", relpages,
           1 + ceil(reltuples * (4 + 8 * ceil((8 + CASE WHEN nulls THEN 8 ELSE 0 END + width) / 8.0))
                    / ((current_setting('block_size')::int - 24 - 16) * fillfactor / 100.0)) AS needed
    FROM keys WHERE known
  )
  SELECT name, "table", (relpages * block)::float8 AS bytes, ((relpages - needed) * block)::float8 AS air
  FROM estimated, (SELECT current_setting('block_size')::int AS block) AS sizes
  WHERE relpages - needed >= $1::float8 * relpages AND (relpages - needed) * block >= $2::float8
  ORDER BY air DESC`;
