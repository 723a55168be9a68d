import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import pg from 'pg';
import { migratedDatabase } from './app.ts';
import { JobProcess, runJob } from './jobs.ts';
import { eventually, execute } from './servers.ts';

const npmCache = mkdtempSync(path.join(tmpdir(), 'stromhaltig-jobs-'));
after(() => { rmSync(npmCache, { recursive: true }); });

let databaseUrl: string;
beforeEach(async () => { databaseUrl = await migratedDatabase(); });

const environment = () => ({ DATABASE_URL: databaseUrl, npm_config_cache: npmCache });

/** A connection that is kept, for locks. */
async function session(t: { after: (end: () => Promise<void>) => void }): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  t.after(() => client.end());
  return client;
}

/** A table of which nine tenths were deleted; its key is bloated, its other index is of few pages. */
async function bloat() {
  await execute(databaseUrl, 'CREATE TABLE bloated (id int PRIMARY KEY, small boolean)');
  await execute(databaseUrl, 'INSERT INTO bloated SELECT id, true FROM generate_series(1, 400000) AS id');
  await execute(databaseUrl, 'CREATE INDEX "Small" ON bloated (small)');
  await execute(databaseUrl, 'DELETE FROM bloated WHERE id % 10 > 0');
}

async function invalid(): Promise<string[]> {
  const rows = await execute<{ name: string }>(
    databaseUrl,
    'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid ORDER BY 1',
  );
  return rows.map(({ name }) => name);
}

/** What an interrupted REINDEX leaves: its new index, invalid. */
async function interruptReindex() {
  const client = new pg.Client({ connectionString: databaseUrl });
  const holder = new pg.Client({ connectionString: databaseUrl });
  await Promise.all([client.connect(), holder.connect()]);
  await holder.query('BEGIN; INSERT INTO bloated VALUES (-1)');
  await client.query("SET lock_timeout = '200ms'");
  await assert.rejects(client.query('REINDEX INDEX CONCURRENTLY bloated_pkey'), /lock timeout/);
  await holder.query('ROLLBACK');
  await Promise.all([client.end(), holder.end()]);
}

describe('maintain', () => {
  test('tables are vacuumed and analyzed, and bloated indexes rebuilt, they alone', async () => {
    await bloat();
    const job = await runJob('maintain', environment());
    assert.equal(job.code, 0, job.output);
    const rebuilt = job.logged('Rebuilt a bloated index');
    assert.deepEqual(rebuilt.map(({ index }) => index), ['public.bloated_pkey']);
    const { bytesBefore, bytesAfter } = rebuilt[0] as unknown as Record<string, number>;
    assert((bytesAfter ?? 0) < (bytesBefore ?? 0) / 5, `${bytesBefore ?? ''} -> ${bytesAfter ?? ''}`);
    const tables = await execute<{ name: string; vacuumed: boolean }>(
      databaseUrl,
      `SELECT format('%I.%I', schemaname, relname) AS name, last_vacuum IS NOT NULL AND last_analyze IS NOT NULL AS vacuumed
       FROM pg_stat_user_tables ORDER BY 1`,
    );
    assert(tables.length > 4);
    assert.deepEqual(tables.filter(({ vacuumed }) => !vacuumed), []);
    assert.deepEqual(job.logged('Vacuumed').map(({ table }) => table), tables.map(({ name }) => name));
    const [end] = job.logged('Maintained the database');
    assert.deepEqual(
      [end?.['vacuumed'], end?.['rebuilt'], end?.['dropped'], end?.['skipped']],
      [tables.length, 1, 0, 0],
    );
  });

  test('what was rebuilt is not bloated the next time', async () => {
    await bloat();
    await runJob('maintain', environment());
    const again = await runJob('maintain', environment());
    assert.deepEqual([again.code, again.logged('Rebuilt a bloated index')], [0, []]);
  });

  test('an index of text, of an expression or of NULLs that is full is left alone', async () => {
    await execute(
      databaseUrl,
      `CREATE TABLE full_ (name text, day date, number numeric);
       INSERT INTO full_ SELECT md5(i::text), CASE WHEN i % 2 = 0 THEN current_date - i % 5000 END, i / 7.0 FROM generate_series(1, 200000) AS i;
       CREATE INDEX ON full_ (name, day); CREATE INDEX ON full_ (upper(name)); CREATE INDEX ON full_ (number) INCLUDE (name)`,
    );
    const job = await runJob('maintain', environment());
    assert.deepEqual([job.code, job.logged('Rebuilt a bloated index')], [0, []], job.output);
  });

  test('what an interrupted run left is dropped', async () => {
    await bloat();
    await interruptReindex();
    assert.deepEqual(await invalid(), ['bloated_pkey_ccnew']);
    const job = await runJob('maintain', environment());
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(job.logged('Dropped what an interrupted run left').map(({ index }) => index), ['public.bloated_pkey_ccnew']);
    assert.deepEqual(await invalid(), []);
  });

  test('an invalid index of somebody else stays', async () => {
    await execute(databaseUrl, 'CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)');
    await assert.rejects(execute(databaseUrl, 'CREATE UNIQUE INDEX CONCURRENTLY theirs ON t (a)'));
    const job = await runJob('maintain', environment());
    assert.equal(job.code, 0, job.output);
    assert.deepEqual(await invalid(), ['theirs']);
  });

  test('a second run at the same time does nothing', async (t) => {
    const other = await session(t);
    await other.query('SELECT pg_advisory_lock(7305119)');
    const job = await runJob('maintain', environment());
    assert.equal(job.code, 0);
    assert.deepEqual(job.logs.map(({ msg }) => msg), ['Another run is at work on this database; nothing done']);
  });

  test('at SIGTERM the statement that runs ends, and leaves nothing', async (t) => {
    await bloat();
    await execute(databaseUrl, 'VACUUM (ANALYZE)');
    const holder = await session(t);
    await holder.query('BEGIN; INSERT INTO bloated VALUES (-1)');
    const job = new JobProcess('maintain', environment());
    await eventually('an index is being rebuilt', async () => (await invalid()).length > 0);
    const start = Date.now();
    job.signal('SIGTERM');
    // The writer that the rebuilding waits for is away soon; until then it could not be undone either.
    setTimeout(() => { void holder.query('ROLLBACK'); }, 500);
    assert.equal(await job.ended, 143, job.output);
    assert(Date.now() - start < 10_000);
    assert.equal(job.logged('Stopped before the end').length, 1);
    assert.deepEqual(await invalid(), []);
  });

  test('a database that is away is told with its address, and without the password', async () => {
    databaseUrl = databaseUrl.replace(/[^/]*$/, 'nowhere').replace(':unused@', ':geheim@');
    const job = await runJob('maintain', environment());
    assert.equal(job.code, 1);
    assert.match(job.logged('error')[0]?.msg ?? '', /^The job failed: Cannot reach the database at 127\.0\.0\.1:\d+\/nowhere: /);
    assert(!job.output.includes('geheim'));
  });
});
