/** Migrations: plain SQL files, each applied once, in order, in its own transaction. */

import { createHash } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';

export interface Migration {
  version: number;
  /** File name without the ending, like 001_initial_schema. */
  name: string;
  file: string;
  sql: string;
  checksum: string;
}

interface Applied {
  version: number;
  name: string;
  checksum: string;
  applied_at: Date;
}

export interface Status {
  applied: Applied[];
  pending: Migration[];
  /** Applied by a newer release than this one. */
  unknown: Applied[];
}

export type Report = (message: string) => void;

/** What keeps migrations from running, told to the operator as it is. */
export class MigrationError extends Error {}

/** Any number, the same in every release: two runs at once meet on it. */
const LOCK = 7_305_118;

/** How long another run may take, in milliseconds. */
const LOCK_PATIENCE = 600_000;

/** How long a statement may wait for a table: everybody after it in the queue waits too. */
const TABLE_PATIENCE = 10_000;

const FILE_NAME = /^(\d{3,})_[a-z0-9_]+\.sql$/;

/** How often PostgreSQL looks, during a statement, whether we are still there: what was killed frees its lock. */
const PRESENCE_CHECK = '5s';

/** Statements that would end the transaction around the file. What this misses is seen once the file has run. */
const TRANSACTION_CONTROL =
  /(?<=^|;)\s*\b(begin|start\s+transaction|commit|rollback|abort)(\s+(work|transaction))?(\s+and\s+(no\s+)?chain)?\s*;/im;

/** Comments, text, and bodies of functions, whose BEGIN and COMMIT are others. */
const NO_STATEMENTS = /--.*$|\/\*[^]*?\*\/|'[^']*'|\$(\w*)\$[^]*?\$\1\$/gm;

/**
 * The migrations of a directory, in order.
 *
 * @throws MigrationError for file names that are no migrations, and for versions missing or twice.
 */
export async function readMigrations(directory: string): Promise<Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.sql')).sort();
  const migrations = await Promise.all(names.map((name) => readMigration(path.join(directory, name))));
  migrations.sort((a, b) => a.version - b.version);
  migrations.forEach(({ version, file }, index) => {
    if (version !== index + 1) {
      throw new MigrationError(`${file}: expected version ${padded(index + 1)} here; versions count up by one from 001`);
    }
  });
  return migrations;
}

async function readMigration(file: string): Promise<Migration> {
  const base = path.basename(file);
  const version = FILE_NAME.exec(base)?.[1];
  if (version === undefined) throw new MigrationError(`${file}: is not named like 001_initial_schema.sql`);
  const sql = await readFile(file, 'utf8');
  refuseTransactionControl(file, sql);
  return {
    version: Number(version),
    name: base.replace(/\.sql$/, ''),
    file,
    sql,
    // Git may write the same file with either ending.
    checksum: createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex'),
  };
}

function refuseTransactionControl(file: string, sql: string) {
  const statements = sql.replace(NO_STATEMENTS, (text) => text.replace(/[^\n]/g, ' '));
  const found = TRANSACTION_CONTROL.exec(statements);
  if (found?.[1] !== undefined) {
    const start = found.index + found[0].indexOf(found[1]);
    const place = position(file, sql, Array.from(sql.slice(0, start)).length);
    throw new MigrationError(
      `${place}: "${found[1]}" ends the transaction that each file runs in. Remove it`,
    );
  }
}

/**
 * Where database and migrations stand to each other.
 *
 * A database that is ahead is fine: an older release runs on it after a roll-back.
 *
 * @throws MigrationError when an applied migration was changed or is missing, or one came too late.
 */
export async function readStatus(client: pg.ClientBase, migrations: Migration[]): Promise<Status> {
  const applied = await readApplied(client);
  const newest = migrations.length;
  for (const row of applied.filter(({ version }) => version <= newest)) {
    const migration = migrations[row.version - 1];
    if (migration?.name !== row.name) {
      throw new MigrationError(
        `Migration ${row.name} was applied on ${row.applied_at.toISOString()}, but its file is missing; ` +
          `version ${padded(row.version)} is now ${migration?.name ?? 'unknown'}. Restore the file, and give new changes a new version`,
      );
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(
        `${migration.file}: was changed after it was applied on ${row.applied_at.toISOString()}. ` +
          'Restore it, and put the change into a new migration',
      );
    }
  }
  const versions = new Set(applied.map(({ version }) => version));
  const latest = Math.max(0, ...versions);
  const pending = migrations.filter(({ version }) => !versions.has(version));
  const late = pending.find(({ version }) => version < latest);
  if (late) {
    throw new MigrationError(
      `${late.file}: the database is already at version ${padded(latest)}. Give it the next version, ${padded(Math.max(latest, newest) + 1)}`,
    );
  }
  return { applied, pending, unknown: applied.filter(({ version }) => version > newest) };
}

async function readApplied(client: pg.ClientBase): Promise<Applied[]> {
  const table = await client.query("SELECT to_regclass('schema_migrations') AS found");
  if ((table.rows as [{ found: string | null }])[0].found === null) return [];
  const { rows } = await client.query<Applied>(
    'SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version',
  );
  return rows;
}

/**
 * Apply what is pending.
 *
 * @throws MigrationError naming file and position; the failed migration has left no trace.
 */
export async function migrate(client: pg.ClientBase, migrations: Migration[], report: Report): Promise<void> {
  await locked(client, report, async () => {
    const { applied, pending, unknown } = await readStatus(client, migrations);
    for (const { name } of unknown) report(`${name} was applied by a newer release; left as it is`);
    await client.query(`
      CREATE TABLE IF NOT EXISTS schema_migrations (
        version     integer PRIMARY KEY,
        name        text NOT NULL,
        checksum    text NOT NULL,
        applied_at  timestamptz NOT NULL DEFAULT now(),
        duration_ms integer NOT NULL
      )`);
    let version = applied.at(-1)?.version ?? 0;
    for (const migration of pending) {
      const start = performance.now();
      await inTransaction(client, migration, version, async () => {
        await client.query(
          'INSERT INTO schema_migrations (version, name, checksum, duration_ms) VALUES ($1, $2, $3, $4)',
          [migration.version, migration.name, migration.checksum, Math.round(performance.now() - start)],
        );
      });
      version = migration.version;
      report(`Applied ${migration.name} in ${Math.round(performance.now() - start)} ms`);
    }
    report(`The database is at version ${padded(version)}${pending.length === 0 ? '; nothing to do' : ''}`);
  });
}

/**
 * Undo migrations, the newest first.
 *
 * @param target version to go back to; without it, the one before the present one.
 * @throws MigrationError before anything is undone when a rollback script is missing, and naming file and
 *   position when one fails.
 */
export async function rollback(
  client: pg.ClientBase,
  migrations: Migration[],
  target: number | undefined,
  report: Report,
): Promise<void> {
  await locked(client, report, async () => {
    const { applied } = await readStatus(client, migrations);
    const current = applied.at(-1)?.version ?? 0;
    const goal = target ?? current - 1;
    if (current === 0) throw new MigrationError('No migration was applied: there is nothing to roll back');
    if (goal >= current) {
      throw new MigrationError(`--to ${padded(goal)}: the database is at version ${padded(current)}; name a lower one`);
    }
    const scripts = await Promise.all(
      applied.filter(({ version }) => version > goal).reverse().map((row) => readRollback(row, migrations)),
    );
    let version = current;
    for (const { row, file, sql } of scripts) {
      await inTransaction(client, { file, sql }, version, async () => {
        await client.query('DELETE FROM schema_migrations WHERE version = $1', [row.version]);
      });
      version = row.version - 1;
      report(`Rolled back ${row.name}`);
    }
    report(`The database is at version ${padded(version)}`);
  });
}

async function readRollback(row: Applied, migrations: Migration[]) {
  const migration = migrations[row.version - 1];
  if (!migration) {
    throw new MigrationError(`${row.name} was applied by a newer release. Roll it back with that release`);
  }
  const file = rollbackFile(migration);
  try {
    const sql = await readFile(file, 'utf8');
    refuseTransactionControl(file, sql);
    return { row, file, sql };
  } catch (error) {
    if (error instanceof MigrationError) throw error;
    throw new MigrationError(`${file}: cannot be read, so ${row.name} cannot be rolled back. Nothing was changed`);
  }
}

/** Whether there is a script that undoes a migration. */
export async function isReversible(migration: Migration): Promise<boolean> {
  return access(rollbackFile(migration)).then(() => true, () => false);
}

function rollbackFile({ file }: Migration): string {
  return path.join(path.dirname(file), 'rollback', path.basename(file));
}

/** Run while no other run works on this database; wait for one that does. */
async function locked(client: pg.ClientBase, report: Report, work: () => Promise<void>): Promise<void> {
  await client.query(`SET client_connection_check_interval = '${PRESENCE_CHECK}'`);
  const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [LOCK]);
  if (!rows[0]?.free) {
    report('Another run is migrating this database; waiting for it');
    await client.query(`SET lock_timeout = ${LOCK_PATIENCE}`);
    try {
      await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    } catch (error) {
      throw new MigrationError(
        `Another run has been migrating this database for ${LOCK_PATIENCE / 60_000} minutes (${(error as Error).message})`,
      );
    }
  }
  try {
    await client.query(`SET lock_timeout = ${TABLE_PATIENCE}`);
    await work();
  } finally {
    // Fails when the connection is gone, and then the lock is gone with it.
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => undefined);
  }
}

/** Run a file, and record that it ran: both, or neither. */
async function inTransaction(
  client: pg.ClientBase,
  { file, sql }: Pick<Migration, 'file' | 'sql'>,
  version: number,
  record: () => Promise<void>,
) {
  await client.query('BEGIN');
  const transaction = await currentTransaction(client);
  let ended = false;
  try {
    await run(client, file, sql);
    ended = (await currentTransaction(client)) !== transaction;
    if (ended) throw new MigrationError(`${file}: was run`);
    await record();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    const message = error instanceof MigrationError ? error.message : `${file}: ${(error as Error).message}`;
    const outcome =
      ended || (await wasCommitted(client, transaction))
        ? 'The file ended its own transaction, so what it did may remain, in part or as a whole. Undo that by hand, ' +
          `and remove the statement; the database is recorded as being at version ${padded(version)}`
        : `Rolled back; the database is still at version ${padded(version)}`;
    throw new MigrationError(`${message}\n${outcome}`, { cause: error });
  }
}

async function currentTransaction(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id');
  return (rows[0] as { id: string }).id;
}

/** Whether a transaction took effect. Without a connection nobody knows: it ended with that, and took none. */
async function wasCommitted(client: pg.ClientBase, transaction: string): Promise<boolean> {
  try {
    const { rows } = await client.query<{ status: string }>('SELECT pg_xact_status($1::xid8) AS status', [transaction]);
    return rows[0]?.status === 'committed';
  } catch {
    return false;
  }
}

async function run(client: pg.ClientBase, file: string, sql: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    const where = error.position === undefined ? file : position(file, sql, Number(error.position) - 1);
    const summary = `${where}: ${error.message} (${error.code ?? 'no code'})`;
    throw new MigrationError([summary, error.detail, error.hint].filter(Boolean).join('\n'), { cause: error });
  }
}

/** FILE:LINE:COLUMN of a character, counted as PostgreSQL does: by code points. */
function position(file: string, sql: string, offset: number): string {
  const lines = Array.from(sql).slice(0, offset).join('').split('\n');
  return `${file}:${lines.length}:${Array.from(lines.at(-1) ?? '').length + 1}`;
}

/** A version as in the file names: 1 is 001. */
export function padded(version: number): string {
  return String(version).padStart(3, '0');
}
