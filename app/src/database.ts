import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from './config.ts';

/** How long a database may be away at the start, in milliseconds. */
const PATIENCE = 30_000;

/** Milliseconds after which the database gives up a statement. */
const STATEMENT_TIMEOUT = 30_000;

/** Milliseconds after which we give up a database that says nothing at all, not even that it gave up. */
const SILENCE = STATEMENT_TIMEOUT + 2000;

export function createPool(config: Config, logger: Logger): pg.Pool {
  const pool = new pg.Pool({
    connectionString: config.DATABASE_URL,
    min: config.DB_POOL_MIN,
    max: config.DB_POOL_MAX,
    idleTimeoutMillis: config.DB_IDLE_TIMEOUT,
    connectionTimeoutMillis: 5000,
    statement_timeout: STATEMENT_TIMEOUT,
    query_timeout: SILENCE,
    keepAlive: true,
    application_name: 'stromhaltig',
  });
  // The pool replaces the connection; without a listener the error would end the process.
  pool.on('error', (err) => { logger.warn({ err }, 'Lost an idle database connection'); });
  // One that is lost in use fails the next statement; again, without a listener it would end the process.
  pool.on('connect', (client) => { client.on('error', () => undefined); });
  return pool;
}

/** A connection of its own, for a command. */
export async function connect(databaseUrl: string, applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    application_name: applicationName,
  });
  // A connection lost between two statements fails the next one, which says so.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/**
 * What connecting returns, tried again with growing pauses while the database is away.
 *
 * @throws Error that says where the database was sought, after 30 s or at once when it refuses us.
 */
export async function whenReachable<T>(
  databaseUrl: string,
  connect: () => Promise<T>,
  report: (message: string) => void,
): Promise<T> {
  const deadline = Date.now() + PATIENCE;
  for (let pause = 500; ; pause = Math.min(2 * pause, 5000)) {
    try {
      return await connect();
    } catch (error) {
      const problem = `Cannot reach the database at ${databaseAddress(databaseUrl)}: ${reason(error)}`;
      if (!isConnectionError(error)) throw new Error(`${problem}. Look at DATABASE_URL.`, { cause: error });
      if (Date.now() + pause > deadline) {
        throw new Error(`${problem}. Gave up after ${PATIENCE / 1000} s.`, { cause: error });
      }
      report(`${problem}. Next attempt in ${pause / 1000} s.`);
      await sleep(pause);
    }
  }
}

/** Run statements that hold together: all of them, or none. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: unknown;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    if (isConnectionError(error)) broken = error;
    else await client.query('ROLLBACK').catch((failure: unknown) => { broken = failure; });
    throw error;
  } finally {
    // A connection that cannot even roll back is not used again.
    client.release(broken !== undefined);
  }
}

/** Host, port and name of a database, without user and password. */
export function databaseAddress(databaseUrl: string): string {
  const { host, pathname } = new URL(databaseUrl);
  return `${host || 'localhost'}${pathname}`;
}

/** Whether the database is away or going, rather than refusing what we ask. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isConnectionError);
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: string }).code ?? '';
  return (
    /^(08|57P0|53300)/.test(code) ||
    ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE'].includes(code) ||
    /timeout exceeded when trying to connect|connection terminated|timeout expired|query read timeout/i.test(error.message)
  );
}

function reason(error: unknown): string {
  // Both addresses of a name failed: the first says enough.
  if (error instanceof AggregateError) return reason(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
