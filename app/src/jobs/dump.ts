/** Job: a dump of the database, as SQL, into the bucket of backups. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, databaseAddress, whenReachable } from '../database.ts';
import { DumpInspector } from './dump-inspector.ts';
import { packed } from './gzip.ts';
import { runJob, type Task } from './job.ts';
import { libpqEnvironment } from './libpq.ts';
import { output } from './program.ts';
import { stamped } from './stamps.ts';
import { store } from './storage.ts';

/** Milliseconds that pg_dump waits for a migration's locks. */
const LOCK_PATIENCE = 300_000;

/** Ordinary tables, as pg_dump names them; those of extensions come with these. */
const TABLES = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')`;

async function dump({ config, logger, signal }: Task<'dump'>): Promise<void> {
  const start = performance.now();
  const client = await whenReachable(
    config.DATABASE_URL,
    () => connect(config.DATABASE_URL, 'stromhaltig-dump'),
    (message) => { logger.warn(message); },
  );
  const { rows } = await client.query<{ name: string }>(TABLES).finally(() => client.end());
  const tables = rows.map(({ name }) => name);
  if (tables.length === 0) {
    throw new Error(`The database at ${databaseAddress(config.DATABASE_URL)} holds no table. Did the migrations run?`);
  }
  signal.throwIfAborted();
  const directory = await mkdtemp(path.join(tmpdir(), 'dump-'));
  try {
    const env = await libpqEnvironment(client, directory);
    const args = ['--no-password', '--format=plain', `--lock-wait-timeout=${LOCK_PATIENCE}`];
    const sql = output('pg_dump', args, { env, signal, complains: (line) => { logger.warn(line); } });
    const name = stamped(`${client.database ?? 'database'}.sql.gz`);
    const stored = await store(config, name, packed(sql, new DumpInspector(tables)));
    logger.info({ ...stored, tables: tables.length, ms: Math.round(performance.now() - start) }, 'Dumped the database');
  } finally {
    await rm(directory, { recursive: true });
  }
}

await runJob('dump', dump);
