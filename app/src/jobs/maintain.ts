/** Job: weekly care for the database: VACUUM, statistics, and new indexes for those that hold much air. */

import pg from 'pg';
import type { Logger } from 'pino';
import { connect, isConnectionError, whenReachable } from '../database.ts';
import { BLOATED_INDEXES, INVALID_LEFTOVERS, TABLES } from './maintain-sql.ts';
import { messageOf, runJob, type Task } from './job.ts';

/** Any number, the same in every release, and not that of migrations: two runs at once meet on it. */
const LOCK = 7_305_119;

/** Milliseconds to wait for a table. What waits here stops neither reads nor writes. */
const LOCK_PATIENCE = 30_000;

/** Milliseconds for one statement: VACUUM or REINDEX of the largest table. */
const STATEMENT_LIMIT = 3_600_000;

/** Share of an index that may be air: a B-tree fresh from REINDEX has 10 %, one long in use about 30 %. */
const BLOAT = 0.5;

/** Bytes of air that are worth the work. */
const WORTHWHILE = 4 * 1024 ** 2;

/** How often PostgreSQL looks, during a statement, whether we are still there. */
const PRESENCE_CHECK = '5s';

const LOCK_NOT_AVAILABLE = '55P03';

async function maintain({ config, logger, signal }: Task<'maintain'>): Promise<void> {
  const open = () => connect(config.DATABASE_URL, 'stromhaltig-maintain');
  const client = await whenReachable(config.DATABASE_URL, open, (message) => { logger.warn(message); });
  const cancel = () => { void cancelStatement(client, open, logger); };
  signal.addEventListener('abort', cancel);
  try {
    signal.throwIfAborted();
    for (const [name, value] of Object.entries({
      client_connection_check_interval: PRESENCE_CHECK,
      lock_timeout: String(LOCK_PATIENCE),
      statement_timeout: String(STATEMENT_LIMIT),
    })) {
      await client.query('SELECT set_config($1, $2, false)', [name, value]);
    }
    const { rows } = await client.query<{ free: boolean }>('SELECT pg_try_advisory_lock($1) AS free', [LOCK]);
    if (rows[0]?.free) await new Maintenance(client, logger, signal).run();
    else logger.warn('Another run is at work on this database; nothing done');
  } finally {
    signal.removeEventListener('abort', cancel);
    // The lock goes with the connection.
    await client.end();
  }
}

/** Ends the statement that runs: without being told, PostgreSQL would first finish it. */
async function cancelStatement(client: pg.Client, open: () => Promise<pg.Client>, logger: Logger): Promise<void> {
  try {
    const { processID } = client as pg.Client & { processID: number };
    const other = await open();
    await other.query('SELECT pg_cancel_backend($1)', [processID]).finally(() => other.end());
  } catch (error) {
    logger.warn(`Cannot cancel the statement that runs: ${messageOf(error)}`);
  }
}

class Maintenance {
  private readonly start = performance.now();
  private readonly done = { vacuumed: 0, dropped: 0, rebuilt: 0, skipped: 0 };
  private readonly failures: string[] = [];

  constructor(
    private readonly client: pg.Client,
    private readonly logger: Logger,
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    await this.dropLeftovers();
    await this.vacuum();
    await this.rebuildBloated();
    this.logger.info({ ...this.done, ms: since(this.start) }, 'Maintained the database');
    if (this.failures.length > 0) throw new Error(this.failures.join('; '));
  }

  /** What a REINDEX CONCURRENTLY that was interrupted has left: no query uses it, but every write keeps it. */
  private async dropLeftovers(table: string | null = null): Promise<void> {
    const { rows } = await this.client.query<{ name: string }>(INVALID_LEFTOVERS, [table]);
    for (const { name } of rows) {
      await this.each({ index: name }, async () => {
        await this.client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
        this.done.dropped++;
        this.logger.info({ index: name }, 'Dropped what an interrupted run left');
      });
    }
  }

  /** One by one, to be able to say what takes long, and to go on after one that is locked. */
  private async vacuum(): Promise<void> {
    const { rows } = await this.client.query<{ name: string; partitioned: boolean }>(TABLES);
    for (const { name, partitioned } of rows) {
      this.signal.throwIfAborted();
      await this.each({ table: name }, async () => {
        const start = performance.now();
        // Its partitions are in the list themselves; of the whole, autovacuum never makes statistics.
        await this.client.query(partitioned ? `ANALYZE ${name}` : `VACUUM (ANALYZE) ${name}`);
        this.done.vacuumed++;
        this.logger.info({ table: name, ms: since(start) }, partitioned ? 'Analyzed' : 'Vacuumed');
      });
    }
  }

  private async rebuildBloated(): Promise<void> {
    const { rows } = await this.client.query<{ name: string; table: string; bytes: number; air: number }>(
      BLOATED_INDEXES,
      [BLOAT, WORTHWHILE],
    );
    for (const { name, table, bytes, air } of rows) {
      this.signal.throwIfAborted();
      await this.each({ index: name }, async () => {
        const start = performance.now();
        try {
          await this.client.query(`REINDEX INDEX CONCURRENTLY ${name}`);
        } catch (error) {
          if (!isConnectionError(error)) await this.dropLeftovers(table);
          throw error;
        }
        const after = await this.client.query<{ bytes: number }>('SELECT pg_relation_size($1::regclass)::float8 AS bytes', [name]);
        this.done.rebuilt++;
        this.logger.info(
          { index: name, bytesBefore: bytes, bytesAfter: after.rows[0]?.bytes, bytesOfAir: air, ms: since(start) },
          'Rebuilt a bloated index',
        );
      });
    }
  }

  /** One piece of work: locked by somebody else it is left for next week, and failing it does not stop the others. */
  private async each(what: Record<string, string>, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.signal.aborted || isConnectionError(error)) throw error;
      this.done.skipped++;
      if ((error as pg.DatabaseError).code === LOCK_NOT_AVAILABLE) {
        this.logger.warn({ ...what, waitedMs: LOCK_PATIENCE }, 'Left out: somebody else has it locked');
      } else {
        this.logger.error({ ...what, reason: messageOf(error) }, 'Left out: it failed');
        this.failures.push(`${Object.values(what).join()}: ${messageOf(error)}`);
      }
    }
  }
}

function since(start: number): number {
  return Math.round(performance.now() - start);
}

await runJob('maintain', maintain);
